"""The simulator alone, whatever the project around it includes."""

from django.urls import include, path

urlpatterns = [path("simulator/", include("messaging.simulator.urls"))]
