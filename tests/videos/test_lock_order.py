"""One order of locks for everybody: members by their ids, then the video. Who took another could
wait in a circle with who did not; shown by what is not locked yet while somebody waits."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.gateway.wire import within
from tests.videos import sftpgo
from tests.videos.library import holder, video
from videos.models import Source, Video
from videos.services import hooks
from videos.services.library import delete_video, reassign_video
from videos.services.registering import register
from videos.sftpgo import read

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
WAITING = """
SELECT count(*)::int FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
WRITING = """
SELECT count(*)::int FROM pg_locks JOIN pg_database AS d ON d.oid = database
 WHERE d.datname = current_database() AND mode = 'RowExclusiveLock'
   AND relation = 'videos_fileevent'::regclass
"""
MEMBER = "SELECT 1 FROM accounts_user WHERE id = %s FOR NO KEY UPDATE"
VIDEO = "SELECT 1 FROM videos_video WHERE id = %s FOR NO KEY UPDATE"


def connected() -> "psycopg.Connection[Any]":
    place = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(**{name: place[name] for name in names if place.get(name)})


@contextmanager
def waiting(at: str, row: object, work: Callable[[], object]) -> Iterator[None]:
    """While ``work`` waits for this row, which somebody else holds."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with connected() as other:
        other.execute(at, [row])
        thread.start()
        assert within(20, is_waiting)
        yield
    thread.join(20)
    assert not thread.is_alive()


def is_waiting() -> bool:
    with connected() as look:
        return look.execute(WAITING).fetchall() == [(1,)]


def is_free(statement: str, row: object) -> bool:
    with connected() as look:
        try:
            look.execute(f"{statement} NOWAIT", [row])
        except psycopg.errors.LockNotAvailable:
            return False
    return True


@pytest.mark.parametrize("of_the_later", [True, False])
def test_two_members_are_locked_by_their_ids_whoever_gives(of_the_later: bool) -> None:
    first, second = sorted((holder("alice"), holder("bob")), key=lambda each: each.pk)
    owner, taker = (second, first) if of_the_later else (first, second)
    made = video(owner)

    with waiting(MEMBER, first.pk, lambda: reassign_video(made.pk, taker, actor="test")):
        assert is_free(MEMBER, second.pk)
        assert is_free(VIDEO, made.pk)

    assert Video.objects.get().owner == taker


def test_a_member_is_locked_before_the_video() -> None:
    alice = holder()
    made = video(alice)

    with waiting(VIDEO, made.pk, lambda: delete_video(made.pk, actor="test")):
        assert not is_free(MEMBER, alice.pk)

    assert Video.objects.get().deleted_at is not None


def test_who_registers_locks_the_member_before_the_video_that_is_there() -> None:
    alice = holder()
    made = video(alice)

    def tell_again() -> None:
        register(alice, made.path, made.size, source=Source.REST, actor="test")

    with waiting(MEMBER, alice.pk, tell_again):
        assert is_free(VIDEO, made.pk)
    with waiting(VIDEO, made.pk, tell_again):
        assert not is_free(MEMBER, alice.pk)

    assert Video.objects.get().version == made.version


def test_what_a_hook_tells_is_put_in_order_under_the_members_lock() -> None:
    alice = sftpgo.member()
    told = read(json.dumps(sftpgo.event("upload", "/a", file_size=7)).encode())

    with waiting(MEMBER, alice.pk, lambda: hooks.receive(told)), connected() as look:
        assert look.execute(WRITING).fetchall() == [(0,)]

    assert sftpgo.files(alice) == {"/a": 7}
