"""Users, the registry of their sessions, and emergency accesses."""

from django.conf import settings
from django.contrib.auth.models import UserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import migrations, models
from django.db.models import PROTECT, F, Q
from django.db.models.functions import Now
from django.utils import timezone

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")

# A database that these have made has nothing left to do.
REPLACED = """
0001_initial 0002_sessions_registry 0003_break_glass 0004_second_factor 0005_shards
"""


class Migration(migrations.Migration):
    initial = True
    replaces = [("sessions_app", name) for name in REPLACED.split()]
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.CreateModel(
            "User",
            [
                ("id", ID),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=timezone.now, verbose_name="date joined")),
                (
                    "role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("physician", "Physician"),
                            ("nurse", "Nurse"),
                            ("charge_nurse", "Charge nurse"),
                            ("operator", "Operator"),
                            ("patient", "Patient"),
                        ],
                        help_text="Empty: the admin is the only entrance",
                        max_length=20,
                    ),
                ),
                ("department", models.CharField(blank=True, help_text="For example emergency", max_length=60)),
                ("has_second_factor", models.BooleanField(default=False, editable=False, verbose_name="second factor")),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
            },
            managers=[
                ("objects", UserManager()),
            ],
        ),
        migrations.CreateModel(
            "SessionRecord",
            [
                (
                    "key_hash",
                    models.CharField(
                        editable=False, help_text="HMAC of the id", max_length=64, primary_key=True, serialize=False
                    ),
                ),
                ("handle", models.CharField(help_text="What logs and audit events call this session", max_length=12)),
                ("sealed_id", models.CharField(editable=False, max_length=64)),
                ("user_id", models.BigIntegerField(null=True)),
                ("role", models.CharField(blank=True, max_length=60)),
                ("department", models.CharField(blank=True, max_length=60)),
                ("portal", models.CharField(blank=True, max_length=60)),
                ("locked", models.CharField(blank=True, max_length=20)),
                ("bg_until", models.CharField(blank=True, max_length=40, verbose_name="break-glass until")),
                ("bg_ref", models.CharField(blank=True, max_length=20, verbose_name="break-glass reference")),
                ("data", models.TextField(editable=False)),
                ("ver", models.BigIntegerField(editable=False)),
                ("idle", models.IntegerField(help_text="ms", verbose_name="idle limit")),
                ("lock", models.IntegerField(help_text="ms; 0: never", verbose_name="locks after")),
                ("started_at", models.DateTimeField(db_default=Now())),
                ("admitted_at", models.DateTimeField(editable=False, null=True)),
                ("last_activity", models.DateTimeField()),
                ("deadline", models.DateTimeField(help_text="Absolute limit", verbose_name="ends by")),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "end_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("logout", "signed out"),
                            ("renewed", "went on under a new id"),
                            ("idle", "no activity"),
                            ("absolute", "reached its absolute limit"),
                            ("admin", "ended in the console"),
                            ("owner", "ended by its owner elsewhere"),
                            ("limit", "too many sessions at once"),
                            ("deactivated", "account deactivated"),
                            ("role", "role no longer admitted here"),
                            ("password", "password changed"),
                            ("store", "hash without limits in Redis"),
                        ],
                        max_length=20,
                    ),
                ),
                ("ended_by", models.CharField(blank=True, max_length=150)),
                (
                    "is_cleared",
                    models.BooleanField(default=False, editable=False, help_text="Its hash in Redis is deleted"),
                ),
            ],
            options={
                "verbose_name": "live session",
                "permissions": (("end_session", "Can end sessions of others"),),
                "indexes": [
                    models.Index(condition=Q(ended_at=None), fields=["user_id"], name="session_live_by_user"),
                    models.Index(
                        models.OrderBy(F("last_activity"), descending=True),
                        condition=Q(ended_at=None),
                        name="session_live_by_activity",
                    ),
                    models.Index(fields=["handle"], name="session_by_handle"),
                    models.Index(
                        condition=Q(ended_at__isnull=False, is_cleared=False),
                        fields=["ended_at"],
                        name="session_uncleared",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "StoreState",
            [
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("generation", models.BigIntegerField(default=1)),
                ("mode", models.CharField(default="redis", max_length=10)),
                ("run_id", models.CharField(blank=True, max_length=4000)),
                ("since", models.DateTimeField(db_default=Now())),
                ("distrusted_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "BreakGlass",
            [
                ("id", ID),
                ("user", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="break_glass")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("treatment", "Emergency treatment"),
                            ("cover", "Covering for a colleague"),
                            ("transfer", "Patient on the way to or from my ward"),
                            ("other", "Another reason"),
                        ],
                        max_length=20,
                    ),
                ),
                ("explanation", models.CharField(blank=True, max_length=300)),
                ("opened_at", models.DateTimeField(db_default=Now())),
                ("until", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "closed_by",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("expired", "time was up"),
                            ("owner", "closed by who opened it"),
                            ("session", "the session ended"),
                            ("admin", "closed in the console"),
                        ],
                        max_length=20,
                        verbose_name="closed",
                    ),
                ),
            ],
            options={
                "verbose_name": "break-glass access",
                "verbose_name_plural": "break-glass accesses",
                "permissions": (("close_breakglass", "Can close break-glass accesses of others"),),
                "indexes": [models.Index(condition=Q(closed_at=None), fields=["until"], name="break_glass_unclosed")],
            },
        ),
    ]
