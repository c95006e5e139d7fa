"""Imports of products under /api/v1/: a file is checked first, and imported when somebody says so."""

from collections.abc import Iterator
from typing import Any, cast

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.api.pagination import OldestFirst
from tenant_apps.products import import_runs, permissions
from tenant_apps.products.api import checked
from tenant_apps.products.errors import ImportFileError
from tenant_apps.products.filters import ImportProblemFilter, ImportRunFilter
from tenant_apps.products.models import ImportRun, MatchBy
from tenant_apps.products.serializers import (
    ImportChangeSerializer,
    ImportInput,
    ImportProblemSerializer,
    ImportRunSerializer,
)
from tenant_apps.users.models import User


class ImportRunViewSet(GenericViewSet[ImportRun]):
    """Imports, from the upload to the end; for those who may import products.

    A file is checked in the background; what it would change is in `changes`, what is wrong with it in
    `problems`. Nothing is written before `start`.
    """

    lookup_value_converter = "uuid"
    parser_classes = (MultiPartParser, JSONParser)
    serializer_class = ImportRunSerializer
    filterset_class = ImportRunFilter

    def get_queryset(self) -> QuerySet[ImportRun]:
        if not permissions.can_import(self.request.user):
            return ImportRun.objects.none()
        return ImportRun.objects.select_related("created_by")

    def list(self, request: Request) -> Response:
        """The newest first."""
        permissions.require_import(request.user)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ImportRunSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        """How it stands; `percent` says how much of the file has been read."""
        return Response(ImportRunSerializer(self.get_object()).data)

    @extend_schema(
        request={"multipart/form-data": ImportInput}, responses={201: ImportRunSerializer}
    )
    def create(self, request: Request) -> Response:
        """Send a file, and have it checked. Ask for the import until `state` is `checked`."""
        permissions.require_import(request.user)
        told = checked(ImportInput, request)
        file = told["file"]
        try:
            run = import_runs.start_import(
                file_name=file.name or "products.csv",
                pieces=lambda: _pieces_of(file),
                skips_faulty=told["skips_faulty"],
                match_by=MatchBy(told["match_by"]),
                by=cast("User", request.user),
            )
        except ImportFileError as error:
            raise serializers.ValidationError({"file": [str(error)]}) from error
        return Response(ImportRunSerializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=ImportRunSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Import what was checked. Ask for the import until `state` is `imported`."""
        run = self.get_object()
        import_runs.request_import(run=run, by=cast("User", request.user))
        return self._now()

    @extend_schema(request=None, responses=ImportRunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Import nothing of it. What is being read stops in a moment: ask until `state` says so."""
        run = self.get_object()
        import_runs.cancel_import(run=run, by=cast("User", request.user))
        return self._now()

    @extend_schema(responses=ImportChangeSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=OldestFirst, filter_backends=[])
    def changes(self, request: Request, pk: str) -> Response:
        """The preview: what it makes or changes, field by field."""
        page: Any = self.paginate_queryset(self.get_object().changes.all())  # type: ignore[arg-type]
        return self.get_paginated_response(ImportChangeSerializer(page, many=True).data)

    @extend_schema(responses=ImportProblemSerializer(many=True))
    @action(
        detail=True,
        methods=["get"],
        pagination_class=OldestFirst,
        filterset_class=ImportProblemFilter,
    )
    def problems(self, request: Request, pk: str) -> Response:
        """What is wrong, row by row."""
        # Without the filters, which are for the problems.
        run = get_object_or_404(self.get_queryset(), pk=pk)
        found: Any = run.problems.all()
        page: Any = self.paginate_queryset(self.filter_queryset(found))
        return self.get_paginated_response(ImportProblemSerializer(page, many=True).data)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, filters=False)
    @action(
        detail=True, methods=["get"], url_path="faulty-rows", filter_backends=[],
        pagination_class=None,
    )  # fmt: skip
    def faulty_rows(self, request: Request, pk: str) -> HttpResponseBase:
        """The rows of the faulty products as a file that can be mended and sent again."""
        run = self.get_object()
        return StreamingHttpResponse(
            (line.encode() for line in import_runs.faulty_rows_as_csv(run)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="faulty-rows.csv"'},
        )

    def _now(self) -> Response:
        return Response(ImportRunSerializer(self.get_object()).data)


def _pieces_of(file: Any) -> Iterator[bytes]:
    file.seek(0)
    yield from file.chunks(import_runs.CHUNK_BYTES)
