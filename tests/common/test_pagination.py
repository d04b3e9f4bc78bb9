"""Cursor lists: every row once, in order, while rows keep arriving; bad cursors are 422."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from events.models import Event
from momentry.common.errors import MomentryError
from momentry.common.pagination import CursorPage

pytestmark = pytest.mark.django_db
START = timezone.now()


class View:
    cursor_field = "occurred_at"


def make_event(offset: int) -> Event:
    at = START + timedelta(seconds=offset)
    return Event.objects.create(kind="x:y", actor="a", subject=f"s:{offset}", occurred_at=at)


def page(**query: str):
    request = Request(APIRequestFactory().get("/", query))
    paginator = CursorPage()
    rows = paginator.paginate_queryset(Event.objects.all(), request, View())
    return [row.subject for row in rows], paginator.next


def test_a_walk_sees_every_row_once_newest_first():
    for offset in range(7):
        make_event(offset)

    first, cursor = page(limit="3")
    second, cursor = page(limit="3", cursor=cursor)
    third, end = page(limit="3", cursor=cursor)

    assert first + second + third == [f"s:{n}" for n in reversed(range(7))]
    assert end is None


def test_rows_of_one_instant_are_told_apart():
    made = [make_event(0) for _ in range(5)]
    seen, cursor = [], None
    for _ in range(5):
        rows = CursorPage()
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        request = Request(APIRequestFactory().get("/", query))
        seen += [row.pk for row in rows.paginate_queryset(Event.objects.all(), request, View())]
        cursor = rows.next

    assert sorted(seen) == sorted(event.pk for event in made)
    assert cursor is None


def test_rows_that_arrive_meanwhile_neither_repeat_nor_shift():
    for offset in range(4):
        make_event(offset)
    first, cursor = page(limit="2")
    make_event(10)

    second, _ = page(limit="2", cursor=cursor)

    assert first + second == ["s:3", "s:2", "s:1", "s:0"]


def cursor_of(moment: str, row_id: str = "0" * 32) -> str:
    return base64.urlsafe_b64encode(f"{moment} {row_id}".encode()).decode()


ODD = [
    *("", "x", "AAAA", "é", "MjAyNi0xMS0yMQ==", "A" * 5000, "\0"),
    cursor_of("0001-01-01T00:00:00+14:00"),
    cursor_of("9999-12-31T23:59:59-14:00"),
    cursor_of("2026-11-21T12:00:00"),
    cursor_of("2026-11-21T14:00:00+02:00"),
    cursor_of("2026-11-21T12:00:00+00:00", "{" + "0" * 32 + "}"),
    cursor_of("2026-11-21T12:00:00+00:00") + "\n",
]


@pytest.mark.parametrize("cursor", ODD)
def test_a_foreign_cursor_is_refused(cursor):
    with pytest.raises(MomentryError) as caught:
        page(cursor=cursor)

    assert caught.value.code.code == "invalid_input"


@pytest.mark.parametrize("limit", ["0", "101", "x", "-1"])
def test_a_limit_out_of_bounds_is_refused(limit):
    with pytest.raises(MomentryError):
        page(limit=limit)
