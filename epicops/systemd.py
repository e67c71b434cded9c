"""Telling systemd how a service is, where systemd has started it (sd_notify(3)); elsewhere nothing happens."""

import os
import socket
from contextlib import suppress


def notify(*states: str) -> None:
    """Send states such as "READY=1", "WATCHDOG=1" or "STATUS=standing by".

    Whether systemd hears them is its own business: who never hears WATCHDOG=1 starts the service anew.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a socket without a file
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.send("\n".join(states).encode())
