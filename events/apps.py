"""What happened, and the mail and webhooks it causes."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    verbose_name = "Events"

    def ready(self) -> None:
        from events.webhooks import letters  # noqa: PLC0415  models load after the app registry

        letters.register()
