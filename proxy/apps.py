"""Where requests go: upstreams, their targets, and the gateway process."""

from django.apps import AppConfig


class ProxyConfig(AppConfig):
    name = "proxy"
    verbose_name = "Upstreams"
