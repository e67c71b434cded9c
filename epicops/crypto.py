"""Sealing: patient data encrypted before it reaches Redis, with AES-256-GCM under a key ring.

A sealed value is `v1:`, the key's id in 4 bytes, the day in 4, a nonce of 12, and the ciphertext with its tag of 16.
Each day has its own key, derived from the ring's: random nonces are safe for 2**32 values of one key. `family`
(message, vitals, session, refused) is authenticated, so that a value cannot pass for one of another family. Values
without the mark are plain and pass as they are: other systems push plain text.
"""

import base64
import binascii
import functools
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

MARK: Final = b"v1:"
ID_BYTES: Final = 4
DAY_BYTES: Final = 4
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
HEADER: Final = len(MARK) + ID_BYTES + DAY_BYTES
DAY_SECONDS: Final = 86_400
TEXT_MARK: Final = base64.b64encode(MARK).decode()  # how a sealed text begins


class SealBroken(Exception):  # noqa: N818  named for the state
    """The value cannot be opened: its key is not in the ring, or it was changed or moved."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys of 32 bytes by id of 4 ASCII characters; the primary one seals, all of them open. Without keys: plain."""

    primary: str = ""
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read {"primary": "k002", "keys": {"k001": base64, "k002": base64}}; raise ValueError, which quotes none."""
        if not text:
            return cls()
        try:
            document = json.loads(text)
            keys = {name: base64.b64decode(key, validate=True) for name, key in document["keys"].items()}
            ring = cls(document["primary"], keys)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise ValueError('the key ring is not {"primary": ID, "keys": {ID: base64}}') from None
        if ring.primary not in keys or any(len(name) != ID_BYTES or not name.isascii() for name in keys):
            raise ValueError("the key ring's ids have 4 ASCII characters, and the primary one is among them")
        if any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("the key ring's keys are 32 bytes in base64")
        return ring

    def seal(self, value: bytes, family: str) -> bytes:
        """Return the sealed value, 39 bytes longer; the value itself when the ring is empty."""
        if not self.primary:
            return value
        day = int(time.time()) // DAY_SECONDS
        header = MARK + self.primary.encode() + day.to_bytes(DAY_BYTES)
        nonce = os.urandom(NONCE_BYTES)
        cipher = _cipher(self.keys[self.primary], day)
        return header + nonce + cipher.encrypt(nonce, value, header + family.encode())

    def open(self, value: bytes, family: str) -> bytes:
        """Return what was sealed, or a plain value as it is; raise SealBroken for what cannot be opened."""
        if not value.startswith(MARK):
            return value
        header, nonce, sealed = value[:HEADER], value[HEADER:][:NONCE_BYTES], value[HEADER + NONCE_BYTES :]
        key = self.keys.get(header[len(MARK) :][:ID_BYTES].decode("latin-1"))
        if key is None:
            raise SealBroken("the key is not in the ring")
        try:
            cipher = _cipher(key, int.from_bytes(header[-DAY_BYTES:]))
            return cipher.decrypt(nonce, sealed, header + family.encode())
        except (InvalidTag, ValueError):
            raise SealBroken("the value was changed or belongs elsewhere") from None


@functools.lru_cache(maxsize=64)
def _cipher(key: bytes, day: int) -> AESGCM:
    derived = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"epicops" + day.to_bytes(DAY_BYTES)).derive(key)
    return AESGCM(derived)


@functools.lru_cache(maxsize=4)
def _ring(text: str) -> KeyRing:
    return KeyRing.parse(text)


def ring() -> KeyRing:
    """Return the key ring of the settings."""
    return _ring(settings.EPICOPS_SEALING_KEYS)


def seal_text(text: str, family: str) -> str:
    """Return the text sealed, in base64; as it is when the ring is empty."""
    sealed = ring().seal(text.encode(), family)
    return base64.b64encode(sealed).decode() if is_sealed(sealed) else text


def open_text(text: str, family: str) -> str:
    """Return what `seal_text` was given; raise SealBroken for what cannot be opened."""
    if not text.startswith(TEXT_MARK):
        return text
    try:
        return ring().open(base64.b64decode(text, validate=True), family).decode()
    except ValueError:
        raise SealBroken("the value was changed") from None


def is_sealed(value: bytes) -> bool:
    return value.startswith(MARK)


def key_id(value: bytes) -> str:
    """Return the id of the key a value is sealed under, or "plain"."""
    return value[len(MARK) :][:ID_BYTES].decode("latin-1") if is_sealed(value) else "plain"


def key_id_of_text(text: str) -> str:
    """Return the id of the key that `seal_text` used, or "plain"."""
    head = text[: 4 * (len(MARK) + ID_BYTES)]  # whole groups of base64, and enough of them
    return key_id(base64.b64decode(head)) if text.startswith(TEXT_MARK) else "plain"
