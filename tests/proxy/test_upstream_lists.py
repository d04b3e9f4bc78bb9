"""The list of upstreams: pages, filters and orderings, and no others (RES-05, ACL-01)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from proxy.models import Target, Upstream
from tests import make
from tests.apikeys.calls import pointers
from tests.proxy.calls import UPSTREAMS

pytestmark = pytest.mark.django_db


def some(count):
    rows = [Upstream(slug=f"up-{number:03}", name=f"N{number}") for number in range(count)]
    made = Upstream.objects.bulk_create(rows)
    for number, row in enumerate(made):
        target = Target.objects.create(upstream=row, base_url=f"http://h{number}.test")
        make.keep_credential(target, "x" * 20)


def slugs(answer):
    assert answer.status_code == 200, answer.content
    return [row["slug"] for row in answer.json()["results"]]


def test_a_list_comes_in_pages_newest_first(admin_api):
    some(25)

    first, second = admin_api.get(UPSTREAMS), admin_api.get(UPSTREAMS, {"page": 2})
    seven = admin_api.get(UPSTREAMS, {"page": 3, "page_size": 7})
    past = admin_api.get(UPSTREAMS, {"page": 9})

    assert first.json() | {"results": []} == {
        "total": 25, "page": 1, "page_size": 20, "results": [],
    }  # fmt: skip
    assert slugs(first) + slugs(second) == [f"up-{number:03}" for number in reversed(range(25))]
    assert slugs(seven) == [f"up-{number:03}" for number in reversed(range(4, 11))]
    assert (past.status_code, slugs(past)) == (200, [])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page=0", "?page"), ("page=-1", "?page"), ("page=x", "?page"), ("page=1e3", "?page"),
        ("page=", "?page"), ("page=%00", "?page"), ("page=9999999999", "?page"),
        ("page_size=0", "?page_size"), ("page_size=101", "?page_size"),
        ("page=1&page=2", "?page"), ("active=x", "?active"), ("injection=body", "?injection"),
        ("usage_format=x", "?usage_format"), ("q=" + "x" * 101, "?q"),
        ("ordering=version", "?ordering"), ("ordering=targets__credential", "?ordering"),
        ("targets__credential__startswith=s", "?targets__credential__startswith"),
        ("is_active=true", "?is_active"), ("slug=x", "?slug"), ("q=a&q=b", "?q"),
    ],
)  # fmt: skip
def test_other_parameters_and_values_are_refused(admin_api, query, pointer):
    answer = admin_api.get(f"{UPSTREAMS}?{query}")

    if answer.status_code == 400:  # NUL, refused for every route
        assert "%00" in query
    else:
        assert pointers(answer) == [pointer]


def test_a_list_is_filtered_and_ordered(admin_api):
    make.upstream("alpha", injection="query", injection_name="k")
    make.upstream("beta", is_active=False, usage_format="openai")
    Upstream.objects.filter(slug="beta").update(name="A 100%")

    def found(**filters):
        return slugs(admin_api.get(UPSTREAMS, filters))

    assert found() == ["beta", "alpha"]
    assert (found(active="true"), found(active="false")) == (["alpha"], ["beta"])
    assert (found(injection="query"), found(usage_format="openai")) == (["alpha"], ["beta"])
    assert (found(q="ALPH"), found(q="100%"), found(q="%a%")) == (["alpha"], ["beta"], [])
    assert found(ordering="slug") == found(ordering="created_at") == ["alpha", "beta"]
    assert found(ordering="name") == found(ordering="-slug") == ["beta", "alpha"]


def test_a_page_costs_as_many_queries_whatever_is_on_it(admin_api):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert admin_api.get(UPSTREAMS, {"page_size": 100}).status_code == 200
        return len(found)

    some(1)
    one = queries()
    Upstream.objects.all().delete()
    some(40)

    assert queries() == one
