"""All settings, from the environment. Every name is explained in docs/settings.md.

Order: who and where, apps, web, API, database, queue, people, language, files, mail, safety, logs.
"""

from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from posdoctor import env
from posdoctor.core import logs

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Who and where -------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
# A stack that answers on this machine's loopback only (`bin/up`): no HTTPS, no HSTS.
LOCAL = env.flag("POSDOCTOR_LOCAL", default=False)
SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if LOCAL else "")
# The address printed on stickers and in mails.
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000" if LOCAL else "").rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Apps ----------------------------------------------------------------------------
INSTALLED_APPS = [
    "posdoctor.core",
    "posdoctor.accounts",
    "posdoctor.notifications",
    "merchants",
    "terminals",
    "diagnostics",
    "tickets",
    "posdoctor.reports",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "lucide",
    "post_office",
    "rest_framework",
    "drf_spectacular",
]

# --- Web -----------------------------------------------------------------------------
ROOT_URLCONF = "posdoctor.urls"
WSGI_APPLICATION = "posdoctor.wsgi.application"
APPEND_SLASH = True
MIDDLEWARE = [
    "posdoctor.core.request_id.RequestIdMiddleware",  # first: its id is in every line below
    "posdoctor.core.metrics.MeasureMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "posdoctor.core.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "posdoctor.core.request_guard.RequestGuardMiddleware",  # the token check reads the form
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "posdoctor.accounts.middleware.SignInMiddleware",
    "posdoctor.accounts.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "posdoctor.core.error_pages.DomainErrorMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "posdoctor.accounts.context.shell",
                "posdoctor.notifications.context.bell",
                "tickets.context.nav",
            ],
        },
    }
]
FORM_RENDERER = "posdoctor.core.forms.Renderer"

# --- API -----------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "posdoctor.accounts.api.authentication.TokenAuthentication",
        "posdoctor.accounts.api.authentication.SessionAuthentication",
    ],
    # The base view names its own; this denies where somebody forgets it.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["posdoctor.core.api.parsers.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "posdoctor.core.api.schema.Schema",
    "EXCEPTION_HANDLER": "posdoctor.core.api.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "POSDoctor",
    "DESCRIPTION": "Merchants, terminals, diagnoses and tickets: see docs/howto/use-the-api.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_PATCH": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["posdoctor.core.api.schema.add_what_all_share"],
}

