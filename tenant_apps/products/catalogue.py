"""Adding, changing and selling products. Each verb runs in the tenant's schema."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenant_apps.activity import trail, webhooks
from tenant_apps.products import picture_files, stock, stock_alerts
from tenant_apps.products.descriptions import clean_description
from tenant_apps.products.errors import (
    CategoryInCircle,
    CategoryInUse,
    CategoryTaken,
    CategoryTooDeep,
    CompareAtTooLow,
    HandleReserved,
    HandleTaken,
    NoVariant,
    OptionsInvalid,
    OptionsTaken,
    PercentInvalid,
    PriceInvalid,
    SkuTaken,
    StockInvalid,
    TooManyOptions,
    WrongState,
)
from tenant_apps.products.models import (
    CATEGORY_PATH_LENGTH,
    HANDLE_LENGTH,
    MAX_OPTIONS,
    RESERVED_HANDLES,
    Category,
    MovementReason,
    OldHandle,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
)
from tenant_apps.products.money import MAX_MINOR
from tenant_apps.products.permissions import require_change, require_delete, require_publish
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User

Part: TypeAlias = ProductVariant | ProductOption | ProductImage
_PATH_SEPARATOR = " > "
MIN_PERCENT, MAX_PERCENT = -99, 1_000


def add_product(*, product: Product, by: User) -> Product:
    """Keep a new product, as a draft. Without a handle it gets one from its title.

    Raises:
        NotAllowed: `by` may not change products.
        HandleTaken: another product has the handle.
        HandleReserved: the platform has a page at this address.
    """
    require_change(by)
    product.handle = product.handle or free_handle(product.title)
    product.description_html = clean_description(product.description_html)
    with transaction.atomic():
        _save(product, force_insert=True)
        trail.record(
            verb="product.added", subject=product, actor=by, after={"title": product.title}
        )
        webhooks.announce("product.created", product)
    return product


def change_product(*, product: Product, changes: Mapping[str, Any], by: User) -> Product:
    """Change the fields that are given and leave the rest.

    Raises:
        NotAllowed, HandleTaken, HandleReserved: as add_product.
    """
    require_change(by)
    values = dict(changes)
    if "description_html" in values:
        values["description_html"] = clean_description(values["description_html"])
    with transaction.atomic():
        row = _locked(product)
        fields = [name for name in values if getattr(row, name) != values[name]]
        if not fields:
            return product
        for name in fields:
            setattr(product, name, values[name])
        product.updated_at = timezone.now()
        _save(product, update_fields=[*fields, "updated_at"])
        if "handle" in fields:
            _remember_handle(product, left=row.handle)
        trail.record(
            verb="product.changed",
            subject=product,
            actor=by,
            before={name: _brief(getattr(row, name)) for name in fields},
            after={name: _brief(values[name]) for name in fields},
        )
        webhooks.announce("product.updated", product)
    return product


def change_parts(
    *,
    product: Product,
    kept: Iterable[Part] = (),
    removed: Iterable[Part] = (),
    uncounted: Collection[Part] = (),
    by: User,
) -> Product:
    """Keep new and changed variants, options and pictures of a product, and delete others.

    A variant's stock becomes what its `stock_quantity` says, by a movement. The movements of a
    deleted variant stay, with its label.

    Args:
        kept: the product's parts that are new or changed.
        removed: parts that are deleted, before the others are kept.
        uncounted: variants of `kept` whose stock nobody has counted: it stays as it is, whatever
            `stock_quantity` says.
    Raises:
        NotAllowed: `by` may not change products.
        NoVariant: the product is on sale and would be left without a price.
        PriceInvalid, CompareAtTooLow, StockInvalid, SkuTaken, OptionsTaken, TooManyOptions: a part is
            not as it may be. Nothing is written.
        ValueError: a part is another product's.
    """
    require_change(by)
    kept, removed = list(kept), list(removed)
    if any(part.product_id != product.pk for part in (*kept, *removed)):
        raise ValueError("A part of another product cannot be changed with this one.")
    if not kept and not removed:
        return product
    variants = [part for part in kept if isinstance(part, ProductVariant)]
    skips_count = {part.pk for part in uncounted}
    for part in kept:
        _check_part(part, is_counted=part.pk not in skips_count)
    with transaction.atomic():
        row = _locked(product)
        before, after = _parts_in_words(removed), _parts_in_words(kept)
        picture_files.forget_files(part.url for part in removed if isinstance(part, ProductImage))
        for part in removed:
            part.delete()
        for part in kept:
            if not isinstance(part, ProductVariant):
                part.save()
        _keep_variants(variants, skips_count, by)
        if row.state == State.PUBLISHED and not _has_variant(product):
            raise NoVariant(
                f'"{product}" is on sale, and this would take its last variant and so its price. '
                "Take it back to draft first, or add another variant."
            )
        product.updated_at = timezone.now()
        product.save(update_fields=["updated_at"])
        trail.record(verb="product.changed", subject=product, actor=by, before=before, after=after)
        webhooks.announce("product.updated", product)
    return product


def name_options(*, product: Product, names: Sequence[str], by: User) -> Product:
    """Name what a product's variants differ in, all of it anew. What variants have stays in its place.

    Args:
        names: MAX_OPTIONS at most, in their order; none where there is one variant alone.
    Raises:
        NotAllowed: `by` may not change products.
        OptionsInvalid: too many names, one that is empty or stands there twice, or a place is left
            without a name in which variants differ.
    """
    require_change(by)
    wanted = [name.strip() for name in names]
    if len(wanted) > MAX_OPTIONS or not all(wanted):
        raise OptionsInvalid(f"Name {MAX_OPTIONS} options at most, each with a name.")
    if len({name.casefold() for name in wanted}) < len(wanted):
        raise OptionsInvalid("Two options have the same name. Give each one of its own.")
    with transaction.atomic():
        _locked(product)
        unnamed = [f"option{place}" for place in range(len(wanted) + 1, MAX_OPTIONS + 1)]
        if any(product.variants.exclude(**{column: ""}).exists() for column in unnamed):
            raise OptionsInvalid(
                "Variants of this product have a value for an option that would have no name. "
                "Change the variants first, or name it."
            )
        there = {option.position: option for option in product.options.all()}
        kept = []
        for place, name in enumerate(wanted, start=1):
            option = there.pop(place, None) or ProductOption(product=product, position=place)
            if option.name != name:
                option.name = name
                kept.append(option)
        return change_parts(product=product, kept=kept, removed=there.values(), by=by)


def check_prices(*, price_minor: int, compare_at_minor: int | None) -> None:
    """Refuse a price that cannot be, or a price before that is lower.

    Args:
        price_minor, compare_at_minor: in the currency's minor units.
    Raises:
        PriceInvalid, CompareAtTooLow.
    """
    if not 0 <= price_minor <= MAX_MINOR:
        raise PriceInvalid("A price cannot be negative, and has 15 digits at most.")
    if compare_at_minor is not None and compare_at_minor < price_minor:
        raise CompareAtTooLow(
            "The price before is lower than the price. Write a higher one, or leave it empty."
        )


def find_sku_owner(*, sku: str, besides: UUID | None = None) -> ProductVariant | None:
    """The variant that has this SKU already.

    Args:
        besides: the key of the variant that is to get it.
    """
    others = ProductVariant.objects.filter(sku=sku).exclude(sku="")
    if besides is not None:
        others = others.exclude(pk=besides)
    return others.select_related("product").order_by("pk").first()


def publish_product(*, product: Product, by: User) -> Product:
    """Put it on sale. Raises NotAllowed, WrongState, NoVariant."""
    require_publish(by)
    with transaction.atomic():
        _locked(product)
        if not _has_variant(product):
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


def feature_product(*, product: Product, by: User) -> Product:
    """Put it in front, where visitors see it first. Raises NotAllowed, WrongState."""
    require_publish(by)
    return _mark_featured(product, by=by, featured=True)


def unfeature_product(*, product: Product, by: User) -> Product:
    """Put it back among the others. Raises NotAllowed, WrongState."""
    require_publish(by)
    return _mark_featured(product, by=by, featured=False)


def change_prices(*, product: Product, percent: Decimal, by: User) -> Product:
    """Make all its variants dearer or cheaper, rounded to the currency's smallest unit.

    The price before a reduction stays as it is.

    Args:
        percent: -10 makes 18.00 to 16.20; -99 to 1,000, not 0.
    Raises:
        NotAllowed: `by` may not change products.
        PercentInvalid: it is out of that range.
        CompareAtTooLow, PriceInvalid: a variant would cost more than before its reduction, or more
            than can be kept. Nothing is written.
    """
    require_change(by)
    if not percent or not MIN_PERCENT <= percent <= MAX_PERCENT:
        raise PercentInvalid(
            f"Write a percentage from {MIN_PERCENT} to {MAX_PERCENT:,}, other than 0; -10 makes "
            "everything a tenth cheaper."
        )
    with transaction.atomic():
        _locked(product)
        variants = list(product.variants.select_for_update(no_key=True).order_by("pk"))
        before = {str(variant): variant.price_minor for variant in variants}
        for variant in variants:
            exact = variant.price_minor * (100 + percent) / 100
            variant.price_minor = int(exact.to_integral_value(rounding=ROUND_HALF_UP))
            check_prices(price_minor=variant.price_minor, compare_at_minor=variant.compare_at_minor)
            variant.save(update_fields=["price_minor"])
        product.updated_at = timezone.now()
        product.save(update_fields=["updated_at"])
        trail.record(
            verb="product.repriced",
            subject=product,
            actor=by,
            before=before,
            after={str(variant): variant.price_minor for variant in variants},
        )
        webhooks.announce("product.updated", product)
    return product


def delete_product(*, product: Product, by: User) -> None:
    """Delete it with its variants, pictures and stock movements. Raises NotAllowed."""
    require_delete(by)
    with transaction.atomic():
        trail.record(
            verb="product.deleted", subject=product, actor=by, before={"title": product.title}
        )
        webhooks.announce("product.deleted", product)
        addresses = product.images.values_list("url", flat=True)
        picture_files.forget_files(list(addresses))
        product.delete()


def place_category(*, category: Category, by: User) -> Category:
    """Save a category, new or changed, and the paths of all that stand below it.

    Raises:
        NotAllowed: `by` may not change products.
        CategoryTaken: another one has this name at this place, or this address.
        CategoryTooDeep: the names from the root on are longer than can be kept.
        CategoryInCircle: it would stand below itself.
    """
    require_change(by)
    is_new = category._state.adding
    with transaction.atomic():
        _refuse_circle(category)
        before: dict[str, Any] = {}
        if not is_new:
            before |= Category.objects.filter(pk=category.pk).values("name", "path", "slug").get()
        _place(category)
        after: dict[str, Any] = {
            "name": category.name,
            "path": category.path,
            "slug": category.slug,
        }
        changed = [name for name in after if is_new or before[name] != after[name]]
        if changed:
            trail.record(
                verb="category.added" if is_new else "category.changed",
                subject=category,
                actor=by,
                before={name: before[name] for name in changed if name in before},
                after={name: after[name] for name in changed},
            )
    return category


def delete_category(*, category: Category, by: User) -> None:
    """Delete it. Its products stay, without a category.

    Raises:
        NotAllowed: `by` may not delete products.
        CategoryInUse: other categories stand below it.
    """
    require_delete(by)
    if category.children.exists():
        raise CategoryInUse(
            f'Other categories stand below "{category}". Move or delete them first.'
        )
    with transaction.atomic():
        trail.record(
            verb="category.deleted",
            subject=category,
            actor=by,
            before={"path": category.path, "slug": category.slug},
        )
        category.delete()


def free_handle(title: str) -> str:
    """A handle from the title that no product and no page of the platform has."""
    base = slug_from(title, max_length=HANDLE_LENGTH - 10) or "product"
    taken = set(Product.objects.filter(handle__startswith=base).values_list("handle", flat=True))
    taken |= RESERVED_HANDLES
    free, number = base, 2
    while free in taken:
        free = f"{base}-{number}"
        number += 1
    return free


def _locked(product: Product) -> Product:
    """The product's row as it is now, locked until the transaction ends."""
    # Not its key: a movement of stock refers to it and need not wait.
    rows = Product.objects.select_related("category").select_for_update(of=("self",), no_key=True)
    return rows.get(pk=product.pk)


