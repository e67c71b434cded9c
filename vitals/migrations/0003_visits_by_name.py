"""A number that two patients have is a visit of each: numbers without an authority repeat. Builds one index anew."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vitals", "0002_unchecked_patients")]
    operations = [
        migrations.RemoveConstraint("visit", "one_visit_per_number"),
        migrations.AddField(
            "visit",
            "namesake",
            models.BigIntegerField(
                default=0,
                db_default=0,
                help_text="0, or the patient it was opened for where the number was another's before",
            ),
        ),
        migrations.AddConstraint(
            "visit", models.UniqueConstraint(fields=["number", "authority", "namesake"], name="one_visit_per_name")
        ),
    ]
