"""What tests of videos' routes share: a member with a small storage who calls with a key."""

import json
from typing import Any, NamedTuple

from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import storage
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from tests import make

REGISTER = "/api/v1/register"
UPLOADS = "/api/v1/uploads"


class Caller(NamedTuple):
    member: User
    secret: str

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return sent(APIClient(raise_request_exception=False), path, body, self.headers | headers)

    def get(self, path: str) -> Any:
        return APIClient(raise_request_exception=False).get(path, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.secret}

    def figures(self) -> tuple[int, int]:
        """Used and reserved."""
        return storage.storage_of(self.member.pk)[1:]


def sent(client: Client, path: str, body: Any, headers: dict[str, str]) -> Any:
    """As JSON of ASCII, which can say what is no text."""
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def caller(username: str = "alice", *, quota: int | None = 100) -> Caller:
    """Of the tier without limits: what is tried here are bytes."""
    member = make.member(username, tier="enterprise")
    User.objects.filter(pk=member.pk).update(quota_size=quota)
    return Caller(member, make.key(member).secret)


def hook_key(*scopes: str) -> str:
    """A service's, which SFTPGo's machine would have."""
    wish = NewKey(name="sftpgo", service_name="sftpgo", key_type="service", scopes=scopes)
    return str(issue_key(wish, maker=system("test")).secret)


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]
