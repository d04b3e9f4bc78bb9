"""``python -m tests.gateway.fuzz TARGET --seconds 600``: with atheris where it is installed."""

import argparse
import contextlib
import importlib
import importlib.util
import random
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.gateway.fuzz.corpus import escaped, load, save
from tests.gateway.fuzz.coverage import choose
from tests.gateway.fuzz.mutator import Mutator

if TYPE_CHECKING:
    from tests.gateway.fuzz.targets import Target

SLOW = 2.0  # seconds of CPU for one input: a finding
LONGEST = 8192
VAR = Path("var/fuzz")
# Whose branches guide atheris.
READ = ("proxy.gateway", "proxy.usage", "apikeys.gate", "apikeys.keyformat", "momentry.common")


def main() -> int:
    options = arguments().parse_args()
    folder = VAR / options.target
    folder.mkdir(parents=True, exist_ok=True)
    if options.keep:
        return keep(options.target, folder)
    if importlib.util.find_spec("atheris") and not options.plain:
        guided(options.target, folder, options.seconds, options.seed)
    return blind(options.target, find(options.target), options.seconds, options.seed)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.fuzz")
    parser.add_argument("target", help="a name of targets.TARGETS")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument(
        "--plain", action="store_true", help="our own mutator, though atheris is here"
    )
    parser.add_argument("--keep", action="store_true", help="keep the best of what runs have found")
    return parser


def find(name: str) -> "Target":
    found: Target = importlib.import_module("tests.gateway.fuzz.targets").TARGETS[name]
    return found


def guided(name: str, folder: Path, seconds: int, seed: int) -> None:
    """libFuzzer; it ends the process."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=list(READ)):
        target = find(name)
    for number, data in enumerate([*target.seeds, *load(name)]):
        (folder / f"seed-{number}").write_bytes(data)
    words = VAR / f"{name}.dict"
    words.write_text("".join(f'"{hexadecimal(token)}"\n' for token in target.tokens))
    limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=20", f"-max_len={LONGEST}"]
    given = [*limits, f"-dict={words}", f"-artifact_prefix={VAR}/{name}-", str(folder)]
    atheris.Setup([sys.argv[0], *given], target.check)
    atheris.Fuzz()


def hexadecimal(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def blind(name: str, target: "Target", seconds: int, seed: int) -> int:
    mutator = Mutator(seed, [*target.seeds, *load(name)], target.tokens)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutator.next()
        if fault := failure(target, data):
            print(f"{fault}\nseed {seed}, input {count}: {escaped(data)}")
            return 1
        count += 1
    print(f"{name}: {count} inputs from seed {seed}, nothing found")
    return 0


def failure(target: "Target", data: bytes) -> str:
    begun = time.process_time()
    try:
        target.check(data)
    except Exception:  # noqa: BLE001  whatever it is, it is a finding
        return traceback.format_exc()
    spent = time.process_time() - begun
    return f"{spent:.1f} s of CPU" if spent > SLOW else ""


def keep(name: str, folder: Path) -> int:
    target = find(name)
    found = [path.read_bytes() for path in folder.iterdir()] + load(name)
    kept = choose(target.check, found)
    save(name, kept)
    print(f"{name}: {len(kept)} of {len(found)} inputs kept")
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
