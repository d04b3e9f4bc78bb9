"""Nobody hands out more than they hold (ACL-04): issued, updated or rotated, by whomever."""

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey, Grant
from tests import make
from tests.apikeys.calls import KEYS, MINE, client, code

pytestmark = pytest.mark.django_db
SERVICE = {"service_name": "n8n", "name": "n8n"}


def limited(owner=None, *, grants=(), **values):
    """A member's key that has less than its member."""
    issued = make.key(owner)
    ApiKey.objects.filter(pk=issued.key.pk).update(**values)
    for grant in grants:
        Grant.objects.create(key=issued.key, **grant)
    issued.key.refresh_from_db()
    return issued


def refusal(answer):
    assert answer.status_code == 403, answer.content
    return answer.json()["code"]


@pytest.mark.parametrize(
    "given",
    [
        {"role": "admin"},
        {"scopes": ["*:*"]},
        {"scopes": ["keys:*"]},
        {"scopes": ["*:read"]},
        {"scopes": ["proxy:use"]},
        {"scopes": ["jobs:work"]},
        {"role": "metrics", "scopes": ["hooks:sftpgo"]},
    ],
    ids=str,
)
def test_an_issuer_gives_no_more_than_its_role(given):
    issuer = make.service_key("issuer")

    assert refusal(client(issuer.secret).post(KEYS, SERVICE | given)) == "insufficient_scope"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("role", ["metrics", "validator", "issuer"])
def test_an_issuer_gives_roles_up_to_its_own(role):
    answer = client(make.service_key("issuer").secret).post(KEYS, SERVICE | {"role": role})

    assert (answer.status_code, answer.json()["role"]) == (201, role)


def test_what_an_issuer_gives_unasked_is_what_it_holds():
    alice = make.member()

    body = client(make.service_key().secret).post(KEYS, {"owner": str(alice.pk), "name": "x"})

    assert body.json()["scopes"] == ["keys:read", "keys:write", "usage:read"]


def test_an_admin_key_gives_everything():
    admin = client(make.service_key("admin").secret)

    assert admin.post(KEYS, SERVICE | {"role": "admin"}).status_code == 201


def test_an_issuer_neither_rotates_nor_widens_a_stronger_key():
    issuer, admin = client(make.service_key().secret), make.service_key("admin")
    weak = make.service_key("metrics")
    path, weak_path = f"{KEYS}/{admin.key.pk}", f"{KEYS}/{weak.key.pk}"

    assert refusal(issuer.post(f"{path}/rotate")) == "insufficient_scope"
    assert refusal(issuer.patch(path, {"allowed_networks": ["192.0.2.0/24"]}))
    assert refusal(issuer.patch(weak_path, {"scopes": ["*:*"]})) == "insufficient_scope"
    assert issuer.patch(path, {"name": "other"}).status_code == 200
    assert issuer.patch(weak_path, {"scopes": ["keys:read"]}).status_code == 200
    assert code(admin.secret) == ""


def test_a_key_does_not_widen_itself():
    issuer = make.service_key()

    answer = client(issuer.secret).patch(f"{KEYS}/{issuer.key.pk}", {"scopes": ["*:*"]})

    assert refusal(answer) == "insufficient_scope"


def test_a_service_gives_upstreams_within_its_own_grants():
    maker = make.service_key()
    ApiKey.objects.filter(pk=maker.key.pk).update(scopes=["proxy:use"])
    Grant.objects.create(key=maker.key, upstream="llm", methods=["POST"], paths=["/v1/"])
    caller, body = client(maker.secret), SERVICE | {"scopes": ["proxy:use"]}

    def give(**grant):
        return caller.post(KEYS, body | {"grants": [grant]})

    inside = {"methods": ["POST"], "paths": ["/v1/chat"]}
    assert give(upstream="llm", **inside).status_code == 201
    assert refusal(give(upstream="echo", **inside)) == "upstream_forbidden"
    assert refusal(give(upstream="llm", methods=["POST"])) == "upstream_forbidden"
    assert refusal(give(upstream="llm", paths=["/v1/chat"])) == "upstream_forbidden"
    assert refusal(give(upstream="llm", methods=["POST", "GET"], paths=["/v1/"]))
    assert refusal(caller.post(KEYS, body | {"tier": "enterprise"})) == "upstream_forbidden"


def test_models_are_given_within_the_makers_own():
    maker = make.service_key()
    ApiKey.objects.filter(pk=maker.key.pk).update(scopes=["proxy:use"])
    Grant.objects.create(key=maker.key, upstream="llm", models=["small", "large"])
    caller, body = client(maker.secret), SERVICE | {"scopes": ["proxy:use"]}

    def give(*models):
        grants = [{"upstream": "llm", "models": models}]
        return caller.post(KEYS, body | {"grants": grants})

    assert give("small").json()["grants"][0]["models"] == ["small"]
    assert give("large", "small").status_code == 201
    for models in ([], ["tiny"], ["small", "tiny"], ["Small"]):
        assert refusal(give(*models)) == "upstream_forbidden"


