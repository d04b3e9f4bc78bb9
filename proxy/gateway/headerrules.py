"""What staff have done to header fields on their way: judged when saved, made ready when loaded.

Nothing that the gateway itself lives by can be named: framing, hop-by-hop fields, credentials, who
the caller is and where it comes from.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from proxy.gateway.head import Fields
from proxy.gateway.lines import Line, read_new
from proxy.gateway.names import CREDENTIALS, HOP_BY_HOP, is_guarded
from proxy.gateway.response import ResponseHead

MAX_RULES: Final = 32
MAX_VALUE: Final = 1024  # bytes
SET: Final = "set"
ADD: Final = "add"
REMOVE: Final = "remove"
ACTIONS: Final = (SET, ADD, REMOVE)
REQUEST: Final = "request"
RESPONSE: Final = "response"
SIDES: Final = (REQUEST, RESPONSE)
MEMBERS: Final = frozenset(("action", "on", "name", "value"))
NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# How a body is coded is for its two ends, and what a handshake says for the upgrade.
OURS_TOO: Final = CREDENTIALS | {b"content-encoding"}
HANDSHAKE: Final = b"sec-websocket-"
COOKIES: Final = b"set-cookie"  # may go, but none is made here: it could be one of ours


class Rewriting(NamedTuple):
    """``names``: fields that go, in lower case, with a dash for each underscore: a CGI-style
    upstream reads both as one. ``lines``: those that come, ``fields`` as an answer has them."""

    names: frozenset[bytes]
    lines: bytes
    fields: tuple[Line, ...]

    def takes(self, name: bytes) -> bool:
        return name.replace(b"_", b"-") in self.names

    def kept(self, fields: Fields) -> Fields:
        return [field for field in fields if not self.takes(field[0])]

    def rewrite(self, answer: ResponseHead) -> None:
        """What comes, comes with the last of its heads; its Connection does not reach that."""
        gone = answer.nominated - HOP_BY_HOP
        kept = [
            line for line in answer.lines if not (self.takes(name := line.field[0]) or name in gone)
        ]
        answer.lines = kept if answer.interim else [*kept, *self.fields]
        answer.nominated &= HOP_BY_HOP


def check_rules(rules: Any, own: str = "") -> None:
    """``own``: the header that carries the credential. Raises ValueError, which says which one."""
    if not isinstance(rules, list) or len(rules) > MAX_RULES:
        raise ValueError(f"A list of at most {MAX_RULES} rules.")
    for number, rule in enumerate(rules, start=1):
        if fault := fault_of(rule, own):
            raise ValueError(f"Rule {number}: {fault}")


def fault_of(rule: Any, own: str) -> str:
    """What is wrong with it; "" for nothing."""
    if not isinstance(rule, Mapping) or not MEMBERS.issuperset(rule):
        return "it is an object of action, on, name and value."
    if rule.get("action") not in ACTIONS or rule.get("on") not in SIDES:
        return f"action is {', '.join(ACTIONS)}; on is {' or '.join(SIDES)}."
    name, value = rule.get("name"), rule.get("value")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return "name is the name of a header field."
    plain, removes = plain_of(name), rule["action"] == REMOVE
    guarded = is_guarded(plain) or plain in OURS_TOO or plain.startswith(HANDSHAKE)
    if guarded or (own and plain == plain_of(own)) or (plain == COOKIES and not removes):
        return f"{name} is the gateway's own."
    if removes:
        return "" if value is None else "remove takes no value."
    if not isinstance(value, str) or len(value) > MAX_VALUE or not VALUE.fullmatch(value):
        return f"value is printable ASCII of at most {MAX_VALUE} characters, no blanks around it."
    return ""


def plain_of(name: str) -> bytes:
    return name.lower().replace("_", "-").encode()


def rewriting(rules: Sequence[Mapping[str, str]], side: str) -> Rewriting | None:
    """Of rules that check_rules() passes, each after those before it; None for none."""
    names: set[bytes] = set()
    made: list[tuple[bytes, bytes]] = []
    for rule in rules:
        if rule["on"] != side:
            continue
        plain = plain_of(rule["name"])
        if rule["action"] != ADD:
            names.add(plain)
            made = [each for each in made if each[0] != plain]
        if rule["action"] != REMOVE:
            made.append((plain, f"{rule['name']}: {rule['value']}".encode()))
    if not names and not made:
        return None
    lines = [line for _, line in made]
    fields = tuple(read_new(line) for line in lines)
    return Rewriting(frozenset(names), b"".join(line + b"\r\n" for line in lines), fields)
