"""People under /api/v1/: oneself, the others, invitations, roles, tokens, and logging in."""

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    PermissionDenied,
    Throttled,
)
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from tenant_apps.api import problems
from tenant_apps.api.lost_updates import LostUpdates, OnceOnly
from tenant_apps.api.pagination import ByName, NewestFirst
from tenant_apps.images import ImageRefused
from tenant_apps.users import (
    api_logins,
    api_tokens,
    invitations,
    membership,
    profiles,
    roles,
    sign_ins,
)
from tenant_apps.users.errors import (
    LoginRefused,
    SecondFactorNeeded,
    TokenError,
    TokenOfAnotherWorkspace,
    TokenReused,
    TooManyLogins,
)
from tenant_apps.users.filters import InvitationFilter, PeopleFilter
from tenant_apps.users.models import ApiToken, Invitation, Role, SignIn, User
from tenant_apps.users.permissions import PermissionUnknown, registered_permissions
from tenant_apps.users.serializers import (
    AvatarInput,
    EndedSerializer,
    InvitationInput,
    InvitationSerializer,
    LoginInput,
    MeInput,
    MeSerializer,
    NewTokenSerializer,
    PairSerializer,
    PermissionSerializer,
    PersonInput,
    PersonSerializer,
    RefreshInput,
    RoleInput,
    RoleSerializer,
    SignInSerializer,
    TokenInput,
    TokenSerializer,
)

ONESELF: list[type[BasePermission]] = [IsAuthenticated, LostUpdates, OnceOnly]


class MayManagePeople(BasePermission):
    """Whoever invites people and changes roles."""

    message = "Your role does not let you manage people."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.is_authenticated and request.user.has_perm("users.manage_people")


class MaySeePeople(BasePermission):
    """Whoever may see the people of the workspace; the verbs ask who may change them."""

    message = "Your role does not let you see the people of this workspace."

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return user.is_authenticated and (
            user.has_perm("users.view_user") or user.has_perm("users.manage_people")
        )


def _checked(form: type[serializers.Serializer[Any]], request: Request, **options: Any) -> Any:
    data = form(data=request.data, context={"request": request}, **options)
    data.is_valid(raise_exception=True)
    return data.validated_data


def _person(request: Request) -> User:
    return cast("User", request.user)


class Me(APIView):
    """Oneself."""

    permission_classes = ONESELF
    needs_if_match = True

    @extend_schema(responses=MeSerializer, operation_id="me")
    def get(self, request: Request) -> Response:
        self.check_object_permissions(request, _person(request))
        return Response(MeSerializer(_person(request)).data)

    @extend_schema(request=MeInput, responses=MeSerializer, operation_id="me_change")
    def patch(self, request: Request) -> Response:
        person = _person(request)
        self.check_object_permissions(request, person)
        changes = _checked(MeInput, request, instance=person, partial=True)
        changed = profiles.change_profile(person=person, changes=changes, by=person)
        self.check_object_permissions(request, changed)
        return Response(MeSerializer(changed).data)


