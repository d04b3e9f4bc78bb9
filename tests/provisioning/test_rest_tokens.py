"""External tokens over REST: kept, read masked, changed, verified, taken back, forgotten."""

import json

import pytest
from django.db import connection

from accounts.models import Site
from events.models import Event
from momentry.common.crypto.errors import WrongRowError
from provisioning.models import ExternalToken
from provisioning.services.members import delete_member
from provisioning.services.tokens import find_token
from tests import make
from tests.apikeys.calls import client, pointers
from tests.provisioning.gitea import Gitea
from tests.provisioning.tokens import MASKED, NEW, SECRET, TOKENS
from tests.proxy.calls import tables_with

pytestmark = pytest.mark.django_db
OTHER = "b" * 36 + "WXYZ"


def kept(api, **given):
    answer = api.post(TOKENS, {**NEW, **given})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_token_is_kept_and_read_masked(admin_api):
    made = admin_api.post(TOKENS, NEW)

    assert made.status_code == 201, made.content
    body = made.json()
    found = admin_api.get(made["Location"])
    assert found.json() == body
    assert (body["token_masked"], body["state"], body["version"]) == (MASKED, "unverified", 1)
    assert (found["ETag"], "token" in body) == ('"1"', False)
    assert str(ExternalToken.objects.get().token) == SECRET


