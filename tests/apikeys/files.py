"""Files of keys, and the command that reads them."""

import json
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command


class Ran(NamedTuple):
    """``code``: the exit code. ``rows``: the JSON lines of standard output."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def apikey(*arguments: str) -> Ran:
    out, err = StringIO(), StringIO()
    try:
        call_command("apikey", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Ran(1, out.getvalue(), f"{err.getvalue()}{error}\n")
    return Ran(0, out.getvalue(), err.getvalue())


def written(path: Path, *entries: Any) -> str:
    """One entry a line, the first on line 2."""
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    path.write_text('{"keys": [\n' + lines + "\n]}\n")
    return str(path)
