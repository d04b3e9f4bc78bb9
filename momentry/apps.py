"""The whole: what no single app can say."""

from django.apps import AppConfig


class MomentryConfig(AppConfig):
    name = "momentry"
    verbose_name = "momentry"

    def ready(self) -> None:
        from momentry import alerts, digest  # noqa: PLC0415  models load after the app registry

        alerts.register()
        digest.register()
