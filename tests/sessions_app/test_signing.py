"""Signatures are Django's own, whoever made them."""

import pytest
from django.conf import settings
from django.core import signing
from django.test import override_settings

from sessions_app.signing import signer

SALT = "django.contrib.sessions.SessionStore"
DATA = {"role": "nurse", "columns": ["hr"] * 50}


def test_django_reads_what_we_sign() -> None:
    assert signing.loads(signer(SALT).sign_object(DATA, compress=True), salt=SALT) == DATA


def test_we_read_what_django_has_signed() -> None:
    assert signer(SALT).unsign_object(signing.dumps(DATA, salt=SALT, compress=True)) == DATA


def test_a_new_secret_key_reads_what_the_old_one_signed_while_it_is_a_fallback() -> None:
    signed = signer(SALT).sign_object(DATA)

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert signer(SALT).unsign_object(signed) == DATA
    with override_settings(SECRET_KEY="new"), pytest.raises(signing.BadSignature):
        signer(SALT).unsign_object(signed)


@pytest.mark.parametrize("forged", ["", ":", "e30:", "e30:1w:", "e30:1w:é", signing.dumps(DATA, salt="another")])
def test_another_signature_is_refused(forged: str) -> None:
    with pytest.raises(signing.BadSignature):
        signer(SALT).unsign_object(forged)
