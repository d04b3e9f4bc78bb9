"""ACL-02: a foreign id costs what a missing one costs: the same statements, and no lock."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.videos.library import JOBS, VIDEOS, caller, holder, video

pytestmark = pytest.mark.django_db
VALUES = re.compile(r"'[^']*'(::\w+)?|\b\d+\b|s\d+_x\d+")  # and names of savepoints


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", f"{VIDEOS}/{{}}"), ("patch", f"{VIDEOS}/{{}}"), ("delete", f"{VIDEOS}/{{}}"),
        ("post", f"{VIDEOS}/{{}}/restore"), ("get", f"{JOBS}/{{}}"),
    ],
)  # fmt: skip
def test_the_same_statements_are_asked(method, path):
    theirs = video(holder("alice"))
    bob = caller(holder("bob"))
    bob.get(VIDEOS)  # the request log's partition of the day is made once
    found = []

    known = theirs.jobs.get().pk if path.startswith(JOBS) else theirs.pk
    for asked in (known, uuid.uuid4()):
        with CaptureQueriesContext(connection) as queries:
            assert getattr(bob, method)(path.format(asked)).status_code == 404
        found.append([VALUES.sub("?", each["sql"]) for each in queries])

    assert found[0] == found[1]
    assert not [sql for sql in found[0] if "videos_" in sql and "FOR " in sql]
