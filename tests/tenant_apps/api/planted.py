"""Everything that the API's addresses can be asked for, as often as a test wants it. Inside the tenant."""

from datetime import timedelta

from django.utils import timezone

from tenant_apps.activity.models import Notification, WebhookDelivery, WebhookEndpoint, WebhookEvent
from tenant_apps.articles.models import (
    Article,
    Category,
    Comment,
    OldAddress,
    Picture,
    Revision,
    Subscriber,
    Tag,
)
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import (
    ImportChange,
    ImportProblem,
    ImportRun,
    Product,
    ProductImage,
    ProductVariant,
    Review,
    StockAlert,
    StockMovement,
)
from tenant_apps.users import membership
from tenant_apps.users.models import ApiToken, Invitation, Role, SignIn, User
from tests.tenant_apps.conftest import People, make_article, make_product

Keys = dict[str, object]


def plant(people: People, rows: int) -> Keys:
    """So many rows of each list, and the keys of what the detail addresses show."""
    editor, owner = people["editor"], people["owner"]
    readers = [
        membership.add_person(
            email=f"reader{number}@acme.example",
            full_name=f"Reader {number}",
            role=Role.objects.get(slug="member"),
            password=None,
            email_confirmed=True,
        )
        for number in range(rows)
    ]
    article, product = _plant_articles(editor, rows), _plant_products(editor, readers, rows)
    webhooks = _plant_webhooks(rows)
    now = timezone.now()
    for number in range(rows):
        Role.objects.create(slug=f"role-{number}", name=f"Role {number}", permissions=[])
        Invitation.objects.create(
            email=f"guest{number}@example.com",
            role=Role.objects.get(slug="member"),
            invited_by=owner,
            expires_at=now + timedelta(days=1),
        )
        Notification.objects.create(person=owner, kind="review_waiting", sentence="x", path="/")
        SignIn.objects.create(
            person=owner,
            auth_hash=owner.get_session_auth_hash(),
            expires_at=now + timedelta(days=1),
        )
        ApiToken.objects.create(
            person=owner,
            name=f"Token {number}",
            prefix=f"prefix{number}",
            token_hash=f"hash{number}",
            scopes=["articles:read"],
            expires_at=now + timedelta(days=1),
            revoked_at=now,
        )
    return (
        article
        | product
        | webhooks
        | {
            "person": readers[0].pk,
            "role": Role.objects.latest("pk").pk,
            "invitation": Invitation.objects.latest("pk").pk,
        }
    )


def _plant_articles(editor: User, rows: int) -> Keys:
    picture = Picture.objects.create(alt="A kiln")
    article = make_article(editor, "The first")
    articles = [article]
    for number in range(rows):
        tag = Tag.objects.create(name=f"Tag {number:02}", slug=f"tag-{number}")
        category = Category.objects.create(name=f"Category {number:02}", slug=f"category-{number}")
        one = make_article(editor, f"Article {number}")
        Article.objects.filter(pk=one.pk).update(category=category, cover=picture)
        one.tags.add(tag)
        articles.append(one)
        Picture.objects.create(alt=f"Picture {number}")
        Subscriber.objects.create(email=f"subscriber{number}@example.com", sender="x")
        OldAddress.objects.create(article=one, slug=f"old-{number}")
        for state in ("approved", "pending"):
            comment = Comment.objects.create(
                article=article, name="A", body=f"{number}", sender="x", state=state
            )
        if number:
            Revision.objects.create(article=article, number=number + 1, title="x", saved_by=editor)
    return {
        "article": article.pk,
        "category": category.pk,
        "tag": tag.pk,
        "old_address": OldAddress.objects.latest("pk").pk,
        "comment": comment.pk,
        "picture": picture.pk,
        "subscriber": Subscriber.objects.latest("pk").pk,
    }


def _plant_webhooks(rows: int) -> Keys:
    event = WebhookEvent.objects.create(type="stock.low", data={})
    endpoints = [
        WebhookEndpoint.objects.create(
            url=f"https://{number}.example/", event_types=["stock.low"], secret="x"
        )
        for number in range(rows)
    ]
    events = [
        event,
        *(WebhookEvent.objects.create(type="stock.low", data={}) for _ in range(rows - 1)),
    ]
    for one in events:
        delivery = WebhookDelivery.objects.create(endpoint=endpoints[0], event=one)
    return {"webhook": endpoints[0].pk, "delivery": delivery.pk}


def _plant_products(editor: User, readers: list[User], rows: int) -> Keys:
    product = make_product("The first")
    variant = product.variants.get()
    run = ImportRun.objects.create(file_name="a.csv", file_bytes=1, created_by=editor)
    for number in range(rows):
        category = ProductCategory.objects.create(
            name=f"C{number:02}", slug=f"c-{number}", path=f"C{number:02}"
        )
        other = make_product(f"Product {number}")
        Product.objects.filter(pk=other.pk).update(category=category)
        image = ProductImage.objects.create(
            product=product, url="https://example.com/a.jpg", position=number + 1
        )
        if number:
            ProductVariant.objects.create(product=product, option1=f"{number}", price_minor=1)
        StockMovement.objects.create(
            product=product, variant=variant, delta=1, quantity_after=1, reason="sold", by=editor
        )
        StockAlert.objects.create(
            product=other, variant=other.variants.get(), quantity=1, warned_at=2
        )
        review = Review.objects.create(
            product=product, author=readers[number], stars=5, state="approved"
        )
        ImportRun.objects.create(file_name=f"{number}.csv", file_bytes=1, created_by=editor)
        ImportProblem.objects.create(run=run, row_number=number + 2, sentence="Wrong.")
        ImportChange.objects.create(
            run=run, handle=f"h{number}", title="x", is_new=False, changes=[["Title", "a", "b"]]
        )
    Product.objects.filter(pk=product.pk).update(review_count=rows, review_stars=5 * rows)
    return {
        "product": product.pk,
        "variant": variant.pk,
        "image": image.pk,
        "product_category": category.pk,
        "import": run.pk,
        "review": review.pk,
    }
