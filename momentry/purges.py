"""After how long what was deleted goes for good."""

from datetime import timedelta
from typing import NamedTuple

from momentry.common.env import Environment


class Purges(NamedTuple):
    member: timedelta
    key: timedelta
    video: timedelta


def read_purges(env: Environment) -> Purges:
    """Raises ConfigurationError."""
    return Purges(
        timedelta(days=env.integer("MEMBER_PURGE_DAYS", 30, low=1, high=3650)),
        timedelta(days=env.integer("KEY_PURGE_DAYS", 90, low=1, high=3650)),
        timedelta(days=env.integer("VIDEO_PURGE_DAYS", 30, low=1, high=3650)),
    )
