"""LOG-03: every write of the REST API is an event of the right kind, by whom and of what, with what
was and what is; and where it cannot be recorded, nothing was changed,
and nobody is told why (LOG-02)."""

import json
from typing import Any

import pytest
from django.apps import apps

from apikeys.models import ApiKey
from events.kinds import Kind
from events.models import Event
from tests.apikeys.roles import Caller, Route, call, cast, routes
from tests.apikeys.writes import ACTORS, BEFORE, EXEMPT, RECORDED, ChangingHouse

pytestmark = pytest.mark.django_db
ROUTES = [route for route in routes() if str(route) in RECORDED]
OURS = ("accounts", "apikeys", "events", "provisioning", "proxy", "videos")
# What any call changes, whatever comes of it.
ANYWAY = {"RequestLog", "Counter", "Lease", "Refusal"}
INSIDE = "disk full at /srv/inside"


def caller_of(route: Route, callers: list[Caller]) -> Caller:
    """Staff's token where it may, else a member or a service that may."""
    order = sorted(callers, key=lambda each: (each.name != "ADMIN_TOKEN", each.name != "member"))
    return next(each for each in order if not each.expected(route))


def actor_of(caller: Caller) -> str:
    if caller.name == "ADMIN_TOKEN":
        return "admin-token"
    secret = str(caller.client._credentials["HTTP_X_API_KEY"])
    return f"key:{secret.split('_')[1]}"


def rows() -> dict[str, list[str]]:
    ApiKey.objects.update(last_used_at=None)
    models = [model for name in OURS for model in apps.get_app_config(name).get_models()]
    return {
        model.__name__: sorted(map(str, model._default_manager.order_by().values_list()))
        for model in models
        if model.__name__ not in ANYWAY
    }


def test_every_write_is_recorded_or_says_why_not():
    writes = {str(route) for route in routes() if route.method != "GET"}

    assert writes == (set(RECORDED) | set(EXEMPT)) - {"GET /api/v1/admin/keys/export"}
    assert not set(RECORDED) & set(EXEMPT)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_write_is_recorded_or_does_not_happen(route, monkeypatch):
    """So the event and the change are of one transaction."""
    callers, house = cast(), ChangingHouse()
    caller = caller_of(route, callers)
    BEFORE.get(str(route), lambda _: None)(house)
    place, house.place = house.place(route, caller), lambda *_: place
    before, known = rows(), set(Event.objects.values_list("pk", flat=True))

    with monkeypatch.context() as patched:
        patched.setattr(Event, "save", full(RECORDED[str(route)]))
        refused = call(caller, route, house)
    between = rows()
    answer = call(caller, route, house)

    assert refused.status_code == 500
    assert INSIDE not in refused.content.decode()
    assert between == before
    assert answer.status_code < 300, answer.content
    check(route, caller, list(Event.objects.exclude(pk__in=known).order_by("id")), answer)


def full(kind: Kind) -> Any:
    """No event of this kind can be written."""
    real = Event.save

    def save(event: Event, *args: Any, **given: Any) -> None:
        if event.kind == kind:
            raise RuntimeError(INSIDE)
        real(event, *args, **given)

    return save


def check(route: Route, caller: Caller, events: list[Event], answer: Any) -> None:
    kind = RECORDED[str(route)]
    found = [event for event in events if event.kind == kind]
    assert found, [event.kind for event in events]
    actor = ACTORS.get(str(route)) or actor_of(caller)
    assert {(event.actor, ":" in event.subject) for event in found} == {(actor, True)}
    assert {event.request_id for event in found} == {answer["X-Request-ID"]}
    told = json.loads(found[-1].details or "{}")
    if kind.endswith((":updated", ":limits_changed")):
        assert told["before"] != told["after"]
        assert set(told["before"]) | set(told["after"]) == set(told.get("fields", told["after"]))


def test_the_kinds_are_those_of_the_routes():
    assert set(RECORDED.values()) <= set(Kind)
