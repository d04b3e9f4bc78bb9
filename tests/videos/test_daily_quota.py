"""quota_daily: what a member registers within any 24 hours, whatever became of it since."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from momentry.common.errors import MomentryError
from tests import make
from videos.models import Source, Video
from videos.services.registering import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    made = make.member()
    User.objects.filter(pk=made.pk).update(quota_daily=100)
    return made


def arrive(member, path, size, **given):
    return register(member, path, size, source=Source.REST, actor="test", **given)


def refuse(member, path, size):
    with pytest.raises(MomentryError) as refused:
        arrive(member, path, size)
    assert refused.value.code.code == "storage_quota_exceeded"
    return refused.value.extra


def test_a_days_bytes_may_fit_exactly_and_are_then_used_up(member):
    arrive(member, "/a", 60)
    arrive(member, "/b", 40)

    assert refuse(member, "/c", 1) == {
        "window": "day", "quota": 100, "used": 100, "reserved": 0, "requested": 1,
    }  # fmt: skip
    assert arrive(member, "/c", 0).created
    assert not arrive(member, "/a", 60).created


def test_deleting_gives_nothing_of_the_day_back(member):
    arrive(member, "/a", 100)
    Video.objects.update(deleted_at=timezone.now())

    refuse(member, "/b", 1)


def test_what_is_a_day_old_counts_no_more(member):
    arrive(member, "/a", 60)
    arrive(member, "/b", 40)
    Video.objects.filter(path="/a").update(created_at=F("created_at") - timedelta(hours=24))

    arrive(member, "/c", 60)
    refuse(member, "/d", 1)


def test_a_replaced_file_counts_by_what_it_grew(member):
    arrive(member, "/a", 60)

    arrive(member, "/a", 100)
    refuse(member, "/a", 101)


def test_what_is_there_already_is_registered_all_the_same(member):
    assert arrive(member, "/a", 500, anyway=True).created
    refuse(member, "/b", 1)


def test_one_members_day_is_not_anothers(member):
    arrive(make.member("bob"), "/a", 500)

    assert arrive(member, "/a", 100).created
