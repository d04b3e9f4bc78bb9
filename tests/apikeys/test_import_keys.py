"""Imports: what a key may do, and hashes of secrets that clients keep; all of a file or none."""

import hashlib
import json
import uuid

import pytest

from apikeys import foreign, phc
from apikeys.models import ApiKey, ForeignSecret
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, code, pointers
from tests.apikeys.files import apikey, written

pytestmark = pytest.mark.django_db
IMPORT = f"{KEYS}/import"
SECRET = "sk-auto-0123456789abcdefghij"
SLOW = "pk_live_Ab12CdEf34567890"
SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
ENTRY = {"name": "Old laptop", "key_type": "user", "owner": "alice", "scopes": ["proxy:use"]}
HASH = {"format": "sk-auto-", "sha256": SHA256}
MILD = phc.Cost(64, 1, 1)


def argon2id(secret: str = SLOW, **given) -> dict[str, str]:
    salt = b"saltsaltsalt"
    value = phc.Phc(*MILD, salt, phc.compute(secret, salt, MILD, 16))
    return {"format": "pk_live_", "argon2id": phc.render(value), "prefix": secret[:14]} | given


@pytest.fixture
def alice(db):
    alice = make.member("alice")
    ApiKey.objects.all().delete()
    return alice


def post(client, *entries, **given):
    return client.post(IMPORT, {"keys": list(entries), **given})


@pytest.mark.parametrize(
    ("secret", "given"), [(SECRET, HASH), (SLOW, argon2id())], ids=["sha256", "argon2id"]
)
def test_a_client_keeps_its_secret(secret, given, alice, admin_api):
    answer = post(admin_api, {**ENTRY, "secret_hash": given})

    assert (answer.status_code, answer.json()["imported"]) == (201, 1)
    assert [code(secret), code(secret)] == ["", ""]
    assert code(secret[:-1] + "X") == "invalid_key"
    (key,) = answer.json()["keys"]
    assert (key["key_prefix"], key["owner"]) == (given["format"] + "…****", "alice")


def test_what_is_kept_of_the_key(alice, admin_api):
    key_id = str(uuid.uuid4())
    kept = {
        "id": key_id, "created_at": "2024-02-01T10:00:00Z", "expires_at": "2100-01-01T00:00:00Z",
        "disabled_at": "2025-01-01T00:00:00Z", "metadata": {"a": 1}, "tier": "starter",
    }  # fmt: skip

    post(admin_api, {**ENTRY, **kept, "secret_hash": HASH})

    key = ApiKey.objects.get(pk=key_id)
    assert (key.created_at.year, key.expires_at.year, key.disabled_at.year) == (2024, 2100, 2025)
    assert (key.metadata, key.tier_id, key.scopes) == ({"a": 1}, "starter", ["proxy:use"])
    assert code(SECRET) == "key_disabled"
    assert Event.objects.get(kind="apikey:created", subject=f"key:{key.pk.hex}")


def test_without_a_hash_it_is_unclaimed(alice, admin_api):
    post(admin_api, ENTRY)

    key = ApiKey.objects.get(name="Old laptop")
    assert (key.is_claimed, key.key_prefix[:6]) == (False, "muser_")


def phc_of(begin: str) -> dict[str, str]:
    return argon2id(argon2id=f"{begin}$c2FsdHNhbHQ${'A' * 22}")