class MyAvatar(APIView):
    """One's picture."""

    permission_classes = ONESELF
    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": AvatarInput},
        responses=MeSerializer,
        operation_id="me_avatar_set",
    )
    def put(self, request: Request) -> Response:
        person = _person(request)
        sent = _checked(AvatarInput, request)["picture"]
        try:
            profiles.set_avatar(person=person, sent=sent, by=person)
        except ImageRefused as error:
            raise serializers.ValidationError({"picture": [str(error)]}) from error
        return Response(MeSerializer(person).data)

    @extend_schema(request=None, responses={204: None}, operation_id="me_avatar_remove")
    def delete(self, request: Request) -> Response:
        profiles.remove_avatar(person=_person(request), by=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MySignIns(GenericViewSet[SignIn]):
    """Where one is logged in."""

    permission_classes = ONESELF
    serializer_class = SignInSerializer
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[SignIn]:
        if not self.request.user.is_authenticated:
            return SignIn.objects.none()
        return sign_ins.open_sign_ins(_person(self.request))

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(SignInSerializer(page, many=True).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Log this device out."""
        sign_ins.end_sign_in(sign_in=self.get_object(), by=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=EndedSerializer)
    @action(detail=False, methods=["post"], url_path="end-all")
    def end_all(self, request: Request) -> Response:
        """Log all devices out, this one too."""
        person = _person(request)
        return Response({"ended": sign_ins.sign_out_everywhere(person=person, by=person)})


class MyTokens(GenericViewSet[ApiToken]):
    """One's API tokens. A token makes no tokens: that takes the page, or a log-in."""

    permission_classes = ONESELF
    serializer_class = TokenSerializer
    lookup_value_converter = "uuid"
    # What is shown once is kept nowhere.
    keeps_answers = False

    def get_queryset(self) -> QuerySet[ApiToken]:
        if not self.request.user.is_authenticated:
            return ApiToken.objects.none()
        return ApiToken.objects.filter(person=_person(self.request)).select_related("person__role")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(TokenSerializer(page, many=True).data)

    @extend_schema(request=TokenInput, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token; this answer alone shows it."""
        if isinstance(request.auth, ApiToken):
            raise PermissionDenied("A token makes no tokens. Make it in your account.")
        data = _checked(TokenInput, request)
        token, text = api_tokens.issue_token(
            person=_person(request),
            name=data["name"],
            scopes=data["scopes"],
            lifetime=api_tokens.LONGEST * data["days"] / api_tokens.LONGEST.days,
        )
        shown = {**TokenSerializer(token).data, "token": text}
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke the token."""
        api_tokens.revoke_token(token=self.get_object(), by=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PeopleViewSet(GenericViewSet[User]):
    """The people of the workspace, for whoever may see them."""

    permission_classes = [MaySeePeople, LostUpdates, OnceOnly]
    serializer_class = PersonSerializer
    pagination_class = ByName
    lookup_value_converter = "uuid"
    needs_if_match = True
    search_fields = ["full_name", "email"]
    ordering_fields = ["full_name", "email", "joined_at"]
    filterset_class = PeopleFilter

    def get_queryset(self) -> QuerySet[User]:
        people: QuerySet[User] = User.objects.select_related("role")
        return people

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(PersonSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(PersonSerializer(self.get_object()).data)

    @extend_schema(request=PersonInput, responses=PersonSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a person's name or role."""
        person, by = self.get_object(), _person(request)
        changes = dict(_checked(PersonInput, request, partial=True))
        role = changes.pop("role", None)
        profiles.change_profile(person=person, changes=changes, by=by)
        if role is not None:
            membership.change_role(person=person, role=role, by=by)
        return self._now()

    @extend_schema(request=None, responses=PersonSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """Shut a person out; what they wrote stays."""
        membership.deactivate_person(person=self.get_object(), by=_person(request))
        return self._now()

    @extend_schema(request=None, responses=PersonSerializer)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, pk: str) -> Response:
        """Let a person in again."""
        membership.reactivate_person(person=self.get_object(), by=_person(request))
        return self._now()

    @extend_schema(request=None, responses=EndedSerializer)
    @action(detail=True, methods=["post"], url_path="sign-out")
    def sign_out(self, request: Request, pk: str) -> Response:
        """Log a person out everywhere."""
        ended = sign_ins.sign_out_everywhere(person=self.get_object(), by=_person(request))
        return Response({"ended": ended})

    def _now(self) -> Response:
        return Response(PersonSerializer(self.get_object()).data)


class InvitationViewSet(GenericViewSet[Invitation]):
    """Letters that let people in, for whoever may manage people."""

    permission_classes = [MayManagePeople, LostUpdates, OnceOnly]
    serializer_class = InvitationSerializer
    pagination_class = NewestFirst
    lookup_value_converter = "uuid"
    search_fields = ["email"]
    filterset_class = InvitationFilter

    def get_queryset(self) -> QuerySet[Invitation]:
        return Invitation.objects.select_related("role", "invited_by")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(InvitationSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(InvitationSerializer(self.get_object()).data)

    @extend_schema(request=InvitationInput, responses={201: InvitationSerializer})
    def create(self, request: Request) -> Response:
        """Invite somebody: the letter leaves at once, and works for seven days."""
        data = _checked(InvitationInput, request)
        kept = invitations.invite_person(**data, by=_person(request))
        return Response(InvitationSerializer(kept).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Make the letter useless; the row stays, and says when."""
        gone = invitations.withdraw_invitation(invitation=self.get_object(), by=_person(request))
        return Response(InvitationSerializer(gone).data)

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"], url_path="send-again")
    def send_again(self, request: Request, pk: str) -> Response:
        """Send the letter once more, with a new link."""
        sent = invitations.send_letter_again(invitation=self.get_object(), by=_person(request))
        return Response(InvitationSerializer(sent).data)


class RoleViewSet(GenericViewSet[Role]):
    """Roles: the builtin ones, and those of the workspace's own."""

    permission_classes = [MaySeePeople, LostUpdates, OnceOnly]
    serializer_class = RoleSerializer
    lookup_value_converter = "int"
    needs_if_match = True

    def get_queryset(self) -> QuerySet[Role]:
        return Role.objects.all()

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(RoleSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(RoleSerializer(self.get_object()).data)

    @extend_schema(request=RoleInput, responses={201: RoleSerializer})
    def create(self, request: Request) -> Response:
        """Make a role; it may do no more than one's own."""
        data = _checked(RoleInput, request)
        kept = _with_known_permissions(lambda: roles.make_role(**data, by=_person(request)))
        return Response(RoleSerializer(kept).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RoleInput, responses=RoleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a role of the workspace's own."""
        role = self.get_object()
        data = _checked(RoleInput, request, partial=True)
        changes = {"name": role.name, "permissions": role.permissions, **data}
        _with_known_permissions(
            lambda: roles.change_role(role=role, **changes, by=_person(request))
        )
        return Response(RoleSerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a role that nobody has."""
        roles.delete_role(role=self.get_object(), by=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=PermissionSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def permissions(self, request: Request) -> Response:
        """What a role may grant."""
        known = [{"name": one.name, "label": one.label} for one in registered_permissions()]
        return Response(known)


# --- Logging in ------------------------------------------------------------------------------------


class SecondFactorAsked(AuthenticationFailed):
    """401: the password alone is not enough."""

    default_code = "second_factor_needed"


class _LogInView(APIView):
    """For programs that are not logged in yet: neither a session nor a token is looked at."""

    authentication_classes = []
    permission_classes = []
    scope = None

    def get_authenticate_header(self, request: Request) -> str:
        """Without authentication classes of its own it would answer 403."""
        return "Bearer"


class LogIn(_LogInView):
    """A pair of tokens for e-mail address and password."""

    @extend_schema(request=LoginInput, responses=PairSerializer, operation_id="log_in")
    def post(self, request: Request) -> Response:
        data = _checked(LoginInput, request)
        try:
            pair = api_logins.log_in(request._request, **data)
        except TooManyLogins as error:
            raise Throttled(api_logins.WAIT.seconds, str(error)) from error
        except SecondFactorNeeded as error:
            raise SecondFactorAsked(str(error), "second_factor_needed") from error
        except LoginRefused as error:
            raise AuthenticationFailed(str(error)) from error
        return _told(pair)


class Refresh(_LogInView):
    """A new pair of tokens for a refresh token, which works once."""

    @extend_schema(request=RefreshInput, responses=PairSerializer, operation_id="refresh")
    def post(self, request: Request) -> Response:
        token = _checked(RefreshInput, request)["refresh"]
        try:
            return _told(api_logins.refresh(request._request, token=token))
        except TokenReused as error:
            # Told, not raised: that the log-in has ended must be kept.
            refused = _refused(error)
            refused.auth_header = "Bearer"  # type: ignore[attr-defined]
            return problems.tell(refused, request._request)
        except TokenError as error:
            raise _refused(error) from error


class LogOut(_LogInView):
    """The end of a log-in, by its refresh token."""

    @extend_schema(request=RefreshInput, responses={204: None}, operation_id="log_out")
    def post(self, request: Request) -> Response:
        token = _checked(RefreshInput, request)["refresh"]
        try:
            api_logins.log_out(token=token)
        except TokenError as error:
            raise _refused(error) from error
        return Response(status=status.HTTP_204_NO_CONTENT)


def _told(pair: api_logins.Pair) -> Response:
    told = {
        "access": pair.access,
        "refresh": pair.refresh,
        "expires_in": api_logins.ACCESS_LIFETIME.seconds,
    }
    return Response(told, headers={"Cache-Control": "no-store"})


def _refused(error: TokenError) -> APIException:
    is_foreign = isinstance(error, TokenOfAnotherWorkspace)
    code = "token_of_another_workspace" if is_foreign else "token_invalid"
    return AuthenticationFailed(str(error), code)


def _with_known_permissions(verb: Any) -> Any:
    try:
        return verb()
    except PermissionUnknown as error:
        raise serializers.ValidationError({"permissions": [str(error)]}) from error
