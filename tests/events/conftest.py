"""A house of relays."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from momentry.common.egress.allowed import read_allowed
from momentry.common.env import Environment
from tests.events.hooks import LOOPBACK
from tests.events.relays import House
from tests.gateway.conftest import Database, own_database


@pytest.fixture
def house(migrated: Database, tmp_path: Path, settings: object) -> Iterator[House]:
    settings.EGRESS_ALLOW = read_allowed(Environment({"EGRESS_ALLOW": LOOPBACK}))
    with ExitStack() as stack:
        name = f"hooks{uuid.uuid4().hex[:6]}"
        made = House(stack.enter_context(own_database(migrated, name)), tmp_path, stack)
        try:
            yield made
        finally:
            made.kill()
