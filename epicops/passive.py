"""Marking views that a page calls by itself: they are checked, but count as no activity."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest
from django.urls import Resolver404, resolve

View = TypeVar("View", bound=Callable[..., object])


def passive(view: View) -> View:
    """Declare a polled view. The server decides this, never a client's header."""
    view.is_passive = True  # type: ignore[attr-defined]
    return view


def is_passive(request: HttpRequest) -> bool:
    """Whether the request is for a polled view, also when asked before it was routed: a poll never counts as more."""
    match = request.resolver_match
    if match is None:
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return False
    return bool(getattr(match.func, "is_passive", False))
