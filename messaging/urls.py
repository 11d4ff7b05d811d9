from django.urls import path

from messaging import api, api_checks, health, phone_menu, webhooks
from messaging.web_form import page

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("twilio/inbound/", webhooks.inbound),
    path("twilio/status/", webhooks.status),
    path("twilio/voice/", phone_menu.call),
    path("twilio/voice/key/", phone_menu.key, name="phone_menu_key"),
    path("sign-up/<slug:slug>/", page.page, name="web_form"),
    path("sign-up/<slug:slug>/<str:language>/", page.page, name="web_form_in"),
    path("sign-up/<slug:slug>/<str:language>/done/", page.done, name="web_form_done"),
    path("api/v1/messages/", api.Messages.as_view()),
    path("api/v1/messages/<uuid:uuid>/", api.MessageDetail.as_view()),
    path("api/v1/messages/<uuid:uuid>/withdraw/", api.Withdraw.as_view()),
    path("api/v1/messages/<uuid:uuid>/confirm/", api.Confirm.as_view()),
    path("api/v1/consents/check/", api_checks.Check.as_view()),
    path("api/v1/contacts/<str:phone>/consents/", api.ContactConsents.as_view()),
    path("api/v1/conversations/", api.Thread.as_view()),
]
