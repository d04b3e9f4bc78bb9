"""Ends Celery's embedded beat, a process of its own, with the worker that forked it.

`manage.py worker` includes this module: the signal a child gets when its parent is
killed is not inherited by what the child forks.
"""

import signal
from typing import Any

from billiard.process import current_process
from celery.signals import beat_embedded_init

from momentry.supervisor.launch import die_with_parent


@beat_embedded_init.connect
def end_with_the_worker(**_: Any) -> None:
    worker: int = current_process()._parent_pid  # type: ignore[attr-defined]  # noqa: SLF001 no public name
    die_with_parent(worker, signal.SIGKILL)
