from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Django's admin with our site in place of the default one."""

    default_site = "epicops.admin_site.OpsAdminSite"
