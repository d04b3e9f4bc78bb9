"""A Gitea with users and access tokens. Its rules: routers/api/v1/user/app.go,
models/auth/access_token_scope.go."""

import secrets
from typing import Any, Final

from tests.provisioning.standin import Heard, StandIn, Told

ROOMS: Final = (
    "activitypub", "admin", "issue", "misc", "notification", "organization", "package",
    "repository", "user",
)  # fmt: skip
KNOWN: Final = {"all", "public-only"} | {
    f"{verb}:{room}" for verb in ("read", "write") for room in ROOMS
}
LACKS: Final = "token does not have at least one of required scope(s)"


class Gitea(StandIn):
    """``newer``: since 1.23 it tells which scopes the token has."""

    def __init__(self, *, newer: bool = False) -> None:
        self.newer = newer
        self.passwords = {"alice": "hunter2 hunter2"}
        self.otps: dict[str, str] = {}
        self.tokens: list[dict[str, Any]] = []
        self.banned: set[str] = set()
        super().__init__()

    def mint(self, *scopes: str, user: str = "alice", name: str = "", sha1: str = "") -> str:
        secret = sha1 or secrets.token_hex(20)
        number = len(self.tokens) + 1
        row = {"id": number, "user": user, "name": name or f"t{number}", "scopes": list(scopes)}
        self.tokens.append(row | {"sha1": secret})
        return secret

    def revoke(self, secret: str) -> None:
        self.tokens = [row for row in self.tokens if row["sha1"] != secret]

    def answer(self, heard: Heard) -> Told:
        if heard.path == "/api/v1/user":
            return self.who(heard)
        parts = heard.path.strip("/").split("/")
        if parts[:3] == ["api", "v1", "users"] and parts[4:5] == ["tokens"]:
            return self.managed(heard, parts[3], parts[5:])
        return Told(404, {"message": "Not Found"})

    def who(self, heard: Heard) -> Told:
        scheme, _, secret = heard.headers.get("authorization", "").partition(" ")
        row = next((row for row in self.tokens if row["sha1"] == secret), None)
        if scheme != "token" or row is None:
            return Told(401, {"message": "user does not exist [uid: 0, name: ]"})
        if row["user"] in self.banned:
            return Told(403, {"message": "You are not allowed to sign in."})
        if not {"all", "read:user", "write:user"} & set(row["scopes"]):
            return Told(403, {"message": self.lacking(row["scopes"])})
        return Told(200, {"id": 7, "login": row["user"], "email": ""})

    def lacking(self, scopes: list[str]) -> str:
        if not self.newer:
            return f"{LACKS}: [read:user]"
        return f"{LACKS}, required=[read:user], token scope={','.join(scopes)}"

    def managed(self, heard: Heard, user: str, rest: list[str]) -> Told:
        name, password = heard.basic()
        otp = self.otps.get(name)
        if not name or self.passwords.get(name) != password:
            return Told(401, {"message": "auth required"})
        if otp and heard.headers.get("x-gitea-otp") != otp:
            return Told(401, {"message": "Only signed in user is allowed to call APIs."})
        if name != user:
            return Told(403, {"message": "reqSelfOrAdmin"})
        if heard.method == "POST":
            return self.make(user, heard.json())
        return self.drop(user, rest[0]) if heard.method == "DELETE" else self.page(heard, user)

    def make(self, user: str, wanted: dict[str, Any]) -> Told:
        if any(row["user"] == user and row["name"] == wanted["name"] for row in self.tokens):
            return Told(400, {"message": "access token name has been used already"})
        if not set(wanted.get("scopes", [])) <= KNOWN:
            return Told(400, {"message": "invalid access token scope provided"})
        self.mint(*wanted.get("scopes", []), user=user, name=wanted["name"])
        return Told(201, shown(self.tokens[-1]) | {"sha1": self.tokens[-1]["sha1"]})

    def page(self, heard: Heard, user: str) -> Told:
        size = min(int(heard.query.get("limit", 30)), 50)
        start = (int(heard.query.get("page", 1)) - 1) * size
        rows = [shown(row) for row in self.tokens if row["user"] == user]
        return Told(200, rows[start : start + size])

    def drop(self, user: str, which: str) -> Told:
        """A name of digits is taken for a number."""
        key, value = ("id", int(which)) if which.isdigit() else ("name", which)
        kept = [row for row in self.tokens if row["user"] != user or row[key] != value]
        gone = len(self.tokens) - len(kept)
        self.tokens = kept
        return Told(204 if gone else 404, {"message": "Not Found"})


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Never with the token itself."""
    return {
        "id": row["id"], "name": row["name"], "sha1": "", "scopes": row["scopes"],
        "token_last_eight": row["sha1"][-8:],
    }  # fmt: skip
