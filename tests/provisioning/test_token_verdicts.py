"""What the real systems' answers say of a token, and what says nothing about it."""

import time
from datetime import UTC, datetime

import pytest

from tests import make
from tests.provisioning.doors import SFTPGoDoor, WordPressDoor
from tests.provisioning.gitea import Gitea
from tests.provisioning.n8n import N8n, jwt
from tests.provisioning.standin import Told
from tests.provisioning.tokens import judged, kinds

pytestmark = pytest.mark.django_db


def gitea_token(peer, secret, **given):
    return make.external_token("gitea", secret, base_url=peer.base_url, **given)


def test_gitea_knows_a_good_token_and_whose_it_is():
    with Gitea() as peer:
        token = judged(gitea_token(peer, peer.mint("read:user"), scopes=["read:user"]))

        assert (token.state, token.reason, token.username) == ("valid", "", "alice")
        assert token.verified_at == token.tried_at is not None
        assert [heard.path for heard in peer.heard] == ["/api/v1/user"]


@pytest.mark.parametrize("login", ["a\0b", "\ud800", "a:b", "x" * 151])
def test_a_login_that_is_none_is_not_kept(login):
    with Gitea() as peer:
        peer.down = Told(200, {"login": login})
        token = judged(gitea_token(peer, "x" * 40))

        assert (token.state, token.username) == ("valid", "")


@pytest.mark.parametrize("newer", [False, True])
def test_a_gitea_token_without_read_user_is_good_and_limited(newer):
    with Gitea(newer=newer) as peer:
        token = gitea_token(peer, peer.mint("write:repository"), scopes=["read:misc"])

        token = judged(token)

        assert (token.state, token.reason) == ("limited", "It lacks the scope read:user.")
        assert token.scopes == (["write:repository"] if newer else ["read:misc"])
        assert token.broken_since is None
        assert kinds(token) == ["token:created"]


def test_a_gitea_token_that_was_taken_back_is_broken():
    with Gitea() as peer:
        secret = peer.mint("all")
        token = judged(gitea_token(peer, secret))
        peer.revoke(secret)

        token = judged(token)

        assert (token.state, token.broken_since) == ("broken", token.verified_at)
        assert [entry["state"] for entry in token.history] == ["broken", "valid"]


def test_a_gitea_user_who_is_not_let_in_has_a_broken_token():
    with Gitea() as peer:
        token = gitea_token(peer, peer.mint("all"))
        peer.banned.add("alice")

        assert judged(token).state == "broken"


def test_an_n8n_key_of_any_length_is_asked_about_whole():
    with N8n() as peer:
        key = peer.mint("x" * 7000)
        assert len(key) > 9000

        token = judged(make.external_token("n8n", key, base_url=peer.base_url))

        assert (token.state, token.expires_at) == ("valid", None)


def test_a_deleted_n8n_key_is_broken():
    with N8n() as peer:
        key = peer.mint()
        token = make.external_token("n8n", key, base_url=peer.base_url)
        peer.keys.clear()

        assert judged(token).reason == "It is refused there: revoked, expired or mistyped."


def test_an_n8n_key_says_when_it_ends():
    with N8n() as peer:
        end = int(time.time()) - 5
        token = make.external_token("n8n", peer.mint(expires=end), base_url=peer.base_url)

        assert token.expires_at == datetime.fromtimestamp(end, UTC)
        assert judged(token).reason == "It is refused there: it has expired."


def test_an_n8n_that_enforces_scopes_has_limited_keys():
    with N8n() as peer:
        peer.down = Told(403, {"message": "Forbidden"})

        assert judged(make.external_token("n8n", "k", base_url=peer.base_url)).state == "limited"


@pytest.mark.parametrize(
    "end", [True, "tomorrow", -1, 0, 1e300, float("nan"), float("inf"), 10**30, None, [1], {}]
)
def test_an_end_that_is_none_is_not_read(end):
    token = make.external_token("n8n", jwt(exp=end))

    assert token.expires_at is None


