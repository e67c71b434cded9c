"""Certificates for trying TLS."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from epicops.arguments import DAYS
from epicops.pki import Authority
from epicops.redis_config import URL_USERS


class Command(BaseCommand):
    help = (
        "Make a CA, a certificate for each host and one for each user of epicops. Run again it renews the certificates "
        "and keeps the CA. For trials: the CA's key lies beside them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py make_dev_pki pki 127.0.0.1 redis-1.example"
        parser.add_argument("out", type=Path, help="folder for ca.crt, NAME.crt and NAME.key")
        parser.add_argument("hosts", nargs="*", help="names or addresses that clients dial")
        parser.add_argument("--days", type=DAYS, default=90, help="validity of the certificates (default %(default)s)")

    def handle(self, *, out: Path, hosts: list[str], days: int, **options: Any) -> None:
        try:
            authority = Authority(out)
            authority.create("epicops trial CA")
        except OSError as error:
            raise CommandError(f"cannot write to {out}: {error.strerror}") from error
        for host in hosts:
            authority.issue(host, [host], days=days)
        for user in URL_USERS:
            authority.issue(user, days=days)
        self.stdout.write(f"{len(hosts)} hosts and {len(URL_USERS)} users in {out}")
