"""One run of the operator's command: what it is told, what it made. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from momentry_worker_api import LARGEST

ERROR_LENGTH = 4000
GRACE_SECONDS = 5.0  # from SIGTERM to SIGKILL for the command


def is_key(name: str) -> bool:
    """The command needs no key of ours."""
    return name.startswith("MOMENTRY_KEY")


class Run:
    """One command, in a session of its own, with its files in a directory that goes with it."""

    def __init__(self, command: list[str], claim: dict[str, Any], processor: str) -> None:
        self.processor = processor
        self.place = tempfile.TemporaryDirectory(prefix="momentry-worker-")
        self.output, self.errors, self.result, self.percent = (
            Path(self.place.name, name) for name in ("stdout", "stderr", "result", "progress")
        )
        video = claim["video"]
        words = {name: str(video[name]) for name in ("uuid", "path", "location", "name")}
        words["processor"] = processor
        environment = {
            name: text for name, text in os.environ.items() if "MOMENTRY_KEY" not in name
        }
        environment.update({f"MOMENTRY_{name.upper()}": text for name, text in words.items()})
        environment["MOMENTRY_CLAIM"] = json.dumps(claim)
        environment["MOMENTRY_RESULT_FILE"] = str(self.result)
        environment["MOMENTRY_PROGRESS_FILE"] = str(self.percent)
        for name, text in words.items():
            command = [word.replace("{" + name + "}", text) for word in command]
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """Ask, and insist a little later."""
        self.kill(signal.SIGTERM)
        insist = threading.Timer(GRACE_SECONDS, self.kill, (signal.SIGKILL,))
        insist.daemon = True
        insist.start()

    def progress(self) -> dict[str, int]:
        try:
            return {self.processor: max(0, min(100, int(self.percent.read_text())))}
        except (OSError, ValueError):
            return {}

    def outcome(self) -> dict[str, Any]:
        """What it made. ValueError when that is no JSON, or too long."""
        file = self.result if self.result.exists() else self.output
        if file.stat().st_size > LARGEST:
            raise ValueError(f"the result is longer than {LARGEST} bytes")
        made = json.loads(file.read_text(encoding="utf-8") or "null")
        if isinstance(made, dict) and "result" in made and not set(made) - {"result", "artefacts"}:
            return made
        return {"result": made}

    def complaint(self) -> str:
        with self.errors.open("rb") as file:
            file.seek(max(0, self.errors.stat().st_size - ERROR_LENGTH))
            return file.read().decode("utf-8", "replace").replace("\0", "")
