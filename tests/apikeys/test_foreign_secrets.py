"""Imported secrets open their keys: found in one statement, proven once, then as our own."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import foreign, keyformat, phc
from apikeys.admin.keys_deeds import in_state, state_of
from apikeys.gate.imported import HAS_SLOW_SQL
from apikeys.models import ApiKey, ForeignSecret
from apikeys.services import gate
from apikeys.services.keys import issue_secret
from apikeys.services.upkeep import purge_keys
from momentry.common.errors import MomentryError
from provisioning.services.claims import make_claim
from tests import make
from tests.apikeys.calls import KEYS, client, code
from tests.apikeys.stored import SECRET, argon2id, imported, sha256

pytestmark = pytest.mark.django_db

WRONG = SECRET[:-1] + "x"


def digest() -> str:
    return ForeignSecret.objects.get().digest


@pytest.mark.parametrize("stored", [sha256, argon2id])
def test_an_imported_secret_opens_its_key(stored):
    key = imported(digest=stored(SECRET), lookup=foreign.lookups(SECRET)[0])

    answer = client(SECRET).get("/api/v1/me")

    assert answer.json()["key"]["id"] == str(key.pk)
    assert code(WRONG) == "invalid_key"


@pytest.mark.parametrize("length", [8, 20])
def test_an_argon2id_hash_is_found_by_the_beginning(length):
    imported(digest=argon2id(SECRET), lookup=foreign.text_lookup(SECRET[:length]))

    assert (code(SECRET), code(WRONG)) == ("", "invalid_key")


@pytest.mark.parametrize(
    "fields",
    [
        {"HTTP_AUTHORIZATION": f"Bearer {SECRET}"},
        {"HTTP_X_API_KEY": SECRET},
        {"HTTP_API_KEY": SECRET},
    ],
)
def test_every_credential_header_takes_it(api, fields):
    imported()

    assert api.get("/api/v1/me", **fields).status_code == 200


@pytest.mark.parametrize("secret", ["sk-auto-!#$%&'()*+./:;<=>?@[]^_`{|}~", "sk-auto-" + "a" * 248])
def test_any_printable_characters_may_be_in_it(secret):
    imported(secret)

    assert code(secret) == ""


def test_an_admin_key_s_foreign_secret_is_no_guess_at_the_token(api):
    key = imported()
    ApiKey.objects.filter(pk=key.pk).update(
        key_type="admin", role="admin", scopes=[], owner=None, service_name="old"
    )

    answer = api.get(KEYS, HTTP_AUTHORIZATION=f"Bearer {SECRET}")

    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("stored", [sha256, argon2id])
@pytest.mark.parametrize("name", ["hmac-sha256", "argon2id"])
def test_used_once_it_is_stored_as_our_own(settings, stored, name):
    settings.API_KEY_HASHER = name
    imported(digest=stored(SECRET))
    lookup = ForeignSecret.objects.get().lookup

    assert code(SECRET) == ""

    if name == "argon2id":
        assert phc.parse(digest()).is_own
        assert phc.parse(digest()).matches(SECRET)
    else:
        assert digest() == gate.peppers().digest(SECRET)
    assert (code(SECRET), code(WRONG)) == ("", "invalid_key")
    assert ForeignSecret.objects.get().lookup == lookup


def test_who_asks_about_it_learns_the_key():
    key = imported()
    ApiKey.objects.filter(pk=key.pk).update(metadata={"old": 1})
    caller = client(make.service_key("validator").secret)

    found = caller.post("/api/v1/keys/verify", {"key": SECRET}).json()
    lost = caller.post("/api/v1/keys/verify", {"key": WRONG}).json()

    assert (found["valid"], found["key_id"], found["metadata"]) == (True, str(key.pk), {"old": 1})
    assert (lost["valid"], lost["code"]) == (False, "invalid_key")
    assert digest() == gate.peppers().digest(SECRET)


def statements(secret: str) -> list[str]:
    """Of the gate, about keys: not whether any digest is slow, which is about no key at all."""
    with CaptureQueriesContext(connection) as queries:
        code(secret)
    asked = [query["sql"] for query in queries if query["sql"] != HAS_SLOW_SQL]
    return [sql for sql in asked if "apikeys_apikey" in sql]


def formats_read(secret: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        code(secret)
    return sum("known(format)" in query["sql"] for query in queries)


def test_one_statement_reads_all_candidates():
    for number in range(3):
        imported(f"{SECRET}{number}", argon2id(f"{SECRET}{number}"), owner=f"m{number}")
    code("muser_")

    assert len(statements(WRONG)) == 1


def test_without_an_import_no_key_is_looked_for():
    assert statements(SECRET) == []


@pytest.mark.parametrize("secret", ["pk_live_" + "a" * 20, SECRET[:15], SECRET + "é", "x" * 300])
def test_of_no_known_format_no_key_is_looked_for(secret):
    imported()

    assert statements(secret) == []


def test_our_own_prefix_never_asks():
    imported("sk-auto-" + "b" * 20)
    own = make.key(make.member("bob")).secret
    typo = own[:-1] + ("a" if own[-1] != "a" else "b")

    assert formats_read(typo) == 0
    assert statements(typo) == []


def test_formats_are_read_once_a_second():
    assert [formats_read(SECRET) for _ in range(3)] == [1, 0, 0]


def test_at_most_eight_rows_are_compared():
    for number in range(9):
        imported(f"{SECRET}{number}", argon2id(f"{SECRET}{number}"), owner=f"m{number}")

    found = [code(f"{SECRET}{number}") for number in range(9)]

    assert found == [""] * 8 + ["invalid_key"]


def test_the_narrowest_lookup_comes_first():
    for number in range(8):
        lookup = foreign.text_lookup(SECRET[:8])
        imported(f"{SECRET}{number}", argon2id("other"), owner=f"m{number}", lookup=lookup)

    imported(SECRET + "8")

    assert code(SECRET + "8") == ""


def test_state_is_told_as_it_is(admin_api):
    key = imported()

    shown = admin_api.get(f"{KEYS}/{key.pk}").json()
    active = admin_api.get(KEYS, {"active": "true"}).json()["results"]

    assert shown["is_active"]
    assert str(key.pk) in {row["id"] for row in active}
    assert key.is_claimed
    assert key.is_usable(timezone.now())


def test_no_claim_gives_it_a_second_secret():
    key = imported()

    assert state_of(key, timezone.now()) == "usable"
    assert ApiKey.objects.filter(in_state("usable", timezone.now()), pk=key.pk).exists()
    assert not ApiKey.objects.filter(in_state("unclaimed", timezone.now())).filter(pk=key.pk)
    for attempt in (lambda: make_claim(key, actor=make.ACTOR), lambda: issue_secret(key)):
        with pytest.raises(MomentryError) as refused:
            attempt()
        assert refused.value.code.code == "conflict"


def test_its_id_in_our_own_form_opens_nothing(caplog):
    key = imported()
    secret = keyformat.mint("muser", key.pk, owner="x", pepper=gate.peppers().signing, at=1)

    assert code(secret) == "invalid_key"
    assert "damaged" not in caplog.text


def test_rotation_gives_an_own_secret_and_a_grace(admin_api):
    key = imported()

    body = admin_api.post(f"{KEYS}/{key.pk}/rotate", {"grace_seconds": 3600}).json()

    end = ForeignSecret.objects.get().ends_at
    assert abs(end - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)
    assert body["grace_ends_at"] == end.isoformat().replace("+00:00", "Z")
    assert not key.retired_secrets.exists()
    assert (code(body["api_key"]), code(SECRET)) == ("", "")
    ForeignSecret.objects.update(ends_at=timezone.now())
    assert (code(body["api_key"]), code(SECRET)) == ("", "invalid_key")


def test_rotation_with_grace_0_deletes_them(admin_api):
    key = imported()

    new = admin_api.post(f"{KEYS}/{key.pk}/rotate", {"grace_seconds": 0}).json()["api_key"]

    assert not ForeignSecret.objects.exists()
    assert (code(new), code(SECRET)) == ("", "invalid_key")


def test_a_later_rotation_leaves_their_end(admin_api):
    key = imported()
    admin_api.post(f"{KEYS}/{key.pk}/rotate", {"grace_seconds": 3600})
    end = ForeignSecret.objects.get().ends_at

    admin_api.post(f"{KEYS}/{key.pk}/rotate", {"grace_seconds": 0})

    assert ForeignSecret.objects.get().ends_at == end
    assert code(SECRET) == ""


def test_a_revoked_key_is_told_so_to_its_holder_only():
    key = imported()
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())

    assert (code(SECRET), code(WRONG)) == ("key_revoked", "invalid_key")


def test_purge_takes_them_along():
    key = imported()
    ago = timezone.now() - timedelta(days=400)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=ago)

    purge_keys(timezone.now(), django_settings.KEY_PURGE_AFTER, actor=make.ACTOR)

    assert not ForeignSecret.objects.exists()
    assert code(SECRET) == "invalid_key"