def test_a_members_models_bind_the_keys_made_with_its_key():
    alice = make.member()
    Grant.objects.create(member=alice, upstream="llm", models=["small", "large"])
    caller = client(limited(alice, grants=[{"upstream": "llm", "models": ["small"]}]).secret)

    def give(*models):
        grants = [{"upstream": "llm", "models": models}]
        return caller.post(MINE, {"name": "x", "grants": grants})

    assert give("small").status_code == 201
    for models in ([], ["large"], ["small", "large"]):
        assert refusal(give(*models)) == "upstream_forbidden"


def test_a_member_gives_scopes_of_the_calling_key_only():
    weak = limited(scopes=["keys:read", "keys:write"])
    caller = client(weak.secret)

    assert caller.post(MINE, {"name": "x"}).json()["scopes"] == ["keys:read", "keys:write"]
    answer = caller.post(MINE, {"name": "x", "scopes": ["proxy:use"]})
    assert refusal(answer) == "insufficient_scope"


def test_a_member_rotates_no_key_that_may_do_more():
    alice = make.member()
    strong, weak = make.key(alice), limited(alice, scopes=["keys:write"])

    answer = client(weak.secret).post(f"{MINE}/{strong.key.pk}/rotate")

    assert refusal(answer) == "insufficient_scope"
    assert code(strong.secret) == ""
    assert client(strong.secret).post(f"{MINE}/{weak.key.pk}/rotate").status_code == 200


def test_a_members_own_grants_bind_the_keys_made_with_it():
    alice = make.member()
    Grant.objects.create(member=alice, upstream="llm")
    strong = make.key(alice)
    caller = client(limited(alice, grants=[{"upstream": "echo", "methods": ["GET"]}]).secret)

    made = caller.post(MINE, {"name": "x"}).json()

    assert made["grants"] == [{"upstream": "echo", "methods": ["GET"], "paths": [], "models": []}]
    for grants in ([], [{"upstream": "llm"}], [{"upstream": "echo"}]):
        answer = caller.post(MINE, {"name": "x", "grants": grants})
        assert refusal(answer) == "upstream_forbidden"
    assert refusal(caller.post(f"{MINE}/{strong.key.pk}/rotate")) == "upstream_forbidden"


def test_a_member_gives_upstreams_of_their_own_only():
    caller = client(make.key().secret)

    assert caller.post(MINE, {"name": "x", "grants": [{"upstream": "echo"}]}).status_code == 201
    answer = caller.post(MINE, {"name": "x", "grants": [{"upstream": "llm"}]})
    assert refusal(answer) == "upstream_forbidden"


def test_no_key_outlives_the_key_it_was_made_with():
    issued = make.key(make.member(tier="trial"))
    caller = client(issued.secret)

    assert caller.post(MINE, {"name": "x"}).json()["expires_at"] is not None
    for given in ({"expires_at": None}, {"expires_in_days": 15}):
        assert refusal(caller.post(MINE, {"name": "x", **given})) == "permission_denied"
    assert caller.post(MINE, {"name": "x", "expires_in_days": 1}).status_code == 201


def test_networks_and_tier_of_a_key_bind_the_keys_made_with_it():
    own = make.tier("own", requests_per_minute=7)
    caller = client(limited(allowed_networks=["127.0.0.0/8"], tier=own).secret)

    made = caller.post(MINE, {"name": "x"}).json()

    assert (made["allowed_networks"], made["tier"]) == (["127.0.0.0/8"], "own")
    narrow = {"name": "x", "allowed_networks": ["127.0.0.1/32"]}
    assert caller.post(MINE, narrow).status_code == 201
    for networks in (["192.0.2.0/24"], ["127.0.0.0/8", "::/0"], ["0.0.0.0/0"]):
        answer = caller.post(MINE, {"name": "x", "allowed_networks": networks})
        assert refusal(answer) == "permission_denied"


def test_staff_who_are_no_superusers_hand_out_members_keys_only(api):
    clerk, alice = make.staff(superuser=False), make.member()
    clerk.user_permissions.set(Permission.objects.filter(codename__endswith="_apikey"))
    api.force_login(clerk)
    admin = make.service_key("admin").key

    for given in ({}, {"role": "metrics"}, {"scopes": ["keys:read"]}):
        assert refusal(api.post(KEYS, SERVICE | given)) == "permission_denied"
    assert refusal(api.post(f"{KEYS}/{admin.pk}/rotate")) == "permission_denied"
    assert refusal(api.patch(f"{KEYS}/{admin.pk}", {"scopes": ["*:*"]})) == "permission_denied"
    assert api.post(KEYS, {"owner": str(alice.pk), "name": "x"}).status_code == 201


def test_superusers_hand_out_everything(api):
    api.force_login(make.staff())

    assert api.post(KEYS, SERVICE | {"role": "admin"}).status_code == 201
