"""An MLLP client for operators."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from epicops.arguments import PORT, not_negative, positive
from epicops.shutdown import stop_on_signal
from epicops.tls import client_context
from interconnect.wire.mllp_client import MLLPSender, control_id_of

MESSAGE = re.compile(rb"^MSH.*?(?=^(?:MSH|FHS|BHS|BTS|FTS)|\Z)", re.MULTILINE | re.DOTALL)
NO_ANSWER = b"--"
FRAMING = b"\x0b\x1c"


class Command(BaseCommand):
    help = (
        "Send HL7 messages from files over MLLP, one line of outcome each: MSA-1, or -- without an answer, and MSH-10. "
        "A folder is all its files by name; a file may hold one message, several, or a batch. What is answered AE or "
        "not at all is sent again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py send_mllp admission.hl7 --host 10.1.2.3 --rate 20"
        parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="or folder")
        parser.add_argument("--host", default="127.0.0.1", help="receiver (default: %(default)s)")
        parser.add_argument("--port", type=PORT, default=2575, help="its TCP port (default: %(default)s)")
        parser.add_argument("--window", type=positive, default=1, help="unanswered messages at once (default 1)")
        parser.add_argument(
            "--rate", type=not_negative, default=0.0, metavar="N", help="messages per second (default: no limit)"
        )
        parser.add_argument(
            "--give-up", type=not_negative, default=60.0, metavar="SECONDS", help="end after so long without an answer"
        )
        parser.add_argument("--tls-ca", metavar="FILE", help="speak TLS; the receiver's certificate is signed by these")
        parser.add_argument("--tls-cert", metavar="FILE", help="then show this certificate; its key in the same file")

    def handle(
        self, *, paths: list[Path], host: str, port: int, window: int, rate: float, give_up: float, **options: Any
    ) -> None:
        try:
            messages = [message for path in paths for message in messages_in(path)]
        except OSError as error:
            raise CommandError(f"cannot read {error.filename}: {error.strerror}") from error
        if not messages:
            raise CommandError("there is no MSH segment in these files")
        if options["tls_cert"] and not options["tls_ca"]:
            raise CommandError("--tls-cert needs --tls-ca")
        try:
            tls = client_context(options["tls_ca"], options["tls_cert"]) if options["tls_ca"] else None
        except OSError as error:  # ssl.SSLError is one
            raise CommandError(f"cannot use these certificates: {error.strerror or error}") from error
        sender = MLLPSender(host, port, window=window, settled=self._say, tls=tls)
        self._deliver(sender, messages, rate, give_up)
        sender.close()
        counts = sender.counts
        unanswered = [*sender.unsettled(), *messages[counts.sent :]]
        for message in unanswered:
            self._say(message, NO_ANSWER)
        self.stderr.write(f"{counts.accepted} accepted, {counts.refused} refused, {len(unanswered)} without an answer")
        if unanswered or counts.refused:
            sys.exit(1)

    def _say(self, message: bytes, code: bytes) -> None:
        self.stdout.write(f"{code.decode('ascii', 'replace')} {control_id_of(message).decode(errors='replace')}")

    def _deliver(self, sender: MLLPSender, messages: list[bytes], rate: float, give_up: float) -> None:
        rest, started = iter(messages), time.monotonic()
        settled, heard_at = 0, started
        with stop_on_signal() as stop, Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("sending", total=len(messages))
            while settled < len(messages) and time.monotonic() - heard_at < give_up and not stop.requested:
                due = len(messages) if not rate else int((time.monotonic() - started) * rate) + 1
                while sender.has_room and sender.counts.sent < due and (message := next(rest, None)) is not None:
                    sender.send(message)
                sender.pump(0.02 if rate else 0.2)
                if sender.counts.accepted + sender.counts.refused > settled:
                    settled, heard_at = sender.counts.accepted + sender.counts.refused, time.monotonic()
                    progress.update(task, completed=settled)


def messages_in(path: Path) -> Iterator[bytes]:
    """Yield each message of a file, or of all files of a folder, with CR as the end of its segments."""
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.is_file():
                yield from messages_in(entry)
        return
    lines = path.read_bytes().translate(None, FRAMING).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for match in MESSAGE.finditer(lines.removeprefix(b"\xef\xbb\xbf")):
        yield match[0].rstrip(b"\n").replace(b"\n", b"\r") + b"\r"
