"""Each user's rights, on Debian's Redis 7.0 and on Valkey: what it may do, what it may not, and the product as them."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import AuthenticationError, NoPermissionError

from epicops import acl, keys
from epicops.embedded.programs import web
from epicops.embedded.stack import free_port
from epicops.redis_client import connect, sessions_client, sessions_store_client
from interconnect.models import InboundMessage
from monitoring.health import servers
from monitoring.preflight import of_persistence
from sessions_app.backend import SessionStore
from sessions_app.permission import refuse_another_user
from sessions_app.trust import trust
from tests.builders import adt, oru
from tests.processes import ManageProcess
from tests.redis_servers import RedisServer, lines
from vitals.models import Bed

PASSWORDS = {name: f"{name}-{uuid.uuid4().hex}" for name in acl.USERS}

ALLOWED = {
    "web": [
        "HGETALL session:s",
        "HSET session:s f v",
        "PEXPIRE session:s 1",
        "TYPE session:s",
        "TYPE interconnect:queue",
        "TYPE patient:a:vitals",
        "DEL session:s",
        "EVAL x 1 session:s",
        "EVALSHA x 1 session:s",
        "MGET patient:a:vitals patient:b:vitals",
        "SET patient:a:vitals v EX 60 NX",
        "EVAL x 1 patient:a:vitals",
        "LLEN interconnect:queue",
        "LRANGE interconnect:dlq 0 -1",
        "HSET {interconnect:queue}:ctl paused 1",
        "EVAL x 1 interconnect:queue",
        "SCAN 0",
        "INFO server",
        "GET sessions:generation",
        "SET sessions:generation 1",
        "SADD sessions:unregistered x",
        "SMEMBERS sessions:unregistered",
        "EVAL x 2 patient:a:vitals {patient:a:vitals}:meta",
        "HGETALL {interconnect:queue}:alive",
        "TIME",
        "CLUSTER SLOTS",
        "CLUSTER INFO",
        "READONLY",
    ],
    "worker": [
        "CLUSTER SLOTS",
        "ASKING",
        "EVAL x 4 interconnect:queue {interconnect:queue}:inflight {interconnect:queue}:ctl {interconnect:queue}:t",
        "BLMOVE interconnect:queue interconnect:queue RIGHT RIGHT 0.1",
        "LPUSH interconnect:dlq m",
        "SET patient:a:vitals v EX 60",
        "HSET {interconnect:queue}:ctl token t",
        "INFO replication",
        "WAIT 1 100",
        "EVAL x 1 {interconnect:queue}:alive",
        "HSET {interconnect:queue}:canary at 1",
        "EVAL x 2 patient:a:vitals {patient:a:vitals}:meta",
    ],
    "ingest": [
        "LPUSH interconnect:queue m",
        "LLEN interconnect:queue",
        "WAIT 1 100",
        "INFO replication",
        "EVAL x 1 {interconnect:queue}:alive",
        "HDEL {interconnect:queue}:alive x",
    ],
    "monitor": [
        "INFO",
        "LLEN interconnect:queue",
        "TTL session:s",
        "TYPE session:s",
        "MEMORY USAGE session:s",
        "SLOWLOG LEN",
    ],
    "admin": ["CONFIG GET maxmemory", "ACL SETUSER x", "CLIENT KILL USER web", "GET anything"],
    "replica": ["PSYNC ? -1", "REPLCONF ACK 0"],
    "sentinel": ["REPLICAOF NO ONE", "INFO", "CONFIG REWRITE", "PUBLISH __sentinel__:hello x"],
}
FORBIDDEN = {
    "web": [
        "GET session:s",
        "HGETALL patient",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
        "MONITOR",
        "LPOP interconnect:queue",
        "GET other",
        "EVAL x 2 session:s patient:a:vitals",
    ],
    "worker": ["HGETALL session:s", "DEL session:s", "FLUSHDB", "SLOWLOG GET", "KEYS *", "REPLICAOF NO ONE"],
    "ingest": [
        "CLUSTER FAILOVER",
        "LRANGE interconnect:queue 0 -1",
        "RPOP interconnect:queue",
        "LPUSH interconnect:dlq m",
        "DEL interconnect:queue",
        "HGETALL session:s",
        "GET patient:a:vitals",
    ],
    "monitor": [
        "HGETALL session:s",
        "LRANGE interconnect:queue 0 -1",
        "GET patient:a:vitals",
        "SLOWLOG GET",
        "MONITOR",
        "CONFIG GET *",
        "DEL session:s",
    ],
    "admin": ["FLUSHALL", "FLUSHDB", "KEYS *", "MONITOR", "DEBUG SLEEP 1", "SWAPDB 0 1"],
    "replica": ["GET patient:a:vitals", "CONFIG GET *", "INFO"],
    "sentinel": ["GET patient:a:vitals", "LPUSH interconnect:queue m", "ACL LIST", "FLUSHALL"],
}


@pytest.fixture(scope="module", params=[pytest.param("debian", marks=pytest.mark.redis70), "valkey"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    root = tmp_path_factory.mktemp("acl")
    (root / "users.acl").write_text(acl.render(acl.USERS, PASSWORDS))
    port = free_port()
    config = lines({"bind": "127.0.0.1", "port": port, "appendonly": "yes", "aclfile": f'"{root}/users.acl"'})
    url = f"redis://admin:{PASSWORDS['admin']}@127.0.0.1:{port}"
    server = RedisServer("guarded", root, config, url, kind=request.param)
    server.start()
    yield server
    server.stop()


def url_of(server: RedisServer, user: str) -> str:
    return server.url.replace(f"admin:{PASSWORDS['admin']}", f"{user}:{PASSWORDS[user]}")


def execute(client: Any, *arguments: str) -> Any:
    return client.execute_command(*arguments)


def dry_run(server: RedisServer, user: str, command: str) -> bool:
    reply = execute(server.client(), "ACL DRYRUN", user, *command.split())
    return reply in (b"OK", "OK", True)


@pytest.mark.parametrize("user", acl.USERS)
def test_a_user_may_do_its_work(guarded: RedisServer, user: str) -> None:
    assert [command for command in ALLOWED[user] if not dry_run(guarded, user, command)] == []


@pytest.mark.parametrize("user", acl.USERS)
def test_a_user_may_do_nothing_else(guarded: RedisServer, user: str) -> None:
    assert [command for command in FORBIDDEN[user] if dry_run(guarded, user, command)] == []


@pytest.mark.parametrize("user", ["web", "worker", "ingest", "monitor"])
def test_what_is_forbidden_is_refused_for_real(guarded: RedisServer, user: str) -> None:
    client = connect(url_of(guarded, user))

    for command in FORBIDDEN[user]:
        with pytest.raises(NoPermissionError):
            execute(client, *command.split())


def test_nobody_gets_in_without_a_password(guarded: RedisServer) -> None:
    with pytest.raises(AuthenticationError):
        connect("redis://" + guarded.url.split("@")[1]).ping()


def test_a_restarted_server_has_what_scripts_wrote(guarded: RedisServer) -> None:
    client, pair = guarded.client(), ("patient:a:vitals", "patient:b:vitals")
    client.eval("redis.call('SET', KEYS[1], 1); redis.call('SET', KEYS[2], 2)", 2, *pair)

    guarded.stop()
    guarded.start()

    assert client.mget(pair) == [b"1", b"2"]


def test_preflight_sees_the_rights_that_the_file_is_read_with(guarded: RedisServer) -> None:
    def unkept() -> list[str]:
        findings = of_persistence("sessions", guarded.client(), "Redis sessions")
        return [finding.condition for finding in findings if not finding.is_kept]

    assert unkept() == []
    execute(guarded.client(), "ACL SETUSER", "default", "-@all")
    try:
        assert unkept() == ["Redis sessions has the rights to read its append-only file"]
    finally:
        execute(guarded.client(), "ACL LOAD")


def test_no_password_is_in_the_file() -> None:
    text = acl.render(acl.USERS, PASSWORDS)

    assert not [name for name, password in PASSWORDS.items() if password in text]


@pytest.mark.slow
def test_a_message_is_applied_by_ingest_and_worker(
    guarded: RedisServer, manage: Callable[..., ManageProcess], process_environment: dict[str, str]
) -> None:
    worker = url_of(guarded, "worker")
    process_environment |= {"EPICOPS_REDIS_QUEUE_URL": worker, "EPICOPS_REDIS_CACHE_URL": worker}
    connect(url_of(guarded, "ingest")).lpush(keys.QUEUE, adt("A01"), oru(hr=81), b"no message")

    assert manage("consume_interconnect", "--drain").wait() == 0

    assert InboundMessage.objects.filter(status=InboundMessage.Status.APPLIED).count() == 2
    web = connect(url_of(guarded, "web"))
    assert web.llen(keys.DLQ) == 1
    assert b'"hr":81' in (web.get(keys.vitals(Bed.objects.get().key)) or b"")


@pytest.mark.slow
def test_a_sweeper_with_the_workers_user_does_not_start(
    guarded: RedisServer, manage: Callable[..., ManageProcess], process_environment: dict[str, str]
) -> None:
    process_environment |= {"EPICOPS_REDIS_SESSIONS_URL": url_of(guarded, "worker")}

    sweeper = manage("sweep_sessions", "--once")

    assert sweeper.wait() == 1
    assert "This Redis user may not use sessions" in sweeper.stderr


@pytest.mark.slow
def test_pages_with_the_workers_user_do_not_start(guarded: RedisServer, process_environment: dict[str, str]) -> None:
    environment = process_environment | {"EPICOPS_REDIS_SESSIONS_URL": url_of(guarded, "worker")}

    ended = subprocess.run(web(free_port()), env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode != 0
    assert "This Redis user may not use sessions" in ended.stderr


@pytest.fixture
def sessions_as_worker(guarded: RedisServer, settings: Any) -> Iterator[None]:
    """Let this process use the sessions' server as the worker's user."""

    def forget() -> None:
        trust.forget()
        for client in (sessions_client, sessions_store_client):
            client.cache_clear()

    forget()
    settings.EPICOPS_REDIS_SESSIONS_URL = url_of(guarded, "worker")
    yield
    forget()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sessions_as_worker")
def test_a_process_with_another_user_is_not_ready_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert servers()["Redis sessions"] is False

    SessionStore().create()  # in PostgreSQL

    assert "this process' redis user may not use sessions" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_wrong_password_is_no_outage_to_start_in(
    sessions_as_worker: None, guarded: RedisServer, settings: Any
) -> None:
    settings.EPICOPS_REDIS_SESSIONS_URL = url_of(guarded, "web").replace(PASSWORDS["web"], "wrong")

    with pytest.raises(ImproperlyConfigured):
        refuse_another_user()


def test_a_new_password_is_added_before_the_old_one_is_removed(guarded: RedisServer) -> None:
    admin, running = guarded.client(), connect(url_of(guarded, "monitor"))
    assert running.ping()

    execute(admin, "ACL SETUSER", "monitor", "#" + acl.digest("next"))
    fresh = connect(guarded.url.replace(f"admin:{PASSWORDS['admin']}", "monitor:next"))
    assert fresh.ping()
    assert running.ping()

    execute(admin, "ACL SETUSER", "monitor", "!" + acl.digest("next"))


def test_revoking_needs_off_and_kill(guarded: RedisServer) -> None:
    admin, running = guarded.client(), connect(url_of(guarded, "monitor"))
    assert running.ping()

    execute(admin, "ACL SETUSER", "monitor", "off")
    assert running.ping(), "an open connection stays"
    execute(admin, "CLIENT KILL", "USER", "monitor")

    with pytest.raises(Exception, match=r"invalid username-password|disabled|onnection"):
        running.ping()
    execute(admin, "ACL SETUSER", "monitor", "on")
