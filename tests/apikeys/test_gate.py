"""The gate over snapshots made by hand: no database, every check in its order."""

import os
from datetime import timedelta

import pytest

from apikeys import keyformat
from apikeys.gate.addresses import allow_list
from apikeys.gate.effects import (
    DatabaseUnavailable,
    LoadKey,
    MayLookUp,
    Proven,
    Recall,
    Take,
    Taken,
)
from apikeys.gate.judge import Policy, judge
from apikeys.gate.lockout import Permit
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import Grant
from tests.apikeys.judged import KEY_ID, LIMIT, NOW, QUOTA, TOKEN, key_header


def ask(
    policy, snapshot, *headers, path="/proxy/echo/x", upstream="echo", method="GET", taken=None
):
    """Drive the gate with these replies."""
    request = GateRequest(
        headers, method=method, path=path, client="192.0.2.1", upstream=upstream, rest="/x"
    )
    judging = judge(request, policy)
    try:
        effect = next(judging)
        while True:
            effect = judging.send(reply_to(effect, snapshot, taken))
    except StopIteration as stop:
        return stop.value


def reply_to(effect, snapshot, taken):
    """Of a door where nothing is blocked and nobody is locked out."""
    if isinstance(effect, LoadKey):
        return snapshot
    if isinstance(effect, Take):
        return taken
    if isinstance(effect, Recall):
        return None
    return Permit(True) if isinstance(effect, MayLookUp) else 0


def until_loaded(judging):
    """Up to the question for the key."""
    effect = next(judging)
    while not isinstance(effect, LoadKey):
        effect = judging.send(reply_to(effect, None, None))


@pytest.mark.parametrize("name", [b"x-api-key", b"api-key"])
def test_a_good_key_passes(policy, secret, snapshot, name):
    verdict = ask(policy, snapshot, key_header(secret, name))

    assert (verdict.ok, verdict.key_id, verdict.credential) == (True, KEY_ID, name)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_a_bearer_key_passes(policy, secret, snapshot, scheme):
    assert ask(policy, snapshot, (b"authorization", scheme + secret.encode())).ok


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"cookie", b"x-api-key=KEY"),),
        ((b"authorization", b"Basic KEY"),),
        ((b"authorization", b"KEY"),),
        ((b"x-api-key", b""),),
        ((b"authorization", b"Bearer "),),
        ((b"x-auth-token", b"KEY"),),
    ],
)
def test_a_key_anywhere_else_is_no_credential(policy, secret, snapshot, headers):
    placed = [(name, value.replace(b"KEY", secret.encode())) for name, value in headers]

    assert ask(policy, snapshot, *placed).code == "missing_key"


@pytest.mark.parametrize(
    "headers",
    [
        ((b"x-api-key", b"KEY"), (b"x-api-key", b"KEY")),
        ((b"x-api-key", b"KEY"), (b"api-key", b"KEY")),
        ((b"authorization", b"Bearer KEY"), (b"x-api-key", b"KEY")),
        ((b"authorization", b"Basic abc"), (b"x-api-key", b"KEY")),
        ((b"x-api-key", b"KEY, KEY"),),
        ((b"x_api_key", b"KEY"),),
        ((b"api_key", b"KEY"), (b"x-api-key", b"KEY")),
        ((b"x_api-key", b"KEY"), (b"x-api-key", b"KEY")),
        ((b"x-api-key", b"KEY"), (b"x-api_key", b"KEY")),
        ((b"x_api-key", b"KEY"),),
        ((b"x-api_key", b"KEY"),),
    ],
)
def test_ambiguous_credentials_are_refused(policy, secret, snapshot, headers):
    placed = [(name, value.replace(b"KEY", secret.encode())) for name, value in headers]

    assert ask(policy, snapshot, *placed).code == "ambiguous_credentials"


def test_an_unknown_key_a_wrong_secret_and_a_malformed_one_look_alike(policy, secret, snapshot):
    other = keyformat.mint("muser", KEY_ID, owner="a", pepper=policy.peppers.signing, at=1)
    answers = [
        ask(policy, None, key_header(secret)),
        ask(policy, snapshot, key_header(other)),
        ask(policy, snapshot, key_header(secret[:-1] + "!")),
        ask(policy, snapshot._replace(digests=()), key_header(secret)),
        ask(policy, snapshot._replace(digests=("corrupt",)), key_header(secret)),
    ]

    assert {(a.ok, a.code, a.detail, a.key_id) for a in answers} == {
        (False, "invalid_key", "", None)
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"revoked_at": NOW}, "key_revoked"),
        ({"quarantined_at": NOW}, "key_quarantined"),
        ({"disabled_at": NOW}, "key_disabled"),
        ({"expires_at": NOW}, "key_expired"),
        ({"member_status": "suspended"}, "member_suspended"),
        ({"allowed": allow_list(("198.51.100.0/24",))}, "ip_not_allowed"),
        ({"allowed": allow_list(("nonsense",))}, "ip_not_allowed"),
        ({"member_status": "pending"}, "member_suspended"),
        ({"scopes": frozenset()}, "insufficient_scope"),
        ({"member_grants": ()}, "upstream_forbidden"),
        ({"member_grants": (Grant("other", (), ()),)}, "upstream_forbidden"),
        ({"member_grants": (Grant("echo", ("POST",), ()),)}, "upstream_forbidden"),
        ({"member_grants": (Grant("echo", (), ("/y",)),)}, "upstream_forbidden"),
        ({"key_grants": (Grant("other", (), ()),)}, "upstream_forbidden"),
    ],
)
def test_each_check_refuses_with_its_code(policy, secret, snapshot, change, code):
    verdict = ask(policy, snapshot._replace(**change), key_header(secret))

    assert (verdict.ok, verdict.code, verdict.key_id) == (False, code, KEY_ID)


