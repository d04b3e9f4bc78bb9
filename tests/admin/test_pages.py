"""Every list and every form opens, reads few statements, loads nothing from outside."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import User
from apikeys.models import ApiKey, Grant, LogBatch, RequestLog
from events.models import Event
from tests import make
from tests.admin.conftest import House, clerk, log_row
from tests.admin.pages import change, changelist, label, pages

# What a browser would fetch by itself; links to follow are no loads.
OUTSIDE = re.compile(
    r"""<(?!a\b)\w+[^>]*(?:src|href|action)=["'](?:https?:)?//|url\(["']?(?:https?:)?//"""
)
MODELS = [model for model, _ in pages()]


@pytest.fixture
def schedules(db: None) -> None:
    Group.objects.create(name="support")
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.MINUTES)
    crontab = CrontabSchedule.objects.create()
    PeriodicTask.objects.create(name="one", task="x", interval=interval)
    PeriodicTask.objects.create(name="two", task="x", crontab=crontab)


def test_every_model_has_a_page_but_the_log_batches() -> None:
    ours = {"accounts", "apikeys", "events", "provisioning", "proxy", "videos"}
    registered = {label(model) for model in MODELS if model._meta.app_label in ours}

    assert registered == {
        "accounts.Site", "accounts.User", "apikeys.Anomaly", "apikeys.ApiKey", "apikeys.Counter",
        "apikeys.DailyUsage", "apikeys.Grant", "apikeys.IpRule", "apikeys.KeyTemplate",
        "apikeys.Leak", "apikeys.RequestLog", "apikeys.Tier",
        "events.Event", "events.Mail", "events.Unsubscription", "events.WebhookDelivery",
        "events.WebhookEndpoint",
        "provisioning.ClaimLink", "provisioning.ExternalToken",
        "provisioning.InboxEvent", "provisioning.ProvisioningTask", "provisioning.SftpgoAccount",
        "provisioning.Reconciliation", "provisioning.WakeUp",
        "proxy.Price", "proxy.TargetCredential", "proxy.Upstream",
        "proxy.UpstreamModel", "videos.ProcessingJob", "videos.Upload", "videos.Video",
    }  # fmt: skip
    assert LogBatch not in MODELS


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_every_list_opens(model: type[Model], house: House, root: Client, schedules: None) -> None:
    answer = root.get(changelist(model))

    assert answer.status_code == 200
    assert not OUTSIDE.search(answer.content.decode())


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_every_row_opens(model: type[Model], house: House, root: Client, schedules: None) -> None:
    for row in model._default_manager.all()[:3]:
        answer = root.get(change(model, row.pk))

        assert answer.status_code == 200
        assert not OUTSIDE.search(answer.content.decode())


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_a_list_can_be_searched_for_anything(
    model: type[Model], house: House, root: Client, schedules: None
) -> None:
    for term in ("alice", "'; --", "member:1", "9" * 400, "é☃"):
        assert root.get(changelist(model), {"q": term}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_a_staff_user_without_permissions_sees_nothing(
    model: type[Model], house: House, schedules: None
) -> None:
    client = clerk()

    assert client.get(changelist(model)).status_code == 403
    for row in model._default_manager.all()[:1]:
        assert client.get(change(model, row.pk)).status_code == 403


@pytest.mark.parametrize("page", ["index", "password_change"])
def test_the_sites_own_pages_open(page: str, house: House, root: Client) -> None:
    answer = root.get({"index": "/admin/", "password_change": "/admin/password_change/"}[page])

    assert answer.status_code == 200
    assert not OUTSIDE.search(answer.content.decode())


@pytest.mark.parametrize(
    ("model", "most"), [(User, 10), (ApiKey, 8), (RequestLog, 7), (Event, 5), (Grant, 8)], ids=str
)
def test_a_list_reads_as_many_statements_for_many_rows_as_for_few(
    model: type[Model],
    most: int,
    house: House,
    root: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        owner = make.member(f"member{number}", site=house.site, wordpress_id=100 + number)
        log_row(make.key(owner).key)
        Grant.objects.create(member=owner, upstream="echo")

    with django_assert_max_num_queries(most):
        answer = root.get(changelist(model))

    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) >= 12


def test_the_request_log_is_never_counted(
    house: House, root: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    root.get(changelist(RequestLog))  # content types are cached from here on
    with django_assert_num_queries(4) as found:
        root.get(changelist(RequestLog))

    assert not any("COUNT(" in query["sql"] for query in found.captured_queries)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("class=2", True), ("class=5", False), ("class=9", True), ("to=echo", True),
        ("to=-", False), ("member_id__exact={bob}", True), ("member_id__exact={alice}", False),
        ("key_id__exact={key}", True), ("q={request}", True), ("q={bob}", True),
        ("q={alice}", False), ("q=models", False),
    ],
)  # fmt: skip
def test_the_request_log_is_filtered(query: str, shown: bool, house: House, root: Client) -> None:
    ids = {"bob": house.bob.pk, "alice": house.alice.pk, "key": house.claimed.pk}
    asked = query.format(request=house.request_id, **ids)

    answer = root.get(f"{changelist(RequestLog)}?{asked}")

    assert answer.status_code == 200
    assert (str(house.request_id) in answer.content.decode()) is shown


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"first_byte_ms": 999.0}, ""), ({"first_byte_ms": 1_000.0}, "first-1"),
        ({"first_byte_ms": 10_000.0}, "first-1 first-10"), ({"total_ms": 9_999.0}, ""),
        ({"total_ms": 10_000.0}, "total-10"), ({"total_ms": 60_000.0}, "total-10 total-60"),
        ({"total_ms": 90_000.0, "ts": timezone.now() - timedelta(hours=25)}, ""),
    ],
)  # fmt: skip
def test_slow_requests_of_the_last_day_are_found(
    given: dict[str, Any], asked: str, house: House, root: Client
) -> None:
    identity = str(log_row(house.claimed, **given))

    found = {
        value
        for value in ("first-1", "first-10", "total-10", "total-60")
        if identity in root.get(f"{changelist(RequestLog)}?slow={value}").content.decode()
    }

    assert found == set(asked.split())


