"""Certificates are told of before they end: those that servers show, not those that were there at the start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from epicops.embedded.stack import free_port
from epicops.pki import Authority
from epicops.redis_client import connect
from monitoring.certificates import days_left
from monitoring.health import ROLES
from monitoring.models import AlertRule
from monitoring.preflight import preflight
from tests.clusters import forget, use
from tests.redis_servers import RedisServer, tls_lines, tls_query

pytestmark = [pytest.mark.redis70, pytest.mark.django_db]


@pytest.fixture
def authority(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """The CA of a server that has all three roles, and of PostgreSQL's; the server's certificate ends tomorrow."""
    authority = Authority(tmp_path / "pki")
    authority.create("epicops test CA")
    authority.issue("server", ["localhost"], days=1)
    authority.issue("web", days=90)
    port = free_port()
    url = f"rediss://localhost:{port}?{tls_query(authority, 'web')}"
    server = RedisServer("secured", tmp_path, tls_lines(authority, port), url, kind="debian")
    server.start()
    options: Any = settings.DATABASES["default"]["OPTIONS"]
    monkeypatch.setitem(options, "sslrootcert", str(authority.certificate))
    use(url, settings, monkeypatch)
    yield authority
    forget()
    server.stop()


def test_a_certificate_that_ends_soon_is_named_until_the_server_shows_another(
    authority: Authority, settings: LazySettings
) -> None:
    before = dict(days_left())
    named = {finding.condition for finding in preflight() if "certificate" in finding.condition and not finding.is_kept}
    files = authority.issue("server", ["localhost"], days=90)
    for setting, file in zip(("tls-cert-file", "tls-key-file"), files, strict=True):
        connect(settings.EPICOPS_REDIS_QUEUE_URL).config_set(setting, str(file))

    assert round(before["Redis queue server"]) == 1
    assert round(before["Redis queue client"]) == 90
    assert before["PostgreSQL CA"] > 300
    assert named == {f"the certificate of Redis {role} server is valid for 1 days" for role in ROLES}
    assert round(dict(days_left())["Redis queue server"]) == 90


def test_a_certificate_that_cannot_be_read_hides_no_other(authority: Authority) -> None:
    (authority.directory / "web.crt").write_text("none")

    assert {"Redis queue CA", "PostgreSQL CA"} <= set(dict(days_left()))


def test_a_rule_looks_at_them_from_the_start() -> None:
    rule = AlertRule.objects.get(metric="epicops_certificate_days_left")

    assert (rule.is_met(29.9), rule.is_met(31)) == (True, False)
