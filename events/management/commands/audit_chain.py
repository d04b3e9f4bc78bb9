"""`audit_chain`: what only a person decides about the chain of events."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from events.chain.mending import accept_refused, change_key, restart
from events.chain.state import BrokenError, UnprovableError

ACTOR: Final = "command"


class Command(BaseCommand):
    help = "Change the audit key, seal events that prove nothing, or begin the chain anew."
    requires_system_checks: list[str] = []  # it needs the models and the key ring, no pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("new-key", help="Seal with a new audit key from now on.")
        accept = verbs.add_parser(
            "accept",
            help="Seal, as they stand, the events that audit_verify says cannot be proved. Look at"
            " them first: somebody else may have written them.",
        )
        accept.add_argument(
            "--with-lost-keys",
            action="store_true",
            help="Also those whose details are under a key that the ring lacks: they are erased.",
        )
        verbs.add_parser(
            "restart",
            help="Begin anew behind the last sealed row, where the chain's own row or its keys are"
            " lost. What is before can be proved no more: keep a dump of it.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            if options["verb"] == "accept":
                self.accept(options["with_lost_keys"])
            else:
                {"new-key": self.new_key, "restart": self.restart}[options["verb"]]()
        except (BrokenError, UnprovableError) as error:
            raise CommandError(str(error)) from None

    def new_key(self) -> None:
        self.stdout.write(f"A new audit key seals what follows {change_key(actor=ACTOR)}.")

    def accept(self, with_lost_keys: bool) -> None:
        found = accept_refused(actor=ACTOR, with_lost_keys=with_lost_keys)
        for event in found:
            self.stdout.write(str(event))
        self.stdout.write(f"Sealed {len(found)} events that proved nothing.")

    def restart(self) -> None:
        self.stdout.write(f"The chain begins anew behind {restart(actor=ACTOR)}.")
