"""`ledger_verify`: compares counters with the leases on them; exit code 1 if books are wrong."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from apikeys.ledger import sql


class Command(BaseCommand):
    help = "Compare every counter with the leases on it, at one moment, and name what is wrong."
    requires_system_checks: list[str] = []  # it needs the database, no pages

    def handle(self, *_args: Any, **_options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.VERIFY)
            wrong = cursor.fetchall()
            cursor.execute("SELECT count(*), coalesce(sum(leased), 0) FROM apikeys_counter")
            counters, leased = cursor.fetchone() or (0, 0)
        for pk, subject, metric, period, start, used, on_lease, held, beyond in wrong:
            self.stdout.write(
                f"counter {pk}, {subject} {metric}/{period} from {start.isoformat()}: used {used},"
                f" leased {on_lease}, leases hold {held}"
                f"{', one has spent more than it holds' if beyond else ''}"
            )
        if wrong:
            raise CommandError(f"The books of {len(wrong)} of {counters} counters are wrong.")
        self.stdout.write(f"The books of all {counters} counters are right; {leased} on lease.")
