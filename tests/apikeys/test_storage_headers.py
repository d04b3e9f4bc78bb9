"""What a member may still store, in RateLimit fields and at /me; what stood there before stays."""

import pytest
from django.db import OperationalError

from accounts.models import User
from accounts.services import allowance
from apikeys.api import storage
from tests import make
from tests.apikeys.calls import client
from videos.models import Source, Video

pytestmark = pytest.mark.django_db
ME = "/api/v1/me"
POLICY = '"second";q=20;w=1, "minute";q=600;w=60, "concurrent";q=20;qu="concurrent-requests", '


@pytest.fixture
def alice():
    made = make.member()
    User.objects.update(quota_size=100, quota_used=30, quota_reserved=5)
    return made


def ask(member, path=ME):
    return client(make.key(member).secret).get(path)


def storage_in(answer):
    """Of both fields, the items of storage."""
    fields = (answer.headers["RateLimit-Policy"], answer.headers["RateLimit"])
    return [[item for item in field.split(", ") if "storage" in item] for field in fields]


def test_storage_follows_what_was_told_before(alice):
    answer = ask(alice)

    policy, left = answer.headers["RateLimit-Policy"], answer.headers["RateLimit"]
    assert policy.startswith(POLICY)
    assert policy.endswith(', "storage";q=100;qu="content-bytes"')
    assert left.endswith(', "storage";r=65')
    assert answer.headers["X-RateLimit-Limit"] == "20"
    assert answer.json()["storage"] == {"quota": 100, "used": 30, "reserved": 5, "daily": None}


def test_the_day_is_told_beside_it(alice, monkeypatch):
    User.objects.update(quota_daily=40)
    monkeypatch.setattr(allowance.day, "counted", lambda _: 7)

    answer = ask(alice)

    assert answer.json()["storage"]["daily"] == {"quota": 40, "used": 12}
    assert storage_in(answer) == [
        ['"storage";q=100;qu="content-bytes"', '"storage-day";q=40;w=86400;qu="content-bytes"'],
        ['"storage";r=65', '"storage-day";r=28'],
    ]


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"quota_size": None}, [[], []]),
        ({"quota_used": 900}, [['"storage";q=100;qu="content-bytes"'], ['"storage";r=0']]),
        ({"quota_size": 2**63 - 1},
         [['"storage";q=999999999999999;qu="content-bytes"'], ['"storage";r=999999999999999']]),
    ],
)  # fmt: skip
def test_unlimited_says_nothing_and_figures_stay_within_the_fields_bounds(alice, figures, told):
    User.objects.update(**figures)

    assert storage_in(ask(alice)) == told


def test_other_routes_and_services_keys_are_told_as_before(alice):
    assert storage_in(ask(alice, "/api/v1/me/keys")) == [[], []]
    service = client(make.service_key().secret).get(ME)
    assert service.status_code == 200
    assert "storage" not in service.headers.get("RateLimit-Policy", "")


def test_a_database_that_goes_away_in_between_costs_the_field_only(alice, monkeypatch):
    def away(_):
        raise OperationalError

    monkeypatch.setattr(storage, "allowance_of", away)

    assert storage.told(alice.pk, None) == ()


def test_what_videos_count_is_asked_of_them(alice):
    User.objects.update(quota_daily=40)
    Video.objects.create(owner=alice, path="/a", name="a", size=9, source=Source.REST)

    assert ask(alice).json()["storage"]["daily"] == {"quota": 40, "used": 14}
