"""What the API tells of the workspace and what it takes. Field rules are those of the model."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.look import HEADERS, read_look
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.themes import THEMES


class LookSerializer(serializers.Serializer[Any]):
    """What visitors see. Empty colours and faces are the theme's own."""

    theme = serializers.ChoiceField(choices=list(THEMES))
    brand = serializers.CharField()
    accent = serializers.CharField()
    heading_font = serializers.ChoiceField(choices=["", *FONTS])
    body_font = serializers.ChoiceField(choices=["", *FONTS])
    header = serializers.ChoiceField(choices=list(HEADERS))
    shows_tagline = serializers.BooleanField()
    footer = serializers.CharField()
    style_version = serializers.CharField()


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    """The workspace's settings, and how its site looks and stands."""

    look = serializers.SerializerMethodField()

    class Meta:
        model = Workspace
        fields = [
            *("name", "tagline", "language", "time_zone", "currency", "signup_open", "api_origins"),
            *("mail_from_name", "mail_reply_to", "closed_at", "closed_message", "closed_until"),
            *("look", "updated_at"),
        ]

    @extend_schema_field(LookSerializer)
    def get_look(self, workspace: Workspace) -> dict[str, Any]:
        return dict(LookSerializer(read_look(workspace.look)).data)


class WorkspaceInput(serializers.ModelSerializer[Workspace]):
    """The settings that may be changed; what is left out stays. The look is changed in its pages,
    where it is tried out before it is published."""

    class Meta:
        model = Workspace
        fields = [
            *("name", "tagline", "language", "time_zone", "currency", "signup_open", "api_origins"),
            *("mail_from_name", "mail_reply_to"),
        ]
