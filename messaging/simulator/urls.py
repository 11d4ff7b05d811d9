"""The simulator's addresses; config includes them at ``simulator/`` where settings.SIMULATOR is on."""

from django.urls import path, re_path

from messaging.simulator import api, deactivations, page, rest

app_name = "simulator"
_ACCOUNT = "twilio/2010-04-01/Accounts/<str:account>/"

urlpatterns = [
    path("", page.phones, name="phones"),
    path(_ACCOUNT + "Messages.json", rest.messages, name="messages"),
    path(_ACCOUNT + "Messages/<str:sid>.json", rest.message, name="message"),
    path("twilio/v1/Deactivations", deactivations.listing, name="deactivations"),
    path("twilio/deactivated/<str:day>.txt", deactivations.numbers, name="deactivated_numbers"),
    re_path(r"^twilio/", rest.unknown, name="unknown"),
    path("api/inbound/", api.inbound, name="inbound"),
    path("api/call/", api.call, name="call"),
    path("api/log/", api.log, name="log"),
    path("api/deactivations/", deactivations.add, name="deactivate"),
    path("api/faults/", api.faults, name="faults"),
    path("api/lines/", api.lines, name="lines"),
    path("api/phones/", api.phones, name="phones_json"),
]
