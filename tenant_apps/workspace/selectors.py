from dataclasses import dataclass

from tenant_apps.articles.models import State as ArticleState
from tenant_apps.articles.permissions import Person, changeable_by
from tenant_apps.articles.selectors import count_by_state
from tenant_apps.links import page_path
from tenant_apps.products.models import State as ProductState
from tenant_apps.products.permissions import can_change as can_change_products
from tenant_apps.products.selectors import count_by_state as count_products_by_state
from tenant_apps.workspace.models import Workspace


def current_workspace() -> Workspace:
    """The settings of the tenant that is set."""
    return Workspace.objects.get()


@dataclass(frozen=True, slots=True)
class Task:
    """Something that waits for this person: how many, of what, and where it is done."""

    count: int
    label: str
    url: str


def work_at_hand(person: Person) -> list[Task]:
    """What the first page of the admin shows: one query for articles, one for products."""
    tasks = []
    articles = count_by_state(changeable_by(person))
    admin_list = page_path("admin:articles_article_changelist")
    for state, label in (
        (ArticleState.IN_REVIEW, "articles waiting for review"),
        (ArticleState.DRAFT, "articles in draft"),
        (ArticleState.SCHEDULED, "articles scheduled"),
        (ArticleState.PUBLISHED, "articles published"),
    ):
        tasks.append(
            Task(articles.get(state, 0), label, f"{admin_list}?state__exact={state.value}")
        )
    if can_change_products(person):
        counts = count_products_by_state()
        product_list = page_path("admin:products_product_changelist")
        for product_state, label in (
            (ProductState.PUBLISHED, "products on sale"),
            (ProductState.DRAFT, "products in draft"),
        ):
            tasks.append(
                Task(
                    counts.get(product_state, 0),
                    label,
                    f"{product_list}?state__exact={product_state.value}",
                )
            )
    return tasks
