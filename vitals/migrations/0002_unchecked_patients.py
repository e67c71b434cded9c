"""PostgreSQL no longer checks the patient of each observation, a fifth of a commit's time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vitals", "0001_schema")]
    operations = [
        migrations.AlterField(
            "observation",
            "patient",
            models.ForeignKey(
                "vitals.patient",
                models.PROTECT,
                related_name="observations",
                db_index=False,
                db_constraint=False,
            ),
        ),
    ]
