from django.urls import path

from messaging import api, api_checks, health, webhooks

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("twilio/inbound/", webhooks.inbound),
    path("twilio/status/", webhooks.status),
    path("api/v1/messages/", api.Messages.as_view()),
    path("api/v1/messages/<uuid:uuid>/", api.MessageDetail.as_view()),
    path("api/v1/messages/<uuid:uuid>/withdraw/", api.Withdraw.as_view()),
    path("api/v1/messages/<uuid:uuid>/confirm/", api.Confirm.as_view()),
    path("api/v1/consents/check/", api_checks.Check.as_view()),
    path("api/v1/contacts/<str:phone>/consents/", api.ContactConsents.as_view()),
    path("api/v1/conversations/", api.Thread.as_view()),
]
