"""What may be shown of a token."""

from momentry.common.crypto.errors import EnvelopeError
from provisioning.tokens.models import ExternalToken
from proxy.masking import HIDDEN, masked


def mask_of(row: ExternalToken) -> str:
    try:
        return masked(str(row.token))
    except EnvelopeError:  # its key left the ring: there is one, and nobody reads it
        return HIDDEN
