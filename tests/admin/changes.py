"""Every form, button and list action of the admin: how it is made to change something, and which
event says so. What has none is named with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from accounts.models import Site, User
from apikeys.models import ApiKey, Grant, IpRule, KeyTemplate, Tier
from events.hookmodels import WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.mailmodels import Unsubscription
from events.models import Mail
from provisioning.models import ExternalToken, ProvisioningTask, WakeUp
from proxy.models import Price, Target, TargetCredential, Upstream, UpstreamModel
from tests import make
from tests.admin.conftest import House
from tests.admin.readied import (
    CRONTAB,
    HOOK,
    RULE,
    SITE,
    asked_for,
    bobs_grant,
    called_off,
    cancelled,
    crontab,
    dead,
    deleted,
    disabled,
    dropped,
    failed,
    freed,
    group,
    off,
    offered,
    offering,
    pending,
    priced,
    suspended,
    switched_off,
    task,
    task_form,
    two_secrets,
)
from tests.admin.test_members import NEW
from tests.admin.test_members import form as member_form
from tests.admin.test_price_page import form as price_form
from tests.admin.test_rights import NO_GRANTS, TEMPLATE
from tests.admin.test_secrets import upstream_form
from tests.admin.test_token_page import form as token_form
from videos.models import ProcessingJob, Video

ADD, CHANGE, DELETE = "add", "change", "delete"
FORMS: Final = (ADD, CHANGE, DELETE)
YES: Final = {"confirmed": "yes", "post": "yes"}
Row = Callable[[House], Any]
Data = Callable[[House], dict[str, Any]]


@dataclass(frozen=True)
class Doing:
    """``row``: what it is done to, made ready for it; None for what has no row yet."""

    kind: Kind
    row: Row = lambda _: None
    data: Data = field(default=lambda _: {})


def given(**values: Any) -> Data:
    return lambda _: dict(values)


def bob(house: House) -> User:
    return house.bob


def claimed(house: House) -> ApiKey:
    return house.claimed


def first(model: type[Model]) -> Row:
    return lambda _: model._default_manager.order_by("pk")[0]


NOTHING: Final = given()


def done_to(row: Row, kind: Kind, *names: str, data: Data = NOTHING) -> dict[str, Doing]:
    return {name: Doing(kind, row, data) for name in names}


CHANGES: Final[dict[type[Model], dict[str, Doing]]] = {
    ApiKey: {
        **done_to(claimed, Kind.APIKEY_REVOKED, "revoke_selected", "revoke_this"),
        **done_to(claimed, Kind.APIKEY_DISABLED, "disable_selected", "disable_this"),
        **done_to(disabled, Kind.APIKEY_ENABLED, "enable_this"),
        **done_to(claimed, Kind.APIKEY_QUARANTINED, "quarantine_this"),
        **done_to(claimed, Kind.APIKEY_ROTATED, "rotate_this",
                  data=given(grace_hours="0", grace="0")),
        **done_to(claimed, Kind.APIKEY_UPDATED, "limits_this",
                  data=given(requests_per_month="5")),
        **done_to(lambda house: house.unclaimed, Kind.CLAIM_CREATED, "claim_this"),
        "issue_service_key": Doing(Kind.APIKEY_CREATED, data=given(
            name="new", service_name="prometheus", role="metrics")),
        "import_keys": Doing(Kind.APIKEY_CREATED, data=given(
            text='{"keys": [{"name": "new", "service_name": "s", "key_type": "service", '
                 '"role": "metrics"}]}', step="import")),
        **done_to(lambda _: None, Kind.APIKEY_EXPORTED, "export_csv", "export_json_lines"),
    },
    User: {
        ADD: Doing(Kind.MEMBER_CREATED, data=given(**NEW)),
        CHANGE: Doing(Kind.MEMBER_UPDATED, bob,
                      lambda house: member_form(house.bob, quota_size="5")),
        **done_to(bob, Kind.MEMBER_SUSPENDED, "suspend_selected", "suspend_this"),
        **done_to(suspended, Kind.MEMBER_RESUMED, "resume_selected", "resume_this"),
        **done_to(bob, Kind.MEMBER_DELETED, "delete_selected_members",
                  "delete_this"),
        **done_to(deleted, Kind.MEMBER_RESTORED, "restore_this"),
        **done_to(freed, Kind.MEMBER_RESOLVED, "resolve_this"),
        **done_to(bob, Kind.MEMBER_UPDATED, "rename_this",
                  data=given(username="robert", email="bob@example.org")),
        **done_to(pending, Kind.MEMBER_MERGED, "merge_this",
                  data=lambda house: {"into": str(house.bob.pk)}),
        **done_to(bob, Kind.MEMBER_LIMITS_CHANGED, "limits_this",
                  data=given(requests_per_month="5")),
    },
    Site: {
        ADD: Doing(Kind.SITE_CREATED, data=given(**SITE, new_secret=make.webhook_secret(9))),
        CHANGE: Doing(Kind.SITE_UPDATED, lambda house: house.site, given(**SITE, new_secret="")),
        **done_to(two_secrets, Kind.SITE_ROTATED, "forget_this"),
        **done_to(lambda house: house.site, Kind.SITE_TESTED, "test_this"),
    },
    Tier: {
        ADD: Doing(Kind.TIER_CREATED, data=given(slug="new", name="New", **NO_GRANTS)),
        CHANGE: Doing(Kind.TIER_UPDATED, lambda _: make.tier("tiny"),
                      given(name="Tiny", **NO_GRANTS)),
        DELETE: Doing(Kind.TIER_DELETED, lambda _: make.tier("tiny")),
    },
    Grant: {
        ADD: Doing(Kind.GRANT_CREATED, data=lambda house: {
            "member": str(house.bob.pk), "upstream": "llm", "methods": "GET"}),
        CHANGE: Doing(Kind.GRANT_UPDATED, bobs_grant, lambda house: {
            "member": str(house.bob.pk), "upstream": "llm", "methods": "GET"}),
        DELETE: Doing(Kind.GRANT_DELETED, bobs_grant),
    },
    IpRule: {
        ADD: Doing(Kind.IP_RULE_CREATED, data=given(**RULE)),
        CHANGE: Doing(Kind.IP_RULE_UPDATED,
                      lambda _: IpRule.objects.create(network="203.0.113.0/24", note="old"),
                      given(**RULE)),
        DELETE: Doing(Kind.IP_RULE_DELETED,
                      lambda _: IpRule.objects.create(network="203.0.113.0/24")),
    },
    KeyTemplate: {
        ADD: Doing(Kind.KEY_TEMPLATE_CREATED, data=given(**TEMPLATE)),
        CHANGE: Doing(Kind.KEY_TEMPLATE_UPDATED, lambda _: KeyTemplate.objects.get(slug="desk"),
                      given(**TEMPLATE)),
        DELETE: Doing(Kind.KEY_TEMPLATE_DELETED, lambda _: KeyTemplate.objects.get(slug="desk")),
    },
    Upstream: {
        ADD: Doing(Kind.UPSTREAM_CREATED, data=lambda house: upstream_form(
            house, slug="llm") | {"targets-INITIAL_FORMS": 0, "targets-0-id": "",
                                  "targets-0-upstream": ""}),
        CHANGE: Doing(Kind.UPSTREAM_UPDATED, lambda house: house.upstream,
                      lambda house: upstream_form(house, name="Renamed")),
        DELETE: Doing(Kind.UPSTREAM_DELETED, lambda house: house.upstream),
        **done_to(lambda house: house.upstream, Kind.UPSTREAM_TESTED, "test_this"),
    },
    TargetCredential: {
        ADD: Doing(Kind.UPSTREAM_UPDATED, data=lambda _: {
            "target": str(Target.objects.get().pk), "is_active": "on", "new_secret": "x" * 20}),
        CHANGE: Doing(Kind.UPSTREAM_UPDATED, first(TargetCredential), given(label="old")),
        DELETE: Doing(Kind.UPSTREAM_UPDATED, first(TargetCredential)),
    },
    UpstreamModel: {
        ADD: Doing(Kind.UPSTREAM_UPDATED, data=offering),
        CHANGE: Doing(Kind.UPSTREAM_UPDATED, offered, given(sent_as="other", targets="")),
        DELETE: Doing(Kind.UPSTREAM_UPDATED, offered),
    },
    Price: {
        ADD: Doing(Kind.PRICE_CREATED, data=price_form),
        CHANGE: Doing(Kind.PRICE_UPDATED, priced, price_form),
        DELETE: Doing(Kind.PRICE_DELETED, priced),
    },
    ExternalToken: {
        ADD: Doing(Kind.TOKEN_CREATED, data=lambda _: token_form(new_token="x" * 40)),
        CHANGE: Doing(Kind.TOKEN_UPDATED, first(ExternalToken), lambda _: token_form(
                label="new", base_url="http://127.0.0.1:9")),
        DELETE: Doing(Kind.TOKEN_DELETED, first(ExternalToken)),
    },
    ProvisioningTask: done_to(dead, Kind.PROVISIONING_RETRIED, "retry_selected", "retry_this"),
    WakeUp: done_to(asked_for, Kind.WAKEUP_RETRIED, "look_again"),
    Mail: done_to(failed, Kind.MAIL_RETRIED, "retry_selected", "retry_this"),
    Unsubscription: done_to(called_off, Kind.MEMBER_SUBSCRIBED, "want_selected"),
    WebhookEndpoint: {
        ADD: Doing(Kind.WEBHOOK_CREATED, data=given(**HOOK)),
        CHANGE: Doing(Kind.WEBHOOK_UPDATED, first(WebhookEndpoint), given(**HOOK)),
        DELETE: Doing(Kind.WEBHOOK_DELETED, first(WebhookEndpoint)),
        **done_to(first(WebhookEndpoint), Kind.WEBHOOK_PING, "ping_this"),
        **done_to(first(WebhookEndpoint), Kind.WEBHOOK_ROTATED, "rotate_this"),
        **done_to(first(WebhookEndpoint), Kind.WEBHOOK_DISABLED, "disable_this"),
        **done_to(switched_off, Kind.WEBHOOK_ENABLED, "enable_this"),
    },
    WebhookDelivery: done_to(first(WebhookDelivery), Kind.WEBHOOK_REDELIVERED,
                             "redeliver_selected", "redeliver_this"),
    Video: {
        **done_to(lambda house: house.video, Kind.VIDEO_REASSIGNED, "reassign_selected",
                  "reassign_this", data=given(owner="alice", anyway="on")),
        **done_to(lambda house: house.video, Kind.VIDEO_DELETED, "delete_selected_videos",
                  "delete_this"),
        **done_to(dropped, Kind.VIDEO_RESTORED, "restore_selected", "restore_this"),
        **done_to(lambda house: house.video, Kind.VIDEO_UPDATED, "rename_this",
                  data=given(name="Holidays")),
    },
    ProcessingJob: {
        **done_to(cancelled, Kind.JOB_REQUEUED, "requeue_selected", "requeue_this"),
        **done_to(lambda house: house.job, Kind.JOB_CANCELLED, "cancel_selected", "cancel_this"),
        **done_to(lambda house: house.job, Kind.JOB_UPDATED, "prioritise_selected",
                  "prioritise_this", data=given(priority="9")),
    },
    Group: {
        ADD: Doing(Kind.GROUP_CREATED, data=given(name="new")),
        CHANGE: Doing(Kind.GROUP_UPDATED, group, given(name="others")),
        DELETE: Doing(Kind.GROUP_DELETED, group),
    },
    PeriodicTask: {
        ADD: Doing(Kind.SCHEDULE_CREATED, data=task_form),
        CHANGE: Doing(Kind.SCHEDULE_UPDATED, task, task_form),
        DELETE: Doing(Kind.SCHEDULE_DELETED, task),
        **done_to(task, Kind.SCHEDULE_UPDATED, "disable_tasks", "toggle_tasks"),
        **done_to(lambda house: off(task(house)), Kind.SCHEDULE_UPDATED, "enable_tasks"),
        **done_to(task, Kind.SCHEDULE_RUN, "run_tasks"),
    },
    CrontabSchedule: {
        ADD: Doing(Kind.SCHEDULE_CREATED, data=given(**CRONTAB)),
        CHANGE: Doing(Kind.SCHEDULE_UPDATED, crontab, given(**CRONTAB)),
        DELETE: Doing(Kind.SCHEDULE_DELETED, crontab),
    },
    IntervalSchedule: {
        ADD: Doing(Kind.SCHEDULE_CREATED, data=given(every="7", period="days")),
        CHANGE: Doing(Kind.SCHEDULE_UPDATED,
                      lambda _: IntervalSchedule.objects.create(every=8, period="days"),
                      given(every="7", period="days")),
        DELETE: Doing(Kind.SCHEDULE_DELETED,
                      lambda _: IntervalSchedule.objects.create(every=8, period="days")),
    },
    ClockedSchedule: {
        ADD: Doing(Kind.SCHEDULE_CREATED, data=given(
            clocked_time_0="2027-01-01", clocked_time_1="00:00:00")),
        CHANGE: Doing(Kind.SCHEDULE_UPDATED,
                      lambda _: ClockedSchedule.objects.create(clocked_time=timezone.now()),
                      given(clocked_time_0="2027-01-01", clocked_time_1="00:00:00")),
        DELETE: Doing(Kind.SCHEDULE_DELETED,
                      lambda _: ClockedSchedule.objects.create(clocked_time=timezone.now())),
    },
    SolarSchedule: {
        ADD: Doing(Kind.SCHEDULE_CREATED, data=given(event="sunset", latitude="1", longitude="2")),
        CHANGE: Doing(Kind.SCHEDULE_UPDATED,
                      lambda _: SolarSchedule.objects.create(
                          event="sunrise", latitude=1, longitude=2),
                      given(event="sunset", latitude="1", longitude="2")),
        DELETE: Doing(Kind.SCHEDULE_DELETED,
                      lambda _: SolarSchedule.objects.create(
                          event="sunrise", latitude=1, longitude=2)),
    },
}  # fmt: skip
EXEMPT: Final[dict[tuple[type[Model], str], str]] = {
    (User, "set_password"): "leads to Django's own page (test_staff_recorded)",
    (User, "password_link_this"): "needs SFTPGo (tests of claims)",
    (Mail, "preview"): "shows letters with sample data",
    (ExternalToken, "verify_this"): "asks a server; what the answer changes is an event",
}