def _remember_handle(product: Product, *, left: str) -> None:
    """Have the old address lead to the new one. A handle that is in use again leads nowhere else."""
    OldHandle.objects.filter(handle=product.handle).delete()
    OldHandle.objects.update_or_create(
        handle=left, defaults={"product": product, "left_at": timezone.now()}
    )


def _has_variant(product: Product) -> bool:
    return ProductVariant.objects.filter(product=product).exists()


def _check_part(part: Part, *, is_counted: bool) -> None:
    if isinstance(part, ProductOption) and not 1 <= part.position <= MAX_OPTIONS:
        raise TooManyOptions(
            f"A product has {MAX_OPTIONS} options at most. Give this one the place 1 to {MAX_OPTIONS}."
        )
    if isinstance(part, ProductVariant):
        check_prices(price_minor=part.price_minor, compare_at_minor=part.compare_at_minor)
        if is_counted and part.stock_quantity < 0 and not part.sells_when_out:
            raise StockInvalid("Stock cannot be negative. Write 0 or more.", field="stock_quantity")


def _keep_variants(variants: list[ProductVariant], skips_count: set[UUID | int], by: User) -> None:
    known = dict(
        ProductVariant.objects.filter(pk__in=[variant.pk for variant in variants])
        .select_for_update(no_key=True)
        .order_by("pk")
        .values_list("pk", "sku")
    )
    moves = [
        stock.Move(variant, quantity=variant.stock_quantity)
        for variant in variants
        if variant.pk not in skips_count
    ]
    # Stock may be negative only while the variant is sold when it is out: let it first, forbid it
    # last.
    ordered = sorted(variants, key=lambda variant: not variant.sells_when_out)
    first = [one for one in ordered if one._state.adding or one.sells_when_out]
    for variant in first:
        _save_variant(variant)
    stock.carry_out(moves=moves, reason=MovementReason.COUNTED, by=by)
    for variant in ordered:
        if variant not in first:
            _save_variant(variant)
        if variant.sku and known.get(variant.pk) != variant.sku:
            _refuse_taken_sku(variant)
    stored = ProductVariant.objects.filter(pk__in=[variant.pk for variant in variants])
    stock_alerts.note_levels(variants=stored, by=by)


