"""A key by hand for tests that drive the gate itself; its fixtures are in conftest.py."""

import uuid
from datetime import UTC, datetime, timedelta

from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Limit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY_ID = uuid.UUID("0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0")
TOKEN = "an-admin-token-of-more-than-32-characters"
QUOTA = Quota("member:1", "requests", "month", 10)
LIMIT = Limit("monthly", "requests", 10, 0, NOW + timedelta(days=9), 86400)


def key_header(secret: str, name: bytes = b"x-api-key") -> tuple[bytes, bytes]:
    return name, secret.encode("latin-1", "replace")
