"""Runs ``manage.py prepare`` (migrate and seed), or knows that it need not run."""

import hashlib
import hmac
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from momentry.common.veil import veils
from momentry.supervisor.child import Child
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.places import ROOT, RUNTIME
from momentry.supervisor.signals import Signals

# What `prepare` reads of the environment; when one of them changes it has to run again.
SEEDED_FROM: Final = ("MOMENTRY_", "WORDPRESS_", "UPSTREAM", "DEFAULT_TIER")
LIMIT_SECONDS: Final = 600.0


@veils("key")
class Prepared(NamedTuple):
    """``key``: the demonstration key, "" unless this very run made it. ``password_holds``: the
    admin logs in with the password that was given."""

    key: str
    password_holds: bool


def run_prepare(
    child: Child, signals: Signals, meanwhile: Callable[[], object] = lambda: None
) -> Prepared:
    """Raises CannotStartError with its last words, StoppedError when asked to stop meanwhile."""
    with tempfile.TemporaryFile() as output:  # never the log: the answer holds a key
        child.start(output)
        deadline = time.monotonic() + LIMIT_SECONDS
        while (code := child.code()) is None:
            if signals.stopping() or time.monotonic() > deadline:
                child.kill()
                raise StoppedError if signals.stopping() else CannotStartError(reason(child))
            meanwhile()
            signals.sleep(0.1)
        output.seek(0)
        said = output.read()
    if code != 0:
        with child.spec.log.open("ab") as log:
            log.write(said)  # a run that failed made no key
        raise CannotStartError(reason(child))
    return read_answer(said.decode(errors="replace"))


def reason(child: Child) -> str:
    words = child.last_words(1) if child.code() == 1 else child.last_words()
    log = child.spec.log
    return "\n  ".join(words) or f"manage.py prepare failed without a word (see {log})."


def read_answer(text: str) -> Prepared:
    """The last line that is a JSON object with our names; log lines may surround it."""
    for line in reversed(text.splitlines()):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and "admin" in answer:
            return Prepared(str(answer.get("key") or ""), bool(answer.get("password_holds")))
    raise CannotStartError("manage.py prepare did not say what it made.")


class Stamp:
    """Remembers, in the data directory, for what database and code `prepare` last ran."""

    def __init__(self, path: Path, secret: bytes) -> None:
        self.path = path
        self.secret = secret

    def matches(self, state: str) -> bool:
        try:
            return hmac.compare_digest(self.path.read_text(encoding="ascii").strip(), state)
        except OSError:
            return False

    def write(self, state: str) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(f"{state}\n", encoding="ascii")
        draft.replace(self.path)

    def state(self, cluster: Path, environment: Mapping[str, str]) -> str:
        """One digest of the code's migrations, the database's identity, the seeds and the day.

        The day, because `prepare` also makes the request log's partitions some days ahead.
        """
        seeds = {name: environment[name] for name in environment if name.startswith(SEEDED_FROM)}
        seeds.pop("MOMENTRY_NONCE", None)
        day = time.strftime("%Y-%m-%d", time.gmtime())
        parts = [day, code_digest(ROOT, RUNTIME), identity(cluster), sorted(seeds.items())]
        return hmac.new(self.secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def code_digest(root: Path, requirements: Path) -> str:
    """Of every migration of ours, what seeds, and the pins (packages bring migrations too)."""
    patterns = ("*/migrations/*.py", "*/*/migrations/*.py", "momentry/management/commands/*.py")
    files = {file for pattern in patterns for file in root.glob(pattern)}
    digest = hashlib.sha256()
    for file in (*sorted(files), root / "momentry" / "seed.py", requirements):
        if file.exists():
            digest.update(f"{file.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def identity(cluster: Path) -> str:
    """The cluster's system identifier and its databases' numbers, read from its files.

    So a directory that was swapped, or a database dropped and restored, is prepared again.
    """
    try:
        with (cluster / "global" / "pg_control").open("rb") as control:
            system = control.read(8).hex()
        return f"{system}:{sorted(os.listdir(cluster / 'base'))}"  # noqa: PTH208 names only
    except OSError:
        return ""
