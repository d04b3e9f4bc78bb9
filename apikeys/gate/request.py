"""What the gate is asked: one request, as plain values."""

from collections.abc import Sequence
from typing import Final

HeaderList = Sequence[tuple[bytes, bytes]]

ADMIN_PREFIX: Final = "/api/v1/admin/"


class GateRequest:
    """``headers``: lower-case names, raw values. ``path`` has no query. ``upstream`` is "" on the
    REST API; ``rest`` is the path inside the upstream. ``scope``: what the door itself demands.
    """

    __slots__ = ("client", "headers", "method", "path", "rest", "scope", "upstream", "weight")

    def __init__(  # noqa: PLR0913  plain values of one request, by name
        self,
        headers: HeaderList,
        *,
        method: str,
        path: str,
        client: str,
        upstream: str = "",
        rest: str = "",
        weight: int = 1,
        scope: str = "",
    ) -> None:
        self.headers = headers
        self.method = method
        self.path = path
        self.client = client
        self.upstream = upstream
        self.rest = rest
        self.weight = weight
        self.scope = scope

    @property
    def is_admin_route(self) -> bool:
        return self.path.startswith(ADMIN_PREFIX)


FREE_OPERATIONS: Final = ("/api/v1/me", "/api/v1/admin/keys")


def weight_of(path: str) -> int:
    """Units a REST call costs: reading oneself and managing keys are free (DESIGN §1)."""
    free = any(path == base or path.startswith(base + "/") for base in FREE_OPERATIONS)
    return 0 if free else 1
