"""What a person decides about a failure: who takes it, until when it may wait, that it is over."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone

from interconnect.dlq.failures import FailureGroup
from interconnect.models import DeadLetter

State = FailureGroup.State


class TriageForm(forms.ModelForm[FailureGroup]):
    """State, owner and note together, so that no combination is left that says two things."""

    hours = forms.IntegerField(
        required=False, min_value=1, max_value=24 * 30, label="Snooze for", help_text="hours; it returns by itself"
    )

    class Meta:
        model = FailureGroup
        fields = ("state", "owner", "hours", "note")
        widgets = {"note": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = get_user_model()._default_manager.filter(is_staff=True, is_active=True)  # noqa: SLF001  its public name
        self.fields["owner"].queryset = people.order_by("username")  # type: ignore[attr-defined]  # a ModelChoiceField

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        state = given.get("state")
        if state == State.ASSIGNED and not given.get("owner"):
            self.add_error("owner", "Say who takes it.")
        if state == State.SNOOZED and not given.get("hours"):
            self.add_error("hours", "Say for how long.")
        if state == State.RESOLVED and self.instance.letters.filter(state=DeadLetter.State.OPEN).exists():
            self.add_error("state", "Dead letters are still open: replay or discard them first.")
        return given

    def save(self, commit: bool = True) -> FailureGroup:  # noqa: FBT001, FBT002  Django's signature
        group = self.instance
        hours = timedelta(hours=self.cleaned_data.get("hours") or 0)
        group.snoozed_until = timezone.now() + hours if group.state == State.SNOOZED else None
        if group.state == State.RESOLVED:
            group.regressed_at = None
        if commit:
            group.save(update_fields=["state", "owner", "note", "snoozed_until", "regressed_at"])
        return group
