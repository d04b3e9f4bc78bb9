"""Caps on attempts at the synchronous edges, over django-ratelimit; API keys have the ledger.

Counts live in Django's cache, which is Valkey. A Valkey that is away or hangs lets everybody
through: nobody is locked out of the admin, and no request waits for it twice within a moment.
"""

import ipaddress
import logging
import threading
import time
import unicodedata
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import InvalidResponse, RedisError

from momentry.common.errors import MomentryError

logger = logging.getLogger(__name__)


class Cap(NamedTuple):
    """At most ``attempts`` per value in each window of ``seconds``. ``group``: its counters."""

    group: str
    attempts: int
    seconds: int = 60


LOGIN_ADDRESS: Final = Cap("login address", 10)
LOGIN_USERNAME: Final = Cap("login username", 30)
"""Above LOGIN_ADDRESS: else one address could keep a person out by failing in their name."""
CLAIM_ADDRESS: Final = Cap("claim address", 30)
UNSUBSCRIBE_ADDRESS: Final = Cap("unsubscribe address", 30)
WEBHOOK_FAILURES: Final = Cap("webhook failures", 60)

IPV6_PREFIX: Final = 64  # what one customer is given: single addresses of it cost nothing
UNKNOWN: Final = "unknown"
REST_SECONDS: Final = 5.0
BEYOND: Final = 1 << 63  # what Valkey can count to


class Outage:
    """Remembers that Valkey failed, so that only one request in REST_SECONDS pays for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0
        self.lasts = False

    def rests(self) -> bool:
        """Is it too early to ask again? The one that may ask makes the others wait for it."""
        with self.lock:
            if not self.lasts:
                return False
            now = time.monotonic()
            if now < self.until:
                return True
            self.until = now + REST_SECONDS
            return False

    def began(self, error: Exception) -> None:
        with self.lock:
            known, self.lasts = self.lasts, True
            self.until = time.monotonic() + REST_SECONDS
        if not known:
            logger.warning("Valkey does not answer; attempts are not counted: %r", error)

    def ended(self) -> None:
        if not self.lasts:  # almost always, and then without the lock
            return
        with self.lock:
            known, self.lasts = self.lasts, False
        if known:
            logger.info("Valkey answers again; attempts are counted.")


outage = Outage()


class TooManyError(MomentryError):
    """rate_limited. ``is_first``: of its window; whoever writes it down does so once."""

    def __init__(self, seconds: int, *, is_first: bool) -> None:
        detail = f"Too many attempts. Try again in {seconds} seconds."
        super().__init__("rate_limited", detail, retry_after=seconds)
        self.is_first = is_first


def spend(request: HttpRequest, cap: Cap, value: str) -> None:
    """Count one attempt of ``value``; TooManyError when it is one too many."""
    wait, place = look(request, cap, value)
    if wait:
        raise TooManyError(wait, is_first=place == cap.attempts + 1)


def count(request: HttpRequest, cap: Cap, value: str) -> int:
    """Seconds until the next window when this attempt is one too many, else 0."""
    return look(request, cap, value)[0]


def look(request: HttpRequest, cap: Cap, value: str) -> tuple[int, int]:
    """As count; and which attempt of its window it is, where it is one too many."""
    if outage.rests():
        return 0, 0
    try:
        usage = ask(request, cap, value)
    except (RedisError, OSError) as error:
        outage.began(error)
        return 0, 0
    outage.ended()
    if usage is None or not usage["should_limit"]:
        return 0, 0
    # The last second of a window belongs to it.
    return int(usage["time_left"]) + 1, int(usage["count"])


def ask(request: HttpRequest, cap: Cap, value: str) -> dict[str, Any] | None:
    """What django-ratelimit says of one attempt more, None where a counter was evicted. RedisError
    or OSError when Valkey does not answer, or what it answers is no count."""
    try:
        usage: dict[str, Any] | None = get_usage(
            request,
            group=cap.group,
            key=lambda *_: value,
            rate=f"{cap.attempts}/{cap.seconds}s",
            increment=True,
        )
    except TypeError as error:  # the reply, compared with the limit
        raise InvalidResponse("no number") from error
    if usage is not None and not 0 < usage["count"] < BEYOND:
        raise InvalidResponse("no count")
    return usage


def address_of(request: HttpRequest) -> str:
    """The client as the gateway found it.

    What is no address (a server in front that names none) shares one counter.
    """
    return block_of(request.META.get("REMOTE_ADDR", ""))


def block_of(text: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one; UNKNOWN for what is no address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))


def same_name(username: str) -> str:
    """One text for all spellings that log in as one person (the form trims, and uses NFKC)."""
    return unicodedata.normalize("NFKC", username.strip()).upper().casefold()
