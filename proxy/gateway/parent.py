"""The gateway's parent: keeps the sockets, and the processes that serve them running.

It replaces them one by one after SIGHUP, as docs/decisions/011-rolling-restart.md says.
"""

import contextlib
import gc
import os
import signal
import socket
from dataclasses import dataclass
from time import monotonic
from typing import Final

from momentry.common import notify
from proxy.gateway import forking
from proxy.gateway.compiled import what_runs
from proxy.gateway.core import logger
from proxy.gateway.handover import NEVER, Process
from proxy.gateway.metrics import CRASHES, PLACES, RESTARTS, Metrics
from proxy.gateway.renewal import Renewal
from proxy.gateway.settings import Settings
from proxy.gateway.waking import RETIRE, Waking
from proxy.gateway.worker import Secrets

STABLE_SECONDS: Final = 10.0  # a child that lived so long starts the back-off anew
MAX_BACK_OFF: Final = 5.0
KILL_MARGIN: Final = 9  # seconds past DRAIN_SECONDS: flush, pools, exit
READY_SECONDS: Final = 15.0  # within these a replacement is ready, or the old process goes on


@dataclass(slots=True)
class Slot:
    """A place for one process. It accepts from these sockets."""

    sockets: tuple[int, ...]
    process: Process | None = None
    due: float = 0.0
    back_off: float = 0.0


@dataclass(slots=True)
class Assets:
    """What outlives an image. ``queued`` are the sockets in which connections may wait."""

    sockets: list[socket.socket]
    queued: set[int]
    metrics: Metrics
    processes: dict[int, Process]


