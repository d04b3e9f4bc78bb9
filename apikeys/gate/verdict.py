"""What the gate answers. Pure values."""

from datetime import datetime
from math import inf
from typing import Any, NamedTuple
from uuid import UUID


class Charge(NamedTuple):
    """Units taken from one counter; giving them back needs exactly this."""

    subject: str
    metric: str
    period: str
    period_start: datetime
    units: int


class Entry(NamedTuple):
    """What a request took of burst windows and concurrency; leaving needs exactly this.

    ``counters`` and ``slots`` are Valkey's keys; ``token`` is this request's slot in all of
    ``slots``. ``shared``: Valkey counted the units; else this process alone did.
    """

    counters: tuple[str, ...]
    units: int
    slots: tuple[str, ...]
    token: str
    shared: bool


class Limit(NamedTuple):
    """One limit as clients see it: what is left now and when it starts anew.

    ``reset_at`` None: never by time alone; ``window_seconds`` is 0 then.
    """

    name: str
    unit: str
    limit: int
    remaining: int
    reset_at: datetime | None
    window_seconds: int

    @property
    def resets(self) -> float:
        """Unix seconds of the reset; infinite for never."""
        return inf if self.reset_at is None else self.reset_at.timestamp()


class Verdict(NamedTuple):
    """``ok``, or the code of the first check that failed.

    key_id and member_id are set on refusals too once the secret was proven: for the log row.
    ``credential``: lower-case name of the header that was judged, b"" when there was none.
    ``at``: the database's time of a refusal, which the limits' resets are told from.
    ``entry``: what must be left when the request ends, however it ends.
    ``tier``: the member's or else the key's own; not told to Django, which reads the row.
    ``has_models``: the key's grants ask which model a call names.
    """

    ok: bool
    code: str = ""
    detail: str = ""
    extra: dict[str, Any] = {}
    actor: str = ""
    key_id: UUID | None = None
    member_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    key_type: str = ""
    charges: tuple[Charge, ...] = ()
    limits: tuple[Limit, ...] = ()
    credential: bytes = b""
    at: datetime | None = None
    entry: Entry | None = None
    tier: str = ""
    has_models: bool = False


ANONYMOUS = "anonymous"
ADMIN_TOKEN = "admin-token"  # noqa: S105  the name of an actor, not a secret
KEY = "key"
