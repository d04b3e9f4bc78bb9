"""A momentry that keeps the rules of the webhook and says what a test wants it to say."""

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Told(NamedTuple):
    """One request that was signed right."""

    event_id: str
    body: dict[str, Any]
    raw: str
    headers: dict[str, str]

    @property
    def user(self) -> dict[str, Any]:
        user: dict[str, Any] = self.body["data"]["user"]
        return user


class Handler(BaseHTTPRequestHandler):
    server: "Peer"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.server.take(raw, headers)
        time.sleep(self.server.delay)
        answer = self.server.document if status == 200 else {"code": f"told_{status}"}
        data = json.dumps(answer).encode()
        try:
            self.send_response(status)
            for name, value in self.server.fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            return  # it did not wait


class Peer(ThreadingHTTPServer):
    """``statuses``: what it answers next, one each; 200 when none is left."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *secrets: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.hooks = [Webhook(secret) for secret in secrets]
        self.told: list[Told] = []
        self.forged: list[str] = []
        self.statuses: deque[int] = deque()
        self.fields: dict[str, str] = {}
        self.document: dict[str, Any] = {"status": "applied"}
        self.delay = 0.0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, raw: str, headers: dict[str, str]) -> int:
        if not any(is_signed(hook, raw, headers) for hook in self.hooks):
            self.forged.append(raw)
            return 401
        self.told.append(Told(headers["webhook-id"], json.loads(raw), raw, headers))
        return self.statuses.popleft() if self.statuses else 200

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def of(self, user_id: int) -> list[Told]:
        return [told for told in self.told if told.user["id"] == user_id]


def is_signed(hook: Webhook, raw: str, headers: dict[str, str]) -> bool:
    try:
        hook.verify(raw, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True
