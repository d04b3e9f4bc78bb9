"""A stand-in for SFTPGo's REST API on a real socket, stateful, with the rules of the real one:
tokens end, a duplicate is 409, a PUT replaces everything, 500 users a page, names are checked."""

import base64
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ADMIN = "momentry"
PASSWORD = "s3cret of sftpgo"
API_KEY = "apikeyid.s3cretofapikey"
FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
HOURS = 3600.0
Account = dict[str, Any]


class StandIn:
    """``trouble(method, path)`` says how the next request goes wrong: "hang", "cut" (no answer, no
    effect), "lost" (the effect, but no answer), a status, or "" for not at all."""

    def __init__(self) -> None:
        self.url = ""  # once it is served
        self.users: dict[str, Account] = {}
        self.passwords: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.log_ins = 0
        self.disconnected: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.trouble: Callable[[str, str], str] = lambda *_: ""
        self.let_go = threading.Event()
        self.lock = threading.RLock()
        self.most_at_once = self.at_once = 0

    def expire_tokens(self) -> None:
        self.tokens.clear()

    def add(self, username: str, **given: Any) -> Account:
        """As an administrator of SFTPGo would."""
        account = {
            "username": username, "home_dir": f"/srv/{username}", "permissions": {"/": ["*"]},
            "status": 1, "quota_size": 0, "email": "", "additional_info": "", **given,
        }  # fmt: skip
        self.users[username] = self.stored(account, {})
        return account

    def changes(self) -> list[str]:
        return [method for method, path in self.requests if method != "GET"]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/api/v2/token":
            return self.token(headers)
        if not self.is_known(headers):
            return 401, {"message": "Unauthorized"}
        if parts.path == "/api/v2/users":
            return self.add_user(json.loads(body)) if method == "POST" else self.list(query)
        if parts.path.startswith("/api/v2/users/"):
            name = unquote(parts.path.removeprefix("/api/v2/users/"))
            return self.user(method, name, query, body)
        return 404, {"message": "Not Found"}

    def token(self, headers: Any) -> tuple[int, Any]:
        pair = base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()
        if headers.get("Authorization") != f"Basic {pair}":
            return 401, {"message": "Unauthorized"}
        self.log_ins += 1
        self.tokens.add(token := secrets.token_urlsafe(24))
        end = datetime.now(UTC) + timedelta(minutes=20)
        return 200, {"access_token": token, "expires_at": end.isoformat()}

    def is_known(self, headers: Any) -> bool:
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        return bearer in self.tokens or headers.get("X-SFTPGO-API-KEY") == API_KEY

    def list(self, query: dict[str, str]) -> tuple[int, Any]:
        limit, offset = int(query.get("limit", 100)), int(query.get("offset", 0))
        if limit > 500:
            return 400, {"message": "Invalid limit"}
        names = sorted(self.users, reverse=query.get("order") == "DESC")
        return 200, [self.users[name] for name in names[offset : offset + limit]]

    def add_user(self, given: Account) -> tuple[int, Any]:
        name = given.get("username", "")
        if why := fault_of(given):
            return 400, {"message": "validation error", "error": why}
        if name in self.users:
            return 409, {"message": "duplicated key not allowed"}
        self.users[name] = self.stored(given, {})
        return 201, self.users[name]

    def user(self, method: str, name: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        found = self.users.get(name)
        if found is None:
            return 404, {"message": "Not Found"}
        if method == "PUT":
            given = {**json.loads(body), "username": name}
            if why := fault_of(given):
                return 400, {"message": "validation error", "error": why}
            self.users[name] = self.stored(given, found)
        elif method == "DELETE":
            del self.users[name]
        if method == "DELETE" or (method == "PUT" and query.get("disconnect") == "1"):
            self.disconnected.append(name)
        return 200, found if method == "GET" else {"message": "ok"}

    def stored(self, given: Account, before: Account) -> Account:
        """Decoded into an empty user: what is not given is gone, but for password and usage."""
        if password := given.pop("password", None):
            self.passwords[given["username"]] = password
        kept: Account = {name: before[name] for name in ("id", "used_quota_size") if name in before}
        empty = {
            "id": len(self.users) + 1, "used_quota_size": 0, "status": 0, "quota_size": 0,
            "email": "", "additional_info": "", "description": "", "filters": {},
        }  # fmt: skip
        return {**empty, **given, **kept}


def fault_of(given: Account) -> str:
    name, home = given.get("username", ""), given.get("home_dir", "")
    if not name or name in (".", "..") or FORBIDDEN.search(name):
        return "invalid username"
    if not home.startswith("/"):
        return "home_dir must be an absolute path"
    if not given.get("permissions", {}).get("/"):
        return "permissions for the root dir must be set"
    if given.get("status", 0) not in (0, 1):
        return "invalid user status"
    return "" if given.get("quota_size", 0) >= 0 else "invalid quota_size"


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method, path = self.command, self.path
        stand_in = self.stand_in
        with stand_in.lock:
            stand_in.requests.append((method, path))
            trouble = stand_in.trouble(method, path)
        if trouble == "hang":
            stand_in.let_go.wait(HOURS)
        elif trouble.isdigit():
            self.reply(int(trouble), {"message": "trouble"})
        elif trouble == "cut":
            self.cut()
        else:
            with stand_in.lock:
                status, answer = stand_in.answer(method, path, self.headers, body)
            if trouble == "lost":
                self.cut()
            else:
                self.reply(status, answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815  http.server's names

    def cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def reply(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Clients that are killed leave in the middle."""


@contextmanager
def serving(stand_in: StandIn, port: int = 0) -> Iterator[str]:
    """Its base URL; at the end it is gone, and its port refuses."""
    handler = type("Bound", (Handler,), {"stand_in": stand_in})
    server = Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stand_in.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
