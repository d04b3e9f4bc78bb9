"""The kernel as an installed app: it has tables and management commands."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "momentry.common"
    label = "common"

    def ready(self) -> None:
        """Raises ConfigurationError when the key ring is missing or bad: nothing starts without."""
        from momentry.common import checks  # noqa: F401, PLC0415  once apps are ready
        from momentry.common.crypto.keyring import get_ring  # noqa: PLC0415  once apps are ready

        get_ring().load()
