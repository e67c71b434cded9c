"""Django settings of epicops, read from the environment; docs/configuration.md lists every variable.

Every secret may instead come from the file named by the variable with `_FILE` added. A missing or wrong
value stops the process with a message that names the variable and never its value.
"""

import logging
from datetime import timedelta
from pathlib import Path

import django_stubs_ext

from epicops import page_sources
from epicops.environment import (
    database,
    env,
    key_ring,
    networks,
    number,
    optional_secret,
    redis_url,
    secret,
    time_zone,
    times_of_day,
    web_address,
)
from epicops.logs import log_uncaught, logging_config
from epicops.mail import mail_settings

django_stubs_ext.monkeypatch()  # lets class bases name their model: ModelAdmin[Unit]

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = secret("SECRET_KEY")
DEBUG = env.bool("DEBUG", False)
EPICOPS_PLAIN_HTTP = env.bool("PLAIN_HTTP", DEBUG)  # for pages that do not leave this machine, as the demo's
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])

DATABASES = {"default": database("DATABASE_URL")}
# The session registry's own connection to the same database: its writes are not part of anybody's transaction.
DATABASES["sessions"] = {**DATABASES["default"], "TEST": {"MIRROR": "default"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EPICOPS_SEALING_KEYS = key_ring("SEALING_KEYS")
EPICOPS_ENCRYPTED_VOLUME = env.bool("ENCRYPTED_VOLUME", False)  # what is on the servers' disks is encrypted there

EPICOPS_REDIS_SESSIONS_URL = redis_url("REDIS_SESSIONS_URL")
EPICOPS_REDIS_QUEUE_URL = redis_url("REDIS_QUEUE_URL")
EPICOPS_REDIS_CACHE_URL = redis_url("REDIS_CACHE_URL")
EPICOPS_QUEUE_REPLICAS = number("QUEUE_REPLICAS", 0)  # that confirm a message before it is acknowledged

# Made once and kept: rows of the audit trail can only be verified with the key they were written with.
EPICOPS_AUDIT_KEY = optional_secret("AUDIT_KEY")
EPICOPS_METRICS_KEY = optional_secret("METRICS_KEY")  # without it there is no /metrics

# Where alerts go. Without an address there is no mail, without a URL no POST.
EPICOPS_ALERT_EMAILS: list[str] = env.list("ALERT_EMAILS", [])
EPICOPS_ALERT_WEBHOOK = web_address("ALERT_WEBHOOK")
DEFAULT_FROM_EMAIL = env.str("ALERT_FROM", "epicops@localhost")
EMAIL_TIMEOUT = 5  # seconds
if smtp_url := optional_secret("SMTP_URL"):
    vars().update(mail_settings(smtp_url))

EPICOPS_VIEW_REPEATED = number("VIEW_REPEATED", 3600)  # seconds until a view that goes on is recorded again
EPICOPS_BOARD_HELD = number("BOARD_HELD", 600)  # seconds that an old board is shown while PostgreSQL is away

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [EPICOPS_REDIS_CACHE_URL],  # a list: django-redis splits a string at the commas of Sentinel URLs
        "TIMEOUT": 60,
        "KEY_FUNCTION": "epicops.keys.raw_cache_key",
        "REVERSE_KEY_FUNCTION": "epicops.keys.raw_cache_key_reverse",
        "OPTIONS": {
            "CONNECTION_FACTORY": "epicops.redis_client.CacheConnectionFactory",
            "SERIALIZER": "vitals.serializer.CompactJSONSerializer",
        },
    },
}

INSTALLED_APPS = [
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "monitoring",
    "interconnect",
    "vitals",
    "sessions_app",
    "audit",
    "epicops.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "epicops.middleware.RequestIdMiddleware",
    "epicops.middleware.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "epicops.middleware.NoStoreMiddleware",
    "epicops.middleware.NulMiddleware",
    "sessions_app.middleware.ActivitySessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
EPICOPS_TRUSTED_PROXIES = networks("TRUSTED_PROXIES")  # networks; whoever has our Unix socket is one

ROOT_URLCONF = "epicops.urls"
WSGI_APPLICATION = "epicops.wsgi.application"
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
                "epicops.portal.context",
                "sessions_app.context.stores",
            ],
        },
    },
]