@pytest.mark.parametrize("text", ["a.b.c", "a.!!.c", "..", "a.eA.c", "x." + "W1" * 3000 + ".y"])
def test_what_is_no_jwt_has_no_end(text):
    assert make.external_token("n8n", text).expires_at is None


@pytest.mark.parametrize(
    ("secret", "username", "state"),
    [
        ("k1.s1", "", "valid"), ("k3.s3.boss", "", "valid"), ("k3.s3", "boss", "valid"),
        ("k1.wrong", "", "broken"), ("none.s1", "", "broken"), ("k3.s3", "", "broken"),
        ("k2.s2", "", "limited"), ("k4.s4", "", "limited"),
    ],
)  # fmt: skip
def test_keys_of_sftpgo(secret, username, state):
    with SFTPGoDoor() as peer:
        token = make.external_token("sftpgo", secret, base_url=peer.base_url, username=username)

        assert judged(token).state == state


def test_an_administrator_of_sftpgo_may_have_any_name():
    with SFTPGoDoor() as peer:
        given = {"base_url": peer.base_url, "username": "bøß王"}

        assert judged(make.external_token("sftpgo", "k3.s3", **given)).state == "valid"
        key = peer.heard[0].headers["x-sftpgo-api-key"]
        assert key.encode("latin-1").decode() == "k3.s3.bøß王"


def test_an_access_token_of_sftpgo_goes_as_a_bearer_and_tells_its_end():
    with SFTPGoDoor() as peer:
        token = make.external_token("sftpgo", peer.bearer, base_url=peer.base_url)

        assert judged(token).state == "valid"
        assert token.expires_at == datetime.fromtimestamp(4_000_000_000, UTC)
        peer.bearer = "other"
        assert judged(token).state == "broken"


def wordpress_token(peer, secret="abcd EFGH 1234 ijkl MNOP 5678"):
    url = f"{peer.base_url}/"
    return make.external_token("wordpress", secret, base_url=url, username="alice")


def test_an_application_password():
    with WordPressDoor() as peer:
        assert judged(wordpress_token(peer)).state == "valid"


def test_a_wrong_application_password_is_broken():
    with WordPressDoor() as peer:
        token = judged(wordpress_token(peer, "abcd EFGH 1234 ijkl MNOP 0000"))

        assert token.reason == "It is refused there: revoked, expired or mistyped."


def test_a_wordpress_without_application_passwords_is_told_apart():
    with WordPressDoor(offers=False) as peer:
        token = judged(wordpress_token(peer))

        assert (token.state, token.reason) == (
            "broken",
            "Application Passwords are off: use https.",
        )


def test_a_user_without_a_role_is_limited():
    with WordPressDoor() as peer:
        peer.roleless.add("alice")

        assert judged(wordpress_token(peer)).state == "limited"


NOT_ABOUT_IT = [
    Told(500, {"message": "x"}), Told(502, b"<html>"), Told(404, {"message": "x"}), Told(429, {}),
    Told(302, b"", {"Location": "http://127.0.0.1:9/"}), Told(200, b"<html>welcome</html>"),
    Told(200, {}), Told(200, []), Told(200, b"{" * 9),
    Told(200, {"login": 7, "data": {}, "id": "x"}),
    Told(403, b"<html>blocked</html>"), Told(503, {"code": "maintenance"}),
]  # fmt: skip


@pytest.mark.parametrize("provider", ["gitea", "n8n", "sftpgo", "wordpress"])
@pytest.mark.parametrize("told", NOT_ABOUT_IT, ids=str)
def test_an_answer_that_is_not_about_the_token_breaks_none(provider, told):
    with N8n() as peer:
        peer.down = told
        token = make.external_token(provider, base_url=peer.base_url, username="alice")

        token = judged(token)

        assert (token.state, token.broken_since) == ("unreachable", None)
        assert (token.verified_at, token.tried_at is None) == (None, False)
