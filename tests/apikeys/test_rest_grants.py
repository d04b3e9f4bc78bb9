"""/api/v1/admin/grants: of tiers, members and keys; nobody gives more than they hold."""

import uuid

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey, Grant
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, client, pointers

pytestmark = pytest.mark.django_db
GRANTS = "/api/v1/admin/grants"
NOBODY = str(uuid.UUID(int=7))  # of no member and no key
LLM = {"upstream": "llm"}


def test_a_grant_is_made_listed_read_changed_and_removed(admin_api):
    said = {"tier": "starter", "upstream": "llm", "methods": ["POST"], "paths": ["/v1/"]}

    made = admin_api.post(GRANTS, said)
    one = made.headers["Location"]
    changed = admin_api.patch(one, {"methods": []})
    read, listed = admin_api.get(one).json(), admin_api.get(GRANTS).json()
    removed = admin_api.delete(one)

    assert (made.status_code, made.json()) == (201, made.json() | said)
    assert (made.json()["member"], made.json()["key"]) == (None, None)
    assert changed.json() == made.json() | {"methods": []}
    assert (listed["total"], listed["results"][0]) == (5, read)
    assert (removed.status_code, Grant.objects.filter(upstream="llm").exists()) == (204, False)
    events = Event.objects.filter(subject=f"grant:{read['id']}").order_by("id")
    assert [event.kind for event in events] == [
        "grant:created", "grant:updated", "grant:deleted",
    ]  # fmt: skip
    assert '"of": "tier:starter"' in events[0].details


def test_a_list_is_filtered(admin_api):
    alice = make.member()
    key = make.key(alice).key
    Grant.objects.create(member=alice, upstream="llm")
    Grant.objects.create(key=key, upstream="llm")

    def total(**filters):
        return admin_api.get(GRANTS, filters).json()["total"]

    assert total() == 6
    assert total(member=alice.pk) == total(key=key.pk) == total(tier="trial") == 1
    assert (total(upstream="echo"), total(upstream="llm", tier="trial")) == (4, 0)
    assert pointers(admin_api.get(GRANTS, {"paths": "/"})) == ["?paths"]
    assert pointers(admin_api.get(GRANTS, {"member": "x"})) == ["?member"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "#/upstream"),
        ({"upstream": "l l m", "tier": "trial"}, "#/upstream"),
        (LLM, "#"),
        (LLM | {"tier": "trial", "member": NOBODY}, "#"),
        (LLM | {"tier": "gold"}, "#/tier"),
        (LLM | {"member": NOBODY}, "#/member"),
        (LLM | {"key": NOBODY}, "#/key"),
        (LLM | {"key": 7}, "#/key"),
        (LLM | {"tier": None}, "#/tier"),
        (LLM | {"tier": "trial", "methods": ["get"]}, "#/methods/0"),
        (LLM | {"tier": "trial", "paths": ["v1"]}, "#/paths/0"),
        (LLM | {"tier": "trial", "paths": ["/" * 201]}, "#/paths/0"),
        (LLM | {"tier": "trial", "id": 7}, "#/id"),
        (LLM | {"tier": "trial", "created_at": None}, "#/created_at"),
    ],
    ids=str,
)
def test_faults_have_pointers_and_make_nothing(admin_api, given, pointer):
    before = Grant.objects.count()

    assert pointer in pointers(admin_api.post(GRANTS, given))
    assert Grant.objects.count() == before


@pytest.mark.parametrize("name", ["tier", "member", "key", "upstream", "id", "created_at"])
def test_whose_it_is_and_the_upstream_never_change(admin_api, name):
    grant = Grant.objects.get(tier="trial")

    assert pointers(admin_api.patch(f"{GRANTS}/{grant.pk}", {name: "x"})) == [f"#/{name}"]


