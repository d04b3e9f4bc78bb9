"""Who registers and uploads is told what storage is left after it, also when it did not fit."""

import pytest

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