@pytest.mark.parametrize("identity", ["nonsense", "0" * 32, "5e9d8c1e-4a4b-4a9e-8f3a-1d5d6b1f2a3b"])
def test_a_request_that_is_not_there_is_not_found(identity: str, root: Client) -> None:
    answer = root.get(change(RequestLog, identity))

    assert answer.status_code == 302
    assert answer["Location"] == "/admin/"


def test_the_dashboard_shows_what_its_reader_may_see(house: House, root: Client) -> None:
    log_row(house.claimed, status=502)

    everything = root.get("/admin/").content.decode()
    little = clerk("view_apikey").get("/admin/").content.decode()
    nothing = clerk(username="nobody").get("/admin/").content.decode()

    assert "Requests today" in everything
    assert "50.0 % of all" in everything
    assert "Usable keys" in little
    assert "Requests today" not in little
    assert "not see or change anything yet" in nothing


def test_the_system_check_knows_no_fault(db: None) -> None:
    assert [fault for fault in run_checks() if not fault.is_silenced()] == []


def test_every_action_asks_for_a_permission() -> None:
    for model, page in pages():
        if model is PeriodicTask:  # beat's own, offered to those who may change tasks
            continue
        listed = [page.get_action(name)[0] for name in page.actions or []]
        shown = [getattr(page, name) for name in page.actions_detail]
        assert all(getattr(action, "needs", "") for action in [*listed, *shown]), label(model)


def test_view_only_staff_are_offered_no_task_action(schedules: None) -> None:
    url = changelist(PeriodicTask)
    chosen = list(PeriodicTask.objects.values_list("pk", flat=True))

    clerk("view_periodictask").post(url, {"action": "disable_tasks", "_selected_action": chosen})

    assert not PeriodicTask.objects.filter(enabled=False).exists()
