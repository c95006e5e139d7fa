"""Categories and tags of another system, made here where they are not. Runs in the tenant's schema."""

from collections.abc import Iterable, Mapping

from tenant_apps.articles import sorting
from tenant_apps.articles.models import SLUG_LENGTH, Category, MovedAddress, Tag
from tenant_apps.articles.moving_in.addresses import normal_address
from tenant_apps.articles.moving_in.records import TermRecord
from tenant_apps.articles.writing import find_or_make_tags
from tenant_apps.slugs import slug_from
from tenant_apps.users.models import User

_NAME_LENGTH = 80
_TAG_LENGTH = 60
# What WordPress gives to an article that has no category.
NO_CATEGORY = "uncategorized"


def slug_of(term: TermRecord) -> str:
    return slug_from(term.slug or term.name, max_length=SLUG_LENGTH)


def make_categories(terms: Iterable[TermRecord], *, by: User) -> dict[str, Category]:
    """The categories by their slug, each below the one that it stood below. Those that are here already
    stay where they are.

    A tree that bites its own tail is cut where it does.
    """
    wanted: dict[str, TermRecord] = {}
    for term in terms:
        slug = slug_of(term)
        if term.kind == "category" and slug and slug != NO_CATEGORY:
            # The first of a slug is the file's own list's, which knows what stands above.
            wanted.setdefault(slug, term)
    found = {one.slug: one for one in Category.objects.filter(slug__in=wanted)}
    for slug in wanted:
        _make(slug, wanted, found, by=by, above=set())
    return found


def _make(
    slug: str,
    wanted: Mapping[str, TermRecord],
    found: dict[str, Category],
    *,
    by: User,
    above: set[str],
) -> Category | None:
    if slug in found:
        return found[slug]
    if slug not in wanted or slug in above:
        return None
    term = wanted[slug]
    parent_slug = slug_from(term.parent, max_length=SLUG_LENGTH)
    parent = _make(parent_slug, wanted, found, by=by, above={*above, slug})
    # Made on the way, where the tree bites its own tail.
    if slug not in found:
        name = (term.name or slug)[:_NAME_LENGTH]
        found[slug] = sorting.place_category(
            category=Category(name=name, slug=slug, parent=parent), by=by
        )
    return found[slug]


def make_tags(names: Iterable[str]) -> dict[str, Tag]:
    """The tags by their slug."""
    return {tag.slug: tag for tag in find_or_make_tags([name[:_TAG_LENGTH] for name in names])}


def keep_addresses(
    terms: Iterable[TermRecord], *, categories: Mapping[str, Category], tags: Mapping[str, Tag]
) -> None:
    """Where WordPress and Ghost show them unless told otherwise: those addresses lead here."""
    rows = []
    for term in terms:
        place = (categories if term.kind == "category" else tags).get(slug_of(term))
        address = normal_address(f"/{term.kind}/{term.slug or slug_of(term)}")
        if place is not None and address:
            rows.append(MovedAddress(address=address, **{term.kind: place}))
    MovedAddress.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
