"""How people arrive and leave: the use cases of a member, across every system."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"
    verbose_name = "Provisioning"

    def ready(self) -> None:
        from events import mail  # noqa: PLC0415  models load after the app registry
        from provisioning.letters import render_welcome  # noqa: PLC0415  models load after the app registry

        mail.register("welcome", render_welcome)
