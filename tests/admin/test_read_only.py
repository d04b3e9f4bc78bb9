"""View-only staff change nothing, and nobody changes what only the machine writes (ADM-05)."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Status, User
from apikeys.models import ApiKey, Counter, RequestLog, Tier
from events.models import Event, Mail
from provisioning.models import ClaimLink, InboxEvent, ProvisioningTask, SftpgoAccount
from proxy.models import Upstream
from tests.admin.conftest import House, clerk, staff
from tests.admin.pages import button, change, changelist, label, name, pages
from videos.models import ProcessingJob, Upload, Video

READ_ONLY: list[type[Model]] = [
    ApiKey, ClaimLink, Counter, Event, InboxEvent, Mail, ProcessingJob, ProvisioningTask,
    RequestLog, SftpgoAccount, Upload, Video,
]  # fmt: skip
FORGED = {"name": "forged", "username": "forged", "slug": "forged", "_save": "Save"}
BUTTONS = ["revoke_this", "claim_this", "suspend_this", "resume_this", "delete_this", "retry_this"]


def posts(model: type[Model], pk: object) -> list[tuple[str, dict[str, Any]]]:
    return [
        (reverse(name(model, "add")), FORGED),
        (change(model, pk), FORGED),
        (reverse(name(model, "delete"), args=[pk]), {"post": "yes"}),
    ]


def snapshot() -> list[Any]:
    everything = [model for model, _ in pages()]
    return [sorted(map(str, model._default_manager.values_list())) for model in everything]


@pytest.mark.parametrize("model", READ_ONLY, ids=label)
def test_a_forged_post_by_a_superuser_is_refused(
    model: type[Model], house: House, root: Client
) -> None:
    row = model._default_manager.first()
    assert row is not None

    answers = [root.post(url, data).status_code for url, data in posts(model, row.pk)]

    assert answers == [403, 403, 403]


@pytest.mark.parametrize("model", [model for model, _ in pages()], ids=label)
def test_view_only_staff_change_nothing(model: type[Model], house: House, viewer: Client) -> None:
    row = model._default_manager.first()
    before = snapshot()

    for url, data in posts(model, row.pk if row else "1"):
        assert viewer.post(url, data).status_code in ((403,) if row else (302, 403))

    assert snapshot() == before


VIDEO_BUTTONS = ["rename_this", "reassign_this", "delete_this", "restore_this"]
JOB_BUTTONS = ["requeue_this", "cancel_this", "prioritise_this"]


@pytest.mark.parametrize("action", [*VIDEO_BUTTONS, *JOB_BUTTONS])
def test_view_only_staff_press_no_button_of_videos(
    action: str, house: House, viewer: Client
) -> None:
    row = house.video if action in VIDEO_BUTTONS else house.job
    forged = {"confirmed": "yes", "name": "x", "owner": "alice", "anyway": "on", "priority": "9"}
    before = snapshot()

    for method in (viewer.get, viewer.post):
        assert method(button(row, action), forged).status_code == 403
        assert action not in viewer.get(change(type(row), row.pk)).content.decode()

    assert snapshot() == before


@pytest.mark.parametrize("action", BUTTONS)
def test_view_only_staff_press_no_button(action: str, house: House, viewer: Client) -> None:
    rows = {"revoke": house.claimed, "claim": house.unclaimed, "retry": Mail.objects.get(
        context__claim="0" * 32)}  # fmt: skip
    row = rows.get(action.partition("_")[0], house.alice)
    before = snapshot()

    for method in (viewer.get, viewer.post):
        assert method(button(row, action), {"confirmed": "yes"}).status_code == 403

    assert snapshot() == before


@pytest.mark.parametrize(
    ("model", "action"),
    [
        (ApiKey, "revoke_selected"), (User, "suspend_selected"), (User, "resume_selected"),
        (User, "delete_selected_members"), (Mail, "retry_selected"), (User, "delete_selected"),
        (Tier, "delete_selected"), (Upstream, "delete_selected"), (Video, "delete_selected"),
        (Video, "reassign_selected"), (Video, "delete_selected_videos"),
        (Video, "restore_selected"), (ProcessingJob, "cancel_selected"),
        (ProcessingJob, "requeue_selected"), (ProcessingJob, "prioritise_selected"),
    ],
)  # fmt: skip
def test_view_only_staff_run_no_action(
    model: type[Model], action: str, house: House, viewer: Client
) -> None:
    chosen = [str(row.pk) for row in model._default_manager.all()]
    before = snapshot()

    viewer.post(
        changelist(model),
        {"action": action, "_selected_action": chosen, "confirmed": "yes", "post": "yes",
         "owner": "alice", "anyway": "on", "priority": "9"},
    )  # fmt: skip

    assert snapshot() == before


def test_bulk_deletion_is_offered_to_nobody(house: House, root: Client) -> None:
    chosen = [str(row.pk) for row in Upstream.objects.all()]

    root.post(
        changelist(Upstream),
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    )

    assert Upstream.objects.count() == len(chosen)


def test_staff_who_may_change_members_do_not_change_staff(house: House) -> None:
    client = clerk("view_user", "change_user", "delete_user")
    root = staff("root", is_superuser=True)
    form = {"username": "taken", "tier": "starter", "is_superuser": "on", "is_staff": "on"}

    answers = [
        client.post(change(User, root.pk), form).status_code,
        client.post(button(root, "suspend_this"), {"confirmed": "yes"}).status_code,
        client.post(button(root, "delete_this"), {"confirmed": "yes"}).status_code,
        client.post(reverse("admin:auth_user_password_change", args=[root.pk])).status_code,
    ]

    assert answers == [403, 403, 403, 403]
    root.refresh_from_db()
    assert (root.username, root.status) == ("root", Status.ACTIVE)


def test_staff_cannot_make_themselves_superusers(house: House) -> None:
    client = clerk("view_user", "change_user")
    form = {
        "username": "bob", "email": "bob@example.org", "tier": "starter", "quota_size": "5",
        "is_superuser": "on", "is_staff": "on", "status": "deleted", "password": "x",
        **{f"grants-{part}_FORMS": 0 for part in ("TOTAL", "INITIAL")},
        **{f"api_keys-{part}_FORMS": 0 for part in ("TOTAL", "INITIAL")},
    }  # fmt: skip

    client.post(change(User, house.bob.pk), form)

    house.bob.refresh_from_db()
    assert house.bob.quota_size == 5
    assert not house.bob.is_superuser
    assert not house.bob.is_staff
    assert house.bob.status == Status.ACTIVE
