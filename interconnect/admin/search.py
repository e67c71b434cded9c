"""The search field above a list. A search is posted and kept; the address of its result holds only its id."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.views.decorators.http import require_http_methods

from audit.admin import record
from epicops.admin_site import BoundedPaginator, M, NamedDefaultFilter, ReadOnlyModelAdmin, operator
from epicops.passive import is_passive
from interconnect.finding.search import TAKES, Holds, NotUnderstood, read
from interconnect.finding.searches import Search
from interconnect.models import InboundMessage

VIEWS_OFFERED = 20


class SearchForm(forms.Form):
    text = forms.CharField(max_length=500, label="Search")
    name = forms.CharField(max_length=60, required=False, label="Save as")
    wrong = ""  # what of the text cannot be read

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"])
        try:
            read(text)
        except NotUnderstood as error:
            self.wrong = error.part
            raise ValidationError(str(error)) from None
        return text


class SearchFilter(NamedDefaultFilter):
    """The rows of the search whose id is in the address."""

    title = parameter_name = "search"
    default = "None"
    prefixes: ClassVar[dict[str, str]] = {}

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        if is_passive(request):
            return []  # a poll shows none
        views = Search.objects.exclude(name="").order_by("name").values_list("pk", "name")
        return [(str(pk), name) for pk, name in views[:VIEWS_OFFERED]]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (pk := self.value()) is None:
            return queryset
        try:
            return queryset.filter(read(Search.objects.get(pk=pk).text).condition(**self.prefixes))
        except (Search.DoesNotExist, ValidationError, ValueError):
            raise IncorrectLookupParameters from None


class LetterSearchFilter(SearchFilter):
    prefixes: ClassVar[dict[str, str]] = {"prefix": "message__", "letter": ""}


class MessagePaginator(BoundedPaginator):
    """Counts what only tokens decide on no second time: the search has."""

    @cached_property
    def count(self) -> int:
        match cast("QuerySet[InboundMessage]", self.object_list).query.where.children:
            case [Holds(number=number)]:
                return int(number)
        return super().count


class SearchedAdmin(ReadOnlyModelAdmin[M]):
    """A list with the search field; its `list_filter` has a SearchFilter."""

    change_list_template = "admin/interconnect/searched_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.search))
        return [path("search/", view, name=f"interconnect_{self.opts.model_name}_search"), *super().get_urls()]

    def search(self, request: HttpRequest) -> HttpResponse:
        """Keep what is looked for and show the list of it; ask again where it cannot be read or nothing was posted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        listed = reverse(f"admin:interconnect_{self.opts.model_name}_changelist")
        form = SearchForm(request.POST or None)
        if not form.is_valid():
            return self._asked_again(request, form)
        text, name, person = form.cleaned_data["text"], form.cleaned_data["name"], operator(request)
        if name:
            search, _ = Search.objects.update_or_create(name=name, defaults={"text": text, "searched_by_id": person.pk})
        else:
            search = Search.objects.create(text=text, searched_by_id=person.pk)
        record(request, "E", "message.search", "search", search.pk)
        return HttpResponseRedirect(f"{listed}?search={search.pk}")

    def _asked_again(self, request: HttpRequest, form: SearchForm) -> HttpResponse:
        """Return what was typed, to be mended, with what is wrong with it and what each word takes."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Search",
            "opts": self.opts,
            "form": form,
            "search_url": request.path,
            "search_text": form["text"].value() or "",
            "search_name": form["name"].value() or "",
            "search_words": TAKES,
        }
        return TemplateResponse(request, "admin/interconnect/search.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(
            request,
            {
                "search_url": reverse(f"admin:interconnect_{self.opts.model_name}_search"),
                "search_text": searched(request),
                "search_words": TAKES,
                **(extra_context or {}),
            },
        )


def searched(request: HttpRequest) -> str:
    """Return the text of the search in the address, "" where there is none."""
    try:
        return Search.objects.get(pk=request.GET.get("search", "")).text
    except (Search.DoesNotExist, ValidationError):
        return ""
