"""Coming in and going out."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_otp import login as otp_login

from audit.models import AuditEvent
from epicops.portal import DOORS, HOMES, HYPERSPACE, MYCHART, OPERATIONS, bind, policy
from sessions_app.forms import ClinicianForm, OperatorForm, PatientForm
from sessions_app.ids import key_hash
from sessions_app.live import admit
from sessions_app.models import User

TOO_MANY = "You are signed in at as many places as is allowed. Sign out at one of them first."


class PortalLogin(LoginView):
    """A door: binds role, department and portal into a session with a fresh id, and records who came or was refused."""

    portal: str

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        self.request.session.flush()  # signing in again, too, ends the old id (ASVS 5.0, 7.2.4)
        response = super().form_valid(form)
        user = form.get_user()
        bind(self.request, role=user.role, department=user.department, portal=self.portal)
        self.request.session.save()
        if not admit(key_hash(str(self.request.session.session_key)), user, self.portal, self.request):
            self.request.session.flush()
            messages.error(self.request, TOO_MANY)
            return redirect(self.request.path)
        AuditEvent.objects.record("E", "session.login", actor=user, request=self.request)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Record a refused login under the account it was for; a name that is none may be a password: it is dropped."""
        name = form.cleaned_data.get("username")
        account = User.objects.filter(username=name).first()
        AuditEvent.objects.record(
            "E",
            "session.locked_out" if getattr(self.request, "axes_locked_out", False) else "session.login_failed",
            actor="anonymous",
            request=self.request,
            object_type="user" if account else "",
            object_id=account.pk if account else "",
        )
        return super().form_invalid(form)


class HyperspaceLogin(PortalLogin):
    """The clinicians' door."""

    portal = HYPERSPACE
    template_name = "sessions/login.html"
    authentication_form: type[AuthenticationForm] = ClinicianForm

    def get_default_redirect_url(self) -> str:
        return reverse(HOMES[self.portal])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(portal=self.portal, minutes=policy(self.portal).idle // 60, **kwargs)


class MyChartLogin(HyperspaceLogin):
    """The patients' door."""

    portal = MYCHART
    authentication_form = PatientForm


class OperatorLogin(PortalLogin):
    """The operators' door: the admin's own page."""

    portal = OPERATIONS
    template_name = "sessions/operator_login.html"
    authentication_form = OperatorForm
    next_page = "admin:index"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if isinstance(form, OperatorForm) and form.device and self.request.user.is_authenticated:
            otp_login(self.request, form.device)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        site = admin.site.each_context(self.request)
        return super().get_context_data(**site, title="Log in", app_path=self.request.get_full_path(), **kwargs)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Lead everybody to the pages of the portal they signed in at; others to Hyperspace's door."""
    return redirect(HOMES.get(request.session.get("portal", ""), HOMES[HYPERSPACE]))


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, here and in Redis."""
    if request.user.is_authenticated:
        AuditEvent.objects.record("E", "session.logout", actor=request.user, request=request)
    door = DOORS.get(request.session.get("portal", ""), DOORS[HYPERSPACE])
    logout(request)
    messages.success(request, "You have signed out.")
    return redirect(door)
