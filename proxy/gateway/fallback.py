"""What a process that starts without the database knows of the upstreams: what its environment
says. The database's table replaces all of it, and before that no key is known: nothing is sent."""

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from momentry.common.crypto.keyring import KeyRing
from proxy.environment import GivenUpstream
from proxy.gateway.core import logger
from proxy.gateway.credentials import CREDENTIAL_COLUMN, CREDENTIAL_TABLE
from proxy.gateway.upstreams import Row

if TYPE_CHECKING:
    from proxy.gateway.core import Core

CONNECT_MS: Final = 5_000  # as the model's own
ANSWER_MS: Final = 60_000
UNREAD: Final = ""  # the version of a table that was not read of the database


def fall_back(core: "Core", ring: KeyRing) -> None:
    """Only where nothing was read of the database."""
    given = core.settings.upstreams
    if core.table.version != UNREAD or not given:
        return
    core.table.replace([row_of(each, ring) for each in given], ring, UNREAD)
    core.door.changed()
    event = "the upstreams could not be read: until they are, those of the environment hold"
    logger.warning({"event": event, "slugs": [each.slug for each in given]})


def row_of(given: GivenUpstream, ring: KeyRing) -> Row:
    """As the import writes it (proxy.services.environment)."""
    credential = uuid4()
    sealed = ring.seal(
        given.api_key or "", table=CREDENTIAL_TABLE, column=CREDENTIAL_COLUMN, row_id=credential
    )
    return Row(
        slug=given.slug,
        is_active=True,
        injection="header" if given.api_key else "none",
        injection_name="Authorization",
        injection_template="Bearer {credential}",
        connect_ms=CONNECT_MS,
        first_byte_ms=ANSWER_MS,
        idle_ms=ANSWER_MS,
        total_ms=None,
        max_body=None,
        max_response=None,
        tls_verify=True,
        usage_format="none",
        request_weight=1,
        max_retries=2,
        failure_threshold=5,
        health_path="",
        health_interval_ms=5_000,
        header_rules=[],
        serves_v1=False,
        models_only=False,
        models=[],
        target_id=uuid4(),
        base_url=given.base_url,
        weight=1,
        credential_id=credential if given.api_key else None,
        credential_active=bool(given.api_key),
        credential=sealed if given.api_key else None,
    )
