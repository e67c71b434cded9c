"""Everything sealed, under the key ring's primary key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from redis.exceptions import RedisError

from audit.models import AuditEvent
from epicops.away import away
from epicops.crypto import ring
from monitoring.sealing import PLACES, Place, rekey


class Command(BaseCommand):
    help = (
        "Seal what is plain or under an older key under the key ring's primary key: inbox, refused frames, queue, "
        "dead-letter list, live sessions. Runs beside everything else; stopped, it is started again. Run it with the "
        "addresses of the user admin. Status 1 when something could not be opened, or was moving all the time."
    )

    def handle(self, **options: Any) -> None:
        if not ring().primary:
            raise CommandError("EPICOPS_SEALING_KEYS is empty: there is no key to seal under")
        try:
            left = sum(self._rekey(place) for place in PLACES)
        except (RedisError, DatabaseError) as error:
            raise CommandError(f"{away(error)}; start it again later") from error
        if left:
            raise CommandError(f"{left} values are as they were: verify_encryption names their keys")

    def _rekey(self, place: Place) -> int:
        """Return how many values of a place could not be sealed anew."""
        done = left = 0
        for done, left in rekey(place):
            self.stderr.write(f"{place.name}: {done} sealed anew, {left} left")
        AuditEvent.objects.record(
            AuditEvent.Action.EXECUTE,
            "sealing.rekey",
            actor="rekey",
            object_type=place.name,
            detail={"key": ring().primary, "sealed": done, "left": left},
        )
        self.stdout.write(f"{place.name}: {done} values under {ring().primary}")
        return left
