"""What binds a key binds the keys made with it, whoever is named as their owner (ACL-04)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import ApiKey, KeyTemplate, LimitOverride
from apikeys.services.makers import QUOTAS
from tests import make
from tests.apikeys.calls import KEYS, MINE, client

pytestmark = pytest.mark.django_db
SERVICE = {"name": "y", "service_name": "y", "role": "issuer"}
END = timezone.now() + timedelta(days=1)
INSIDE = {"expires_at": END.isoformat(), "allowed_networks": ["127.0.0.0/8"]}
MONTH = "requests_per_month"


def told(answer):
    """ "" when it was done, else the code of the refusal."""
    return "" if answer.status_code in (200, 201) else answer.json()["code"]


@pytest.fixture
def alice():
    return make.member()


@pytest.fixture
def bounded():
    """An issuer's key with an end, networks and a limit on bursts, and who calls with it."""
    issued = make.service_key("issuer")
    ApiKey.objects.filter(pk=issued.key.pk).update(expires_at=END, allowed_networks=["127.0.0.0/8"])
    LimitOverride.objects.create(key=issued.key, name="requests_per_minute", value=50)
    return client(issued.secret)


OUTSIDE = {
    "end": {"expires_at": None},
    "networks": {"allowed_networks": []},
    "limits": {"limit_overrides": {"requests_per_minute": 51}},
}


@pytest.mark.parametrize("given", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("owned", [False, True], ids=["no owner", "owner"])
def test_no_owner_takes_the_bounds_of_its_maker_off_a_service_key(bounded, alice, given, owned):
    fine = SERVICE | INSIDE | {"limit_overrides": {"requests_per_minute": 50}}
    whose = {"owner": str(alice.pk)} if owned else {}
    wanted = fine | whose | given
    template = {"slug": "t", "key_type": "service", "role": "issuer"}
    KeyTemplate.objects.create(**template)

    assert told(bounded.post(KEYS, wanted)) == "permission_denied"
    assert told(bounded.post(KEYS, wanted | {"template": "t"})) == "permission_denied"
    for route in ("batch", "import"):
        answer = bounded.post(f"{KEYS}/{route}", {"keys": [{**wanted, "key_type": "service"}]})
        assert told(answer) == "permission_denied", answer.content
    assert not ApiKey.objects.filter(name="y").exists()
    assert told(bounded.post(KEYS, fine | whose)) == ""


def test_a_wider_key_of_a_service_is_neither_rotated_nor_changed(bounded, alice):
    wide = make.service_key("issuer").key
    ApiKey.objects.filter(pk=wide.pk).update(owner=alice)
    path = f"{KEYS}/{wide.pk}"

    assert told(bounded.post(f"{path}/rotate")) == "permission_denied"
    assert told(bounded.patch(path, {"scopes": ["keys:read"]})) == "permission_denied"


def test_a_members_key_is_bound_by_its_member_instead(bounded, alice):
    wanted = {"owner": str(alice.pk), "name": "x", "expires_at": None}

    assert told(bounded.post(KEYS, wanted)) == ""
    assert told(bounded.post(f"{KEYS}/batch", {"keys": [wanted]})) == ""


@pytest.mark.parametrize("name", [limit.value for limit in QUOTAS])
def test_a_key_with_a_quota_of_its_own_hands_out_no_other(name, alice):
    issuer, laptop, spare = make.service_key("issuer"), make.key(alice), make.key(alice)
    for issued in (issuer, laptop, spare):
        LimitOverride.objects.create(key=issued.key, name=name, value=100)
    caller, member = client(issuer.secret), client(laptop.secret)
    limits = {"limit_overrides": {name: 1}}
    theirs = {"owner": str(alice.pk), "name": "x"}

    answers = [
        member.post(MINE, {"name": "x"} | limits),
        member.post(f"{MINE}/{spare.key.pk}/rotate"),
        caller.post(KEYS, SERVICE | limits),
        caller.post(KEYS, theirs | limits),
        caller.post(f"{KEYS}/batch", {"keys": [theirs]}),
        caller.post(f"{KEYS}/import", {"keys": [theirs]}),
        caller.post(f"{KEYS}/{spare.key.pk}/rotate"),
        caller.post("/api/v1/admin/key-templates", {"slug": "t"}),
    ]

    assert [told(answer) for answer in answers] == ["permission_denied"] * len(answers)
    assert told(member.post(f"{MINE}/{laptop.key.pk}/rotate")) == ""
    assert told(caller.post(f"{KEYS}/{issuer.key.pk}/rotate")) == ""


def test_a_quota_by_a_tier_of_its_own_counts_too(alice):
    issued = make.key(alice)
    ApiKey.objects.filter(pk=issued.key.pk).update(tier=make.tier("own", requests_per_month=7))
    caller = client(issued.secret)

    assert told(caller.post(MINE, {"name": "x"})) == "permission_denied"
    LimitOverride.objects.create(key=issued.key, name=MONTH, value=None)
    assert told(caller.post(MINE, {"name": "x"})) == ""


def test_who_holds_everything_hands_out_in_spite_of_a_quota():
    admin = make.service_key("admin")
    LimitOverride.objects.create(key=admin.key, name=MONTH, value=100)

    assert told(client(admin.secret).post(KEYS, SERVICE)) == ""
