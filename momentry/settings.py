"""Django's settings, all from the environment; docs/configuration.md has one row for each name."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from events.webhooks.config import read_webhook
from momentry.common.egress.allowed import read_allowed, service_url
from momentry.common.env import Environment, fail
from momentry.database import database
from momentry.purges import read_purges
from momentry.schedule import BEAT as CELERY_BEAT_SCHEDULE  # noqa: F401  Celery reads it
from momentry.smtp import mail_settings, staff_addresses
from momentry.theme import UNFOLD  # noqa: F401  the web admin's theme reads it
from momentry.watching import read_watching
from provisioning.sftpgo.config import read_sftpgo

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

MOMENTRY_ENV = env.choice("MOMENTRY_ENV", "production", ("production", "development"))
PRODUCTION = MOMENTRY_ENV == "production"
DEBUG = False

SECRET_KEY = env.text("SECRET_KEY")
if len(SECRET_KEY) < 32:
    fail("SECRET_KEY", "must have at least 32 characters.")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "*") or fail(
    "ALLOWED_HOSTS", "is missing: name the hosts this service is reached by."
)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
PUBLIC_URL = env.url("PUBLIC_URL", "http://127.0.0.1:3002", ("http", "https")).rstrip("/")
HTTPS = PUBLIC_URL.startswith("https://")

# Secrets are read where they are used (momentry.common.crypto, apikeys.digest); here they are
# only demanded, so that a process without them does not start.
ADMIN_TOKEN = env.text("ADMIN_TOKEN", None if PRODUCTION else "")
if ADMIN_TOKEN and len(ADMIN_TOKEN) < 32:
    fail("ADMIN_TOKEN", "must have at least 32 characters.")

API_KEY_HASHER = env.choice("API_KEY_HASHER", "hmac-sha256", ("hmac-sha256", "argon2id"))

DEFAULT_TIER = env.text("DEFAULT_TIER", "starter")
QUOTA_TIMEZONE = env.text("QUOTA_TIMEZONE", "UTC")
CLAIM_LINK_TTL = env.seconds("CLAIM_LINK_TTL_SECONDS", 604_800, low=60, high=31_536_000)
KEY_ROTATION_GRACE = env.seconds("KEY_ROTATION_GRACE_SECONDS", 86_400, low=0, high=2_592_000)
LINK_BY_EMAIL = env.boolean("LINK_BY_EMAIL", False)
MEMBER_PURGE_AFTER, KEY_PURGE_AFTER, VIDEO_PURGE_AFTER, MEMBER_PURGE_VIDEOS = read_purges(env)
RATE_LIMIT_MAX_ATTEMPTS = env.integer("RATE_LIMIT_MAX_ATTEMPTS", 5, low=1, high=100_000)
RATE_LIMIT_WINDOW_SECONDS = env.integer("RATE_LIMIT_WINDOW_SECONDS", 900, low=1, high=86_400)
UPLOAD_TTL = env.seconds("UPLOAD_TTL_SECONDS", 86_400, low=60, high=2_592_000)
LOG_RETENTION_DAYS = env.integer("LOG_RETENTION_DAYS", 90, low=1, high=3650)
EVENT_RETENTION_DAYS = env.integer("EVENT_RETENTION_DAYS", 400, low=1, high=3650)
DELIVERY_RETENTION = timedelta(days=env.integer("DELIVERY_RETENTION_DAYS", 30, low=7, high=3650))
MAIL_RETENTION = timedelta(days=env.integer("MAIL_RETENTION_DAYS", 90, low=1, high=3650))
WORDPRESS_EXCLUDED_ROLES = frozenset(env.words("WORDPRESS_EXCLUDED_ROLES"))
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES")
EGRESS_ALLOW = read_allowed(env)
WEBHOOK = read_webhook(env, EGRESS_ALLOW)
SFTPGO = read_sftpgo(env, public_url=PUBLIC_URL, allowed=EGRESS_ALLOW)
SFTPGO_URL = SFTPGO.url if SFTPGO else ""
GITEA_URL = service_url("GITEA_URL", env.text("GITEA_URL", ""), EGRESS_ALLOW)
N8N_URL = service_url("N8N_URL", env.text("N8N_URL", ""), EGRESS_ALLOW)
LEAKS, ANOMALIES = read_watching(env, EGRESS_ALLOW)

INSTALLED_APPS = [
    "unfold",
    "accounts",  # before auth: its createsuperuser and changepassword are recorded
    # Without autodiscovery: urls.py asks for it, so the relay and the worker load no admin.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_ratelimit",  # for its check that the cache is one that counts
    "momentry",
    "momentry.common",
    "events",
    "apikeys",
    "videos",
    "proxy",
    "provisioning",
]

MIDDLEWARE = [
    "momentry.common.request_id.RequestIdMiddleware",
    "apikeys.client_address.ClientAddressMiddleware",
    "momentry.common.fence.middleware.FenceMiddleware",
    "momentry.common.nul.RefuseNulMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apikeys.middleware.ApiKeyMiddleware",
]

# Bodies larger than the gateway lets through (proxy.gateway.admission) are refused here too.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024**2

ROOT_URLCONF = "momentry.urls"
ASGI_APPLICATION = "momentry.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_URL = env.url("DATABASE_URL", None, ("postgres", "postgresql"))
DATABASES = {"default": database(DATABASE_URL, env)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.url("REDIS_URL", None, ("redis", "rediss", "unix"))
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "momentry",
        "OPTIONS": {
            "socket_connect_timeout": 0.1,  # counts may be lost; nobody waits for a hung server
            "socket_timeout": 0.15,
            "protocol": 2,  # all that its reader knows
            "parser_class": "apikeys.services.reader.Reader",
        },
    }
}
RATELIMIT_FAIL_OPEN = True  # a counter that was evicted between two commands refuses nobody

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.StaffBackend"]
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # usernames are unique among live rows, and StaffBackend asks only for those
    "django_ratelimit.W001",  # it knows django-redis only; Django's own add and incr are exact too
    "security.W008",  # TLS and its redirect belong to the front; a hook over http must not loop
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Without collectstatic (development, tests) WhiteNoise serves what the apps bring.
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# The gateway keeps cookies of this prefix from upstreams (proxy/gateway/hygiene.py).
SESSION_ENGINE = "momentry.common.sessions"
SESSION_COOKIE_NAME = "momentry_session"
CSRF_COOKIE_NAME = "momentry_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "momentry.common.handlers.csrf_failure"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["momentry.common.access.GateAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["momentry.common.access.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["momentry.common.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "momentry.common.pagination.PageNumber",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "momentry.common.handlers.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "momentry", "VERSION": "1",
    "DESCRIPTION": "Members, API keys and a gateway for a video platform's services.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "proxy.api.forward_auth.add_forward_auth",
        "momentry.common.openapi.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "MemberStatus": "accounts.models.Status",
        "JobStates": "videos.models.JobState", "StepStates": "videos.models.StepState",
        "Processor": "videos.models.Processor",
        "TokenState": "provisioning.tokens.models.State",
        "TokenProvider": "provisioning.tokens.models.Provider",
        "WebhookOutcome": "provisioning.api.webhooks.OUTCOMES",
        "DeliveryState": "events.hookmodels.DeliveryState",
        "EndpointDisabledFor": "events.hookmodels.DisabledFor",
    },
}  # fmt: skip

DEFAULT_FROM_EMAIL = f"momentry@{urlsplit(PUBLIC_URL).hostname}"
globals().update(mail_settings(env))  # EMAIL_*
STAFF_EMAIL = staff_addresses(env)

CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "momentry.beat:Scheduler"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# One JSON object per line, scrubbed of secrets, the same in every process.
LOGGING_CONFIG = "momentry.common.logs.configure_django"
LOGGING = {"service": "django"}