def _save_variant(variant: ProductVariant) -> None:
    quantity = variant.stock_quantity
    try:
        with transaction.atomic():
            if variant._state.adding:
                variant.stock_quantity = 0
                variant.save(force_insert=True)
            else:
                columns = [one.name for one in variant._meta.concrete_fields if not one.primary_key]
                variant.save(update_fields=[name for name in columns if name != "stock_quantity"])
    except IntegrityError as error:
        broken = _broken_constraint(error)
        if broken == "products_variant_options":
            raise OptionsTaken(
                f'The product has a variant "{variant}" already. Each differs in at least one option.'
            ) from error
        if broken == "products_variant_stock_not_below_zero":
            raise StockInvalid(
                f'"{variant}" has less than nothing in stock, so it must be sold when it is out. '
                "Count it first.",
                field="stock_quantity",
            ) from error
        raise
    finally:
        variant.stock_quantity = quantity


def _refuse_taken_sku(variant: ProductVariant) -> None:
    owner = find_sku_owner(sku=variant.sku, besides=variant.pk)
    if owner is not None:
        raise SkuTaken(
            f'Another variant has the SKU "{variant.sku}" already: {owner.product}, {owner}. '
            "Choose another one."
        )


def _parts_in_words(parts: Iterable[Part]) -> dict[str, list[str]]:
    """For the trail: what kind, and which."""
    words: dict[str, list[str]] = {}
    for part in parts:
        text = str(part)
        if isinstance(part, ProductVariant):
            sku = f"SKU {part.sku}, " if part.sku else ""
            text = f"{text} ({sku}{part.stock_quantity} in stock)"
        words.setdefault(_KINDS[type(part)], []).append(text)
    return words


