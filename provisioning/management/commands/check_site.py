"""manage.py check_site: can the users of a WordPress site be read?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from provisioning.services.wordpress_drift import rows_of
from provisioning.wordpressrest import check


class Command(BaseCommand):
    help = "Ask each site's REST API for its users, and say what is wrong if that fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", nargs="?", help="Only the site with this URL.")

    def handle(self, *_: Any, **options: Any) -> None:
        if not (sites := rows_of(options["url"] or "")):
            raise CommandError("There is no such site with a username and an Application Password.")
        bad = 0
        for site in sites:
            found = check(site)
            bad += not found.is_good
            for line in found.lines:
                self.stdout.write(f"{site.url}: {line}")
        if bad:
            raise CommandError("The users cannot be read.")
