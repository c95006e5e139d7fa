"""Two tenants that look lived in: a pottery and a cycle workshop.

For trying Terrace out, never for production: the people's password is known.
"""

import math
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from tenant_apps.articles import publishing, writing
from tenant_apps.articles.models import Article, DailyViews
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.products import catalogue, stock
from tenant_apps.products.figures import figures_of_stock
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product, ProductImage, ProductOption, ProductVariant
from tenant_apps.slugs import slug_from
from tenant_apps.users import membership
from tenant_apps.users.models import User
from tenant_apps.users.permissions import ADMIN, AUTHOR, EDITOR, MEMBER
from tenant_apps.users.roles import get_role
from tenant_apps.workspace import branding, configuration
from tenant_apps.workspace.models import DayFigures
from tenant_apps.workspace.selectors import current_workspace

Theme = Literal["acme", "globex"]


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody beside the owner. `role` is a slug."""

    email: str
    full_name: str
    role: str


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant as its file in demo_content describes it."""

    name: str
    owner_email: str
    owner_name: str
    tagline: str
    currency: str
    time_zone: str
    people: tuple[DemoPerson, ...]
    articles: list[dict[str, Any]]
    products: list[dict[str, Any]]
    look: dict[str, Any] = field(default_factory=dict)


def _read(theme: str) -> DemoTenant:
    path = Path(__file__).parent / "demo_content" / f"{theme}.toml"
    content = tomllib.loads(path.read_text())
    domain = content.pop("mail_domain")
    people = zip((ADMIN, EDITOR, AUTHOR, MEMBER), content.pop("people"), strict=True)
    return DemoTenant(
        owner_email=f"owner@{domain}",
        people=tuple(DemoPerson(f"{role}@{domain}", name, role) for role, name in people),
        **content,
    )


THEMES: dict[Theme, DemoTenant] = {"acme": _read("acme"), "globex": _read("globex")}


def furnish(*, theme: Theme, owner_email: str, password: str) -> None:
    """Fill the tenant that is set with people, articles and products.

    Safe to repeat: it adds what is missing and changes nothing that is there.

    Args:
        theme: which of the two.
        owner_email: of the owner, who is there already, from the seeder.
        password: in clear text, for all people; it is printed for whoever tries Terrace out.
    """
    demo = THEMES[theme]
    with transaction.atomic():
        owner = User.objects.select_related("role").get(email=owner_email)
        if not owner.has_usable_password():
            owner.set_password(password)
            owner.save(update_fields=["password"])
        people = _people(demo, password)
        if not Article.objects.exists():
            settings = {
                "tagline": demo.tagline,
                "currency": demo.currency,
                "time_zone": demo.time_zone,
            }
            configuration.change_settings(changes=settings, by=owner)
            if demo.look:
                branding.change_look(changes=demo.look, by=owner)
                branding.publish_look(by=owner)
        _articles(demo.articles, people)
        _products(demo.products, owner)
        _days()


def _people(demo: DemoTenant, password: str) -> dict[str, User]:
    people = {}
    for person in demo.people:
        user = User.objects.select_related("role").filter(email=person.email).first()
        people[person.role] = user or membership.add_person(
            email=person.email,
            full_name=person.full_name,
            role=get_role(person.role),
            password=password,
            email_confirmed=True,
        )
    return people


def _articles(articles: list[dict[str, Any]], people: dict[str, User]) -> None:
    now = timezone.now()
    for index, text in enumerate(articles):
        if Article.objects.filter(title=text["title"]).exists():
            continue
        category, _ = ArticleCategory.objects.get_or_create(
            slug=slug_from(text["category"], max_length=100), defaults={"name": text["category"]}
        )
        author = people[AUTHOR if index % 3 else EDITOR]
        article = writing.create_article(
            title=text["title"],
            excerpt=text["excerpt"],
            body=text["body"],
            category=category,
            tags=text["tags"],
            by=author,
        )
        if text["state"] == "published":
            publishing.publish_article(article=article, by=people[EDITOR])
            # Spread over the past weeks, as in a workspace that lives.
            article.published_at = now - timedelta(days=6 * index + 1, hours=3 * index)
            article.save(update_fields=["published_at"])
        elif text["state"] == "in_review":
            publishing.submit_article(article=article, by=author)


