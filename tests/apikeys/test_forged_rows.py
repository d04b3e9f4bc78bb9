"""ENC-07: who writes the database, but knows no pepper, makes no key and lends none more rights."""

import pytest

from apikeys import keyformat
from apikeys.models import ApiKey, RetiredSecret
from tests import make
from tests.apikeys.calls import KEYS, client, code
from tests.apikeys.stored import sha256

pytestmark = pytest.mark.django_db
ADMIN_ROUTES = [KEYS, "/api/v1/admin/users", "/api/v1/admin/tiers", "/api/v1/admin/usage"]
OWN_ROUTES = ["/api/v1/me/keys", "/api/v1/me/usage"]


@pytest.mark.parametrize("prefix", keyformat.PREFIXES)
def test_a_plain_hash_of_a_made_up_secret_opens_nothing(prefix):
    key = make.key().key
    secret = keyformat.mint(prefix, key.pk, owner="x", pepper=b"x" * 32, at=1_800_000_000)
    ApiKey.objects.filter(pk=key.pk).update(digest=sha256(secret))

    assert code(secret) == "invalid_key"
    assert ApiKey.objects.get(pk=key.pk).digest == sha256(secret)


def test_nor_does_one_among_the_retired_secrets():
    issued = make.key()
    secret = keyformat.mint("muser", issued.key.pk, owner="x", pepper=b"x" * 32, at=1)
    ends_at = issued.key.created_at.replace(year=2999)
    RetiredSecret.objects.create(key=issued.key, digest=sha256(secret), ends_at=ends_at)

    assert (code(secret), code(issued.secret)) == ("invalid_key", "")


@pytest.mark.parametrize("kind", ["zzz", "", "USER", "Admin"])
def test_a_type_that_nobody_knows_has_a_members_rights(kind):
    for issued in (make.key(), make.service_key("admin")):
        ApiKey.objects.filter(pk=issued.key.pk).update(key_type=kind, scopes=["*:*"], role="admin")
        caller = client(issued.secret)

        assert [caller.get(route).status_code for route in ADMIN_ROUTES] == [403] * 4
        verify = caller.post("/api/v1/keys/verify", {"key": issued.secret})
        assert (verify.status_code, verify.json()["code"]) == (403, "insufficient_scope")
        own = 403 if issued.key.owner_id is None else 200
        assert [caller.get(route).status_code for route in OWN_ROUTES] == [own] * 2


def test_its_role_gives_it_nothing():
    issued = make.service_key("issuer")
    ApiKey.objects.filter(pk=issued.key.pk).update(key_type="zzz")

    scopes = client(issued.secret).get("/api/v1/me").json()["key"]["scopes"]

    assert scopes == []
