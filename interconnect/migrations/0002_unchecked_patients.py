"""PostgreSQL no longer checks the patient of each message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0001_schema"), ("vitals", "0002_unchecked_patients")]
    operations = [
        migrations.AlterField(
            "inboundmessage",
            "patient",
            models.ForeignKey(
                "vitals.patient",
                models.PROTECT,
                null=True,
                related_name="messages",
                db_constraint=False,
            ),
        ),
    ]
