"""PV1-15 is kept beside what PV2 plans, each with its own time: a message may have one of them."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

FLAGS = [
    ("isolation", "Isolation"),
    ("contaminated", "Contaminated"),
    ("no-code", "No-code"),
    ("aggressive", "Aggressive"),
    ("confused", "Confused"),
    ("blind", "Blind"),
    ("deaf", "Deaf"),
    ("paraplegic", "Paraplegic"),
    ("pregnant", "Pregnant"),
]


class Migration(migrations.Migration):
    dependencies = [("vitals", "0003_visits_by_name")]
    operations = [
        migrations.AlterField(
            "visitplan",
            "stated_at",
            models.DateTimeField(null=True, help_text="MSH-7 of the message with PV2"),
        ),
        migrations.AddField(
            "visitplan",
            "status",
            ArrayField(models.CharField(max_length=20, choices=FLAGS), null=True),
        ),
        migrations.AddField(
            "visitplan",
            "status_at",
            models.DateTimeField(null=True, help_text="MSH-7 of the message that stated PV1-15"),
        ),
    ]
