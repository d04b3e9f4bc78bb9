"""Django's way to burst windows and slots, for requests that no gateway has judged."""

import functools
import threading
import time
from typing import Final

from apikeys.gate import shapes, windows
from apikeys.gate.effects import Enter, Entered
from apikeys.gate.local import Local
from apikeys.gate.verdict import Entry
from apikeys.gate.windows import Slot
from apikeys.services.valkey import Valkey, get_valkey

PROCESSES: Final = 1  # without a gateway nobody knows of others


class Entrance:
    """Counts in Valkey; in this process alone while Valkey does not answer. Never raises."""

    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self.local = Local(PROCESSES)
        self.lock = threading.Lock()
        self.renewing = False

    def enter(self, effect: Enter) -> Entered:
        places = windows.places_of(effect)
        with self.lock:
            token = self.local.token(effect, places)
        if token:
            self.keep_renewing()
        arguments = windows.enter_arguments(effect, places, token)
        keys = windows.enter_keys(places)
        fits = shapes.numbers(1 + 2 * len(keys))
        reply = self.valkey.ask(windows.ENTER_SCRIPT, keys, arguments, fits)
        with self.lock:
            if reply is None:
                return self.local.enter(effect, places, token, time.monotonic())
            entered = windows.entered(effect, places, token, reply)
            if entered.entry is not None:
                self.local.admitted(entered.entry, time.monotonic())
        return entered

    def leave(self, entry: Entry, *, back: bool) -> None:
        """``back``: it came to nothing, so its units go back too."""
        with self.lock:
            self.local.leave(entry, back=back)
        if keys := windows.leave_keys(entry, back=back):
            arguments = windows.leave_arguments(entry, keys)
            self.valkey.ask(windows.LEAVE_SCRIPT, keys, arguments)

    def keep_renewing(self) -> None:
        """One thread for all; it sleeps while no request runs long."""
        with self.lock:
            started, self.renewing = self.renewing, True
        if not started:
            threading.Thread(target=self.renew_forever, name="slots", daemon=True).start()

    def renew_forever(self) -> None:
        while True:
            time.sleep(windows.RENEW_SECONDS)
            self.renew()

    def renew(self) -> None:
        """Keep the slots that are held, and put back those that Valkey lost."""
        with self.lock:
            slots = tuple(self.local.held_since(time.monotonic() - windows.RENEW_SECONDS))
        lost = self.ask_about(slots, "renew") if slots else []
        with self.lock:
            still = tuple(slots[n - 1] for n in lost if self.local.holds(slots[n - 1]))
        if not still:
            return
        self.ask_about(still, "announce")
        for key, token in still:
            with self.lock:
                is_held = self.local.holds((key, token))
            if not is_held:
                self.leave(Entry((), 0, (key,), token, shared=True), back=False)

    def ask_about(self, slots: tuple[Slot, ...], what: str) -> list[int]:
        keys = tuple(key for key, _ in slots)
        arguments = windows.renew_arguments(slots, what)
        reply: list[int] | None = self.valkey.ask(
            windows.RENEW_SCRIPT, keys, arguments, shapes.places(len(keys))
        )
        return reply or []


@functools.cache
def get_entrance() -> Entrance:
    """One for all threads of this process."""
    return Entrance(get_valkey())
