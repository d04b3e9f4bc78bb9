"""What the gate is asked: one request, as plain values."""

from collections.abc import Callable, Sequence
from typing import Final

from apikeys.gate.holds import LOOK, Hold

Named = tuple[Sequence[str], bool]
"""Names of models, and whether a body names one that nobody here can read."""
Naming = Callable[[], Named | None]
HeaderList = Sequence[tuple[bytes, bytes]]

METERED: Final = "POST"  # what else there is reads what was made before
ADMIN_PREFIX: Final = "/api/v1/admin/"
ME: Final = "/api/v1/me"


class GateRequest:
    """``headers``: lower-case names, raw values. ``path`` has no query. ``upstream`` is "" on the
    REST API; ``rest`` is the path inside the upstream. ``scope``: what the door itself demands.
    ``weight``: units of quota; ``burst``: of each second and minute, where free calls count too.
    ``dry_run`` looks at what is left without taking any; ``holds``: it runs until it leaves.
    ``hold``: what it takes of budgets; None: it touches none. ``models``: asked which ones it
    names; where that is not known yet it is judged again once it is.
    """

    __slots__ = (
        "burst",
        "client",
        "dry_run",
        "headers",
        "hold",
        "holds",
        "method",
        "models",
        "path",
        "rest",
        "scope",
        "upstream",
        "weight",
    )

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
        burst: int = 1,
        scope: str = "",
        dry_run: bool = False,
        holds: bool = True,
        hold: Hold | None = None,
        models: Naming | None = None,
    ) -> None:
        self.headers = headers
        self.method = method
        self.path = path
        self.client = client
        self.upstream = upstream
        self.rest = rest
        self.weight = weight
        self.burst = burst
        self.scope = scope
        self.dry_run = dry_run
        self.holds = holds
        self.hold = hold
        self.models = models

    @property
    def is_admin_route(self) -> bool:
        return self.path.startswith(ADMIN_PREFIX)


FREE_OPERATIONS: Final = (ME, "/api/v1/admin/keys", "/api/v1/keys/verify", "/api/v1/keys/settle")


def weight_of(path: str) -> int:
    """Units a REST call costs: reading oneself, managing and verifying keys are free."""
    free = any(path == base or path.startswith(base + "/") for base in FREE_OPERATIONS)
    return 0 if free else 1


def shown_of(path: str) -> Hold | None:
    """Budgets are looked at only where they are shown."""
    return LOOK if path == ME else None
