"""Marking views that a page calls by itself: they are checked, but count as no activity."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., object])


def passive(view: View) -> View:
    """Declare a polled view. The server decides this, never a client's header."""
    view.is_passive = True  # type: ignore[attr-defined]
    return view


def is_passive(request: HttpRequest) -> bool:
    """Whether the request was routed to a polled view."""
    match = request.resolver_match
    return match is not None and getattr(match.func, "is_passive", False)
