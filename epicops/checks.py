"""Settings that are each valid and together are no deployment; `manage.py check --deploy` names them."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def at_rest(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse patients in clear on the disks of the Redis servers: 45 CFR 164.312(a)(2)(iv)."""
    if settings.EPICOPS_SEALING_KEYS or settings.EPICOPS_ENCRYPTED_VOLUME:
        return []
    hint = "Set EPICOPS_SEALING_KEYS, or EPICOPS_ENCRYPTED_VOLUME=1 where the volumes of Redis are encrypted."
    return [Error("Messages and sessions would be written to disk in clear.", hint=hint, id="epicops.E001")]
