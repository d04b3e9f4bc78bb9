"""When a JSON Web Token ends, as it says itself. Its signature is its server's matter. Pure."""

import base64
import json
from datetime import UTC, datetime
from typing import Final

PARTS: Final = 3
LAST: Final = 253_402_300_800  # the year 10,000: nothing that datetime knows


def claims_of(secret: str) -> dict[str, object]:
    """Of RFC 7519 §3; {} for anything else, whatever it is."""
    parts = secret.split(".")
    if len(parts) != PARTS:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def expiry_of(secret: str) -> datetime | None:
    """``exp`` (§4.1.4)."""
    end = claims_of(secret).get("exp")
    if isinstance(end, bool) or not isinstance(end, int | float) or not 0 < end < LAST:
        return None
    return datetime.fromtimestamp(end, UTC)
