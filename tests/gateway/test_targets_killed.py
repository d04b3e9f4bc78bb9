"""PRX-18, the fail-over half: one of three targets dies under load, nobody asks in vain, and it has
its share again once it is back. Staff and events are told once, whichever process saw it."""

import time
from pathlib import Path

import pytest

from events.models import Event
from proxy.models import DownTarget, Upstream
from proxy.services.outages import tell_outages
from tests.gateway.conftest import Database, Start
from tests.gateway.steady import Steady
from tests.gateway.trio import Killable, killables, upstream_of
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

BACK = 1.0  # seconds, by the promise
LEASE = "10"  # a machine whose cores are busy holds up the database too


class Reader(Steady):
    """Asks only what may be asked again."""

    def ask_for(self, number: int) -> tuple[str, bytes]:
        return ("GET", "DELETE")[number % 2], b""


def test_no_idempotent_request_is_lost_and_the_dead_one_comes_back(
    start: Start, database: Database, tmp_path: Path
) -> None:
    with killables(tmp_path, 3) as targets:
        slug = upstream_of(database, "mortal", *(target.port for target in targets))
        secret = database.key_for(slug, slug)
        gateway = start(workers=2, FENCE_LEASE_SECONDS=LEASE).wait_until_ready()
        steady = Reader(gateway, secret, f"/proxy/{slug}/it", clients=12)
        victim = targets[1]
        with steady.asking():
            steady.more(200)
            victim.kill()
            steady.more(400)
            assert within(20, lambda: told(database, slug) == 2), "both processes have met it"
            announced(database, slug, victim, down=True)

            before = victim.asked
            victim.again()
            assert within(20, victim.answers)
            back_at = time.monotonic()
            assert within(20, lambda: victim.asked > before)
            late = time.monotonic() - back_at
            steady.more(200)
            assert within(20, lambda: told(database, slug) == 0)
            announced(database, slug, victim, down=False)
            victim.kill()
            assert within(20, lambda: told(database, slug) == 2), "and the next time too"

    assert steady.failed == []
    assert late <= BACK
    assert gateway.errors() == []


def told(database: Database, slug: str) -> int:
    """By how many processes."""
    rows = """SELECT 1 FROM proxy_outage o JOIN proxy_target t ON t.id = o.target_id
                JOIN proxy_upstream u ON u.id = t.upstream_id WHERE u.slug = %s"""
    return len(database.fetch(rows, slug))


def announced(database: Database, slug: str, target: Killable, *, down: bool) -> None:
    with database.rows():
        tell_outages()
        tell_outages()
        kind = "upstream:down" if down else "upstream:up"
        (event,) = Event.objects.filter(subject=f"upstream:{slug}", kind=kind)
        assert str(target.port) in (event.details or "")
        row = DownTarget.objects.filter(target__upstream__slug=slug).first()
        assert (row is not None) == down
        assert row is None or row.reason == "no connection"
        assert Upstream.objects.get(slug=slug).targets.filter(down__isnull=False).count() == down


def test_rows_of_a_process_that_died_mean_nothing(
    start: Start, database: Database, tmp_path: Path
) -> None:
    with killables(tmp_path, 2) as targets:
        slug = upstream_of(database, "orphaned", *(target.port for target in targets))
        secret = database.key_for(slug, slug)
        gateway = start().wait_until_ready()
        targets[0].kill()
        statuses: list[int] = []

        def is_told() -> bool:
            statuses.append(gateway.get(f"/proxy/{slug}/", secret).status)
            return told(database, slug) == 1

        assert within(20, is_told), (statuses[:9], gateway.errors(), gateway.lines[-3:])
        assert set(statuses) == {200}
        announced(database, slug, targets[0], down=True)

        gateway.kill()

        def is_forgotten() -> bool:
            with database.rows():
                tell_outages()
                return not DownTarget.objects.filter(target__upstream__slug=slug).exists()

        assert within(20, is_forgotten)
        assert told(database, slug) == 0
