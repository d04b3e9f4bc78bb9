"""manage.py apikey batch-create: every key of a file, or none and one report."""

import json
import stat

import pytest

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import client, code
from tests.apikeys.files import apikey, written

pytestmark = pytest.mark.django_db

USER = {"name": "Laptop", "key_type": "user", "permissions": ["read"], "ttl_days": 30}
SERVICE = {"name": "prometheus", "key_type": "service", "role": "metrics"}
ADMIN = {"name": "break glass", "key_type": "admin"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


def create(file, *entries, more=()):
    return apikey("batch-create", "--file", written(file, *entries), *more)


def test_every_key_of_the_file_works_and_is_printed_once(file):
    make.member("alice")

    ran = create(file, USER, SERVICE, ADMIN, more=["--owner", "alice"])

    assert (ran.code, [row["name"] for row in ran.rows]) == (
        0,
        ["Laptop", "prometheus", "break glass"],
    )
    assert [code(row["api_key"]) for row in ran.rows] == ["", "", ""]
    assert "Created 3 keys." in ran.err
    assert not any(row["api_key"] in ran.err for row in ran.rows)
    assert Event.objects.filter(kind="apikey:created", actor="command").count() == 3


def test_legacy_permissions_are_those_of_the_keys_type(file):
    make.member("alice")
    both = {"permissions": ["read", "write"]}

    create(file, {**USER, **both, "owner": "ALICE"}, {**SERVICE, **both})

    user, service = (ApiKey.objects.get(name=name) for name in ("Laptop", "prometheus"))
    assert "videos:read" in user.scopes
    assert "videos:write" in user.scopes
    assert "metrics:read" not in user.scopes
    assert service.scopes == ["*:read", "*:write"]


def test_a_service_takes_its_name_and_an_admin_key_its_role(file):
    create(file, SERVICE, ADMIN)

    service, admin = (ApiKey.objects.get(name=name) for name in ("prometheus", "break glass"))
    assert (service.service_name, service.role) == ("prometheus", "metrics")
    assert (admin.service_name, admin.role, admin.key_prefix[:5]) == (
        "break glass",
        "admin",
        "madm_",
    )


def test_ttl_days_is_the_end(file):
    make.member("alice")

    create(file, {**USER, "owner": "alice"})

    key = ApiKey.objects.get(name="Laptop")
    assert 29 <= (key.expires_at - key.created_at).days <= 30


def test_all_that_is_wrong_is_one_report_with_lines_and_nothing_is_made(file):
    make.member("alice")
    ran = create(
        file,
        {**USER, "owner": "alice"},
        {**USER, "owner": "nobody"},
        {**USER, "owner": "alice", "name": "b", "permissions": ["read", "emperor"]},
        {**SERVICE, "colour": "red"},
        {**SERVICE, "ttl_days": "soon", "name": 5, "metadata": []},
        {**USER, "owner": "alice"},
        {**USER, "name": "ownerless"},
        "not a key",
        {**SERVICE, "name": "x", "tier": "gold", "role": "emperor", "expires_at": "2020-01-01"},
    )

    assert ran.code == 1
    assert ApiKey.objects.exclude(name="test key").count() == 1  # alice's own, from before
    reported = [line for line in ran.err.splitlines() if line.startswith("line ")]
    for line in (
        "line 3: keys[1].owner: is neither the id nor the username of a member",
        "line 4: keys[2].permissions[1]: is not one of",
        "line 5: keys[3].colour: is not a field",
        "line 6: keys[4].ttl_days:",
        "line 6: keys[4].metadata:",
        "line 7: keys[5].name: keys[0] has this name and holder already",
        "line 8: keys[6].owner: a key of this type needs an owner",
        "line 9: keys[7]: Invalid data",
        "line 10: keys[8].tier: is not a tier",
    ):
        assert any(found.startswith(line) for found in reported), (line, reported)
    assert [int(line.split()[1][:-1]) for line in reported] == sorted(
        int(line.split()[1][:-1]) for line in reported
    )
    assert ran.out == ""


def test_a_dry_run_tries_everything_and_keeps_nothing(file):
    ran = create(file, SERVICE, ADMIN, more=["--dry-run"])

    assert (ran.code, ran.out, ApiKey.objects.count()) == (0, "", 0)
    assert "Would create 2 keys" in ran.err
    assert create(file, {**SERVICE, "role": "x"}, more=["--dry-run"]).code == 1


def test_secrets_go_to_a_new_file_of_ones_own(file, tmp_path):
    out = tmp_path / "secrets"

    ran = create(file, SERVICE, more=["--out", str(out)])

    (row,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert (ran.out, code(row["api_key"]), set(row)) == ("", "", {"id", "name", "api_key"})
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize("way", ["file", "link", "nowhere"])
def test_a_file_that_cannot_be_made_stops_it(way, file, tmp_path):
    out = tmp_path / "secrets"
    if way == "file":
        out.write_text("precious")
    elif way == "link":
        out.symlink_to(tmp_path / "elsewhere")
    else:
        out = tmp_path / "no" / "such"

    ran = create(file, SERVICE, more=["--out", str(out)])

    assert (ran.code, ApiKey.objects.count()) == (1, 0)
    assert not (tmp_path / "elsewhere").exists()
    assert way != "file" or out.read_text() == "precious"


def test_the_file_goes_when_an_entry_is_wrong(file, tmp_path):
    out = tmp_path / "secrets"

    assert create(file, SERVICE, {**SERVICE, "role": "x"}, more=["--out", str(out)]).code == 1
    assert not out.exists()


def test_an_owner_who_is_nobody_is_said_before_anything_is_done(file):
    ran = create(file, USER, more=["--owner", "nobody"])

    assert (ran.code, ApiKey.objects.count()) == (1, 0)
    assert "nobody is neither" in ran.err


def test_a_suspended_owner_gets_no_key(file):
    alice = make.member("alice")
    alice.status = "suspended"
    alice.save()

    ran = create(file, USER, more=["--owner", "alice"])

    assert "keys[0].owner: must be an active member" in ran.err


def test_the_optional_fields_are_those_of_rest(file):
    make.member("alice")
    entry = {
        "name": "Desk", "owner": "alice", "scopes": ["proxy:use"], "tier": "starter",
        "metadata": {"team": "video"}, "allowed_networks": ["192.0.2.0/24"], "description": "d",
        "limit_overrides": {"requests_per_day": 5}, "rotate_every_days": 10,
        "grants": [{"upstream": "llm", "methods": ["GET"], "paths": ["/v1/"]}],
        "expires_at": "2100-01-01T00:00:00Z",
    }  # fmt: skip

    assert create(file, entry).code == 0

    key = ApiKey.objects.get(name="Desk")
    assert (key.key_type, key.scopes, key.tier_id) == ("user", ["proxy:use"], "starter")
    assert (key.metadata, key.expires_at.year) == ({"team": "video"}, 2100)
    assert key.grants.get().paths == ["/v1/"]
    assert key.limit_overrides.get().value == 5


def test_more_than_ten_thousand_are_refused(file):
    file.write_text(json.dumps({"keys": [SERVICE] * 10_001}))

    ran = apikey("batch-create", "--file", str(file))

    assert (ran.code, ApiKey.objects.count()) == (1, 0)
    assert "at most 10000" in ran.err


def test_a_terminal_is_not_told_what_to_do_by_a_file(file):
    ran = create(file, {**SERVICE, "\x1b[2Jcolour": 1})

    assert ran.code == 1
    assert "\x1b" not in ran.err


def test_the_printed_key_opens_the_api(file):
    make.member("alice")

    (row,) = create(file, {**USER, "owner": "alice"}).rows

    shown = client(row["api_key"]).get("/api/v1/me").json()["key"]
    assert (shown["id"], shown["name"]) == (row["id"], "Laptop")
