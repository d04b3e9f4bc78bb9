"""Where a target is and what is put on requests to it: made once, when upstreams are loaded."""

from dataclasses import dataclass

from proxy.gateway.headerrules import Rewriting
from proxy.gateway.injection import NONE, Injection


@dataclass(frozen=True, slots=True)
class Destination:
    """One object per target and credential."""

    host: bytes  # value of Host: name[:port]
    prefix: bytes = b""  # path of the base URL without its last slash
    injection: Injection = NONE
    asked: Rewriting | None = None  # what is done to a request's fields, and to an answer's
    answered: Rewriting | None = None
