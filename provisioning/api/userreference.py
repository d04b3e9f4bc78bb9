"""What the OpenAPI document says of members: answers, error codes, examples."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from apikeys.api import reference as ref
from provisioning.api.userforms import MemberDetail

READS: Final = {200: MemberDetail, **ref.problems(*ref.ALWAYS, "not_found")}
CHANGES: Final[dict[Any, Any]] = {
    200: MemberDetail,
    **ref.problems(
        *ref.ALWAYS, "permission_denied", "not_found", "conflict", "precondition_failed",
        "invalid_input",
    ),
}  # fmt: skip
MOVES: Final[dict[Any, Any]] = {
    200: MemberDetail, **ref.problems(*ref.WRITES, "permission_denied", "invalid_input"),
}  # fmt: skip
NEW: Final = ref.request_example(
    "With a claim link",
    {"username": "alice", "email": "alice@example.org", "display_name": "Alice", "claim": True},
)
CHANGE: Final = ref.request_example(
    "Another tier, twice the storage",
    {"tier": "professional", "quota_size": 21474836480},
)
REPLACEMENT: Final = ref.request_example(
    "All of a member",
    {
        "username": "alice",
        "email": "alice@example.org",
        "display_name": "Alice",
        "locale": "zh_TW",
        "tier": "starter",
        "quota_size": None,
        "limits": {"requests_per_day": 500},
    },
)
SUSPEND: Final = ref.request_example("With a reason for staff", {"reason": "unpaid"})
RESTORE: Final = ref.request_example("Hand out the link", {"claim": True})
RENAME: Final = ref.request_example("Another address", {"email": "alice.b@example.org"})
MERGE: Final = ref.request_example(
    "Both are Alice", {"into": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e"}
)
PENDING: Final = OpenApiExample(
    "A name in use",
    response_only=True,
    status_codes=["409"],
    value={
        "type": "about:blank",
        "title": "The request conflicts with the present state",
        "status": 409,
        "detail": "Username in use.",
        "code": "conflict",
    },
)
