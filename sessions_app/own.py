"""What people do about sessions of their own: what is left of this one, where else they are signed in, the password."""

from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.admin import record
from epicops.passive import passive
from epicops.portal import DOORS, HYPERSPACE, MYCHART, PortalRequest, portal_required
from sessions_app.forms import NewPasswordForm, OwnSessionsForm, PasswordForm
from sessions_app.ids import key_hash
from sessions_app.live import LIVE, end_sessions, renew
from sessions_app.models import SessionRecord
from sessions_app.workstation import PasswordView

BASES: Final = {HYPERSPACE: "hyperspace/page.html", MYCHART: "mychart/page.html"}
OWN: Final = {HYPERSPACE: "sessions:own", MYCHART: "sessions:mychart-own"}
PASSWORD: Final = {HYPERSPACE: "sessions:password", MYCHART: "sessions:mychart-password"}


@passive
@portal_required(*DOORS)
@require_safe
def left(_request: PortalRequest) -> HttpResponse:
    """Answer with what is left of the session, in the headers of every answer, and extend nothing."""
    return HttpResponse(status=204)


@portal_required(*DOORS)
@require_POST
def stay(_request: PortalRequest) -> HttpResponse:
    """Extend the session, as any page does: somebody asked for it."""
    return HttpResponse(status=204)


class OwnPage(PasswordView):
    """A page of a portal about whoever is signed in there."""

    portal: str = HYPERSPACE

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return portal_required(self.portal)(super().dispatch)(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        pages = {"own": OWN[self.portal], "password": PASSWORD[self.portal]}
        return super().get_context_data(base=BASES[self.portal], **pages, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse(OWN[self.portal])


class OwnSessions(OwnPage):
    """The live sessions of the person signed in here; the password ends others of them (ASVS 5.0, 7.5.2)."""

    template_name = "sessions/own.html"
    form_class = OwnSessionsForm
    refused = "session.end_refused"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "handles": [record.handle for record in self.others()]}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        this = LIVE.filter(pk=self.this).first()
        return super().get_context_data(this=this, others=self.others(), **kwargs)

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        chosen = Q(user_id=self.person.pk, handle__in=form.cleaned_data["sessions"])
        ended = end_sessions(chosen, SessionRecord.Reason.OWNER, actor=self.person, request=self.request)
        messages.success(self.request, f"{len(ended)} ended.")
        return super().form_valid(form)

    def others(self) -> list[SessionRecord]:
        mine = LIVE.filter(user_id=self.person.pk, portal__in=DOORS).exclude(pk=self.this)
        return list(mine.order_by("-last_activity"))

    @property
    def this(self) -> str:
        return key_hash(str(self.request.session.session_key))


class ChangePassword(OwnPage):
    """The old password sets a new one; other sessions of the same person end, this one goes on under a new id."""

    template_name = "sessions/password.html"
    form_class = NewPasswordForm
    refused = "user.password_refused"

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        person = cast("NewPasswordForm", form).set_password_and_save(self.person, "new_password1")
        update_session_auth_hash(self.request, person)
        renew(self.request, person)
        record(self.request, "U", "user.change", "user", person.pk, detail={"fields": ["password"]})
        messages.success(self.request, "Your password is changed. Other sessions of yours have ended.")
        return super().form_valid(form)
