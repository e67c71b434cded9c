"""What a Redis URL stands for."""

import pytest

from epicops.redis_url import Topology, parse


def test_a_plain_url_is_one_server() -> None:
    address = parse("redis://web:s%40cret@db1:6380/2")

    assert address.topology is Topology.SINGLE
    assert address.options == {"username": "web", "password": "s@cret", "host": "db1", "port": 6380, "db": 2}


def test_a_unix_url_is_local() -> None:
    assert parse("unix:///run/redis.sock").is_local


def test_a_sentinel_url_names_sentinels_and_the_primary() -> None:
    address = parse("redis+sentinel://web:pw@s1:26380,s2,[::1]:5/epicops?sentinel_username=app&sentinel_password=spw")

    assert address.nodes == (("s1", 26380), ("s2", 26379), ("::1", 5))
    assert address.service == "epicops"
    assert address.options == {"username": "web", "password": "pw"}
    assert address.sentinel_options == {"username": "app", "password": "spw"}


def test_a_cluster_url_names_some_of_its_nodes() -> None:
    address = parse("redis+cluster://web:pw@n1,n2:6380?replicas=1")

    assert (address.topology, address.nodes) == (Topology.CLUSTER, (("n1", 6379), ("n2", 6380)))
    assert address.reads_replicas
    assert address.options == {"username": "web", "password": "pw"}


def test_tls_files_go_to_servers_and_sentinels() -> None:
    address = parse("rediss+sentinel://s1/epicops?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k")

    assert address.is_tls
    assert address.options == {"ssl_ca_certs": "/ca", "ssl_certfile": "/c", "ssl_keyfile": "/k"}
    assert address.sentinel_options == {"username": None, "password": None} | address.options


@pytest.mark.parametrize(
    "url",
    [
        "http://web:hunter2@db1",
        "redis+other://web:hunter2@db1",
        "unix+sentinel://web:hunter2@db1/x",
        "redis+sentinel://web:hunter2@s1,s2",
        "redis+sentinel://web:hunter2@s1,,s2/epicops",
        "rediss://web:hunter2@db1",
        "redis+cluster://web:hunter2@n1/2",
        "redis+cluster://web:hunter2@n1?db=2",
        "redis://web:hunter2@db1?replicas=1",
        "redis+sentinel://web:hunter2@s1/epicops?replicas=yes",
    ],
)
def test_a_wrong_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"Redis URL|Sentinel URL|Cluster URL|rediss needs") as caught:
        parse(url)

    assert "hunter2" not in str(caught.value)


def test_an_address_shows_no_password() -> None:
    assert "hunter2" not in repr(parse("redis+sentinel://a:hunter2@s1/x?sentinel_password=hunter2"))
