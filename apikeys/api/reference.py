"""What the OpenAPI document says of key management: error codes, headers, examples."""

from typing import Final
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from momentry.common import reference, rest

problems, request_example = reference.problems, rest.request_example
KEY_ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The key's id.")
MEMBER_ID: Final = OpenApiParameter(
    "id", UUID, OpenApiParameter.PATH, description="The member's id."
)
IDEMPOTENCY_KEY: Final = rest.IDEMPOTENCY_KEY
IF_MATCH: Final = rest.IF_MATCH
PAGING: Final = (
    OpenApiParameter("page", int, description="From 1."),
    OpenApiParameter("page_size", int, description="1 to 100; 20 without it."),
)
ALWAYS: Final = reference.ALWAYS
WRITES: Final = rest.WRITES
ISSUES: Final = (
    *ALWAYS, "upstream_forbidden", "permission_denied", "conflict", "idempotency_in_progress",
    "invalid_input", "idempotency_mismatch",
)  # fmt: skip
MAKES: Final = rest.MAKES


def slug_parameter(description: str) -> OpenApiParameter:
    return OpenApiParameter("slug", str, OpenApiParameter.PATH, description=description)


MEMBER_KEY: Final = request_example(
    "A member's key",
    {
        "owner": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
        "name": "Laptop",
        "scopes": ["proxy:use", "videos:read"],
        "expires_in_days": 90,
        "grants": [{"upstream": "llm", "methods": ["POST"], "paths": ["/v1/chat/"]}],
    },
)
SERVICE_KEY: Final = request_example(
    "A service's key",
    {
        "service_name": "prometheus",
        "name": "Prometheus",
        "role": "metrics",
        "allowed_networks": ["192.0.2.0/24"],
        "rotate_every_days": 180,
    },
)
TEMPLATE_KEY: Final = request_example(
    "A member's key from a template",
    {
        "template": "laptop",
        "owner": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
        "name": "Laptop",
        "limit_overrides": {"requests_per_day": 200},
    },
)
OWN_KEY: Final = request_example(
    "A key of my own", {"name": "Laptop", "scopes": ["proxy:use"], "expires_in_days": 30}
)
CHANGE: Final = request_example("Another name, no end", {"name": "Desk", "expires_at": None})
NARROWER: Final = request_example(
    "Limits of its own", {"limit_overrides": {"requests_per_minute": 10, "requests_per_day": 500}}
)
ROTATE: Final = request_example("One hour of grace", {"grace_seconds": 3600})
LEAKED: Final = request_example("Found in public", {"reason": "found in a public repository"})
REPLAY: Final = OpenApiExample(
    "Replay",
    response_only=True,
    summary="The same Idempotency-Key again: the other fields are as in the first answer.",
    value={
        "api_key": None,
        "secret_status": "delivered",
        "rotate_url": "/api/v1/admin/keys/0193a1c8-f0a7-4c8e-9d0b-7d1f2c3a4b5e/rotate",
    },
)
LIMITS: Final = request_example(
    "Twice as much a month, no more than two at a time",
    {"requests_per_month": 20000, "concurrent_requests": 2},
)
LIMITS_ANSWER: Final = OpenApiExample(
    "The member's own",
    response_only=True,
    value={"requests_per_month": 20000, "concurrent_requests": 2},
)
TIER: Final = request_example(
    "A tier for tests",
    {
        "slug": "tests",
        "name": "Tests",
        "requests_per_minute": 30,
        "requests_per_month": 5000,
        "concurrent_requests": 2,
        "storage_bytes": 1073741824,
        "key_lifetime_days": 30,
    },
)
TIER_CHANGE: Final = request_example(
    "More a month, no end", {"requests_per_month": 10000, "key_lifetime_days": None}
)
GRANT: Final = request_example(
    "Chat for a tier",
    {"tier": "starter", "upstream": "llm", "methods": ["POST"], "paths": ["/v1/chat/"]},
)
GRANT_CHANGE: Final = request_example("All methods", {"methods": []})
TEMPLATE: Final = request_example(
    "Keys for laptops",
    {
        "slug": "laptop",
        "description": "A member's own computer",
        "scopes": ["proxy:use"],
        "expires_in_days": 90,
        "rotate_every_days": 30,
        "limits": {"requests_per_day": 500},
        "grants": [{"upstream": "llm", "methods": ["POST"], "paths": ["/v1/chat/"]}],
        "max_scopes": ["proxy:use", "usage:read"],
        "max_days": 365,
        "max_limits": {"requests_per_day": 1000},
    },
)
TEMPLATE_CHANGE: Final = request_example("A shorter life", {"expires_in_days": 30, "max_days": 60})
