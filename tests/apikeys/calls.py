"""Calls to the routes of keys that several tests make."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from apikeys.models import ApiKey

KEYS = "/api/v1/admin/keys"
MINE = "/api/v1/me/keys"


def client(secret: str) -> APIClient:
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_X_API_KEY=secret)
    return made


def code(secret: str) -> str:
    """What the key is told by /me: "" when it is let in."""
    answer = client(secret).get("/api/v1/me")
    return "" if answer.status_code == 200 else str(answer.json()["code"])


def pointers(answer: Any) -> list[str]:
    assert answer.json()["code"] == "invalid_input", answer.content
    return [problem["pointer"] for problem in answer.json()["errors"]]


def end_grace(key: ApiKey) -> None:
    """Time passes: the old secrets' ends are moved into the past."""
    key.retired_secrets.update(ends_at=timezone.now() - timedelta(seconds=1))
