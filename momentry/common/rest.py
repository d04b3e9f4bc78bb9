"""What routes that write share: bodies and versions as they are read, and what the OpenAPI document
says of them."""

import re
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request

from momentry.common.reference import ALWAYS
from momentry.common.serializers import StrictSerializer

TAG: Final = re.compile(r'"(\d{1,9})"', re.ASCII)
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Makes a repeat safe for 24 hours; a replay has no secret.",
)
IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='The ETag that was read, such as "3"; without it the last writer wins.',
)
WRITES: Final = (*ALWAYS, "not_found", "conflict")
MAKES: Final = (
    *ALWAYS, "conflict", "idempotency_in_progress", "invalid_input", "idempotency_mismatch",
)  # fmt: skip


def request_example(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


def read(serializer: type[StrictSerializer], request: Request, **given: Any) -> dict[str, Any]:
    """The body as the serializer has it, or MomentryError invalid_input. No body is ``{}``."""
    found = serializer(data=request.data, **given)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def versions_in(request: Request) -> frozenset[int] | None:
    """If-Match (RFC 9110 §13.1.1): None when any version will do; weak tags match nothing."""
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    tags = [TAG.fullmatch(tag.strip()) for tag in header.split(",")]
    return frozenset(int(tag[1]) for tag in tags if tag)
