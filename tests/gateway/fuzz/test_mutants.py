"""SMG-01, -02, -03, PRX-04, PRX-14: requests and answers that are nearly right, over the wire.

A request gets an answer or an end, and goes on only whole; of an answer a client sees 502, all of
it, or that it was cut. ``MUTANTS=seed:count`` runs as many as one likes (docs/development.md).
"""

import os

import pytest

from tests.gateway.fuzz import attacks
from tests.gateway.fuzz.liars import OK, SAMPLES, Liar, Lies
from tests.gateway.fuzz.mutants import UPGRADE, Run, read_all
from tests.gateway.fuzz.strict import Strict
from tests.gateway.processes import Gateway, request

LAST = request("GET", "/healthz", "", "Connection: close")
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def run(strict: Gateway, ends: list[Strict], strict_key: str) -> Run:
    return Run(strict.port, ends, strict_key)


@pytest.fixture
def lies(strict: Gateway, liar: Liar, strict_key: str) -> Lies:
    return Lies(strict.port, liar, strict_key)


def wanted() -> tuple[int, int]:
    """Seed and count."""
    seed, _, count = os.environ.get("MUTANTS", "2:2000").partition(":")
    return int(seed), int(count)


def test_valid_requests_go_on(run: Run, samples: list[bytes]) -> None:
    asked = 0
    for sample in samples:
        tunnel = UPGRADE in sample
        sent = sample if tunnel else sample + LAST
        asked += 0 if tunnel else len(read_all(sent))
        run.say([sent], ends=tunnel)
    run.look_for_unasked()

    assert run.faults == []
    assert run.statuses == {200: asked, 101: 1}


def test_a_hundred_requests(run: Run, samples: list[bytes]) -> None:
    run.over(1, samples, 104)

    assert not run.faults, "\n".join(run.faults[:5])
    assert {200, 400} <= set(run.statuses)


@pytest.mark.slow
def test_two_thousand_requests(run: Run, samples: list[bytes]) -> None:
    seed, count = wanted()

    run.over(seed, samples, count)

    assert not run.faults, "\n".join(run.faults[:5])
    assert {200, 101, 400, 401, 501} <= set(run.statuses), run.statuses


def test_valid_answers_are_relayed(lies: Lies) -> None:
    for number, sample in enumerate(SAMPLES):
        lies.tell([sample], f"/{number}")

    assert lies.faults == []
    assert lies.statuses == {b"200": len(SAMPLES) - 3, b"204": 1, b"304": 1, b"404": 1}
    assert lies.whole == len(SAMPLES)


def test_an_answer_with_two_readings_is_502(lies: Lies) -> None:
    fields = [*attacks.CODING_FIELDS, *attacks.LENGTH_FIELDS]
    heads = [
        OK + field + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" for field in fields if b"_" not in field
    ]
    for number, head in enumerate(heads):
        lies.tell([head], f"/{number}")

    assert lies.faults == []
    assert lies.statuses == {b"502": len(heads)}


def test_an_answer_that_is_not_whole_is_seen_as_cut(lies: Lies) -> None:
    sized, chunked = SAMPLES[0], SAMPLES[2]
    cuts = [
        whole[:at]
        for whole in (sized, chunked)
        for at in range(whole.find(b"\r\n\r\n") + 4, len(whole))
    ]
    said = [*cuts, *(OK + CHUNKED + chunks for chunks in attacks.CHUNKS)]
    for number, answer in enumerate(said):
        lies.tell([answer], f"/{number}")

    assert lies.faults == []
    assert (lies.statuses, lies.whole) == ({b"200": len(said)}, 0)


def test_a_hundred_answers(lies: Lies) -> None:
    lies.over(1, 104)

    assert not lies.faults, "\n".join(lies.faults[:5])
    assert {b"200", b"502"} <= set(lies.statuses)


@pytest.mark.slow
def test_two_thousand_answers(lies: Lies) -> None:
    lies.over(*wanted())

    assert not lies.faults, "\n".join(lies.faults[:5])
    assert {b"200", b"204", b"404", b"502"} <= set(lies.statuses)
