"""The tenant's admin: every model from the list to the deletion, without content types."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import writing
from tenant_apps.articles.models import Article, Category, Comment, OldAddress, Tag
from tenant_apps.products import catalogue
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product, ProductVariant, Review, StockMovement
from tenant_apps.users import roles
from tenant_apps.users.models import Invitation, Role, User
from tenant_apps.workspace.admin_site import tenant_admin
from tenant_apps.workspace.models import Workspace
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import (
    LoggedIn,
    People,
    make_article,
    make_product,
    make_steward,
)

FOREIGN_TABLES = ("django_content_type", "auth_permission", "django_admin_log", "auth_group")


@pytest.fixture
def owner(as_role: LoggedIn) -> Client:
    """The owner, logged in."""
    return as_role("owner")


def saved(client: Client, path: str, data: dict[str, object]) -> None:
    answer = client.post(path, data)
    page = answer.content.decode()
    assert answer.status_code == 302, page[page.find("errorlist") - 300 :][:900]


def inlines(prefix: str, *rows: dict[str, object], initial: int = 0) -> dict[str, object]:
    data: dict[str, object] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": initial,
        f"{prefix}-MIN_NUM_FORMS": 0,
        f"{prefix}-MAX_NUM_FORMS": 1000,
    }
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/articles/article/",
        "/admin/articles/article/{article}/change/",
        "/admin/articles/article/{article}/history/",
        "/admin/articles/article/{article}/delete/",
        "/admin/articles/comment/",
        "/admin/articles/comment/{comment}/change/",
        "/admin/articles/oldaddress/",
        "/admin/articles/oldaddress/{address}/change/",
        "/admin/articles/oldaddress/{address}/delete/",
        "/admin/articles/tag/add/?_popup=1",
        "/admin/autocomplete/?app_label=articles&model_name=article&field_name=tags&term=cl",
        "/admin/products/product/",
        "/admin/products/product/{product}/change/",
        "/admin/products/product/{product}/history/",
        "/admin/products/product/{product}/delete/",
        "/admin/products/product/{product}/stock/",
        "/admin/products/review/{review}/change/",
        "/admin/users/user/{person}/change/",
        "/admin/users/role/{role}/change/",
        "/admin/activity/entry/",
        "/admin/activity/entry/{entry}/change/",
        "/admin/workspace/workspace/1/change/",
        "/admin/jsi18n/",
    ],
)
def test_page_asks_no_table_that_a_tenant_lacks(
    acme: TenantRef, acme_people: People, owner: Client, path: str
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        keys = {
            "article": article.pk,
            "comment": Comment.objects.create(article=article, name="N", body="B", sender="x").pk,
            "address": OldAddress.objects.create(article=article, slug="old").pk,
            "product": make_product().pk,
            "review": Review.objects.create(
                product=Product.objects.get(), author=acme_people["member"], stars=4
            ).pk,
            "person": acme_people["member"].pk,
            "role": Role.objects.get(slug="editor").pk,
            "entry": Entry.objects.latest("id").pk,
        }
    with CaptureQueriesContext(connection) as captured:
        answer = owner.get(path.format(**keys))
    assert answer.status_code == 200, path
    for query in captured.captured_queries:
        assert not any(table in query["sql"] for table in FOREIGN_TABLES), query["sql"]


def test_every_model_of_the_admin_is_walked_below() -> None:
    assert {model._meta.label for model in tenant_admin._registry} == {
        *("articles.Article", "articles.Category", "articles.Tag"),
        *("articles.OldAddress", "articles.Comment", "articles.Subscriber"),
        *("products.Product", "products.Category", "products.Review"),
        *("users.User", "users.Invitation", "users.Role", "users.ApiToken"),
        *("activity.Entry", "workspace.Workspace"),
        # tests/tenant_apps/activity/test_webhook_pages.py walks these.
        *("activity.WebhookEndpoint", "activity.WebhookDelivery"),
    }


def test_article_from_its_making_to_its_end(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        clay = Tag.objects.create(name="Clay", slug="clay")
        category = Category.objects.create(name="News", slug="news")
    new = {"title": "New", "body": "Words", "category": category.pk, "tags": [clay.pk]}
    saved(owner, "/admin/articles/article/add/", new)
    with context.run_in(acme):
        article = Article.objects.get()
        assert (article.slug, article.author) == ("new", acme_people["owner"])
        assert list(article.tags.all()) == [clay]
    path = f"/admin/articles/article/{article.pk}/change/"
    data = {
        "title": "Newer",
        "body": "More",
        "slug": "newer",
        "tags": [clay.pk],
        "seen_version": article.version,
    }
    saved(owner, path, data | {"articles_article_save_and_publish": "1"})
    with context.run_in(acme):
        article.refresh_from_db()
        assert (article.title, article.is_published) == ("Newer", True)
        verbs = list(Entry.objects.about(article).values_list("verb", flat=True))
        assert verbs == ["article.published", "article.changed", "article.created"]
    history = owner.get(f"/admin/articles/article/{article.pk}/history/").content.decode()
    assert "article.published" in history
    assert "owner@acme.example" in history
    saved(owner, f"/admin/articles/article/{article.pk}/delete/", {"post": "yes"})
    with context.run_in(acme):
        assert not Article.objects.exists()


def test_error_of_a_verb_is_said_and_nothing_is_written(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    answer = owner.post(
        f"/admin/articles/article/{article.pk}/change/",
        {
            "title": "Changed",
            "body": "",
            "slug": article.slug,
            "seen_version": article.version,
            "articles_article_save_and_publish": "1",
        },
    )
    page = answer.content.decode()
    assert "has no text yet" in page
    assert 'value="Changed"' in page, "nothing that was typed is lost"
    assert "successfully" not in page
    with context.run_in(acme):
        article.refresh_from_db()
        assert article.title != "Changed", "the whole form is rolled back"


def test_stale_page_of_an_article_takes_nothing_back(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], "The kiln is on")
        clay = Tag.objects.get()
    path = f"/admin/articles/article/{article.pk}/change/"
    page = owner.get(path).content.decode()
    assert f'name="seen_version" value="{article.version}"' in page
    with context.run_in(acme):
        colleague = acme_people["author"]
        writing.change_article(article=article, by=colleague, changes={"body": "Theirs"})
    mine = {"title": "Mine", "body": "My words", "slug": "mine", "tags": []}
    answer = owner.post(path, mine | {"seen_version": article.version - 1})
    page = answer.content.decode()
    assert "Somebody else has saved this article" in page
    assert "My words" in page, "nothing that was typed is lost"
    assert "The page is incomplete" in owner.post(path, mine).content.decode()
    with context.run_in(acme):
        kept = Article.objects.get()
        assert (kept.title, kept.body) == ("The kiln is on", "Theirs")
        assert list(kept.tags.all()) == [clay]


def test_tags_of_an_article_are_changed_by_the_verb(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        # Whose address does not follow from its name.
        glaze = Tag.objects.create(name="Glaze", slug="shine")
    path = f"/admin/articles/article/{article.pk}/change/"
    same = {"title": article.title, "body": article.body, "slug": article.slug}
    saved(owner, path, same | {"tags": [glaze.pk], "seen_version": article.version})
    with context.run_in(acme):
        kept = Article.objects.get()
        assert list(kept.tags.all()) == [glaze]
        assert kept.version == article.version + 1
        entry = Entry.objects.about(article).first()
        assert entry is not None
        assert entry.changes == [("tags", ["clay"], ["Glaze"])]


def test_save_and_publish_is_for_those_who_may_publish(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, client_of: ClientMaker
) -> None:
    button = "articles_article_save_and_publish"
    client = client_of(acme)
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
        role = roles.make_role(
            name="Apprentice",
            permissions=[
                *("users.use_admin", "articles.add_article", "articles.change_own_article")
            ],
            by=acme_people["owner"],
        )
        User.objects.filter(pk=acme_people["member"].pk).update(role=role)
        Article.objects.filter(pk=article.pk).update(author=acme_people["member"])
        client.force_login(acme_people["member"], "tenant_apps.users.backends.EmailBackend")
    path = f"/admin/articles/article/{article.pk}/change/"
    assert button in as_role("editor").get(path).content.decode()
    assert button not in client.get(path).content.decode()
    assert client.get("/admin/articles/article/no-uuid/change/").status_code == 302
    data = {"title": "Mine", "body": "My words", "slug": "mine", "tags": []}
    saved(client, path, data | {"seen_version": article.version, button: "1"})
    with context.run_in(acme):
        kept = Article.objects.get()
        assert (kept.title, kept.is_published) == ("Mine", False)


def test_product_from_its_making_to_its_end(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    variant = {
        "price_minor": "18.50",
        "compare_at_minor": "",
        "tracks_stock": "on",
        "stock_quantity": "7",
        "position": "1",
    }
    new = {
        "title": "Mug",
        "description_html": "<p>x</p><script>1</script>",
        "tags": "a,b",
        "products_product_save_and_publish": "1",
        **inlines("variants", variant),
        **inlines("options"),
        **inlines("images", {"url": "https://example.com/1.jpg", "position": 1}),
    }
    saved(owner, "/admin/products/product/add/", new)
    with context.run_in(acme):
        product = Product.objects.get()
        kept = ProductVariant.objects.get()
        assert (product.handle, product.is_published) == ("mug", True)
        assert (product.description_html, product.tags) == ("<p>x</p>", ["a", "b"])
        assert (kept.price_minor, kept.compare_at_minor, kept.stock_quantity) == (1850, None, 7)
        assert StockMovement.objects.get().delta == 7
    change = {
        "title": "Big mug",
        "handle": "mug",
        "tags": "a",
        **inlines(
            "variants",
            variant | {"id": str(kept.pk), "product": str(product.pk), "stock_quantity": 5},
            initial=1,
        ),
        **inlines("options"),
        **inlines("images"),
    }
    saved(owner, f"/admin/products/product/{product.pk}/change/", change)
    with context.run_in(acme):
        kept.refresh_from_db()
        assert kept.stock_quantity == 5
        assert list(StockMovement.objects.order_by("pk").values_list("delta", "by__email")) == [
            (7, "owner@acme.example"),
            (-2, "owner@acme.example"),
        ]
    saved(owner, f"/admin/products/product/{product.pk}/delete/", {"post": "yes"})
    with context.run_in(acme):
        assert not ProductVariant.objects.exists()


def variant_rows(product: Product, *changes: dict[str, object]) -> dict[str, object]:
    """The page of a product as it is sent, with changes in its variants' rows."""
    rows = [
        {
            "id": str(variant.pk),
            "product": str(product.pk),
            "option1": variant.option1,
            "price_minor": f"{variant.price_minor / 100:.2f}",
            "stock_quantity": variant.stock_quantity,
            "position": variant.position,
            **change,
        }
        for variant, change in zip(product.variants.all(), changes, strict=True)
    ]
    return {
        "title": product.title,
        "handle": product.handle,
        **inlines("variants", *rows, initial=len(rows)),
        **inlines("options"),
        **inlines("images"),
    }


