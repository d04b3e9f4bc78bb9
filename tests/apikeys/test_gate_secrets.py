"""What the gate asks about secrets: in which order, and what it never asks."""

import uuid

import pytest

from apikeys import foreign, phc
from apikeys.gate.effects import (
    CountFailure,
    Damaged,
    FindForeign,
    IsBlocked,
    IsForeign,
    LoadKey,
    MayLookUp,
    Overloaded,
    Proven,
    ProveSlowly,
    Recall,
    Upgrade,
)
from apikeys.gate.judge import Policy, judge
from apikeys.gate.lockout import Permit
from apikeys.gate.opening import DUMMY
from apikeys.gate.request import GateRequest
from tests.apikeys.judged import KEY_ID
from tests.apikeys.stored import SECRET, argon2id, older_pepper, sha256


@pytest.fixture
def slowly(policy):
    return Policy(policy.peppers, policy.admin_token, policy.zone, "argon2id")


@pytest.fixture
def with_digests(snapshot):
    return lambda *digests: snapshot._replace(digests=digests)


def ask(policy, secret, replies, path="/proxy/echo/x", header=b"x-api-key"):
    """The effects after IsBlocked, and the verdict. A reply that is an exception is thrown."""
    value = b"Bearer " * (header == b"authorization") + secret.encode()
    request = GateRequest(
        ((header, value),), method="GET", path=path, client="192.0.2.1", upstream="echo", rest="/x"
    )
    judging, asked, reply = judge(request, policy), [], None
    try:
        while True:
            failed = isinstance(reply, Exception)
            asked.append(judging.throw(reply) if failed else judging.send(reply))
            reply = {MayLookUp: Permit(True), IsBlocked: False, **replies}.get(type(asked[-1]))
            reply = 0.0 if type(asked[-1]) is CountFailure else reply
    except StopIteration as stop:
        return asked[1:], stop.value


def kinds(asked):
    return [type(effect) for effect in asked]


def test_a_current_digest_asks_nothing_more(policy, secret, with_digests):
    key = with_digests(policy.peppers.digest(secret))

    asked, verdict = ask(policy, secret, {LoadKey: key})

    assert (kinds(asked), verdict.ok) == ([Recall, MayLookUp, LoadKey, Proven], True)


def test_a_match_among_cheap_digests_asks_no_slow_proof(policy, secret, with_digests):
    key = with_digests(argon2id("x"), policy.peppers.digest("x"), policy.peppers.digest(secret))

    asked, verdict = ask(policy, secret, {LoadKey: key})

    assert (kinds(asked), verdict.ok) == ([Recall, MayLookUp, LoadKey, Proven], True)


def test_a_slow_digest_is_asked_about_and_stored_anew(policy, secret, with_digests):
    slow = (argon2id(secret), argon2id("x"))

    asked, verdict = ask(policy, secret, {LoadKey: with_digests(*slow), ProveSlowly: slow[0]})

    assert (kinds(asked), verdict.ok) == (
        [Recall, MayLookUp, LoadKey, ProveSlowly, Proven, Upgrade],
        True,
    )
    assert asked[3].digests == slow
    assert (asked[5].key_id, asked[5].digest, asked[5].secret) == (KEY_ID, slow[0], secret)


def test_a_slow_no_is_a_failure_that_counts(policy, secret, with_digests):
    asked, verdict = ask(policy, secret, {LoadKey: with_digests(argon2id("x")), ProveSlowly: None})

    assert kinds(asked) == [Recall, MayLookUp, LoadKey, ProveSlowly, CountFailure]
    assert verdict.code == "invalid_key"


@pytest.mark.parametrize("known", [True, False])
def test_where_proofs_are_slow_unknown_and_wrong_cost_one(slowly, secret, with_digests, known):
    key = with_digests(slowly.peppers.digest("x")) if known else None

    asked, verdict = ask(slowly, secret, {LoadKey: key, ProveSlowly: DUMMY})

    assert kinds(asked) == [Recall, MayLookUp, LoadKey, ProveSlowly, CountFailure]
    assert asked[3].digests == (DUMMY,)
    assert phc.parse(DUMMY).is_own
    assert verdict.code == "invalid_key"


def test_where_proofs_are_slow_a_wrong_one_of_a_remembered_key_costs_one_too(
    slowly, secret, with_digests
):
    key = with_digests(slowly.peppers.digest("x"))

    asked, verdict = ask(slowly, secret, {Recall: key, LoadKey: key})

    assert kinds(asked) == [Recall, MayLookUp, LoadKey, ProveSlowly, CountFailure]
    assert verdict.code == "invalid_key"


def test_with_the_usual_hasher_it_costs_none(policy, secret, with_digests):
    asked, _ = ask(policy, secret, {Recall: with_digests(policy.peppers.digest("x"))})

    assert kinds(asked) == [Recall, CountFailure]


