"""The body of POST /api/v1/keys/verify, read strictly. Pure; both doors read it with this."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from apikeys.gate.addresses import parse_address
from apikeys.gate.holds import MAX_HELD, Hold, hold_of
from apikeys.gate.request import METERED, Named
from momentry.common.veil import veils

MAX_BODY: Final = 65_536
MAX_COST: Final = 1000
MAX_KEY: Final = 1024
MAX_PATH: Final = 8192
MAX_MODEL: Final = 200
MAX_DECODINGS: Final = 5
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}", re.ASCII)
METHOD: Final = re.compile(r"[A-Z]{1,16}", re.ASCII)
# The plainest body there is, in any JSON spelling of it that names no character by an escape.
ONLY_KEY: Final = re.compile(
    rb'[ \t\n\r]*+\{[ \t\n\r]*+"key"[ \t\n\r]*+:[ \t\n\r]*+'
    rb'"([ !#-\[\]-~]{1,1024}+)"[ \t\n\r]*+\}[ \t\n\r]*+'
)
JSON: Final = "application/json"
NOT_RAW: Final = re.compile(r"[^\x21-\x7e]|[?#]|%(?![0-9A-Fa-f]{2})")
# In the raw path and after any decoding: what an upstream could resolve to another path.
AMBIGUOUS: Final = re.compile(r"[\x00-\x1f\x7f\\]|//|/\.\.? *(?:[/;?#]|\Z)")


@veils("key")
class Question(NamedTuple):
    """``ip`` "" when no address was given; ``upstream`` "" when no resource was. ``cost``: units of
    requests; ``tokens`` and ``cost_micro`` are held of budgets, None for both is no hold.
    ``is_metered`` is the door's word: does this upstream tell what its calls use?"""

    key: str
    upstream: str = ""
    method: str = "GET"
    path: str = "/"
    ip: str = ""
    cost: int = 1
    dry_run: bool = False
    explain: bool = False
    tokens: int | None = None
    cost_micro: int | None = None
    model: str = ""
    is_metered: bool = True

    @property
    def hold(self) -> Hold | None:
        if self.tokens is None and self.cost_micro is None:
            return None
        return hold_of(self.tokens or 0, self.cost_micro or 0, anywhere=True)

    @property
    def may_use(self) -> bool:
        """Would the call hold something of budgets? Of a resource that nobody names it may."""
        return not self.upstream or (self.method == METERED and self.is_metered)

    @property
    def names(self) -> Named | None:
        return ((self.model,), False) if self.model else None

    def __repr__(self) -> str:
        return f"Question(upstream={self.upstream!r}, method={self.method!r}, path={self.path!r})"


class BadQuestion(Exception):
    """``code`` of errors.CODES; ``errors``: {"pointer", "detail"} for each fault."""

    def __init__(self, code: str, detail: str = "", errors: list[dict[str, str]] | None = None):
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = errors or []

    @property
    def extra(self) -> dict[str, Any]:
        return {"errors": self.errors} if self.errors else {}


def read(content_type: str, body: bytes) -> Question:
    """Raises BadQuestion."""
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        raise BadQuestion("unsupported_media_type")
    if len(body) > MAX_BODY:
        raise BadQuestion("body_too_large")
    if plain := ONLY_KEY.fullmatch(body):
        return Question(plain[1].decode())
    return read_any(body)


def read_any(body: bytes) -> Question:
    try:
        document = DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise BadQuestion("bad_request", "The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise BadQuestion("invalid_input", errors=[fault("#", "must be an object")])
    errors = [fault(f"#/{escape(name)}", reason) for name, reason in faults(document)]
    if errors:
        raise BadQuestion("invalid_input", errors=errors)
    if document.get("ip"):
        document["ip"] = str(parse_address(document["ip"]))
    return Question(**document)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers of a name given twice might each believe another value."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is given twice")
    return document


def refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


DECODER: Final = json.JSONDecoder(object_pairs_hook=once, parse_constant=refuse)


def fault(pointer: str, detail: str) -> dict[str, str]:
    return {"detail": detail, "pointer": pointer}


def escape(name: str) -> str:
    return name[:100].replace("~", "~0").replace("/", "~1")


def faults(document: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        (name, "is not a field of this request") for name in sorted(set(document) - set(FIELDS))
    ]
    if "key" not in document:
        found.append(("key", "is required"))
    for name, (is_good, reason) in FIELDS.items():
        if name in document and not is_good(document[name]):
            found.append((name, reason))
    return found


def is_key(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_KEY


def is_slug(value: Any) -> bool:
    return isinstance(value, str) and SLUG.fullmatch(value) is not None


def is_method(value: Any) -> bool:
    return isinstance(value, str) and METHOD.fullmatch(value) is not None


def is_path(value: Any) -> bool:
    """As the gateway asks of a path: nothing that an upstream could resolve to another one."""
    if not isinstance(value, str) or not value.startswith("/") or len(value) > MAX_PATH:
        return False
    if NOT_RAW.search(value):
        return False
    for _ in range(MAX_DECODINGS):
        if AMBIGUOUS.search(value):
            return False
        decoded = unquote(value, "latin-1")
        if decoded == value:
            return True
        value = decoded
    return False


def is_model(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_MODEL


def is_address(value: Any) -> bool:
    return isinstance(value, str) and parse_address(value) is not None


def is_cost(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COST


def is_held(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HELD


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


FIELDS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "key": (is_key, f"must be a text of 1 to {MAX_KEY} characters"),
    "upstream": (is_slug, "must be an upstream's slug"),
    "method": (is_method, "must be a method in capitals, such as POST"),
    "path": (is_path, "must be a plain path inside the upstream, from its / on, without a query"),
    "ip": (is_address, "must be an IPv4 or IPv6 address"),
    "cost": (is_cost, f"must be a whole number from 0 to {MAX_COST}"),
    "dry_run": (is_flag, "must be true or false"),
    "explain": (is_flag, "must be true or false"),
    "tokens": (is_held, f"must be a whole number from 0 to {MAX_HELD}"),
    "model": (is_model, f"must be a text of 1 to {MAX_MODEL} characters"),
    "cost_micro": (is_held, f"must be a whole number from 0 to {MAX_HELD}, in millionths"),
}
