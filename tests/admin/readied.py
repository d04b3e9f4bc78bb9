"""Rows of the admin's house, made ready for what is to be done to them."""

from typing import Any, Final

from django.contrib.auth.models import Group
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from accounts.models import Site, Status, User
from apikeys.models import ApiKey, Grant
from events.hookmodels import WebhookEndpoint
from events.mailmodels import Unsubscription
from events.models import Mail
from events.topics import Topic
from events.unsubscribing import Subscription, unsubscribe
from events.webhooks.services import set_active
from provisioning.models import ProvisioningTask, TaskState, WakeUp
from provisioning.services.members import delete_member, suspend_member
from proxy.models import Price, Upstream, UpstreamModel
from tests import make
from tests.admin.conftest import House
from tests.events import hooks
from videos.models import ProcessingJob, Video
from videos.services import jobs, library


def suspended(house: House) -> User:
    suspend_member(house.bob, reason="x", actor="test")
    return house.bob


def deleted(house: House) -> User:
    delete_member(house.bob, actor="test")
    return house.bob


def pending(house: House) -> User:
    """Of a WordPress site, and with the name of somebody who lives."""
    return make.member("Bob", email="", site=house.site, wordpress_id=99)


def freed(house: House) -> User:
    waits = pending(house)
    User.objects.filter(pk=house.bob.pk).update(status=Status.DELETED)
    return waits


def disabled(house: House) -> ApiKey:
    ApiKey.objects.filter(pk=house.claimed.pk).update(disabled_at=timezone.now())
    return house.claimed


def failed(house: House) -> Mail:
    Mail.objects.update(failed_at=timezone.now())
    return Mail.objects.order_by("id")[0]


def called_off(house: House) -> Unsubscription:
    unsubscribe(Subscription(house.bob.pk, Topic.EXPIRY), actor="test")
    return Unsubscription.objects.get()


def switched_off(_: House) -> WebhookEndpoint:
    row = WebhookEndpoint.objects.get()
    set_active(row, False, actor="test")
    return row


def dead(_: House) -> ProvisioningTask:
    ProvisioningTask.objects.update(state=TaskState.DEAD)
    return ProvisioningTask.objects.get()


def cancelled(house: House) -> ProcessingJob:
    jobs.cancel_open(house.job, "test")
    return house.job


def dropped(house: House) -> Video:
    library.delete_video(house.video.pk, actor="test")
    return house.video


def two_secrets(house: House) -> Site:
    house.site.webhook_secret_previous = make.webhook_secret(8)
    house.site.save()
    return house.site


def asked_for(house: House) -> WakeUp:
    return WakeUp.objects.create(site=house.site, wordpress_id=5, due_at=timezone.now())


def group(_: House) -> Group:
    return Group.objects.create(name="helpers")


def task(_: House) -> PeriodicTask:
    every, _made = IntervalSchedule.objects.get_or_create(every=9, period="days")
    return PeriodicTask.objects.create(
        name="own", task="apikeys.tasks.purge_holds", interval=every, enabled=True
    )


def task_form(house: House, **values: Any) -> dict[str, Any]:
    every, _made = IntervalSchedule.objects.get_or_create(every=9, period="days")
    return {
        "name": "another", "task": "apikeys.tasks.purge_holds", "interval": every.pk,
        "args": "[]", "kwargs": "{}", "headers": "{}", "enabled": "on", **values,
    }  # fmt: skip


def crontab(_: House) -> CrontabSchedule:
    return CrontabSchedule.objects.create(minute="7")


CRONTAB: Final = {
    "minute": "9", "hour": "*", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*",
    "timezone": "UTC",
}  # fmt: skip
SITE: Final = {"name": "blog", "url": "https://blog.example.org/"}
HOOK: Final = {"url": hooks.PUBLIC, "description": "the blog", "kinds": "apikey:*"}
RULE: Final = {"network": "203.0.113.0/24", "kind": "block", "note": "", "expires_at_0": ""}


def bobs_grant(house: House) -> Grant:
    return Grant.objects.create(member=house.bob, upstream="llm")


def offered(house: House) -> UpstreamModel:
    return UpstreamModel.objects.create(upstream=house.upstream, name="m")


def priced(house: House) -> Price:
    return Price.objects.create(
        upstream=house.upstream, model="gpt*", input_micro=5, output_micro=6
    )


def offering(house: House) -> dict[str, Any]:
    Upstream.objects.update(usage_format="openai")
    return {"upstream": str(house.upstream.pk), "name": "new", "is_active": "on", "targets": ""}


def off(row: PeriodicTask) -> PeriodicTask:
    PeriodicTask.objects.filter(pk=row.pk).update(enabled=False)
    return row
