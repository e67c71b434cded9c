"""The operators' admin site and what its pages share."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django_otp import DEVICE_ID_SESSION_KEY

from epicops.admin_menu import menu
from epicops.admin_rows import rows
from epicops.kept import Kept
from epicops.passive import is_passive
from epicops.portal import OPERATIONS

M = TypeVar("M", bound=Model)

PK_DIGITS = 18  # PostgreSQL has no room for all numbers of 19
COUNT_LIMIT = 10_000  # rows; beyond it nobody pages, they filter
SAMPLE = 2_000  # newest rows that a filter takes its choices from

_app_lists: Final = Kept[tuple[frozenset[str] | None, str | None], list[Any]](60.0)


class OpsAdminSite(admin.AdminSite):
    """Django's admin under our name."""

    site_header = "epicops"
    site_title = "epicops"
    index_title = "Operations"
    index_template = "admin/operations.html"  # the pages of one app stay the stock ones
    site_url = None  # an operator's session opens no other pages

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in staff who came by the operators' door, with the second factor if they have one."""
        if not super().has_permission(request) or request.session.get("portal", OPERATIONS) != OPERATIONS:
            return False
        return not getattr(request.user, "has_second_factor", False) or DEVICE_ID_SESSION_KEY in request.session

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps in the order of INSTALLED_APPS: what operators need first comes first.

        Who has the same permissions has the same list: it is made once, not for each page.
        """
        rights = None if request.user.is_superuser else frozenset(request.user.get_all_permissions())
        return _app_lists.get((rights, app_label), lambda: self._ordered(request, app_label))

    def _ordered(self, request: HttpRequest, app_label: str | None) -> list[Any]:
        order = [config.label for config in apps.get_app_configs()]
        return sorted(super().get_app_list(request, app_label), key=lambda app: order.index(app["app_label"]))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return {**context, "menu": partial(menu, context["available_apps"], request.path)}


class BoundedPaginator(Paginator[Any]):
    """Counts to COUNT_LIMIT and no further, so that a list of a million rows opens as fast as a short one."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)  # the admin always passes one
        return rows.order_by().values("pk")[:COUNT_LIMIT].count()  # without the list's columns and its order

    @property
    def is_bounded(self) -> bool:
        return self.count == COUNT_LIMIT


class QuickChangeList(ChangeList):
    """A list that looks up what its rows have in common once, and not row by row."""

    @cached_property
    def quick_rows(self) -> SafeString:
        return rows(self, (header["text"] for header in self.headers))

    @cached_property
    def headers(self) -> list[dict[str, Any]]:
        return list(result_headers(self))

    def url_for_result(self, result: Model) -> str:
        pk = str(getattr(result, self.pk_attname))
        is_plain = pk.isascii() and pk.isalnum()  # others have to be quoted
        return pk.join(self._around_pk) if is_plain else super().url_for_result(result)

    @cached_property
    def _around_pk(self) -> list[str]:
        name = f"{self.model_admin.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=("PK",)).rsplit("PK", 1)


class IntroducedModelAdmin(admin.ModelAdmin[M]):
    """A list that says what it is of; the stock one asks to select a row."""

    intro = ""  # how its rows come to be, for who sees them for the first time

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, "intro": self.intro, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QuickChangeList


class ReadOnlyModelAdmin(IntroducedModelAdmin[M]):
    """Rows that machines write: people look, and act only through named actions."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the table once per choice
    sortable_by = ()  # the lists are long and have an index for their own order only
    list_per_page = 50
    list_max_show_all = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def action_checkbox(self, obj: M) -> SafeString:
        """Return the stock checkbox without its form widget's templates, a quarter of a list's time."""
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            f"Select this object for an action - {obj}",
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= self.opened(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def opened(self, request: HttpRequest, obj: M) -> dict[str, Any]:
        """Return what the detail page shows besides the fields; write what this look has to be audited as."""
        return {}


class ExactFilter(admin.SimpleListFilter):
    """Exact match on the field `parameter_name`; what is offered is the subclass's."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (value := self.value()) is None:
            return queryset
        if "\x00" in value:  # PostgreSQL cannot hold it
            raise IncorrectLookupParameters
        return queryset.filter(**{str(self.parameter_name): value})


class RecentValuesFilter(ExactFilter):
    """Exact match on the field `parameter_name`, offering the values of the newest rows.

    The stock filter reads the whole table for its choices.
    """

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        values = set() if is_passive(request) else set(self.recent(model_admin)[:SAMPLE])  # a poll offers none
        if (chosen := self.value()) is not None:
            values.add(chosen)
        return [(value, value or "(none)") for value in sorted(values)]

    def recent(self, model_admin: admin.ModelAdmin[Any]) -> QuerySet[Any, str]:
        """Return the values of the rows, the newest first."""
        rows = model_admin.model._default_manager.order_by("-pk")  # noqa: SLF001  Django's public name for it
        return cast("QuerySet[Any, str]", rows.values_list(self.parameter_name, flat=True))


class NamedDefaultFilter(admin.SimpleListFilter):
    """A filter that filters from the start: `default` says what is shown where nothing was chosen."""

    default: str

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first | {"display": self.default}
        yield from others


def operator(request: HttpRequest) -> AbstractBaseUser:
    """Return the person behind an admin request."""
    if not request.user.is_authenticated:  # the site lets no such request through
        raise PermissionDenied
    return request.user


def pk_from(text: str) -> int | None:
    """Return the primary key that a text is, None for a text that can be none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= PK_DIGITS else None


def timestamp(moment: datetime | None) -> SafeString | str:
    """Return the local date and time to the second: operators compare it with logs."""
    if moment is None:
        return "-"
    local = localtime(moment).isoformat()
    return mark_safe(f'<time datetime="{local}">{local[:10]} {local[11:19]}</time>')  # noqa: S308  digits and signs


def badge(state: str, words: str) -> SafeString:
    """Return a state as word, shape and colour; static/css/admin.css holds the last two."""
    return format_html('<span class="state state-{}">{}</span>', state, words)
