"""Nobody assigns what is not theirs to say: a field of the answer that a write does not take is
refused, and so are columns and unknown names (ACL-03)."""

import os
from functools import cache
from typing import Any

import pytest
from django.apps import apps
from drf_spectacular.generators import SchemaGenerator

from apikeys.models import ApiKey
from tests.apikeys.films import is_members_alone
from tests.apikeys.roles import Caller, House, Route, call, cast, routes
from tests.apikeys.sessions import bearer

pytestmark = pytest.mark.django_db
MODELS = ("apikeys.ApiKey", "apikeys.KeyTemplate", "apikeys.Tier", "apikeys.Grant",
          "apikeys.IpRule", "accounts.User", "proxy.Upstream", "proxy.Target")  # fmt: skip
# SFTPGo writes these bodies, and its later versions may say more in them.
FOREIGN = {"POST /api/v1/hooks/sftpgo", "POST /api/v1/hooks/sftpgo/auth"}
WRITES = [route for route in routes() if route.method != "GET" and str(route) not in FOREIGN]


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"][route.path][route.method.lower()]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document()["components"]["schemas"][name] if name else schema


def taken(route: Route) -> set[str]:
    """What the write takes, as its document says; empty when it takes no body."""
    body = operation(route).get("requestBody", {}).get("content", {})
    if not body:
        return set()
    return set(resolved(body["application/json"]["schema"]).get("properties", {}))


def shown(route: Route) -> set[str]:
    """What its answer shows."""
    found: set[str] = set()
    for answer in operation(route)["responses"].values():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        found |= set(resolved(schema).get("properties", {}))
    return found


def columns() -> set[str]:
    models = [apps.get_model(label) for label in MODELS]
    return {field.attname for model in models for field in model._meta.concrete_fields}


def caller_of(route: Route) -> Caller:
    if route.path.startswith("/api/v1/admin/"):
        return Caller("token", bearer(os.environ["ADMIN_TOKEN"]))
    is_members = route.path.startswith("/api/v1/me") or is_members_alone(route.path)
    name = "member" if is_members else "admin"
    return next(caller for caller in cast() if caller.name == name)


class Asking(House):
    """A house whose bodies carry one thing more."""

    extra: dict[str, Any]

    def body(self, route: Route, caller: Caller) -> dict[str, Any]:
        return {**super().body(route, caller), **self.extra}


@pytest.mark.parametrize("route", [route for route in WRITES if taken(route)], ids=str)
def test_what_a_write_does_not_take_is_refused(route: Route) -> None:
    caller, house = caller_of(route), Asking()
    others = (shown(route) | columns() | {"x", "__class__", "digest", "a/b"}) - taken(route)

    refusals = {}
    for name in sorted(others):
        house.extra = {name: None}
        answer = call(caller, route, house)
        pointer = "#/" + name.replace("/", "~1")
        found = [problem["pointer"] for problem in answer.json().get("errors", [])]
        refusals[name] = (answer.status_code, pointer in found)

    assert len(others) > 20
    assert refusals == dict.fromkeys(sorted(others), (422, True))


def test_an_entry_of_a_batch_takes_what_the_write_of_one_key_takes() -> None:
    route = next(route for route in WRITES if route.path.endswith("/keys/batch"))
    one = next(route for route in WRITES if route.path.endswith("/admin/keys"))
    caller, house = caller_of(route), Asking()
    others = sorted((shown(one) | columns() | {"x"}) - taken(one))

    refusals = {}
    for name in others:
        house.extra = {"keys": [{"service_name": "x", "name": "x", name: None}]}
        refusals[name] = call(caller, route, house).json()["errors"][0]["pointer"]

    assert refusals == {name: f"#/keys/0/{name}" for name in others}


@pytest.mark.parametrize("route", [route for route in WRITES if not taken(route)], ids=str)
def test_a_write_without_a_body_takes_nothing_from_one(route: Route) -> None:
    caller, house = caller_of(route), Asking()
    wanted = {"scopes": ["*:*"], "role": "admin", "tier": "enterprise", "name": "mine", "owner": 1}
    house.extra = wanted | {"is_active": True, "limit_overrides": {}, "expires_at": None}
    before = rows()

    assert call(caller, route, house).status_code < 300
    assert rows() == before


def rows() -> list[Any]:
    names = ("pk", "scopes", "role", "tier_id", "name", "owner_id", "expires_at")
    return sorted(ApiKey.objects.values_list(*names), key=str)
