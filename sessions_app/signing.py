"""The signature over a session's data, in Django's own format: Redis is not trusted."""

import functools
from datetime import timedelta
from hmac import HMAC

from django.conf import settings
from django.core.signing import Signer, TimestampSigner, b64_encode
from django.utils.crypto import salted_hmac


class SessionSigner(TimestampSigner):
    """Django's signer with each key derived once: OpenSSL takes longer for a key than for a session."""

    def signature(self, value: str | bytes, key: str | bytes | None = None) -> str:
        mac = _keyed(str(self.salt) + "signer", key or self.key).copy()
        mac.update(value if isinstance(value, bytes) else value.encode())
        return b64_encode(mac.digest()).decode()

    def unsign(self, value: str, max_age: float | timedelta | None = None) -> str:
        """Return what was signed, whenever that was: sessions have an end of their own."""
        return Signer.unsign(self, value).rsplit(self.sep, 1)[0]


@functools.lru_cache(maxsize=8)
def _keyed(salt: str, key: str | bytes) -> HMAC:
    return salted_hmac(salt, b"", key, algorithm="sha256")


def signer(salt: str) -> SessionSigner:
    """Return what signs with the secret key of the settings, and accepts their fallbacks."""
    return _signer(salt, settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@functools.lru_cache(maxsize=8)
def _signer(salt: str, key: str, fallbacks: tuple[bytes | str, ...]) -> SessionSigner:
    return SessionSigner(key=key, salt=salt, fallback_keys=list(fallbacks))
