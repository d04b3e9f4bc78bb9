"""Keeps the children's logs small: one old part beside the current one."""

import os
import shutil
from pathlib import Path
from typing import Final

LARGEST: Final = 10 * 1024 * 1024


def trim(log: Path, largest: int = LARGEST) -> None:
    """Copy, then empty in place: the child writes on through its descriptor (opened to append).

    What it writes between the two is lost; these are logs for people, not the request log.
    """
    try:
        if log.stat().st_size <= largest:
            return
        with log.open("rb") as source, log.with_suffix(".log.1").open("wb") as old:
            source.seek(-largest // 2, os.SEEK_END)
            shutil.copyfileobj(source, old)
        os.truncate(log, 0)
    except OSError:
        return  # a full disk must not end the service
