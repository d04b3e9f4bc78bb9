"""Who a REST request is of: what the middleware sets, what DRF is told, which decisions count."""

import base64
import io
import json
import os
import time

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.test import RequestFactory
from rest_framework.request import Request

from apikeys.client_address import ClientAddressMiddleware
from apikeys.middleware import ApiKeyMiddleware
from momentry import asgi
from momentry.common.access import NOBODY, Access, GateAuthentication
from momentry.common.request_id import RequestIdMiddleware
from tests import make
from tests.apikeys.test_decision import header

ME, USERS = "/api/v1/me", "/api/v1/admin/users"
pytestmark = pytest.mark.django_db


def served(request):
    """(the answer, the request as a view sees it or None)."""
    seen = []

    def view(inner):
        seen.append(inner)
        return HttpResponse(b"")

    chain = RequestIdMiddleware(ClientAddressMiddleware(ApiKeyMiddleware(view)))
    answer = chain(request)
    return answer, seen[0] if seen else None


def asked(path=ME, method="GET", **headers):
    return served(RequestFactory().generic(method, path, **headers))


def told(request):
    """request.user and request.auth of a DRF view."""
    request.user = AnonymousUser()
    return GateAuthentication().authenticate(Request(request))


def code(answer):
    return json.loads(answer.content)["code"]


WAYS = {
    "X-API-Key": {"HTTP_X_API_KEY": "{}"},
    "api-key": {"HTTP_API_KEY": "{}"},
    "Bearer": {"HTTP_AUTHORIZATION": "Bearer {}"},
    "bearer": {"HTTP_AUTHORIZATION": "bearer {}"},
}


class TestCredentials:
    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
    def test_a_key_is_its_member_whichever_header_brings_it(self, way):
        made = make.key()

        _, request = asked(**{name: text.format(made.secret) for name, text in way.items()})

        assert (request.api_key, request.member) == (made.key, made.key.owner)
        user, access = told(request)
        assert user == made.key.owner
        assert (access.actor, access.is_member_key) == (f"key:{made.key.pk.hex}", True)
        assert access.scopes == frozenset(made.key.scopes)

    def test_a_services_key_has_no_member(self):
        made = make.service_key("validator")

        _, request = asked(USERS, HTTP_X_API_KEY=made.secret)

        assert (request.api_key, request.member) == (made.key, None)
        user, access = told(request)
        assert (user, access.is_member_key) == (None, False)
        assert "keys:verify" in access.scopes

    def test_the_admin_token_is_nobodys_key(self):
        _, request = asked(USERS, HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")

        assert not hasattr(request, "api_key")
        assert told(request) == (None, Access("admin-token"))

    @pytest.mark.parametrize(
        ("path", "name", "text"),
        [(ME, "HTTP_AUTHORIZATION", "Bearer {}"), (USERS, "HTTP_X_API_KEY", "{}")],
    )
    def test_the_admin_token_counts_on_admin_routes_and_as_bearer_only(self, path, name, text):
        answer, request = asked(path, **{name: text.format(os.environ["ADMIN_TOKEN"])})

        assert (answer.status_code, code(answer), request) == (401, "invalid_key", None)

    def test_without_a_credential_the_view_sees_nobody(self):
        _, request = asked()

        assert (request.access, told(request)) == (NOBODY, None)
        assert not hasattr(request, "api_key")

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"HTTP_X_API_KEY": "muser_nonsense"}, "invalid_key"),
            ({"HTTP_X_API_KEY": "a", "HTTP_API_KEY": "b"}, "ambiguous_credentials"),
            ({"HTTP_X_API_KEY": "a", "HTTP_AUTHORIZATION": "Basic eDp5"}, "ambiguous_credentials"),
            ({"HTTP_X_API_KEY": "a,b"}, "ambiguous_credentials"),
        ],
    )
    def test_a_bad_credential_reaches_no_view(self, headers, expected):
        answer, request = asked(**headers)

        assert (code(answer), request) == (expected, None)

    def test_a_cookie_or_query_is_no_credential(self):
        secret = make.key().secret

        _, request = asked(f"{ME}?api_key={secret}", HTTP_COOKIE=f"x-api-key={secret}")

        assert request.access == NOBODY

    def test_outside_the_api_no_credential_is_looked_at(self):
        answer, request = asked("/admin/login/", HTTP_X_API_KEY="muser_nonsense")

        assert (answer.status_code, hasattr(request, "access")) == (200, False)


