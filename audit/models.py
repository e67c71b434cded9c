"""What people and machines did. Rows are inserted, never changed: triggers refuse it, and the chain would show it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Required, TypedDict, Unpack

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from audit.chain import Content, Link, Stream, canonical
from epicops.bulk import copy_rows


class MachineAction(NamedTuple):
    """What a worker did to one object; see the columns of AuditEvent."""

    action: str
    code: str
    actor: str
    patient_id: int | None
    object_type: str
    object_id: str


class About(TypedDict, total=False):
    """What else an event says; see the columns of AuditEvent.

    `detail` holds counts and internal ids only, never patient data.
    """

    actor: Required[AbstractBaseUser | str]
    request: HttpRequest | None
    patient_id: int | None
    object_type: str
    object_id: object
    detail: Mapping[str, Any] | None


def event(action: str, code: str, **about: Unpack[About]) -> Content:
    """Say what somebody did, for `record_all`."""
    actor, request = about["actor"], about.get("request")
    return Content(
        action=action,
        code=code,
        actor_id=None if isinstance(actor, str) else actor.pk,
        actor=actor if isinstance(actor, str) else actor.get_username(),
        patient_id=about.get("patient_id"),
        object_type=about.get("object_type", ""),
        object_id=str(about.get("object_id", "")),
        source_ip=request.META.get("REMOTE_ADDR") or None if request is not None else None,
        detail=dict(about.get("detail") or {}),
    )


class AuditEventManager(models.Manager["AuditEvent"]):
    def record(self, action: str, code: str, **about: Unpack[About]) -> "AuditEvent":
        """Write one event in the transaction at hand, so that what is not recorded does not happen."""
        content = event(action, code, **about)
        with transaction.atomic(savepoint=False):
            stream = Stream.open()
            (link,) = stream.links([content])
            written = self.create(**content._asdict(), **link._asdict())
            stream.close()
        return written

    def record_machine(self, actions: Iterable[MachineAction]) -> None:
        """Write a worker's events by COPY, in the transaction at hand."""
        self.record_all([machine_content(action) for action in actions])

    def record_all(self, contents: Sequence[Content]) -> None:
        """Write many events by COPY, in the transaction at hand."""
        if not contents:
            return
        with transaction.atomic(savepoint=False):
            stream = Stream.open()
            links = stream.links(contents)
            rows = (
                (*content[:-1], canonical(content.detail) if content.detail else "{}", *link)
                for content, link in zip(contents, links, strict=True)
            )
            copy_rows(AuditEvent, (*Content._fields, *Link._fields), rows)
            stream.close()


def machine_content(action: MachineAction) -> Content:
    return Content(
        action.action,
        action.code,
        None,
        action.actor,
        action.patient_id,
        action.object_type,
        action.object_id,
        None,
        {},
    )


class AuditStream(models.Model):
    """A chain of events: where it ends, and from which row on it is kept, signed (`audit/chain.py`)."""

    name = models.CharField(max_length=100, help_text="Host and process id")
    seq = models.BigIntegerField(help_text="Number of its last row")
    mac = models.BinaryField(max_length=32)
    kept_from = models.BigIntegerField(help_text="Earlier rows have been archived")
    kept_mac = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"stream {self.pk} of {self.name}"


class AuditEvent(models.Model):
    """One action. Holds internal ids only: no names, MRNs, message text or values.

    The table is partitioned by the month of `recorded_at`; PostgreSQL's key is (id, recorded_at).
    """

    class Action(models.TextChoices):  # FHIR R4 AuditEvent.action
        CREATE = "C", "Create"
        READ = "R", "Read"
        UPDATE = "U", "Update"
        DELETE = "D", "Delete"
        EXECUTE = "E", "Execute"

    recorded_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=1, choices=Action)
    code = models.CharField(max_length=40, help_text="What was done, for example message.replay")
    # No foreign key: the record outlives the account.
    actor_id = models.BigIntegerField(null=True, help_text="User id; empty for a machine")
    actor = models.CharField(max_length=150, help_text="User name or worker at that time")
    patient_id = models.BigIntegerField(null=True)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    source_ip = models.GenericIPAddressField(null=True)
    detail = models.JSONField(default=dict)
    stream_id = models.BigIntegerField(help_text="The writer's chain")
    seq = models.BigIntegerField(help_text="Number in the chain, from 1, without gaps")
    mac = models.BinaryField(max_length=32)

    objects = AuditEventManager()

    class Meta:
        ordering = ("-id",)
        permissions = (("export_auditevent", "Can export the audit trail"),)
        indexes = (
            GinIndex(  # who saw patient X on a board; who replayed letter L among others
                fields=["detail"],
                name="audit_by_detail",
                opclasses=["jsonb_path_ops"],
                condition=Q(detail__has_any_keys=["ids", "patients"]),
            ),
            models.Index(fields=["recorded_at"], name="audit_by_time"),  # the admin's date filter
            models.Index(fields=["patient_id", "-id"], name="audit_by_patient"),  # who saw patient X
            models.Index(fields=["object_type", "object_id"], name="audit_by_object"),  # a message's history
            models.Index(fields=["stream_id", "seq"], name="audit_by_stream"),  # verify_audit reads along it
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),  # all that user U did
            # the operations page: what people did last, of a table that is mostly machines
            models.Index(fields=["-id"], name="audit_by_people", condition=Q(actor_id__isnull=False) & ~Q(action="R")),
        )

    def __str__(self) -> str:
        return f"{self.code} by {self.actor}"
