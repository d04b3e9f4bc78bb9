"""Runs in a child before its program: dies with its parent, and is not root when told so.

Started by path, as ``python -I -S launch.py PARENT DEATH NICE ACCOUNT PROGRAM ...``, so it
imports nothing of ours. A program of its own because ``preexec_fn`` is unsafe beside threads.
ACCOUNT is "-" (as we are), "namespace:UID" (the same user under another number, for PostgreSQL,
which refuses root) or "user:UID:GID".
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
CANNOT_LAUNCH = 126
SESSION_NICE = Path("/proc/self/autogroup")
SESSION_TRIES = 8  # Linux takes such a wish of users from one process in a tenth of a second


def main(argv: list[str]) -> int:
    parent, death, nice, account, *command = argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # a shell's `&` would leave SIGINT ignored
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        step_back(int(nice))
        take_account(account)
        die_with_parent(int(parent), int(death))
        os.execv(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
    return CANNOT_LAUNCH


def step_back(nice: int) -> None:
    """As nice(1), whose word counts in its own session only where Linux shares the processors out
    by sessions first (sched(7), autogroup): there the session that this child leads steps back."""
    os.nice(nice)
    if nice and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # not there, or not ours: it is a wish
            tell_session(nice)


def tell_session(nice: int) -> None:
    for _ in range(SESSION_TRIES):
        try:
            SESSION_NICE.write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            time.sleep(0.07)
        else:
            return


def take_account(account: str) -> None:
    kind, _, rest = account.partition(":")
    if kind == "namespace":
        enter_namespace(int(rest))
    elif kind == "user":
        uid, gid = map(int, rest.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def enter_namespace(uid: int) -> None:
    """Become ``uid`` inside a new user namespace; outside, files stay ours."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    system_call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{uid} {outside_gid} 1", encoding="ascii")


def die_with_parent(parent: int, death: int) -> None:
    """Last of all: a change of user clears the setting. Linux only."""
    if sys.platform == "linux":
        system_call("prctl", PR_SET_PDEATHSIG, death)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def system_call(name: str, *arguments: int) -> None:
    try:
        import ctypes  # noqa: PLC0415  only in the interpreter that has it
    except ImportError as error:
        raise OSError(f"this Python has no ctypes for {name}") from error
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*(ctypes.c_ulong(value) for value in arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
