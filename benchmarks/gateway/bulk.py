"""What is large: CPU of 200 MB down and up beside nginx, and how much memory grows meanwhile."""

import socket
from collections.abc import Callable
from typing import Final

from arena import Account, Arena, Run, Side, forget_peak, in_turns, peak_kib, ratio, spread
from nginx import PLAIN
from upstream import LARGE

PATIENCE: Final = 60.0
PIECE: Final = bytes(1_000_000)
OURS: Final = "momentry"
MIB: Final = 8.0
CPU: Final = 1.5
Mover = Callable[[Arena, int], None]


def run_both(arena: Arena, run: Run) -> None:
    for title, move in (("down", down), ("up", up)):
        print(f"\n{LARGE // 1_000_000} MB {title}")
        sides = arena.of(PLAIN, OURS)
        before = {side.name: reset(side) for side in sides}

        def one(side: Side, _: int, move: Mover = move) -> float:
            account = Account(arena.at, side)
            move(arena, side.port)
            return account.cost().total * 1e3

        found = in_turns(sides, run, one)
        for name, values in found.items():
            print(f"  {name:22} CPU milliseconds {spread(values)}")
        each = ratio(found[OURS], found[PLAIN])
        run.bounds.check(f"CPU of 200 MB {title}, momentry / {PLAIN}", each, most=CPU)
        for side in sides:
            grown = (peak_kib(side.worker) - before[side.name]) / 1024
            label = f"MiB that {side.name} grew by at most"
            run.bounds.check(label, grown, most=MIB if side.name == OURS else 0)


def reset(side: Side) -> int:
    """Its memory now; its peak counts from here."""
    forget_peak(side.worker)
    return peak_kib(side.worker)


def down(arena: Arena, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(arena.get("/proxy/bulk/down"))
        into, head = bytearray(len(PIECE)), client.recv(65_536)
        start, _, body = head.partition(b"\r\n\r\n")
        if b" 200 " not in start:
            raise SystemExit(f"200 MB down: {start!r}")
        left = LARGE - len(body)
        while left:
            left -= took(client.recv_into(into))


def took(size: int) -> int:
    if not size:
        raise SystemExit("200 MB down: it was cut")
    return size


def up(arena: Arena, port: int) -> None:
    head = arena.get("/proxy/bulk/up").replace(b"GET ", b"POST ", 1)
    length = b"Content-Length: %d\r\n\r\n" % LARGE
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(head.removesuffix(b"\r\n") + length)
        for _ in range(LARGE // len(PIECE)):
            client.sendall(PIECE)
        answer = client.recv(65_536)
        while b"%d" % LARGE not in answer.partition(b"\r\n\r\n")[2]:
            piece = client.recv(65_536)
            if not piece:
                raise SystemExit(f"200 MB up: {answer!r}")
            answer += piece
