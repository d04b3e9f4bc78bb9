"""One upstream serves /v1, if any, and it speaks as OpenAI does."""

import pytest
from django.db import IntegrityError, transaction

from proxy.models import Upstream
from tests.apikeys.calls import pointers
from tests.proxy.calls import NEW, UPSTREAMS

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
SERVES = {"usage_format": "openai", "serves_v1": True}


def serving():
    return list(Upstream.objects.filter(serves_v1=True).values_list("slug", flat=True))


def test_it_passes_from_one_to_another(admin_api):
    made = admin_api.post(UPSTREAMS, NEW | SERVES)
    admin_api.post(UPSTREAMS, NEW | {"slug": "next", "usage_format": "openai"})
    early = admin_api.patch(f"{UPSTREAMS}/next", {"serves_v1": True})
    new = admin_api.post(UPSTREAMS, NEW | SERVES | {"slug": "third"})
    taken = admin_api.patch(LLM, {"serves_v1": False})
    then = admin_api.patch(f"{UPSTREAMS}/next", {"serves_v1": True})

    assert (made.json()["serves_v1"], taken.json()["serves_v1"]) == (True, False)
    assert [(answer.status_code, answer.json()["code"]) for answer in (early, new)] == [
        (409, "conflict"), (409, "conflict"),
    ]  # fmt: skip
    assert "/v1" in early.json()["detail"]
    assert (then.status_code, serving()) == (200, ["next"])


def test_it_is_none_of_another_format(admin_api):
    assert pointers(admin_api.post(UPSTREAMS, NEW | {"serves_v1": True})) == ["#/serves_v1"]
    admin_api.post(UPSTREAMS, NEW | SERVES)

    assert pointers(admin_api.patch(LLM, {"usage_format": "none"})) == ["#/serves_v1"]
    assert serving() == ["llm"]
    assert admin_api.put(LLM, {"name": "x", "targets": []}).json()["serves_v1"] is False


def test_the_database_lets_no_second_one_in(admin_api):
    admin_api.post(UPSTREAMS, NEW | SERVES)
    admin_api.post(UPSTREAMS, NEW | {"slug": "next", "usage_format": "openai"})

    with pytest.raises(IntegrityError), transaction.atomic():
        Upstream.objects.update(serves_v1=True)
    assert serving() == ["llm"]
