"""An export as an answer that is written while it is read: its memory does not grow with it."""

import threading
from collections.abc import AsyncIterator
from typing import Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from apikeys.services.bulk.export import TYPES, Export, start_export
from apikeys.services.bulk.select import Conditions

TURN: Final = threading.Lock()


def export_response(
    request: HttpRequest, conditions: Conditions, form: str, *, actor: str
) -> StreamingHttpResponse:
    """Under ASGI by an asynchronous iterator: Django would collect a synchronous one first."""
    export = start_export(conditions, form, actor=actor)
    content = pages(export) if isinstance(request, ASGIRequest) else export.pages()
    name = f"momentry-keys-{timezone.now():%Y-%m-%d}.{form}"
    return StreamingHttpResponse(
        content,
        content_type=TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def pages(export: Export) -> AsyncIterator[bytes]:
    """Cancelled when the client leaves: the page that is being read is the last."""
    while page := await sync_to_async(next_page)(export):
        yield page


def next_page(export: Export) -> bytes:
    """The connection goes back to the pool: a slow reader holds none between two pages.

    However many exports there are, one page is made at a time: while Python works on one the
    database would work on another, and together they leave the gateway no processor of two."""
    with TURN:
        try:
            return export.next_page()
        finally:
            close_old_connections()