@pytest.mark.parametrize("old", ["an older pepper", "hmac, with slow proofs chosen"])
def test_of_a_remembered_key_too_it_is_stored_anew_when_it_is_first_opened(
    policy, secret, with_digests, old
):
    both, text = older_pepper(secret)
    chosen = "argon2id" if old.startswith("hmac") else "hmac-sha256"
    text = text if old == "an older pepper" else both.digest(secret)
    wider = Policy(both, policy.admin_token, policy.zone, chosen)
    key = with_digests(text)

    first, again = (ask(wider, secret, {Recall: key}) for _ in range(2))

    assert (kinds(first[0]), first[1].ok) == ([Recall, Upgrade], True)
    assert (first[0][1].key_id, first[0][1].digest) == (KEY_ID, text)
    assert (kinds(again[0]), again[1].ok) == ([Recall], True)


def test_with_the_usual_hasher_an_unknown_key_costs_none(policy, secret):
    asked, _ = ask(policy, secret, {LoadKey: None})

    assert kinds(asked) == [Recall, MayLookUp, LoadKey, CountFailure]


def test_a_full_queue_is_overloaded_and_no_failure(policy, secret, with_digests):
    replies = {LoadKey: with_digests(argon2id(secret)), ProveSlowly: Overloaded()}

    asked, verdict = ask(policy, secret, replies)

    assert (kinds(asked)[-1], verdict.code) == (ProveSlowly, "overloaded")


def test_an_old_pepper_s_digest_is_stored_anew(policy, secret, with_digests):
    both, old = older_pepper(secret)
    wider = Policy(both, policy.admin_token, policy.zone)

    asked, verdict = ask(wider, secret, {LoadKey: with_digests(old)})

    assert (kinds(asked)[-2:], verdict.ok) == ([Proven, Upgrade], True)


def test_damage_beside_a_sound_digest_is_told(policy, secret, with_digests):
    key = with_digests("garbage", policy.peppers.digest(secret))

    asked, verdict = ask(policy, secret, {LoadKey: key})

    assert (kinds(asked), verdict.ok) == ([Recall, MayLookUp, LoadKey, Damaged, Proven], True)


def test_a_plain_hash_opens_no_key_of_our_own_form(policy, secret, with_digests):
    key = with_digests(sha256(secret))

    for replies in ({LoadKey: key}, {Recall: key, LoadKey: key}):
        asked, verdict = ask(policy, secret, replies)

        assert kinds(asked) == [Recall, MayLookUp, LoadKey, Damaged, CountFailure]
        assert verdict.code == "invalid_key"


def test_that_only_others_open_a_key_is_no_damage(policy, secret, with_digests):
    asked, verdict = ask(policy, secret, {LoadKey: with_digests(foreign.ONLY)})

    assert (kinds(asked), verdict.code) == (
        [Recall, MayLookUp, LoadKey, CountFailure],
        "invalid_key",
    )


def test_no_known_format_asks_nobody(policy):
    asked, verdict = ask(policy, SECRET, {IsForeign: False})

    assert (kinds(asked), verdict.code) == ([IsForeign], "invalid_key")


def test_an_imported_secret_is_looked_up_with_leave_only(policy, with_digests):
    asked, verdict = ask(policy, SECRET, {IsForeign: True, MayLookUp: Permit(False, 7.0)})

    assert (kinds(asked), verdict.code) == ([IsForeign, MayLookUp], "locked_out")


def test_of_several_candidates_the_right_one_opens(policy, with_digests):
    other = with_digests(sha256("x"))._replace(key_id=uuid.UUID(int=7))
    found = (other, with_digests(sha256(SECRET)))

    asked, verdict = ask(policy, SECRET, {IsForeign: True, FindForeign: found})

    assert kinds(asked) == [IsForeign, MayLookUp, FindForeign, Proven, Upgrade]
    assert verdict.key_id == asked[-1].key_id == KEY_ID


@pytest.mark.parametrize("is_known", [True, False])
def test_under_the_admin_api_it_is_a_key_only_with_a_known_format(policy, is_known):
    asked, verdict = ask(
        policy, SECRET, {IsForeign: is_known, FindForeign: ()},
        path="/api/v1/admin/keys", header=b"authorization",
    )  # fmt: skip

    assert (FindForeign in kinds(asked)) == is_known
    assert (kinds(asked)[-1], verdict.code) == (CountFailure, "invalid_key")


def test_no_effect_tells_its_secret():
    effects = (
        IsForeign(SECRET), FindForeign(SECRET), ProveSlowly(SECRET, ()),
        Upgrade(SECRET, KEY_ID, ""), MayLookUp("192.0.2.1", SECRET),
    )  # fmt: skip

    assert SECRET not in repr(effects)
