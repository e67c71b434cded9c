"""Places, patients, where they are and how they are."""

from datetime import UTC, datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import PROTECT, F, Q
from django.db.models.functions import Coalesce

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")

# A database that these have made has nothing left to do.
REPLACED = """
0001_initial 0002_clinical_facts 0003_visit_plans 0004_lean_writes 0005_portals 0006_more_vitals
0007_comparison_runs
"""


class Migration(migrations.Migration):
    initial = True
    replaces = [("vitals", name) for name in REPLACED.split()]
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Unit",
            [
                ("id", ID),
                ("facility", models.CharField(blank=True, max_length=227)),
                ("code", models.CharField(max_length=64)),
                ("name", models.CharField(blank=True, max_length=100)),
                ("staff", models.ManyToManyField(blank=True, related_name="units", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ("code",),
                "constraints": [models.UniqueConstraint(fields=("facility", "code"), name="one_unit_per_code")],
            },
        ),
        migrations.CreateModel(
            "Bed",
            [
                ("id", ID),
                ("unit", models.ForeignKey("vitals.unit", PROTECT, related_name="beds")),
                ("room", models.CharField(blank=True, max_length=64)),
                ("label", models.CharField(blank=True, max_length=64)),
                ("key", models.SlugField(help_text="Its name in Redis keys and addresses", max_length=80, unique=True)),
            ],
            options={
                "ordering": ("unit", "key"),
                "constraints": [models.UniqueConstraint(fields=("unit", "room", "label"), name="one_bed_per_location")],
            },
        ),
        migrations.CreateModel(
            "WallDisplay",
            [
                ("id", ID),
                ("unit", models.ForeignKey("vitals.unit", PROTECT, related_name="displays")),
                ("place", models.CharField(help_text="Where it hangs", max_length=100)),
                ("code_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "is_revoked",
                    models.BooleanField(default=False, help_text="It shows nothing any more", verbose_name="revoked"),
                ),
            ],
        ),
        migrations.CreateModel(
            "Patient",
            [
                ("id", ID),
                ("family_name", models.CharField(blank=True, max_length=194)),
                ("given_name", models.CharField(blank=True, max_length=194)),
                ("birth_date", models.DateField(blank=True, null=True)),
                ("sex", models.CharField(blank=True, help_text="HL7 table 0001", max_length=1)),
                ("demographics_at", models.DateTimeField(help_text="Time of the message these details came from")),
                (
                    "merged_into",
                    models.ForeignKey(
                        "vitals.patient",
                        PROTECT,
                        blank=True,
                        help_text="The record that survived",
                        null=True,
                        related_name="merged",
                    ),
                ),
                (
                    "deleted_at",
                    models.DateTimeField(blank=True, help_text="A29: nobody is in a bed after this", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            "PatientIdentifier",
            [
                ("id", ID),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="identifiers")),
                ("authority", models.CharField(blank=True, max_length=227)),
                ("value", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("value", "authority"), name="one_patient_per_identifier")
                ],
            },
        ),
        migrations.CreateModel(
            "PatientAccount",
            [
                ("id", ID),
                ("user", models.OneToOneField(settings.AUTH_USER_MODEL, PROTECT, related_name="patient_account")),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="accounts")),
            ],
        ),
        migrations.CreateModel(
            "Visit",
            [
                ("id", ID),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="visits")),
                ("authority", models.CharField(blank=True, max_length=227)),
                ("number", models.CharField(max_length=100)),
                (
                    "patient_at",
                    models.DateTimeField(
                        help_text="MSH-7 of the newest message that moved it to this patient", null=True
                    ),
                ),
                ("merged_into", models.ForeignKey("vitals.visit", PROTECT, null=True, related_name="merged")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("number", "authority"), name="one_visit_per_number")],
            },
        ),
        migrations.CreateModel(
            "VisitPlan",
            [
                ("id", ID),
                ("visit", models.OneToOneField("vitals.visit", PROTECT, related_name="plan")),
                ("expected_discharge_at", models.DateTimeField(null=True)),
                (
                    "flags",
                    ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("isolation", "Isolation"),
                                ("contaminated", "Contaminated"),
                                ("no-code", "No-code"),
                                ("aggressive", "Aggressive"),
                                ("confused", "Confused"),
                                ("blind", "Blind"),
                                ("deaf", "Deaf"),
                                ("paraplegic", "Paraplegic"),
                                ("pregnant", "Pregnant"),
                            ],
                            max_length=20,
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                ("stated_at", models.DateTimeField(help_text="MSH-7 of the message it came in")),
            ],
        ),
        migrations.CreateModel(
            "Movement",
            [
                ("id", ID),
                ("visit", models.ForeignKey("vitals.visit", PROTECT, related_name="movements")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("admit", "Admitted"),
                            ("transfer", "Transferred"),
                            ("discharge", "Discharged"),
                            ("cancel_admit", "Admission cancelled"),
                            ("cancel_transfer", "Transfer cancelled"),
                            ("cancel_discharge", "Discharge cancelled"),
                            ("delete", "Visit deleted"),
                            ("expected", "Expected"),
                            ("transfer_pending", "Transfer planned"),
                            ("discharge_pending", "Discharge planned"),
                            ("cancel_pending", "Plan cancelled"),
                            ("departed", "Left the ward for a while"),
                            ("returned", "Came back"),
                            ("class_changed", "Class changed"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "occurred_at",
                    models.DateTimeField(help_text="EVN-6, else EVN-2, else MSH-7; a discharge: PV1-45 first"),
                ),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=datetime(1900, 1, 1, tzinfo=UTC),
                        help_text="EVN-2, else MSH-7: of two statements about one moment the later holds",
                    ),
                ),
                ("bed", models.ForeignKey("vitals.bed", PROTECT, null=True, related_name="movements")),
                ("prior_bed", models.ForeignKey("vitals.bed", PROTECT, help_text="PV1-6", null=True, related_name="+")),
                ("message_id", models.BigIntegerField(db_index=True, help_text="The inbound message it came in")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        F("visit"), F("occurred_at"), F("kind"), Coalesce("bed", 0), name="movement_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "Stay",
            [
                ("id", ID),
                ("visit", models.ForeignKey("vitals.visit", PROTECT, related_name="stays")),
                ("bed", models.ForeignKey("vitals.bed", PROTECT, related_name="stays")),
                ("from_at", models.DateTimeField()),
                ("to_at", models.DateTimeField(blank=True, null=True)),
                ("message_id", models.BigIntegerField(default=0, help_text="The inbound message that opened it")),
                ("is_inferred", models.BooleanField(default=False, help_text="No message said that it began then")),
                (
                    "is_disputed",
                    models.BooleanField(default=False, help_text="PV1-6 named another bed than the one before"),
                ),
            ],
            options={
                "ordering": ("from_at",),
                "indexes": [models.Index(condition=Q(to_at=None), fields=["bed", "-from_at"], name="stay_current")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(to_at=None) | Q(to_at__gte=F("from_at")), name="stay_ends_after_start"
                    ),
                    models.UniqueConstraint(fields=("visit", "from_at"), name="one_stay_at_a_time"),
                ],
            },
        ),
        migrations.CreateModel(
            "Observation",
            [
                ("id", ID),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, db_index=False, related_name="observations")),
                ("vital", models.CharField(help_text="A name in vitals.codes.KEPT", max_length=10)),
                ("value", models.DecimalField(decimal_places=2, max_digits=8)),
                ("observed_at", models.DateTimeField(help_text="OBX-14, else OBR-7, else MSH-7")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("F", "Final"),
                            ("R", "Not verified"),
                            ("P", "Preliminary"),
                            ("C", "Corrected"),
                            ("D", "Deleted by the sender"),
                            ("W", "Of another patient"),
                        ],
                        max_length=1,
                    ),
                ),
                (
                    "stated_at",
                    models.DateTimeField(
                        default=datetime(1900, 1, 1, tzinfo=UTC),
                        help_text="MSH-7: of two equal statuses the later statement holds",
                    ),
                ),
                ("is_shown", models.BooleanField(default=True, help_text="Neither withdrawn nor implausible")),
                ("sub_id", models.CharField(blank=True, help_text="OBX-4", max_length=40)),
                ("sent_code", models.CharField(help_text="OBX-3.1", max_length=64)),
                ("sent_value", models.CharField(max_length=40)),
                ("sent_unit", models.CharField(blank=True, max_length=40)),
                ("message_id", models.BigIntegerField(db_index=True, help_text="The inbound message it came in")),
            ],
            options={
                "base_manager_name": "everything",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("patient", "vital", "observed_at", "sub_id"), name="observation_once"
                    )
                ],
            },
            managers=[
                ("objects", models.Manager()),
                ("everything", models.Manager()),
            ],
        ),
        migrations.CreateModel(
            "SupersededObservation",
            [
                ("id", ID),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="superseded_observations")),
                ("vital", models.CharField(max_length=10)),
                ("observed_at", models.DateTimeField()),
                ("sub_id", models.CharField(blank=True, max_length=40)),
                ("value", models.DecimalField(decimal_places=2, max_digits=8)),
                ("status", models.CharField(help_text="HL7 table 0085", max_length=1)),
                ("stated_at", models.DateTimeField()),
                ("message_id", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("patient", "vital", "observed_at", "sub_id", "status", "stated_at", "value"),
                        name="superseded_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "CodeMapping",
            [
                ("id", ID),
                ("code", models.CharField(help_text="OBX-3.1", max_length=64)),
                (
                    "system",
                    models.CharField(blank=True, help_text="OBX-3.3, exactly as sent; often empty", max_length=40),
                ),
                (
                    "vital",
                    models.CharField(
                        choices=[
                            ("hr", "Heart rate"),
                            ("bp", "Blood pressure, as 120/80"),
                            ("sbp", "Systolic BP"),
                            ("dbp", "Diastolic BP"),
                            ("map", "Mean BP"),
                            ("rr", "Respiratory rate"),
                            ("spo2", "SpO2"),
                            ("temp", "Temperature"),
                            ("o2", "Oxygen flow"),
                            ("fio2", "Inspired oxygen"),
                            ("acvpu", "Consciousness (ACVPU)"),
                            ("gcs", "Glasgow coma score"),
                            ("pain", "Pain, 0 to 10"),
                            ("weight", "Weight"),
                            ("height", "Height"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        blank=True, help_text="Unit of values sent without one, such as [degF]", max_length=40
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("code", "system"), name="one_meaning_per_code")],
            },
        ),
        migrations.CreateModel(
            "UnmappedCode",
            [
                ("id", ID),
                ("code", models.CharField(help_text="OBX-3.1", max_length=64)),
                ("system", models.CharField(blank=True, help_text="OBX-3.3", max_length=40)),
                ("label", models.CharField(blank=True, help_text="OBX-3.2 as last sent", max_length=100)),
                ("count", models.BigIntegerField(default=0)),
                ("seen_at", models.DateTimeField(help_text="When it was last applied")),
                ("message_id", models.BigIntegerField(help_text="The inbound message it was last seen in")),
            ],
            options={
                "ordering": ("-count",),
                "constraints": [models.UniqueConstraint(fields=("code", "system"), name="one_count_per_code")],
            },
        ),
        migrations.CreateModel(
            "OxygenTarget",
            [
                ("id", ID),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="oxygen_targets")),
                ("scale", models.PositiveSmallIntegerField(choices=[(1, "Scale 1"), (2, "Scale 2 (target 88-92 %)")])),
                ("decided_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-decided_at", "-id"),
            },
        ),
        migrations.CreateModel(
            "Assignment",
            [
                ("id", ID),
                ("nurse", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="assignments")),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, related_name="assignments")),
                ("from_at", models.DateTimeField()),
                ("to_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-from_at",),
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(to_at=None) | Q(to_at__gte=F("from_at")), name="assignment_ends_after_start"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "ComparisonRun",
            [
                ("id", ID),
                ("shape", models.CharField(max_length=20)),
                ("title", models.CharField(max_length=100, verbose_name="read")),
                ("samples", models.PositiveIntegerField()),
                ("postgresql", ArrayField(base_field=models.FloatField(), size=None, verbose_name="PostgreSQL")),
                ("cache", ArrayField(base_field=models.FloatField(), size=None)),
                ("verdict", models.CharField(max_length=100)),
                ("plan", models.TextField(blank=True)),
                ("ran_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("ran_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "comparison",
                "ordering": ("-id",),
                "permissions": (("run_comparison", "Can time reads from PostgreSQL and from the cache"),),
            },
        ),
    ]
