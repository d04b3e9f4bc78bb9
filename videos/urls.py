"""Routes under /api/v1/ of videos, uploads, jobs and SFTPGo's hooks."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from videos.api import jobverbs, work
from videos.api.adminlists import AdminJobViewSet, AdminVideoViewSet
from videos.api.jobs import JobViewSet
from videos.api.register import Register
from videos.api.sftpgo import SftpgoHook
from videos.api.uploads import UploadViewSet
from videos.api.videos import VideoViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("videos", VideoViewSet, basename="video")
router.register("uploads", UploadViewSet, basename="upload")
router.register("jobs", JobViewSet, basename="job")
router.register("admin/videos", AdminVideoViewSet, basename="any-video")
router.register("admin/jobs", AdminJobViewSet, basename="any-job")

urlpatterns: list[URLPattern | URLResolver] = [
    path("register", Register.as_view(), name="register"),
    path("hooks/sftpgo", SftpgoHook.as_view(), name="hook-sftpgo"),
    path("jobs/claim", work.Claim.as_view(), name="jobs-claim"),
    path("jobs/<uuid:pk>/heartbeat", work.Heartbeat.as_view(), name="job-heartbeat"),
    path("jobs/<uuid:pk>/results", work.Results.as_view(), name="job-results"),
    path("jobs/<uuid:pk>/complete", work.Complete.as_view(), name="job-complete"),
    path("jobs/<uuid:pk>/fail", work.Fail.as_view(), name="job-fail"),
    path("jobs/<uuid:pk>/release", work.Release.as_view(), name="job-release"),
    path("jobs/<uuid:pk>/cancel", jobverbs.Cancel.as_view(), name="job-cancel"),
    path("jobs/<uuid:pk>/requeue", jobverbs.Requeue.as_view(), name="job-requeue"),
    path("admin/jobs/<uuid:pk>/cancel", jobverbs.AnyCancel.as_view(), name="any-job-cancel"),
    path("admin/jobs/<uuid:pk>/requeue", jobverbs.AnyRequeue.as_view(), name="any-job-requeue"),
    path("admin/jobs/<uuid:pk>/priority", jobverbs.AnyPriority.as_view(), name="any-job-priority"),
    path("", include(router.urls)),
]