def test_the_secret_is_told_nowhere(admin_api, caplog):
    """AUTH-11, ENC-02, LOG-01: not by answers, lists, errors, events, the log or the database."""
    told = [
        admin_api.post(TOKENS, NEW, HTTP_IDEMPOTENCY_KEY="k"),
        admin_api.post(TOKENS, NEW, HTTP_IDEMPOTENCY_KEY="k"), admin_api.post(TOKENS, NEW),
        admin_api.post(TOKENS, NEW | {"token": SECRET + "\n"}),
        admin_api.post(TOKENS, NEW | {"token": SECRET * 500}),
        admin_api.post(TOKENS, NEW | {"provider": SECRET}), admin_api.get(TOKENS),
    ]  # fmt: skip
    place = f"{TOKENS}/{told[0].json()['id']}"
    told += [
        admin_api.patch(place, {"token": SECRET, "label": "x"}),
        admin_api.post(f"{place}/verify"),
    ]
    told.append(admin_api.delete(place))

    assert [answer.status_code for answer in told] == [
        201, 201, 409, 422, 422, 422, 200, 200, 200, 204,
    ]  # fmt: skip
    texts = [answer.content.decode() for index, answer in enumerate(told) if index != 5]
    assert SECRET not in "".join(texts) + caplog.text
    assert SECRET[8:] not in "".join(str(event.details) for event in Event.objects.all())
    assert tables_with(SECRET) == []


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"provider": "github"}, "#/provider"), ({"label": ""}, "#/label"),
        ({"label": "x" * 101}, "#/label"), ({"label": "a\nb"}, "#/label"),
        ({"token": ""}, "#/token"), ({"token": "a\r\nX: 1"}, "#/token"),
        ({"token": "é"}, "#/token"), ({"token": " x"}, "#/token"), ({"token": None}, "#/token"),
        ({"token": "x" * 16_001}, "#/token"), ({"base_url": "ftp://x"}, "#/base_url"),
        ({"base_url": "http://169.254.169.254"}, "#/base_url"),
        ({"base_url": "http://u:p@x"}, "#/base_url"), ({"username": "a:b"}, "#/username"),
        ({"username": "a\nb"}, "#/username"), ({"scopes": ["repo"]}, "#/scopes"),
        ({"scopes": "all"}, "#/scopes"), ({"scopes": ["all"] * 101}, "#/scopes"),
        ({"provider": "n8n", "scopes": ["a\nb"]}, "#/scopes"),
        ({"provider": "wordpress"}, "#/username"),
        ({"owner": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e"}, "#/owner"), ({"owner": "x"}, "#/owner"),
        ({"state": "valid"}, "#/state"), ({"expires_at": None}, "#/expires_at"),
        ({"token_masked": "x"}, "#/token_masked"), ({"history": []}, "#/history"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_token_is_refused(admin_api, given, pointer):
    answer = admin_api.post(TOKENS, NEW | given)

    assert pointer in [place[: len(pointer)] for place in pointers(answer)]
    assert not ExternalToken.objects.exists()


def test_staff_and_deleted_members_own_none(admin_api):
    gone = make.member("bob")
    delete_member(gone, actor=make.ACTOR)

    for owner in (make.staff(), gone):
        assert pointers(admin_api.post(TOKENS, NEW | {"owner": str(owner.pk)})) == ["#/owner"]


def test_a_label_is_there_once_for_each_owner_and_provider(admin_api):
    alice, bob = make.member("alice"), make.member("bob")
    for given in ({}, {"owner": str(alice.pk)}, {"owner": str(bob.pk)}, {"provider": "n8n"}):
        kept(admin_api, **given)
        again = admin_api.post(TOKENS, NEW | given)

        assert (again.status_code, again.json()["code"]) == (409, "conflict")
    renamed = admin_api.patch(f"{TOKENS}/{kept(admin_api, label='b')['id']}", {"label": "ci"})
    assert renamed.status_code == 409
    assert find_token(owner=alice, provider="gitea", label="ci").owner == alice
    assert find_token(owner=None, provider="gitea", label="b").owner is None


@pytest.mark.parametrize("provider", ["gitea", "n8n", "sftpgo"])
def test_where_the_server_is_unless_the_token_says_otherwise(admin_api, settings, provider):
    new = NEW | {"provider": provider, "base_url": ""}
    del new["base_url"]
    name = f"{provider.upper()}_URL"
    setattr(settings, name, "")
    assert pointers(admin_api.post(TOKENS, new)) == ["#/base_url"]
    setattr(settings, name, "https://there.test/x")

    assert admin_api.post(TOKENS, new).json()["base_url"] == "https://there.test/x"


def test_a_wordpress_is_the_members_own_or_the_only_one(admin_api):
    new = {name: NEW[name] for name in ("label", "token")} | {
        "provider": "wordpress",
        "username": "a",
    }
    assert pointers(admin_api.post(TOKENS, new)) == ["#/base_url"]
    first = make.site(1)
    assert admin_api.post(TOKENS, new).json()["base_url"] == first.url
    second = make.site(2)
    alice = make.member("alice", site=second, wordpress_id=7)
    assert pointers(admin_api.post(TOKENS, new | {"label": "x"})) == ["#/base_url"]

    own = admin_api.post(TOKENS, new | {"owner": str(alice.pk)}).json()

    assert own["base_url"] == Site.objects.get(pk=second.pk).url


def test_filters(admin_api):
    alice = make.member("alice")
    own, mine = kept(admin_api, owner=str(alice.pk)), kept(admin_api, provider="n8n", label="x")

    def found(**query):
        return [row["id"] for row in admin_api.get(TOKENS, query).json()["results"]]

    assert found() == [mine["id"], own["id"]]
    assert found(provider="gitea", label="ci", owner=str(alice.pk)) == [own["id"]]
    assert found(service="true") == [mine["id"]] == found(label="x")
    assert (found(state="broken"), len(found(state="unverified"))) == ([], 2)
    for query in ({"token": "x"}, {"token__startswith": "x"}, {"state": "good"}, {"owner": "x"}):
        assert admin_api.get(TOKENS, query).status_code == 422


def test_a_change_changes_what_is_named(admin_api):
    place = f"{TOKENS}/{kept(admin_api, scopes=['read:user', 'write:user'])['id']}"

    changed = admin_api.patch(place, {"label": "new"}, HTTP_IF_MATCH='"1"')
    stale = admin_api.patch(place, {"label": "old"}, HTTP_IF_MATCH='"1"')
    same = admin_api.patch(place, {"label": "new"})

    assert (changed.json()["label"], changed["ETag"], same["ETag"]) == ("new", '"2"', '"2"')
    assert changed.json()["scopes"] == ["write:user"]
    assert stale.status_code == 412
    event = Event.objects.get(kind="token:updated")
    change = {"before": {"label": "ci"}, "after": {"label": "new"}}
    assert json.loads(event.details) == {"fields": ["label"], **change}
    assert str(ExternalToken.objects.get().token) == SECRET
    for given in ({"owner": None}, {"provider": "n8n"}, {"state": "valid"}, {"version": 1}):
        assert admin_api.patch(place, given).status_code == 422


def test_no_secret_goes_to_an_address_it_was_not_given_for(admin_api):
    with Gitea() as thief:
        place = f"{TOKENS}/{kept(admin_api)['id']}"

        moved = admin_api.patch(place, {"base_url": thief.base_url})

        assert pointers(moved) == ["#/token"]
        assert admin_api.get(place).json()["base_url"] == NEW["base_url"]
        again = admin_api.patch(place, {"base_url": thief.base_url, "token": OTHER})
        assert (again.status_code, again.json()["token_masked"]) == (200, "***WXYZ")
        admin_api.post(f"{place}/verify")
        assert [heard.headers["authorization"] for heard in thief.heard] == [f"token {OTHER}"]


def test_verify_answers_what_came_of_it(admin_api):
    with Gitea() as peer:
        place = f"{TOKENS}/{kept(admin_api, base_url=peer.base_url, token=peer.mint('all'))['id']}"

        body = admin_api.post(f"{place}/verify").json()

        assert (body["state"], body["username"], body["version"]) == ("valid", "alice", 1)
        assert [entry["state"] for entry in body["history"]] == ["valid"]


def revoked(api, peer, *, secret, **given):
    row = kept(api, base_url=peer.base_url, token=secret, username="alice")
    return api.post(f"{TOKENS}/{row['id']}/revoke", {"password": "hunter2 hunter2", **given})


def test_a_token_is_taken_back_by_its_number(admin_api):
    """One whose name is that number is another one."""
    with Gitea() as peer:
        secret = peer.mint("all", name="3")
        other, third = peer.mint("all", name="1"), peer.mint("all", user="bob")

        assert revoked(admin_api, peer, secret=secret).status_code == 204

        assert [row["sha1"] for row in peer.tokens] == [other, third]
        assert not ExternalToken.objects.exists()
        assert json.loads(Event.objects.get(kind="token:deleted").details)["revoked"] is True


def test_it_is_found_on_later_pages_and_one_that_is_gone_is_gone(admin_api):
    with Gitea() as peer:
        for _ in range(120):
            peer.mint("read:misc")
        secret = peer.mint("all")

        assert revoked(admin_api, peer, secret=secret).status_code == 204
        assert len(peer.tokens) == 120
        assert revoked(admin_api, peer, secret=secret).status_code == 204


@pytest.mark.parametrize("otp", ["", "000000"])
def test_without_password_and_otp_it_stays_in_both_places(admin_api, otp):
    with Gitea() as peer:
        secret = peer.mint("all")
        peer.otps["alice"] = "123456"

        refused = revoked(admin_api, peer, secret=secret, otp=otp)

        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        assert "hunter2" not in refused.content.decode()
        assert (len(peer.tokens), ExternalToken.objects.count()) == (1, 1)
        place = f"{TOKENS}/{ExternalToken.objects.get().pk}/revoke"
        right = {"password": "hunter2 hunter2", "otp": "123456"}
        assert admin_api.post(place, right).status_code == 204
        assert peer.tokens == []


def test_where_it_cannot_be_taken_back_it_stays(admin_api):
    for given, code in (
        ({"provider": "n8n"}, "conflict"), ({}, "invalid_input"),
        ({"username": "a", "label": "b", "base_url": "http://127.0.0.1:9"}, "upstream_unreachable"),
    ):  # fmt: skip
        place = f"{TOKENS}/{kept(admin_api, **given)['id']}/revoke"

        assert admin_api.post(place, {"password": "x"}).json()["code"] == code
    assert ExternalToken.objects.count() == 3


def test_whose_member_goes_goes_too(admin_api):
    alice = make.member("alice")
    kept(admin_api, owner=str(alice.pk))
    mine = kept(admin_api)

    delete_member(alice, actor=make.ACTOR)

    assert [str(row.pk) for row in ExternalToken.objects.all()] == [mine["id"]]
    assert json.loads(Event.objects.get(kind="token:deleted").details)["owner"] == str(alice.pk)


def test_an_envelope_that_was_moved_does_not_open(admin_api):
    """ENC-06: whoever writes the database gets no token sent elsewhere."""
    with Gitea() as thief:
        victim, own = kept(admin_api), kept(admin_api, label="own", base_url=thief.base_url)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE provisioning_externaltoken SET token = (SELECT token FROM"
                " provisioning_externaltoken WHERE id = %s) WHERE id = %s",
                [victim["id"], own["id"]],
            )

        body = admin_api.post(f"{TOKENS}/{own['id']}/verify").json()

        assert (body["state"], body["token_masked"], thief.heard) == ("broken", "****", [])
        with pytest.raises(WrongRowError):
            _ = ExternalToken.objects.get(pk=own["id"]).token
        renamed = admin_api.patch(f"{TOKENS}/{own['id']}", {"label": "x"})
        assert renamed.status_code == 200
        mended = admin_api.patch(f"{TOKENS}/{own['id']}", {"token": OTHER})
        assert (mended.status_code, mended.json()["token_masked"]) == (200, "***WXYZ")


def test_missing_ones_and_the_keys_of_members(admin_api):
    missing = f"{TOKENS}/0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e"
    for answer in (
        admin_api.get(missing), admin_api.patch(missing, {}), admin_api.delete(missing),
        admin_api.post(f"{missing}/verify"), admin_api.post(f"{missing}/revoke", {"password": "x"}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    own = make.external_token(owner=make.member("alice"))
    alices = client(make.key(own.owner).secret)
    assert alices.get(f"{TOKENS}/{own.pk}").json()["code"] == "permission_denied"
