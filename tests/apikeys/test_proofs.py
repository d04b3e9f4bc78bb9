"""A secret that proved its key is known again by its mark; the snapshot says what it opens."""

import pytest

from apikeys.gate import opening
from apikeys.gate.effects import CountFailure, IsBlocked, Recall
from apikeys.gate.inspection import inspect
from apikeys.gate.judge import judge
from apikeys.gate.proofs import MAX_ENTRIES, Proofs
from apikeys.gate.question import Question
from apikeys.gate.request import GateRequest
from tests.apikeys.judged import KEY_ID, key_header


@pytest.fixture
def ask(policy, secret):
    """The kinds of what a judgement asked while this snapshot is remembered, and its outcome."""

    def run(snapshot, text=secret):
        asked = []
        request = GateRequest(
            [key_header(text)], method="GET", path="/", client="192.0.2.1", upstream="echo"
        )
        judging = judge(request, policy)
        replies = {IsBlocked: False, Recall: snapshot, CountFailure: 0.0}
        try:
            effect = next(judging)
            while True:
                asked.append(type(effect))
                effect = judging.send(replies[type(effect)])
        except StopIteration as stop:
            return asked, stop.value

    return run


def test_a_secret_is_compared_once(ask, snapshot, monkeypatch):
    compared = []
    real = opening.compare
    monkeypatch.setattr(opening, "compare", lambda *given: compared.append(1) or real(*given))

    verdicts = [ask(snapshot)[1] for _ in range(3)]

    assert [verdict.key_id for verdict in verdicts] == [KEY_ID] * 3
    assert len(compared) == 1


def test_a_rotated_key_is_not_opened_by_what_was_proved_before(ask, policy, snapshot):
    ask(snapshot)

    asked, verdict = ask(snapshot._replace(digests=(policy.peppers.digest("another"),)))

    assert (verdict.ok, verdict.code) == (False, "invalid_key")
    assert asked == [IsBlocked, Recall, CountFailure]


def test_another_secret_of_the_same_key_proves_nothing(ask, snapshot, secret):
    ask(snapshot)
    other = secret.replace(secret.split("_")[3], "0" * 43)

    assert ask(snapshot, other)[1].code == "invalid_key"


def test_no_secret_is_kept(ask, policy, snapshot, secret):
    ask(snapshot)

    (mark,) = policy.proofs.known
    assert secret not in repr(policy.proofs.known)
    assert mark not in (Proofs().mark(secret), secret.encode())


def test_what_is_no_text_in_utf_8_is_only_unknown(ask, policy, snapshot):
    ask(snapshot)

    with pytest.raises(StopIteration) as stop:
        next(inspect(Question("muser_\ud800"), policy))

    assert stop.value.value.document["code"] == "invalid_key"


def test_there_is_room_for_so_many():
    proofs = Proofs()
    for number in range(MAX_ENTRIES + 1):
        proofs.add(f"secret {number}", KEY_ID, "digest")

    assert len(proofs.known) <= MAX_ENTRIES
    assert proofs.find(f"secret {MAX_ENTRIES}") == (KEY_ID, "digest")
