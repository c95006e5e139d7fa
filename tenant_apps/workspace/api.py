"""The workspace's settings under /api/v1/workspace/."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenant_apps.api.lost_updates import LostUpdates, OnceOnly
from tenant_apps.users.models import User
from tenant_apps.workspace import configuration
from tenant_apps.workspace.permissions import CHANGE_SETTINGS, may
from tenant_apps.workspace.selectors import current_workspace
from tenant_apps.workspace.serializers import WorkspaceInput, WorkspaceSerializer


class MayChangeSettings(BasePermission):
    """Whoever sees the page of the settings."""

    message = "Your role does not let you change the workspace's settings."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may(request.user, CHANGE_SETTINGS)


class Settings(APIView):
    """What the workspace is called, where it stands, how it counts, whom its letters come from."""

    permission_classes = [MayChangeSettings, LostUpdates, OnceOnly]
    needs_if_match = True

    @extend_schema(responses=WorkspaceSerializer, operation_id="workspace")
    def get(self, request: Request) -> Response:
        workspace = current_workspace()
        self.check_object_permissions(request, workspace)
        return Response(WorkspaceSerializer(workspace).data)

    @extend_schema(
        request=WorkspaceInput, responses=WorkspaceSerializer, operation_id="workspace_change"
    )
    def patch(self, request: Request) -> Response:
        """Change the settings that are given."""
        workspace = current_workspace()
        self.check_object_permissions(request, workspace)
        data = WorkspaceInput(instance=workspace, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        changed = configuration.change_settings(
            changes=data.validated_data, by=cast("User", request.user)
        )
        self.check_object_permissions(request, changed)
        return Response(WorkspaceSerializer(changed).data)
