"""ClientAddressMiddleware: REMOTE_ADDR becomes the client's, by the rule the gateway follows too.

Behind the gateway that changes nothing: it sends one X-Forwarded-For, with what it found itself.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apikeys.gate.forwarded import TrustedNetworks, client_address
from momentry.common.env import fail


class ClientAddressMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        try:
            self.trusted = TrustedNetworks(settings.TRUSTED_PROXIES)
        except ValueError:
            fail("TRUSTED_PROXIES", "must be a comma-separated list of addresses or networks.")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        told = request.META.get("HTTP_X_FORWARDED_FOR", "")
        peer = request.META.get("REMOTE_ADDR", "")
        request.META["REMOTE_ADDR"] = client_address(peer, told, self.trusted)
        return self.get_response(request)
