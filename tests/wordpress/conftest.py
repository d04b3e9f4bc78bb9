"""One WordPress for all tests of a process; each test has a momentry of its own."""

from collections.abc import Iterator

import pytest

from tests import make
from tests.wordpress.installation import WordPress
from tests.wordpress.momentry import Momentry
from tests.wordpress.peer import Peer

SECRET = make.webhook_secret()
OTHER = make.webhook_secret(2)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    made = WordPress(tmp_path_factory.mktemp("wordpress"), servers=3).start()
    yield made
    made.stop()
    log = made.site / "debug.log"
    assert "momentry" not in (log.read_text() if log.exists() else ""), "PHP complains of it"


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer(SECRET)
    yield made
    made.stop()


@pytest.fixture
def wordpress(running: WordPress, peer: Peer) -> WordPress:
    """With the plugin as freshly installed, and nothing waiting."""
    running.connect(peer.url, SECRET)
    running.sql("DELETE FROM wp_momentry_outbox")
    running.sql(
        "DELETE FROM wp_options WHERE option_name IN ('momentry_last_error', 'momentry_dropped',"
        " 'momentry_backfill', 'momentry_excluded_roles')"
    )
    return running


@pytest.fixture(scope="session")
def momentry(running: WordPress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Momentry]:
    made = Momentry(tmp_path_factory.mktemp("momentry") / "var", running, SECRET).start()
    yield made
    made.stop()


@pytest.fixture
def site(running: WordPress, momentry: Momentry) -> WordPress:
    """The WordPress, connected with a momentry that runs."""
    if momentry.running is None:
        momentry.start()
    running.connect(momentry.url, SECRET)
    running.sql("DELETE FROM wp_momentry_outbox WHERE done = 0")
    running.sql("DELETE FROM wp_options WHERE option_name LIKE 'momentry_last_error'")
    return running
