"""nginx from the templates beside: as the light upstream, and as the peers."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stage import START_SECONDS, beside, children, free_port

TEMPLATES: Final = Path(__file__).resolve().parent / "conf"
MODULES: Final = Path("/usr/lib/nginx/modules")
LUA_MODULES: Final = ("ndk_http_module.so", "ngx_http_lua_module.so")
ANSWER_BYTES: Final = 900
PLAIN, AUTH, LUA = "nginx proxy_pass", "nginx auth_request", "nginx + Lua"


def answer() -> str:
    """A chat completion of 0.9 KB."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 131, "completion_tokens": 97, "total_tokens": 228}
    whole = {
        "id": "chatcmpl-C0hJ8u5yQ2rVx1dNwE7aKbT3mZsLp",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
    }
    words = "A heron stands in shallow water, and a boat passes behind it. " * 12
    message["content"] = words[: ANSWER_BYTES - len(json.dumps(whole))]
    return json.dumps(whole)


@contextlib.contextmanager
def nginx_upstream(directory: Path) -> Iterator[tuple[int, int]]:
    """Its port and its process id."""
    port = free_port()
    values = {"PORT": str(port), "ANSWER": answer()}
    with started(directory, "upstream.conf", values, port) as pid:
        yield port, pid


@contextlib.contextmanager
def nginx_peers(
    directory: Path, key: str, answers: int, streams: int
) -> Iterator[tuple[dict[str, int], int, dict[str, str]]]:
    """Their ports by name, nginx's process id, and why Lua is missing."""
    ports = {name: free_port() for name in (PLAIN, AUTH, LUA)}
    values = {
        "ANSWERS": str(answers),
        "STREAMS": str(streams),
        "JUDGE": str(free_port()),
        "KEY": key,
        "PASS": str(ports[PLAIN]),
        "AUTH": str(ports[AUTH]),
        "LUA_PORT": str(ports[LUA]),
        "HERE": str(TEMPLATES),
        "MODULES": "\n".join(f"load_module {MODULES / name};" for name in LUA_MODULES),
    }
    values["LUA"] = filled("lua.conf", {**values, "DIRECTORY": str(directory)})
    missing: dict[str, str] = {}
    if not all((MODULES / name).exists() for name in LUA_MODULES):
        missing[LUA] = "apt-get install libnginx-mod-http-lua lua-resty-core"
        values["MODULES"] = values["LUA"] = ""
        del ports[LUA]
    with started(directory, "peers.conf", values, ports[PLAIN]) as pid:
        yield ports, pid, missing


@contextlib.contextmanager
def started(directory: Path, name: str, values: dict[str, str], port: int) -> Iterator[int]:
    values = {**values, "DIRECTORY": str(directory), "USER": pwd.getpwuid(os.getuid()).pw_name}
    path = directory / name
    path.write_text(filled(name, values))
    with beside([program(), "-c", path], port) as pid:
        end = time.monotonic() + START_SECONDS
        while not children(pid) and time.monotonic() < end:
            time.sleep(0.01)  # it listens before its worker is there
        yield pid


def filled(name: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / name).read_text()
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text


def program() -> str:
    """Its path; Debian's is not on everybody's PATH."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit("This benchmark needs nginx: apt-get install nginx libnginx-mod-http-lua.")
    return found


def version() -> str:
    said = subprocess.run([program(), "-v"], stderr=subprocess.PIPE, check=True, text=True)
    return said.stderr.strip().rpartition("/")[2]
