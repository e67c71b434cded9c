"""What systemd hears of a service."""

import socket
from pathlib import Path

import pytest

from epicops.systemd import notify


def test_systemd_hears_all_states_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))

        notify("READY=1", "STATUS=standing by")

        assert systemd.recv(100) == b"READY=1\nSTATUS=standing by"


def test_a_service_whom_systemd_does_not_hear_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    notify("WATCHDOG=1")