class Parent:
    """``old`` are the process ids of an image before."""

    def __init__(self, settings: Settings, secrets: Secrets, assets: Assets) -> None:
        self.settings = settings
        self.secrets = secrets
        self.sockets = assets.sockets
        self.queued = assets.queued
        self.metrics = assets.metrics
        self.processes = assets.processes
        self.old = set(assets.processes)
        self.is_restart = bool(self.old)
        count = settings.workers
        self.slots = [Slot(tuple(range(n, len(self.sockets), count))) for n in range(count)]
        self.waking = Waking()
        self.renewal = Renewal(self)
        self.is_settled = False
        self.stopping = False
        self.failed = False

    def run(self) -> int:
        gc.collect()
        gc.freeze()  # the children's collectors leave the shared pages alone
        place = f"[{self.settings.bind}]" if ":" in self.settings.bind else self.settings.bind
        told = (place, self.settings.port, len(self.slots), what_runs())
        logger.info("listening on http://%s:%d, %d processes, %s", *told)
        self.step(monotonic())
        while not self.stopping or self.processes:
            pipes = {p.pipe: p for p in self.processes.values() if p.pipe >= 0}
            for pipe in self.waking.wait(pipes, self.pause(monotonic())):
                self.hear(pipes[pipe])
            self.reap()
            self.step(monotonic())
        return 1 if self.failed else 0

    def step(self, now: float) -> None:
        if self.waking.stop and not self.stopping:
            self.stop(now)
        if not self.stopping:
            self.renewal.step(now)
            for slot in self.slots:
                self.tend(slot, now)
            self.retire_replaced(now)
        for process in self.processes.values():
            if now > process.kill_at:
                logger.error("gateway process %d did not end in time", process.pid)
                process.kill_at = now + 1
                self.send(process, signal.SIGKILL)

    def pause(self, now: float) -> float:
        """Seconds until something is due."""
        due = [p.kill_at for p in self.processes.values()]
        due += [p.ready_by for p in self.processes.values() if p.comes]
        if not self.stopping:
            due += [slot.due for slot in self.slots if not slot.process and self.may_start(slot)]
        due.append(self.renewal.due())
        return max(0.0, min(due, default=NEVER) - now)

    # Processes that come.

    def is_coming(self) -> bool:
        return any(process.comes for process in self.processes.values())

    def is_bare(self, slot: Slot) -> bool:
        """Do connections wait in one of its sockets, or may, that nobody accepts?"""
        served = {n for p in self.processes.values() if p.serves and p.stays for n in p.sockets}
        return any(number in self.queued and number not in served for number in slot.sockets)

    def may_start(self, slot: Slot) -> bool:
        """One after the other; but where connections wait, at once."""
        return self.is_bare(slot) or not (self.is_coming() or self.renewal.is_under_way())

    def tend(self, slot: Slot, now: float) -> None:
        """Where an old process serves, the new one must be ready before it takes over; else it
        serves at once, ready or not."""
        process = slot.process
        if process is None:
            if now >= slot.due and self.may_start(slot):
                self.start(slot, now, waits=not self.is_bare(slot))
        elif process.comes and self.is_bare(slot):
            self.give_up(slot, process, now)
            slot.due = now
        elif now > process.ready_by:
            self.lament(f"process {process.pid} is not ready: {process.said or 'it says nothing'}")
            self.give_up(slot, process, now)

    def start(self, slot: Slot, now: float, *, waits: bool) -> None:
        taken = {process.place for process in self.processes.values()}
        place = next((n for n in range(1, PLACES) if n not in taken), 0)
        if not place:  # a thousand processes drain; one of them will end
            slot.due = now + 1
            return
        self.metrics.open_place(place)
        fork = forking.Fork(self, slot.sockets, place, waits)
        pid, pipe = fork.start()
        process = Process(pid, place, slot.sockets, self.settings.drain_seconds, started=now)
        process.pipe = pipe
        process.reported = False
        process.serves = not waits
        process.ready_by = now + READY_SECONDS if waits else NEVER
        slot.process = self.processes[pid] = process

    def hear(self, process: Process) -> None:
        """What it says of itself: a line why it is not ready, and an empty one once it serves."""
        try:
            said = os.read(process.pipe, 4096).decode()
        except OSError:
            said = ""
        if said.endswith("\n\n") or said == "\n":
            process.serves = process.reported = True
            process.ready_by = NEVER
            self.queued.update(process.sockets)
        elif said:
            process.said = said.strip().rpartition("\n")[2]
            return
        os.close(process.pipe)
        process.pipe = -1

    def give_up(self, slot: Slot, process: Process, now: float) -> None:
        slot.process = None
        self.back_off(slot, process, now)
        self.ask_to_end(process, now, signal.SIGTERM)

    def back_off(self, slot: Slot, process: Process, now: float) -> None:
        wait = 0.0 if now - process.started > STABLE_SECONDS else slot.back_off
        slot.back_off = min(MAX_BACK_OFF, max(0.1, wait * 2))
        slot.due = now + wait

    def lament(self, sentence: str) -> None:
        """A restart goes on, but not well."""
        logger.error("%s; the old ones go on", sentence)
        notify.tell_restart("waiting", sentence)

    # Processes that go.

    def retire_replaced(self, now: float) -> None:
        """An old one drains once all of its sockets have a new one that accepts from them."""
        new = [slot.process for slot in self.slots if slot.process and slot.process.reported]
        served = {number for process in new for number in process.sockets}
        for pid in tuple(self.old):
            if served.issuperset(self.processes[pid].sockets):
                self.old.discard(pid)
                if self.processes[pid].stays:
                    self.ask_to_end(self.processes[pid], now, RETIRE)
        if not self.is_settled and not self.old and len(new) == len(self.slots):
            self.settle()

    def settle(self) -> None:
        """All that is wanted serves."""
        self.is_settled = True
        if self.is_restart:
            self.metrics.counts[RESTARTS] += 1
            logger.info("restarted, %d processes", len(self.slots))
        notify.tell_restart("done", f"{len(self.slots)} processes serve.")

    def ask_to_end(self, process: Process, now: float, number: int) -> None:
        process.kill_at = min(process.kill_at, now + process.drain + KILL_MARGIN)
        self.send(process, number)

    def send(self, process: Process, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)

    def stop(self, now: float) -> None:
        self.stopping = True
        notify.tell("STOPPING=1")
        for listener in self.sockets:
            listener.close()
        self.renewal.stop()
        for process in self.processes.values():
            self.ask_to_end(process, now, signal.SIGTERM)

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                if process := self.processes.pop(ended[0], None):
                    self.ended(process, code, monotonic())
                else:
                    self.renewal.ended(ended[0], code)

    def ended(self, process: Process, code: int, now: float) -> None:
        self.metrics.clear_place(process.place)
        self.old.discard(process.pid)
        if process.pipe >= 0:
            os.close(process.pipe)
        if not process.stays:
            self.failed = self.failed or (self.stopping and code != 0)
            return
        self.metrics.counts[CRASHES] += 1
        if process.comes:
            self.lament(f"process {process.pid} ended with {code} before it was ready")
        else:
            logger.error("gateway process %d ended with %d; a new one starts", process.pid, code)
        for slot in self.slots:
            if slot.process is process:
                slot.process = None
                self.back_off(slot, process, now)
