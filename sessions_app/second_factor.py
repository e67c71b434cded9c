"""Operators switch their second factor on and off: codes of an authenticator (TOTP, RFC 6238), and recovery codes."""

import base64

import qrcode
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe
from django_otp import devices_for_user, match_token
from django_otp import login as otp_login
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from qrcode.image.svg import SvgPathImage

from audit.admin import record
from epicops.admin_site import operator
from sessions_app.models import User

RECOVERY_CODES = 10
WRONG = "That was not the present code. Enter the next one."


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show whether the factor is on, or the secret to switch it on with."""
    person = User.objects.get(pk=operator(request).pk)
    context = {**admin.site.each_context(request), "title": "Second factor", "person": person}
    if not person.has_second_factor:
        device = offered(person) or TOTPDevice.objects.create(user=person, confirmed=False, name="authenticator")
        secret = base64.b32encode(device.bin_key).decode()
        image = qrcode.make(device.config_url, image_factory=SvgPathImage).to_string(encoding="unicode")
        context |= {"secret": secret, "image": mark_safe(image)}  # noqa: S308  made here, from our own text
    return TemplateResponse(request, "admin/sessions_app/second_factor.html", context)


@require_POST
def switch_on(request: HttpRequest) -> HttpResponse:
    """Switch it on with a code that proves the authenticator works; show the recovery codes, once."""
    person = User.objects.get(pk=operator(request).pk)
    device = offered(person)
    if device is None or not device.verify_is_allowed()[0] or not device.verify_token(request.POST.get("token", "")):
        messages.error(request, WRONG)
        return redirect("second_factor")
    with transaction.atomic():
        TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
        codes = recovery_codes(person)
        keep(request, person, is_on=True)
    otp_login(request, device)
    context = {**admin.site.each_context(request), "title": "Second factor", "person": person, "codes": codes}
    return TemplateResponse(request, "admin/sessions_app/second_factor.html", context)


@require_POST
def switch_off(request: HttpRequest) -> HttpResponse:
    """Switch it off, with a code."""
    person = User.objects.get(pk=operator(request).pk)
    if match_token(person, request.POST.get("token", "")) is None:
        messages.error(request, WRONG)
    else:
        remove(request, person)
        messages.success(request, "The second factor is off.")
    return redirect("second_factor")


@transaction.atomic
def remove(request: HttpRequest, person: User) -> None:
    """Switch somebody's second factor off: theirs, or one that an administrator is asked to."""
    for device in devices_for_user(person, confirmed=None):
        device.delete()
    keep(request, person, is_on=False)


def offered(person: User) -> TOTPDevice | None:
    """Return the device whose secret the page shows; of two pages that were opened at once, both show the first."""
    return TOTPDevice.objects.filter(user=person, confirmed=False).order_by("pk").first()


def recovery_codes(person: User) -> list[str]:
    """Replace somebody's recovery codes, each good for one login, by new ones."""
    StaticDevice.objects.filter(user=person).delete()
    device = StaticDevice.objects.create(user=person, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def keep(request: HttpRequest, person: User, *, is_on: bool) -> None:
    person.has_second_factor = is_on
    person.save(update_fields=["has_second_factor"])
    record(request, "U", "second_factor.on" if is_on else "second_factor.off", "user", person.pk)
