"""LOG-03: every form, button and list action of the admin that changes something is an event, by
the staff who pressed it, with what was and what is; and what cannot be recorded does not happen,
and nobody is told why (LOG-02)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from events.models import Event
from momentry.jobpages import TASK_ACTIONS
from tests.admin.changes import CHANGES, EXEMPT, FORMS, YES
from tests.admin.conftest import House, staff
from tests.admin.pages import button, changelist, name, pages
from tests.apikeys.test_every_write_recorded import INSIDE, full

CASES = [(model, what) for model, found in CHANGES.items() for what in found]
IDS = [f"{model.__name__} {what}" for model, what in CASES]
OURS = ("accounts", "apikeys", "events", "provisioning", "proxy", "videos", "auth",
        "django_celery_beat")  # fmt: skip
ANYWAY = {"RequestLog", "PeriodicTasks"}


def offered(model: type[Model], page: Any, request: Any) -> Iterator[str]:
    """What a superuser may do on the pages of a model."""
    row = model._default_manager.first()
    rights = (
        page.has_add_permission(request), page.has_change_permission(request, row),
        page.has_delete_permission(request, None),
    )  # fmt: skip
    yield from (what for what, may in zip(FORMS, rights, strict=True) if may)
    yield from (what for what in page.actions or () if isinstance(what, str))
    yield from (*page.actions_detail, *page.actions_list)


def test_every_change_of_every_page_is_known(house: House, db: None) -> None:
    request = RequestFactory().get("/")
    request.user = staff("root", is_superuser=True)
    found = {
        (model, what)
        for model, page in pages()
        for what in offered(model, page, request)
        if not (what == "delete" and model.__name__ in {"User", "Site"})
    }
    found |= {(apps.get_model("django_celery_beat", "PeriodicTask"), what) for what in TASK_ACTIONS}

    assert found == {*CASES, *EXEMPT}
    assert admin.site._registry


def post(client: Client, model: type[Model], what: str, row: Any, data: dict[str, Any]) -> Any:
    data = {**YES, **data}
    if what == "add":
        return client.post(reverse(name(model, "add")), data)
    if what in ("change", "delete"):
        return client.post(reverse(name(model, what), args=[row.pk]), data)
    if row is None:
        return client.post(reverse(name(model, what)), data)
    if what.endswith(("_this", "_password")):
        return client.post(button(row, what), data)
    data |= {"action": what, "_selected_action": [str(row.pk)]}
    return client.post(changelist(model), data)


@pytest.mark.parametrize(("model", "what"), CASES, ids=IDS)
def test_a_change_is_recorded_or_does_not_happen(
    model: type[Model], what: str, house: House, root: Client, monkeypatch: Any
) -> None:
    """So the event and the change are of one transaction."""
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    root.raise_request_exception = False
    User.objects.filter(pk=house.bob.pk).update(quota_used=house.video.size)
    doing = CHANGES[model][what]
    row, data = doing.row(house), doing.data(house)
    before, known = rows(), set(Event.objects.values_list("pk", flat=True))

    with monkeypatch.context() as patched:
        patched.setattr(Event, "save", full(doing.kind))
        refused = post(root, model, what, row, data)
    between = rows()
    answer = post(root, model, what, row, data)

    assert refused.status_code == 500
    assert INSIDE not in refused.content.decode()
    assert between == before
    found = [event for event in Event.objects.exclude(pk__in=known) if event.kind == doing.kind]
    assert found, (answer.status_code, answer.content[-3000:])
    assert {event.actor for event in found} == {f"staff:{root.session['_auth_user_id']}"}
    assert all(":" in event.subject for event in found)
    told = json.loads(found[-1].details or "{}")
    if doing.kind.endswith((":updated", ":limits_changed")):
        assert told["before"] != told["after"]


def rows() -> dict[str, list[str]]:
    models = [model for label in OURS for model in apps.get_app_config(label).get_models()]
    return {
        model.__name__: sorted(map(str, model._default_manager.order_by().values_list()))
        for model in models
        if model.__name__ not in ANYWAY
    }
