"""Upstreams of the environment, imported once into a database that has none.

Once in the database's life: what staff made of them since, an empty table too, is what they want.
"""

import logging
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from momentry.common.env import Environment, fail
from momentry.common.errors import MomentryError
from momentry.common.models import Once
from proxy.environment import SETTING, GivenUpstream, read_upstreams
from proxy.models import Injection, Upstream
from proxy.services.upstreams import UPSTREAMS_DECIDED, make_upstream
from proxy.services.wanted import WantedTarget

logger = logging.getLogger(__name__)

ACTOR: Final = "environment"
LOCK: Final = 0x7570737472656D73  # "upstrems" in ASCII: 64 bits
# The demonstration of `up` points at it; it is nobody's wish that there be no others.
ECHO: Final = "echo"
ECHO_NAME: Final = "Bundled echo"


def import_environment(environment: Environment) -> tuple[str, ...]:
    """The slugs that were imported just now, mostly none. All of them or none: ConfigurationError
    names the variable before anything is written."""
    given = read_upstreams(environment, settings.EGRESS_ALLOW)
    imported = import_upstreams(given) if given else ()
    if imported:
        logger.info({"event": "upstreams imported from the environment", "slugs": list(imported)})
    return imported


@transaction.atomic
def import_upstreams(given: Sequence[GivenUpstream]) -> tuple[str, ...]:
    """However many processes ask at once: whoever waits for the lock finds it done."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    if Once.objects.filter(name=UPSTREAMS_DECIDED).exists():
        return ()
    if Upstream.objects.exclude(slug=ECHO, name=ECHO_NAME).exists():
        return ()
    for each in given:
        make_one(each)
    Once.objects.create(name=UPSTREAMS_DECIDED)
    return tuple(each.slug for each in given)


def make_one(given: GivenUpstream) -> None:
    injection = Injection.HEADER if given.api_key else Injection.NONE
    upstream = Upstream(slug=given.slug, name=given.slug, injection=injection)
    try:
        make_upstream(upstream, [WantedTarget(given.base_url, api_key=given.api_key)], actor=ACTOR)
    except MomentryError as error:
        if error.code.code != "conflict":
            raise
        fail(SETTING, f"names {given.slug}, which there is already: the bundled echo of `up`.")
