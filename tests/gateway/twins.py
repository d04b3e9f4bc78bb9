"""Two members alike, one for each door, and what may happen to both between requests."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from accounts.models import User
from accounts.services import resume, suspend
from apikeys import foreign
from apikeys.models import ApiKey, ForeignSecret, Grant, IpRule, LimitOverride, Tier
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.makers import system
from apikeys.services.overrides import set_member_limits
from apikeys.services.rotate import rotate_key
from apikeys.services.update import update_key
from apikeys.services.wanted import GrantSpec
from momentry.common.errors import MomentryError
from tests import make
from tests.apikeys.stored import sha256
from tests.gateway.test_lock_out import unknown
from tests.gateway.wire import Answer

FORMAT: Final = "twin_"
BLOCKED: Final = "203.0.113.0/24"
ACTOR: Final = "test"
MAKER: Final = system(ACTOR)
READ: Final = GrantSpec("echo", ("GET",), ("/a/*",))
SECONDS: Final = re.compile(r"(?<=;t=)\d+")  # until a limit begins anew
OTHERS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=muser_)[0-9a-f]{8}")
# Their figures are compared apart: the second of the two is asked a moment later.
TIMED: Final = ("retry-after", "x-ratelimit-reset")
COMPARED: Final = (
    "ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining",
    "www-authenticate", "x-should-retry", "content-type",
)  # fmt: skip
OWN: Final = ("request_id", "instance", "last_used_at")  # the last is written later, and beside


@dataclass
class Twin:
    """``secrets`` by what they are; a name that is not there means the present one."""

    member: User
    key: ApiKey
    secrets: dict[str, str] = field(default_factory=dict)

    def secret(self, name: str) -> str:
        return self.secrets.get(name, self.secrets["own"])

    def words(self) -> dict[str, str]:
        """What differs between the two, and what stands in its place."""
        ids = {"member": self.member.pk, "key": self.key.pk}
        found = {str(value): name for name, value in ids.items()}
        found |= {value.hex: f"{name}-hex" for name, value in ids.items()}
        found |= {value.hex[:8]: f"{name}-begin" for name, value in ids.items()}
        return found | {self.member.username: "somebody"}

    def told(self, answer: Answer) -> dict[str, Any]:
        """What a client can tell of it, without what says whose it is, and when."""
        text = answer.body.decode()
        for word, name in self.words().items():
            text = text.replace(word, name)
        text = OTHERS.sub("another", text)
        body = json.loads(text) if text.startswith(("{", "[")) else text
        fields = {name: SECONDS.sub("", answer.field(name)) for name in COMPARED}
        return {"status": answer.status, "body": plain(body), **fields}


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name not in OWN}
        return {n: bool(v) if n.endswith("_at") else plain(v) for n, v in kept.items()}
    return value


def differing(one: Any, other: Any, place: str = "") -> dict[str, Any]:
    """Where two documents are not the same, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other})
        parts = [differing(one.get(n), other.get(n), f"{place}/{n}") for n in names]
        return {name: pair for part in parts for name, pair in part.items()}
    if isinstance(one, list) and isinstance(other, list):
        return differing(dict(enumerate(one)), dict(enumerate(other)), place)
    return {} if one == other else {place: (one, other)}


def times(answer: Answer) -> list[int]:
    """Seconds that it names."""
    named = [int(answer.field(name) or -1) for name in TIMED]
    return named + [int(text) for text in SECONDS.findall(answer.field("ratelimit"))]


def twin(name: str, tier: str) -> Twin:
    member = make.member(name, tier=tier)
    issued = make.key(member)
    made = Twin(member, issued.key, {"own": issued.secret, "unknown": unknown(), "none": ""})
    made.secrets["altered"] = issued.secret[:-1] + ("x" if issued.secret[-1] != "x" else "y")
    made.secrets["cut"] = issued.secret[:-1]
    made.secrets["odd"] = "muser_\xff%00"
    made.secrets["foreign"] = f"{FORMAT}{name}-0123456789"
    made.secrets["wrong"] = made.secrets["foreign"] + "0"
    accept(issued.key, made.secrets["foreign"])
    return made


