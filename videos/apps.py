"""What members own: videos and the jobs that process them."""

from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"
    verbose_name = "Videos"

    def ready(self) -> None:
        from accounts.services import allowance  # noqa: PLC0415  models load after the app registry
        from videos import letters  # noqa: PLC0415  as above
        from videos.services import daily  # noqa: PLC0415  as above

        allowance.day.register(daily.registered_today)
        letters.register()
