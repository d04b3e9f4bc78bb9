"""What a person reads when everything is ready."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LINES: Final = """
momentry is ready ({seconds:.1f} s).

  URL          {url}
  Admin        {url}/admin/    login {admin}    password {password}
  API docs     {url}/api/docs/
  Demo key     {key}
  Try it       curl -H "X-API-Key: {key}" {url}/proxy/echo/hello
  Admin token  in {token}  (Authorization: Bearer ...)
  Logs         {logs}
  Stop         Ctrl-C, or: kill {pid}
"""
NO_PASSWORD: Final = "(the one that this database's admin has)"  # noqa: S105  a sentence
ENDED_KEY: Final = "(the one made here opens nothing now; make a new one in the admin)"
NO_KEY: Final = "(was shown when it was made and is not kept here; make a new one in the admin)"


@dataclass(frozen=True, slots=True)
class Announcement:
    """``password`` "" when it is not known here; ``key`` "" when none was kept, or, with
    ``key_ended``, when it is refused."""

    seconds: float
    url: str
    admin: str
    password: str = field(repr=False)
    key: str = field(repr=False)
    key_ended: bool
    token: str
    logs: Path
    pid: int

    def __str__(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["password"] = self.password or NO_PASSWORD
        if not self.key:
            fields["key"] = ENDED_KEY if self.key_ended else NO_KEY
        lines = LINES.format(**fields).splitlines()
        kept = lines if self.key else [line for line in lines if not line.startswith("  Try it")]
        return "\n".join(kept)
