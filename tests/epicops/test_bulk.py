"""Columns as array literals: what PostgreSQL reads is what was meant."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, connection, models

from epicops.bulk import columns_of, copy_rows, sending_cursor

pytestmark = pytest.mark.django_db


class Copied(models.Model):
    class Meta:
        app_label = "tests"
        managed = False
        db_table = "copied"


TRICKY = ['"', "\\", "{a,b}", "", "NULL", "null", " x ", "ü\n", '\\"', "'; --", "%s"]


def test_texts_arrive_as_they_are() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM unnest(%s::text[])", columns_of([[text] for text in TRICKY], 1))

        assert [row[0] for row in cursor.fetchall()] == TRICKY


def test_none_is_null_and_its_neighbours_stay_in_line() -> None:
    rows = [
        ('a"', 1, datetime(2026, 1, 1, tzinfo=UTC)),
        (None, None, None),
        ("NULL", 3, datetime.max.replace(tzinfo=UTC)),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[])", columns_of(rows, 3))

        assert cursor.fetchall() == rows


def test_no_rows_are_empty_arrays() -> None:
    assert columns_of([], 2) == ["{}", "{}"]


def test_copied_rows_arrive_as_they_are() -> None:
    tricky = [*TRICKY, "tab\t", "\r\n", r"\N", r"\.", None]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE copied (text text, bytes bytea, numbers bigint[], at timestamptz)")
        rows = [(text, b"\0\\\n", [1, -2], datetime(2026, 1, 1, tzinfo=UTC)) for text in tricky]
        copy_rows(Copied, ("text", "bytes", "numbers", "at"), rows)
        cursor.execute("SELECT * FROM copied")

        assert cursor.fetchall() == rows


def test_nul_is_refused_before_it_can_shift_a_column() -> None:
    with pytest.raises(DataError):
        columns_of([["a\0b"]], 1)


def test_a_sending_cursor_keeps_parameters_out_of_the_statement() -> None:
    running = "SELECT %s::text, query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    with sending_cursor() as cursor:
        cursor.execute(running, ["Nguyen"])
        name, statement = cursor.fetchone()

    assert name == "Nguyen"
    assert "Nguyen" not in statement
