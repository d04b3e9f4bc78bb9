"""A stand-in for WordPress's REST API that keeps its rules: pages, errors, who may ask."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSWORD = "abcd EFGH ijkl MNOP qrst UVWX"
AUTHORIZATION = "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()
NAMESPACES = ["oembed/1.0", "wp/v2"]


class Handler(BaseHTTPRequestHandler):
    server: "WordPressStandIn"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        route = query.pop("rest_route", "")
        if not route and self.server.is_pretty and parts.path.startswith("/wp-json"):
            route = parts.path.removeprefix("/wp-json") or "/"
        self.server.asked.append(route)
        if not route:
            self.answer(404, "<html>Nothing here</html>", {})
        elif route in self.server.answers:
            self.answer(*self.server.answers[route], {})
        elif self.server.broken.get(route):
            self.server.broken[route] -= 1
            self.answer(500, {"code": "internal_server_error"}, {})
        elif route == "/":
            self.answer(200, self.server.index(), {})
        elif self.headers["Authorization"] != AUTHORIZATION or not self.server.has_passwords:
            self.answer(401, {"code": "rest_not_logged_in"}, {})
        elif route == "/wp/v2/users":
            self.page(query)
        else:
            self.user(int(route.rpartition("/")[2]))

    def page(self, query: dict[str, str]) -> None:
        size, number = int(query["per_page"]), int(query["page"])
        if size > 100:
            self.answer(400, {"code": "rest_invalid_param"}, {})
            return
        users = [self.server.users[key] for key in sorted(self.server.users)]
        total = max(1, -(-len(users) // size))
        shown = users[(number - 1) * size : number * size]
        self.answer(200, shown, {"X-WP-Total": str(len(users)), "X-WP-TotalPages": str(total)})

    def user(self, number: int) -> None:
        if number in self.server.users:
            self.answer(200, self.server.users[number], {})
        else:
            self.answer(404, {"code": "rest_user_invalid_id", "message": "Invalid user ID."}, {})

    def answer(self, status: int, document: Any, headers: dict[str, str]) -> None:
        data = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class WordPressStandIn(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.users: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.broken: dict[str, int] = {}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.is_pretty = self.has_passwords = True
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def index(self) -> dict[str, Any]:
        ways = {"application-passwords": {"endpoints": {}}} if self.has_passwords else []
        return {"name": "Site", "namespaces": NAMESPACES, "authentication": ways}

    def add(self, number: int, username: str, **more: Any) -> None:
        self.users[number] = {
            "id": number, "username": username, "email": f"{username}@example.org",
            "name": username.title(),
            "locale": "en_US", "roles": ["subscriber"],
        } | more  # fmt: skip

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
