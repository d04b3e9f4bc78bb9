"""Where requests go: upstreams, their targets, and the gateway process."""

from django.apps import AppConfig


class ProxyConfig(AppConfig):
    name = "proxy"
    verbose_name = "Upstreams"

    def ready(self) -> None:
        from apikeys.services import gate  # noqa: PLC0415  models load after the app registry
        from proxy.services.upstreams import is_metered  # noqa: PLC0415  as above

        gate.tell_metered(is_metered)
