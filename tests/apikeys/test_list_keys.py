"""Filters and orderings of GET /api/v1/admin/keys: those of the allow-list, and no others."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import ApiKey, Grant, RetiredSecret
from tests import make
from tests.apikeys.calls import KEYS

pytestmark = pytest.mark.django_db


def names(admin_api, query):
    answer = admin_api.get(f"{KEYS}?{query}")
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


@pytest.fixture
def keys():
    """alice's unclaimed key, three of hers, and a service's."""
    alice = make.member()
    made = {name: make.key(alice, name=name).key for name in ("Laptop", "desk 100%", "Old lap")}
    now = timezone.now()
    ApiKey.objects.filter(pk=made["desk 100%"].pk).update(disabled_at=now)
    ApiKey.objects.filter(pk=made["Old lap"].pk).update(
        expires_at=now, last_used_at=now - timedelta(days=1)
    )
    ApiKey.objects.filter(pk=made["Laptop"].pk).update(last_used_at=now)
    make.service_key("metrics")
    return alice


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=LAP", {"Laptop", "Old lap"}),
        ("q=%25", {"desk 100%"}),
        ("q=_", set()),
        ("role=metrics", {"metrics"}),
        ("role=admin", set()),
        ("key_type=service", {"metrics"}),
        ("active=true", {"Laptop", "metrics"}),
        ("active=false", {"desk 100%", "Old lap", "Default key"}),
        ("active=true&q=lap&key_type=user", {"Laptop"}),
    ],
)
def test_filters_narrow(admin_api, keys, query, expected):
    assert set(names(admin_api, query)) == expected


def test_the_owners_filter_shows_theirs_only(admin_api, keys):
    make.key(make.member("bob"), name="bobs")

    assert set(names(admin_api, f"owner={keys.pk}")) == {
        "Laptop", "desk 100%", "Old lap", "Default key",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ordering", "first"),
    [("name", "Default key"), ("-last_used_at", "Laptop"), ("last_used_at", "Old lap"),
     ("expires_at", "Old lap"), ("created_at", "Default key"), ("-created_at", "metrics")],
)  # fmt: skip
def test_orderings(admin_api, keys, ordering, first):
    assert names(admin_api, f"ordering={ordering}")[0] == first


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("digest=x", "?digest"), ("digest__startswith=a", "?digest__startswith"),
        ("owner__password=x", "?owner__password"), ("ordering=digest", "?ordering"),
        ("ordering=name,id", "?ordering"), ("owner=7", "?owner"), ("active=perhaps", "?active"),
        ("active=", "?active"), ("role=emperor", "?role"), ("key_type=x", "?key_type"),
        ("q=" + "x" * 129, "?q"), ("name=x", "?name"),
        ("page=1&page=2", "?page"), ("q=a&q=a", "?q"), ("digest=x&digest=y", "?digest"),
    ],
)  # fmt: skip
def test_any_other_parameter_is_refused_not_ignored(admin_api, keys, query, pointer):
    answer = admin_api.get(f"{KEYS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [pointer]


def test_the_list_costs_the_same_for_two_keys_or_twelve(admin_api, django_assert_num_queries):
    counts = []
    for name in ("alice", "bob"):
        for _ in range(5):
            issued = make.key(make.User.objects.filter(username=name).first() or make.member(name))
            Grant.objects.create(key=issued.key, upstream="echo")
            end = timezone.now() + timedelta(hours=1)
            RetiredSecret.objects.create(key=issued.key, digest="x", ends_at=end)
        admin_api.get(KEYS)
        with django_assert_num_queries(99, exact=False) as captured:
            admin_api.get(KEYS)
        counts.append([query["sql"] for query in captured.captured_queries])

    tables = [sum(f'"{table}"' in sql for sql in counts[1]) for table in
              ("apikeys_grant", "apikeys_tier")]  # fmt: skip
    assert len(counts[0]) == len(counts[1])
    assert tables == [1, 1]
