"""Whether what lies in Redis and on its way through PostgreSQL is sealed, and under which keys."""

import json
import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from epicops.away import away
from monitoring.sealing import PLACES, vitals


class Command(BaseCommand):
    help = (
        "Count plain and sealed values by key id as one JSON line: inbox, refused frames, queue, dead-letter list, "
        "live sessions, vitals. Status 1 when a value is plain."
    )

    def handle(self, **options: Any) -> None:
        try:
            found = {place.name: Counter(place.key_id(each.value) for each in place.values()) for place in PLACES}
            found["vitals"] = Counter(vitals())
        except RedisError as error:
            raise CommandError(away(error)) from error
        self.stdout.write(json.dumps(found))
        if any(counter["plain"] for counter in found.values()):
            sys.exit(1)
