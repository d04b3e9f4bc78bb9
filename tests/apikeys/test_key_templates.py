"""/api/v1/admin/key-templates: kept only when a key could be made from them, by whoever could."""

import json

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey, Grant, KeyTemplate
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, client, pointers

pytestmark = pytest.mark.django_db
TEMPLATES = "/api/v1/admin/key-templates"
GRANT = {"upstream": "llm", "methods": ["POST"], "paths": ["/v1/"], "models": []}
FULL = {
    "slug": "laptop", "description": "A member's own computer", "key_type": "user", "role": "",
    "scopes": ["proxy:use"], "tier": "starter", "expires_in_days": 90, "rotate_every_days": 30,
    "allowed_networks": ["192.0.2.0/24"], "metadata": {"made": ["here"]},
    "limits": {"requests_per_day": 500, "requests_per_month": None}, "grants": [GRANT],
    "max_scopes": ["proxy:use", "usage:read"], "max_days": 365,
    "max_limits": {"requests_per_day": 1000},
}  # fmt: skip
SERVICE = {"slug": "probe", "key_type": "service", "role": "metrics"}


def test_a_template_is_made_listed_read_changed_and_removed(admin_api):
    made = admin_api.post(TEMPLATES, FULL)
    one = made.headers["Location"]
    changed = admin_api.patch(one, {"max_days": 100, "tier": None})
    read, listed = admin_api.get(one).json(), admin_api.get(TEMPLATES).json()
    removed = admin_api.delete(one)

    assert (made.status_code, one) == (201, f"{TEMPLATES}/laptop")
    assert {name: made.json()[name] for name in FULL} == FULL
    assert set(made.json()) == {*FULL, "created_at"}
    assert changed.json() == made.json() | {"max_days": 100, "tier": None}
    assert (listed["total"], listed["results"]) == (1, [read])
    assert (removed.status_code, KeyTemplate.objects.count()) == (204, 0)
    events = list(Event.objects.filter(subject="key-template:laptop").order_by("id"))
    assert [event.kind.partition(":")[2] for event in events] == ["created", "updated", "deleted"]
    assert json.loads(events[0].details)["after"]["max_days"] == FULL["max_days"]
    assert json.loads(events[1].details) == {
        "fields": ["max_days", "tier"],
        "before": {"max_days": FULL["max_days"], "tier": FULL["tier"]},
        "after": {"max_days": 100, "tier": None},
    }


def test_a_slug_alone_is_a_template_without_bounds(admin_api):
    body = admin_api.post(TEMPLATES, {"slug": "plain"}).json()

    assert (body["key_type"], body["max_scopes"], body["max_limits"]) == ("user", [], {})
    assert (body["max_days"], body["expires_in_days"], body["tier"]) == (None, None, None)


def test_nothing_new_is_no_change_and_no_event(admin_api):
    one = admin_api.post(TEMPLATES, FULL).headers["Location"]
    same = {name: value for name, value in FULL.items() if name != "slug"}

    assert admin_api.patch(one, same).status_code == 200
    assert not Event.objects.filter(kind="key-template:updated").exists()


def test_scopes_are_kept_as_they_were_understood(admin_api):
    body = admin_api.post(TEMPLATES, {"slug": "x", "scopes": ["keys:*"], "max_scopes": ["*:read"]})

    assert pointers(body) == ["#/scopes"]
    made = admin_api.post(TEMPLATES, {"slug": "x", "max_scopes": ["keys:*"]}).json()
    assert made["max_scopes"] == ["keys:read", "keys:write"]


BAD = [
    ({"key_type": "root"}, "#/key_type"),
    ({"role": "issuer"}, "#/role"),
    ({"key_type": "service", "role": "emperor"}, "#/role"),
    ({"key_type": "service", "role": "admin"}, "#/role"),
    ({"key_type": "admin"}, "#/role"),
    ({"scopes": ["keys:fly"]}, "#/scopes/0"),
    ({"scopes": ["metrics:read"]}, "#/scopes/0"),
    ({"max_scopes": ["keys:read", "keys:fly"]}, "#/max_scopes/1"),
    ({"scopes": ["keys:read"], "max_scopes": ["keys:write"]}, "#/scopes"),
    ({"key_type": "service", "role": "issuer", "max_scopes": ["keys:*"]}, "#/scopes"),
    ({"tier": "gold"}, "#/tier"),
    ({"expires_in_days": 0}, "#/expires_in_days"),
    ({"expires_in_days": 10, "max_days": 9}, "#/expires_in_days"),
    ({"max_days": 0}, "#/max_days"),
    ({"rotate_every_days": 0}, "#/rotate_every_days"),
    ({"allowed_networks": ["192.0.2.1/24"]}, "#/allowed_networks/0"),
    ({"metadata": []}, "#/metadata"),
    ({"metadata": {"a": "x" * 65_536}}, "#/metadata"),
    ({"limits": {"monthly": 5}}, "#/limits/monthly"),
    ({"limits": {"requests_per_day": 0}}, "#/limits/requests_per_day"),
    ({"limits": [5]}, "#/limits"),
    ({"max_limits": {"requests_per_day": None}}, "#/max_limits/requests_per_day"),
    ({"max_limits": {"a": 5}}, "#/max_limits/a"),
    (
        {"limits": {"requests_per_day": 6}, "max_limits": {"requests_per_day": 5}},
        "#/limits/requests_per_day",
    ),
    (
        {"limits": {"requests_per_day": None}, "max_limits": {"requests_per_day": 5}},
        "#/limits/requests_per_day",
    ),
    ({"grants": [GRANT, GRANT]}, "#/grants/1/upstream"),
    ({"grants": [{"upstream": "llm", "methods": ["get"]}]}, "#/grants/0/methods/0"),
    ({"created_at": None}, "#/created_at"),
    ({"name": "x"}, "#/name"),
]


