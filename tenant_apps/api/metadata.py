from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    # Django REST framework reads these settings while its views are being imported.
    from rest_framework.views import APIView


class Plain(BaseMetadata):
    """What OPTIONS tells: which methods there are (Allow). What they take is in the document."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        return {"name": view.get_view_name(), "document": "/api/v1/openapi.json"}
