"""Fixtures every test may ask for."""

import gc
import os
import uuid
from collections.abc import Iterator

import django_ratelimit.core
import pytest
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from apikeys.services.prover import get_prover
from momentry.common import throttle
from tests.events.payloads import watched
from tests.gateway.conftest import Database, migrated_database


def pytest_sessionstart() -> None:
    """Nothing that is imported and collected is ever rubbish."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Python's collector would go through half a million objects, half a second each time, in the
    middle of tests that judge by the clock."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def own_attempts(settings):
    """Attempts of one test are not those of the next, nor of another worker's."""
    settings.RATELIMIT_CACHE_PREFIX = f"rl-{uuid.uuid4().hex}:"


@pytest.fixture(autouse=True)
def no_known_formats():
    """Imported secrets of one test are not those of the next."""
    get_prover().formats.forget()
    get_prover().has_slow.forget()


@pytest.fixture(autouse=True)
def known_payloads() -> Iterator[list[str]]:
    """Every event that a test makes happen has the details that its kind says (events.payloads)."""
    with watched() as faults:
        yield faults
    assert faults == []


@pytest.fixture(scope="session")
def migrated(django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """One of each test process, for what ``own_database`` makes."""
    with migrated_database(django_db_blocker) as made:
        yield made


class Window:
    """The clock that tells windows apart; it stands still, so that no window ends by chance."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def window(monkeypatch) -> Window:
    clock = Window()
    monkeypatch.setattr(django_ratelimit.core, "time", clock)
    return clock


@pytest.fixture
def outage(monkeypatch) -> throttle.Outage:
    """A memory of Valkey's failures that ends with the test."""
    fresh = throttle.Outage()
    monkeypatch.setattr(throttle, "outage", fresh)
    return fresh


@pytest.fixture
def api() -> APIClient:
    """Django without a gateway in front: the middleware asks the gate itself."""
    return APIClient(raise_request_exception=False)


@pytest.fixture
def admin_api() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")
    return client
