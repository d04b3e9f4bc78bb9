"""SMG-01, -02, -03: what follows a request on its connection, or an answer on an upstream's, is
never read out of its bytes, and nobody is answered twice. MUTANTS as in test_mutants, a quarter."""

import pytest

from tests.gateway.fuzz.liars import OK, SAMPLES, Patient, PatientLies
from tests.gateway.fuzz.mutants import UPGRADE
from tests.gateway.fuzz.staying import Stay, closed, refused
from tests.gateway.fuzz.strict import Strict
from tests.gateway.fuzz.test_mutants import wanted
from tests.gateway.processes import Gateway

SMUGGLED = b"/smuggled"
OLD = b"HTTP/1.0 200 OK\r\n\r\nold"  # to the connection's end, as with "close"
FORGED = OK + b"Content-Length: 6\r\n\r\nforged"


@pytest.fixture
def stay(strict: Gateway, ends: list[Strict], strict_key: str) -> Stay:
    return Stay(strict.port, ends, strict_key)


@pytest.fixture
def lies(strict: Gateway, patient: Patient, strict_key: str) -> PatientLies:
    return PatientLies(strict.port, patient, strict_key)


def went_on(stay: Stay) -> list[bytes]:
    """Targets of what was taken by an end, since this run began."""
    return [
        taken.message.target
        for end in stay.ends
        for taken in end.all()
        if taken.id not in stay.before
    ]


def test_the_next_request_is_the_next(stay: Stay, samples: list[bytes]) -> None:
    plain = [sample for sample in samples if UPGRADE not in sample]

    stay.say_all([parts for sample in plain for parts in ([sample], [sample, b""])])

    assert stay.faults == []
    assert sum(b"/next-" in target for target in went_on(stay)) == 2 * len(plain)


def test_the_body_of_a_refused_request_is_no_request(stay: Stay, strict_key: str) -> None:
    """Come with its head or after the answer, it is nobody's request; what follows may be one."""
    sayings = [[sample] for sample in refused(strict_key)]
    for sample in refused(strict_key):
        cuts = (1, 30, len(sample) // 2, len(sample) - 1, len(sample))
        sayings += [[sample[:cut], sample[cut:]] for cut in cuts]

    stay.say_all(sayings)

    assert stay.faults == []
    assert SMUGGLED not in went_on(stay)
    assert set(stay.statuses) == {200, 400, 401, 403}


def test_nothing_is_read_behind_what_ends_a_connection(stay: Stay, strict_key: str) -> None:
    stay.say_all([parts for end in closed(strict_key) for parts in ([end], [end, b""])])

    assert stay.faults == []
    assert not went_on(stay)
    assert set(stay.statuses) == {400, 405, 501}


def test_a_hundred_mutants_and_what_follows_them(
    stay: Stay, samples: list[bytes], strict_key: str
) -> None:
    stay.over(3, [*samples, *refused(strict_key), *closed(strict_key)], 104)

    assert not stay.faults, "\n".join(stay.faults[:5])
    assert {200, 400, 401} <= set(stay.statuses)


def test_an_answer_behind_an_answer_is_nobodys(lies: PatientLies) -> None:
    said = [sample for sample in SAMPLES if b"close" not in sample and sample != OLD]
    for number, answer in enumerate(said):
        for behind in (FORGED, b"\r\n" + FORGED, b"x", FORGED[:9]):
            lies.tell([answer, behind], f"/behind-{number}-{len(behind)}")

    assert lies.faults == []
    assert lies.whole == len(said) * 4


def test_fifty_answers_and_what_follows_them(lies: PatientLies) -> None:
    lies.over(4, 56)

    assert not lies.faults, "\n".join(lies.faults[:5])
    assert {b"200", b"502", b"504"} <= set(lies.statuses)


@pytest.mark.slow
def test_five_hundred_answers_and_what_follows_them(lies: PatientLies) -> None:
    seed, count = wanted()

    lies.over(seed, count // 4)

    assert not lies.faults, "\n".join(lies.faults[:5])


@pytest.mark.slow
def test_five_hundred_mutants_and_what_follows_them(
    stay: Stay, samples: list[bytes], strict_key: str
) -> None:
    seed, count = wanted()

    stay.over(seed, [*samples, *refused(strict_key), *closed(strict_key)], count // 4)

    assert not stay.faults, "\n".join(stay.faults[:5])
    assert {200, 400, 401, 403, 405, 501} <= set(stay.statuses), stay.statuses
