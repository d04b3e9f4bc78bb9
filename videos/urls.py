"""Routes under /api/v1/ of videos, uploads, jobs and SFTPGo's hooks."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from videos.api.jobs import JobViewSet
from videos.api.register import Register
from videos.api.sftpgo import SftpgoHook
from videos.api.videos import VideoViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("videos", VideoViewSet, basename="video")
router.register("jobs", JobViewSet, basename="job")

urlpatterns: list[URLPattern | URLResolver] = [
    path("register", Register.as_view(), name="register"),
    path("hooks/sftpgo", SftpgoHook.as_view(), name="hook-sftpgo"),
    path("", include(router.urls)),
]
