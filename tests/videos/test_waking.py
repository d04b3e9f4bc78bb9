"""The worker is told of files that wait; a request waits for nobody."""

import time
from queue import Empty

import pytest

from momentry.celery import app
from tests.videos import homes
from videos import tasks
from videos.models import Source
from videos.services import wake
from videos.services.registering import register


@pytest.fixture
def sent(settings, tmp_path, monkeypatch):
    homes.seen(settings, tmp_path)
    monkeypatch.setattr(wake.waker, "quiet_until", 0.0)
    with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
        queue.clear()
        yield queue
        queue.clear()


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


@pytest.fixture
def alice(db, sent, tmp_path):
    return homes.member(tmp_path)


def test_the_worker_is_told_once_a_second_when_it_is_true(alice, sent, committed):
    with committed(execute=True):
        for name in "abc":
            register(alice, f"/{name}", 1, source=Source.REST, actor="test")
        with pytest.raises(Empty):
            sent.get_nowait()

    assert sent.get_nowait().headers["task"] == tasks.hash_files.name
    with pytest.raises(Empty):
        sent.get_nowait()


@pytest.mark.parametrize("address", ["redis://127.0.0.1:9/0", "redis+socket:///nowhere"])
def test_valkey_that_is_away_stops_no_request(alice, settings, committed, address):
    settings.CELERY_BROKER_URL = address
    began = time.monotonic()

    with committed(execute=True):
        register(alice, "/a", 1, source=Source.REST, actor="test")

    assert wake.waker.quiet_until >= began + wake.AWAY_SECONDS
