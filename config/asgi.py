"""ASGI entry point. WSGI is the recommended one: Django's views here are synchronous. It runs no embedded worker."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()

from config.safety import refuse_unsafe_settings  # noqa: E402  (needs the apps that the line above loads)

refuse_unsafe_settings()
