"""Request-log redaction: what is a secret in a path, query, user agent, detail or operation is not
written, and where a row has one nevertheless it does not come out of /admin/logs."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connection

from apikeys.requestlog.row import COLUMNS
from tests import make
from tests.apikeys.logs import call, log

pytestmark = pytest.mark.django_db
LOGS = "/api/v1/admin/logs"
TEXTS = ("path", "operation", "error_detail", "user_agent", "model", "target")
UPSTREAMS = "sk-proj-Zq81pWm4Lk2vTn7R0xYc3bHd6fJs9gAe"
FORMS = {
    "a key": "/proxy/llm/{key}/x",
    "a key, upper-case": "curl/8 ({KEY})",
    "a key, percent-encoded": "/proxy/llm/{coded}",
    "a key, twice encoded": "/proxy/llm/{twice}",
    "an upstream's key": "The upstream said {sk}.",
    "a bearer token": "Authorization: Bearer {sk}",
    "a named value": "/proxy/llm/api_key={sk}",
    "a password in a URL": "http://user:{sk}@api.test/",
    "a claim link": "https://momentry.test/claim/{sk}",
}


@pytest.fixture
def secret() -> str:
    return make.key(make.member("alice")).secret


def written(form: str, secret: str) -> str:
    coded = secret.replace("_", "%5F")
    return form.format(
        key=secret, KEY=secret.upper(), coded=coded, twice=quote(coded), sk=UPSTREAMS
    )


def hides(text: str, secret: str) -> bool:
    """No part of them that could be used, in any case."""
    low, drawn = text.lower(), secret.split("_")[3]
    return not any(part.lower() in low for part in (drawn[:20], drawn[-20:], UPSTREAMS[8:]))


def raw_log() -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM apikeys_requestlog")
        return str(cursor.fetchall())


@pytest.mark.parametrize("column", TEXTS)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_in_a_row_does_not_come_out(admin_api: Any, secret: str, column: str, form: str):
    width = {"operation": 100, "model": 100, "error_detail": 200, "target": 200}.get(column, 256)
    text = written(FORMS[form], secret)[:width]
    row = call(datetime.now(UTC), **{column: text})
    log(row)
    assert not hides(raw_log(), secret) or len(text) == width

    answers = [admin_api.get(LOGS), admin_api.get(f"{LOGS}/{row.id}")]

    assert all(answer.status_code == 200 for answer in answers)
    assert all(hides(answer.content.decode(), secret) for answer in answers)
    shown = next(each for each in answers[0].json()["results"] if each["id"] == str(row.id))
    assert "…****" in shown[column] or "[hidden]" in shown[column]


@pytest.mark.parametrize("form", ["{key}", "{KEY}", "{coded}", "{twice}"])
def test_what_a_client_sends_is_not_written(api: Any, admin_api: Any, secret: str, form: str):
    text = written(form, secret)
    agent = {"User-Agent": f"client/1 {text}"}

    answers = [
        api.get(f"/api/v1/nowhere/{text}?api_key={text}", headers=agent),
        api.get(f"/api/v1/me?key={text}", headers={**agent, "X-API-Key": secret}),
        api.post(f"/api/v1/me/keys/{text}/rotate", {"name": text}, headers=agent),
    ]

    assert hides(raw_log(), secret)
    page = admin_api.get(LOGS)
    assert hides(page.content.decode(), secret)
    found = {UUID(row["id"]) for row in page.json()["results"]}
    assert {UUID(answer.headers["X-Request-ID"]) for answer in answers} <= found
    assert all("?" not in row["path"] for row in page.json()["results"])


def test_what_asks_for_a_secret_is_told_nothing(admin_api: Any, secret: str):
    """A filter is compared, never a search: nobody finds out a secret by trying."""
    answer = admin_api.get(LOGS, {"model": secret[:100], "code": "x"})

    assert answer.json()["results"] == []
    assert hides(answer.content.decode(), secret)
    assert admin_api.get(LOGS, {"path": secret}).status_code == 422


def test_other_text_stays_as_it_is(admin_api: Any):
    given = {"path": "/proxy/llm/v1/models/token-counter", "user_agent": "curl/8.5 (secretary)"}
    row = call(datetime.now(UTC), **given)
    log(row)

    shown = admin_api.get(f"{LOGS}/{row.id}").json()

    assert {name: shown[name] for name in given} == given
