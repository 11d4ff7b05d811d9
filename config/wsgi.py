"""The serving process. In the embedded default it also starts the worker inside itself."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured

unsafe = [message for message in run_checks(tags=[Tags.security]) if message.is_serious()]
if unsafe:
    raise ImproperlyConfigured("\n".join(f"({message.id}) {message.msg} {message.hint or ''}" for message in unsafe))

if settings.EMBEDDED:
    from config.celery import app
    from messaging import embedded

    embedded.start(app, settings.DATA_DIR)
