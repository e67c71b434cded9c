"""People who use epicops, and the registry that vouches for their sessions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Self

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Count, Exists, F, Min, OuterRef, Q, Value
from django.db.models.functions import Cast, Least, Now
from django.utils.timezone import now

from epicops.bulk import chunks


class User(AbstractUser):
    """A person with a login; `role` and `department` are copied into each session at login."""

    class Role(models.TextChoices):
        PHYSICIAN = "physician", "Physician"
        NURSE = "nurse", "Nurse"
        CHARGE_NURSE = "charge_nurse", "Charge nurse"
        OPERATOR = "operator", "Operator"
        PATIENT = "patient", "Patient"

    role = models.CharField(max_length=20, choices=Role, blank=True, help_text="Empty: the admin is the only entrance")
    department = models.CharField(max_length=60, blank=True, help_text="For example emergency")
    has_second_factor = models.BooleanField("second factor", default=False, editable=False)

    def set_unusable_password(self) -> None:
        """Let nobody sign in by a password. Once that is saved, who did is out, as after a new one."""
        super().set_unusable_password()
        self._password = ""  # by which Django's save() knows that there is another one


# When a session ends unless it is used.
UNUSED_UNTIL: Final = F("last_activity") + F("idle") * Value(timedelta(milliseconds=1), models.DurationField())
ENDS_AT: Final = Least(UNUSED_UNTIL, "deadline", output_field=models.DateTimeField())


class SessionQuerySet(models.QuerySet["SessionRecord"]):
    def in_turns(self, size: int) -> Iterator[list["SessionRecord"]]:
        """Yield the rows by key in lists, each read when its turn comes: a cursor's rows are as old as its first."""
        for some in chunks(list(self.order_by("pk").values_list("pk", flat=True)), size):
            yield list(self.filter(pk__in=some).order_by("pk"))

    def run_out(self) -> Self:
        """Return those that have reached a limit, as far as the registry knows, and are not recorded as ended."""
        return self.alias(ends_at=ENDS_AT).filter(ended_at=None, ends_at__lte=Now())

    def by_portal(self) -> list[tuple[str, int, float]]:
        """Return each portal's live sessions, and the seconds until the first of them ends unless it is used."""
        live = self.filter(ended_at=None).order_by().values_list("portal")
        found = live.annotate(number=Count("pk"), soonest=Min(ENDS_AT))
        return [(portal, number, max((end - now()).total_seconds(), 0.0)) for portal, number, end in found]


class SessionRecord(models.Model):
    """One session: the fallback while Redis is away, the tombstone afterwards, and what the console lists.

    `registry.py` writes it through a connection of its own, in autocommit. It has no foreign key: rows outlive accounts
    and are written while their user's row may be in somebody's open transaction.
    """

    class Reason(models.TextChoices):
        LOGOUT = "logout", "signed out"
        RENEWED = "renewed", "went on under a new id"
        IDLE = "idle", "no activity"
        ABSOLUTE = "absolute", "reached its absolute limit"
        ADMIN = "admin", "ended in the console"
        OWNER = "owner", "ended by its owner elsewhere"
        LIMIT = "limit", "too many sessions at once"
        DEACTIVATED = "deactivated", "account deactivated"
        ROLE = "role", "role no longer admitted here"
        PASSWORD = "password", "password changed"
        STORE = "store", "hash without limits in Redis"

    key_hash = models.CharField(primary_key=True, max_length=64, editable=False, help_text="HMAC of the id")
    handle = models.CharField(max_length=12, help_text="What logs and audit events call this session")
    sealed_id = models.CharField(max_length=64, editable=False)
    user_id = models.BigIntegerField(null=True)
    role = models.CharField(max_length=60, blank=True)
    department = models.CharField(max_length=60, blank=True)
    portal = models.CharField(max_length=60, blank=True)
    locked = models.CharField(max_length=20, blank=True)
    bg_until = models.CharField("break-glass until", max_length=40, blank=True)
    bg_ref = models.CharField("break-glass reference", max_length=20, blank=True)
    data = models.TextField(editable=False)
    ver = models.BigIntegerField(editable=False)
    idle = models.IntegerField("idle limit", help_text="ms")
    lock = models.IntegerField("locks after", help_text="ms; 0: never")
    started_at = models.DateTimeField(db_default=Now())
    admitted_at = models.DateTimeField(null=True, editable=False)
    last_activity = models.DateTimeField()
    deadline = models.DateTimeField("ends by", help_text="Absolute limit")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=20, choices=Reason, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)
    is_cleared = models.BooleanField(default=False, editable=False, help_text="Its hash in Redis is deleted")

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = "live session"
        permissions = (("end_session", "Can end sessions of others"),)
        indexes = (
            # limits, and all sessions of a user
            models.Index(fields=["user_id"], name="session_live_by_user", condition=Q(ended_at=None)),
            # the console's list
            models.Index(F("last_activity").desc(), name="session_live_by_activity", condition=Q(ended_at=None)),
            models.Index(fields=["handle"], name="session_by_handle"),  # "why did this session end?"
            # the sweeper's second look at hashes that a crash has left
            models.Index(
                fields=["ended_at"], name="session_uncleared", condition=Q(is_cleared=False, ended_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.handle


class BreakGlassQuerySet(models.QuerySet["BreakGlass"]):
    def unclosed(self) -> Self:
        return self.filter(closed_at=None)

    def orphaned(self) -> Self:
        """Return those whose session has ended; not the newest, whose session may not have been written yet."""
        bearer = SessionRecord.objects.filter(
            ended_at=None, user_id=OuterRef("user_id"), bg_ref=Cast(OuterRef("pk"), models.CharField())
        )
        return self.unclosed().filter(~Exists(bearer), opened_at__lt=Now() - timedelta(minutes=1))


class BreakGlass(models.Model):
    """One emergency access: who went beyond their own wards, why, and how long."""

    class Reason(models.TextChoices):
        TREATMENT = "treatment", "Emergency treatment"
        COVER = "cover", "Covering for a colleague"
        TRANSFER = "transfer", "Patient on the way to or from my ward"
        OTHER = "other", "Another reason"

    class End(models.TextChoices):
        EXPIRED = "expired", "time was up"
        OWNER = "owner", "closed by who opened it"
        SESSION = "session", "the session ended"
        ADMIN = "admin", "closed in the console"

    user = models.ForeignKey(User, models.PROTECT, related_name="break_glass")
    reason = models.CharField(max_length=20, choices=Reason)
    explanation = models.CharField(max_length=300, blank=True)
    opened_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField("closed", max_length=20, choices=End, blank=True)

    objects = BreakGlassQuerySet.as_manager()

    class Meta:
        verbose_name = "break-glass access"
        verbose_name_plural = "break-glass accesses"
        permissions = (("close_breakglass", "Can close break-glass accesses of others"),)
        # what closes them looks for the open ones
        indexes = (models.Index(fields=["until"], name="break_glass_unclosed", condition=Q(closed_at=None)),)

    def __str__(self) -> str:
        return f"Break-glass access {self.pk}"


class StoreState(models.Model):
    """The one row that says whether Redis may be believed, and under which generation."""

    id = models.SmallIntegerField(primary_key=True)
    generation = models.BigIntegerField(default=1)
    mode = models.CharField(max_length=10, default="redis")  # or fallback
    # Of the Redis server that the generation is about, or of a Cluster's shards.
    run_id = models.CharField(max_length=4000, blank=True)
    since = models.DateTimeField(db_default=Now())
    distrusted_at = models.DateTimeField(null=True)  # when the generation last changed
