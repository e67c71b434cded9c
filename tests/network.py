"""Hosts with a network of their own: a namespace each, joined by a bridge to this one. For tests that cut one off."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

CLONE_NEWNET = 0x4000_0000


class Network:
    """Entered, `hosts` are addresses reached from here; raises PermissionError where that is not allowed."""

    def __init__(self, number_of_hosts: int) -> None:
        self._id = os.getpid() % 65_536
        subnet = f"10.{self._id >> 8}.{self._id & 255}"
        self.hosts = tuple(f"{subnet}.{number}" for number in range(1, number_of_hosts + 1))
        self._gateway = f"{subnet}.254"
        self._bridge = f"epicops{self._id}"

    def __enter__(self) -> Self:
        try:
            ip("link", "add", self._bridge, "type", "bridge")
        except (OSError, subprocess.CalledProcessError) as error:
            raise PermissionError("network namespaces need root and iproute2") from error
        ip("address", "add", f"{self._gateway}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for host in self.hosts:
            self._join(host)
        return self

    def _join(self, host: str) -> None:
        inside, cable = self.namespace(host), self._cable(host)
        ip("netns", "add", inside)
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", inside)
        ip("link", "set", cable, "master", self._bridge, "up")
        ip("-n", inside, "address", "add", f"{host}/24", "dev", "eth0")
        ip("-n", inside, "link", "set", "eth0", "up")
        ip("-n", inside, "link", "set", "lo", "up")

    def __exit__(self, *_error: object) -> None:
        for host in self.hosts:
            ip("netns", "delete", self.namespace(host))
        ip("link", "delete", self._bridge)

    def namespace(self, host: str) -> str:
        return f"{self._bridge}-{host.rpartition('.')[2]}"

    def _cable(self, host: str) -> str:
        return f"ep{self._id}-{host.rpartition('.')[2]}"

    def on(self, host: str) -> list[str]:
        """Return the command that starts another one on a host."""
        return ["ip", "netns", "exec", self.namespace(host)]

    @contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """Pull a host's cable for a while: nothing is refused, packets vanish."""
        ip("link", "set", self._cable(host), "down")
        try:
            yield
        finally:
            ip("link", "set", self._cable(host), "up")

    def move_thread(self, host: str) -> None:
        """Make what this thread connects to from now on seen from a host."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{self.namespace(host)}").open() as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
