"""The secrets of an install: made once, kept as files of mode 0600; the environment wins."""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from apikeys.digest import read_peppers
from momentry.common.crypto.material import decode_key
from momentry.common.env import Environment
from momentry.supervisor.errors import CannotStartError


def key_material() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


FILES: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "SECRET_KEY": ("secret-key", lambda: secrets.token_urlsafe(48)),
    "ENCRYPTION_KEY": ("encryption-key", key_material),
    "API_KEY_PEPPERS": ("api-key-peppers", lambda: f"1:{key_material()}"),
    "ADMIN_TOKEN": ("admin-token", lambda: secrets.token_urlsafe(32)),
}
# Without these what the database holds cannot be read or checked any more.
IRREPLACEABLE: Final = frozenset({"ENCRYPTION_KEY", "API_KEY_PEPPERS"})


def check_given(environment: Environment) -> None:
    for number, word in enumerate(environment.words("ENCRYPTION_KEY"), start=1):
        decode_key(word, variable="ENCRYPTION_KEY", label=f"key {number}")
    if environment.has("API_KEY_PEPPERS"):
        read_peppers(environment)


class SecretFiles:
    """``established`` says that a database exists which the irreplaceable ones belong to."""

    def __init__(self, directory: Path, *, established: bool) -> None:
        self.directory = directory
        self.established = established

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """``NAME_FILE`` for every secret that ``given`` lacks.

        Raises CannotStartError, and ConfigurationError for a malformed one before anything starts.
        """
        check_given(Environment(given))
        added = {}
        for name, (file, make) in FILES.items():
            if not (given.get(name) or given.get(f"{name}_FILE")):
                self.keep(file, make, irreplaceable=name in IRREPLACEABLE)
                added[f"{name}_FILE"] = str(self.directory / file)
        return added

    def keep(self, file: str, make: Callable[[], str], *, irreplaceable: bool = False) -> str:
        """The secret in ``file``, made when there is none."""
        if value := self.read(file):
            return value
        path = self.directory / file
        if irreplaceable and self.established:
            raise CannotStartError(
                f"{path} is missing, and the database beside it cannot be used without it: put it "
                "back from your backup, or start anew with another --data-dir."
            )
        value = make()
        self.write(file, value)
        return value

    def read(self, file: str) -> str:
        """What the file holds; "" when it does not exist."""
        path = self.directory / file
        try:
            value = path.read_text(encoding="utf-8").strip()
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise CannotStartError(f"{path} cannot be read: {error.strerror}.") from error
        return value

    def write(self, file: str, value: str) -> None:
        """All of it or nothing, and on the disk before anything is encrypted with it."""
        path = self.directory / file
        draft = path.with_name(f"{file}.new")
        try:
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(f"{value}\n")
                out.flush()
                os.fsync(out.fileno())
            draft.replace(path)
        except OSError as error:
            raise CannotStartError(f"{path} cannot be written: {error.strerror}.") from error
