"""The error codes of every door and the one exception that carries them; rendering is elsewhere."""

from dataclasses import dataclass
from typing import Any, Final

QUOTA_TYPE: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
CAPACITY_TYPE: Final = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code: what it answers and how the OpenAI SDK and RFC 6750 clients read it.

    ``retry``: may the same request succeed later without anybody changing anything?
    ``challenge``: the RFC 6750 ``error`` attribute; "" is a challenge without one, None is none.
    """

    code: str
    status: int
    title: str
    kind: str = "invalid_request_error"
    retry: bool = False
    challenge: str | None = None
    type_uri: str = "about:blank"


def table(*codes: ErrorCode) -> dict[str, ErrorCode]:
    return {code.code: code for code in codes}


AUTH: Final = "authentication_error"
PERMISSION: Final = "permission_error"
SERVER: Final = "server_error"

CODES: Final = table(
    # The gate, in the order of its checks.
    ErrorCode("missing_key", 401, "An API key is required", AUTH, challenge=""),
    ErrorCode(
        "ambiguous_credentials",
        400,
        "Exactly one credential is allowed",
        AUTH,
        challenge="invalid_request",
    ),
    ErrorCode("ip_blocked", 403, "This address is blocked", PERMISSION),
    ErrorCode("invalid_key", 401, "The API key is not valid", AUTH, challenge="invalid_token"),
    ErrorCode("locked_out", 429, "Too many failed attempts", AUTH),
    ErrorCode("key_revoked", 401, "The API key was revoked", AUTH, challenge="invalid_token"),
    ErrorCode(
        "key_quarantined", 401, "The API key was quarantined", AUTH, challenge="invalid_token"
    ),
    ErrorCode("key_disabled", 401, "The API key is disabled", AUTH, challenge="invalid_token"),
    ErrorCode("key_expired", 401, "The API key has expired", AUTH, challenge="invalid_token"),
    ErrorCode("member_suspended", 403, "The member is not active", PERMISSION),
    ErrorCode("ip_not_allowed", 403, "The key is not allowed from this address", PERMISSION),
    ErrorCode(
        "insufficient_scope",
        403,
        "The key lacks a scope",
        PERMISSION,
        challenge="insufficient_scope",
    ),
    ErrorCode("upstream_forbidden", 403, "The key may not call this upstream", PERMISSION),
    ErrorCode("model_forbidden", 403, "The key may not use this model", PERMISSION),
    ErrorCode(
        "rate_limited",
        429,
        "Too many requests",
        "rate_limit_exceeded",
        type_uri=QUOTA_TYPE,
    ),
    ErrorCode(
        "quota_exceeded",
        429,
        "The quota of this period is used up",
        "insufficient_quota",
        type_uri=QUOTA_TYPE,
    ),
    ErrorCode("storage_quota_exceeded", 403, "The storage quota does not allow this", PERMISSION),
    # The gateway's own.
    ErrorCode("upstream_unknown", 404, "There is no such upstream"),
    ErrorCode("model_unknown", 404, "There is no such model"),
    ErrorCode("path_refused", 400, "The path is ambiguous and was refused"),
    ErrorCode("path_unknown", 403, "The request that is asked about is not known", PERMISSION),
    ErrorCode("bad_request", 400, "The request is malformed"),
    ErrorCode("request_timeout", 408, "The request took too long to arrive", retry=True),
    ErrorCode("body_too_large", 413, "The body is too large"),
    ErrorCode("expectation_failed", 417, "The expectation cannot be met"),
    ErrorCode("head_too_large", 431, "The header section is too large"),
    ErrorCode("not_implemented", 501, "The method is not implemented"),
    ErrorCode("upstream_unreachable", 502, "The upstream cannot be reached", SERVER, retry=True),
    ErrorCode("upstream_failed", 502, "The upstream gave no valid answer", SERVER, retry=True),
    ErrorCode(
        "upstream_unavailable",
        503,
        "The upstream is out of service",
        SERVER,
        retry=True,
        type_uri=CAPACITY_TYPE,
    ),
    ErrorCode(
        "upstream_busy", 503, "The upstream is busy", SERVER, retry=True, type_uri=CAPACITY_TYPE
    ),
    ErrorCode("upstream_timeout", 504, "The upstream did not answer in time", SERVER, retry=True),
    ErrorCode(
        "overloaded", 503, "The service is overloaded", SERVER, retry=True, type_uri=CAPACITY_TYPE
    ),
    ErrorCode(
        "database_unavailable",
        503,
        "The database cannot be reached",
        SERVER,
        retry=True,
        type_uri=CAPACITY_TYPE,
    ),
    ErrorCode(
        "not_ready", 503, "The service is not ready", SERVER, retry=True, type_uri=CAPACITY_TYPE
    ),
    # In the request log only: nobody is left to say it.
    ErrorCode("process_died", 500, "The process that carried the call was killed", SERVER),
    # The REST API.
    ErrorCode("decision_invalid", 400, "The decision header is not valid"),
    ErrorCode("not_found", 404, "There is no such resource"),
    ErrorCode("method_not_allowed", 405, "The method is not allowed here"),
    ErrorCode("not_acceptable", 406, "The requested format is not available"),
    ErrorCode("conflict", 409, "The request conflicts with the present state"),
    ErrorCode("lease_lost", 409, "The lease has ended"),
    ErrorCode("rotation_in_progress", 409, "Too many secrets are being exchanged"),
    ErrorCode("idempotency_in_progress", 409, "The same request is still running", retry=True),
    ErrorCode("precondition_failed", 412, "The resource changed meanwhile"),
    ErrorCode("hold_expired", 410, "The hold has ended"),
    ErrorCode("unsupported_media_type", 415, "The content type is not supported"),
    ErrorCode("invalid_input", 422, "The input is not valid"),
    ErrorCode("hold_invalid", 422, "The hold is not valid"),
    ErrorCode("idempotency_mismatch", 422, "The idempotency key belongs to another request"),
    ErrorCode("csrf_failed", 403, "The CSRF check failed", PERMISSION),
    ErrorCode("permission_denied", 403, "Not permitted", PERMISSION),
    ErrorCode("signature_invalid", 401, "The signature is not valid", AUTH),
    ErrorCode("internal_error", 500, "Something went wrong", SERVER, retry=True),
)


class MomentryError(Exception):
    """A refusal or failure with a code of CODES; ``extra`` members go into the problem document."""

    def __init__(self, code: str, detail: str | None = None, **extra: Any) -> None:
        self.code = CODES[code]
        self.detail = detail or f"{self.code.title}."
        self.extra = extra
        super().__init__(f"{code}: {self.detail}")
