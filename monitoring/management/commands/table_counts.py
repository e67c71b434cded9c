"""How many rows each table has: what a restored database is compared with."""

import json
from typing import Any, Final

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import transaction

RECORDED: Final = ("auth", "audit", "interconnect", "vitals")  # the other tables change by themselves


class Command(BaseCommand):
    help = "Print the number of rows of every table that records something, as of one moment, as JSON."

    def handle(self, **options: Any) -> None:
        with transaction.atomic():
            transaction.get_connection().cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            counts = {
                model._meta.db_table: model._base_manager.count()  # noqa: SLF001  every row, whatever a manager hides
                for label in RECORDED
                for model in apps.get_app_config(label).get_models()
            }
        self.stdout.write(json.dumps(counts, indent=1, sort_keys=True))
