"""Keys from templates: what is not said comes from it, what is said lies inside it, ever after."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey, KeyTemplate, LimitOverride
from tests import make
from tests.apikeys.calls import KEYS, MINE, client, code, pointers

pytestmark = pytest.mark.django_db
DAY, MINUTE = "requests_per_day", "requests_per_minute"
GRANT = {"upstream": "llm", "methods": ["POST"], "paths": ["/v1/"], "models": []}


@pytest.fixture
def template(db):
    return KeyTemplate.objects.create(
        slug="laptop", scopes=["proxy:use"], tier_id="starter", expires_in_days=90,
        rotate_every_days=30, allowed_networks=["192.0.2.0/24"], metadata={"a": 1, "b": {"c": 2}},
        limits={DAY: 500}, grants=[GRANT], max_scopes=["proxy:use", "usage:read"], max_days=100,
        max_limits={DAY: 1000, "requests_per_minute": 30},
    )  # fmt: skip


@pytest.fixture
def alice(db):
    return make.member()


def wanted(alice, **given):
    return {"template": "laptop", "owner": str(alice.pk), "name": "x", **given}


def days_left(body):
    end = datetime.fromisoformat(body["expires_at"])
    return round((end - timezone.now()) / timedelta(days=1), 2)


def test_what_is_not_said_comes_from_the_template(admin_api, template, alice):
    body = admin_api.post(KEYS, wanted(alice)).json()

    assert (body["template"], body["scopes"], body["tier"]) == ("laptop", ["proxy:use"], "starter")
    assert (days_left(body), body["rotate_every_days"]) == (90, 30)
    assert (body["allowed_networks"], body["grants"]) == (["192.0.2.0/24"], [GRANT])
    assert body["metadata"] == {"a": 1, "b": {"c": 2}}
    assert body["limit_overrides"] == {DAY: 500, "requests_per_minute": 30}


def test_what_is_said_inside_its_bounds_wins(admin_api, template, alice):
    said = {
        "scopes": ["usage:read"], "tier": None, "expires_in_days": 100, "rotate_every_days": None,
        "allowed_networks": [], "grants": [],
    }  # fmt: skip
    overrides = {DAY: 1000, "requests_per_month": None}

    body = admin_api.post(
        KEYS, wanted(alice, metadata={"b": 3, "d": 4}, limit_overrides=overrides, **said)
    ).json()

    del said["expires_in_days"]
    assert {name: body[name] for name in said} == said
    assert days_left(body) == 100
    assert body["metadata"] == {"a": 1, "b": 3, "d": 4}
    assert body["limit_overrides"] == overrides | {"requests_per_minute": 30}


OUTSIDE = [
    ({"scopes": ["keys:read"]}, "#/scopes"),
    ({"scopes": ["*:read"]}, "#/scopes"),
    ({"expires_in_days": 101}, "#/expires_at"),
    ({"expires_at": None}, "#/expires_at"),
    ({"limit_overrides": {DAY: 1001}}, f"#/limit_overrides/{DAY}"),
    ({"limit_overrides": {DAY: None}}, f"#/limit_overrides/{DAY}"),
    (
        {"limit_overrides": {"requests_per_minute": 31}},
        "#/limit_overrides/requests_per_minute",
    ),
]


@pytest.mark.parametrize(("given", "pointer"), OUTSIDE, ids=str)
def test_what_is_said_outside_its_bounds_is_422_at_issue_and_ever_after(
    admin_api, template, alice, given, pointer
):
    key = admin_api.post(KEYS, wanted(alice)).json()

    assert pointers(admin_api.post(KEYS, wanted(alice, **given))) == [pointer]
    assert pointers(admin_api.patch(f"{KEYS}/{key['id']}", given)) == [pointer]
    assert admin_api.get(f"{KEYS}/{key['id']}").json().items() <= key.items()
    assert ApiKey.objects.filter(template=template).count() == 1


def test_days_are_counted_from_when_the_key_was_made(admin_api, template, alice):
    key = admin_api.post(KEYS, wanted(alice)).json()
    ApiKey.objects.update(created_at=timezone.now() - timedelta(days=60))
    path = f"{KEYS}/{key['id']}"

    assert pointers(admin_api.patch(path, {"expires_in_days": 41})) == ["#/expires_at"]
    assert admin_api.patch(path, {"expires_in_days": 39}).status_code == 200


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"template": "desktop"}, "#/template"),
        ({"template": 7.5}, "#/template"),
        ({"template": None}, "#/template"),
        ({"key_type": "service", "service_name": "x"}, "#/key_type"),
        ({"service_name": "x"}, "#/service_name"),
        ({"role": "metrics"}, "#/role"),
    ],
    ids=str,
)
def test_a_template_has_its_type(admin_api, template, alice, given, pointer):
    assert pointers(admin_api.post(KEYS, wanted(alice, **given))) == [pointer]


def test_what_nobody_says_is_made_to_fit(admin_api, alice):
    bounds = {"max_scopes": ["keys:read", "usage:read"], "max_days": 5}
    KeyTemplate.objects.create(slug="laptop", max_limits={DAY: 7}, **bounds)

    body = admin_api.post(KEYS, wanted(alice)).json()

    assert set(body["scopes"]) == set(bounds["max_scopes"]) & MEMBER_SCOPES
    assert (days_left(body), body["limit_overrides"]) == (5, {DAY: 7})


def test_a_bound_never_lifts_a_lower_tier(admin_api, alice):
    make.tier("tiny", requests_per_day=3)
    KeyTemplate.objects.create(slug="laptop", tier_id="tiny", max_limits={DAY: 7})

    body = admin_api.post(KEYS, wanted(alice)).json()

    assert body["limit_overrides"] == {DAY: 3}


def test_the_tiers_own_end_stays_when_it_is_sooner(admin_api):
    KeyTemplate.objects.create(slug="laptop", max_days=100)
    trial = make.member("bob", tier="trial")

    assert days_left(admin_api.post(KEYS, wanted(trial)).json()) == 14


def test_overrides_that_are_left_out_of_a_change_are_filled_in(admin_api, template, alice):
    key = admin_api.post(KEYS, wanted(alice, limit_overrides={DAY: 10})).json()

    body = admin_api.patch(f"{KEYS}/{key['id']}", {"limit_overrides": {}}).json()

    assert body["limit_overrides"] == {DAY: 1000, "requests_per_minute": 30}


def test_the_role_counts_among_the_scopes(admin_api):
    KeyTemplate.objects.create(
        slug="laptop", key_type="service", role="metrics", max_scopes=["metrics:read", "usage:read"]
    )
    body = {"template": "laptop", "service_name": "x", "name": "x"}

    made = admin_api.post(KEYS, body)

    assert (made.status_code, made.json()["role"]) == (201, "metrics")
    assert pointers(admin_api.post(KEYS, body | {"role": "validator"})) == ["#/scopes"]
    path = f"{KEYS}/{made.json()['id']}"
    assert pointers(admin_api.patch(path, {"role": "issuer"})) == ["#/scopes"]


def test_a_template_that_narrowed_binds_what_changes_next(admin_api, template, alice):
    key = admin_api.post(KEYS, wanted(alice)).json()
    path = f"{KEYS}/{key['id']}"
    narrowed = {"scopes": [], "expires_in_days": 5, "max_scopes": ["usage:read"], "max_days": 10}
    admin_api.patch("/api/v1/admin/key-templates/laptop", narrowed)

    assert admin_api.patch(path, {"name": "y"}).status_code == 200
    assert admin_api.patch(path, {"expires_in_days": 9}).status_code == 200
    assert pointers(admin_api.patch(path, {"scopes": ["proxy:use", "usage:read"]}))
    refused = admin_api.post(f"{path}/rotate")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert code_of(key) == ""
    assert admin_api.patch(path, {"scopes": ["usage:read"]}).status_code == 200
    assert admin_api.post(f"{path}/rotate").status_code == 200


def code_of(key):
    ApiKey.objects.update(allowed_networks=[])
    return code(key["api_key"])


def test_a_template_gives_a_maker_no_more_than_it_holds(template, alice):
    caller = client(make.service_key("issuer").secret)

    refused = caller.post(KEYS, wanted(alice))
    made = caller.post(KEYS, wanted(alice, scopes=["usage:read"]))

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert (made.status_code, made.json()["scopes"]) == (201, ["usage:read"])


def test_members_know_no_templates(template, alice):
    answer = client(make.key(alice).secret).post(MINE, {"name": "x", "template": "laptop"})

    assert pointers(answer) == ["#/template"]


def test_a_members_key_from_a_template_makes_keys_with_no_more(admin_api, alice):
    KeyTemplate.objects.create(slug="laptop", limits={MINUTE: 5}, max_limits={MINUTE: 9})
    caller = client(admin_api.post(KEYS, wanted(alice)).json()["api_key"])

    made = caller.post(MINE, {"name": "y"}).json()

    assert (made["template"], made["limit_overrides"]) == (None, {MINUTE: 5})
    refused = caller.post(MINE, {"name": "y", "limit_overrides": {MINUTE: 9}})
    assert refused.json()["code"] == "permission_denied"
    assert LimitOverride.objects.count() == 2


def test_a_members_key_from_a_template_with_a_quota_makes_none(admin_api, alice):
    KeyTemplate.objects.create(slug="laptop", limits={DAY: 5}, max_limits={DAY: 9})
    caller = client(admin_api.post(KEYS, wanted(alice)).json()["api_key"])

    assert caller.post(MINE, {"name": "y"}).json()["code"] == "permission_denied"
    assert LimitOverride.objects.count() == 1


def test_keys_are_listed_by_their_template(admin_api, template, alice):
    made = admin_api.post(KEYS, wanted(alice)).json()
    make.key(alice)

    listed = admin_api.get(KEYS, {"template": "laptop"}).json()

    assert [row["id"] for row in listed["results"]] == [made["id"]]