# --- Database ------------------------------------------------------------------------
# A page about a ticket joins eleven tables by their keys, in the order that the query names
# them. Weighing every other order costs many times what the query does; four at a time are
# enough to find the best way into a list. Measured in docs/performance.md.
_PLANNER = {"options": "-c join_collapse_limit=4"}
DATABASES = {
    "default": {
        **env.database("DATABASE_URL", "postgres://posdoctor@127.0.0.1:5433/posdoctor"),
        "CONN_HEALTH_CHECKS": True,
        # The pool serves the threads of a web process; it does not survive a worker's fork.
        "OPTIONS": {**_PLANNER, "pool": {"min_size": 2, "max_size": 12, "timeout": 10}}
        if env.flag("POSDOCTOR_DB_POOL", default=False)
        else _PLANNER,
    }
}
# Rate limits that guard doors must outlive Redis: the cache that allauth counts in is a table.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "core_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
    # Of one web process: for what may be a minute old and is asked for on every page.
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "TIMEOUT": 60},
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- Queue ---------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6380/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than the longest task, or it runs twice; the two others bring a killed
    # worker's tasks back within half a minute.
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    # A wake-up that cannot be sent is dropped at once; the default tries for six seconds, in the
    # middle of a request or of a tick. Workers and beat reconnect by rules of their own.
    "max_retries": 0,
}
# `clocks` is its own queue: a long round of mails must not keep the tick waiting. So is
# `notifications`: nothing slow stands before an alert. A worker without -Q takes from all.
CELERY_TASK_QUEUES = [Queue("celery"), Queue("clocks"), Queue("notifications")]
CELERY_TASK_ROUTES = {"notifications.*": {"queue": "notifications"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 120
# What the ticker process runs every five seconds, each called with `now`.
TICKER_SWEEPS = [
    "tickets.sla.actions.replan_stale",
    "tickets.sla.tick.tick",
    "tickets.subscribers.expand_alerts",
    "tickets.actions.sweep",
    "tickets.subscribers.dispatch_events",
]
# The same beside the ticks, each in a thread of its own: a slow mail server delays no clock.
TICKER_THREADS = ["posdoctor.notifications.actions.drain_overdue"]

# --- Diagnosis -----------------------------------------------------------------------
# What other apps know of a terminal when a run begins, called with the terminal and `now`.
DIAGNOSIS_FACTS = ["tickets.facts.facts_of"]
# Share of the runs that keep the authored order, to measure the choice against.
DIAGNOSIS_HELD_BACK = 0.1

# --- People --------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["posdoctor.accounts.adapter.SignedInBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "accounts:home"
ACCOUNT_ADAPTER = "posdoctor.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # addresses are entered by an administrator
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = {
    # Lock-out: five wrong passwords for one address in ten minutes, thirty from one machine.
    "login_failed": "30/10m/ip,5/10m/key",
    "login": "60/m/ip",
    "reset_password": "20/m/ip,5/10m/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
SESSION_COOKIE_AGE = 14 * 24 * 3600

# --- Language ------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True

# --- Files ---------------------------------------------------------------------------
STATIC_URL = "/static/"
# A local stack serves static files where they lie; nothing is collected.
STATIC_ROOT = None if LOCAL else Path(env.text("STATIC_ROOT", str(BASE_DIR / ".static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
# SECURITY: outside the web root; only tickets.views.attachment serves from here.
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(BASE_DIR / ".media")))
WHITENOISE_USE_FINDERS = LOCAL
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o640
DATA_UPLOAD_MAX_NUMBER_FILES = 8

# --- Mail ----------------------------------------------------------------------------
# Mails are queued in PostgreSQL with the change that caused them and sent by a worker.
_MAIL = env.mail("EMAIL_URL", "console://")
EMAIL_BACKEND = "post_office.EmailBackend"
# What reaches the mail server itself: deliveries have a queue of their own.
DIRECT_EMAIL_BACKEND = str(_MAIL["backend"])
EMAIL_HOST = str(_MAIL.get("host", ""))
EMAIL_PORT = int(str(_MAIL.get("port", 25)))
EMAIL_HOST_USER = str(_MAIL.get("user", ""))
EMAIL_HOST_PASSWORD = str(_MAIL.get("password", ""))
EMAIL_USE_TLS = bool(_MAIL.get("starttls"))
EMAIL_USE_SSL = bool(_MAIL.get("tls"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "POSDoctor <no-reply@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
POST_OFFICE = {
    "BACKENDS": {"default": DIRECT_EMAIL_BACKEND},
    # A wake-up that needs Redis must not fail the request: beat sends the queue.
    "CELERY_ENABLED": False,
    "DEFAULT_PRIORITY": "medium",  # medium = queued; never sent inside a request
    "MAX_RETRIES": 6,
    "BATCH_SIZE": 50,
    "LOG_LEVEL": 1,  # keep failures only
}

# --- Safety --------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = not LOCAL
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from inside
SECURE_HSTS_SECONDS = 0 if LOCAL else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = not LOCAL
SECURE_HSTS_PRELOAD = not LOCAL
# How many proxies stand in front and append to X-Forwarded-For: 0 = none, trust no header.
TRUSTED_PROXIES = int(env.text("TRUSTED_PROXIES", "0"))
# SECURITY: only behind a proxy that ends TLS and overwrites this header; else anyone sets it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not LOCAL
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "posdoctor.core.error_pages.csrf_failure"
SILENCED_SYSTEM_CHECKS: list[str] = []

# --- Signs of life ------------------------------------------------------------------
# A file of its own for each beat and ticker; /readyz tells only that some ticker ticks.
ALIVE_FILE = env.text("ALIVE_FILE", "")
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
# What /metrics reads from PostgreSQL while Prometheus asks, each called with `now`.
METRICS_SOURCES = [
    "posdoctor.core.metrics.heartbeats",
    "posdoctor.core.metrics.ticker",
    "posdoctor.core.metrics.mails",
    "posdoctor.core.metrics.database",
    "posdoctor.reports.metrics.clocks",
    "posdoctor.reports.metrics.deliveries",
]

# --- Logs ----------------------------------------------------------------------------
LOGGING = logs.configuration(
    form=env.text("LOG_FORMAT", "line" if LOCAL else "json"), level=env.text("LOG_LEVEL", "INFO")
)
