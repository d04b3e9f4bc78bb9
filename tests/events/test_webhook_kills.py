"""WHK-03, at random: Django, relays and the Celery worker are killed while events happen; for a
part of it Valkey hangs, for another the receiver is away. Nothing is lost, and what comes twice has
the same id.

``WEBHOOK_KILLS=200`` kills more often than the suite does.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from momentry.supervisor.valkey import Valkey
from tests import make
from tests.events.hooks import Answer, Heard, Receiver, receiving
from tests.events.relays import DUE, EXPIRE, LEFT, House
from tests.gateway.households import command
from tests.gateway.trio import free_port
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("WEBHOOK_KILLS", "40"))
PATIENCE = 120.0
TIER = "/api/v1/admin/tiers/"
EVENTS = "SELECT id::text FROM events_event WHERE kind = 'tier:updated'"
UP = {"relay": "relay started", "worker": "[tasks]"}
"""What the log says of those that answer nobody; a worker waits there while Valkey hangs."""


class Mortal:
    """``manage.py name``, begun again each time it is killed."""

    def __init__(self, name: str, log: Path, given: dict[str, str], is_up: Callable[[], bool]):
        self.name, self.log, self.given, self.answers = name, log, given, is_up
        self.begin()

    def begin(self) -> None:
        self.from_here = self.log.stat().st_size if self.log.exists() else 0
        self.process: subprocess.Popen[bytes] = command(self.name, self.log, self.given)

    def is_up(self) -> bool:
        said = UP.get(self.name)
        if said is None:
            return self.answers()
        with self.log.open() as log:
            log.seek(self.from_here)
            return said in log.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Callers:
    """Change a tier over and over, whatever becomes of the calls; ``fine``: how many were 200."""

    def __init__(self, port: int, tier: str, each: int = 2) -> None:
        self.port, self.path, self.fine = port, f"{TIER}{tier}", 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(each)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def run(self) -> None:
        while not self.over.wait(0.05):
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.fine += self.change() == 200

    def change(self) -> int:
        door = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(door):
            body = json.dumps({"requests_per_day": random.randrange(1, 10**9)})
            token = f"Bearer {os.environ['ADMIN_TOKEN']}"
            headers = {"Authorization": token, "Content-Type": "application/json"}
            door.request("PATCH", self.path, body, headers)
            return door.getresponse().status


class Scene(NamedTuple):
    house: House
    receiver: Receiver
    valkey: Valkey
    mortals: list[Mortal]
    callers: Callers


class Moody:
    """Each answer takes a moment, so that relays die in the middle of some; ``taken``: what it said
    200 to. Signed it must be now: the library looks at the clock too."""

    def __init__(self, secret: str) -> None:
        self.secret, self.good, self.taken = secret, 0.9, set[str]()

    def __call__(self, heard: Heard, _: int) -> Answer:
        heard.is_signed(self.secret)
        time.sleep(random.uniform(0, 0.1))
        if random.random() >= self.good:
            return 503, {}
        self.taken.add(heard.id)
        return 200, {}


@pytest.fixture
def place() -> Iterator[Path]:
    """Short: a unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="kills-") as path:
        yield Path(path)


@pytest.fixture
def scene(house: House, place: Path) -> Iterator[Scene]:
    valkey = Valkey(place / "data", place, place / "log", durable=False)
    valkey.start()
    assert within(15, valkey.ready)
    with house.database.rows():
        callers = Callers(free_port(), str(make.tier("often").pk))
    given = {
        "DATABASE_URL": house.database.url, "EGRESS_ALLOW": "127.0.0.0/8", "REDIS_URL": valkey.url,
        "DJANGO_SOCKET": f"127.0.0.1:{callers.port}",
    }  # fmt: skip
    answers = lambda: answered(callers)  # noqa: E731
    names = ("serve", "worker", "relay", "relay")
    mortals = [
        Mortal(name, house.place / f"{number}{name}.log", given, answers)
        for number, name in enumerate(names)
    ]
    try:
        with receiving() as receiver:
            yield Scene(house, receiver, valkey, mortals, callers)
    finally:
        for each in mortals:
            each.kill()
        valkey.child.kill()


def answered(callers: Callers) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return callers.change() == 200
    return False


def kill_one(scene: Scene) -> str:
    """Of those that work."""
    up = lambda: [each for each in scene.mortals if each.is_up()]  # noqa: E731  asked often
    assert within(PATIENCE, lambda: bool(up()), 0.1), said(scene)
    victim = random.choice(up())
    time.sleep(random.uniform(0, 0.3))
    victim.kill()
    victim.begin()
    return victim.name


def said(scene: Scene) -> str:
    """By those that do not work."""
    return "\n".join(
        f"{each.name} {each.process.poll()}: {each.log.read_text()[-2000:]}"
        for each in scene.mortals
        if not each.is_up()
    )


def spoil(scene: Scene, number: int) -> None:
    """Valkey hangs for the second quarter of it, the receiver is away for the third."""
    if number == KILLS // 4:
        os.kill(scene.valkey.child.pid, signal.SIGSTOP)
    if number == KILLS // 2:
        os.kill(scene.valkey.child.pid, signal.SIGCONT)
        scene.receiver.stop()
    if number == KILLS * 3 // 4:
        scene.receiver.listen()


def test_whoever_is_killed_nothing_is_lost_and_doubles_have_one_id(scene: Scene) -> None:
    house, receiver = scene.house, scene.receiver
    secret = house.tell(receiver, "tier:updated")
    receiver.answer = moody = Moody(secret)
    assert within(PATIENCE, lambda: all(each.is_up() for each in scene.mortals), 0.1), said(scene)
    killed: Counter[str] = Counter()
    with scene.callers:
        for number in range(KILLS):
            spoil(scene, number)
            killed[kill_one(scene)] += 1
    moody.good = 1.0
    house.database.execute(EXPIRE)  # as 45 seconds would
    house.database.execute(DUE)
    assert within(PATIENCE, lambda: not house.count(LEFT))

    wanted = {str(row[0]) for row in house.database.fetch(EVENTS)}
    heard = receiver.heard
    print(f"killed {dict(killed)}; {len(wanted)} events came in {len(heard)} requests")
    assert len(wanted) >= scene.callers.fine > 0
    assert moody.taken == wanted
    bodies = {each.id: each.body for each in heard}
    assert all(each.body == bodies[each.id] for each in heard)
    once = "SELECT count(*) FROM events_webhookdelivery WHERE kind = 'tier:updated'"
    assert house.count(once) == len(wanted)
