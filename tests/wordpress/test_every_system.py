"""From the real WordPress to SFTPGo and the letter: once for everybody, whatever is killed."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.gateway.wire import within
from tests.provisioning.sftpgo import ADMIN, PASSWORD, StandIn, serving
from tests.wordpress.conftest import SECRET
from tests.wordpress.installation import USER_PASSWORD, WordPress
from tests.wordpress.momentry import Momentry

pytestmark = pytest.mark.slow

PEOPLE = 30
AT_ONCE = 6


@pytest.fixture(scope="module")
def files() -> Iterator[StandIn]:
    made = StandIn()
    with serving(made) as url:
        made.url = url
        yield made


@pytest.fixture(scope="module")
def everything(
    running: WordPress, files: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Momentry]:
    made = Momentry(tmp_path_factory.mktemp("everything") / "var", running, SECRET)
    made.settings |= {
        "SFTPGO_URL": files.url, "SFTPGO_ADMIN": ADMIN, "SFTPGO_PASSWORD": PASSWORD
    }  # fmt: skip
    yield made.start()
    made.stop()


@pytest.fixture
def site(running: WordPress, everything: Momentry) -> WordPress:
    running.connect(everything.url, SECRET)
    running.sql("DELETE FROM wp_momentry_outbox WHERE done = 0")
    return running


def register(site: WordPress, name: str, port: int) -> int:
    with httpx2.Client(timeout=90) as client:
        answer = client.post(
            f"http://127.0.0.1:{port}/wp-json/wp/v2/users",
            json={"username": name, "email": f"{name}@example.net", "password": USER_PASSWORD},
            auth=("root", site.application_password),
        )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def deliver(site: WordPress) -> None:
    """What waits in WordPress because momentry was away."""
    for _ in range(20):
        site.make_due()
        site.minute()
        if site.waiting() == 0:
            return
        time.sleep(0.5)
    raise AssertionError("WordPress still has something to tell")


def test_who_registers_has_an_account_two_seconds_later(site, everything, files):
    seconds = []
    for number in range(9):
        name = f"quick{number}"
        began = time.monotonic()
        register(site, name, site.ports[0])
        assert within(30, lambda name=name: name in files.users)
        seconds.append(time.monotonic() - began)

    assert statistics.median(seconds) <= 2


def test_thirty_people_come_while_everything_of_momentry_is_killed_twice(site, everything, files):
    names = [f"soul{number}" for number in range(PEOPLE)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        coming = [
            pool.submit(register, site, name, site.ports[number % 3])
            for number, name in enumerate(names)
        ]
        for arrived in (6, 18):
            assert within(60, lambda arrived=arrived: sum(c.done() for c in coming) >= arrived)
            everything.kill()
            everything.start()
        users = [each.result() for each in coming]
    deliver(site)

    letters = (
        "SELECT u.username, count(*) FROM events_mail m JOIN accounts_user u"
        " ON m.context->>'member' = replace(u.id::text, '-', '') WHERE m.template = 'welcome'"
        " AND m.sent_at IS NOT NULL AND u.wordpress_id = ANY(%s) GROUP BY u.username"
    )
    assert within(90, lambda: len(everything.rows(letters, users)) == PEOPLE)
    assert sorted(everything.rows(letters, users)) == sorted((name, 1) for name in names)
    found = everything.rows(
        "SELECT u.username, count(k.id), min(u.status), min(t.state) FROM accounts_user u"
        " LEFT JOIN apikeys_apikey k ON k.owner_id = u.id"
        " LEFT JOIN provisioning_provisioningtask t ON t.member_id = u.id"
        " WHERE u.wordpress_id = ANY(%s) GROUP BY u.id",
        users,
    )
    assert sorted(found) == sorted((name, 1, "active", "done") for name in names)
    owners = Counter(files.users[name]["additional_info"] for name in names)
    assert len(owners) == PEOPLE
    assert not [name for name in files.users if name not in names and name.startswith("soul")]
