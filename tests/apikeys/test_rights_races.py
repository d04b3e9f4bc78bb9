"""Two at once on templates, tiers and grants: one is told, and nothing comes back to life."""

import os

import pytest
from rest_framework.test import APIClient

from apikeys.models import ApiKey, Grant, KeyTemplate, LimitOverride, Tier
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS
from tests.apikeys.test_key_races import at_once

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ADMIN = "/api/v1/admin"


def send(method, path, body=None):
    """To be called in a thread of its own."""

    def call():
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")
        return getattr(client, method)(path, body).status_code

    return call


@pytest.mark.parametrize("attempt", range(3))
def test_a_template_goes_or_a_key_remembers_it(attempt):
    KeyTemplate.objects.create(slug="probe", key_type="service", role="metrics")
    body = {"template": "probe", "service_name": "x", "name": "x"}

    issued, removed = at_once(
        send("post", KEYS, body), send("delete", f"{ADMIN}/key-templates/probe")
    )

    assert (issued, removed) in ((201, 409), (422, 204))
    assert ApiKey.objects.filter(template="probe").exists() is (issued == 201)


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (f"{ADMIN}/tiers", {"slug": "twin", "name": "x"}, Tier),
        (f"{ADMIN}/key-templates", {"slug": "twin"}, KeyTemplate),
        (f"{ADMIN}/grants", {"tier": "trial", "upstream": "twin"}, Grant),
    ],
    ids=str,
)
def test_of_two_of_one_name_one_is_made(path, body, model):
    before = model.objects.count()

    assert sorted(at_once(*[send("post", path, body)] * 3)) == [201, 409, 409]
    assert model.objects.count() == before + 1


@pytest.mark.parametrize("attempt", range(3))
def test_what_was_removed_is_not_changed_back_to_life(attempt):
    make.tier("tiny")
    grant = Grant.objects.create(tier_id="trial", upstream="llm")
    KeyTemplate.objects.create(slug="plain")
    changes = {
        f"{ADMIN}/tiers/tiny": {"requests_per_day": 5},
        f"{ADMIN}/grants/{grant.pk}": {"methods": ["GET"]},
        f"{ADMIN}/key-templates/plain": {"max_days": 5},
    }

    for path, body in changes.items():
        changed, removed = at_once(send("patch", path, body), send("delete", path))
        assert (changed in (200, 404), removed) == (True, 204)
        assert send("get", path)() == 404
    assert Event.objects.filter(kind__endswith=":deleted").count() == 3


def test_limits_that_are_set_at_once_are_one_set_or_the_other():
    alice = make.member()
    sets = [{"requests_per_day": 1}, {"requests_per_day": 2, "requests_per_month": 3}]
    path = f"{ADMIN}/users/{alice.pk}/limits"

    codes = at_once(*(send("put", path, wanted) for wanted in sets))

    assert codes == [200, 200]
    rows = LimitOverride.objects.filter(member=alice).values_list("name", "value")
    assert dict(rows) in sets
