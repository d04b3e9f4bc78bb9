"""Without a gateway Django writes the request log row itself, and no request fails for it."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apikeys.models import RequestLog
from apikeys.requestlog import insert
from tests import make
from tests.apikeys.logs import call, day

pytestmark = pytest.mark.django_db
ME, KEYS, USERS = "/api/v1/me", "/api/v1/admin/keys", "/api/v1/admin/users"


def row_of(answer: Any) -> RequestLog:
    return RequestLog.objects.get(id=UUID(answer.headers["X-Request-ID"]))


def test_the_row_has_the_gateways_shape(api):
    issued = make.key()

    answer = api.get(f"/api/v1/me/keys/{issued.key.pk}?x=1", HTTP_X_API_KEY=issued.secret)

    row = row_of(answer)
    assert (row.operation, row.path) == (
        "api/v1/me/keys/<uuid:pk>", f"/api/v1/me/keys/{issued.key.pk}",
    )  # fmt: skip
    assert (row.key_id, row.member_id) == (issued.key.pk, issued.key.owner_id)
    assert (row.upstream, row.target, row.code, row.status) == ("", "", "", 200)
    assert row.bytes_out == len(answer.content)
    assert row.total_ms > 0
    assert row.client_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "status", "code", "operation"),
    [
        ("/api/v1/nope", 404, "not_found", ""), (ME, 401, "missing_key", "api/v1/me"),
        (KEYS, 401, "missing_key", "api/v1/admin/keys"),
    ],
)  # fmt: skip
def test_a_refusal_has_a_row_with_its_code(api, path, status, code, operation):
    row = row_of(api.get(path))

    assert (row.status, row.code, row.operation) == (status, code, operation)
    assert (row.key_id, row.member_id) == (None, None)


def test_a_body_that_is_too_long_has_a_row(admin_api):
    body = b"x" * (11 * 1024**2)

    answer = admin_api.post(USERS, body, content_type="application/json")

    row = row_of(answer)
    assert (row.status, row.code) == (answer.status_code, answer.json()["code"])
    assert row.bytes_in == len(body)


@pytest.mark.parametrize("coded", ["_", "%5F", "%255f"])
def test_a_key_in_path_or_user_agent_is_not_stored(api, coded):
    issued = make.key()
    key = issued.secret.replace("_", coded)

    answer = api.get(f"/api/v1/me/keys/{key}/rotate", headers={"User-Agent": f"curl/8 ({key})"})

    row = row_of(answer)
    assert issued.secret[-20:] not in str(vars(row))
    assert row.path.partition(issued.key.pk.hex[:4])[2] == "…****/rotate"
    assert row.user_agent.partition(issued.key.pk.hex[:4])[2] == "…****)"


def test_pages_and_health_have_no_row(api):
    for path in ("/healthz", "/admin/login/", "/api/schema/", "/api/v1/webhooks/wordpress"):
        api.get(path)

    assert not RequestLog.objects.exists()


def test_one_statement_writes_it(api, django_assert_num_queries):
    with django_assert_num_queries(3) as found:  # with the test's savepoint around it
        insert.insert(call(day(0)))

    assert found.captured_queries[1]["sql"].startswith("INSERT INTO apikeys_requestlog")


def test_the_first_row_of_a_day_makes_its_table(api):
    insert.insert(call(day(400)))

    assert RequestLog.objects.get().ts == day(400)


def test_a_log_that_cannot_be_written_fails_no_request(api):
    issued = make.key()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE apikeys_requestlog RENAME TO gone")

    answer = api.get(ME, HTTP_X_API_KEY=issued.secret)

    assert answer.status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM gone")
        assert cursor.fetchone() == (0,)
