"""What the tests of comparing share."""

from io import StringIO

from django.core.management import call_command

from accounts.models import User


def run(*options: str) -> str:
    out = StringIO()
    call_command("reconcile", "--wordpress", *options, stdout=out, stderr=out)
    return out.getvalue()


def state() -> dict[int | None, tuple[str, str, str]]:
    rows = User.objects.exclude(site=None)
    return {row.wordpress_id: (row.username, row.email, row.status) for row in rows}
