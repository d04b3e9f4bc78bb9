"""Takes secrets out of text and data before they are logged. Standard library only; never raises.

Two nets: values known at the start (``learn``), and shapes (keys, credentials, URLs with a
password, names such as ``api_key``). A secret of an unknown shape under a harmless name is what
neither catches, so the code must still not log one.
"""

import base64
import math
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from momentry.common import ownkeys
from momentry.common.env import ConfigurationError, Environment

HIDDEN: Final = "[hidden]"
MIN_KNOWN: Final = 8
"""Shorter values are words: hiding them would garble lines, and rules below hide them by name."""
MAX_TEXT: Final = 16_384
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 100

NAMES: Final = (
    r"password|passwd|passphrase|pwd|secret|token|authori[sz]ation|api[ _-]?key|cookie"
    r"|credential|pepper|(?:private|encryption|secret)[ _-]?key"
)
SENSITIVE_NAME: Final = re.compile(rf"(?:{NAMES})s?(?:$|[ _-])", re.IGNORECASE)
SETTING_NAME: Final = re.compile(rf"(?:(?:{NAMES})s?|_KEY)$", re.IGNORECASE)
CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

QUOTE: Final = r"""\\{0,8}["']"""
ENDS: Final = r"""\r\n"'\\"""
NAMED: Final = rf"(?:{NAMES})s?(?:{QUOTE})?\s*"
NAME_PARTS: Final = (
    *("passw", "passphrase", "pwd", "secret", "token", "authori", "cookie", "credential", "pepper"),
    *("apikey", "api_key", "api-key", "api key", "private", "encryption"),
)
# For each shape: text that it must contain in lower case (a cheap test first), what it looks like,
# and what is written instead.
SHAPES: Final = tuple(
    (parts, re.compile(pattern, re.IGNORECASE | re.MULTILINE), replacement)
    for parts, pattern, replacement in (
        ((*ownkeys.PREFIXES, "%"), ownkeys.PATTERN.pattern, ownkeys.HIDDEN),
        (("whsec_",), r"(?<=whsec_)[0-9a-z+/=_-]{8,}", HIDDEN),
        (
            ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "gho", "ghp", "ghs", "ghu", "ghr"),
            r"(?<![a-z0-9])((?:sk|pk|rk|gh[opsur])[-_])[0-9a-z_-]{8,}",
            rf"\1{HIDDEN}",
        ),
        (("eyj",), r"\beyJ[0-9a-z_-]{8,}\.[0-9a-z_.-]+", HIDDEN),
        (("@",), r"""(?<=://)[^\s/?#"'<>]*@""", f"{HIDDEN}@"),
        (("/claim/",), r"""(?<=/claim/)[^\s/?#"'<>]+""", HIDDEN),
        (("/unsubscribe/",), r"""(?<=/unsubscribe/)[^\s/?#"'<>]+""", HIDDEN),
        # Header fields whose value has blanks: to the end of the line or of the quoted text.
        (
            ("authori", "cookie"),
            rf"((?:authori[sz]ation|cookie)(?:{QUOTE})?\s*(?:[:=,]|=>)\s*b?(?:{QUOTE})?)[^{ENDS}]+",
            rf"\1{HIDDEN}",
        ),
        (
            ("bearer", "basic", "digest", "negotiate"),
            r"\b((?:bearer|basic|digest|negotiate)(?:\s+|%20|\+))[0-9a-z._~+/=-]{8,}",
            rf"\1{HIDDEN}",
        ),
        # "name": "value", also inside JSON that was quoted again; then name=value.
        (
            NAME_PARTS,
            rf"({NAMED}(?:[:=,]|=>|%3d)\s*b?({QUOTE})).{{0,1024}}?\2(?=\s*[,}}\])&;:]|\s*$)",
            rf"\1{HIDDEN}\2",
        ),
        (
            NAME_PARTS,
            rf"({NAMED}(?:[:=]|=>|%3d)\s*)(?!(?:b?{QUOTE})?\[hidden\])(?:(?!&[\w.-]+=)\S)+",
            rf"\1{HIDDEN}",
        ),
    )
)

# What a terminal or a log viewer acts on: C0, DEL, C1, line and paragraph separators, bidi marks.
ACTING: Final = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0x200E, 0x200F, 0xFEFF),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
)
CONTROL: Final = {code: f"\\u{code:04x}" for code in ACTING} | {9: "\\t", 10: "\\n", 13: "\\r"}
CONTROL_BUT_LINES: Final = {code: text for code, text in CONTROL.items() if code not in {9, 10}}


