"""Lists at 100,000 rows: the same few statements for a page of one or of twenty, each by an index
that tells its rows in order, and reading little more than it shows."""

import json
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.videos.library import ADMIN_JOBS, ADMIN_VIDEOS, JOBS, VIDEOS, caller, holder, names
from videos import reading
from videos.models import ProcessingJob, Video

pytestmark = pytest.mark.django_db
ROWS = 100_000
MOMENT = "2026-06-01T00:00:00Z"

VIDEO_SQL = """
    INSERT INTO videos_video (
        id, owner_id, owner_label, path, location, name, size, sha256, hashed_bytes, over_quota,
        source, version, created_at, updated_at, deleted_at, file_gone)
    SELECT gen_random_uuid(),
           CASE WHEN n %% 20 = 0 THEN %(alice)s::uuid WHEN n %% 1000 <> 1 THEN %(bob)s::uuid END,
           '', '/v' || n, '', 'video ' || n, n, '', 0, n %% 5000 = 0,
           CASE WHEN n %% 100 = 0 THEN 'import' ELSE 'rest' END, 1,
           timestamptz '2026-01-01' + n * interval '1 minute', now(),
           CASE WHEN n %% 40 < 2 THEN now() END, false
    FROM generate_series(1, %(rows)s) AS n
"""
JOB_SQL = """
    INSERT INTO videos_processingjob (
        id, video_id, owner_id, kind, state, priority, created_at, updated_at)
    SELECT gen_random_uuid(), id, owner_id, 'auto_ingestion',
           CASE WHEN size % 1000 = 20 THEN 'failed' ELSE 'done' END, 0, created_at, now()
    FROM videos_video
"""
STEP_SQL = """
    INSERT INTO videos_processingstep (
        id, job_id, processor, state, job_priority, due_at, attempts, worker, progress, artefacts,
        last_error, updated_at)
    SELECT gen_random_uuid(), id, 'asr', 'done', 0, now(), 1, '', 100, '[]', '', now()
    FROM videos_processingjob
"""