def test_one_upstream_has_one_grant(admin_api):
    answer = admin_api.post(GRANTS, {"tier": "starter", "upstream": "echo"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_keys_grant_is_in_its_json_and_raises_its_version(admin_api):
    key = make.key().key
    path = f"{KEYS}/{key.pk}"
    before = admin_api.get(path).json()["version"]

    made = admin_api.post(GRANTS, LLM | {"key": str(key.pk)}).json()
    after = admin_api.get(path).json()
    admin_api.delete(f"{GRANTS}/{made['id']}")

    assert after["grants"] == [{"upstream": "llm", "methods": [], "paths": [], "models": []}]
    assert after["version"] == before + 1
    assert admin_api.get(path).json()["version"] == before + 2


def test_a_key_that_ended_gets_no_grant(admin_api):
    key = make.key().key
    admin_api.delete(f"{KEYS}/{key.pk}")

    assert admin_api.post(GRANTS, LLM | {"key": str(key.pk)}).status_code == 409


def issuer(*, scopes=(), **grant):
    """A service key that may call one upstream."""
    made = make.service_key("issuer")
    ApiKey.objects.filter(pk=made.key.pk).update(scopes=["proxy:use", *scopes])
    Grant.objects.create(key=made.key, **grant)
    return client(made.secret)


@pytest.mark.parametrize("subject", ["tier", "member"])
def test_an_issuer_grants_nothing_to_tiers_and_members(subject):
    alice = make.member()
    held = Grant.objects.create(member=alice, upstream="own", methods=["GET"])
    mine = {"tier": "starter", "member": str(alice.pk)}[subject]
    other = held.pk if subject == "member" else Grant.objects.get(tier="starter").pk
    caller = issuer(upstream="llm")

    answers = [
        caller.post(GRANTS, LLM | {subject: mine}),
        caller.patch(f"{GRANTS}/{other}", {"methods": []}),
        caller.delete(f"{GRANTS}/{other}"),
    ]

    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope"] * 3


def test_an_issuer_grants_to_services_within_its_own_reach():
    caller = issuer(upstream="llm", methods=["POST"], paths=["/v1/"])
    weak = make.service_key("metrics").key

    def give(**grant):
        answer = caller.post(GRANTS, {"key": str(weak.pk), "upstream": "llm", **grant})
        return answer.json().get("code", answer.status_code)

    assert give() == give(methods=["POST"]) == give(upstream="echo") == "upstream_forbidden"
    assert give(methods=["POST"], paths=["/v1/chat"]) == 201
    one = f"{GRANTS}/{Grant.objects.get(key=weak).pk}"
    assert caller.patch(one, {"methods": []}).json()["code"] == "upstream_forbidden"
    assert caller.patch(one, {"paths": ["/v1/"]}).status_code == 200


def test_an_issuer_grants_nothing_to_stronger_keys():
    caller, admin = issuer(upstream="llm"), make.service_key("admin").key

    answer = caller.post(GRANTS, LLM | {"key": str(admin.pk)})

    assert answer.json()["code"] == "insufficient_scope"


def test_taking_the_last_grant_away_is_judged_as_what_is_left(api):
    """Without grants of its own a key in a tier has the tier's."""
    caller = issuer(upstream="llm")
    weak = make.service_key("metrics").key
    ApiKey.objects.filter(pk=weak.pk).update(tier="enterprise")
    grant = Grant.objects.create(key=weak, upstream="llm")

    answer = caller.delete(f"{GRANTS}/{grant.pk}")

    assert answer.json()["code"] == "upstream_forbidden"
    assert Grant.objects.filter(pk=grant.pk).exists()


def test_staff_grant_to_members_and_tiers_but_not_to_services(api):
    clerk, alice = make.staff("clerk", superuser=False), make.member()
    clerk.user_permissions.set(Permission.objects.filter(codename__endswith="_grant"))
    api.force_login(clerk)
    service = make.service_key("metrics").key

    assert api.post(GRANTS, LLM | {"member": str(alice.pk)}).status_code == 201
    assert api.post(GRANTS, LLM | {"tier": "starter"}).status_code == 201
    assert api.post(GRANTS, LLM | {"key": str(make.key(alice).key.pk)}).status_code == 201
    refused = api.post(GRANTS, LLM | {"key": str(service.pk)})
    assert refused.json()["code"] == "permission_denied"
