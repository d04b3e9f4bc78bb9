"""What members may do: keys, tiers, grants, the gate, the ledger, the request log."""

from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
