"""Leaks as staff see them: which key was found where, and what became of it."""

from typing import Final

from django.contrib import admin

from apikeys.admin.findings import FindingAdmin
from apikeys.models import Leak, LeakOutcome
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.staff import BLUE, ORANGE, RED, column

COLOURS: Final = {
    LeakOutcome.QUARANTINED: RED, LeakOutcome.REPORTED: ORANGE, LeakOutcome.ENDED: BLUE,
}  # fmt: skip
UNREADABLE: Final = "cannot be opened with the keys at hand"
SHOWN: Final = 80


@admin.register(Leak)
class LeakAdmin(FindingAdmin[Leak]):
    list_display = ["found_at", "of_key", "holder", "origin", "source", "place_found", "became"]
    list_filter = ["outcome", "origin", ("found_at", admin.DateFieldListFilter)]
    fields = [
        ("of_key", "holder"), ("origin", "source"), "whole_place",
        ("outcome", "found_at"), "told_at",
    ]  # fmt: skip

    @column("where")
    def place_found(self, obj: Leak) -> str:
        text = self.whole_place(obj)
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

    @column("where")
    def whole_place(self, obj: Leak) -> str:
        try:
            return obj.where or "-"
        except EnvelopeError:
            return UNREADABLE

    @column("became", badge=COLOURS)
    def became(self, obj: Leak) -> tuple[str, str]:
        return obj.outcome, obj.get_outcome_display()
