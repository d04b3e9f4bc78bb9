"""Gateways of another league: LiteLLM's pass-through and Portkey, as their packages start them."""

import contextlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from arena import Arena, Side
from sdk import sdk_request
from stage import beside, children, free_port, pin

HERE: Final = Path(__file__).resolve().parent
LITELLM, PORTKEY = "LiteLLM", "Portkey"
PORTKEY_PACKAGE: Final = "@portkey-ai/gateway@1.15.2"
PATIENCE: Final = 120.0  # LiteLLM imports for a long time
CONFIG: Final = """\
general_settings:
  dangerously_permit_weak_or_unset_master_key: true
  pass_through_endpoints:
    - path: "/pass"
      target: "http://127.0.0.1:{port}"
      include_subpath: true
      forward_headers: true
litellm_settings:
  telemetry: false
"""


# Nothing of our settings (LiteLLM would take DATABASE_URL for its own), no prices from the network.
CLEAN: Final = """\
exec env -i PATH="$PATH" HOME="$HOME" LITELLM_LOCAL_MODEL_COST_MAP=True "$@" > "$0" 2>&1
"""


class Other(NamedTuple):
    side: Side
    request: bytes


def litellm(arena: Arena, kept: Path) -> tuple[Sequence[str | Path], int, bytes]:
    python = kept / "bin" / "python"
    if not (kept / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", kept], check=True)
        wanted = ["-qq", "-r", str(HERE / "requirements.txt")]
        subprocess.run([python, "-m", "pip", "install", *wanted], check=True)
    config, port = arena.at.directory / "litellm.yaml", free_port()
    config.write_text(CONFIG.format(port=arena.answers))
    place = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command: list[str | Path] = [kept / "bin/litellm", "--config", config, *place]
    return command, port, sdk_request("/pass/v1", arena.key)


def portkey(arena: Arena, kept: Path) -> tuple[Sequence[str | Path], int, bytes]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise FileNotFoundError("node and npm are not installed")
    place, port = kept / "portkey", free_port()
    start = place / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not start.exists():
        quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
        subprocess.run([npm, "install", "--prefix", place, *quiet, PORTKEY_PACKAGE], check=True)
    host = f"http://127.0.0.1:{arena.answers}/v1"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": host}
    request = sdk_request("/v1", arena.key, headers)
    return [node, start, f"--port={port}", "--headless"], port, request


MAKERS: Final[dict[str, Callable[[Arena, Path], tuple[Sequence[str | Path], int, bytes]]]] = {
    PORTKEY: portkey,
    LITELLM: litellm,
}


@contextlib.contextmanager
def others(arena: Arena, names: Sequence[str], kept: Path) -> Iterator[list[Other]]:
    """Those that could be installed and answer; why another could not is printed."""
    with contextlib.ExitStack() as stack:
        found: list[Other] = []
        for name in names:
            print(f"  installing and starting {name}", flush=True)
            said = arena.at.directory / f"{name}.log"
            try:
                command, port, request = MAKERS[name](arena, kept)
                heard = ["/bin/sh", "-c", CLEAN, said, *command]
                pid = stack.enter_context(beside(heard, port, PATIENCE))
                answers(port, request)
            except (OSError, subprocess.SubprocessError, SystemExit) as error:
                why = "it did not start" if isinstance(error, SystemExit) else error
                print(f"  {name} IS MISSING in what follows: {why}\n{last_words(said)}", flush=True)
                continue
            pin([pid, *children(pid)])
            found.append(Other(Side(name, port, pid, pid), request))
        yield found


def last_words(log: Path) -> str:
    return log.read_text()[-1500:] if log.exists() else ""


def answers(port: int, request: bytes) -> None:
    """Raises OSError unless it answers 200 within its patience."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    fields = {name: value for name, value in fields.items() if name.lower() != "host"}
    url = f"http://127.0.0.1:{port}{first.split()[1]}"
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, body, fields), timeout=30).close()
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return
