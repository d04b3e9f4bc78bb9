"""The OpenAPI document's part on /auth/verify, which the gateway alone serves."""

from typing import Any, Final

DIALECTS: Final = ["nginx", "traefik", "caddy", "envoy"]
IDENTITY: Final = {
    "X-Momentry-User-Id": "The member; empty for a key without an owner.",
    "X-Momentry-Key-Id": "The key.",
    "X-Momentry-Scopes": "What it may do, separated by blanks.",
    "X-Momentry-Tier": "The member's tier, or the key's own.",
}
TEXT: Final = {"type": "string"}
SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"apiKey": []}]
ALLOWED: Final = {
    "description": "It may pass. No body.",
    "headers": {
        name: {"description": text, "schema": TEXT, "required": True}
        for name, text in IDENTITY.items()
    },
}


def parameter(name: str, where: str, text: str, **schema: Any) -> dict[str, Any]:
    given = {"name": name, "in": where, "required": True, "description": text}
    return given | {"schema": TEXT | schema}


UPSTREAM: Final = "Whose grants, scope and price hold."
FIELDS: Final = {
    "operationId": "auth_verify",
    "summary": "May the request that a front has before it pass?",
    "description": (
        "Asked by nginx, Traefik or Caddy for their own clients; it costs what a call of the "
        "upstream costs. Only TRUSTED_PROXIES are believed. With dialect nginx every refusal but "
        "401, 403, 500 and 503 is 403, with X-Momentry-Reason and X-Momentry-Status."
    ),
    "parameters": [
        parameter("dialect", "query", "Which front asks.", enum=DIALECTS),
        parameter("upstream", "query", UPSTREAM, maxLength=60),
        parameter("X-Forwarded-Method", "header", "What the front was asked to do."),
        parameter("X-Forwarded-Uri", "header", "Path and query that the front was asked for."),
    ],
}
BY_PATH: Final = {
    "operationId": "auth_verify_envoy",
    "summary": "The same for Envoy's ext_authz",
    "description": "With any method: that of the original request, whose path stands at the end.",
    "parameters": [
        parameter("upstream", "path", UPSTREAM, maxLength=60),
        parameter("path", "path", "The original path, slashes included."),
    ],
}


def add_forward_auth(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular's; before the one that gives every operation its errors."""
    for path, operation in (
        ("/auth/verify", FIELDS),
        ("/auth/verify/envoy/{upstream}/{path}", BY_PATH),
    ):
        told = {"tags": ["auth"], "security": SECURITY, "responses": {"200": {**ALLOWED}}}
        result["paths"][path] = {"get": operation | told}
    return result
