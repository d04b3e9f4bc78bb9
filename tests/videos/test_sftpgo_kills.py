"""Uploads by SFTPGo while momentry is killed: the books are what is on disk, each file once."""

import hashlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within
from tests.provisioning.sftpgo_files import FileStandIn, at_once
from tests.videos import sftpgo
from tests.videos.sftpgo import HOOK, hook_secret

pytestmark = pytest.mark.slow

QUOTA = 4000
STEPS = 40
NAMES = ("alice", "bob")
LIVE = """
SELECT u.username, v.path, v.size, v.sha256, v.id FROM videos_video v
JOIN accounts_user u ON u.id = v.owner_id WHERE v.deleted_at IS NULL
"""
# Rows that should hang together, and do not.
ORPHANS = """
SELECT 'video without a job' FROM videos_video v
WHERE NOT EXISTS (SELECT 1 FROM videos_processingjob j WHERE j.video_id = v.id)
UNION ALL SELECT 'job without its steps' FROM videos_processingjob j
WHERE (SELECT count(*) FROM videos_processingstep s WHERE s.job_id = j.id) <> 6
UNION ALL SELECT 'two jobs to do' FROM videos_processingjob j WHERE j.state = 'queued'
GROUP BY j.video_id HAVING count(*) > 1
UNION ALL SELECT 'video without its event' FROM videos_video v WHERE NOT EXISTS (
SELECT 1 FROM events_event e
WHERE e.kind = 'video:registered' AND e.subject = 'video:' || replace(v.id::text, '-', ''))
UNION ALL SELECT 'file event without effect' FROM videos_fileevent f
WHERE f.action = 'upload' AND f.video IS NULL
"""


@pytest.fixture
def house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "sftpgo_kills") as made:
        yield made


class Django:
    """``manage.py serve``, on one port through all its lives."""

    def __init__(self, place: Path, given: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log, self.given = place / "django.log", given
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        socket_words = ("--socket", f"127.0.0.1:{self.port}")
        self.process = command("serve", self.log, self.given, *socket_words)
        assert within(60, self.answers), self.log.read_text()

    def answers(self) -> bool:
        with socket.socket() as wire:
            return wire.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(django: Django) -> Iterator[None]:
    django.start()
    try:
        yield
    finally:
        django.kill()


def live(stand_in: FileStandIn, username: str, random: Random) -> None:
    """Somebody at work: some names again and again."""
    for _ in range(STEPS):
        path, other = (f"/d{random.randrange(2)}/{random.randrange(4)}" for _ in range(2))
        what = random.random()
        if what < 0.6:
            stand_in.upload(username, path, random.randbytes(random.randrange(900)))
        elif what < 0.75:
            stand_in.delete(username, path)
        else:
            stand_in.rename(username, path, other)


def wait_for_more(stand_in: FileStandIn) -> None:
    """Or for the end of all work."""
    heard = len(stand_in.told) + 25
    within(20, lambda: len(stand_in.told) >= heard)


def environment(house: Database, root: Path) -> dict[str, str]:
    sftp = {"SFTPGO_URL": "http://127.0.0.1:9", "SFTPGO_API_KEY": "key.of-sftpgo"}
    return {"DATABASE_URL": house.url, "SFTPGO_DATA_ROOT": str(root), **sftp}


def read_all(house: Database, given: dict[str, str], place: Path) -> None:
    """What changed while it was read waits a minute: no longer."""
    house.execute("UPDATE videos_filereading SET until = now()")
    reader = command("hash_files", place / "hash.log", given)
    assert reader.wait(timeout=60) == 0, (place / "hash.log").read_text()


def balanced(house: Database, stand_in: FileStandIn, on_disk: dict[tuple[str, str], bytes]) -> None:
    rows = house.fetch(LIVE)
    assert {(name, path): size for name, path, size, *_ in rows} == {
        place: len(content) for place, content in on_disk.items()
    }
    assert len(rows) == len(on_disk)
    used: dict[Any, Any] = dict(
        house.fetch("SELECT username, quota_used FROM accounts_user WHERE NOT is_staff")
    )
    for name in NAMES:
        sizes = [len(content) for (owner, _), content in on_disk.items() if owner == name]
        assert used[name] == sum(sizes) == stand_in.users[name]["used_quota_size"] <= QUOTA
    done = [event for event in stand_in.told if event["status"] == 1]
    assert house.fetch("SELECT count(*) FROM videos_fileevent") == [(len(done),)]
    assert house.fetch(ORPHANS) == []


def test_the_books_are_what_is_on_disk(house: Database, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    with house.rows():
        for name in NAMES:
            sftpgo.member(name, QUOTA)
        secret = hook_secret()
    given = environment(house, root)
    django = Django(tmp_path, given)
    stand_in = FileStandIn(root, f"http://127.0.0.1:{django.port}{HOOK}", secret)
    for name in NAMES:
        stand_in.add(name, quota_size=QUOTA)

    with running(django):
        people = [
            lambda name=name, seed=seed: live(stand_in, name, Random(f"{name} {seed}"))
            for name in NAMES
            for seed in range(4)
        ]
        threads = at_once(*people)
        for _ in range(3):
            wait_for_more(stand_in)
            django.kill()
            django.start()
        for thread in threads:
            thread.join(120)
        stand_in.settle()

    assert stand_in.lost == []
    on_disk = {
        (name, path): content for name in NAMES for path, content in stand_in.files(name).items()
    }
    balanced(house, stand_in, on_disk)
    read_all(house, given, tmp_path)
    digests = {(name, path): digest for name, path, _, digest, _ in house.fetch(LIVE)}
    assert digests == {
        place: hashlib.sha256(content).hexdigest() for place, content in on_disk.items()
    }
