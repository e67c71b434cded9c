"""What the lists of messages and of dead letters share: masked patients, a look behind the mask, exports, following."""

from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from epicops.admin_site import M, QuickChangeList
from epicops.passive import passive
from interconnect.admin.export import export
from interconnect.admin.patients import add_patient_hints, reveal
from interconnect.admin.search import SearchedAdmin
from interconnect.models import InboundMessage
from vitals.polling import entity_tag, held_tag, this_minute

ACTIONS: Final[tuple[str, ...]] = ("reveal_selected", "compare_selected", "export_csv", "export_json", "export_hl7")


class HintedChangeList(QuickChangeList):
    """A list whose rows have their patients' hints: one query, however long it is, and none before it is rendered."""

    @cached_property
    def quick_rows(self) -> SafeString:
        shown = cast("MessageListAdmin[Any]", self.model_admin)
        add_patient_hints(shown.message_of(row) for row in self.result_list)
        return super().quick_rows


class MessageListAdmin(SearchedAdmin[M]):
    """A list whose rows are messages, or belong to one each."""

    actions = ACTIONS

    def get_urls(self) -> list[URLPattern]:
        view = passive(self.admin_site.admin_view(require_GET(self.follow)))
        return [path("follow/", view, name=f"interconnect_{self.opts.model_name}_follow"), *super().get_urls()]

    def follow(self, request: HttpRequest) -> HttpResponse:
        """Return the rows of the list with these filters, for its page to take over; 304 where it has them."""
        page = super().changelist_view(request)
        if not isinstance(page, SimpleTemplateResponse):
            return page
        changes: ChangeList = (page.context_data or {})["cl"]
        rows = [self.version_of(row) for row in changes.result_list]
        tag = entity_tag(request, self.opts.label, (rows, changes.result_count, this_minute()))  # "3 minutes ago"
        if held_tag(request) == tag:
            return HttpResponseNotModified()  # the page is not rendered, and asks for no more
        page.template_name = "admin/interconnect/followed.html"
        page["ETag"] = tag
        return page

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; its first page can be followed."""
        url = reverse(f"admin:interconnect_{self.opts.model_name}_follow")
        followed = "" if PAGE_VAR in request.GET else f"{url}?{request.GET.urlencode()}"
        return super().changelist_view(request, {"follow_url": followed, **(extra_context or {})})

    def get_preserved_filters(self, request: HttpRequest) -> str:
        """Return what brings somebody back from a row to this list, also where its rows are loaded anew."""
        match = request.resolver_match
        if match and str(match.url_name).endswith("_follow"):
            return urlencode({"_changelist_filters": request.GET.urlencode()})
        return super().get_preserved_filters(request)

    def version_of(self, row: M) -> object:
        """Return what is another when its row in the list reads otherwise."""
        raise NotImplementedError

    def message_of(self, row: M) -> InboundMessage:
        """Return the message of a row of the list."""
        raise NotImplementedError

    def messages_of(self, rows: QuerySet[M]) -> QuerySet[InboundMessage]:
        """Return the messages of these rows."""
        raise NotImplementedError

    def has_reveal_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.view_inboundmessage")

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(("interconnect.export_inboundmessage", "interconnect.view_inboundmessage"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return HintedChangeList

    @admin.display(description="patient")
    def patient_hint(self, row: M) -> SafeString:
        return format_html("<bdi>{}</bdi>", self.message_of(row).patient_hint or "-")

    @admin.action(description="Show the patients of selected", permissions=("reveal",))
    def reveal_selected(self, request: HttpRequest, queryset: QuerySet[M]) -> HttpResponse:
        return reveal(request, self.messages_of(queryset), back=request.get_full_path())

    @admin.action(description="Compare the two selected", permissions=("reveal",))
    def compare_selected(self, request: HttpRequest, queryset: QuerySet[M]) -> HttpResponse | None:
        match list(self.messages_of(queryset).order_by("pk").values_list("pk", flat=True)[:3]):
            case [earlier, later]:
                return redirect("admin:interconnect_inboundmessage_compare", earlier, later)
        self.message_user(request, "Two are put beside each other: select just two.", messages.WARNING)
        return None

    @admin.action(description="Export selected as CSV, without bodies", permissions=("export",))
    def export_csv(self, request: HttpRequest, queryset: QuerySet[M]) -> StreamingHttpResponse:
        return export(request, self.messages_of(queryset), "csv")

    @admin.action(description="Export selected as JSON", permissions=("export",))
    def export_json(self, request: HttpRequest, queryset: QuerySet[M]) -> StreamingHttpResponse:
        return export(request, self.messages_of(queryset), "json")

    @admin.action(description="Export selected as HL7 batch", permissions=("export",))
    def export_hl7(self, request: HttpRequest, queryset: QuerySet[M]) -> StreamingHttpResponse:
        return export(request, self.messages_of(queryset), "hl7")
