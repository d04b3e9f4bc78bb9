"""ACL-01, 02, 03, 07 and QTA-05 for videos and jobs, through two gateways with a Django each."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import User
from tests import make
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import Answer
from tests.videos.library import ADMIN_VIDEOS, JOBS, VIDEOS, holder, video
from tests.videos.outside import Doors, two_doors
from videos.models import Video

pytestmark = pytest.mark.slow
ADMIN = os.environ["ADMIN_TOKEN"]
CHANGING = re.compile(r"(?<=;[rt]=)\d+")  # of the key's own limits, and of time
OWN = ("x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset")


@dataclass
class Person:
    id: str
    key: str
    video: str
    job: str


@dataclass
class House:
    doors: Doors
    database: Database
    alice: Person
    bob: Person

    def used(self, person: Person) -> tuple[object, ...]:
        """What is counted, and what is there."""
        counted = self.database.fetch(
            "SELECT quota_used FROM accounts_user WHERE id = %s", person.id
        )
        live = self.database.fetch(
            "SELECT coalesce(sum(size), 0)::bigint FROM videos_video"
            " WHERE owner_id = %s AND deleted_at IS NULL",
            person.id,
        )
        return (*counted[0], *live[0])

    def events(self, kind: str, video_id: str) -> int:
        subject = f"video:{uuid.UUID(video_id).hex}"
        query = "SELECT 1 FROM events_event WHERE kind = %s AND subject = %s"
        return len(self.database.fetch(query, kind, subject))


def person(name: str, size: int) -> Person:
    """Without limits on requests, for nobody here waits."""
    member = holder(name, quota=1_000)
    User.objects.filter(pk=member.pk).update(tier="free")
    made = video(member, f"{name}s-secret.mp4", size)
    return Person(str(member.pk), make.key(member).secret, str(made.pk), str(made.jobs.get().pk))


@pytest.fixture(scope="module")
def house(migrated: Database) -> Iterator[House]:
    with own_database(migrated, "videos") as database:
        with database.rows():
            make.tier("free")
            alice, bob = person("alice", 100), person("bob", 10)
        with two_doors(database) as doors:
            yield House(doors, database, alice, bob)


def told(answer: Answer, asked: str) -> tuple[object, ...]:
    """All of it, but what is of this request alone."""
    body = json.loads(answer.body.replace(asked.encode(), b"it")) if answer.body else {}
    for name in ("request_id", "instance"):
        body.pop(name, None)
    fields = sorted(
        (name, CHANGING.sub("", value)) for name, value in answer.fields if name not in OWN
    )
    return answer.status, body, fields


@pytest.mark.parametrize(
    ("method", "path", "body", "fields"),
    [
        ("GET", f"{VIDEOS}/{{}}", None, ()),
        ("GET", f"{VIDEOS}/{{}}?x=1", None, ()),
        ("PATCH", f"{VIDEOS}/{{}}", {"name": "mine"}, ()),
        ("PATCH", f"{VIDEOS}/{{}}", {"owner": 1}, ()),
        ("PATCH", f"{VIDEOS}/{{}}", {"name": "mine"}, ('If-Match: "9"',)),
        ("DELETE", f"{VIDEOS}/{{}}", None, ()),
        ("DELETE", f"{VIDEOS}/{{}}", None, ('If-Match: "9"',)),
        ("POST", f"{VIDEOS}/{{}}/restore", None, ()),
        ("GET", f"{JOBS}/{{}}", None, ()),
        ("GET", f"{JOBS}?video={{}}", None, ()),
    ],
)
def test_anothers_is_answered_as_what_is_missing(house, method, path, body, fields):
    theirs = house.alice.job if path == f"{JOBS}/{{}}" else house.alice.video
    answers = []
    for asked in (theirs, str(uuid.uuid4())):
        answer = house.doors.ask(method, path.format(asked), house.bob.key, body, *fields)
        answers.append(told(answer, asked))

    assert answers[0] == answers[1]
    assert answers[0][0] == (200 if "?video=" in path else 404)
    counted, live = house.used(house.alice)
    assert counted == live
    rows = house.database.fetch(
        "SELECT name, version FROM videos_video WHERE id = %s", house.alice.video
    )
    assert rows == [("alices-secret.mp4", 1)]


QUERIES = (
    "", "q=secret", "q=alice", "state=queued", "source=rest", "deleted=false", "deleted=true",
    "created_after=2001-01-01", "ordering=name", "ordering=-name", "ordering=size",
    "ordering=-size", "ordering=created_at", "ordering=-created_at", "page_size=100",
    "q=secret&ordering=-size&page_size=1",
)  # fmt: skip


def test_no_filter_and_no_ordering_tells_of_anothers(house):
    for path, table in ((VIDEOS, "video"), (JOBS, "processingjob")):
        query = f"SELECT 1 FROM videos_{table} WHERE owner_id = %s"
        own = house.database.fetch(query, house.bob.id)
        for query in QUERIES:
            answer = house.doors.ask("GET", f"{path}?{query}", house.bob.key)
            if answer.status == 200:
                assert json.loads(answer.body)["total"] <= len(own), query
            for secret in (house.alice.id, house.alice.video, house.alice.job, "alice"):
                assert secret.encode() not in answer.body, query


@pytest.mark.parametrize("name", ["owner", "owner_id", "owner__username", "no_owner", "anyway"])
def test_whose_they_are_is_no_question(house, name):
    for path in (VIDEOS, JOBS):
        answer = house.doors.ask("GET", f"{path}?{name}={house.alice.id}", house.bob.key)

        assert answer.status == 422


@pytest.mark.parametrize(
    "given",
    [
        {"owner": "{bob}"}, {"owner_id": "{bob}"}, {"size": 0}, {"path": "/x"},
        {"over_quota": False},
        {"deleted_at": None}, {"version": 7}, {"id": "{bob}"}, {"anyway": True}, {"job": None},
        {"storage": {"quota": 1}}, {"__class__": "x"},
    ],
)  # fmt: skip
def test_a_rename_assigns_nothing_else(house, given):
    read = "SELECT v::text FROM videos_video v WHERE id = %s"
    before = house.database.fetch(read, house.alice.video)
    said = {name: house.bob.id if each == "{bob}" else each for name, each in given.items()}

    place = f"{VIDEOS}/{house.alice.video}"
    answer = house.doors.ask("PATCH", place, house.alice.key, {"name": "n", **said})

    assert (answer.status, json.loads(answer.body)["code"]) == (422, "invalid_input")
    assert house.database.fetch(read, house.alice.video) == before


ODD = (
    "page=0", "page=-1", "page=1e9", "page=%00", "page=9999999999", "page_size=0", "page_size=1000",
    "q=%00", "q=" + "a" * 200, "state=", "state[]=done", "ordering=", "ordering=%27",
    "ordering=id;drop", "created_after=0000-00-00", "created_after=99999-01-01", "created_after=",
    "created_before=-infinity", "deleted=2", "video=..", "video=%00", "processor=%F0%9F%98%80",
    "state=done&state=done", "__proto__=1", "q[$ne]=1", "source=null",
)  # fmt: skip
BODIES: tuple[Any, ...] = (
    [], "x", 1, None, True, {"name": {}}, {"name": []}, {"name": 1e400}, {"name": "\x00"},
    {"name": "\ud800"}, {"name": "x" * 100_000}, {"name": None}, {"name": " "}, {"": 1},
)  # fmt: skip


def test_odd_parameters_types_and_ids_are_refused_and_never_an_error_of_ours(house):
    key, mine = house.alice.key, f"{VIDEOS}/{house.alice.video}"
    for query in ODD:
        for path in (VIDEOS, JOBS, f"{ADMIN_VIDEOS}"):
            who = ADMIN if path == ADMIN_VIDEOS else key
            assert 400 <= house.doors.ask("GET", f"{path}?{query}", who).status < 500, query
    for body in BODIES:
        for place, who in ((mine, key), (f"{ADMIN_VIDEOS}/{house.alice.video}", ADMIN)):
            assert 400 <= house.doors.ask("PATCH", place, who, body).status < 500, body
    for odd in ("1", "x", "%00", "..%2f", "00000000-0000-0000-0000-00000000000g", "%F0%9F"):
        for path in (VIDEOS, JOBS):
            assert 400 <= house.doors.ask("GET", f"{path}/{odd}", key).status < 500, odd
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert house.doors.ask(method, VIDEOS, key, {}).status == 405


def test_many_who_delete_and_restore_at_once_move_the_space_once(house):
    with house.database.rows():
        owner = User.objects.get(pk=house.bob.id)
        made = str(video(owner, "often.mp4", 50).pk)
    place, full = f"{VIDEOS}/{made}", house.used(house.bob)
    less = tuple(int(str(each)) - 50 for each in full)

    def at_once(method: str, path: str) -> set[object]:
        ask = lambda _: house.doors.ask(method, path, house.bob.key).status  # noqa: E731  a call
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(ask, range(16)))

    for turn in (1, 2):
        assert at_once("DELETE", place) == {204}
        assert house.used(house.bob) == less
        assert at_once("POST", f"{place}/restore") == {200}
        assert house.used(house.bob) == full
        assert house.events("video:deleted", made) == house.events("video:restored", made) == turn


def test_reassigned_to_and_fro_while_it_is_deleted_and_restored_every_byte_is_somebodys(house):
    with house.database.rows():
        owner = User.objects.get(pk=house.alice.id)
        made = [str(video(owner, f"ball{number}.mp4", 7).pk) for number in range(3)]

    def play(number: int) -> object:
        place = f"{ADMIN_VIDEOS}/{made[number % 3]}"
        owner = (house.alice, house.bob)[number % 2].id
        if number % 5 == 0:
            return house.doors.ask("DELETE", place, ADMIN).status
        if number % 5 == 1:
            return house.doors.ask("POST", f"{place}/restore", ADMIN).status
        return house.doors.ask("PATCH", place, ADMIN, {"owner": owner}).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(play, range(60))) <= {200, 204}

    for someone in (house.alice, house.bob):
        counted, live = house.used(someone)
        assert counted == live
    with house.database.rows():
        for each in Video.objects.filter(pk__in=made):
            assert set(each.jobs.values_list("owner", flat=True)) == {each.owner_id}


def test_what_does_not_fit_is_refused_whoever_asks_first(house):
    """Four at once into room for two; the others stay where they were."""
    with house.database.rows():
        owner = User.objects.get(pk=house.alice.id)
        made = [str(video(owner, f"large{number}.mp4", 30).pk) for number in range(4)]
        narrow = holder("carol", quota=60)
        carol = Person(str(narrow.pk), "", "", "")

    def give(video_id: str) -> object:
        wanted = {"owner": carol.id}
        return house.doors.ask("PATCH", f"{ADMIN_VIDEOS}/{video_id}", ADMIN, wanted).status

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(give, made), key=str)

    assert found == [200, 200, 403, 403]
    assert house.used(carol) == (60, 60)
    counted, live = house.used(house.alice)
    assert counted == live


def test_storage_is_told_through_the_gateway_as_it_is_after_the_request(house):
    answer = house.doors.ask("GET", f"{VIDEOS}?page_size=1", house.bob.key)

    counted, _ = house.used(house.bob)
    assert '"storage";q=1000;qu="content-bytes"' in answer.field("ratelimit-policy")
    assert f'"storage";r={1000 - int(str(counted))}' in answer.field("ratelimit")
