"""manage.py serve: Django under uvicorn on DJANGO_SOCKET, behind the gateway."""

import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from momentry import serving
from momentry.common.env import Environment, fail

KEEP_ALIVE_SECONDS = 75  # longer than the gateway keeps an idle connection


class Command(BaseCommand):
    help = "Serve Django for the gateway on DJANGO_SOCKET (a path or host:port)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--socket", default=None, help="Overrides DJANGO_SOCKET.")

    def handle(self, *_: Any, **options: Any) -> None:
        where = options["socket"] or Environment().text("DJANGO_SOCKET")
        # uvicorn raises the signal again after its shutdown; a clean stop must exit 0.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serving.run(
            app="momentry.asgi:application",
            **place(where),
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=True,
            forwarded_allow_ips="*",  # only the gateway reaches this socket
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=25,
            log_config=None,
        )


def place(where: str) -> dict[str, Any]:
    if where.startswith("/"):
        return {"path": where}
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit():
        fail("DJANGO_SOCKET", "must be an absolute path or host:port.")
    return {"path": "", "host": host, "port": int(port)}
