from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from audit.admin import AuditedModelAdmin
from sessions_app.models import User


@admin.register(User)
class UserAdmin(AuditedModelAdmin[User], DjangoUserAdmin[User]):
    """People are deactivated, never deleted: what they did names them."""

    list_display = ("username", "role", "department", "is_active", "is_staff", "last_login")
    list_filter = ("role", "is_active", "is_staff", "groups")
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Work", {"fields": ("role", "department")}))
    add_fieldsets = (*DjangoUserAdmin.add_fieldsets, ("Work", {"fields": ("role", "department")}))
