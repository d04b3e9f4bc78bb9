"""How people arrive and leave: the use cases of a member, across every system."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"
    verbose_name = "Provisioning"

    def ready(self) -> None:
        from provisioning import letters  # noqa: PLC0415  models load after the app registry
        from provisioning.services import (  # noqa: PLC0415  as above
            homes,
            reconcile,
            sftpgo_drift,
            sftpgo_usage,
            wordpress_drift,
        )
        from videos import files  # noqa: PLC0415  as above
        from videos.services import importing, recount  # noqa: PLC0415  as above

        letters.register()
        reconcile.register(wordpress_drift.WORDPRESS)
        reconcile.register(sftpgo_drift.SFTPGO)
        files.homes.register(homes.home_dir_of)
        importing.keepers.register(homes.owners_of)
        recount.register("sftpgo", sftpgo_usage.compare)