WRONG = {
    "not an object": ("x", ""),
    "nothing": ({}, ""),
    "both": ({**HASH, "argon2id": "x", "prefix": "y"}, ""),
    "unknown": ({**HASH, "salt": "x"}, ""),
    "short hex": ({**HASH, "sha256": SHA256[:-1]}, "/sha256"),
    "no hex": ({**HASH, "sha256": "g" * 64}, "/sha256"),
    "hex of others": ({**HASH, "sha256": "٣" * 64}, "/sha256"),
    "number": ({**HASH, "sha256": 5}, "/sha256"),
    "our format": ({**HASH, "format": "muser_"}, "/format"),
    "part of ours": ({**HASH, "format": "mus"}, "/format"),
    "short format": ({**HASH, "format": "sk"}, "/format"),
    "blank format": ({**HASH, "format": "sk auto-"}, "/format"),
    "argon2i": (phc_of("$argon2i$v=19$m=64,t=1,p=1"), "/argon2id"),
    "bcrypt": (argon2id(argon2id="$2b$12$" + "a" * 53), "/argon2id"),
    "huge memory": (phc_of("$argon2id$v=19$m=99999,t=1,p=1"), "/argon2id"),
    "oversized": (argon2id(argon2id="$argon2id$v=19$m=64,t=1,p=1$" + "A" * 300), "/argon2id"),
    "cut off": (argon2id(argon2id=argon2id()["argon2id"][:-3]), "/argon2id"),
    "wrong prefix": (argon2id(prefix="sk-auto-01"), "/prefix"),
    "short prefix": (argon2id(prefix="pk_live"), "/prefix"),
    "long prefix": (argon2id(prefix="pk_live_" + "a" * 13), "/prefix"),
    "blank prefix": (argon2id(prefix="pk_live_ \n"), "/prefix"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_hash_that_is_none_is_refused(name, alice, admin_api):
    given, place = WRONG[name]

    answer = post(admin_api, ENTRY, {**ENTRY, "secret_hash": given})

    assert pointers(answer) == [f"#/keys/1/secret_hash{place}"]
    assert not ApiKey.objects.exists()


def test_a_hash_opens_one_key_only(alice, admin_api):
    twice = post(admin_api, *[{**ENTRY, "secret_hash": HASH}] * 2)
    assert pointers(twice) == ["#/keys/1/secret_hash/sha256"]
    upper = {**HASH, "sha256": SHA256.upper()}
    assert post(admin_api, {**ENTRY, "secret_hash": upper}).status_code == 201

    again = post(admin_api, {**ENTRY, "secret_hash": HASH})

    assert pointers(again) == ["#/keys/0/secret_hash/sha256"]
    assert code(SECRET) == ""  # the stored digest is another one from now on
    assert pointers(post(admin_api, {**ENTRY, "secret_hash": HASH})) == [
        "#/keys/0/secret_hash/sha256"
    ]
    assert ForeignSecret.objects.count() == 1


def test_few_share_the_beginning_they_are_found_by(alice, admin_api):
    entries = [
        {**ENTRY, "secret_hash": argon2id(f"{SLOW}{number}", prefix=SLOW[:10])}
        for number in range(foreign.MAX_CANDIDATES + 1)
    ]

    answer = post(admin_api, *entries)
    assert pointers(answer) == [f"#/keys/{foreign.MAX_CANDIDATES}/secret_hash/prefix"]
    assert post(admin_api, *entries[:-1]).status_code == 201
    assert pointers(post(admin_api, entries[-1])) == ["#/keys/0/secret_hash/prefix"]


def test_ids_are_kept_if_free_and_ended_keys_are_refused(alice, admin_api):
    there = make.key(alice).key
    free = str(uuid.uuid4())
    answer = post(
        admin_api,
        {**ENTRY, "id": str(there.pk)},
        {**ENTRY, "id": free},
        {**ENTRY, "id": free, "scopes": ["emperor"]},
        {**ENTRY, "expires_at": "2020-01-01T00:00:00Z"},
        {**ENTRY, "revoked_at": "2020-01-01T00:00:00Z"},
        {**ENTRY, "created_at": "2999-01-01T00:00:00Z"},
        {**ENTRY, "digest": "hmac-sha256$1$00"},
    )

    assert sorted(pointers(answer)) == [
        "#/keys/0/id", "#/keys/2/id", "#/keys/2/scopes/0", "#/keys/3/expires_at",
        "#/keys/4/revoked_at", "#/keys/5/created_at", "#/keys/6/digest",
    ]  # fmt: skip
    assert ApiKey.objects.count() == 1


def test_nobody_imports_more_than_they_hold(alice, api):
    api.credentials(HTTP_X_API_KEY=make.service_key("issuer").secret)
    admin = {"name": "mine", "key_type": "admin", "secret_hash": HASH}

    assert post(api, admin).json()["code"] == "insufficient_scope"
    assert code(SECRET) == "invalid_key"


def test_a_dry_run_imports_nothing(alice, admin_api):
    answer = post(admin_api, {**ENTRY, "secret_hash": HASH}, dry_run=True)

    assert (answer.status_code, answer.json()["imported"]) == (200, 0)
    assert not ApiKey.objects.exists()
    assert pointers(post(admin_api, ENTRY, dry_run="maybe")) == ["#/dry_run"]


def test_a_replay_imports_nothing_twice(alice, admin_api):
    body = {"keys": [{**ENTRY, "secret_hash": HASH}]}

    answers = [admin_api.post(IMPORT, body, HTTP_IDEMPOTENCY_KEY="i") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("lines", [False, True])
def test_the_command_reads_json_and_json_lines(lines, alice, tmp_path):
    entries = [{**ENTRY, "secret_hash": HASH}, {**ENTRY, "owner": {"username": "ALICE"}}]
    path = tmp_path / "keys"
    if lines:
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    else:
        written(path, *entries)

    tried = apikey("import", "--file", str(path), "--dry-run")
    assert (tried.code, ApiKey.objects.count()) == (0, 0)
    ran = apikey("import", "--file", str(path))

    assert (ran.code, ran.out) == (0, "")
    assert "Imported 2 keys. 1 of them with the hash" in ran.err
    assert code(SECRET) == ""


def test_the_command_reports_lines_and_never_a_hash(alice, tmp_path):
    path = written(
        tmp_path / "keys",
        {**ENTRY, "secret_hash": HASH},
        {**ENTRY, "secret_hash": HASH},
        {**ENTRY, "secret_hash": {**HASH, "sha256": "tampered"}},
        {**ENTRY, "permissions": ["reed"], "scopes": []},
    )

    ran = apikey("import", "--file", path)

    assert (ran.code, ApiKey.objects.count()) == (1, 0)
    assert "line 3: keys[1].secret_hash.sha256: another key has this hash already" in ran.err
    assert "line 4: keys[2].secret_hash.sha256: must be 64 hexadecimal digits" in ran.err
    assert "line 5: keys[3].permissions: cannot be given with scopes" in ran.err
    assert SHA256 not in ran.err
    assert "tampered" not in ran.err
