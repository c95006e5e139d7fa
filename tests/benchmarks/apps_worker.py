"""The process of `apps`: plants articles and products, and times requests through the WSGI handler.

    DJANGO_SETTINGS_MODULE=… python -m tests.benchmarks.apps_worker

It takes orders as lines of JSON on stdin and answers each with a line of JSON on stdout.
"""

import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import django
from django.core.management import call_command

from tests.benchmarks.rows import OWNER
from tests.benchmarks.worker import Door

BATCH = 2_000
CATEGORIES = 30
TAGS = 200
WORDS = 20_000
WORDS_OF_A_TEXT = 150
CASES_OF_A_KIND = 40

_SYLLABLES = [first + vowel for first in "bdfghklmnprstvz" for vowel in "aeiou"]


def vocabulary() -> list[str]:
    """Words that can be said, the same each time, of two to four syllables."""
    chance = random.Random(7)  # noqa: S311
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))] = None
    return list(words)


class Texts:
    """Texts whose words are as unevenly common as those of a language (Zipf)."""

    def __init__(self) -> None:
        self.words = vocabulary()
        self._weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(WORDS)))
        self._chance = random.Random(11)  # noqa: S311

    def text(self, count: int) -> str:
        return " ".join(
            self._chance.choices(self.words, cum_weights=self._weights, k=count)
        ).capitalize()


def prepare() -> dict[str, Any]:
    """The public schema and the template."""
    call_command("migrate", verbosity=0)
    return {}


def plant(*, name: str, rows: int) -> dict[str, Any]:
    """One tenant with so many articles and as many products, all published."""
    from shared_apps.tenants import context
    from shared_apps.tenants.provisioning import provision_tenant

    begun = time.monotonic()
    tenant = provision_tenant(name=name, subdomain=name, owner=OWNER, request_id=uuid4())
    texts = Texts()
    with context.run_in(tenant):
        _plant_articles(texts, rows)
        _plant_products(texts, rows)
    return {"seconds": time.monotonic() - begun, "cases": cases(texts)}


def _batches(rows: int) -> Iterator[range]:
    for start in range(0, rows, BATCH):
        yield range(start, min(start + BATCH, rows))


def _plant_articles(texts: Texts, rows: int) -> None:
    from tenant_apps.articles.models import (
        Article,
        Category,
        SearchEntry,
        SearchWord,
        State,
        Tag,
    )
    from tenant_apps.articles.searching import MADE_BY
    from tenant_apps.users.models import User

    author = User.objects.get(email=OWNER.email)
    categories = [
        Category.objects.create(name=f"Floor {n}", slug=f"floor-{n}") for n in range(CATEGORIES)
    ]
    tags = [Tag.objects.create(name=f"Tag {n}", slug=f"tag-{n}") for n in range(TAGS)]
    through = Article.tags.through
    first = datetime(2020, 1, 1, 9, tzinfo=UTC)
    for batch in _batches(rows):
        articles = Article.objects.bulk_create(
            Article(
                title=texts.text(6),
                slug=f"article-{number}",
                excerpt=texts.text(20),
                body="\n\n".join(f"## {texts.text(3)}\n\n{texts.text(50)}." for _ in range(3)),
                author=author,
                category=categories[number % CATEGORIES],
                state=State.PUBLISHED,
                published_at=first + timedelta(minutes=number),
                published_by=author,
            )
            for number in batch
        )
        through.objects.bulk_create(
            through(article_id=article.pk, tag_id=tags[(number + step) % TAGS].pk)
            for number, article in zip(batch, articles, strict=True)
            for step in (0, 7)
        )
        SearchEntry.objects.bulk_create(
            SearchEntry(
                article=article,
                configuration="english",
                title=article.title,
                labels=article.excerpt,
                text=article.body.replace("## ", ""),
                made_by=MADE_BY,
            )
            for article in articles
        )
    SearchWord.objects.bulk_create(
        [SearchWord(word=word) for word in texts.words], ignore_conflicts=True, batch_size=BATCH
    )


