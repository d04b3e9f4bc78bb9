"""SFTPGo asks: 200 with an account is yes, without a name no; an error is no to it as well."""

import itertools
import json
import time

import pytest

from accounts import services as accounts
from accounts.models import Site, User
from apikeys.models import ApiKey, IpRule
from provisioning.services import sftp_login
from provisioning.services.homes import take
from provisioning.services.members import delete_member
from tests import make
from tests.apikeys.calls import client
from tests.provisioning.doors import WordPressDoor
from tests.provisioning.standin import Told

pytestmark = pytest.mark.django_db
HOOK = "/api/v1/hooks/sftpgo/auth"
NO = {"username": ""}
RIGHT = "abcd EFGH 1234 ijkl MNOP 5678"
WRONG = "abcd EFGH 1234 ijkl MNOP 0000"
addresses = (f"198.51.100.{number}" for number in itertools.count(1))


@pytest.fixture
def sftpgo(db):
    made = make.service_key("metrics")
    ApiKey.objects.filter(pk=made.key.pk).update(scopes=["hooks:sftpgo"])
    return client(made.secret)


@pytest.fixture
def here():
    """An address of its own: wrong secrets lock one out."""
    return next(addresses)


def named(member, name="alice"):
    assert take(member, name, f"/data/{name}") is not None
    return member


@pytest.fixture
def alice(db):
    return named(make.member("alice"))


@pytest.fixture
def wordpress(db):
    with WordPressDoor() as peer:
        site = make.site()
        Site.objects.filter(pk=site.pk).update(url=f"{peer.base_url}/")
        site.refresh_from_db()
        peer.member = named(make.member("alice", site=site, wordpress_id=4711), "alice-4711")
        yield peer


def ask(sftpgo, here, password, username="alice", **more):
    body = {"username": username, "password": password, "ip": here, "protocol": "SSH", **more}
    return sftpgo.post(HOOK, body)


def told(*args, **given):
    answer = ask(*args, **given)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_members_key_opens_their_account(sftpgo, alice, here):
    secret = make.key(alice).secret

    body = told(sftpgo, here, secret, public_key="", keyboard_interactive="", tls_cert="", user={})

    assert body == {
        "username": "alice", "home_dir": "/data/alice", "permissions": {"/": ["*"]}, "status": 1,
        "email": "alice@example.org", "quota_size": 10 * 1024**3,
        "additional_info": f"momentry:{alice.pk}",
    }  # fmt: skip


@pytest.mark.parametrize(("size", "quota"), [(None, 0), (0, 1), (5, 5)])
def test_no_bound_is_sftpgos_zero_and_nothing_is_one_byte(sftpgo, alice, here, size, quota):
    User.objects.filter(pk=alice.pk).update(quota_size=size)

    assert told(sftpgo, here, make.key(alice).secret)["quota_size"] == quota


