"""What tests of the gate judge by: a policy, a secret, and the key it opens."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apikeys import keyformat
from apikeys.digest import read_peppers
from apikeys.gate.judge import Policy
from apikeys.gate.snapshot import Grant, KeySnapshot
from tests.apikeys.judged import KEY_ID, NOW, TOKEN
from tests.apikeys.logs import empty
from tests.gateway.conftest import Database, own_database


@pytest.fixture
def policy() -> Policy:
    return Policy(read_peppers(), TOKEN, ZoneInfo("UTC"))


@pytest.fixture
def secret(policy: Policy) -> str:
    return keyformat.mint("muser", KEY_ID, owner="a", pepper=policy.peppers.signing, at=1)


@pytest.fixture
def snapshot(policy: Policy, secret: str) -> KeySnapshot:
    return KeySnapshot(
        key_id=KEY_ID, key_type="user", digests=(policy.peppers.digest(secret),), role="",
        scopes=frozenset({"proxy:use"}), revoked_at=None, quarantined_at=None, disabled_at=None,
        expires_at=None, member_id=uuid.UUID(int=1), member_status="active", tier="starter",
        quotas=(), member_grants=(Grant("echo", (), ()),), key_grants=(), now=NOW,
    )  # fmt: skip


@pytest.fixture(scope="session")
def log_house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "logs") as made:
        yield made


@pytest.fixture
def own_rows(log_house: Database) -> Iterator[None]:
    """Django's connections lead to a request log without rows."""
    empty(log_house)
    with log_house.rows():
        yield


@pytest.fixture
def middle_of_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on, far from where a day or a month ends: what a test counts is of one."""
    real, now = timezone.now, timezone.now()
    middle = now.replace(day=15, hour=12)
    later = (middle if middle > now else middle + timedelta(days=31)).replace(day=15) - now
    monkeypatch.setattr("django.utils.timezone.now", lambda: real() + later)
