"""Who: members and staff, and the WordPress sites members come from."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts.services.readers import readers_with  # noqa: PLC0415  models load after it
        from events import audience  # noqa: PLC0415  as above

        audience.finders.append(readers_with)
