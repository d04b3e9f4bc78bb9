"""What is kept of a request's body tells nothing to whoever reads the database, and outlives a key
of the ring."""

import hashlib
import json

import pytest
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.response import Response

from momentry.common.crypto.generate import generate
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError
from momentry.common.idempotency import run_once
from momentry.common.models import IdempotencyRecord

pytestmark = pytest.mark.django_db
OLD, NEW = generate("encryption-key"), generate("encryption-key")
BODY = {"api_key": "user:hunter2"}


@pytest.fixture(autouse=True)
def ring(monkeypatch):
    def use(*keys: str) -> None:
        monkeypatch.setenv("ENCRYPTION_KEY", ",".join(keys))
        get_ring.cache_clear()

    use(OLD)
    yield use
    monkeypatch.undo()
    get_ring.cache_clear()


def send(body: dict[str, str]) -> Response:
    http = RequestFactory().post(
        "/api/v1/x", json.dumps(body), "application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    return run_once(Request(http), route="x", effect=lambda: Response({"made": 1}, status=201))


def test_a_guessed_password_cannot_be_tried() -> None:
    send(BODY)

    kept = IdempotencyRecord.objects.get().fingerprint
    text = b"POST /api/v1/x\n" + json.dumps(BODY).encode()
    assert len(kept) == 64
    assert kept != hashlib.sha256(text).hexdigest()


def test_a_replay_is_known_under_a_newer_key(ring) -> None:
    send(BODY)
    ring(NEW, OLD)

    assert send(BODY).headers["Idempotency-Replayed"] == "true"
    with pytest.raises(MomentryError, match="idempotency_mismatch"):
        send({"api_key": "user:other"})
