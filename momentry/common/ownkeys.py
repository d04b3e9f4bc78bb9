"""Our own keys in any text, whatever the case and however often percent-encoded. Standard library
only; never raises. Of a key found stay the prefix and four digits of its public id.
"""

import re
from typing import Final

PREFIXES: Final = ("muser", "mtrial", "msvc", "madm")
HIDDEN: Final = r"\1…****"
CODED: Final = "%(?:25)*"


def anyhow(text: str) -> str:
    """A pattern of the text, each character as it is or percent-encoded, in either case."""
    return "".join(f"(?:{re.escape(char)}|{CODED}{codes_of(char)})" for char in text)


def codes_of(char: str) -> str:
    codes = sorted({f"{ord(form):02x}" for form in (char.lower(), char.upper())})
    return f"(?:{'|'.join(codes)})"


BEGINNING: Final = "|".join(map(anyhow, PREFIXES))
PATTERN: Final = re.compile(
    rf"((?:{BEGINNING}){anyhow('_')}(?:{CODED}[0-9a-f]{{2}}|[0-9a-z]){{4}})[0-9a-z_%]{{16,}}",
    re.IGNORECASE,
)
CHEAP: Final = re.compile("[mM](?i:user|trial|svc|adm)_")


def without_text(text: str, secret: str) -> str:
    """Without this one, as it is or percent-encoded: of a secret whose form nobody knows."""
    return re.sub(anyhow(secret), "****", text, flags=re.IGNORECASE) if secret else text


def without_keys(text: str) -> str:
    """Nearly free where there is none."""
    if "_" not in text and "%" not in text:
        return text
    if "%" not in text and CHEAP.search(text) is None:
        return text
    return PATTERN.sub(HIDDEN, text)
