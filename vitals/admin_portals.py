"""For operators: which account is which patient's, and the displays on the walls."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from audit.admin import AuditedModelAdmin
from vitals.portals import PatientAccount, WallDisplay, hash_of, new_code


@admin.register(PatientAccount)
class PatientAccountAdmin(AuditedModelAdmin[PatientAccount]):
    """Whose record a MyChart login opens. Make sure of the person before; an account is disabled, never handed on."""

    intro = "Whose record a MyChart login opens. An account is disabled, never handed on."
    list_display = ("user", "patient")
    list_select_related = ("user", "patient")
    raw_id_fields = ("user", "patient")

    def has_change_permission(self, request: HttpRequest, obj: PatientAccount | None = None) -> bool:
        return False


@admin.register(WallDisplay)
class WallDisplayAdmin(AuditedModelAdmin[WallDisplay]):
    """Screens that show a ward to whoever stands before them. The code appears once, when a display is added."""

    intro = "Screens that show a ward to whoever stands before them. The code of one is shown when it is added."
    list_display = ("id", "unit", "place", "is_revoked")
    list_select_related = ("unit",)

    def save_model(self, request: HttpRequest, obj: WallDisplay, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            code = new_code()
            obj.code_hash = hash_of(code)
            messages.warning(request, f"The code of this display, shown only now: {code}")
        super().save_model(request, obj, form, change)