class TestSessions:
    @pytest.fixture
    def staff(self, client):
        client.force_login(make.staff())
        return client

    def test_a_staff_session_opens_admin_routes_and_no_others(self, staff):
        assert staff.get(USERS).status_code == 200
        assert staff.get(ME).json()["code"] == "missing_key"

    def test_a_credential_beside_a_session_decides_alone(self, staff):
        secret = make.key().secret

        assert staff.get(USERS, HTTP_X_API_KEY="muser_nonsense").json()["code"] == "invalid_key"
        assert staff.get(USERS, HTTP_X_API_KEY=secret).json()["code"] == "permission_denied"
        assert staff.get(ME, HTTP_X_API_KEY=secret).status_code == 200

    def test_behind_the_gateway_too(self, staff):
        anonymous = header(None, target=USERS, actor="anonymous")
        member = header(make.key().key, target=USERS)

        assert staff.get(USERS, HTTP_X_MOMENTRY_DECISION=anonymous).status_code == 200
        assert staff.get(USERS, HTTP_X_MOMENTRY_DECISION=member).status_code == 403


def wrong_decisions():
    good = {"method": "GET", "target": ME}
    yield "another method", {**good, "method": "POST"}
    yield "another path", {**good, "target": USERS}
    yield "another query", {**good, "target": f"{ME}?x=1"}
    yield "another client", {**good, "client": "198.51.100.1"}
    yield "expired", {**good, "age": 6}
    yield "from the future", {**good, "age": -60}


class TestDecisions:
    @pytest.mark.parametrize("given", dict(wrong_decisions()).values(), ids=dict(wrong_decisions()))
    def test_one_for_another_request_is_refused_beside_a_good_key_too(self, given):
        made = make.key()
        changes = {name: value for name, value in given.items() if name != "age"}
        decision = header(made.key, at=time.time() - given.get("age", 0), **changes)

        answer, request = asked(HTTP_X_MOMENTRY_DECISION=decision, HTTP_X_API_KEY=made.secret)

        assert (answer.status_code, code(answer), request) == (400, "decision_invalid", None)

    @pytest.mark.parametrize(
        "form",
        [
            "v2.{payload}.{mark}",
            "v1.{payload}.{mark_of_another}",
            "v1.{payload_of_an_admin}.{mark}",
            "v1.{payload}" + "A" * 9000 + ".{mark}",
            "v1.{payload}",
            "..",
        ],
    )
    def test_a_forged_one_is_refused(self, form):
        key = make.key().key
        _, payload, mark = header(key).split(".")
        other = header(key, target=USERS).split(".")[2]
        forged = form.format(
            payload=payload, mark=mark, mark_of_another=other, payload_of_an_admin=admin(payload)
        )

        answer, request = asked(HTTP_X_MOMENTRY_DECISION=forged)

        assert (answer.status_code, code(answer), request) == (400, "decision_invalid", None)

    @pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 400)])
    def test_one_sent_twice_is_refused(self, times, status):
        """As uvicorn hands it over: Django itself would join the two lines."""
        lines = [(b"x-momentry-decision", header(make.key().key).encode())] * times
        scope = {
            "type": "http", "method": "GET", "path": ME, "raw_path": ME.encode(),
            "query_string": b"", "headers": lines, "client": ("127.0.0.1", 1),
        }  # fmt: skip
        scope[asgi.SCOPE_KEY] = asgi.decide(scope, [value for _, value in lines])

        answer, request = served(ASGIRequest(scope, io.BytesIO()))

        assert (answer.status_code, request is not None) == (status, status == 200)

    def test_a_good_one_sets_what_a_key_itself_would(self):
        made = make.key()

        _, request = asked(HTTP_X_MOMENTRY_DECISION=header(made.key))

        assert (request.api_key, request.member) == (made.key, made.key.owner)
        assert told(request)[1].actor == f"key:{made.key.pk.hex}"


@pytest.mark.parametrize("name", ["x_api_key", "x_api-key", "x-api_key", "api_key", "X_Api-Key"])
@pytest.mark.parametrize("beside", [True, False])
def test_no_spelling_with_an_underscore_is_a_credential(name, beside):
    """As uvicorn hands it over: names in lower case, underscores as they came."""
    value = make.key().secret.encode()
    lines = [(b"x-api-key", value)] * beside + [(name.lower().encode(), value)]
    scope = {
        "type": "http", "method": "GET", "path": ME, "raw_path": ME.encode(),
        "query_string": b"", "headers": lines, "client": ("127.0.0.1", 1),
    }  # fmt: skip

    answer, request = served(ASGIRequest(scope, io.BytesIO()))

    assert (answer.status_code, code(answer), request) == (400, "ambiguous_credentials", None)


def admin(payload: str) -> str:
    document = json.loads(base64.urlsafe_b64decode(payload)) | {"act": "admin-token", "key": None}
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