AUTH_USER_MODEL = "sessions_app.User"
LOGIN_URL = "sessions:login"
LOGIN_REDIRECT_URL = "hyperspace:units"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "django.contrib.auth.password_validation.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "sessions_app.passwords.EndSessions",
    )
]

# Five wrong passwords lock a name for whoever tried, not for its owner elsewhere; nginx slows down the rest.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "sessions_app.lockout.address"
AXES_USERNAME_CALLABLE = "sessions_app.lockout.subject"
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or an attacker could keep a ward's address locked
AXES_DISABLE_ACCESS_LOG = True  # the audit trail has it
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "otp_token"]
OTP_TOTP_ISSUER = "epicops"

SESSION_ENGINE = "sessions_app.backend"
SESSION_COOKIE_AGE = 1800  # seconds idle: HIPAA 45 CFR 164.312(a)(2)(iii), automatic logoff
SESSION_IDLE = {  # seconds; only ever shorter than SESSION_COOKIE_AGE
    "Hyperspace": number("SESSION_IDLE_HYPERSPACE", SESSION_COOKIE_AGE, least=1),
    "MyChart": number("SESSION_IDLE_MYCHART", SESSION_COOKIE_AGE, least=1),
}
SESSION_LOCK = number("SESSION_LOCK", 900)  # seconds until an unused workstation of Hyperspace locks; 0: never
SESSION_ABSOLUTE = number("SESSION_ABSOLUTE", 43_200, least=1)  # seconds: NIST SP 800-63B (rev. 3), 4.2.3
SESSION_LIMITS = {  # sessions of one person at once
    "Hyperspace": number("SESSION_LIMIT_HYPERSPACE", 3, least=1),
    "MyChart": number("SESSION_LIMIT_MYCHART", 10, least=1),
    "Operations": 10,
}
SESSION_BREAK_GLASS = number("SESSION_BREAK_GLASS", 1800, least=1)  # seconds that an emergency access stays open
SESSION_LIMIT_REFUSES = env.bool("SESSION_LIMIT_REFUSES", False)
SESSION_EXPIRE_AT_BROWSER_CLOSE = True  # one clock only, the server's
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EPICOPS_PLAIN_HTTP
SESSION_COOKIE_NAME = "sid" if EPICOPS_PLAIN_HTTP else "__Host-sid"
CSRF_COOKIE_NAME = "csrf" if EPICOPS_PLAIN_HTTP else "__Host-csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
# Messages ride in their own signed cookie, so that showing one does not rewrite the session.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

SECURE_SSL_REDIRECT = not EPICOPS_PLAIN_HTTP
SECURE_HSTS_SECONDS = 0 if EPICOPS_PLAIN_HTTP else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not EPICOPS_PLAIN_HTTP
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = page_sources.POLICY
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = EPICOPS_PLAIN_HTTP  # no collectstatic
if not EPICOPS_PLAIN_HTTP:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

LANGUAGE_CODE = "en"
TIME_ZONE = time_zone("TIME_ZONE", "UTC")  # the facility's: HL7 times without an offset are read in it
FORMAT_MODULE_PATH = "epicops.formats"  # for operators: they compare times with logs
USE_TZ = True
EPICOPS_SHIFTS = times_of_day("SHIFTS", ["07:00", "19:00"])  # when nurses' shifts begin
EPICOPS_FOUR_EYES = env.bool("FOUR_EYES", False)  # edits of who a patient is, and discards of many, wait for a second
EPICOPS_PROCESSING_IDS: list[str] = env.list("PROCESSING_IDS", ["P", ""])  # MSH-11; "" is a sender that leaves it out
EPICOPS_PATIENT_AUTHORITIES: list[str] = env.list("PATIENT_AUTHORITIES", [])  # PID-3.4, the most trusted first

LOGGING_CONFIG = None
logging_config(level=env.log_level("LOG_LEVEL", logging.INFO))
log_uncaught()
