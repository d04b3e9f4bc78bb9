"""Examples of the batch routes in the OpenAPI document."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from apikeys.api.reference import ALWAYS, request_example

REVOKES: Final = (
    *ALWAYS, "conflict", "idempotency_in_progress", "invalid_input", "idempotency_mismatch",
)  # fmt: skip
KEY_ID: Final = "7d1f2c3a-f0a7-4c8e-9d0b-0193a1c84b5e"
MASKED: Final = {
    "id": KEY_ID, "name": "Laptop", "key_prefix": "muser_7d1f2c3a…****", "owner": "alice",
}  # fmt: skip
BATCH: Final = request_example(
    "A member's key and a service's",
    {
        "keys": [
            {"name": "Laptop", "key_type": "user", "owner": "alice", "permissions": ["read"],
             "ttl_days": 90},
            {"name": "prometheus", "key_type": "service", "role": "metrics"},
        ]
    },
)  # fmt: skip
BATCH_REPLAY: Final = OpenApiExample(
    "Replay",
    response_only=True,
    status_codes=["201"],
    summary="The same Idempotency-Key again: the other fields are as in the first answer.",
    value={
        "created": 1,
        "keys": [
            {"id": KEY_ID, "name": "Laptop", "api_key": None, "secret_status": "delivered",
             "rotate_url": f"/api/v1/admin/keys/{KEY_ID}/rotate"},
        ],
    },
)  # fmt: skip
BATCH_PROBLEMS: Final = OpenApiExample(
    "Nothing was created",
    response_only=True,
    status_codes=["422"],
    value={
        "code": "invalid_input",
        "detail": "2 problems; nothing was changed.",
        "errors": [
            {"pointer": "#/keys/3/permissions/0", "detail": "is not one of jobs:read, …"},
            {
                "pointer": "#/keys/7/owner",
                "detail": "is neither the id nor the username of a member",
            },
        ],
    },
)
REVOKE: Final = request_example(
    "Unused since the summer: look first",
    {
        "conditions": {"key_type": "user", "unused_since": "2026-06-01T00:00:00Z"},
        "dry_run": True,
    },
)
REVOKED: Final = OpenApiExample(
    "What would go", response_only=True, value={"matched": 1, "revoked": 0, "keys": [MASKED]}
)
IMPORT: Final = request_example(
    "A key whose client keeps its secret",
    {
        "keys": [
            {
                "name": "Old laptop",
                "key_type": "user",
                "owner": "alice",
                "scopes": ["proxy:use"],
                "created_at": "2025-02-01T10:00:00Z",
                "secret_hash": {
                    "format": "sk-auto-",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                },
            }
        ]
    },
)
IMPORTED: Final = OpenApiExample(
    "Imported",
    response_only=True,
    status_codes=["201"],
    value={"imported": 1, "keys": [{**MASKED, "key_prefix": "sk-auto-…****"}]},
)
ROW: Final[dict[str, Any]] = {
    "id": KEY_ID, "name": "Laptop", "key_type": "user", "key_prefix": "muser_7d1f2c3a…****",
}  # fmt: skip
CSV_ROWS: Final = OpenApiExample(
    "CSV",
    response_only=True,
    media_type="text/csv",
    value='"id","name","key_type","key_prefix"\r\n"' + '","'.join(ROW.values()) + '"\r\n',
)
JSON_LINES_ROWS: Final = OpenApiExample(
    "JSON lines, one key a line", response_only=True, media_type="application/jsonl", value=ROW
)
