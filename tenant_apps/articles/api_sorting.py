"""Categories, tags and old addresses of articles under /api/v1/."""

from typing import Any, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.activity.generation import current_generation
from tenant_apps.api.pagination import ByLabel, Numbered
from tenant_apps.articles import permissions, selectors, sorting, writing
from tenant_apps.articles.api import carried_out, checked
from tenant_apps.articles.filters import OldAddressFilter
from tenant_apps.articles.models import Category, OldAddress, Tag
from tenant_apps.articles.serializers import (
    CategoryBranchSerializer,
    CategorySerializer,
    MergeInput,
    OldAddressSerializer,
    TagInput,
    TagSerializer,
)
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User


class CategoryViewSet(GenericViewSet[Category]):
    """The categories of articles: read by all, arranged by those whose role allows it."""

    pagination_class = ByLabel
    lookup_value_converter = "int"
    serializer_class = CategorySerializer
    needs_if_match = True
    search_fields = ["name"]

    def get_queryset(self) -> QuerySet[Category]:
        return Category.objects.select_related("parent")

    def list(self, request: Request) -> Response:
        """By their names."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(CategorySerializer(page, many=True).data)

    @extend_schema(responses=CategoryBranchSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=Numbered, filter_backends=[])
    def tree(self, request: Request) -> Response:
        """The whole tree: each category below its own, with how much there is to read in it and below
        it."""
        rows = selectors.category_tree(person=request.user, generation=current_generation())
        page: Any = self.paginate_queryset(cast("Any", rows))
        return self.get_paginated_response(CategoryBranchSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(CategorySerializer(self.get_object()).data)

    @extend_schema(responses={201: CategorySerializer})
    def create(self, request: Request) -> Response:
        """Make a category."""
        permissions.require_arrange(request.user)
        made = self._placed(request, Category())
        return Response(CategorySerializer(made).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename or move a category."""
        permissions.require_arrange(request.user)
        self._placed(request, self.get_object())
        return Response(CategorySerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a category that has none below it; its articles stay."""
        permissions.require_arrange(request.user)
        sorting.delete_category(category=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _placed(self, request: Request, category: Category) -> Category:
        told = checked(CategorySerializer, request, partial=not category._state.adding)
        for name, value in told.items():
            setattr(category, name, value)
        category.slug = category.slug or slug_from(category.name, max_length=120) or "category"
        by = cast("User", request.user)
        return carried_out(lambda: sorting.place_category(category=category, by=by))


class TagViewSet(GenericViewSet[Tag]):
    """Tags: read by all where there is something to read, arranged by those whose role allows it."""

    pagination_class = ByLabel
    lookup_value_converter = "int"
    serializer_class = TagSerializer
    needs_if_match = True
    search_fields = ["name"]

    def get_queryset(self) -> QuerySet[Tag]:
        return permissions.tags_visible_to(self.request.user)

    def list(self, request: Request) -> Response:
        """By their names."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TagSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(TagSerializer(self.get_object()).data)

    @extend_schema(request=TagInput, responses=TagSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a tag."""
        permissions.require_arrange(request.user)
        tag = self.get_object()
        for name, value in checked(TagInput, request, partial=True).items():
            setattr(tag, name, value)
        carried_out(lambda: sorting.keep_tag(tag=tag, by=cast("User", request.user)))
        return Response(TagSerializer(self.get_object()).data)

    @extend_schema(request=MergeInput, responses=TagSerializer)
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: int) -> Response:
        """Give its articles to another tag, and delete it. The answer is the tag that stays."""
        permissions.require_arrange(request.user)
        tag = self.get_object()
        into = get_object_or_404(Tag, pk=checked(MergeInput, request)["into"])
        sorting.merge_tags(tag=tag, into=into, by=cast("User", request.user))
        self.check_object_permissions(request, into)
        return Response(TagSerializer(into).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a tag, and take it from its articles."""
        permissions.require_arrange(request.user)
        sorting.delete_tag(tag=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OldAddressViewSet(GenericViewSet[OldAddress]):
    """Addresses that articles had before and that lead to them; for those who may change them."""

    lookup_value_converter = "int"
    serializer_class = OldAddressSerializer
    filterset_class = OldAddressFilter

    def get_queryset(self) -> QuerySet[OldAddress]:
        articles = permissions.changeable_by(self.request.user)
        return OldAddress.objects.filter(article__in=articles).select_related("article")

    def list(self, request: Request) -> Response:
        """The newest first."""
        permissions.require_write(request.user)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(OldAddressSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(OldAddressSerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Let it lead nowhere, so that another article may have it."""
        writing.give_up_address(address=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)
