"""What people type at the doors, on the lock screen and in an emergency."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, SetPasswordMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django_otp import match_token
from django_otp.models import Device

from epicops.portal import HYPERSPACE, MYCHART, ROLES
from sessions_app.models import BreakGlass, User


class PortalForm(AuthenticationForm):
    """User name and password of somebody in one of a portal's roles."""

    portal: str
    refusal: str

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if user.role not in ROLES[self.portal]:
            raise ValidationError(self.refusal, code="role")


class ClinicianForm(PortalForm):
    portal, refusal = HYPERSPACE, "This entrance is for clinical staff."


class PatientForm(PortalForm):
    portal, refusal = MYCHART, "This entrance is for patients."


class OperatorForm(AdminAuthenticationForm):
    """User name and password of staff, and the code of a second factor for those who have one."""

    otp_token = forms.CharField(
        label="Code",
        max_length=16,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    device: Device | None = None

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if user.has_second_factor:
            token = self.cleaned_data.get("otp_token")
            self.device = match_token(user, token) if token else None  # none yet is no wrong one: it slows nobody down
            if self.device is None:
                raise ValidationError("Enter the present code of your authenticator, or a recovery code.", code="otp")


class PasswordForm(forms.Form):
    """The password of whoever is signed in here, again."""

    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        name = self.request.user.get_username()
        if authenticate(self.request, username=name, password=password) is None:
            raise ValidationError("This is not the password of whoever is signed in here.", code="password")
        return password


class UnlockForm(PasswordForm):
    """The password alone: who came back to the workstation can type it at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs["autofocus"] = True


class BreakGlassForm(PasswordForm):
    """Why somebody has to see patients of other wards."""

    reason = forms.ChoiceField(choices=BreakGlass.Reason, widget=forms.RadioSelect)
    explanation = forms.CharField(
        max_length=300, required=False, help_text="For the privacy officer; needed for another reason"
    )
    field_order = ("reason", "explanation", "password")

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("reason") == BreakGlass.Reason.OTHER and not self.cleaned_data.get("explanation"):
            self.add_error("explanation", "Say which reason.")
        return self.cleaned_data


class OwnSessionsForm(PasswordForm):
    """Which other sessions of one's own to end."""

    sessions = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    field_order = ("sessions", "password")

    def __init__(self, *args: Any, handles: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sessions"].choices = [(handle, handle) for handle in handles]  # type: ignore[attr-defined]  # a MultipleChoiceField has them


class NewPasswordForm(SetPasswordMixin, PasswordForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Another password for whoever is signed in here, twice."""

    new_password1, new_password2 = SetPasswordMixin.create_password_fields(
        label1="New password", label2="New password once more"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "Present password"

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("new_password1", "new_password2")
        self.validate_password_for_user(self.request.user, "new_password2")
        return self.cleaned_data