_KINDS: dict[type[Part], str] = {
    ProductVariant: "variants",
    ProductOption: "options",
    ProductImage: "pictures",
}


def _refuse_circle(category: Category) -> None:
    if category._state.adding:
        return
    # Locked, so that two moves at once cannot put two categories below each other.
    parents = dict(
        Category.objects.select_for_update().order_by("pk").values_list("pk", "parent_id")
    )
    above = category.parent_id
    while above is not None:
        if above == category.pk:
            raise CategoryInCircle(
                f'"{category}" cannot stand below itself. Choose a category that is not below it.'
            )
        above = parents.get(above)


def _place(category: Category) -> None:
    above = f"{category.parent.path}{_PATH_SEPARATOR}" if category.parent else ""
    category.path = above + category.name
    if len(category.path) > CATEGORY_PATH_LENGTH:
        raise CategoryTooDeep(
            f'"{category.path[:80]}…" has {len(category.path)} characters from the root on; '
            f"{CATEGORY_PATH_LENGTH} is the most that fits. Give shorter names, or place it higher up."
        )
    try:
        with transaction.atomic():
            category.save()
    except IntegrityError as error:
        broken = _broken_constraint(error)
        if broken == "products_category_path":
            raise CategoryTaken(
                f'There is a category "{category.path}" already. Give it another name or place.',
                field="name",
            ) from error
        if broken == "products_category_slug":
            raise CategoryTaken(
                f'Another category has the address "{category.slug}" already. Choose another one.',
                field="slug",
            ) from error
        raise
    for child in category.children.all():
        child.parent = category
        _place(child)


