import gc

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.core.checks import Tags, register

from epicops.checks import at_rest


class AdminConfig(DjangoAdminConfig):
    """Django's admin with our site in place of the default one."""

    default_site = "epicops.admin_site.OpsAdminSite"

    def ready(self) -> None:
        super().ready()
        register(at_rest, Tags.security, deploy=True)
        gc.freeze()  # all that is loaded stays: a collection that looks at it takes tens of milliseconds
        gc.enable()  # manage.py has put it off
