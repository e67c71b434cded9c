"""The lower half of the operations page: what it counts, and what a timeout that does not work looks like."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_redis import get_redis_connection
from pytest_django import DjangoAssertNumQueries

from epicops import keys
from epicops.redis_client import sessions_client
from interconnect.models import FailureGroup
from monitoring.models import Sample
from monitoring.panels import Reads, read_panels
from monitoring.session_ttls import BUCKETS, read_ttls, shapes
from tests.builders import adt, drain, push
from tests.factories import amara, bed, signed_in
from tests.operators import olu, staff
from tests.processes import PROJECT
from vitals.cache import read_beds
from vitals.counts import publish, totals

pytestmark = pytest.mark.django_db

NOW = timezone.now()
PANELS = reverse("operations_panels")


def sample(minutes_ago: int = 0, *, ended: dict[str, int] | None = None, **ttls: Any) -> Sample:
    """A sample as `run_monitor` writes it; `buckets` of the TTL histogram and what lies beside them."""
    found = {"buckets": [0] * BUCKETS, "without_ttl": 0, "over_policy": 0} | ttls
    at = NOW - timedelta(minutes=minutes_ago)
    numbers = {"applied": 0, "skipped": 0, "dead": 0, "open_dead_letters": 0, "last_message_id": 0}
    return Sample(at=at, session_ttls=found, sessions_ended=ended or {}, **numbers)


def seen(*samples: Sample) -> list[str]:
    return [shape.name for shape in shapes(samples) if shape.is_seen]


def test_every_session_is_in_the_histogram_once() -> None:
    client = sessions_client()
    for number, left in enumerate((1_000, 900_000, 1_799_999, 1_801_000, 1_803_000, None)):
        client.hset(keys.session(f"s{number}"), "user_id", 1)
        if left:
            client.pexpire(keys.session(f"s{number}"), left)

    found = read_ttls(client)

    assert found == {"buckets": [1, 0, 0, 0, 1, 0, 0, 0, 0, 2], "without_ttl": 1, "over_policy": 1}


HEALTHY = [2, 3, 3, 4, 5, 6, 8, 12, 20, 37]


@pytest.mark.parametrize(
    ("samples", "names"),
    [
        ([sample(buckets=HEALTHY)], []),
        ([sample(buckets=[0] * 9 + [50])], ["All at the right"]),
        ([sample(buckets=[0] * 9 + [50], ended={"idle": 1})], []),
        ([sample(buckets=[40, 5, 5, 0, 0, 0, 0, 2, 1, 1], ended={"idle": 30})], ["Pile at the left"]),
        ([sample(buckets=HEALTHY, over_policy=1)], ["Beyond the limit"]),
        ([sample(buckets=HEALTHY, without_ttl=1)], ["Beyond the limit"]),
        ([sample(2, buckets=HEALTHY), sample(buckets=[6] * 10)], ["Sudden drop"]),
        ([sample(2, buckets=HEALTHY), sample(buckets=[6] * 10, ended={"logout": 40})], []),
        ([sample(9, buckets=HEALTHY), sample(buckets=[6] * 10)], []),
        ([sample(buckets=[0] * 9 + [5])], []),
        ([], []),
    ],
)
def test_each_fault_of_the_timeout_has_its_shape(samples: list[Sample], names: list[str]) -> None:
    assert seen(*samples) == names


def test_reads_of_all_processes_make_the_hit_ratio_of_the_last_hour() -> None:
    client = get_redis_connection("default")
    beds = [bed("bed1"), bed("bed2")]
    publish(client)
    client.delete(keys.CACHE_COUNTS)
    read_beds(beds)
    publish(client)
    call_command("run_monitor", once=True)
    for _ in range(3):
        read_beds(beds)
    publish(client)

    found = read_panels().reads

    assert found
    assert Reads("vitals", "redis", 6, 100.0) in found
    assert sum(totals(client).values()) > 6


def test_counts_of_another_release_hide_no_page(client: Client) -> None:
    get_redis_connection("default").hset(keys.CACHE_COUNTS, "vitals:orbit:hit", "3")
    client.force_login(olu())

    call_command("run_monitor", once=True)

    assert client.get(PANELS).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_panels_link_each_number_to_its_list(client: Client) -> None:
    push(adt("A01", bed=""), adt("A01", "2", bed=""))
    drain()
    signed_in(Client(), amara())
    client.force_login(olu())

    page = client.get(PANELS).content.decode()

    group = FailureGroup.objects.get()
    assert f"{reverse('admin:interconnect_deadletter_changelist')}?group={group.pk}" in page
    assert "?portal=Hyperspace&amp;role=nurse" in page


def test_what_people_did_is_for_those_who_may_read_the_trail(client: Client) -> None:
    client.force_login(staff("mo"))
    assert "What people did" not in client.get(PANELS).content.decode()

    client.force_login(olu())
    assert "What people did" in client.get(PANELS).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_panels_take_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(olu())
    push(adt("A01", bed=""))
    drain()
    client.get(PANELS)
    expected = 8  # user, samples, groups' letters, groups, sessions, events, permissions of user and groups

    with django_assert_num_queries(expected):
        client.get(PANELS)
    push(*(adt(event, str(number), bed="") for number in range(9) for event in ("A01", "A02", "A04")))
    drain()
    call_command("run_monitor", once=True)
    with django_assert_num_queries(expected):
        client.get(PANELS)


def test_every_shape_is_explained_in_the_documentation() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text()

    assert not [shape for shape in shapes([]) if f"| {shape.name} |" not in page or f"| {shape.means} |" not in page]
