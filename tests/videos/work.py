"""A worker's side of the queue, by REST."""

import json
from typing import Any

from django.db import transaction
from rest_framework.test import APIClient

from apikeys.models import ApiKey, KeyType
from apikeys.services.keys import issue_secret, save_new
from tests.videos.jobs import ALL

CLAIM = "/api/v1/jobs/claim"


def worker_secret(*scopes: str, name: str = "worker") -> str:
    held = list(scopes) or ["jobs:work"]
    key = ApiKey(name=name, key_type=KeyType.SERVICE, service_name=name, scopes=held)
    with transaction.atomic():
        return issue_secret(save_new(key, actor="test"))


class Worker:
    def __init__(self, secret: str = "", name: str = "w1") -> None:
        self.name = name
        self.api = APIClient(raise_request_exception=False)
        self.api.credentials(HTTP_X_API_KEY=secret or worker_secret())
        self.job = self.lease = ""

    def ask(self, processors: list[str] = ALL, **more: Any) -> Any:
        return self.api.post(CLAIM, {"processors": processors, "worker": self.name, **more})

    def claim(self, processors: list[str] = ALL, **more: Any) -> list[str]:
        """What is under the lease; none where nothing waits."""
        answer = self.ask(processors, **more)
        if answer.status_code == 204:
            return []
        assert answer.status_code == 200, answer.content
        self.job, self.lease = answer.json()["job"]["id"], answer.json()["lease"]
        return list(answer.json()["processors"])

    def send(self, place: str, body: Any) -> Any:
        """Escaped, as half a character can only be sent so."""
        return self.api.generic("POST", place, json.dumps(body), content_type="application/json")

    def say(self, verb: str, **more: Any) -> Any:
        return self.send(f"/api/v1/jobs/{self.job}/{verb}", {"lease": self.lease, **more})

    def done(self, processor: str, result: Any = None, **more: Any) -> Any:
        return self.say("results", processor=processor, result=result or {}, **more)
