"""The reports through the REST API: streamed, and each recorded as a run whose rows and hash can be checked."""

import datetime as dt
from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent.admin.numbers import hidden_from
from consent.models import User
from consent.vocabulary import Channel, Status
from messaging.api import LineField, May
from reporting import exports, files
from reporting.admin import chosen
from reporting.models import ReportRun
from reporting.snapshot import IN_AND_OUT, Filters, in_range


class MomentField(serializers.DateTimeField):
    """A moment in ISO 8601. Without a zone it is in the install's own. A ``+`` that came as a space is a +."""

    def to_internal_value(self, value: Any) -> dt.datetime:
        try:
            moment = super().to_internal_value(value.replace(" ", "+") if "T" in str(value) else value)
        except OverflowError:
            moment = None
        if moment is None or not in_range(moment):
            raise serializers.ValidationError("Give a moment in the years 2000 to 2999.")
        return moment


class AsAsked(BaseContentNegotiation):
    """The format is chosen by ``as``, whatever a client accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class SnapshotQuery(serializers.Serializer):
    """What the address may ask for. What is not given does not narrow; without a line, all of the user's lines."""

    line = serializers.ListField(child=LineField(), required=False)
    status = serializers.ListField(child=serializers.ChoiceField(Status.choices), required=False)
    source = serializers.ListField(child=serializers.ChoiceField(Channel.choices), required=False)
    since_from = MomentField(required=False)
    since_until = MomentField(required=False, help_text="Exclusive.")
    search = serializers.CharField(required=False, max_length=100, help_text="Part of a name or number.")
    as_of = MomentField(required=False)

    def get_fields(self) -> dict[str, Any]:
        formats = serializers.ChoiceField([(each, each.label) for each in files.TABLES], default=ReportRun.Format.JSON)
        return {**super().get_fields(), "as": formats}  # no name for an attribute

    def validate_as_of(self, moment: dt.datetime) -> dt.datetime:
        if moment > timezone.now():
            raise serializers.ValidationError("This moment is still to come. Leave as_of out to see how it is now.")
        return moment

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            known = ", ".join(self.fields)
            raise serializers.ValidationError({name: [f"There is no such filter. Use {known}."] for name in unknown})
        if "since_from" in given and "since_until" in given and given["since_from"] >= given["since_until"]:
            raise serializers.ValidationError({"since_until": ["This has to be later than since_from."]})
        return given


class Snapshot(APIView):
    """``GET /api/v1/reports/snapshot/``: the Opt In & Out Snapshot as csv, csv-excel, json or xlsx.

    The answer is streamed, so it may break off after its 200: the header ``Report-Run`` names the run under which
    ``GET /api/v1/reports/runs/{id}/`` then tells rows, bytes and SHA-256 of the whole file. JSON ends with its "count".
    """

    permission_classes = [May]
    content_negotiation_class = AsAsked
    needs = "reporting.export_reports"
    http_method_names = ["get", "options"]

    def get(self, request: Request) -> StreamingHttpResponse | Response:
        user = _user(request)
        query = SnapshotQuery(data=request.query_params, context={"request": request})
        query.is_valid(raise_exception=True)
        given = query.validated_data
        filters = Filters(
            lines=tuple(given.get("line") or user.usable_lines()),
            statuses=tuple(given.get("status") or IN_AND_OUT),
            sources=tuple(given.get("source", ())),
            since_from=given.get("since_from"),
            since_until=given.get("since_until"),
            search=given.get("search", ""),
            as_of=given.get("as_of"),
            hidden=hidden_from(user),
        )
        run = exports.begin(filters, format=given["as"], origin=ReportRun.Origin.API, user=user)
        try:
            return exports.response(run)
        except exports.Busy as error:
            return Response({"detail": str(error)}, status=503, headers={"Retry-After": "60"})


class Run(APIView):
    """``GET /api/v1/reports/runs/{id}/``: what became of an export. One's own, or any for those who may see exports."""

    permission_classes = [May]
    needs = "reporting.export_reports"
    http_method_names = ["get", "options"]

    def get(self, request: Request, uuid: str) -> Response:
        user = _user(request)
        runs = ReportRun.objects.all() if user.has_perm("reporting.view_reportrun") else user.report_runs.all()
        run = get_object_or_404(runs, uuid=uuid)
        return Response(
            {
                "id": str(run.uuid),
                "report": run.report,
                "format": run.format,
                "state": run.state,
                "filters": chosen.as_seen_by(run, user),
                "as_of": run.as_of,
                "rows": run.rows,
                "bytes": run.size,
                "sha256": run.sha256 or None,
                "seconds": run.seconds,
                "problem": run.problem or None,
                "created": run.created,
            }
        )


def _user(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user
