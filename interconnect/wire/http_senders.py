"""Who may deliver by HTTP: each sender has a token of its own, of which only a digest is kept."""

import hashlib
import secrets
from typing import Self

from django.db import models
from django.db.models.functions import Now


class HttpSenderQuerySet(models.QuerySet["HttpSender"]):
    def with_token(self, token: str) -> "HttpSender | None":
        """Return the sender that may use this token now."""
        return self.filter(token_sha256=digest(token), is_active=True).first()


class HttpSender(models.Model):
    """A system that posts messages to /interconnect/hl7."""

    name = models.CharField(max_length=45, unique=True)
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    is_active = models.BooleanField(default=True)
    issued_at = models.DateTimeField(db_default=Now())

    objects = HttpSenderQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # made by the http_sender command only

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, name: str) -> tuple[Self, str]:
        """Make or renew the sender of this name; return it and its new token, which is shown once."""
        token = secrets.token_urlsafe(32)
        values = {"token_sha256": digest(token), "is_active": True, "issued_at": Now()}
        sender, _ = cls.objects.update_or_create(name=name, defaults=values)
        return sender, token


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()  # 256 random bits need no slow hash
