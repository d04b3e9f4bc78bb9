"""The OpenAPI document: how to authenticate, and the problem document of every error."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from momentry.common.errors import CODES
from momentry.common.problem import CONTENT_TYPE


class GateScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # no stubs
    target_class = "momentry.common.access.GateAuthentication"
    name = ["bearer", "apiKey", "staffSession"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key or ADMIN_TOKEN."},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "apiKey", "in": "cookie", "name": "momentry_session"},
        ]


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457; `error` is what the OpenAI SDK reads.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "request_id": {"type": "string", "format": "uuid"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string"},
            },
        },
    },
}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer a problem document, with any 4xx or 5xx status."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    schema = {"$ref": "#/components/schemas/Problem"}
    answer = {"description": "A problem document.", "content": {CONTENT_TYPE: {"schema": schema}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", answer)
    return result
