"""The Celery application. The broker is a bell and nothing more: the tables hold the work."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("optline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
