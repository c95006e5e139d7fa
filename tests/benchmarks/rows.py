"""What each benchmarked tenant holds: the same rows everywhere, made by the ORM.

One row differs: the newest article's title names its house, so that an answer of the wrong tenant
is seen.
"""

from datetime import UTC, datetime, timedelta

from shared_apps.tenants import context
from shared_apps.tenants.registry import OwnerDetails, seeders

ARTICLES = 30
MARKED_SLUG = "article-29"
MARK = "News from {house}"

_PARAGRAPH = (
    "The **stairs** are swept on Mondays, the [bins](https://example.com/) go out on Thursdays, "
    "and whoever comes home last puts out the light in the hall. Nobody minds a piano before nine. "
)


OWNER = OwnerDetails(email="ada@example.com", full_name="Ada Archer", password_hash="!")


def seed_rows() -> None:
    """What a sign-up gives a tenant of Terrace, for the baselines, which have no sign-up."""
    for _, seed in seeders():
        seed(tenant=context.require_tenant(), owner=OWNER)


def plant_rows(house: str) -> None:
    """Fill the schema that is set: categories, tags, published articles of its owner.

    Args:
        house: the name that the newest article's title carries.
    Runs in: a tenant's schema (bare: the only one), holding what its seeders made.
    """
    from tenant_apps.articles.models import Article, Category, State, Tag
    from tenant_apps.users.models import User

    author = User.objects.get(email=OWNER.email)
    categories = [Category.objects.create(name=f"Floor {n}", slug=f"floor-{n}") for n in range(4)]
    tags = [Tag.objects.create(name=f"Tag {n}", slug=f"tag-{n}") for n in range(8)]
    first = datetime(2026, 1, 1, 9, tzinfo=UTC)
    articles = Article.objects.bulk_create(
        Article(
            title=MARK.format(house=house) if number == ARTICLES - 1 else f"Article {number}",
            slug=f"article-{number}",
            excerpt="What happened in the house this week, in two sentences. More inside.",
            body="\n\n".join([f"## Part {part}\n\n{_PARAGRAPH * 3}" for part in range(4)]),
            author=author,
            category=categories[number % len(categories)],
            state=State.PUBLISHED,
            published_at=first + timedelta(hours=number),
            published_by=author,
        )
        for number in range(ARTICLES)
    )
    through = Article.tags.through
    through.objects.bulk_create(
        through(article_id=article.pk, tag_id=tags[(number + step) % len(tags)].pk)
        for number, article in enumerate(articles)
        for step in range(2)
    )
