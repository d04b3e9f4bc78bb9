"""AUTH-08: can a client tell an unknown key from a wrong or a malformed one by the clock?

    .venv/bin/python benchmarks/timing.py [--slow]

Over HTTP on one kept connection, in random order, each request from an address of its own: the
medians of the answers to an unknown key, a known key id with another secret, and a good key with
one letter changed. At the gateway, and at Django's own door without a gateway. ``--slow``: the
known one's digest is Argon2id's, and another secret of a key with an HMAC is asked about as well.
"""

import argparse
import http.client
import math
import os
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import Final

from stage import Bounds, django, gateway, median, stage

from apikeys import keyformat, phc

MOST: Final = 50.0  # microseconds between the medians
BEHIND: Final = {"TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT_MAX_ATTEMPTS": "100000"}
EACH: Final = 300
EACH_SLOW: Final = 50  # they take a tenth of a second
Shapes = dict[str, Callable[[], str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="at most")
    parser.add_argument("--slow", action="store_true", help="one digest is Argon2id's")
    given = parser.parse_args()
    bounds = Bounds()
    with stage() as at:
        shapes = make_shapes(slow=given.slow)
        each = EACH_SLOW if given.slow else EACH
        with gateway(at, BEHIND) as ours:
            compare("gateway", ours.port, "/proxy/echo/x", shapes, each, given.rounds, bounds)
        os.environ.update(BEHIND)
        with django() as port:
            compare("Django's door", port, "/api/v1/me", shapes, each, given.rounds, bounds)
    return bounds.code


def make_shapes(*, slow: bool) -> Shapes:
    rows = import_module("rows")
    good: str = rows.member_secret("alice", "enterprise")
    known = key_id(good)
    other = key_id(rows.member_secret("bob", "enterprise"))
    if slow:
        keys = import_module("apikeys.models").ApiKey.objects
        keys.filter(pk=known).update(digest=phc.hashed(good))

    def mint(key_id: uuid.UUID) -> str:
        pepper, now = os.urandom(32), int(time.time())
        return keyformat.mint("muser", key_id, owner="alice", pepper=pepper, at=now)

    def altered() -> str:
        place = random.randrange(len("muser_"), len(good))  # noqa: S311  no secret
        other = "a" if good[place] != "a" else "b"
        return good[:place] + other + good[place + 1 :]

    shapes = {
        "unknown": lambda: mint(uuid.uuid4()),
        "wrong": lambda: mint(known),
        "malformed": altered,
    }
    return shapes | {"wrong, HMAC": lambda: mint(other)} if slow else shapes


def key_id(secret: str) -> uuid.UUID:
    return uuid.UUID(secret.split("_")[1])


def compare(
    door: str, port: int, path: str, shapes: Shapes, each: int, rounds: int, bounds: Bounds
) -> None:
    """Rounds until the noise is well below the bound, or all of them."""
    found: dict[str, list[float]] = {name: [] for name in shapes}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    numbers = count()
    for name in [*shapes] * 3:  # the first ones open connections to the database
        refusal(connection, path, shapes[name](), next(numbers))
    for _ in range(rounds):
        names = list(shapes) * each
        random.shuffle(names)
        for name, key in [(name, shapes[name]()) for name in names]:  # all made before the first
            found[name].append(refusal(connection, path, key, next(numbers)))
        if noise_of(found) < MOST / 2:
            break
    connection.close()
    tell(door, found, bounds)


def tell(door: str, found: dict[str, list[float]], bounds: Bounds) -> None:
    print(f"\n{door}, {len(found['wrong'])} of each: microseconds")
    for name, times in found.items():
        low, middle, high = statistics.quantiles(times, n=4)
        print(f"  {name:12} median {middle:10.1f}   quartiles {low:10.1f} {high:10.1f}")
    medians = [median(times) for times in found.values()]
    difference, noise = max(medians) - min(medians), noise_of(found)
    bounds.check("largest difference of medians", difference)
    bounds.check("noise: two standard errors of a median", noise)
    bounds.check("of the difference, more than noise", max(0.0, difference - noise), most=MOST)


def noise_of(found: dict[str, list[float]]) -> float:
    """By the quartiles: a median's error is 1.253 of a mean's, 1.349 deviations lie between."""
    errors: list[float] = []
    for times in found.values():
        low, _, high = statistics.quantiles(times, n=4)
        errors.append(1.253 * (high - low) / 1.349 / math.sqrt(len(times)))
    return 2.0 * max(errors)


def refusal(connection: http.client.HTTPConnection, path: str, key: str, number: int) -> float:
    address = f"198.18.{number // 250 % 250 + 1}.{number % 250 + 1}"
    headers = {"X-API-Key": key, "X-Forwarded-For": address}
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    elapsed = (time.perf_counter() - began) * 1e6
    if answer.status != 401:
        raise SystemExit(f"a refusal was answered with {answer.status}")
    return elapsed


if __name__ == "__main__":
    sys.exit(main())
