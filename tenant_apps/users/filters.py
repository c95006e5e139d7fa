"""What lists of people can be narrowed down by."""

from django_filters.rest_framework import CharFilter, FilterSet

from tenant_apps.users.models import Invitation, User


class PeopleFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    role = CharFilter(field_name="role__slug", label="The slug of a role")

    class Meta:
        model = User
        fields = ["role", "is_active", "email"]


class InvitationFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    role = CharFilter(field_name="role__slug", label="The slug of a role")

    class Meta:
        model = Invitation
        fields = ["role", "email"]
