"""Telling people of alerts: one message for all that is new, by mail and to a webhook."""

import json
import logging
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any, Final

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils.timezone import localtime

from monitoring.alerts import TELLING, is_ours, mark_told, untold
from monitoring.models import Alert

logger = logging.getLogger(__name__)

LISTED: Final = 20  # alerts in one message; the rest is counted
TIMEOUT: Final = 5  # seconds


def tell() -> None:
    """Send what is new, unless another monitor is just doing that. Needs PostgreSQL.

    What no channel took is tried again at the next look; a channel that fails repeats nothing.
    """
    with transaction.atomic():
        if not is_ours(TELLING) or not (alerts := untold()):
            return
        if send(subject(alerts), [line(alert) for alert in alerts], list(map(as_json, alerts))):
            mark_told(alerts)


def send(title: str, lines: Sequence[str], alerts: Sequence[dict[str, Any]] = ()) -> bool:
    """Send one message to every channel there is; True when one of them took it, or there is none."""
    listed = [*lines[:LISTED], *([f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else [])]
    channels: list[Callable[[], object]] = []
    if settings.EPICOPS_ALERT_EMAILS:
        channels.append(lambda: send_mail(f"[epicops] {title}", "\n".join(listed), None, settings.EPICOPS_ALERT_EMAILS))
    if settings.EPICOPS_ALERT_WEBHOOK:
        channels.append(lambda: post({"text": "\n".join([title, *listed]), "alerts": list(alerts)}))
    return not channels or sum(is_taken(channel) for channel in channels) > 0


def is_taken(channel: Callable[[], object]) -> bool:
    try:
        channel()
    except (OSError, ValueError, HTTPException) as error:  # smtplib's errors are OSErrors
        logger.warning("alert not sent", extra={"error": type(error).__name__})
        return False
    return True


def post(body: dict[str, Any]) -> None:
    """POST JSON to the webhook; raises OSError, also for an answer that is no success, HTTPException for no HTTP."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(  # noqa: S310  the address is the operator's own
        settings.EPICOPS_ALERT_WEBHOOK, json.dumps(body).encode(), headers, method="POST"
    )
    urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310


def subject(alerts: Sequence[Alert]) -> str:
    begun = sum(alert.ended_at is None for alert in alerts)
    if len(alerts) == 1:
        return f"{'resolved: ' if not begun else ''}{alerts[0]}"
    return ", ".join(
        f"{count} {word}" for count, word in ((begun, "alerts"), (len(alerts) - begun, "resolved")) if count
    )


def line(alert: Alert) -> str:
    """Describe an alert in one line. Rules, labels and figures name no patient."""
    began = f"{localtime(alert.began_at):%Y-%m-%d %H:%M:%S}"
    if alert.ended_at:
        return f"resolved: {alert}, from {began} to {localtime(alert.ended_at):%Y-%m-%d %H:%M:%S}"
    what = "grew by" if alert.rule.window else "is"
    return f"{alert.rule.severity}: {alert}, since {began}; {alert.rule.metric} {what} {alert.value:g}"


def as_json(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "rule": alert.rule.name,
        "severity": alert.rule.severity,
        "metric": alert.rule.metric,
        "label": alert.label,
        "value": alert.value,
        "began_at": alert.began_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
    }


class Blackout:
    """Tells of the one thing that no row can: that PostgreSQL is away, and that it is back."""

    AFTER: Final = 60.0  # seconds

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_told = False

    def goes_on(self, now: float) -> None:
        self._since = now if self._since is None else self._since
        if not self._is_told and now - self._since >= self.AFTER:
            self._is_told = send("PostgreSQL does not answer", ["critical: nothing is applied and nobody can sign in"])

    def is_over(self) -> None:
        self._since = None
        if self._is_told:  # until somebody has heard of the end
            self._is_told = not send(
                "resolved: PostgreSQL answers again", ["See the other alerts for what has to catch up."]
            )
