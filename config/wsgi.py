"""The serving process. It refuses unsafe settings, and in the embedded default starts the worker inside itself."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.safety import refuse_unsafe_settings  # noqa: E402  (needs the apps that the line above loads)

refuse_unsafe_settings()

if settings.EMBEDDED:
    from config.celery import app

    import_string("messaging.embedded.start")(app)
