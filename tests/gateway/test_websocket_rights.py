"""PRX-17: what ends an open WebSocket and what does not, seen by a real client and in its row.

A right that is gone ends it within a second of the answer to the change, with 1008 and the code
that the next request is refused with; a limit, an IP rule or an upstream's switch ends nothing.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Q
from websockets.exceptions import InvalidStatus

from accounts.services import mark_deleted, suspend
from apikeys.models import ApiKey, Grant, IpRule, LimitOverride, Tier
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, quarantine_key
from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key
from momentry.common.fence.wait import wait
from proxy.models import Upstream
from proxy.services.upstreams import delete_upstream
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import row_of
from tests.gateway.processes import Gateway
from tests.gateway.talks import goes_on, member_key, request_id, talk, talking, told
from tests.gateway.test_revocation import owner, row
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

SLUG = "rights"
LIMITS = {"requests_per_month": 1000, "requests_per_minute": 1000, "concurrent_requests": 100}
Change = Callable[[ApiKey], object]


def rotate(grace: timedelta) -> Change:
    return lambda key: rotate_key(key, maker=system("test"), grace=grace)


def change(**values: object) -> Change:
    return lambda key: ApiKey.objects.filter(pk=key.pk).update(**values)


def end(key: ApiKey) -> None:
    change(expires_at=datetime.now(UTC) - timedelta(seconds=1))(key)


def take_grants(key: ApiKey) -> None:
    Grant.objects.filter(Q(member_id=key.owner_id) | Q(tier_id=owner(key).tier)).delete()


def narrow(**values: object) -> Change:
    return lambda key: Grant.objects.filter(member_id=key.owner_id).update(**values)


def bind(key: ApiKey) -> None:
    """From now on the key has grants of its own, and none for this upstream."""
    Grant.objects.create(key=key, upstream="elsewhere")


ENDS: dict[str, tuple[str, Change]] = {
    "revoked": ("key_revoked", lambda key: revoke_key(key, actor="test")),
    "disabled": ("key_disabled", lambda key: disable_key(key, actor="test")),
    "quarantined": ("key_quarantined", lambda key: quarantine_key(key, actor="test")),
    "an end in the past": ("key_expired", end),
    "rotated without a grace": ("invalid_key", rotate(timedelta(0))),
    "suspended": (
        "member_suspended",
        lambda key: suspend(owner(key), reason="test", actor="test"),
    ),
    "deleted": ("member_suspended", lambda key: mark_deleted(owner(key), actor="test")),
    "no grant": ("upstream_forbidden", take_grants),
    "a grant for another method": ("upstream_forbidden", narrow(methods=["POST"])),
    "a grant for another path": ("upstream_forbidden", narrow(paths=["/lobby"])),
    "grants of its own": ("upstream_forbidden", bind),
    "no grant of its tier": ("upstream_forbidden", take_grants),
    "no scope": ("insufficient_scope", change(scopes=["usage:read"])),
    "other networks": ("ip_not_allowed", change(allowed_networks=["192.0.2.0/24"])),
}


def lower(key: ApiKey) -> None:
    """Below what was used already."""
    for name in LIMITS:
        LimitOverride.objects.create(member=key.owner, name=name, value=1)
    Tier.objects.filter(slug=owner(key).tier).update(requests_per_day=1)


def switch(key: ApiKey) -> None:
    Upstream.objects.filter(slug=SLUG).update(is_active=False)


GOES_ON: dict[str, tuple[int, Change]] = {
    "rotated with a grace": (101, rotate(timedelta(hours=1))),
    "other metadata": (101, change(metadata={"team": "other"})),
    "lower limits": (429, lower),
    "its address is blocked": (403, lambda _: IpRule.objects.create(network="127.0.0.1/32")),
    "its upstream is switched off": (503, switch),
    "its upstream's row is gone": (404, lambda _: Upstream.objects.filter(slug=SLUG).delete()),
}


@pytest.fixture(scope="module")
def gateway(start_once: Start, seeded: str) -> Gateway:
    return start_once(2).wait_until_ready()


@pytest.fixture
def slug(database: Database) -> Iterator[str]:
    with talking(database, SLUG) as slug:
        yield slug
    database.change("DELETE FROM apikeys_iprule")
    with database.rows():
        Upstream.objects.filter(slug=SLUG).delete()


def make_change(database: Database, secret: str, what: Change) -> None:
    """As the answer to it says: every process follows it then."""
    with database.rows():
        what(row(secret))
        wait()


def handshake(gateway: Gateway, secret: str, slug: str) -> int:
    try:
        with talk(gateway, secret, slug):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("name", ENDS)
def test_a_right_that_is_gone_ends_it(
    gateway: Gateway, database: Database, slug: str, name: str
) -> None:
    code, what = ENDS[name]
    by_tier = name == "no grant of its tier"
    secret = member_key(database, slug, by_tier=by_tier, **LIMITS)
    other = member_key(database, slug, by_tier=by_tier)
    with talk(gateway, secret, slug) as mine, talk(gateway, other, slug) as theirs:
        assert goes_on(mine)

        make_change(database, secret, what)
        answered = time.monotonic()

        assert told(mine, 1) == (1008, code)
        assert time.monotonic() - answered < 1
        logged = row_of(database, request_id(mine))
        assert (logged["status"], logged["code"]) == (101, code)
        assert goes_on(theirs)
        assert handshake(gateway, secret, slug) in {401, 403}


def test_a_deleted_upstream_takes_its_grants_along(
    gateway: Gateway, database: Database, slug: str
) -> None:
    secret, other = member_key(database, slug), member_key(database, slug)
    with talk(gateway, secret, slug) as mine, talk(gateway, other, slug) as theirs:
        assert goes_on(mine)

        make_change(database, secret, lambda _: delete_upstream(slug, actor="test"))

        assert told(mine, 1) == told(theirs, 1) == (1008, "upstream_forbidden")


@pytest.mark.parametrize("name", GOES_ON)
def test_what_is_no_right_ends_nothing_that_runs(
    gateway: Gateway, database: Database, slug: str, name: str
) -> None:
    status, what = GOES_ON[name]
    secret, canary = member_key(database, slug, **LIMITS), member_key(database, slug)
    with talk(gateway, secret, slug) as mine, talk(gateway, canary, slug) as theirs:
        assert goes_on(mine)

        make_change(database, secret, what)
        make_change(database, canary, lambda key: revoke_key(key, actor="test"))

        assert told(theirs, 1) == (1008, "key_revoked")  # so the change before was followed too
        assert within(2, lambda: handshake(gateway, secret, slug) == status)
        assert goes_on(mine)
    logged = row_of(database, request_id(mine))
    assert (logged["status"], logged["code"]) == (101, "")