def accept(key: ApiKey, secret: str) -> None:
    """This foreign secret opens the key too."""
    lookup = foreign.sha256_lookup(foreign.sha256_of(secret))
    digest = sha256(secret)
    ForeignSecret.objects.create(key=key, format=FORMAT, lookup=lookup, digest=digest)


def rotate(grace: timedelta) -> Callable[[Twin], object]:
    def change(it: Twin) -> None:
        row = ApiKey.objects.select_related("owner").get(pk=it.key.pk)
        secret = rotate_key(row, maker=MAKER, grace=grace).secret
        it.secrets |= {"old": it.secrets["own"], "own": secret}

    return change


def issue(it: Twin) -> None:
    it.secrets["second"] = make.key(it.member, name="second").secret


def of_key(**wanted: Any) -> Callable[[Twin], object]:
    return lambda it: update_key(it.key.pk, wanted, maker=MAKER)


def of_member(**wanted: int | None) -> Callable[[Twin], object]:
    return lambda it: set_member_limits(it.member.pk, wanted, actor=ACTOR)


def of_tier(**limits: int | None) -> Callable[[Twin], object]:
    return lambda it: Tier.objects.filter(slug=it.member.tier).update(**limits)


def expire(it: Twin) -> None:
    ApiKey.objects.filter(pk=it.key.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))


def row(it: Twin) -> User:
    return User.objects.get(pk=it.member.pk)


CHANGES: Final[dict[str, Callable[[Twin], object]]] = {
    "rotated with grace": rotate(timedelta(hours=1)),
    "rotated": rotate(timedelta(0)),
    "issued": issue,
    "disabled": lambda it: disable_key(it.key, actor=ACTOR),
    "enabled": lambda it: enable_key(it.key, maker=system(ACTOR)),
    "quarantined": lambda it: quarantine_key(it.key, actor=ACTOR),
    "revoked": lambda it: revoke_key(it.key, actor=ACTOR),
    "expired": expire,
    "not expired": of_key(expires_at=None),
    "suspended": lambda it: suspend(row(it), reason="", actor=ACTOR),
    "resumed": lambda it: resume(row(it), actor=ACTOR),
    "few scopes": of_key(scopes=["usage:read"]),
    "all scopes": of_key(scopes=["*:*"]),
    "other networks": of_key(allowed_networks=["192.0.2.0/24"]),
    "these networks": of_key(allowed_networks=["127.0.0.0/8", "192.0.2.0/24"]),
    "any network": of_key(allowed_networks=[]),
    "no grant": lambda it: Grant.objects.filter(member=it.member).delete(),
    "granted": lambda it: Grant.objects.get_or_create(member=it.member, upstream="dead"),
    "granted to read": of_key(grants=[READ]),
    "granted to key": of_key(grants=[]),
    "month of 3": of_member(requests_per_month=3),
    "month of 40": of_member(requests_per_month=40),
    "member free": of_member(),
    "day of 2": of_key(limit_overrides={"requests_per_day": 2, "requests_lifetime": 5}),
    "minute of 3": of_key(limit_overrides={"requests_per_minute": 3}),
    "one at a time": of_key(limit_overrides={"concurrent_requests": 1}),
    "key free": of_key(limit_overrides={}),
    "tier of 4": of_tier(requests_lifetime=4),
    "tier of 300 a minute": of_tier(requests_lifetime=None, requests_per_minute=300),
    "blocked": lambda _: IpRule.objects.get_or_create(network=BLOCKED),
    "not blocked": lambda _: IpRule.objects.filter(network=BLOCKED).delete(),
}


def change(name: str, it: Twin) -> str:
    """What became of it: both must be told the same."""
    it.key = ApiKey.objects.select_related("owner").get(pk=it.key.pk)
    try:
        CHANGES[name](it)
    except MomentryError as error:
        return str(error.code)
    return ""


def forget(*twins: Twin) -> None:
    IpRule.objects.filter(network=BLOCKED).delete()
    for it in twins:
        LimitOverride.objects.filter(member=it.member).delete()