def _mark_featured(product: Product, *, by: User, featured: bool) -> Product:
    with transaction.atomic():
        row = _locked(product)
        if row.is_featured is featured:
            state = "featured already" if featured else "not featured"
            raise WrongState(f'"{product}" is {state}.')
        product.featured_at = timezone.now() if featured else None
        product.featured_by = by if featured else None
        product.save(update_fields=["featured_at", "featured_by"])
        verb = "product.featured" if featured else "product.unfeatured"
        trail.record(verb=verb, subject=product, actor=by)
    return product


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
        webhooks.announce(verb, product)
    return product


def _save(product: Product, **options: Any) -> None:
    if product.handle in RESERVED_HANDLES:
        raise HandleReserved(
            f'"{product.handle}" is the address of another page. Choose another handle.'
        )
    try:
        with transaction.atomic():
            product.save(**options)
    except IntegrityError as error:
        if _broken_constraint(error) == "products_product_handle":
            raise HandleTaken(
                f'Another product has the handle "{product.handle}" already. Choose another one.'
            ) from error
        raise


def _broken_constraint(error: IntegrityError) -> str:
    # psycopg names the constraint that was broken (Error.diag).
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""


def _brief(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 200:  # noqa: PLR2004 (a line of the trail)
        return f"{value[:200]}…"
    return str(value) if isinstance(value, Category) else value
