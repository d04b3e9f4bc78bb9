"""A house with one of everything, and people to look at it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Site, User
from apikeys.models import ApiKey, Counter, Grant, KeyTemplate
from apikeys.requestlog import row
from events import mail
from momentry.common.ids import uuid7
from provisioning.models import InboxEvent, Outcome, ProvisioningTask, SftpgoAccount, System
from proxy.models import Upstream
from tests import make
from tests.events import hooks
from tests.videos import rows
from videos.models import ProcessingJob, Upload, Video

CREDENTIAL = "sk-upstream-credential-never-shown"
TOKEN = "external-token-never-shown-9f1c0a7e"


class House:
    """alice has an unclaimed key, bob a claimed one; a site, an upstream, a letter, a log row; bob
    has a video with a job, and an upload on its way."""

    site: Site
    alice: User
    bob: User
    unclaimed: ApiKey
    claimed: ApiKey
    secret: str
    upstream: Upstream
    request_id: UUID
    video: Video
    job: ProcessingJob
    upload: Upload


def log_row(key: ApiKey, **given: Any) -> UUID:
    values: dict[str, Any] = {
        "ts": timezone.now(), "id": uuid7(), "method": "GET", "path": "/v1/models", "status": 200,
        "key_id": key.pk, "member_id": key.owner_id, "upstream": "echo", "total_ms": 12.5,
    }  # fmt: skip
    entry = row.LogRow(**{**values, **given})
    marks = ", ".join(["%s"] * len(row.COLUMNS))
    with connection.cursor() as cursor:
        cursor.execute("SELECT momentry_request_log_partition(%s)", [entry.ts.date()])
        cursor.execute(
            f"INSERT INTO {row.TABLE} ({', '.join(row.COLUMNS)}) VALUES ({marks})", entry
        )
    return UUID(str(entry.id))


@pytest.fixture
def house(db: None) -> House:
    made = House()
    made.site = make.site()
    registered = make.registered("alice", site=made.site, wordpress_id=7)
    made.alice, made.unclaimed = registered.member, registered.key
    made.bob = make.member("bob")
    made.claimed, made.secret = make.key(made.bob)
    made.upstream = make.upstream(injection="header", credential=CREDENTIAL)
    made.request_id = log_row(made.claimed)
    Grant.objects.create(member=made.alice, upstream="echo", methods=["GET"])
    KeyTemplate.objects.create(slug="desk", max_days=30)
    now = timezone.now()
    Counter.objects.create(
        subject=f"member:{made.bob.pk.hex}", metric="requests", period="month",
        period_start=now - timedelta(days=1), used=3, limit=10,
    )  # fmt: skip
    InboxEvent.objects.create(
        site=made.site, event_id="evt-1", type="user.registered", sequence=1,
        outcome=Outcome.APPLIED, member=made.alice,
    )  # fmt: skip
    ProvisioningTask.objects.create(member=made.alice, system=System.SFTPGO)
    SftpgoAccount.objects.create(member=made.alice, username="alice", home_dir="/data/alice")
    make.external_token(token=TOKEN, owner=made.alice)
    hooks.endpoint()
    mail.queue("welcome", recipient="hidden.person@example.org", claim="0" * 32)
    made.video = rows.video(made.bob)
    made.job = rows.job(made.video)
    made.upload = rows.upload(made.bob)
    return made


def staff(username: str, **given: Any) -> User:
    """Without a password: hashing one for every test would be most of their time."""
    user = User(username=username, is_staff=True, **given)
    user.set_unusable_password()
    user.save()
    return user


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root(db: None) -> Client:
    return logged_in(staff("root", is_superuser=True))


def clerk(*codenames: str, username: str = "clerk") -> Client:
    """A staff user with just these permissions."""
    user = staff(username)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return logged_in(user)


@pytest.fixture
def viewer(house: House) -> Client:
    """May see everything and do nothing."""
    user = staff("viewer")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return logged_in(user)