def _products(products: list[dict[str, Any]], owner: User) -> None:
    # The newest stands first on the pages: begin at the end.
    for item in reversed(products):
        handle = slug_from(item["title"], max_length=200)
        if Product.objects.filter(handle=handle).exists():
            continue
        product = catalogue.add_product(
            product=Product(
                title=item["title"],
                handle=handle,
                description_html=item["description_html"],
                vendor=item["vendor"],
                product_type=item["category"],
                category=_product_category(item["category"], owner),
                tags=item["tags"],
            ),
            by=owner,
        )
        if item["image"]:
            ProductImage.objects.create(
                product=product, url=f"/static/demo/{item['image']}.svg", alt=item["title"]
            )
        for position, name in enumerate(item["options"], start=1):
            ProductOption.objects.create(product=product, position=position, name=name)
        _variants(product, item, owner)
        if item["on_sale"]:
            catalogue.publish_product(product=product, by=owner)


def _variants(product: Product, item: dict[str, Any], owner: User) -> None:
    for position, choice in enumerate(item["variants"], start=1):
        values = dict(zip(("option1", "option2", "option3"), choice["values"], strict=False))
        variant = ProductVariant.objects.create(
            product=product,
            position=position,
            sku=f"{item['sku']}-{position:02d}",
            price_minor=choice["price_minor"],
            compare_at_minor=choice.get("compare_at_minor"),
            weight_grams=item["weight_grams"],
            tracks_stock=True,
            **values,
        )
        stock.count_stock(variant=variant, quantity=choice["stock"], by=owner, note="Opening stock")


def _product_category(name: str, owner: User) -> ProductCategory:
    slug = slug_from(name, max_length=100)
    found = ProductCategory.objects.filter(slug=slug).first()
    return found or catalogue.place_category(
        category=ProductCategory(name=name, slug=slug), by=owner
    )


# A week in a small shop's life: quiet at its beginning, busy towards its end.
_WEEK = (0.8, 0.85, 0.9, 1.0, 1.15, 1.4, 1.2)
_DAYS = 75


def _days() -> None:
    """Readers and figures of the last weeks, so that the dashboard has something to show: the same for
    everybody who tries Terrace out."""
    if DayFigures.objects.exists():
        return
    articles = list(Article.objects.published().values_list("pk", flat=True))
    today = timezone.now().astimezone(ZoneInfo(current_workspace().time_zone)).date()
    stock = figures_of_stock()
    views: list[DailyViews] = []
    for back in range(_DAYS, 0, -1):
        day = today - timedelta(days=back)
        rise = 0.6 + 0.4 * (_DAYS - back) / _DAYS
        read = {
            # Each article has its own better days.
            key: round(
                44 * rise * _WEEK[day.weekday()] / (place + 1) ** 0.7
                * (1 + 0.35 * math.sin(back * 0.9 + place * 2))
            )
            for place, key in enumerate(articles)
        }  # fmt: skip
        views += [DailyViews(article_id=key, day=day, views=count) for key, count in read.items()]
        best = sorted(read.items(), key=lambda pair: -pair[1])[:50]
        pieces = round(stock.pieces * (0.75 + 0.4 * ((back * 7) % 29) / 29))
        DayFigures.objects.create(
            day=day,
            views=sum(read.values()),
            published=0,
            comments=(back * 5) % 4,
            best=[[key.hex, count] for key, count in best],
            joined=(back * 3) % 5 // 2,
            seen=3,
            people=5,
            subscribers_new=(back * 11) % 7 // 2,
            reviews=(back * 5) % 3 // 2,
            stars=(back * 5) % 3 // 2 * 5,
            on_sale=stock.on_sale,
            pieces=pieces,
            value_minor=round(stock.value_minor * pieces / max(1, stock.pieces)),
            out_of_stock=stock.out,
            came=(back * 13) % 17,
            went=(back * 5) % 11,
        )
    DailyViews.objects.bulk_create(views, ignore_conflicts=True)
