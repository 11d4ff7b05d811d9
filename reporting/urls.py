from django.contrib import admin
from django.urls import path

from reporting import alerts, api, metrics

urlpatterns = [
    path("metrics", metrics.metrics),
    path("api/v1/reports/snapshot/", api.Snapshot.as_view()),
    path("api/v1/reports/runs/<uuid:uuid>/", api.Run.as_view()),
    path("admin/alerts/", admin.site.admin_view(alerts.show), name="alerts"),
]
