"""Session ids, and the two names of a session that may be kept or shown instead.

PostgreSQL keeps `key_hash`, the HMAC of an id; people, audit rows and logs see `handle`, a shorter HMAC under another
key. The id itself is kept there sealed only, so that whoever ends a session can delete its hash in Redis.
"""

import base64
import hashlib
import hmac
import re
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings

SESSION_ID: Final = re.compile(r"[a-z0-9]{32}")
HANDLE_CHARACTERS: Final = 12


def is_session_id(value: object) -> bool:
    """Whether a cookie's value has the form of an id of ours; nothing else reaches a store."""
    return isinstance(value, str) and SESSION_ID.fullmatch(value) is not None


def key_hash(session_id: str) -> str:
    """Return the id's name in the registry: 64 hex digits."""
    return _hmac(b"registry", session_id.encode()).hex()


def handle(session_id: str) -> str:
    """Return the name that people and logs see: 12 characters, `a`-`z` and `2`-`7`."""
    return base64.b32encode(_hmac(b"handle", session_id.encode())).decode().lower()[:HANDLE_CHARACTERS]


def fingerprint(session_id: str) -> str:
    """Return what signed data call the session they are of: 24 hex digits, of what nobody can guess."""
    return hashlib.blake2b(session_id.encode(), digest_size=12).hexdigest()


def seal(session_id: str) -> str:
    """Encrypt an id under SECRET_KEY; 64 characters. Equal ids give equal texts, and ids are random and unique."""
    return base64.b64encode(_cipher().encrypt(session_id.encode(), [key_hash(session_id).encode()])).decode()


def unseal(sealed: str, hashed: str) -> str:
    """Return the id; raise ValueError when the two columns do not belong together or the key is another."""
    try:
        return _cipher().decrypt(base64.b64decode(sealed), [hashed.encode()]).decode()
    except InvalidTag:
        raise ValueError("sealed under another key") from None


def _cipher() -> AESSIV:
    """RFC 5297: safe without a nonce, of which a row's writer could not keep count."""
    return AESSIV(_key(settings.SECRET_KEY, b"seal"))


def _hmac(purpose: bytes, message: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY, purpose), message, "sha256")


@cache
def _key(secret: str, purpose: bytes) -> bytes:
    return hashlib.sha512(b"epicops.sessions." + purpose + b"\0" + secret.encode()).digest()
