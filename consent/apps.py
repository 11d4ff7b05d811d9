from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = "Consent"

    def ready(self) -> None:
        from consent import checks, search, triggers  # noqa: F401  (checks register themselves)

        pre_migrate.connect(triggers.lift_before_migrate, sender=self)
        post_migrate.connect(triggers.install_after_migrate, sender=self)
        post_migrate.connect(search.install_after_migrate, sender=self)