def _plant_products(texts: Texts, rows: int) -> None:
    from tenant_apps.products.models import Category, Product, ProductVariant, State

    categories = [
        Category.objects.create(name=f"Shelf {n}", slug=f"shelf-{n}", path=f"Shelf {n}")
        for n in range(CATEGORIES)
    ]
    first = datetime(2020, 1, 1, 9, tzinfo=UTC)
    for batch in _batches(rows):
        products = Product.objects.bulk_create(
            Product(
                title=texts.text(4),
                handle=f"product-{number}",
                description_html=f"<p>{texts.text(60)}</p>",
                vendor=f"Maker {number % 300}",
                product_type=f"Kind {number % 40}",
                category=categories[number % CATEGORIES],
                state=State.PUBLISHED,
                published_at=first + timedelta(minutes=number),
            )
            for number in batch
        )
        ProductVariant.objects.bulk_create(
            ProductVariant(
                product=product,
                option1=size,
                sku=f"SKU-{number}-{size}",
                price_minor=500 + (number * 7919) % 90_000,
                tracks_stock=True,
                stock_quantity=(number * 31) % 12,
            )
            for number, product in zip(batch, products, strict=True)
            for size in ("S", "L")
        )


def cases(texts: Texts) -> dict[str, list[str]]:
    """What is asked for, by name: paths that are taken in turn, the same for both tenants."""
    chance = random.Random(3)  # noqa: S311
    numbers = [chance.randrange(1_000) for _ in range(CASES_OF_A_KIND)]
    floors = [number % CATEGORIES for number in numbers]
    common, rarer = texts.words[:20], texts.words[500:2_000]
    asked = [
        *common[:5],
        *chance.choices(rarer, k=15),
        *(f"{chance.choice(common)} {chance.choice(rarer)}" for _ in range(10)),
        # With a slip of the finger: two letters have changed places.
        *(word[:1] + word[2] + word[1] + word[3:] for word in chance.choices(rarer, k=10)),
    ]
    words = [quote(one) for one in asked]
    return {
        "articles: list": [f"/articles/?page={number % 20 + 1}" for number in numbers],
        "articles: list of a category": [f"/articles/category/floor-{n}/" for n in floors],
        "articles: page": [f"/articles/article-{number}/" for number in numbers],
        "articles: search": [f"/articles/?q={word}" for word in words],
        "articles: API list": ["/api/v1/articles/"],
        "articles: API search": [f"/api/v1/articles/search/?search={word}" for word in words],
        "products: list": [f"/products/?page={number % 20 + 1}" for number in numbers],
        "products: list of a category": [f"/products/category/shelf-{n}/" for n in floors],
        "products: list by price": ["/products/?order=price", "/products/?order=-price"],
        "products: page": [f"/products/product-{number}/" for number in numbers],
        "products: search": [f"/products/?q={word}" for word in words],
        "products: API list": ["/api/v1/products/"],
        "products: API search": [f"/api/v1/products/?search={word}" for word in words],
        "home": ["/"],
    }


class Clock:
    """Times requests; each path has its turn."""

    def __init__(self) -> None:
        self._door = Door()
        self._turns: dict[tuple[str, str], Iterator[str]] = {}

    def time(self, *, name: str, paths: list[str], count: int) -> dict[str, Any]:
        """Microseconds of each of `count` requests, the first after a change of something."""
        from django.core.cache import cache

        from shared_apps.tenants import context
        from shared_apps.tenants.models import Tenant
        from tenant_apps.activity.generation import end_generation

        with context.run_in(Tenant.objects.get(subdomain=name)):
            end_generation()
            cache.get("a connection that is open")
        turn = self._turns.setdefault((name, paths[0]), itertools.cycle(paths))
        taken = []
        for path in itertools.islice(turn, count):
            begun = time.perf_counter_ns()
            status, body = self._door.get(f"{name}.localhost", path)
            taken.append((time.perf_counter_ns() - begun) / 1000)
            if not status.startswith("200"):
                raise RuntimeError(f"{name}{path} answered {status}: {body[:300]!r}")
        return {"microseconds": taken}


def main() -> None:
    """Answer orders until stdin ends."""
    django.setup()
    clock = Clock()
    orders: dict[str, Any] = {"prepare": prepare, "plant": plant, "time": clock.time}
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(json.dumps(orders[order.pop("do")](**order)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
