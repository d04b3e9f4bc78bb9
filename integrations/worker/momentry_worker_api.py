"""momentry's REST API as a worker needs it. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LARGEST = 1_000_000  # bytes of a result; momentry takes no more
ANSWER_SECONDS = 30.0


class Away(Exception):
    """momentry does not answer, or not now."""


class Refused(Exception):
    """A 4xx that will not change: ``status`` and ``code``."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Momentry:
    """The key is read for each call, so that a new one counts without a restart."""

    def __init__(self, url: str, key_file: str) -> None:
        self.url = urlsplit(url)
        self.key_file = key_file

    def key(self) -> str:
        if self.key_file:
            return Path(self.key_file).read_text(encoding="utf-8").strip()
        return os.environ.get("MOMENTRY_KEY", "").strip()

    def post(self, path: str, body: dict[str, Any], patience: float = ANSWER_SECONDS) -> Any:
        """The answer's JSON, None for 204. Away, Refused; redirections are not followed."""
        try:
            status, headers, data = self.send(path, json.dumps(body).encode(), patience)
            document = json.loads(data) if data else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Away(str(error) or type(error).__name__) from None
        if status == 204:
            pause = headers.get("Retry-After", "")
            return {"pause": int(pause)} if pause.isdigit() else None
        if status == 200:
            return document
        code = str(document.get("code", "")) if isinstance(document, dict) else ""
        if status in (401, 403, 408, 429) or status >= 500 or status < 400:
            raise Away(f"{status} {code}")
        raise Refused(status, code, str(document.get("errors") or document.get("detail", "")))

    def send(self, path: str, body: bytes, patience: float) -> tuple[int, Any, bytes]:
        host, port = self.url.hostname or "", self.url.port
        made: http.client.HTTPConnection
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            made = http.client.HTTPSConnection(host, port, timeout=patience, context=context)
        else:
            made = http.client.HTTPConnection(host, port, timeout=patience)
        headers = {"Content-Type": "application/json", "X-API-Key": self.key()}
        try:
            made.request("POST", self.url.path.rstrip("/") + path, body, headers)
            answer = made.getresponse()
            return answer.status, answer.headers, answer.read(2 * LARGEST)
        finally:
            made.close()
