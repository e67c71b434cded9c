"""Which of a patient's numbers are of records that were merged into theirs; of merges so far nobody knows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vitals", "0004_status_of_visits")]

    operations = [
        migrations.AddField(
            "patientidentifier",
            "is_former",
            models.BooleanField(
                default=False, db_default=False, help_text="Of a record that was merged into this patient's"
            ),
        )
    ]
