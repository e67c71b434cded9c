"""The mail server as one address."""

from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

LOCAL = ("localhost", "127.0.0.1", "::1")


def mail_settings(url: str) -> dict[str, object]:
    """Translate smtp:// (STARTTLS, but not on this host) or smtps:// (TLS) into Django's settings."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # it quotes what it takes for a port: perhaps half a password
        parts, port = urlsplit(""), None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ImproperlyConfigured("EPICOPS_SMTP_URL has to be smtp://USER:PASSWORD@HOST:PORT, or smtps://")
    is_tls = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if is_tls else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_tls,
        "EMAIL_USE_TLS": not is_tls and parts.hostname not in LOCAL,
    }
