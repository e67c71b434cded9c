"""Four eyes: what one operator did that counts only once another has agreed. `EPICOPS_FOUR_EYES` turns it on."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils import timezone


class SecondLook(models.Model):
    """A decision of `made_by`, and what somebody else said to it."""

    class Consent(models.TextChoices):
        NOT_NEEDED = "none", "Needs no second operator"
        WAITING = "waiting", "Waits for a second operator"
        GIVEN = "given", "Agreed to by a second operator"
        REFUSED = "refused", "Refused by a second operator"

    made_by: ClassVar[str]  # the field that names its author

    consent = models.CharField(max_length=7, choices=Consent, default=Consent.NOT_NEEDED, db_default="none")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_waiting(self) -> bool:
        return self.consent == self.Consent.WAITING

    def may_be_decided_by(self, person: Any) -> bool:
        return self.is_waiting and getattr(self, f"{self.made_by}_id") != person.pk

    def decide(self, *, by: AbstractBaseUser, agreed: bool) -> None:
        """Write down what the second operator says; ValueError from its author, or when it waits for nobody."""
        if not self.may_be_decided_by(by):
            raise ValueError("Somebody else has to agree, and once is enough")
        self.consent = self.Consent.GIVEN if agreed else self.Consent.REFUSED
        self.decided_by_id, self.decided_at = by.pk, timezone.now()
        self.save(update_fields=["consent", "decided_by", "decided_at"])


IN_FORCE = (SecondLook.Consent.NOT_NEEDED, SecondLook.Consent.GIVEN)


def consent_for(is_delicate: bool) -> SecondLook.Consent:  # noqa: FBT001  its only argument
    """Return what such a decision begins with."""
    needs = is_delicate and settings.EPICOPS_FOUR_EYES
    return SecondLook.Consent.WAITING if needs else SecondLook.Consent.NOT_NEEDED
