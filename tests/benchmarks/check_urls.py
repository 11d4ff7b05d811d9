"""The product's addresses, and one whose view does nothing."""

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Empty(APIView):
    """Says nothing, to whoever has a token."""

    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("empty/", Empty.as_view()), path("", include("config.urls"))]
