"""After how long what was deleted goes for good, and what becomes of a purged member's videos."""

from datetime import timedelta
from typing import Final, NamedTuple

from momentry.common.env import Environment, fail

KEEP: Final = "keep"
REASSIGN: Final = "reassign"
DELETE: Final = "delete"


class LeftVideos(NamedTuple):
    """``heir``: the username of who gets them, where they are reassigned."""

    policy: str = KEEP
    heir: str = ""


class Purges(NamedTuple):
    member: timedelta
    key: timedelta
    video: timedelta
    left_videos: LeftVideos


def read_purges(env: Environment) -> Purges:
    """Raises ConfigurationError."""
    return Purges(
        timedelta(days=env.integer("MEMBER_PURGE_DAYS", 30, low=1, high=3650)),
        timedelta(days=env.integer("KEY_PURGE_DAYS", 90, low=1, high=3650)),
        timedelta(days=env.integer("VIDEO_PURGE_DAYS", 30, low=1, high=3650)),
        read_left_videos(env),
    )


def read_left_videos(env: Environment) -> LeftVideos:
    """Neither an heir without a reason to inherit, nor the other way."""
    policy = env.choice("MEMBER_PURGE_VIDEOS", KEEP, (KEEP, REASSIGN, DELETE))
    heir = env.text("MEMBER_PURGE_VIDEOS_OWNER", "")
    if policy == REASSIGN and not heir:
        fail("MEMBER_PURGE_VIDEOS_OWNER", "is missing: MEMBER_PURGE_VIDEOS=reassign needs it.")
    if heir and policy != REASSIGN:
        fail("MEMBER_PURGE_VIDEOS_OWNER", "is of no use unless MEMBER_PURGE_VIDEOS=reassign.")
    return LeftVideos(policy, heir)
