"""An n8n with API keys and workflows: keys are JWTs, unique, and made by a logged-in owner only;
the community edition enforces no scopes; what is imported has exactly four fields."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final

from tests.provisioning.standin import Heard, StandIn, Told

COOKIE: Final = "n8n-auth=owner"
IMPORTED: Final = {"name", "nodes", "connections", "settings"}


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def jwt(**claims: Any) -> str:
    head = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"{head}.{part(hmac.digest(b'n8n', head.encode(), hashlib.sha256))}"


class N8n(StandIn):
    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.workflows: list[dict[str, Any]] = []
        super().__init__()

    def mint(self, label: str = "momentry", *, expires: int | None = None) -> str:
        claims = {"sub": "owner", "iss": "n8n", "aud": "public-api", "iat": int(time.time())}
        key = jwt(**claims, jti=label, **({"exp": expires} if expires else {}))
        self.keys[key] = {"id": str(len(self.keys) + 1), "label": label, "expiresAt": expires}
        return key

    def answer(self, heard: Heard) -> Told:
        parts = heard.path.strip("/").split("/")
        if parts[:2] == ["rest", "api-keys"]:
            return self.managed(heard, parts[2:])
        if parts[:3] != ["api", "v1", "workflows"]:
            return Told(404, {"message": "not found"})
        key = self.keys.get(heard.headers.get("x-n8n-api-key", ""))
        ends = key and key["expiresAt"]
        if key is None or (ends and ends <= time.time()):
            return Told(401, {"message": "unauthorized"})
        return self.workflow(heard, parts[3:])

    def managed(self, heard: Heard, rest: list[str]) -> Told:
        """Not in the public API: an owner's cookie is asked for, no key will do."""
        if heard.headers.get("cookie") != COOKIE:
            return Told(401, {"message": "Unauthorized"})
        if heard.method == "POST":
            wanted = heard.json()
            if any(row["label"] == wanted["label"] for row in self.keys.values()):
                return Told(500, {"message": "There is already an entry with this name"})
            key = self.mint(wanted["label"], expires=wanted.get("expiresAt"))
            return Told(200, {"data": {**self.keys[key], "rawApiKey": key}})
        if heard.method == "DELETE":
            self.keys = {key: row for key, row in self.keys.items() if row["id"] != rest[0]}
            return Told(200, {"data": {"success": True}})
        return Told(200, {"data": list(self.keys.values())})

    def workflow(self, heard: Heard, rest: list[str]) -> Told:
        if heard.method == "GET":
            limit = int(heard.query.get("limit", 100))
            return Told(200, {"data": self.workflows[:limit], "nextCursor": None})
        if rest and rest[1:] == ["activate"]:
            found = [row for row in self.workflows if row["id"] == rest[0]]
            for row in found:
                row["active"] = True
            return Told(200, found[0]) if found else Told(404, {"message": "Not Found"})
        wanted = heard.json()
        if unknown := sorted(set(wanted) - IMPORTED):
            why = f"request/body must NOT have additional properties: {unknown[0]}"
            return Told(400, {"message": why})
        if missing := sorted(IMPORTED - set(wanted)):
            return Told(
                400, {"message": f"request/body must have required property '{missing[0]}'"}
            )
        self.workflows.append({"id": str(len(self.workflows) + 1), "active": False, **wanted})
        return Told(200, self.workflows[-1])