@pytest.fixture(scope="module")
def house(django_db_setup, django_db_blocker) -> Iterator[tuple[User, User]]:
    """100,000 videos, every twentieth alice's, each with a job; rolled back at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        alice, bob = holder("alice", None), holder("bob", None)
        with connection.cursor() as cursor:
            # What is inserted refers to what is there: asking so 600,000 times takes half a minute.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(VIDEO_SQL, {"alice": alice.pk, "bob": bob.pk, "rows": ROWS})
            cursor.execute(JOB_SQL)
            cursor.execute(STEP_SQL)
            for table in ("video", "processingjob", "processingstep"):
                cursor.execute(f"ANALYZE videos_{table}")
            cursor.execute("SET LOCAL session_replication_role = origin")
        yield alice, bob
        transaction.set_rollback(True)


class Plan:
    def __init__(self, rows) -> None:
        sql, values = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values)
            found = cursor.fetchone()[0]
        self.top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        self.nodes = list(nodes(self.top))
        self.indexes = {node["Index Name"] for node in self.nodes if "Index Name" in node}
        self.scanned = {n["Relation Name"] for n in self.nodes if n["Node Type"] == "Seq Scan"}
        self.blocks = self.top["Shared Hit Blocks"] + self.top["Shared Read Blocks"]


def nodes(node):
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes(inner)


def page(rows):
    return Plan(rows[:20])


def mine(owner, **wanted):
    rows = Video.objects.filter(owner=owner)
    return reading.select_videos(rows, {"deleted": False, **wanted})


ANY = "any that begins with the owner or the time"
OWN = [
    ({}, "video_live"),
    ({"deleted": True}, "video_deleted"),
    ({"ordering": "created_at"}, "video_live"),
    ({"ordering": "name"}, "video_by_name"),
    ({"ordering": "-size"}, "video_by_size"),
    ({"created_after": MOMENT, "created_before": "2026-06-02T00:00:00Z"}, "video_live"),
    ({"source": "import"}, ANY),
    ({"state": "done"}, "video_live"),
    ({"q": "video 99"}, ANY),
]


@pytest.mark.parametrize(("wanted", "index"), OWN)
def test_a_page_of_ones_own_is_read_by_its_index(house, wanted, index):
    plan = page(mine(house[0], **wanted))

    assert index in {*plan.indexes, ANY}
    assert plan.scanned == set()
    assert plan.blocks < 3_000


def test_few_are_looked_at_where_few_are_in_a_state(house):
    rows = mine(house[0], state="failed")

    plan = page(rows)
    assert plan.scanned == set()
    assert plan.blocks < 6_000
    assert rows.count() == 100


def test_what_no_index_helps_with_is_bounded(house, monkeypatch):
    """A part of a name that is nowhere: the newest are looked at, and no more."""
    everybodys = Video.objects.all()
    few = page(reading.select_videos(everybodys, {"q": "nowhere"}))
    monkeypatch.setattr(reading, "SEARCHED", ROWS)
    all_of_them = page(reading.select_videos(everybodys, {"q": "nowhere"}))

    assert few.blocks * 3 < all_of_them.blocks


JOBS_OF = [
    ({}, {"job_of_owner"}),
    ({"ordering": "created_at"}, {"job_of_owner"}),
    ({"state": "failed"}, {"job_of_owner_in_state"}),
    ({"processor": "asr"}, {"job_of_owner"}),
    ({"created_after": MOMENT, "created_before": "2026-06-02T00:00:00Z"}, set()),
]


@pytest.mark.parametrize(("wanted", "indexes"), JOBS_OF)
def test_a_page_of_ones_own_jobs_is_read_by_its_index(house, wanted, indexes):
    rows = ProcessingJob.objects.filter(owner=house[0])

    plan = page(reading.select_jobs(rows, wanted))

    assert indexes <= plan.indexes
    assert plan.scanned == set()
    assert plan.blocks < 500


def test_jobs_of_a_video_are_read_by_its_index(house):
    wanted = {"video": Video.objects.filter(owner=house[0])[0].pk}

    plan = page(reading.select_jobs(ProcessingJob.objects.filter(owner=house[0]), wanted))

    assert plan.blocks < 50


EVERYBODYS = [
    ({}, 200),
    ({"ordering": "created_at"}, 200),
    ({"no_owner": True}, 500),
    ({"deleted": True}, 1_500),
    ({"over_quota": True}, 200),
    ({"created_after": MOMENT, "created_before": "2026-06-02T00:00:00Z"}, 500),
    ({"state": "done"}, 3_000),
    ({"source": "import"}, 3_000),
]


@pytest.mark.parametrize(("wanted", "most"), EVERYBODYS)
def test_a_page_of_everybodys_is_read_by_an_index(house, wanted, most):
    plan = page(reading.select_videos(Video.objects.select_related("owner"), wanted))

    assert "videos_video" not in plan.scanned
    assert plan.blocks < most


@pytest.mark.parametrize(
    ("wanted", "index"), [({}, "job_newest"), ({"state": "failed"}, "job_in_state")]
)
def test_a_page_of_everybodys_jobs_is_read_by_its_index(house, wanted, index):
    plan = page(reading.select_jobs(ProcessingJob.objects.all(), wanted))

    assert index in plan.indexes
    assert plan.blocks < 500


def test_the_newest_jobs_of_a_page_are_looked_up_one_by_one(house):
    chosen = Video.objects.filter(owner=house[0], deleted_at=None).order_by("-created_at")[:20]

    with CaptureQueriesContext(connection) as asked:
        found = reading.add_jobs(chosen)

    assert all(video.newest_job.video_id == video.pk for video in found)
    assert len(asked) == 3


@pytest.mark.parametrize("path", [VIDEOS, JOBS])
def test_a_page_of_twenty_costs_as_many_statements_as_one_of_one(house, path):
    me = caller(house[0])
    me.get(path)  # the request log's partition of the day is made once
    counts = []
    for size in (1, 20, 100):
        with CaptureQueriesContext(connection) as asked:
            answer = me.get(f"{path}?page_size={size}")
        assert len(answer.json()["results"]) == size
        counts.append(len(asked))

    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("path", [ADMIN_VIDEOS, ADMIN_JOBS])
def test_and_so_does_one_of_everybodys(house, path, admin_api):
    admin_api.get(path)  # as above
    counts = []
    for size in (1, 20, 100):
        with CaptureQueriesContext(connection) as asked:
            assert admin_api.get(f"{path}?page_size={size}&no_owner=false").status_code == 200
        counts.append(len(asked))

    assert counts[0] == counts[1] == counts[2]


def test_every_filter_ends_soon_at_this_size(house, admin_api):
    """Whatever the plan, counting included: a statement that takes longer fails."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '3s'")
    me = caller(house[0])

    for query in (
        "", "state=done", "state=failed", "q=nowhere", "source=import", "ordering=name&page=900",
        "q=video&state=done&source=rest&ordering=-size",
    ):  # fmt: skip
        assert me.get(f"{VIDEOS}?{query}").status_code == 200, query
        assert admin_api.get(f"{ADMIN_VIDEOS}?{query}").status_code == 200, query
    assert me.get(f"{JOBS}?processor=asr&state=done").status_code == 200
    assert names(me.get(f"{VIDEOS}?ordering=size&page_size=1")) == ["video 20"]
