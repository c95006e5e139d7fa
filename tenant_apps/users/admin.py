"""People, roles and invitations in the workspace's admin. Every change goes through a verb."""

from typing import Any, cast

from django import forms
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tenant_apps.activity.admin import TrailAdmin
from tenant_apps.users import (
    api_tokens,
    invitations,
    membership,
    profiles,
    roles,
    second_factors,
    sign_ins,
)
from tenant_apps.users.errors import MembershipError
from tenant_apps.users.models import ApiToken, Invitation, Role, User
from tenant_apps.users.permissions import OWNER, permissions_by_app, registered_permissions


class PeopleAdmin(TrailAdmin):
    """What the classes below share: whoever may manage people may do it here."""

    verbs_keep_the_trail = True
    domain_errors = (MembershipError,)
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _has(request, "users.view_user") or _has(request, "users.manage_people")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _has(request, "users.manage_people")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _has(request, "users.manage_people")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the roles that this person may give, and no others."""
        if db_field.name == "role":
            kwargs["queryset"] = roles.roles_to_give(by=cast("User", request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class UserAdmin(PeopleAdmin):
    """People join by invitation and leave by being deactivated: what they wrote stays."""

    list_display = ("full_name", "email", "role", "shown_state", "joined_at", "last_login")
    list_filter = ("role", "is_active")
    list_select_related = ("role",)
    search_fields = ("full_name", "email")
    fields = ("full_name", "email", "role", "is_active", "joined_at", "last_login")
    readonly_fields = ("email", "is_active", "joined_at", "last_login")
    actions = (
        "deactivate",
        "reactivate",
        "sign_out_everywhere",
        "remove_second_factors",
        "remove_avatars",
        "give_workspace",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People whose role may do more can be looked at, not changed."""
        if not isinstance(obj, User):
            return super().has_change_permission(request)
        return roles.can_give(by=cast("User", request.user), role=obj.role)

    @display(description="State", label={"active": "success", "deactivated": "warning"})  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_state(self, person: User) -> str:
        return "active" if person.is_active else "deactivated"

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        by = cast("User", request.user)
        person = User.objects.select_related("role").get(pk=obj.pk)
        if "full_name" in form.changed_data:
            profiles.change_profile(person=person, changes={"full_name": obj.full_name}, by=by)
        if "role" in form.changed_data:
            membership.change_role(person=person, role=obj.role, by=by)

    @action(description="Deactivate the chosen people", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no types
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: membership.deactivate_person(person=person, by=by),
            "deactivated",
        )

    @action(description="Let the chosen people in again", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no types
    def reactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: membership.reactivate_person(person=person, by=by),
            "active again",
        )

    @action(description="Sign the chosen people out everywhere", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no types
    def sign_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: sign_ins.sign_out_everywhere(person=person, by=by),
            "signed out everywhere",
        )

    @action(description="Take their pictures away", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no types
    def remove_avatars(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: profiles.remove_avatar(person=person, by=by),
            "without a picture",
        )

    @action(description="Take their second factors away", permissions=["change"])  # type: ignore[untyped-decorator]  # unfold has no types
    def remove_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """For people who have lost their phone or key. Their password is enough again."""
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: second_factors.remove_second_factors(person=person, by=by),
            "without second factors",
        )

    @action(  # type: ignore[untyped-decorator]  # unfold has no types
        description="Give the workspace to the chosen person; you become an admin",
        permissions=["change"],
    )
    def give_workspace(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda person: membership.transfer_ownership(person=person, by=by),
            "the owner now",
        )


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = Invitation
        fields = ["email", "role"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(f"{email} belongs to somebody in this workspace already.")
        return email

    # A second open invitation replaces the first, so that constraint is no reason to refuse the
    # form.
    def validate_constraints(self) -> None:
        """Left to the verb."""


class InvitationAdmin(PeopleAdmin):
    """Letters that let people in."""

    form = InvitationForm
    list_display = ("email", "role", "shown_state", "invited_by", "sent_at", "expires_at")
    list_filter = ("role",)
    list_select_related = ("role", "invited_by")
    search_fields = ("email",)
    actions = ("send_again", "withdraw")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State",
        label={"open": "info", "accepted": "success", "expired": "warning", "withdrawn": "danger"},
    )
    def shown_state(self, invitation: Invitation) -> str:
        return invitation.state

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        kept = invitations.invite_person(
            email=obj.email, role=obj.role, by=cast("User", request.user)
        )
        # The admin goes on with its own object: let it be the one that was kept.
        obj.__dict__.update(kept.__dict__)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Both need the right to invite; there is no other change."""
        actions: dict[str, Any] = super().get_actions(request)
        if not _has(request, "users.manage_people"):
            for name in self.actions:
                actions.pop(name, None)
        return actions

    @action(description="Send the letter again")  # type: ignore[untyped-decorator]  # unfold has no types
    def send_again(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda invitation: invitations.send_letter_again(invitation=invitation, by=by),
            "on the way again",
        )

    @action(description="Withdraw the chosen invitations")  # type: ignore[untyped-decorator]  # unfold has no types
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("role"),
            lambda invitation: invitations.withdraw_invitation(invitation=invitation, by=by),
            "withdrawn",
        )


class ApiTokenAdmin(PeopleAdmin):
    """Which programs act for people here. People make their own; others can take them back."""

    list_display = ("name", "person", "prefix", "shown_state", "last_used_at", "expires_at")
    list_select_related = ("person__role",)
    search_fields = ("name", "prefix", "person__full_name", "person__email")
    fields = (
        *("name", "person", "prefix", "scopes", "created_at", "expires_at"),
        *("last_used_at", "last_used_from", "revoked_at", "revoked_by"),
    )
    readonly_fields = fields
    actions = ("revoke",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _has(request, "users.manage_people")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State", label={"open": "success", "expired": "warning", "revoked": "danger"}
    )
    def shown_state(self, token: ApiToken) -> str:
        return token.state

    @action(description="Revoke the chosen tokens")  # type: ignore[untyped-decorator]  # unfold has no types
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        by = cast("User", request.user)
        self.for_each(
            request,
            queryset.select_related("person__role"),
            lambda token: api_tokens.revoke_token(token=token, by=by),
            "revoked",
        )


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    permissions = forms.MultipleChoiceField(
        required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="May"
    )

    class Meta:
        model = Role
        fields = ["name", "permissions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "permissions" in self.fields:
            field = cast("forms.MultipleChoiceField", self.fields["permissions"])
            field.choices = [
                (app, [(one.name, one.label) for one in group])
                for app, group in permissions_by_app()
            ]


class RoleAdmin(PeopleAdmin):
    """Roles: the builtin ones to be read, own ones to be made."""

    form = RoleForm
    list_display = ("name", "shown_permissions", "builtin")
    search_fields = ("name",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not isinstance(obj, Role):
            return super().has_change_permission(request)
        return not obj.builtin and roles.can_give(by=cast("User", request.user), role=obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)

    @display(description="May")  # type: ignore[untyped-decorator]  # unfold has no types
    def shown_permissions(self, role: Role) -> str:
        if role.slug == OWNER:
            return "everything"
        labels = [p.label for p in registered_permissions() if p.name in role.permissions]
        return ", ".join(labels) or "read what is published"

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        by = cast("User", request.user)
        if change:
            roles.change_role(role=obj, name=obj.name, permissions=obj.permissions, by=by)
        else:
            kept = roles.make_role(name=obj.name, permissions=obj.permissions, by=by)
            obj.__dict__.update(kept.__dict__)

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        roles.delete_role(role=obj, by=cast("User", request.user))


def _has(request: HttpRequest, permission: str) -> bool:
    return request.user.is_authenticated and request.user.has_perm(permission)
