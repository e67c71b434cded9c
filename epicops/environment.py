"""Values of the environment for settings.py. A wrong one raises what names its variable and never its value."""

import os
from collections.abc import Callable
from datetime import time
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from epicops.crypto import KeyRing
from epicops.redis_url import parse

env = Env(prefix="EPICOPS_")


def secret(name: str) -> str:
    """Return EPICOPS_<name>, or the content of the file named by EPICOPS_<name>_FILE; neither may be empty."""
    try:
        path = env.path(f"{name}_FILE", None)
        if value := path.read_text().strip() if path else env.str(name, ""):
            return value
    except OSError as error:
        raise ImproperlyConfigured(f"EPICOPS_{name}_FILE cannot be read") from error
    raise ImproperlyConfigured(f"EPICOPS_{name} (or EPICOPS_{name}_FILE) is missing or empty")


def optional_secret(name: str) -> str:
    """Return the secret, or an empty string when neither of its variables is set."""
    return secret(name) if {f"EPICOPS_{name}", f"EPICOPS_{name}_FILE"} & os.environ.keys() else ""


def redis_url(name: str) -> str:
    """Return the secret once it can be read as the address of a role's servers."""
    return _checked(name, secret(name), parse)


def key_ring(name: str) -> str:
    """Return the optional secret once it can be read as a key ring."""
    return _checked(name, optional_secret(name), KeyRing.parse)


def _checked(name: str, text: str, parse: Callable[[str], object]) -> str:
    """Return the text once it can be parsed, by what raises a ValueError that quotes none of it."""
    try:
        parse(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"EPICOPS_{name}: {error}") from None
    return text


def web_address(name: str) -> str:
    if (url := optional_secret(name)) and not url.startswith(("https://", "http://")):
        raise ImproperlyConfigured(f"EPICOPS_{name}: write https://HOST/PATH")
    return url


def number(name: str, default: int, *, least: int = 0) -> int:
    return env.int(name, default, validate=validate.Range(min=least))


def networks(name: str) -> list[str]:
    texts: list[str] = env.list(name, [])
    try:
        for text in texts:
            ip_network(text)
    except ValueError:
        raise ImproperlyConfigured(f"EPICOPS_{name}: write networks as 10.0.0.0/28,192.0.2.7") from None
    return texts


def time_zone(name: str, default: str) -> str:
    zone = env.str(name, default)
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ImproperlyConfigured(f"EPICOPS_{name}: write a time zone as Europe/Berlin") from None
    return zone


def database(name: str) -> dict[str, object]:
    """Translate the secret, a libpq URL or connection string, into Django's DATABASES entry."""
    try:
        parts = conninfo_to_dict(secret(name))
    except ProgrammingError:  # it quotes passwords
        raise ImproperlyConfigured(f"EPICOPS_{name}: write postgresql://USER:PASSWORD@HOST:PORT/NAME") from None
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    entry = {key: str(parts.pop(part, "") or "") for key, part in names.items()}
    keepalives = {"connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **entry,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**keepalives, "application_name": "epicops", **parts},
    }


def times_of_day(name: str, default: list[str]) -> list[time]:
    try:
        return [time.fromisoformat(text) for text in env.list(name, default)] or [time.min]
    except ValueError:
        raise ImproperlyConfigured(f"EPICOPS_{name}: write times of day as 07:00,19:00") from None
