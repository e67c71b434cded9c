"""The display on a ward's wall: bed, initials and NEWS2, by a credential of the device and nobody's session.

Whoever installs it types its code once; the browser keeps it as a cookie. Revoking the display in the admin ends it.
"""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_safe

from audit.models import AuditEvent
from epicops.passive import passive
from vitals.board import read_board
from vitals.house import house, read_ward
from vitals.polling import answer_poll, entity_tag, is_continued
from vitals.portals import WallDisplay, hash_of

COOKIE: Final = "wall" if settings.EPICOPS_PLAIN_HTTP else "__Host-wall"
COOKIE_AGE: Final = 365 * 86_400  # seconds


class CodeForm(forms.Form):
    """The code that the admin showed when the display was added."""

    code = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}))

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if find(code) is None:
            raise forms.ValidationError("No display has this code.")
        return code


@passive
@require_http_methods(["GET", "HEAD", "POST"])
def wall(request: HttpRequest) -> HttpResponse:
    """Show the display's ward, or ask for its code."""
    code = request.COOKIES.get(COOKIE, "")
    display = find(code)
    if display and request.method != "POST":
        return keeping(render(request, "wall/board.html", wall_context(request, display)), code)
    form = CodeForm(request.POST or None)
    if not form.is_valid():
        return render(request, "wall/code.html", {"form": form}, status=200 if request.method != "POST" else 403)
    return keeping(redirect("hyperspace:wall"), form.cleaned_data["code"])


def keeping(response: HttpResponse, code: str) -> HttpResponse:
    """Have the browser keep the code for another year: nobody can type it again."""
    response.set_cookie(
        COOKIE, code, COOKIE_AGE, secure=not settings.EPICOPS_PLAIN_HTTP, httponly=True, samesite="Strict"
    )
    return response


@passive
@require_safe
def wall_cells(request: HttpRequest) -> HttpResponse:
    """Answer with what changes on the display; 304 while nothing has, 401 once it is revoked."""
    display = find(request.COOKIES.get(COOKIE, ""))
    if display is None:
        return render(request, "401.html", status=401)
    return answer_poll(request, "wall/_board.html", wall_context(request, display))


def find(code: str) -> WallDisplay | None:
    """Return the display with this code, None when there is none or it was revoked."""
    return WallDisplay.objects.select_related("unit").filter(code_hash=hash_of(code), is_revoked=False).first()


def wall_context(request: HttpRequest, display: WallDisplay) -> dict[str, Any]:
    """Read the ward and record who is about to be shown."""
    board = read_board(house().wards.get(display.unit_id) or read_ward(display.unit), now())
    subject = f"wall {display.pk}: {board.patient_ids}"
    if not is_continued(request, subject):
        AuditEvent.objects.record(
            "R",
            "wall.view",
            actor=str(display),
            request=request,
            object_type="unit",
            object_id=display.unit_id,
            detail={"display": display.pk, "patients": board.patient_ids},
        )
    etag = entity_tag(request, subject, [(row.bed.pk, row.occupants, row.warning) for row in board.rows])
    return {"board": board, "etag": etag, "now": board.at, "page": "wall/page.html"}
