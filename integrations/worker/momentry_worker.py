#!/usr/bin/env python3
"""A processing worker for momentry: claims steps of jobs and runs a command of yours for each.

Standard library only, Python 3.9 or newer, one process, one command at a time. See README.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
from typing import Any, NoReturn
from urllib.parse import urlsplit

from momentry_worker_api import ANSWER_SECONDS, Away, Momentry, Refused
from momentry_worker_run import Run

USELESS = 65  # EX_DATAERR: the command says that trying this video again is useless
LONGEST_PAUSE = 60.0
LAST_TRIES = 3  # for the last words of a worker that ends


class Stop(Exception):
    """SIGTERM or SIGINT came while there was nothing to lose."""


def log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Beat(threading.Thread):
    """Keeps a lease while the command runs, and kills the command when the lease is lost."""

    def __init__(self, worker: Worker, run: Run) -> None:
        super().__init__(daemon=True)
        self.worker = worker
        self.run_of = run
        self.ended = threading.Event()
        self.is_lost = False

    def run(self) -> None:
        while not self.ended.wait(self.worker.options.lease / 3):
            body = {"lease_seconds": self.worker.options.lease, "progress": self.run_of.progress()}
            try:
                self.worker.say("heartbeat", **body)
            except Away as error:
                log(f"heartbeat: {error}")
            except Refused as error:
                log(f"heartbeat: {error}")
                self.is_lost = True
                self.run_of.kill(signal.SIGKILL)
                return


class Worker:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.momentry = Momentry(options.url, options.key_file)
        self.claim: dict[str, Any] = {}
        self.current: Run | None = None
        self.is_ending = self.has_nothing_to_lose = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)

    def end(self, *_: Any) -> None:
        self.is_ending = True
        if self.current is not None:
            self.current.stop()
        if self.has_nothing_to_lose:
            raise Stop

    def say(self, verb: str, **more: Any) -> Any:
        path = f"/api/v1/jobs/{self.claim['job']['id']}/{verb}"
        return self.momentry.post(path, {"lease": self.claim["lease"], **more})

    def work(self) -> None:
        failures = 0
        try:
            while not self.is_ending:
                try:
                    claim = self.ask()
                except Away as error:
                    failures += 1
                    self.rest(pause(failures), f"momentry is away: {error}")
                    continue
                failures = 0
                if claim is not None and "lease" in claim:
                    self.do(claim)
                elif self.options.until_empty:
                    return
                elif claim is not None:
                    self.rest(claim["pause"])
        except Stop:
            pass

    def ask(self) -> Any:
        body = {"processors": self.options.processors, "worker": self.options.name}
        body["lease_seconds"] = self.options.lease
        body["wait_seconds"] = 0 if self.options.until_empty else self.options.wait
        self.has_nothing_to_lose = True
        try:
            return self.momentry.post(
                "/api/v1/jobs/claim", body, self.options.wait + ANSWER_SECONDS
            )
        finally:
            self.has_nothing_to_lose = False

    def rest(self, seconds: float, why: str = "") -> None:
        if why:
            log(f"{why}; again in {seconds:.0f} s")
        self.has_nothing_to_lose = True
        if self.is_ending:
            raise Stop
        try:
            time.sleep(seconds)
        finally:
            self.has_nothing_to_lose = False

    def do(self, claim: dict[str, Any]) -> None:
        """All steps of a claim, one after another."""
        self.claim = claim
        for processor in claim["processors"]:
            if self.is_ending or not self.run(processor):
                break
        if self.is_ending:
            self.tell("release")
            return
        self.tell("complete")

    def run(self, processor: str) -> bool:
        """False when nothing more can be said of this claim."""
        run = Run(self.options.command, self.claim, processor)
        self.current = run
        if self.is_ending:  # the signal came before there was a command to stop
            run.stop()
        beat = Beat(self, run)
        limit = threading.Timer(self.options.timeout, run.kill, (signal.SIGKILL,))
        began = time.monotonic()
        beat.start()
        limit.start()
        try:
            code = run.process.wait()
        finally:
            self.current = None
            limit.cancel()
            beat.ended.set()
            beat.join()
        run.kill(signal.SIGKILL)  # what it left behind in its session
        with run.place:
            if beat.is_lost:
                return False
            if self.is_ending and code != 0:
                return True
            if code != 0 and time.monotonic() - began >= self.options.timeout:
                return self.fail(run, f"not done in {self.options.timeout:.0f} s")
            if code != 0:
                return self.fail(run, f"the command ended with {code}", retry=code != USELESS)
            return self.deliver(run)

    def deliver(self, run: Run) -> bool:
        try:
            outcome = run.outcome()
        except ValueError as error:
            return self.fail(run, f"the result is unusable: {error}", retry=False)
        try:
            told = self.tell("results", processor=run.processor, **outcome)
        except Refused as error:
            return self.fail(run, f"the result was refused: {error}", retry=False)
        log(f"{run.processor} of {self.claim['job']['id']}: {'done' if told else 'lost'}")
        return told

    def fail(self, run: Run, why: str, *, retry: bool = True) -> bool:
        text = f"{why}\n{run.complaint()}"
        log(f"{run.processor} of {self.claim['job']['id']}: {why}")
        return self.tell("fail", processor=run.processor, error=text, retry=retry)

    def tell(self, verb: str, **more: Any) -> bool:
        """Until momentry has heard it. False when it is too late; Refused for a result that is
        not taken."""
        failures = 0
        while True:
            try:
                self.say(verb, **more)
            except Refused as error:
                if verb == "results" and error.status in (413, 422):
                    raise
                if verb != "complete":
                    log(f"{verb}: {error}")
                return False
            except Away as error:
                failures += 1
                if self.is_ending and failures >= LAST_TRIES:
                    log(f"{verb}: {error}; the lease will run out")
                    return False
                log(f"{verb}: {error}")
                time.sleep(1.0 if self.is_ending else pause(failures))
            else:
                return True


def pause(failures: int) -> float:
    """Seconds: twice as long each time, and not the same for all workers."""
    return min(2.0 ** min(failures - 1, 10), LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311


def read_options(arguments: list[str]) -> argparse.Namespace:
    given = os.environ.get
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--url", default=given("MOMENTRY_URL", "http://127.0.0.1:3002"))
    add("--processors", default=given("MOMENTRY_PROCESSORS", ""), help="such as asr,ocr")
    add("--name", default=given("MOMENTRY_WORKER", f"{socket.gethostname()}-{os.getpid()}"))
    add("--key-file", default=given("MOMENTRY_KEY_FILE", ""), help="else MOMENTRY_KEY is the key")
    add("--lease", type=int, default=int(given("MOMENTRY_LEASE", "120")), help="30 to 3600 s")
    add("--wait", type=int, default=int(given("MOMENTRY_WAIT", "20")), help="0 to 20 s")
    add("--timeout", type=float, default=float(given("MOMENTRY_TIMEOUT", "3600")), help="s")
    add("--until-empty", action="store_true", help="end when there is nothing to do")
    add("command", nargs="+", help="after --; {location}, {path}, {processor} … are replaced")
    options = parser.parse_args(arguments)
    options.processors = [name for name in options.processors.split(",") if name]
    options.name = options.name[:100]
    if not options.processors:
        parser.error("--processors or MOMENTRY_PROCESSORS must name at least one")
    if urlsplit(options.url).scheme not in ("http", "https"):
        parser.error("--url must be http or https")
    if shutil.which(options.command[0]) is None:
        parser.error(f"there is no command {options.command[0]}")
    if not options.key_file and not given("MOMENTRY_KEY"):
        parser.error("give the key in MOMENTRY_KEY, or in a file named by MOMENTRY_KEY_FILE")
    return options


def main() -> NoReturn:
    worker = Worker(read_options(sys.argv[1:]))
    try:
        worker.work()
    except Refused as error:
        log(f"momentry refuses what this worker asks: {error}")
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