def test_last_variant_of_a_product_on_sale_is_not_deleted(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        product = make_product()
        page = variant_rows(product, {"DELETE": "on"}) | {"title": "Typed"}
    answer = owner.post(f"/admin/products/product/{product.pk}/change/", page)
    assert answer.status_code == 200
    assert "would have no variant, so no price" in answer.content.decode()
    assert 'value="Typed"' in answer.content.decode()
    with context.run_in(acme):
        assert product.variants.count() == 1
        assert not Entry.objects.about(product).exists()


def test_variant_is_deleted_and_its_stock_stays_in_the_history(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        product = make_product()
        ProductVariant.objects.create(product=product, option1="Red", price_minor=2000, position=2)
        page = variant_rows(product, {}, {"stock_quantity": 7})
    saved(owner, f"/admin/products/product/{product.pk}/change/", page)
    with context.run_in(acme):
        page = variant_rows(product, {}, {"DELETE": "on"})
    saved(owner, f"/admin/products/product/{product.pk}/change/", page)
    with context.run_in(acme):
        assert product.variants.get().option1 == ""
        movement = StockMovement.objects.get()
        assert (movement.delta, movement.variant, movement.variant_label) == (7, None, "Red")
        newest = Entry.objects.about(product).first()
        assert newest is not None
        assert newest.before == {"variants": ["Red (7 in stock)"]}


def test_negative_stock_is_said_at_its_field(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        product = make_product()
        page = variant_rows(product, {"stock_quantity": -1})
    answer = owner.post(f"/admin/products/product/{product.pk}/change/", page).content.decode()
    assert "Stock cannot be negative. Write 0 or more." in answer
    assert "Constraint" not in answer


@pytest.mark.parametrize("handle", ["import", "category"])
def test_handle_of_a_page_is_said_in_the_form(
    acme: TenantRef, acme_people: People, owner: Client, handle: str
) -> None:
    with context.run_in(acme):
        product = make_product()
        page = variant_rows(product, {}) | {"handle": handle, "vendor": "Typed"}
    answer = owner.post(f"/admin/products/product/{product.pk}/change/", page).content.decode()
    assert "is the address of another page" in answer
    assert 'value="Typed"' in answer
    with context.run_in(acme):
        assert Product.objects.get().handle == "mug"


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_a_product_do_not_grow_with_its_variants(
    acme: TenantRef,
    acme_people: People,
    owner: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    with context.run_in(acme):
        product = make_product()
        for number in range(1, rows):
            ProductVariant.objects.create(
                product=product, option1=f"{number}", price_minor=1800, position=number + 1
            )
    path = f"/admin/products/product/{product.pk}/change/"
    owner.get(path)
    with django_assert_num_queries(8):
        assert owner.get(path).status_code == 200


@pytest.mark.parametrize(
    ("name", "slug", "sentence"),
    [("Mugs", "other", "There is a category &quot;Mugs&quot; already"), ("x" * 120, "x", "500")],
)
def test_category_that_cannot_be_kept_is_said_in_the_form(
    acme: TenantRef, acme_people: People, owner: Client, name: str, slug: str, sentence: str
) -> None:
    with context.run_in(acme):
        parent: ProductCategory | None = None
        if name != "Mugs":
            for letter in "abcd":
                parent = catalogue.place_category(
                    category=ProductCategory(name=letter * 120, slug=letter, parent=parent),
                    by=acme_people["owner"],
                )
        else:
            ProductCategory.objects.create(name="Mugs", slug="mugs", path="Mugs")
    new = {"name": name, "slug": slug, "parent": parent.pk if parent else ""}
    answer = owner.post("/admin/products/category/add/", new)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    with context.run_in(acme):
        assert not ProductCategory.objects.filter(slug=slug).exists()


def test_bad_price_is_said_at_its_field(owner: Client) -> None:
    answer = owner.post(
        "/admin/products/product/add/",
        {
            "title": "Mug",
            **inlines("variants", {"price_minor": "18,50", "stock_quantity": 0, "position": 1}),
            **inlines("options"),
            **inlines("images"),
        },
    )
    assert answer.status_code == 200
    assert "is not a price" in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "model", "data"),
    [
        ("articles/category", Category, {"name": "News", "slug": "news"}),
        ("articles/tag", Tag, {"name": "Clay", "slug": "clay"}),
        ("products/category", ProductCategory, {"name": "Mugs", "slug": "mugs"}),
    ],
)
def test_sorting_from_its_making_to_its_end(
    acme: TenantRef, owner: Client, path: str, model: type[Category], data: dict[str, str]
) -> None:
    saved(owner, f"/admin/{path}/add/", dict(data))
    with context.run_in(acme):
        kept = model.objects.get()
    saved(owner, f"/admin/{path}/{kept.pk}/change/", data | {"name": "Other"})
    saved(owner, f"/admin/{path}/{kept.pk}/delete/", {"post": "yes"})
    with context.run_in(acme):
        assert not model.objects.exists()
        verbs = [f"{model._meta.model_name}.{done}" for done in ("deleted", "changed", "added")]
        assert list(Entry.objects.about(kept).values_list("verb", flat=True)) == verbs


def test_person_gets_another_role(acme: TenantRef, acme_people: People, owner: Client) -> None:
    member = acme_people["member"]
    with context.run_in(acme):
        author = Role.objects.get(slug="author").pk
    path = f"/admin/users/user/{member.pk}/change/"
    saved(owner, path, {"full_name": "Mona", "role": author})
    with context.run_in(acme):
        member.refresh_from_db()
        assert (member.full_name, member.role.slug) == ("Mona", "author")
        assert Entry.objects.about(member).first().verb == "person.role_changed"  # type: ignore[union-attr]


def test_last_owner_is_not_demoted_here_either(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        member = Role.objects.get(slug="member").pk
    key = acme_people["owner"].pk
    answer = owner.post(
        f"/admin/users/user/{key}/change/", {"full_name": "O", "role": member}, follow=True
    )
    assert "is the last owner" in answer.content.decode()
    answer = owner.post(
        "/admin/users/user/", {"action": "deactivate", "_selected_action": [str(key)]}, follow=True
    )
    assert "is the last owner" in answer.content.decode()
    with context.run_in(acme):
        person = User.objects.get(pk=key)
        assert (person.full_name, person.is_owner, person.is_active) == ("Olga Owner", True, True)


def test_roles_that_may_more_are_not_offered(
    acme: TenantRef, acme_people: People, client_of: ClientMaker
) -> None:
    client = client_of(acme)
    with context.run_in(acme):
        steward = make_steward(acme_people)
        client.force_login(steward, "tenant_apps.users.backends.EmailBackend")
        admin = Role.objects.get(slug="admin").pk
    invitation = client.get("/admin/users/invitation/add/")
    offered = invitation.context["adminform"].form.fields["role"].queryset
    with context.run_in(acme):
        assert {role.slug for role in offered} == {"member", "steward"}
    refused = client.post(
        "/admin/users/invitation/add/", {"email": "new@acme.example", "role": admin}
    )
    assert "not one of the available choices" in refused.content.decode()
    for person in (steward, acme_people["admin"]):
        path = f"/admin/users/user/{person.pk}/change/"
        assert client.post(path, {"full_name": "x", "role": admin}).status_code != 302
    page = client.get(f"/admin/users/user/{acme_people['admin'].pk}/change/").content.decode()
    assert 'name="role"' not in page, "whose role may more is looked at, not changed"
    client.post(
        "/admin/users/user/",
        {"action": "deactivate", "_selected_action": [str(acme_people["admin"].pk)]},
    )
    with context.run_in(acme):
        assert not Invitation.objects.exists()
        assert set(User.objects.filter(role_id=admin)) == {acme_people["admin"]}
        assert User.objects.get(pk=acme_people["admin"].pk).is_active


def test_invitation_is_sent_and_withdrawn(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    with context.run_in(acme):
        role = Role.objects.get(slug="author").pk
    new = {"email": "New@acme.example", "role": role}
    saved(owner, "/admin/users/invitation/add/", new)
    saved(owner, "/admin/users/invitation/add/", new)
    with context.run_in(acme):
        states = [invitation.state for invitation in Invitation.objects.order_by("created_at")]
        newest = Invitation.objects.latest("created_at")
    assert states == ["withdrawn", "open"]
    answer = owner.post(
        "/admin/users/invitation/",
        {"action": "send_again", "_selected_action": [str(newest.pk)]},
        follow=True,
    )
    assert "1 on the way again." in answer.content.decode()
    owner.post(
        "/admin/users/invitation/", {"action": "withdraw", "_selected_action": [str(newest.pk)]}
    )
    with context.run_in(acme):
        newest.refresh_from_db()
        assert newest.state == "withdrawn"
    answer = owner.post(
        "/admin/users/invitation/add/", {"email": "editor@acme.example", "role": role}
    )
    assert "belongs to somebody in this workspace" in answer.content.decode()


def test_own_role_from_its_making_to_its_end(
    acme: TenantRef, acme_people: People, owner: Client
) -> None:
    saved(
        owner,
        "/admin/users/role/add/",
        {"name": "Proofreader", "permissions": ["articles.change_article"]},
    )
    with context.run_in(acme):
        role = Role.objects.get(slug="proofreader")
        assert role.permissions == ["articles.change_article"]
        acme_people["member"].role = role
        acme_people["member"].save(update_fields=["role"])
    path = f"/admin/users/role/{role.pk}/"
    saved(owner, f"{path}change/", {"name": "Reader", "permissions": []})
    in_use = owner.post(f"{path}delete/", {"post": "yes"})
    assert in_use.status_code in {200, 403}
    with context.run_in(acme):
        assert Role.objects.get(pk=role.pk).permissions == []
        User.objects.filter(pk=acme_people["member"].pk).update(
            role=Role.objects.get(slug="member")
        )
    saved(owner, f"{path}delete/", {"post": "yes"})
    with context.run_in(acme):
        assert not Role.objects.filter(pk=role.pk).exists()


def test_builtin_role_stays_as_it_is(acme: TenantRef, owner: Client) -> None:
    with context.run_in(acme):
        key = Role.objects.get(slug="member").pk
    answer = owner.post(
        f"/admin/users/role/{key}/change/", {"name": "x", "permissions": ["users.manage_people"]}
    )
    assert answer.status_code == 403
    assert owner.post(f"/admin/users/role/{key}/delete/", {"post": "yes"}).status_code == 403


def test_settings_are_changed(acme: TenantRef, acme_people: People, owner: Client) -> None:
    assert owner.get("/admin/workspace/workspace/").headers["Location"].endswith("/1/change/")
    data = {
        "name": "Acme & Sons",
        "tagline": "x",
        "language": "en",
        "time_zone": "Europe/Berlin",
        "currency": "JPY",
    }
    saved(owner, "/admin/workspace/workspace/1/change/", dict(data))
    with context.run_in(acme):
        workspace = Workspace.objects.get()
        assert (workspace.currency, workspace.time_zone) == ("JPY", "Europe/Berlin")
    for bad in ({"currency": "euro"}, {"time_zone": "Mars/Olympus"}, {"language": "tlh"}):
        answer = owner.post("/admin/workspace/workspace/1/change/", data | bad)
        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode() or "text-red" in answer.content.decode()
    with context.run_in(acme):
        assert Workspace.objects.get().currency == "JPY"


def test_trail_cannot_be_changed(acme: TenantRef, acme_people: People, owner: Client) -> None:
    with context.run_in(acme):
        key = Entry.objects.latest("id").pk
        count = Entry.objects.count()
    assert owner.get("/admin/activity/entry/add/").status_code == 403
    assert owner.post(f"/admin/activity/entry/{key}/change/", {"verb": "x"}).status_code == 403
    assert owner.post(f"/admin/activity/entry/{key}/delete/", {"post": "yes"}).status_code == 403
    with context.run_in(acme):
        assert Entry.objects.count() == count


@pytest.mark.parametrize(
    ("role", "sections"),
    [
        ("author", {"Articles"}),
        ("editor", {"Articles", "Products"}),
        ("admin", {"Articles", "Products", "People", "Activity", "Workspace"}),
        ("owner", {"Articles", "Products", "People", "Activity", "Workspace"}),
    ],
)
def test_sections_follow_the_role(
    acme: TenantRef, as_role: LoggedIn, role: str, sections: set[str]
) -> None:
    answer = as_role(role).get("/admin/")
    assert {app["name"] for app in answer.context["app_list"]} == sections


@pytest.mark.parametrize(
    "path",
    [
        "products/product",
        "users/user",
        "users/role",
        "workspace/workspace/1/change",
        "activity/entry",
    ],
)
def test_author_is_kept_out_of_the_rest(as_role: LoggedIn, path: str) -> None:
    assert as_role("author").get(f"/admin/{path}/").status_code == 403


def test_admin_of_acme_shows_nothing_of_globex(
    acme: TenantRef, globex: TenantRef, acme_people: People, globex_people: People, owner: Client
) -> None:
    with context.run_in(globex):
        theirs = make_article(globex_people["owner"], "Secret of globex")
    for path in ("/admin/", "/admin/articles/article/?q=Secret", "/admin/search/?s=secret"):
        assert "Secret of globex" not in owner.get(path).content.decode()
    for page in ("change", "history", "delete"):
        answer = owner.get(f"/admin/articles/article/{theirs.pk}/{page}/", follow=True)
        assert "Secret of globex" not in answer.content.decode()