class Known:
    """The secret values this process was told of, as one pattern."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        self.values.update(
            form for value in values if len(value) >= MIN_KNOWN for form in spellings(value)
        )
        longest_first = sorted(self.values, key=len, reverse=True)
        alternatives = "|".join(map(escaped_anyhow, longest_first))
        self.pattern = re.compile(alternatives) if alternatives else None


known: Final = Known()


def escaped_anyhow(value: str) -> str:
    """A pattern of the value, its quotes escaped never, once or more often (JSON in a repr).

    Bounded: an unbounded run would make a text of backslashes cost its length squared.
    """
    return "".join(
        rf"\\{{0,8}}{char}" if char in "\"'" else r"\\{1,8}" if char == "\\" else re.escape(char)
        for char in value
    )


def spellings(value: str) -> Iterator[str]:
    """The value as it is, in a URL, in ASCII; a base64 key also as its bytes."""
    yield value
    yield urllib.parse.quote(value, safe="", errors="surrogateescape")
    yield value.encode("unicode_escape").decode()
    try:
        raw = base64.urlsafe_b64decode(value)
    except ValueError:
        return
    if len(raw) >= 16:
        yield raw.hex()
        yield repr(raw)[2:-1]
        yield base64.b64encode(raw).decode().rstrip("=")
        yield value.rstrip("=")


def learn(*values: str) -> None:
    """Values that no line may hold from now on; those under 8 characters are left out."""
    known.add(values)


DIRECTORIES: Final = frozenset({"PWD", "OLDPWD"})  # the shell's, no passwords


def learn_environment(environment: Environment) -> None:
    """Learns every setting that holds a secret by its name, and the password of every URL."""
    names = {name.removesuffix("_FILE") for name in environment.variables} - DIRECTORIES
    for name in names:
        try:
            value = environment.text(name, "")
        except ConfigurationError:
            continue  # whoever needs the setting says so
        if SETTING_NAME.search(name):
            learn(value, *value.split(","), *(part.partition(":")[2] for part in value.split(",")))
        learn(*url_passwords(value))


def url_passwords(value: str) -> Iterator[str]:
    if "://" not in value or "@" not in value:
        return
    try:
        password = urllib.parse.urlsplit(value).password or ""
    except ValueError:
        return
    yield password
    yield urllib.parse.unquote(password)


def scrub(text: str) -> str:
    """The text without secrets; line breaks and control characters are left as they are."""
    if known.pattern is not None:
        text = known.pattern.sub(HIDDEN, text)
    lower = text.lower()
    for parts, pattern, replacement in SHAPES:
        for part in parts:
            if part in lower:
                text = pattern.sub(replacement, text)
                break
    return text


def line(text: str) -> str:
    """scrub(), cut to 16 KiB, control characters written out: one line, nothing acts on it."""
    return shorten(scrub(text)).translate(CONTROL)


def lines(text: str) -> str:
    """As line(), for tracebacks: line feeds and tabs stay."""
    return shorten(scrub(text)).translate(CONTROL_BUT_LINES)


def shorten(text: str) -> str:
    """The ends of a long text: a traceback says most there."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}… {len(text) - MAX_TEXT} characters left out …{text[-half:]}"


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    return SENSITIVE_NAME.search(CAMEL.sub("_", name)) is not None


def clean(value: Any, depth: int = 0) -> Any:
    """Any value as JSON can hold it, at any depth without secrets."""
    if value is None or (isinstance(value, int) and value.bit_length() <= 64):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN
    if isinstance(value, str):
        return line(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return clean_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    if isinstance(value, bytes | bytearray | memoryview):
        return line(bytes(value).decode("utf-8", "backslashreplace"))
    return line(text_of(value))


def clean_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in list(value.items())[:MAX_ITEMS]:
        name = line(text_of(key))
        result[name] = HIDDEN if is_sensitive(name) and hides(item) else clean(item, depth + 1)
    return result


def hides(value: Any) -> bool:
    """Under a secret's name: nothing to hide in None, a truth value, or a count (``tokens``)."""
    return value is not None and not isinstance(value, bool | int | float)


def text_of(value: Any) -> str:
    try:
        return value if isinstance(value, str) else str(value)
    except Exception:  # noqa: BLE001  logging never raises
        return f"<{type(value).__name__} that cannot be printed>"
