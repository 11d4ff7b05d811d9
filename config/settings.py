"""Every setting of Optline, in one file.

Read from the environment or a ``.env`` file; ``.env.example`` lists each name with its default. With nothing set the
embedded default runs: SQLite, a worker inside the serving process and the simulator in Twilio's place. With
DATABASE_URL and REDIS_URL the same code runs on PostgreSQL and Redis.
"""

import os
import socket
from pathlib import Path

import environ
from django.templatetags.static import static
from kombu import Exchange, Queue

from config import navigation
from config.secret_files import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

# ---- where things are -----------------------------------------------------------------------------------------------

DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "var")
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
# Off behind a pooler that hands out connections transaction by transaction and does not know prepared statements.
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)
PUBLIC_URL = (env.str("PUBLIC_URL", default="") or "http://127.0.0.1:8000").rstrip("/")

# Without a broker of its own the worker lives inside the serving process.
EMBEDDED = not REDIS_URL

# ---- secrets --------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# On a database server several hosts share the data, so a key kept in a file beside it would differ between them: there
# the keys must be given. The checks consent.E001 and E002 say so.
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(DATA_DIR, "secret_key", make=not DATABASE_URL)
SUPPRESSION_KEY = env.str("SUPPRESSION_KEY", default="") or kept_secret(
    DATA_DIR, "suppression_key", make=not DATABASE_URL
)

# ---- Twilio, or the simulator in its place --------------------------------------------------------------------------

TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
# The first sends; each of them verifies, so that a token can be rotated without losing a webhook.
TWILIO_AUTH_TOKENS = [token.strip() for token in env.list("TWILIO_AUTH_TOKEN", default=[]) if token.strip()]
TWILIO_BASE_URL = env.str("TWILIO_BASE_URL", default="").rstrip("/")
HAS_TWILIO = bool(TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKENS)
SIMULATOR = env.bool("SIMULATOR", default=not (HAS_TWILIO or TWILIO_BASE_URL or DATABASE_URL or REDIS_URL))
if SIMULATOR and not HAS_TWILIO:  # with real credentials messaging.E001 refuses to start
    TWILIO_ACCOUNT_SID = "AC" + "0" * 32
    TWILIO_AUTH_TOKENS = ["simulator-" + SECRET_KEY[:16]]
    TWILIO_BASE_URL = PUBLIC_URL + "/simulator/twilio"

# Seconds. A claim is given back when its call has not begun within CLAIM_SECONDS; a text that is still "sending" after
# LOST_SECONDS has an unknown fate. READ + CONNECT must stay below LOST.
PROVIDER_CONNECT_SECONDS = env.float("PROVIDER_CONNECT_SECONDS", default=3.0)
PROVIDER_READ_SECONDS = env.float("PROVIDER_READ_SECONDS", default=10.0)
CLAIM_SECONDS = 2.0
LOST_SECONDS = env.float("LOST_SECONDS", default=30.0)
SENDER_THREADS = env.int("SENDER_THREADS", default=4 if EMBEDDED else 64)
# SQLite lets one write at a time.
SETTLE_THREADS = env.int("SETTLE_THREADS", default=4 if DATABASE_URL.startswith("postgres") else 1)
# Tries before a receipt that can't be settled goes to a person.
RECEIPT_TRIES = env.int("RECEIPT_TRIES", default=5)
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=2.0 if EMBEDDED else 5.0)
# An export of more rows is made in the background; one that is streamed may take so long. Seconds.
EXPORT_BACKGROUND_ROWS = env.int("EXPORT_BACKGROUND_ROWS", default=50_000)
EXPORT_SECONDS = env.float("EXPORT_SECONDS", default=600.0)
# So many files a web process hands over at a time: fewer than it has threads, for webhooks come first.
EXPORT_STREAMS = env.int("EXPORT_STREAMS", default=4)
# The largest file of consents that can be imported, in bytes.
IMPORT_BYTES = env.int("IMPORT_BYTES", default=200_000_000)
# TrueType files that evidence packs are drawn with before those that the machine has.
EVIDENCE_FONTS = env.list("EVIDENCE_FONTS", default=[])
# How often the texts that came in are compared with the provider's list.
# How often a worker looks for lists of deactivated numbers that are not here yet. There is one a day.
DEACTIVATED_SECONDS = env.float("DEACTIVATED_SECONDS", default=3600.0)
RECONCILE_SECONDS = env.float("RECONCILE_SECONDS", default=60.0 if EMBEDDED else 300.0)
SEAL_SECONDS = 300.0  # how often it is looked whether the day has its seal
COUNT_SECONDS = 10.0 if EMBEDDED else 60.0  # how often the dashboard's figures are brought up to date

# ---- the public web form ---------------------------------------------------------------------------------------------

# How many proxies of ours stand before a web process: so many entries at the end of X-Forwarded-For are true. Behind
# https one ends TLS (as SECURE_PROXY_SSL_HEADER below takes it).
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=1 if PUBLIC_URL.startswith("https://") else 0)
# Sign-ups from one address in an hour, and of one number in a day.
WEB_FORM_PER_ADDRESS = env.int("WEB_FORM_PER_ADDRESS", default=20)
WEB_FORM_PER_NUMBER = env.int("WEB_FORM_PER_NUMBER", default=3)
# ---- mail: for the daily seals alone --------------------------------------------------------------------------------

SEAL_MAIL_TO = env.str("SEAL_MAIL_TO", default="")
# consolemail:// writes mails into the log. Also smtp://, smtp+tls://user:password@host:587, smtp+ssl://
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="optline@localhost")
EMAIL_TIMEOUT = 20

