"""The comparison page: an operator times a shape of reads on this deployment's own data, and the run is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from audit.admin import record
from epicops.admin_site import ExactFilter, ReadOnlyModelAdmin, operator, timestamp
from epicops.away import away
from vitals.comparison import SHAPES, NotCached, Unequal, compare, explain, occupied_beds
from vitals.comparison_runs import ComparisonRun

LOCK: Final = 0x5245_4144  # "READ": our number among PostgreSQL's advisory locks
MOST_SAMPLES: Final = 200  # a person waits
MICROSECONDS: Final = 1_000_000


class RunForm(forms.Form):
    """Which reads to time, and how often."""

    shape = forms.ChoiceField(choices=[(shape.name, shape.title) for shape in SHAPES])
    samples = forms.IntegerField(min_value=2, max_value=MOST_SAMPLES, initial=20)


class ShapeFilter(ExactFilter):
    title = "read"
    parameter_name = "shape"

    def lookups(self, _request: HttpRequest, _model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(shape.name, shape.title) for shape in SHAPES]


@admin.register(ComparisonRun)
class ComparisonRunAdmin(ReadOnlyModelAdmin[ComparisonRun]):
    """Runs of before, the newest first, above them the form for another."""

    intro = (
        "Times the same read from PostgreSQL and from the cache on this deployment's own data, in turns, once both "
        "have returned equal data. The cache does not win them all."
    )
    list_display = ("title", "verdict", "samples", "when", "ran_by")
    list_filter = (ShapeFilter,)
    list_select_related = ("ran_by",)
    change_list_template = "admin/vitals/comparisonrun/change_list.html"
    change_form_template = "admin/vitals/comparisonrun/change_form.html"

    @admin.display(description="measured at")
    def when(self, run: ComparisonRun) -> SafeString | str:
        return timestamp(run.ran_at)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.run))
        return [path("run/", view, name="vitals_comparisonrun_run"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_run = request.user.has_perm("vitals.run_comparison")
        return super().changelist_view(request, {"form": RunForm(), "may_run": may_run, **(extra_context or {})})

    def run(self, request: HttpRequest) -> HttpResponse:
        """Time a shape and show the run; one at a time in the whole deployment."""
        if not request.user.has_perm("vitals.run_comparison"):
            raise PermissionDenied
        form = RunForm(request.POST)
        if not form.is_valid():
            return self.changelist_view(request, {"form": form})
        with alone() as is_alone:
            outcome = measure(request, **form.cleaned_data) if is_alone else "Somebody else is measuring just now."
        if isinstance(outcome, ComparisonRun):
            return redirect("admin:vitals_comparisonrun_change", outcome.pk)
        messages.error(request, outcome)
        return redirect("admin:vitals_comparisonrun_changelist")


def measure(request: HttpRequest, shape: str, samples: int) -> ComparisonRun | str:
    """Return the stored run, or why there is none."""
    (chosen,) = (known for known in SHAPES if known.name == shape)
    beds = occupied_beds(chosen.beds)
    if not beds:
        return "No bed is occupied: there is nothing to read."
    try:
        found = compare(chosen, beds, samples)
    except Unequal:
        return "The two sides returned different data, so nothing was timed. Is a feed writing meanwhile?"
    except NotCached:
        return "The cache did not answer all the time: what was timed would be PostgreSQL."
    except RedisError as error:
        return f"{away(error)}: nothing was timed."
    run = ComparisonRun.objects.create(
        shape=shape,
        title=found.title,
        samples=samples,
        postgresql=[round(value * MICROSECONDS, 1) for value in found.postgresql],
        cache=[round(value * MICROSECONDS, 1) for value in found.cache],
        verdict=found.verdict,
        plan=explain(chosen, beds),
        ran_by_id=operator(request).pk,
    )
    record(request, "E", "comparison.run", "comparisonrun", run.pk)
    return run


@contextmanager
def alone() -> Iterator[bool]:
    """Hold the deployment's one place for measurements; False when it is taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (is_alone,) = cursor.fetchone()
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
