"""Django's ASGI application, with the gateway's decision verified as the head arrives.

Django reads the whole body before its middleware runs; a decision is valid for five seconds, and
an upload may take longer. So the check is made here and its result put into the scope. Workers
wait for jobs here too, without Django; only behind a gateway, which has judged and counted them.
"""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "momentry.settings")
django_application: Any = get_asgi_application()

from apikeys.gate.decision import HEADER, InvalidDecision  # noqa: E402  models load after django.setup()
from apikeys.middleware import SCOPE_KEY, verify  # noqa: E402  models load after django.setup()
from momentry.serving import endings  # noqa: E402  as above
from videos import waiting  # noqa: E402  as above
from videos.services import queue  # noqa: E402  as above

NAME = HEADER.lower().encode()
waiters = waiting.Waiters(queue.look)
endings.append(waiters.end)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        values = [value for name, value in scope["headers"] if name == NAME]
        if values:
            scope[SCOPE_KEY] = decide(scope, values)
            if scope["path"] == waiting.PATH and scope["method"] == "POST":
                await waiting.Request(django_application, scope, receive, send).serve(waiters)
                return
    await django_application(scope, receive, send)


def decide(scope: dict[str, Any], values: list[bytes]) -> object:
    """The Decision, or "" for an invalid one, which the middleware refuses."""
    target = scope["raw_path"].decode("ascii", "replace")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("ascii", "replace")
    if len(values) != 1:
        return ""
    try:
        return verify(values[0].decode("ascii", "replace"), scope["method"], target)
    except InvalidDecision:
        return ""
