"""A leak reported through the gateway: from the answer on no process admits the key (AUTH-01)."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.apikeys.leaking import URL, Signer, feedback, found
from tests.gateway.conftest import Database, own_database
from tests.gateway.processes import request
from tests.gateway.wire import Answer
from tests.videos.served import House, house, key_of

pytestmark = pytest.mark.slow
SIGNER = Signer()


@pytest.fixture(scope="module")
def served(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place: Path = tmp_path_factory.mktemp("leaks") / "house"
    settings = {
        "SECRET_SCANNING_ORIGINS": "github=",
        "SECRET_SCANNING_KEYS": json.dumps({"github": [SIGNER.entry]}),
    }
    with own_database(migrated, "leaks") as database, house(database, place, **settings) as made:
        made.wait_until_ready()
        yield made


def report(served: House, body: bytes, *fields: str) -> Answer:
    with closing(served.connect()) as wire:
        kind = "Content-Type: application/json"
        return wire.send(request("POST", URL, "", kind, *fields, body=body)).answer()


def signed(body: bytes) -> list[str]:
    begin = len("HTTP_")
    headers = SIGNER.headers(body).items()
    return [f"{name[begin:].replace('_', '-').title()}: {value}" for name, value in headers]


def statuses(served: House, secret: str) -> list[int]:
    """On connections of their own, which both processes take."""
    return [served.gateway.get("/api/v1/me", secret).status for _ in range(20)]


def test_from_the_answer_on_no_process_admits_the_key(served: House) -> None:
    _, secret = key_of(served.database, "leaky", 1000)
    assert set(statuses(served, secret)) == {200}
    body = json.dumps([found(secret)]).encode()

    answer = report(served, body, *signed(body))

    assert (answer.status, json.loads(answer.body)) == (200, [feedback(secret, "true_positive")])
    assert set(statuses(served, secret)) == {401}
    letters = "SELECT 1 FROM events_mail WHERE template = 'key_leaked'"
    assert len(served.database.fetch(letters)) == 1


def test_what_is_not_signed_changes_nothing(served: House) -> None:
    _, secret = key_of(served.database, "steady", 1000)
    body = json.dumps([found(secret)]).encode()

    answers = [
        report(served, body),
        report(served, body, *signed(body + b" ")),
        report(served, body.replace(b"[", b"[ "), *signed(body)),
    ]

    assert [answer.status for answer in answers] == [404, 401, 401]
    assert set(statuses(served, secret)) == {200}
