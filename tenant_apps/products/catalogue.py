"""Adding, changing and selling products. Each verb runs in the tenant's schema."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenant_apps.activity import trail
from tenant_apps.products.descriptions import clean_description
from tenant_apps.products.errors import HandleTaken, NoVariant, WrongState
from tenant_apps.products.models import HANDLE_LENGTH, Category, Product, State
from tenant_apps.products.permissions import require_change, require_delete, require_publish
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User


def add_product(*, product: Product, by: User) -> Product:
    """Keep a new product, as a draft. Without a handle it gets one from its title.

    Raises:
        NotAllowed: `by` may not change products.
        HandleTaken: another product has the handle.
    """
    require_change(by)
    product.handle = product.handle or free_handle(product.title)
    product.description_html = clean_description(product.description_html)
    _save(product, force_insert=True)
    trail.record(verb="product.added", subject=product, actor=by, after={"title": product.title})
    return product


def change_product(*, product: Product, changes: Mapping[str, Any], by: User) -> Product:
    """Change the fields that are given and leave the rest. Raises NotAllowed, HandleTaken."""
    require_change(by)
    values = dict(changes)
    if "description_html" in values:
        values["description_html"] = clean_description(values["description_html"])
    row = Product.objects.select_related("category").get(pk=product.pk)
    fields = [name for name in values if getattr(row, name) != values[name]]
    if not fields:
        return product
    for name in fields:
        setattr(product, name, values[name])
    product.updated_at = timezone.now()
    _save(product, update_fields=[*fields, "updated_at"])
    trail.record(
        verb="product.changed",
        subject=product,
        actor=by,
        before={name: _brief(getattr(row, name)) for name in fields},
        after={name: _brief(values[name]) for name in fields},
    )
    return product


def publish_product(*, product: Product, by: User) -> Product:
    """Put it on sale. Raises NotAllowed, WrongState, NoVariant."""
    require_publish(by)
    if not product.variants.exists():
        raise NoVariant(f'"{product}" has no variant, so it has no price. Add one first.')
    return _step(
        product,
        to=State.PUBLISHED,
        starts_from={State.DRAFT, State.ARCHIVED},
        by=by,
        verb="product.published",
        published_at=product.published_at or timezone.now(),
        published_by=by,
        archived_at=None,
        archived_by=None,
    )


def unpublish_product(*, product: Product, by: User) -> Product:
    """Take it off sale, back to draft. Raises NotAllowed, WrongState."""
    require_publish(by)
    return _step(
        product, to=State.DRAFT, starts_from={State.PUBLISHED}, by=by, verb="product.unpublished"
    )


def archive_product(*, product: Product, by: User) -> Product:
    """Take it off sale for good and keep it. Raises NotAllowed, WrongState."""
    require_publish(by)
    return _step(
        product,
        to=State.ARCHIVED,
        starts_from={State.DRAFT, State.PUBLISHED},
        by=by,
        verb="product.archived",
        archived_at=timezone.now(),
        archived_by=by,
    )


def delete_product(*, product: Product, by: User) -> None:
    """Delete it with its variants, pictures and stock movements. Raises NotAllowed."""
    require_delete(by)
    with transaction.atomic():
        trail.record(
            verb="product.deleted", subject=product, actor=by, before={"title": product.title}
        )
        product.delete()


def place_category(*, category: Category, by: User) -> Category:
    """Save a category and the paths of all that stand below it. Raises NotAllowed."""
    require_change(by)
    with transaction.atomic():
        category.path = (
            f"{category.parent.path} > {category.name}" if category.parent else category.name
        )
        category.save()
        for child in category.children.all():
            child.parent = category
            place_category(category=child, by=by)
    return category


def free_handle(title: str) -> str:
    """A handle from the title that no product has."""
    base = slug_from(title, max_length=HANDLE_LENGTH - 10) or "product"
    taken = set(Product.objects.filter(handle__startswith=base).values_list("handle", flat=True))
    free, number = base, 2
    while free in taken:
        free = f"{base}-{number}"
        number += 1
    return free


def _step(
    product: Product, *, to: State, starts_from: set[State], by: User, verb: str, **marks: Any
) -> Product:
    with transaction.atomic():
        before = (
            Product.objects.select_for_update().values_list("state", flat=True).get(pk=product.pk)
        )
        if before not in starts_from:
            raise WrongState(
                f'"{product}" is {State(before).label.lower()}; this step starts from '
                f"{' or '.join(sorted(state.label.lower() for state in starts_from))}."
            )
        product.state = to
        for name, value in marks.items():
            setattr(product, name, value)
        product.save(update_fields=["state", *marks])
        trail.record(
            verb=verb, subject=product, actor=by, before={"state": before}, after={"state": to}
        )
    return product


def _save(product: Product, **options: Any) -> None:
    try:
        with transaction.atomic():
            product.save(**options)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == "products_product_handle":
            raise HandleTaken(
                f'Another product has the handle "{product.handle}" already. Choose another one.'
            ) from error
        raise


def _brief(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 200:  # noqa: PLR2004 (a line of the trail)
        return f"{value[:200]}…"
    return str(value) if isinstance(value, Category) else value
