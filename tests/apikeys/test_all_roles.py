"""The route table of docs/permissions.md is what happens, to everybody, on every route (ACL-05)."""

from collections.abc import Iterator

import pytest
from django.db import transaction

from tests.apikeys.roles import Caller, House, Route, call, cast, routes
from tests.apikeys.sessions import session, staff
from tests.docs.pages import page

ROUTES = list(routes())
# One cast plays before all routes of a resource: making it is most of the time.
RESOURCES = sorted({route.path.partition("/{")[0] for route in ROUTES})


def of(resource: str) -> list[Route]:
    return [route for route in ROUTES if route.path.partition("/{")[0] == resource]


def differences(route: Route, callers: list[Caller], house: House) -> Iterator[tuple[str, ...]]:
    """Who is answered otherwise than the table says. What a call did is rolled back, so that the
    next caller finds the same house."""
    for caller in callers:
        with transaction.atomic():
            answer = call(caller, route, house)
            transaction.set_rollback(True)
        found = "" if answer.status_code < 300 else answer.json()["code"]
        if found != caller.expected(route):
            yield str(route), caller.name, found, caller.expected(route)


@pytest.mark.django_db
@pytest.mark.parametrize("resource", RESOURCES)
def test_the_table_is_what_happens(resource: str) -> None:
    callers, house = cast(), House()

    assert [row for route in of(resource) for row in differences(route, callers, house)] == []


def test_the_table_has_routes() -> None:
    assert len(ROUTES) > 40
    assert {route.method for route in ROUTES} == {"GET", "POST", "PATCH", "PUT", "DELETE"}


def test_every_role_of_the_page_is_in_the_cast(db: None) -> None:
    head = next(line for line in page("docs/permissions.md").splitlines() if "`metrics`" in line)
    named = {cell.strip(" `") for cell in head.split("|")[3:-1]}

    assert named <= {caller.name for caller in cast()}


def test_a_session_writes_nothing_without_its_csrf_token(db: None) -> None:
    client = session(staff("root", is_superuser=True))
    client.credentials()
    root, house = Caller("root", client), House()
    writes = [route for route in ROUTES if route.permission != "none" and route.method != "GET"]

    answers = {str(route): call(root, route, house).json()["code"] for route in writes}

    assert answers == dict.fromkeys(map(str, writes), "csrf_failed")
