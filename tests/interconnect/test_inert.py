"""Whatever a message says, no page and no export runs it, follows it, computes it or is reordered by it."""

import csv
import html.parser
import io
import json
import re

import pytest
from django.test import Client

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.queue import uuid7
from tests.interconnect.test_admin import DEAD_LETTERS
from tests.interconnect.test_roles import ADDRESSES, address, furnish
from tests.operators import root

pytestmark = pytest.mark.django_db

SCRIPT, IMAGE, LINK = "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "javascript:alert(1)"
MARKS = "\u202eevil\u2066"
REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
NASTY = f"{SCRIPT}{IMAGE}{LINK}{MARKS}{{{{7*7}}}}"
HOSTILE = "\r".join(
    (
        f"MSH|^~\\&|{SCRIPT}|{IMAGE}{MARKS}|{LINK}||202603020900+0000||ADT^A01^ADT_A01|=1+1{MARKS}|P|2.5.1||||||UTF-8",
        "EVN|A01|202603020900+0000",
        f"PID|1||=2+2{SCRIPT}^^^EPIC^MR||{NASTY}^{IMAGE}||19610412|F|||{LINK}",
        f"PV1|1|I|{'|' * 16}{NASTY}",
        f"NTE|1||{NASTY * 1000}",
        f"ZZZ|{'x' * 100_000}{IMAGE}",
    )
).encode()
NO_PAGES = ("_add", "_delete", "_report")  # refused to everybody, and a file
PAGES = [name for method, name in ADDRESSES if method == "GET" and not name.endswith(NO_PAGES)]
CONFIRMATIONS = {
    "failuregroup_replay": {},
    "failuregroup_discard": {},
    "failuregroup_redrive": {},
    "deadletter_list": {"action": "reveal_selected"},
    "deadletter_edit": {"check": "yes", "text": HOSTILE.decode().replace("\r", "\n"), "mode": "text"},
}


class Reader(html.parser.HTMLParser):
    """Collects what a browser would do with a page, beyond showing it."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script" and not values.get("src", "").startswith(("/static/", "/admin/jsi18n/")):
            self.faults.append(f"script {values}")
        if tag == "img" and values.get("src") == "x":
            self.faults.append("an image")
        for name, value in values.items():
            if name.startswith("on") or (value.strip().startswith("javascript:") and name in ("href", "src", "action")):
                self.faults.append(f"{tag} {name}={value[:40]}")
            if REORDERING.search(value) and name != "value":
                self.faults.append(f"reordered {tag} {name}")
        if tag not in ("br", "img", "input", "link", "meta", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if REORDERING.search(data) and not {"bdi", "textarea"} & set(self.open):
            self.faults.append(f"reordered {'/'.join(self.open[-3:])}: {data.strip()[:40]!a}")


def faults_of(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    return reader.faults


@pytest.fixture
def administrator(client: Client) -> Client:
    furnish(HOSTILE, edited=HOSTILE.replace(b"1961", b"1962") + f"\rZZ2|{NASTY}".encode())
    queue_client().rpush(keys.INFLIGHT, str(uuid7()), HOSTILE)
    client.force_login(root())
    return client


def test_no_page_of_the_console_obeys_a_message(administrator: Client) -> None:
    assert "&lt;script&gt;alert(1)" in administrator.get(address("deadletter_change")).content.decode()
    faults = {}
    for name in PAGES:
        page = administrator.get(address(name)).content.decode()
        faults[name] = [*faults_of(page), *(["long"] if len(page) > 2_000_000 else [])]

    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize("name", CONFIRMATIONS)
def test_no_confirmation_obeys_a_message(administrator: Client, name: str) -> None:
    chosen = {"select_across": "1", "_selected_action": ["0"], **CONFIRMATIONS[name]}
    url = DEAD_LETTERS if name == "deadletter_list" else address(name)

    answer = administrator.post(url, chosen)

    assert answer.status_code == 200
    assert faults_of(answer.content.decode()) == []


def test_no_export_obeys_a_message(administrator: Client) -> None:
    files = {
        form: administrator.post(
            DEAD_LETTERS, {"action": f"export_{form}", "select_across": "1", "_selected_action": ["0"]}
        )
        for form in ("csv", "json", "hl7")
    }
    rows = list(csv.reader(io.StringIO(files["csv"].getvalue().decode())))

    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@")) or REORDERING.search(cell)]
    assert json.loads(files["json"].getvalue())[0]["raw"].encode() == HOSTILE
    assert HOSTILE in files["hl7"].getvalue()
    for file in files.values():
        assert file["X-Content-Type-Options"] == "nosniff"
        assert file["Content-Disposition"].startswith("attachment")
        assert not file["Content-Type"].startswith("text/html")
