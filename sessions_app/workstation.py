"""Views of a session that is already open: the lock screen and the emergency access."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import RedirectURLMixin, redirect_to_login
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from django.views.generic import FormView

from audit.models import AuditEvent
from epicops.portal import HYPERSPACE, PortalRequest, emergency, portal_required, sign_in
from sessions_app.break_glass import End, close, open_glass
from sessions_app.forms import BreakGlassForm, PasswordForm, UnlockForm
from sessions_app.live import renew
from sessions_app.models import User


class PasswordView(RedirectURLMixin, FormView[PasswordForm]):
    """Asks for the password again, then leads back to where one was. A wrong one is on record as `refused`."""

    next_page = "hyperspace:units"
    refused: str

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_invalid(self, form: PasswordForm) -> HttpResponse:
        if form.has_error("password", "password"):
            AuditEvent.objects.record("E", self.refused, actor=self.person, request=self.request)
        return super().form_invalid(form)

    @property
    def person(self) -> User:
        return cast("User", self.request.user)  # the doors let in nobody else


class Unlock(PasswordView):
    """The lock screen: the password opens the session again, under a new id and within its absolute limit."""

    template_name = "sessions/unlock.html"
    form_class = UnlockForm
    refused = "session.unlock_failed"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs) if request.user.is_authenticated else sign_in(request)

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        self.request.session.pop("locked", None)
        renew(self.request, self.person)
        AuditEvent.objects.record("E", "session.unlock", actor=self.person, request=self.request)
        return super().form_valid(form)


@portal_required(HYPERSPACE)
@require_POST
def lock(request: PortalRequest) -> HttpResponse:
    """Lock this workstation at once; the password opens it on the page where one was."""
    request.session["locked"] = "hand"
    AuditEvent.objects.record("E", "session.lock", actor=request.user, request=request)
    return redirect_to_login(request.POST.get("next", ""), reverse("sessions:unlock"))


@method_decorator(portal_required(HYPERSPACE), name="dispatch")
class OpenBreakGlass(PasswordView):
    """A reason and the password open every ward to this session."""

    template_name = "sessions/break_glass.html"
    form_class = BreakGlassForm
    refused = "break_glass.refused"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(minutes=settings.SESSION_BREAK_GLASS // 60, **kwargs)

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        given = form.cleaned_data
        open_glass(self.request, self.person, reason=given["reason"], explanation=given["explanation"])
        return super().form_valid(form)


@portal_required(HYPERSPACE)
@require_POST
def close_break_glass(request: PortalRequest) -> HttpResponse:
    """Close the emergency access of this session."""
    if reference := emergency(request):
        close(Q(pk=reference), End.OWNER, actor=request.user, request=request)
        request.session.pop("glass", None)  # or the same fields, written into the hash by hand, would open it again
        messages.success(request, "The emergency access is closed.")
    return redirect("hyperspace:units")
