"""The permissions page is the scopes of apikeys.gate.scopes and those that the views declare."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLResolver, get_resolver

from apikeys.gate.scopes import CATALOGUE, MEMBER_SCOPES, ROLES
from momentry.common.scopes import holds
from momentry.metrics import SCOPE as METRICS_SCOPE
from tests.docs.pages import page, table_rows

COLUMNS = ("metrics", "validator", "issuer", "admin")


def rows_with(columns: int) -> list[list[str]]:
    return [row for row in table_rows(page("docs/permissions.md")) if len(row) == columns]


def test_the_scope_table_is_what_keys_hold():
    found = {row[0]: row[1:] for row in rows_with(6)}

    assert found == {scope: marks(scope) for scope in CATALOGUE}


def test_the_roles_are_the_ones_of_the_table():
    assert tuple(ROLES) == COLUMNS


def marks(scope: str) -> list[str]:
    held = [scope in MEMBER_SCOPES, *(holds(ROLES[role], scope) for role in COLUMNS)]
    return ["yes" if yes else "" for yes in held]


def test_the_route_table_is_what_the_views_declare():
    found = {(row[0], row[1]): row[2:] for row in rows_with(4) if row[1].startswith("/")}

    assert found == dict(declared())


def declared() -> Iterator[tuple[tuple[str, str], list[str]]]:
    yield ("GET", "/metrics"), [METRICS_SCOPE, "none"]
    for path, view, given, methods in views(get_resolver(), "/"):
        scopes: dict[str, str] = given.get("scopes", getattr(view, "scopes", {}))
        staff = given.get("staff_permissions", getattr(view, "staff_permissions", {}))
        for method in methods & set(scopes):
            yield (method, shown(path)), [scopes[method] or "none", staff.get(method, "none")]


def views(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any, Any, set[str]]]:
    """Path, class, what the route says otherwise, and its methods, of every class-based view."""
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from views(entry, path)
            continue
        callback: Any = entry.callback
        view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
        if view is not None:
            actions = getattr(callback, "actions", None) or view.http_method_names
            given = getattr(callback, "initkwargs", {})
            yield path, view, given, {method.upper() for method in actions}


def shown(path: str) -> str:
    """``/api/v1/admin/keys/<uuid:pk>`` as clients read it."""
    slugs = dict.fromkeys(("<slug:pk>", "<slug:slug>"), "{slug}")
    names = {"<uuid:pk>": "{id}", "<int:pk>": "{id}", "<uuid:target_id>": "{target_id}", **slugs}
    for place, name in names.items():
        path = path.replace(place, name)
    return path
