"""What may be shown of an upstream's credential."""

import re
from typing import TYPE_CHECKING, Final

from momentry.common.crypto.errors import EnvelopeError

if TYPE_CHECKING:
    from proxy.models import TargetCredential

HIDDEN: Final = "****"
SHOWN: Final = 4
SHORT: Final = 16  # below it four characters would be too large a part of the secret
MARK: Final = re.compile(r"[A-Za-z]{2,4}[-_]")  # whose key it is: sk-, pk_, gsk_, xai-


def masked(credential: str) -> str:
    """``sk-***1234``; ``****`` for a short one. Of ``user:password`` the password counts: its end
    would be the end of the whole."""
    secret = credential.rpartition(":")[2]
    if len(secret) < SHORT:
        return HIDDEN
    mark = MARK.match(secret)
    return f"{mark[0] if mark else ''}***{secret[-SHOWN:]}"


def mask_of(credential: "TargetCredential") -> str:
    try:
        return masked(str(credential.secret))
    except EnvelopeError:  # its key left the ring: there is one, and nobody reads it
        return HIDDEN