# ---- Django ---------------------------------------------------------------------------------------------------------

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "consent",
    "messaging",
    "reporting",
]
MIDDLEWARE = [
    "messaging.metrics.time_webhooks",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
            ],
        },
    },
]
AUTH_USER_MODEL = "consent.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SQLITE_FILE = DATA_DIR / "optline.sqlite3"
if DATABASE_URL:
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": SQLITE_FILE}}
# Each contact row is the lock of everything about that contact; whoever waits for it must re-read afterwards.
DATABASES["default"]["ATOMIC_REQUESTS"] = False
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # recursive_triggers: without it INSERT OR REPLACE deletes ledger entries past the delete trigger.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;",
    }
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Or each connection that a restart of the server broke would turn one webhook into a 500.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = 5 if PREPARED_STATEMENTS else None
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": 40,
        "timeout": 10,
    }

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns at every start about a folder that is not there
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SECURE_CONTENT_TYPE_NOSNIFF = True
if PUBLIC_URL.startswith("https://"):  # then a proxy ends TLS before us
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# ---- watching it: log and metrics -----------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# The processes of one host add up their measurements in files. Each host has a folder of its own, or hosts that share
# DATA_DIR would write into each other's. prometheus-client reads the variable when it is first imported.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = env.str("PROMETHEUS_MULTIPROC_DIR", default="") or str(
    DATA_DIR / "metrics" / socket.gethostname()
)
LOG_FORMAT = env.str("LOG_FORMAT", default="plain")
LOGGING_CONFIG = "config.logging.configure"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    # Both leave out what contacts said and all but the last four digits of their numbers.
    "formatters": {"plain": {"()": "config.logging.Plain"}, "json": {"()": "config.logging.Json"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Django's own handlers write as they like; these go to the one above.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "propagate": True},
        # At INFO the SDK logs each request with its full numbers and words.
        "twilio.http_client": {"level": "WARNING"},
        # One line per sweep every few seconds says nothing.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},  # warns that memory:// names no host
    },
}

# ---- Celery ---------------------------------------------------------------------------------------------------------

QUEUE_PREFIX = env.str("QUEUE_PREFIX", default="optline")
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"global_keyprefix": f"{QUEUE_PREFIX}:", "socket_connect_timeout": 5, "socket_timeout": 30}
    if REDIS_URL
    else {"polling_interval": 0.05}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
# What contacts sent and the sweeps; texts that people and programs wait for; texts to many; files. A worker that is
# told nothing else takes from all of them.
SETTLE_QUEUE, SEND_QUEUE, BULK_QUEUE, REPORTS_QUEUE = QUEUES = [
    f"{QUEUE_PREFIX}.{name}" for name in ("settle", "send", "bulk", "reports")
]
CELERY_TASK_DEFAULT_QUEUE = SETTLE_QUEUE
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
CELERY_TASK_ROUTES = {
    "messaging.tasks.send_due": {"queue": SEND_QUEUE},
    "messaging.tasks.send_bulk": {"queue": BULK_QUEUE},
    "messaging.tasks.import_waiting": {"queue": BULK_QUEUE},
    "reporting.tasks.seal": {"queue": REPORTS_QUEUE},
    "reporting.tasks.make_reports": {"queue": REPORTS_QUEUE},
}
# Threads, because the work is waiting: for the database and, a hundred times longer, for the provider.
CELERY_WORKER_POOL = "threads"
# One for each task, none of which runs twice at once in a process: so whatever takes long (a provider that hangs, a
# backlog, a large import, an export), a STOP is settled meanwhile.
CELERY_WORKER_CONCURRENCY = 14
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# What waited longer is worthless: the next one finds the same work. Long enough for hosts whose clocks differ, since
# the worker's clock is compared with beat's; short enough that few pile up while there is no worker.
_expires = {"expires": 600}
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "messaging.tasks.sweep", "schedule": SWEEP_SECONDS, "options": _expires},
    "reconcile": {"task": "messaging.tasks.reconcile_inbound", "schedule": RECONCILE_SECONDS, "options": _expires},
    "deactivated": {
        "task": "messaging.tasks.import_deactivated",
        "schedule": DEACTIVATED_SECONDS,
        "options": {"expires": DEACTIVATED_SECONDS},
    },
    "reports": {"task": "reporting.tasks.make_reports", "schedule": COUNT_SECONDS, "options": _expires},
    # Once a day; asked for oftener, so that a day on which nothing ran in the morning has its seal all the same.
    "seal": {"task": "reporting.tasks.seal", "schedule": SEAL_SECONDS, "options": {"expires": SEAL_SECONDS}},
    "count": {"task": "reporting.tasks.count", "schedule": COUNT_SECONDS, "options": _expires},
}
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"  # in memory: the schedule above is all there is

# ---- REST -----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "consent.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}

# ---- admin ----------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Optline",
    "SITE_HEADER": "Optline",
    "SITE_SYMBOL": "fact_check",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("optline/icon.svg")}],
    "COLORS": {
        "primary": {
            "50": "#effaf7",
            "100": "#d2ebe5",
            "200": "#a9d8cd",
            "300": "#79bfb1",
            "400": "#64b8a9",
            "500": "#45a594",
            "600": "#1f6f63",
            "700": "#1b5950",
            "800": "#194841",
            "900": "#173c37",
            "950": "#082320",
        }
    },
    "DASHBOARD_CALLBACK": "reporting.dashboard.show",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": navigation.SIDEBAR},
}
