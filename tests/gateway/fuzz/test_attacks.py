"""SMG-01 … 07: known attacks, at both doors. Each is refused with its status and the connection's
end, goes nowhere, and hurts nobody who shares the connections behind the gateway."""

from collections.abc import Iterable

import pytest

from tests.gateway.fuzz import attacks
from tests.gateway.fuzz.strict import Strict
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Cut, Wire

DOORS = {"upstream": "/proxy/strict/attack", "django": "/claim/attack"}
Attack = tuple[bytes, int]


class Battery:
    """Attackers, each on a connection of its own, and an innocent client who keeps one."""

    def __init__(self, gateway: Gateway, ends: list[Strict], key: str, door: str) -> None:
        self.gateway = gateway
        self.ends = ends
        self.key = key
        self.path = DOORS[door]
        self.innocent = gateway.connect()
        self.smuggled = request("GET", f"{self.path}-smuggled", key)

    def post(self, fields: bytes, rest: bytes, host: bytes = b"Host: a\r\n") -> bytes:
        head = b"POST %b HTTP/1.1\r\n%bAuthorization: Bearer %b\r\n%b\r\n\r\n"
        return head % (self.path.encode(), host, self.key.encode(), fields) + rest

    def count(self) -> int:
        return sum(len(end.all()) for end in self.ends)

    def run(self, attempts: Iterable[Attack]) -> list[str]:
        """What went wrong."""
        self.comfort()
        wrong = []
        for raw, status in attempts:
            before = self.count()
            answer, closed = self.attack(raw + self.smuggled)
            went_on = self.count() - before
            self.comfort()
            told = (answer.status, answer.field("connection"), closed, went_on)
            if told != (status, "close", True, 0):
                wrong.append(f"{told} for {raw!r}")
        return wrong + [fault for end in self.ends for fault in end.faults]

    def attack(self, raw: bytes) -> tuple[Answer, bool]:
        wire = self.gateway.connect()
        try:
            wire.send(raw)
            return wire.answer(), wire.is_closed_within(2)
        except (Cut, TimeoutError) as error:
            return Answer(0, [], repr(error).encode()), False
        finally:
            wire.close()

    def comfort(self) -> None:
        answer = self.innocent.send(request("GET", f"{self.path}-not", self.key)).answer()
        assert answer.body == b"ok"


@pytest.fixture(params=DOORS)
def battery(request, strict: Gateway, ends: list[Strict], strict_key: str) -> Battery:
    return Battery(strict, ends, strict_key, request.param)


def test_transfer_codings(battery: Battery) -> None:
    chunks = b"5\r\nhello\r\n0\r\n\r\n"

    assert not battery.run((battery.post(fields, chunks), 400) for fields in attacks.CODING_FIELDS)
    assert not battery.run(
        [(battery.post(attacks.CHUNKED, chunks).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400)]
    )


def test_lengths(battery: Battery) -> None:
    fields = attacks.LENGTH_FIELDS

    assert not battery.run((battery.post(each, b"hello"), 400) for each in fields)


def test_chunks(battery: Battery) -> None:
    assert not battery.run((battery.post(attacks.CHUNKED, raw), 400) for raw in attacks.CHUNKS)


def test_names_and_values(battery: Battery) -> None:
    assert not battery.run((battery.post(fields, b""), 400) for fields in attacks.FIELDS)


def test_hosts(battery: Battery) -> None:
    assert not battery.run(
        (battery.post(b"A: b", b"", host + b"\r\n" if host else b""), 400) for host in attacks.HOSTS
    )


def test_request_lines(battery: Battery) -> None:
    path = battery.path.encode()
    rest = f"\r\nHost: a\r\nAuthorization: Bearer {battery.key}\r\n\r\n".encode()

    assert not battery.run(
        (line.replace(b"%b", path) + rest, status) for line, status in attacks.LINES
    )


def test_floods(battery: Battery) -> None:
    many = b"\r\n".join(b"A%d: b" % number for number in range(99))
    wide = battery.post(b"", b"")
    fill = b"A: " + b"x" * (32_769 - len(wide) - 3)
    assert len(battery.post(fill, b"")) == 32_769

    assert not battery.run(
        [
            (battery.post(many, b""), 431),
            (battery.post(fill, b""), 431),
            (b"GET /" + b"a" * 32_768 + b" HTTP/1.1\r\n", 431),
            (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
        ]
    )


def test_what_is_no_attack_passes_at_the_edge(battery: Battery) -> None:
    many = b"\r\n".join(b"A%d: b" % number for number in range(97))
    fill = b"A: " + b"x" * (32_768 - len(battery.post(b"", b"")) - 3)

    for fields in (many + b"\r\nContent-Length: 0", fill):
        wire: Wire = battery.gateway.connect().send(battery.post(fields, b""))
        assert wire.answer().status == 200
