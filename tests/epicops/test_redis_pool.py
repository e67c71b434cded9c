"""The shortened way to a connection and back keeps what redis-py's own promises."""

from typing import Any

import pytest
from django.conf import settings

from epicops.redis_client import Redis, connect


@pytest.fixture
def client() -> Redis:
    return connect(settings.EPICOPS_REDIS_SESSIONS_URL, retries=0)


def borrowed(client: Redis) -> Any:
    return client.connection_pool.get_connection()


def test_a_connection_is_used_again(client: Redis) -> None:
    assert client.client_id() == client.client_id()


def test_a_connection_in_use_is_lent_to_nobody_else(client: Redis) -> None:
    assert borrowed(client) is not borrowed(client)


def test_an_answer_that_was_left_behind_is_read_by_nobody(client: Redis) -> None:
    connection = borrowed(client)
    connection.send_command("ECHO", "of somebody else")
    connection.can_read(timeout=5)
    client.connection_pool.release(connection)

    assert client.echo("mine") == b"mine"


def test_a_connection_that_the_server_closed_costs_no_call(client: Redis) -> None:
    with connect(settings.EPICOPS_REDIS_SESSIONS_URL) as other:
        other.client_kill_filter(_id=str(client.client_id()))

    assert client.ping()


def test_what_was_returned_twice_is_lent_once(client: Redis) -> None:
    connection = borrowed(client)
    for _ in range(2):
        client.connection_pool.release(connection)

    assert borrowed(client) is not borrowed(client)
