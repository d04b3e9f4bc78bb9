"""What members may do: keys, tiers, grants, the gate, the ledger, the request log."""

from django.apps import AppConfig

from apikeys.digest import read_peppers


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        """Raises ConfigurationError when the peppers are missing or bad: nothing starts without."""
        from apikeys import checks, letters  # noqa: F401, PLC0415  once apps are ready

        read_peppers()
        letters.register()
