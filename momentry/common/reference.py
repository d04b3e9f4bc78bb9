"""What the OpenAPI document says of errors."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiResponse

from momentry.common.errors import CODES
from momentry.common.problem import CONTENT_TYPE

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
ALWAYS: Final = ("missing_key", "insufficient_scope")


def problems(*codes: str) -> dict[Any, OpenApiResponse]:
    """Problem documents by status, each saying which codes it may carry."""
    found: dict[int, list[str]] = {}
    for code in codes:
        found.setdefault(CODES[code].status, []).append(f"`{code}`: {CODES[code].title}.")
    return {
        (status, CONTENT_TYPE): OpenApiResponse(response=PROBLEM, description=" ".join(lines))
        for status, lines in found.items()
    }
