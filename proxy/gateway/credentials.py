"""The credentials of a target as rows have them, opened and made ready to be sent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.keyring import KeyRing
from proxy.gateway import injection

if TYPE_CHECKING:
    from proxy.gateway.upstreams import Row

CREDENTIAL_TABLE: Final = "proxy_targetcredential"
CREDENTIAL_COLUMN: Final = "secret"


def injections_of(
    rows: "Sequence[Row]", ring: KeyRing
) -> tuple[dict[UUID | None, injection.Injection], list[str]]:
    """How the active credentials are put on a request, by their ids, and why others are not. Each
    keeps the spellings of all, switched off or not: an upstream could tell another's. Raises
    ValueError, EnvelopeError where none of those that are active can be used."""
    if rows[0].injection == "none" or rows[0].credential_id is None:
        return {None: injection.NONE}, []
    found: dict[UUID | None, injection.Injection] = {}
    spellings: set[bytes] = set()
    faults: list[Exception] = []
    for row in rows:
        try:
            put = injection_of(row, ring)
        except (ValueError, EnvelopeError) as error:
            faults += [error] if row.credential_active else []
            continue
        spellings.update(put.spellings)
        if row.credential_active:
            found[row.credential_id] = put
    if faults and not found:
        raise faults[0]
    own = tuple(sorted(spellings, key=len, reverse=True))  # the longest first: none is left half
    whole = {which: replace(put, spellings=own) for which, put in found.items()}
    return whole, [str(fault) for fault in faults]


def injection_of(row: "Row", ring: KeyRing) -> injection.Injection:
    secret = ring.open(
        row.credential or "",
        table=CREDENTIAL_TABLE,
        column=CREDENTIAL_COLUMN,
        row_id=row.credential_id or "",
    )
    if row.injection == "basic":
        username, _, password = secret.partition(":")
        return injection.basic(username, password)
    if row.injection == "query":
        return injection.query_parameter(row.injection_name, secret)
    return injection.header(f"{row.injection_name}: {row.injection_template}", secret)