def test_a_key_grant_does_not_widen_the_members(policy, secret, snapshot):
    wide = snapshot._replace(member_grants=(), key_grants=(Grant("echo", (), ()),))

    assert ask(policy, wide, key_header(secret)).code == "upstream_forbidden"


def test_a_service_key_may_live_by_its_own_grants(policy, secret, snapshot):
    lone = snapshot._replace(
        key_type="service", member_id=None, member_grants=(), key_grants=(Grant("echo", (), ()),)
    )

    assert ask(policy, lone, key_header(secret)).ok


def test_an_expiry_ahead_does_not_refuse(policy, secret, snapshot):
    later = snapshot._replace(expires_at=NOW + timedelta(microseconds=1))

    assert ask(policy, later, key_header(secret)).ok


def test_an_exceeded_quota_says_which_and_when(policy, secret, snapshot):
    verdict = ask(
        policy, snapshot._replace(quotas=(QUOTA,)), key_header(secret),
        taken=Taken((), (LIMIT,), LIMIT),
    )  # fmt: skip

    assert verdict.code == "quota_exceeded"
    assert verdict.extra["violated-policies"] == ["monthly"]
    assert verdict.extra["retry_after"] >= 9 * 86400
    assert verdict.limits == (LIMIT,)


def test_a_refused_request_takes_nothing(policy, secret, snapshot):
    refused = snapshot._replace(quotas=(QUOTA,), revoked_at=NOW)
    judging = judge(
        GateRequest([key_header(secret)], method="GET", path="/", client="", upstream="echo"),
        policy,
    )
    until_loaded(judging)
    assert isinstance(judging.send(refused), Proven)

    with pytest.raises(StopIteration) as stop:
        judging.send(None)

    assert stop.value.value.code == "key_revoked"


def test_a_request_that_passes_asks_for_its_weight(policy, secret, snapshot):
    request = GateRequest(
        [key_header(secret)], method="GET", path="/", client="", upstream="echo", weight=3
    )
    judging = judge(request, policy)
    until_loaded(judging)
    judging.send(snapshot._replace(quotas=(QUOTA,)))

    effect = judging.send(None)

    assert effect == Take((QUOTA,), (3,), NOW)


def test_without_a_database_the_answer_is_503_and_never_401(policy, secret):
    judging = judge(GateRequest([key_header(secret)], method="GET", path="/", client=""), policy)
    until_loaded(judging)

    with pytest.raises(StopIteration) as stop:
        judging.throw(DatabaseUnavailable())

    assert stop.value.value.code == "database_unavailable"


@pytest.mark.parametrize(
    ("path", "header", "actor", "code"),
    [
        ("/api/v1/admin/users", (b"authorization", b"Bearer " + TOKEN.encode()), "admin-token", ""),
        ("/api/v1/me", (b"authorization", b"Bearer " + TOKEN.encode()), "", "invalid_key"),
        ("/proxy/echo/", (b"authorization", b"Bearer " + TOKEN.encode()), "", "invalid_key"),
        ("/api/v1/admin/users", (b"x-api-key", TOKEN.encode()), "", "invalid_key"),
        ("/api/v1/admin/users", (b"authorization", b"Bearer " + TOKEN[:-1].encode()), "",
         "invalid_key"),
        ("/api/v1/admin/users", (b"authorization", b"Bearer \xff" + TOKEN.encode()), "",
         "invalid_key"),
    ],
)  # fmt: skip
def test_the_admin_token_counts_under_admin_as_bearer_only(policy, path, header, actor, code):
    verdict = ask(policy, None, header, path=path, upstream="")

    assert (verdict.actor, verdict.code) == (actor, code)


def test_an_unset_admin_token_is_not_an_empty_one(policy):
    bare = Policy(policy.peppers, "", policy.zone)

    verdict = ask(bare, None, (b"authorization", b"Bearer x"), path="/api/v1/admin/users")

    assert verdict.code == "invalid_key"


def test_secrets_are_not_in_the_policys_repr(policy):
    assert TOKEN not in repr(policy)
    assert os.environ["API_KEY_PEPPERS"] not in repr(policy)


def test_a_retired_secret_in_its_grace_passes_too(policy, secret, snapshot):
    newer = policy.peppers.digest("another secret")

    both = snapshot._replace(digests=(newer, *snapshot.digests))

    assert ask(policy, both, key_header(secret)).ok
