from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = "Consent"

    def ready(self) -> None:
        from consent import checks, triggers  # noqa: F401  (checks register themselves)

        post_migrate.connect(triggers.install_after_migrate, sender=self)
