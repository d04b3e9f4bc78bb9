"""A name server's stand-in for gateway processes, which Python loads at their start (see ``site``).

RESOLVER_FILE has the addresses of each name, as JSON, and is read at every look-up; an answer holds
for a tenth of a second instead of thirty. Nothing else of the process is changed.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop

LIFE = 0.1


def names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(Path(os.environ["RESOLVER_FILE"]).read_text())
    return found


class Loop(uvloop.Loop):
    async def getaddrinfo(self, host: Any, port: Any, **given: Any) -> Any:
        sys.modules["proxy.gateway.resolver"].LIFE = LIFE
        told = names()
        if host not in told:
            return await super().getaddrinfo(host, port, **given)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in told[host]]


uvloop.new_event_loop = Loop
