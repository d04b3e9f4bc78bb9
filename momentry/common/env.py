"""Typed readers of environment variables; knows no setting by itself and imports no Django.

Every variable ``NAME`` may instead be given as ``NAME_FILE``, the path of a file whose content,
stripped of surrounding white space, is the value (Docker and Kubernetes secrets, Vault Agent).
A bad value raises ConfigurationError, which names the variable and never repeats the value.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off"})


class ConfigurationError(Exception):
    """A setting that stops the start. ``str()`` is one sentence for a person, without the value."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable = variable


class Environment:
    """Readers over one mapping (``os.environ`` unless told otherwise)."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables: Mapping[str, str] = os.environ if variables is None else variables

    def has(self, name: str) -> bool:
        return bool(self.variables.get(name)) or bool(self.variables.get(f"{name}_FILE"))

    def text(self, name: str, default: str | None = None) -> str:
        """The value of NAME, or of the file NAME_FILE names; without both, the default.

        Raises ConfigurationError when both are set, the file cannot be read, or there is neither
        a value nor a default. An empty value counts as absent.
        """
        value = self.variables.get(name, "").strip()
        path = self.variables.get(f"{name}_FILE", "").strip()
        if value and path:
            fail(name, f"and {name}_FILE are both set; give one of them.")
        if path:
            value = read_file(name, path)
        if value:
            return value
        if default is None:
            fail(name, "is missing.")
        return default

    def integer(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = 2**31 - 1
    ) -> int:
        value = self.text(name, None if default is None else str(default))
        try:
            number = int(value)
        except ValueError:
            fail(name, "is not a whole number.")
        if not low <= number <= high:
            fail(name, f"must be between {low} and {high}.")
        return number

    def seconds(self, name: str, default: int, *, low: int, high: int) -> timedelta:
        return timedelta(seconds=self.integer(name, default, low=low, high=high))

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        try:
            number = float(self.text(name, str(default)))
        except ValueError:
            fail(name, "is not a number.")
        if not low <= number <= high:  # also refuses NaN
            fail(name, f"must be between {low} and {high}.")
        return number

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in TRUE | FALSE:
            fail(name, "must be true or false.")
        return value in TRUE

    def words(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list; empty items are dropped."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            fail(name, f"must be one of {', '.join(allowed)}.")
        return value

    def url(self, name: str, default: str | None, schemes: tuple[str, ...]) -> str:
        value = self.text(name, default)
        try:
            parts = urlsplit(value)
            scheme, _ = parts.scheme, parts.port  # a port that is no number raises here
        except ValueError:
            fail(name, "is not a URL.")
        if scheme not in schemes:
            fail(name, f"must be a URL that starts with {' or '.join(s + '://' for s in schemes)}.")
        return value


def read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            f"{name}_FILE", f"names a file that cannot be read: {reason}."
        ) from None


def fail(name: str, reason: str) -> NoReturn:
    raise ConfigurationError(name, reason)
