"""A WordPress that signs as the plugin signs, for tests."""

import json
import time
import uuid
from datetime import UTC, datetime

from rest_framework.test import APIClient
from standardwebhooks.webhooks import Webhook

from tests import make

URL = "/api/v1/webhooks/wordpress"


def event(sequence: int = 1, kind: str = "user.registered", **user: object) -> dict[str, object]:
    picture = {
        "id": 37, "username": "alice", "email": "alice@example.org", "display_name": "Ann 王",
        "locale": "en_US", "roles": ["subscriber"], "status": "active",
    }  # fmt: skip
    return {
        "type": kind,
        "id": str(uuid.uuid4()),
        "sequence": sequence,
        "timestamp": "2026-11-21T03:35:14Z",
        "site": "https://site1.example.org/",
        "data": {"user": picture | user},
    }


def send(body: object, *, secret: str = "", event_id: str = "", seconds: int = 0, **changed):
    """Signed as the plugin signs, so many seconds from now: over the raw bytes, not escaped."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    event_id = event_id or (body["id"] if isinstance(body, dict) else "msg_1")
    moment = datetime.fromtimestamp(time.time() + seconds, UTC)
    signature = Webhook(secret or make.webhook_secret()).sign(event_id, moment, raw.decode())
    headers = {
        "HTTP_WEBHOOK_ID": event_id,
        "HTTP_WEBHOOK_TIMESTAMP": str(int(moment.timestamp())),
        "HTTP_WEBHOOK_SIGNATURE": signature,
    } | changed
    headers = {name: value for name, value in headers.items() if value is not None}
    client = APIClient(raise_request_exception=False)
    return client.post(URL, raw, content_type="application/json", **headers)
