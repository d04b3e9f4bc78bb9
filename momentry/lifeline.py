"""Ends what the worker forks, such as Celery's embedded beat, with the worker itself.

`manage.py worker` includes this module: the signal a child gets when its parent is killed is not
inherited by what the child forks, so it is asked for again right after each fork.
"""

import os
import signal

from momentry.supervisor.launch import die_with_parent

parent = os.getpid()


def remember() -> None:
    """The one that forks: in a grandchild it is another than at import."""
    global parent  # noqa: PLW0603  a fork has no arguments
    parent = os.getpid()


def follow() -> None:
    die_with_parent(parent, signal.SIGKILL)


os.register_at_fork(before=remember, after_in_child=follow)
