"""Who registers and uploads is told what storage is left after it, also when it did not fit."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.videos.calls import REGISTER, UPLOADS, caller

pytestmark = pytest.mark.django_db


def left(answer):
    found = [item for item in answer.headers["RateLimit"].split(", ") if item[:8] == '"storage']
    assert '"storage";q=100;qu="content-bytes"' in answer.headers["RateLimit-Policy"]
    return found[0].partition(";r=")[2]


def test_each_answer_tells_what_is_left_after_it():
    me = caller()

    answers = [
        me.post(REGISTER, {"path": "/a.mp4", "size": 60}),
        me.post(UPLOADS, {"path": "/b.mp4", "size": 15}),
        me.post(REGISTER, {"path": "/c.mp4", "size": 26}),
        me.get(UPLOADS),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 403, 200]
    assert [left(answer) for answer in answers] == ["40", "25", "25", "25"]


def test_whatever_a_file_was_what_is_told_is_what_the_row_says_then():
    me = caller()
    kept = me.post(UPLOADS, {"path": "/kept.mp4", "size": 30}).json()["id"]
    steps = [
        (REGISTER, {"path": "/a.mp4", "size": 20}, 201),
        (REGISTER, {"path": "/a.mp4", "size": 20}, 200),
        (REGISTER, {"path": "/a.mp4", "size": 9}, 200),
        (f"{UPLOADS}/{kept}/commit", {"size": 31}, 201),
        (f"{UPLOADS}/{kept}/commit", {"size": 31}, 200),
        (UPLOADS, {"path": "/a.mp4", "size": 15}, 201),
        (REGISTER, {"path": "/a.mp4", "size": 9}, 200),
        (REGISTER, {"path": "/b.mp4", "size": 61}, 403),
    ]

    for path, body, status in steps:
        answer = me.post(path, body)
        assert (answer.status_code, left(answer)) == (status, str(100 - sum(me.figures())))
    assert me.figures() == (40, 0)


def test_of_a_day_the_file_that_just_came_is_counted():
    me = caller()
    User.objects.update(quota_daily=70)

    answers = [me.post(REGISTER, {"path": f"/{size}.mp4", "size": size}) for size in (40, 30, 1)]

    days = [answer.headers["RateLimit"].split('"storage-day";r=')[1] for answer in answers]
    assert days == ["30", "0", "0"]


def test_who_registers_asks_for_its_row_once():
    me = caller()
    me.post(REGISTER, {"path": "/a.mp4", "size": 20})

    with CaptureQueriesContext(connection) as asked:
        me.post(REGISTER, {"path": "/b.mp4", "size": 20})

    statements = [one["sql"] for one in asked]
    of_member = [sql for sql in statements if re.search('FROM "?accounts_user', sql)]
    assert len(of_member) == 1, of_member
