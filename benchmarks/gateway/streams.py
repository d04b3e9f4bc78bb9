"""Streams: CPU per chunk of server-sent events, and the memory of thousands that are silent."""

import socket
import time
import urllib.request
from typing import Final

from arena import Account, Arena, Run, Side, in_turns, resident_kib, spread
from load import Wrk
from nginx import PLAIN
from stage import median

CONNECTIONS: Final = 64
SILENT: Final = 4_000
AT_ONCE: Final = 200
PATIENCE: Final = 20.0
KIB_EACH: Final = 100.0
OURS: Final = "momentry"


def chunks(arena: Arena, run: Run) -> None:
    print(f"\nserver-sent events: chunks of 120 bytes, {CONNECTIONS} streams, one each 2 ms")
    wrk = Wrk(arena.at.directory, [arena.get("/proxy/streams/chunks")])

    def one(side: Side, seconds: int) -> float:
        account, before = Account(arena.at, side), written(arena)
        load = wrk.run(side.port, seconds, connections=CONNECTIONS)
        if load.refused:
            raise SystemExit(f"{side.name}: {load.refused} refusals")
        return account.cost().total / (written(arena) - before) * 1e6

    found = in_turns(arena.of(PLAIN, OURS), run, one)
    for name, values in found.items():
        print(f"  {name:22} CPU µs per chunk {spread(values)}")
    run.bounds.check("CPU µs per chunk, momentry", median(found[OURS]), most=12)


def written(arena: Arena) -> int:
    url = f"http://127.0.0.1:{arena.streams}/count"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.read())


def silent(arena: Arena, run: Run) -> None:
    """Each has an answer that has begun; what its process grew by, divided."""
    print(f"\n{SILENT} silent streams")
    for side in arena.of(PLAIN, OURS):
        before = resident_kib(side.worker)
        open_streams = hold(side.port, arena.get("/proxy/streams/silent"))
        each = (resident_kib(side.worker) - before) / SILENT
        for stream in open_streams:
            stream.close()
        if side.name == OURS:
            run.bounds.check("KiB each, momentry", each, most=KIB_EACH)
        else:
            run.bounds.check(f"KiB each, {side.name}", each)
        time.sleep(1)  # until the server has seen them go


def hold(port: int, request: bytes) -> list[socket.socket]:
    """All open at once, each with the first chunk of its answer read."""
    held: list[socket.socket] = []
    while len(held) < SILENT:
        fresh = [
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(AT_ONCE)
        ]
        for stream in fresh:
            stream.sendall(request)
        for stream in fresh:
            answer = b""
            while b"data: " not in answer:
                piece = stream.recv(65_536)
                if not piece or not answer.startswith(b"HTTP/1.1 200"[: len(answer)]):
                    raise SystemExit(f"a stream was refused after {len(held)}: {answer!r}")
                answer += piece
        held += fresh
    return held