@pytest.mark.parametrize(("given", "pointer"), BAD, ids=str)
def test_a_template_that_no_key_could_follow_is_422(admin_api, given, pointer):
    KeyTemplate.objects.create(slug="there")
    before = KeyTemplate.objects.values().get()

    assert pointers(admin_api.post(TEMPLATES, {"slug": "new", **given})) == [pointer]
    assert pointers(admin_api.patch(f"{TEMPLATES}/there", given)) == [pointer]
    assert KeyTemplate.objects.values().get() == before


def test_a_slug_is_taken_once_and_never_changes(admin_api):
    one = admin_api.post(TEMPLATES, FULL).headers["Location"]

    assert admin_api.post(TEMPLATES, FULL).json()["code"] == "conflict"
    assert pointers(admin_api.patch(one, {"slug": "desk"})) == ["#/slug"]
    assert pointers(admin_api.post(TEMPLATES, FULL | {"slug": "a b"})) == ["#/slug"]
    assert pointers(admin_api.get(TEMPLATES, {"q": "x"})) == ["?q"]


def test_a_template_in_use_stays_until_its_last_key_is_purged(admin_api):
    one = admin_api.post(TEMPLATES, SERVICE).headers["Location"]
    body = {"template": "probe", "service_name": "x", "name": "x"}
    key = admin_api.post(KEYS, body).json()
    admin_api.delete(f"{KEYS}/{key['id']}")

    assert admin_api.delete(one).json()["code"] == "conflict"
    ApiKey.objects.update(template=None)
    assert admin_api.delete(one).status_code == 204


@pytest.mark.parametrize(
    "given",
    [
        {"role": "admin", "key_type": "admin"},
        {"scopes": ["jobs:work"]},
        {"scopes": ["*:*"]},
        {"key_type": "user", "role": "", "scopes": ["proxy:use"]},
    ],
    ids=str,
)
def test_an_issuer_makes_no_template_for_more_than_it_holds(given):
    caller = client(make.service_key("issuer").secret)

    assert caller.post(TEMPLATES, SERVICE).status_code == 201
    answers = [
        caller.post(TEMPLATES, SERVICE | {"slug": "more"} | given),
        caller.patch(f"{TEMPLATES}/probe", given),
    ]

    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope"] * 2
    assert KeyTemplate.objects.get().role == "metrics"


def test_an_issuers_reach_bounds_the_grants_of_its_templates():
    issuer = make.service_key("issuer")
    ApiKey.objects.filter(pk=issuer.key.pk).update(scopes=["proxy:use"])
    Grant.objects.create(key=issuer.key, upstream="llm", methods=["POST"])
    caller = client(issuer.secret)

    def give(**given):
        answer = caller.post(TEMPLATES, SERVICE | given)
        return answer.json().get("code", answer.status_code)

    assert give(grants=[{"upstream": "echo"}]) == give(tier="enterprise") == "upstream_forbidden"
    assert give(grants=[GRANT]) == 201


def test_staff_who_are_no_superusers_make_members_templates_only(api):
    clerk = make.staff("clerk", superuser=False)
    clerk.user_permissions.set(Permission.objects.filter(codename__endswith="_keytemplate"))
    api.force_login(clerk)

    assert api.post(TEMPLATES, FULL).status_code == 201
    assert api.post(TEMPLATES, SERVICE).json()["code"] == "permission_denied"
    refused = api.patch(f"{TEMPLATES}/laptop", {"key_type": "service", "scopes": []})
    assert refused.json()["code"] == "permission_denied"


def test_a_repeat_with_an_idempotency_key_is_one_template(admin_api):
    answers = [admin_api.post(TEMPLATES, FULL, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
