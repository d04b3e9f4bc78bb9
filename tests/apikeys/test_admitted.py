"""The admitted key's row is read by hand, and is what the ORM would have made of it."""

import pytest
from django.db.models import Model

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services.admitted import find_admitted
from tests import make
from tests.videos.calls import hook_key

pytestmark = pytest.mark.django_db


def same(one: Model, other: Model) -> bool:
    names = [field.attname for field in type(one)._meta.concrete_fields]
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_a_key_and_its_owner_are_whole_and_cost_one_question(django_assert_num_queries) -> None:
    made = make.key(make.member()).key
    ApiKey.objects.update(metadata={"deep": [1, None]}, scopes=["a:b", "c:d"])
    User.objects.update(locale="de", quota_daily=7)

    with django_assert_num_queries(1):
        found = find_admitted(made.pk)
        assert found is not None
        owner = found.owner

    assert found == made
    assert same(found, ApiKey.objects.get(pk=made.pk))
    assert owner is not None
    assert same(owner, User.objects.get())
    assert not found._state.adding


def test_nobodys_key_has_no_owner_and_an_unknown_one_is_none(django_assert_num_queries) -> None:
    hook_key("hooks:sftpgo")
    key = ApiKey.objects.get()

    with django_assert_num_queries(1):
        found = find_admitted(key.pk)
        assert found is not None
        assert found.owner is None

    assert find_admitted(make.member().pk) is None
