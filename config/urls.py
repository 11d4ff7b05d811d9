from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("", include("reporting.urls")),  # before the admin, which takes every address below its own
    path("admin/", admin.site.urls),
    path("", include("messaging.urls")),
]
if settings.SIMULATOR:
    urlpatterns.append(path("simulator/", include("messaging.simulator.urls")))
