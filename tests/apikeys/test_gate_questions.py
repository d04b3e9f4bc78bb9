"""What the gate asks of its door, and when it asks nothing: blocked, malformed, wrong, locked."""

import pytest

from apikeys.gate.effects import (
    CountFailure,
    IsBlocked,
    LoadKey,
    MayLookUp,
    Proven,
    Recall,
    Take,
    Taken,
)
from apikeys.gate.judge import judge
from apikeys.gate.lockout import Permit
from apikeys.gate.request import GateRequest
from tests.apikeys.judged import LIMIT, QUOTA, key_header


def asked_of(judging, replies):
    """The kinds of what was asked, and the verdict."""
    asked = []
    try:
        effect = next(judging)
        while True:
            asked.append(type(effect))
            effect = judging.send(replies.get(type(effect)))
    except StopIteration as stop:
        return asked, stop.value


def test_one_request_reads_the_key_once_and_takes_once(policy, secret, snapshot):
    limited = snapshot._replace(quotas=(QUOTA,))
    request = GateRequest([key_header(secret)], method="GET", path="/", client="", upstream="echo")

    asked, verdict = asked_of(
        judge(request, policy),
        {MayLookUp: Permit(True), LoadKey: limited, Take: Taken((), (), None)},
    )

    assert verdict.ok
    assert asked == [IsBlocked, Recall, MayLookUp, LoadKey, Proven, Take]


@pytest.mark.parametrize("secret_text", ["muser_x", "x" * 500, "", "é", "muser_" + "0" * 97])
def test_a_malformed_key_asks_nobody_and_counts_nothing(policy, secret_text):
    request = GateRequest(
        [key_header(secret_text)], method="GET", path="/proxy/echo/", client="", upstream="echo"
    )

    asked, _ = asked_of(judge(request, policy), {})

    assert asked == [IsBlocked]


@pytest.mark.parametrize(
    ("permit", "left", "code", "asked"),
    [
        (Permit(True), 0.0, "invalid_key", [Recall, MayLookUp, LoadKey, CountFailure]),
        (Permit(True), 7.2, "locked_out", [Recall, MayLookUp, LoadKey, CountFailure]),
        (Permit(True, 7.2), 0.0, "locked_out", [Recall, MayLookUp, LoadKey]),
        (Permit(False, 7.2), 0.0, "locked_out", [Recall, MayLookUp]),
    ],
)
def test_a_wrong_key_is_counted_unless_the_address_is_locked(
    policy, secret, permit, left, code, asked
):
    request = GateRequest([key_header(secret)], method="GET", path="/", client="")

    found, verdict = asked_of(judge(request, policy), {MayLookUp: permit, CountFailure: left})

    assert (found[1:], verdict.code) == (asked, code)
    if code == "locked_out":
        assert verdict.extra["retry_after"] == 8


def test_a_locked_address_passes_with_a_right_key(policy, secret, snapshot):
    request = GateRequest([key_header(secret)], method="GET", path="/", client="", upstream="echo")

    _, verdict = asked_of(
        judge(request, policy), {MayLookUp: Permit(True, 800.0), LoadKey: snapshot}
    )

    assert verdict.ok


def test_a_blocked_address_is_told_before_anything_is_looked_at(policy, secret):
    for headers in ([], [key_header(secret)], [key_header(secret)] * 2):
        request = GateRequest(headers, method="GET", path="/", client="192.0.2.1")

        asked, verdict = asked_of(judge(request, policy), {IsBlocked: True})

        assert (asked, verdict.code) == ([IsBlocked], "ip_blocked")


def test_a_wrong_admin_token_counts_but_a_mistyped_key_there_does_not(policy, secret):
    def asked(text):
        header = (b"authorization", b"Bearer " + text.encode())
        request = GateRequest([header], method="GET", path="/api/v1/admin/keys", client="")
        return asked_of(judge(request, policy), {CountFailure: 0.0})

    assert asked("a guess")[0] == [IsBlocked, CountFailure]
    assert asked(secret[:-1] + "!")[0] == [IsBlocked]
    assert asked("a guess")[1].code == "invalid_key"


def test_a_dry_run_takes_nothing_and_says_what_it_would_be(policy, secret, snapshot):
    limited = snapshot._replace(quotas=(QUOTA,))
    for weight, ok in ((2, True), (3, False)):
        request = GateRequest(
            [key_header(secret)], method="GET", path="/", client="", upstream="echo",
            weight=weight, dry_run=True,
        )  # fmt: skip
        left = LIMIT._replace(remaining=2)
        replies = {MayLookUp: Permit(True), LoadKey: limited, Take: Taken((), (left,), None)}

        judging = judge(request, policy)

        assert asked_of(judging, replies)[1].ok is ok


def test_the_secret_is_not_in_the_repr_of_what_is_asked(policy, secret):
    judging = judge(GateRequest([key_header(secret)], method="GET", path="/", client=""), policy)
    next(judging)

    assert secret not in repr(judging.send(False))