def test_a_no_has_a_body(sftpgo, alice, here):
    """An empty one is a yes to SFTPGo."""
    for password in ("", "x", "é", "muser_" + "0" * 97, make.key(make.member("bob")).secret):
        assert told(sftpgo, here, password) == NO
    secret = make.key(alice).secret
    for name in ("", "ALICE", "alice ", "bob", "../alice", "a" * 255):
        assert told(sftpgo, here, secret, username=name) == NO


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"username": "alice", "password": "x"}, {"username": "alice", "ip": "x"},
        {"username": "a\0b", "password": "x", "ip": "192.0.2.1"}, {"username": ["a"], "ip": "::1"},
        {"username": "\ud800", "password": "x", "ip": "192.0.2.1"},
        {"username": "a" * 256, "password": "x", "ip": "192.0.2.1"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_yes(sftpgo, alice, body):
    answer = sftpgo.post(HOOK, json.dumps(body), content_type="application/json")

    assert answer.status_code in (400, 422)


def test_a_key_needs_the_scope_to_write_videos(sftpgo, alice, here):
    made = make.key(alice)
    ApiKey.objects.filter(pk=made.key.pk).update(scopes=["videos:read", "proxy:use"])

    assert told(sftpgo, here, made.secret) == NO


def test_other_keys_and_tokens_open_nothing(sftpgo, alice, here, settings):
    for secret in (make.service_key("admin").secret, settings.ADMIN_TOKEN):
        assert told(sftpgo, here, secret) == NO


def test_who_is_out_stays_out(sftpgo, alice, here):
    secret = make.key(alice).secret
    assert told(sftpgo, here, secret) != NO

    accounts.suspend(alice, reason="x", actor=make.ACTOR)
    assert told(sftpgo, here, secret) == NO
    accounts.resume(alice, actor=make.ACTOR)
    assert told(sftpgo, here, secret) != NO
    User.objects.filter(pk=alice.pk).update(status="pending")
    assert told(sftpgo, here, secret) == NO
    User.objects.filter(pk=alice.pk).update(status="active")
    delete_member(alice, actor=make.ACTOR)
    assert told(sftpgo, here, secret) == NO


def test_rules_on_addresses_hold_for_the_clients(sftpgo, alice, here):
    made = make.key(alice)
    ApiKey.objects.filter(pk=made.key.pk).update(allowed_networks=["203.0.113.0/24"])
    assert told(sftpgo, here, made.secret) == NO
    assert told(sftpgo, "203.0.113.7", made.secret) != NO

    IpRule.objects.create(network="203.0.113.0/24")
    assert told(sftpgo, "203.0.113.7", made.secret) == NO


def test_wrong_keys_lock_the_client_out_and_nobody_else(sftpgo, alice, here, settings):
    settings.RATE_LIMIT_MAX_ATTEMPTS = 3
    right, wrong = make.key(alice).secret, make.key(alice)
    ApiKey.objects.filter(pk=wrong.key.pk).delete()

    for _ in range(3):
        assert told(sftpgo, here, wrong.secret) == NO

    locked = client(wrong.secret)
    answer = locked.get("/api/v1/me", REMOTE_ADDR=here)
    assert (answer.status_code, answer.json()["code"]) == (429, "locked_out")
    assert told(sftpgo, next(addresses), right) != NO
    assert told(sftpgo, here, right) != NO  # a right key still passes


def test_what_staff_set_in_sftpgo_stays(sftpgo, alice, here):
    secret = make.key(alice).secret
    known = {
        "username": "alice", "home_dir": "/data/alice", "permissions": {"/": ["list"]},
        "max_sessions": 2, "additional_info": f"paid\nmomentry:{alice.pk}", "status": 1,
    }  # fmt: skip

    assert told(sftpgo, here, secret, user=known) == {
        **known, "email": alice.email, "quota_size": alice.quota_size,
    }  # fmt: skip
    assert told(sftpgo, here, secret, user=None)["permissions"] == {"/": ["*"]}


def test_an_account_of_somebody_else_is_opened_to_nobody(sftpgo, alice, here):
    known = {"username": "alice", "home_dir": "/data/alice", "additional_info": "Bob's"}

    assert told(sftpgo, here, make.key(alice).secret, user=known) == NO


def test_an_application_password_opens_the_account(sftpgo, wordpress, here):
    for password in (RIGHT, RIGHT.replace(" ", "")):
        body = told(sftpgo, here, password, username="alice-4711")
        assert (body["username"], body["home_dir"]) == ("alice-4711", "/data/alice-4711")
    assert told(sftpgo, here, make.key(wordpress.member).secret, username="alice-4711") != NO
    assert told(sftpgo, here, WRONG, username="alice-4711") == NO
    assert told(sftpgo, here, RIGHT, username="alice") == NO
    assert {heard.basic()[0] for heard in wordpress.heard if "authorization" in heard.headers} == {
        "alice"
    }


def test_it_is_the_member_whom_wordpress_knows(sftpgo, wordpress, here):
    """Another account under the name, after a restored database."""
    wordpress.ids["alice"] = 4712

    assert told(sftpgo, here, RIGHT, username="alice-4711") == NO


def test_only_application_passwords_go_to_wordpress(sftpgo, wordpress):
    for password in ("", "hunter2", "a" * 23, "a" * 25, "abcdé" * 5, RIGHT + "!", "a b" * 8):
        assert told(sftpgo, next(addresses), password, username="alice-4711") == NO
    Site.objects.update(disabled_at="2026-01-01T00:00:00Z")
    assert told(sftpgo, next(addresses), RIGHT, username="alice-4711") == NO
    assert wordpress.heard == []


def test_wrong_application_passwords_lock_the_client_out(sftpgo, wordpress, here, settings):
    settings.RATE_LIMIT_MAX_ATTEMPTS = 3
    unknown = make.key(make.member("bob"))
    ApiKey.objects.filter(pk=unknown.key.pk).delete()

    for number in range(3):
        assert told(sftpgo, here, WRONG[:-1] + str(number), username="alice-4711") == NO

    answer = client(unknown.secret).get("/api/v1/me", REMOTE_ADDR=here)
    assert answer.json()["code"] == "locked_out"
    assert told(sftpgo, next(addresses), RIGHT, username="alice-4711") != NO


def test_a_client_that_is_locked_out_is_not_asked_about(sftpgo, wordpress, here, settings):
    """But for one try a second, for its password may be the right one."""
    settings.RATE_LIMIT_MAX_ATTEMPTS = 1
    began = time.monotonic()

    for number in range(20):
        assert told(sftpgo, here, WRONG[:-2] + f"{number:02}", username="alice-4711") == NO

    tried = [heard for heard in wordpress.heard if "authorization" in heard.headers]
    assert len(tried) <= 2 + (time.monotonic() - began)


@pytest.mark.parametrize(
    ("down", "code"),
    [
        (Told(502, b""), "upstream_failed"), (Told(200, b"<html>"), "upstream_failed"),
        (Told(401, b"<html>"), "upstream_failed"), (Told(403, {"code": "x"}), "upstream_failed"),
        (Told(302, b"", {"Location": "/"}), "upstream_failed"),
    ],
)  # fmt: skip
def test_a_wordpress_that_says_nothing_is_no_yes_and_no_failure(
    sftpgo, wordpress, here, settings, down, code
):
    settings.RATE_LIMIT_MAX_ATTEMPTS = 2
    wordpress.down = down
    for _ in range(3):
        answer = ask(sftpgo, here, RIGHT, username="alice-4711")
        assert (answer.status_code, answer.json()["code"]) == (502, code)
    wordpress.down = None

    assert told(sftpgo, here, RIGHT, username="alice-4711") != NO


def test_a_wordpress_that_is_away_or_without_application_passwords(sftpgo, wordpress, here):
    wordpress.offers = False
    answer = ask(sftpgo, here, RIGHT, username="alice-4711")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")

    Site.objects.update(url="http://127.0.0.1:9/")
    answer = ask(sftpgo, here, RIGHT, username="alice-4711")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unreachable")
    assert RIGHT not in answer.content.decode()


def test_who_is_suspended_while_wordpress_is_asked_stays_out(sftpgo, wordpress, here, monkeypatch):
    asked = sftp_login.knows

    def knows(member, password):
        accounts.suspend(member, reason="x", actor=make.ACTOR)
        return asked(member, password)

    monkeypatch.setattr(sftp_login, "knows", knows)

    assert told(sftpgo, here, RIGHT, username="alice-4711") == NO
    assert len(wordpress.heard) == 1


@pytest.mark.parametrize("role", ["issuer", "validator", "metrics"])
def test_other_services_may_not_ask(alice, here, role):
    answer = ask(client(make.service_key(role).secret), here, make.key(alice).secret)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_nothing_is_asked_without_a_key(api, alice, here):
    assert ask(api, here, make.key(alice).secret).status_code == 401
    assert ask(client(make.key(alice).secret), here, "x").json()["code"] == "insufficient_scope"


def test_the_password_is_told_nowhere(sftpgo, wordpress, here, caplog):
    caplog.set_level("DEBUG")
    secret = make.key(wordpress.member).secret
    for password in (RIGHT, WRONG, secret, secret[:-1] + "0"):
        assert password not in ask(sftpgo, here, password, username="alice-4711").content.decode()
    assert not [word for word in (RIGHT, WRONG, secret[-20:]) if word in caplog.text]
