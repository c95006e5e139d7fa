"""The look: what may be in it, drafts, publishing, what visitors get of it."""

import io
import json
import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.images import ImageRefused
from tenant_apps.users.errors import NotAllowed
from tenant_apps.workspace import branding
from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.look import (
    Look,
    MenuLink,
    Section,
    changed_look,
    check_href,
    read_look,
    write_look,
)
from tenant_apps.workspace.models import LookDraft, LookRelease, Workspace
from tenant_apps.workspace.stylesheet import make_stylesheet
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product

LOOK = "/account/workspace/look/"


def picture(kind: str = "PNG", size: tuple[int, int] = (400, 200)) -> SimpleUploadedFile:
    written = io.BytesIO()
    Image.new("RGB", size, "#123456").save(written, kind)
    return SimpleUploadedFile("logo.png", written.getvalue())


def publish(people: People, on_commit: OnCommit, **changes: Any) -> LookRelease:
    """A published look, as after a commit. Inside the tenant."""
    with on_commit(execute=True):
        branding.change_look(changes=changes, by=people["owner"])
        return branding.publish_look(by=people["owner"])


def saved(**changes: Any) -> dict[str, Any]:
    """What the form of the look sends."""
    filled = {
        "theme": "house",
        "brand": "#155e41",
        "accent": "#155e41",
        "heading_font": "",
        "body_font": "",
        "header": "name",
    }
    return filled | changes


# --- What may be in it ------------------------------------------------------------------------------


def test_look_leads_back_from_json() -> None:
    links = (
        MenuLink("Home", "home", "", "/", (MenuLink("Out", "outside", "https://a.example", "x"),)),
    )
    look = Look(theme="window", accent="#aa0000", menu=links, sections=(Section("text", text="x"),))
    assert read_look(json.loads(json.dumps(write_look(look)))) == look


def test_look_of_another_release_is_read() -> None:
    assert read_look({"theme": "gone", "body_font": "gone", "unknown": 1}) == Look()
    assert read_look(None) == Look()


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"accent": "#ffcc00"}, "accent", "1.28 to 1 at most; 4.5 is needed"),
        ({"accent": "#ffcc00"}, "accent", "nearest colour that can be read is #846800"),
        ({"brand": "#777777"}, "brand", "Text on this colour has a contrast of 4.35 to 1"),
        ({"brand": "red"}, "brand", "#rrggbb"),
        ({"theme": "no"}, "theme", "none of house, gazette, window"),
        ({"heading_font": "Comic"}, "heading_font", "is none of"),
        ({"body_font": "playfair-display"}, "body_font", "is for headings"),
        ({"header": "logo"}, "header", "There is no logo yet"),
        ({"footer": "x" * 2001}, "footer", "2000 characters"),
        ({"menu": [MenuLink("x", "home", "", "")] * 9}, "menu", "8 links at most"),
        ({"menu": [MenuLink("", "home", "", "")]}, "menu", "1 to 40 characters"),
        ({"menu": [MenuLink("a\nb", "home", "", "")]}, "menu", "in one line"),
        ({"menu": [MenuLink("a", "nowhere", "", "")]}, "menu", "Choose where"),
        ({"menu": [MenuLink("a", "outside", "javascript:alert(1)", "")]}, "menu", "https://"),
        (
            {"menu": [MenuLink("a", "home", "", "", (MenuLink("b", "home", "", "", (
                MenuLink("c", "home", "", ""),)),))]},
            "menu",
            "no second",
        ),
        ({"sections": [Section("hero"), Section("hero")]}, "sections", "once, and nothing else"),
        ({"sections": [Section("other")]}, "sections", "once, and nothing else"),
        ({"sections": [Section("hero", button_label="Go")]}, "sections", "or neither"),
        ({"sections": [Section("products", shows="all")]}, "sections", "choose one of"),
    ],
)  # fmt: skip
def test_what_a_look_may_not_be(changes: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as error:
        changed_look(Look(), changes)
    assert sentence in error.value.message_dict[field][0]


@pytest.mark.parametrize(
    "href",
    [
        *("javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "http://a.example"),
        *("//evil.example", "/\\evil.example", "https://", "https://a b.example", "mailto:a@b.c"),
        *(
            "https://user:pw@a.example",
            "/a\nb",
            '/a"b',
            "https://[",
            "",
            "articles/",
            "https://a:0/",
        ),
    ],
)
def test_address_that_no_link_may_have(href: str) -> None:
    with pytest.raises(ValidationError):
        check_href(href)


@pytest.mark.parametrize("href", ["/", "/articles/?page=2#x", "https://a.example/b?c=d#e"])
def test_address_that_a_link_may_have(href: str) -> None:
    assert check_href(href) == href


def test_sections_that_are_left_out_are_off() -> None:
    look, _ = changed_look(Look(), {"sections": [Section("text", text="Hello")]})
    assert [one.kind for one in look.ordered_sections if one.is_on] == ["text"]
    assert len(look.ordered_sections) == 6


def test_stylesheet_has_nothing_of_anybodys_words() -> None:
    for key in FONTS:
        sheet = make_stylesheet(Look(accent="#aa0000", brand="#00aa00", heading_font=key))
        lines = sheet.removeprefix("@layer brand {\n  :root {\n").removesuffix("  }\n}\n")
        for line in lines.splitlines():
            assert re.fullmatch(r"    --[a-z-]+: [\w#(), .\"'-]+;", line), line
    # A row that was changed past the verbs.
    with pytest.raises(ValidationError):
        make_stylesheet(Look(accent="#aa0000} body{display:none"))


# --- Drafts and publishing --------------------------------------------------------------------------


def test_draft_is_seen_by_nobody_until_it_is_published(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    owner = acme_people["owner"]
    with context.run_in(acme):
        draft, _ = branding.change_look(changes={"theme": "gazette"}, by=owner)
        assert (draft.changed_by, Workspace.objects.get().look) == (owner, None)
    assert 'data-look="house"' in acme_client.get("/").content.decode()
    with context.run_in(acme), django_capture_on_commit_callbacks(execute=True):
        release = branding.publish_look(by=owner)
    page = acme_client.get("/").content.decode()
    assert 'data-look="gazette"' in page
    assert "css/themes/gazette.css" in page
    with context.run_in(acme):
        assert (release.published_by, LookDraft.objects.count()) == (owner, 0)
        entry = Entry.objects.get(verb="look.published")
        assert ("theme", "house", "gazette") in entry.changes


def test_publishing_twice_says_so(in_acme: TenantRef, acme_people: People) -> None:
    branding.change_look(changes={"theme": "window"}, by=acme_people["owner"])
    branding.publish_look(by=acme_people["owner"])
    with pytest.raises(branding.NothingToPublish, match="published or discarded"):
        branding.publish_look(by=acme_people["owner"])


def test_two_owners_changes_come_together(in_acme: TenantRef, acme_people: People) -> None:
    branding.change_look(changes={"theme": "window"}, by=acme_people["owner"])
    branding.change_look(changes={"footer": "Hello"}, by=acme_people["owner"])
    look = branding.draft_or_published()
    assert (look.theme, look.footer) == ("window", "Hello")


def test_discarded_draft_takes_its_files_along(
    in_acme: TenantRef, acme_people: People, django_capture_on_commit_callbacks: OnCommit
) -> None:
    owner = acme_people["owner"]
    with django_capture_on_commit_callbacks(execute=True):
        branding.set_logo(sent=picture(), by=owner)
        files = branding.draft_or_published().files
        assert len(files) == 3
        assert all(default_storage.exists(name) for name in files)
        branding.discard_draft(by=owner)
    assert not any(default_storage.exists(name) for name in files)
    branding.discard_draft(by=owner)


def test_logo_is_made_anew(in_acme: TenantRef, acme_people: People) -> None:
    branding.set_logo(sent=picture("JPEG", (2000, 1000)), by=acme_people["owner"])
    look = branding.draft_or_published()
    assert look.logo is not None
    with default_storage.open(look.logo.file) as file, Image.open(file) as logo:
        assert (logo.format, logo.size) == ("WEBP", (384, 192))
    with default_storage.open(look.logo.small) as file, Image.open(file) as small:
        assert (small.format, small.size) == ("WEBP", (192, 96))
    with default_storage.open(look.icon) as file, Image.open(file) as icon:
        assert (icon.format, icon.size) == ("PNG", (180, 180))


@pytest.mark.parametrize(
    "content",
    [b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', b"%PDF-1.4", b""],
)
def test_logo_that_is_none(in_acme: TenantRef, acme_people: People, content: bytes) -> None:
    with pytest.raises(ImageRefused):
        branding.set_logo(sent=SimpleUploadedFile("logo.png", content), by=acme_people["owner"])
    assert not LookDraft.objects.exists()


# --- Who may ----------------------------------------------------------------------------------------

ROLES = ["visitor", "member", "author", "editor", "admin", "owner"]
PAGES = {
    "/account/workspace/": {"admin", "owner"},
    "/account/workspace/mail/": {"admin", "owner"},
    LOOK: {"owner"},
    "/account/workspace/menu/": {"owner"},
    "/account/workspace/home/": {"owner"},
    "/account/workspace/closing/": {"owner"},
}
ACTIONS = {
    "/account/workspace/logo/": {"owner"},
    "/account/workspace/picture/": {"owner"},
    "/account/workspace/preview/": {"owner"},
    "/account/workspace/publish/": {"owner"},
    "/account/workspace/discard/": {"owner"},
}


@pytest.mark.parametrize("role", ROLES)
def test_pages_by_role(as_role: LoggedIn, role: str) -> None:
    client = as_role(role)
    refused = 302 if role == "visitor" else 403
    for path, allowed in PAGES.items():
        assert client.get(path).status_code == (200 if role in allowed else refused), path
        assert client.post(path, {}).status_code == (
            refused if role not in allowed else 400
        ) or path in {"/account/workspace/closing/", "/account/workspace/mail/"}, path
    for path, allowed in ACTIONS.items():
        status = client.post(path, {"remove": ""}).status_code
        assert status == (302 if role in allowed or role == "visitor" else 403), path


@pytest.mark.parametrize("role", ["admin", "editor", "author", "member"])
def test_verbs_by_role(in_acme: TenantRef, acme_people: People, role: str) -> None:
    by = acme_people[role]
    for act in (
        lambda: branding.change_look(changes={"theme": "window"}, by=by),
        lambda: branding.set_logo(sent=picture(), by=by),
        lambda: branding.remove_logo(by=by),
        lambda: branding.set_picture(sent=picture(), alt="", by=by),
        lambda: branding.remove_picture(by=by),
        lambda: branding.publish_look(by=by),
        lambda: branding.discard_draft(by=by),
    ):
        with pytest.raises(NotAllowed, match="does not let you change how the site looks"):
            act()


# --- The pages --------------------------------------------------------------------------------------


def test_form_refuses_a_colour_and_mends_it(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    owner = as_role("owner")
    refused = owner.post(LOOK, saved(accent="#ffcc00"))
    assert refused.status_code == 400
    page = refused.content.decode()
    assert "1.28 to 1 at most" in page
    assert 'name="mend"' in page
    mended = owner.post(LOOK, saved(accent="#ffcc00", mend=""), follow=True)
    assert "#ffcc00 can&#x27;t be read; #846800 stands in its place." in mended.content.decode()
    with context.run_in(acme):
        assert branding.draft_or_published().accent == "#846800"


def test_preview_is_for_its_session_alone(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, acme_client: Client
) -> None:
    owner, other = as_role("owner"), as_role("owner")
    owner.post(LOOK, saved(theme="window", accent="#aa0000"))
    assert owner.post("/account/workspace/preview/").headers["Location"] == "/"
    page = owner.get("/articles/").content.decode()
    assert 'data-look="window"' in page
    assert "You alone see this draft" in page
    sheet = re.search(r'href="(/workspace/style-[0-9a-f]{12}\.css)"', page)
    assert sheet is not None
    drafted = owner.get(sheet[1])
    assert (drafted.status_code, drafted["Cache-Control"]) == (200, "private, no-store")
    assert "#aa0000" in drafted.content.decode()
    for client in (other, acme_client):
        assert 'data-look="house"' in client.get("/articles/").content.decode()
        assert client.get(sheet[1]).status_code == 404
    owner.post("/account/workspace/preview/", {"stop": ""})
    assert 'data-look="house"' in owner.get("/articles/").content.decode()


def test_stylesheet_is_kept_for_ever_and_outlives_its_look(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_capture_on_commit_callbacks: OnCommit,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with context.run_in(acme):
        first = publish(acme_people, django_capture_on_commit_callbacks, accent="#aa0000")
    address = f"/workspace/style-{first.style}.css"
    assert f'<link rel="stylesheet" href="{address}">' in acme_client.get("/").content.decode()
    with django_assert_num_queries(2):  # a savepoint's beginning and end
        answer = acme_client.get(address)
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer
    with context.run_in(acme):
        second = publish(acme_people, django_capture_on_commit_callbacks, accent="#0000aa")
    assert second.style != first.style
    assert acme_client.get(address).content == answer.content
    assert acme_client.get("/workspace/style-000000000000.css").status_code == 404


def test_house_look_asks_for_no_stylesheet(acme_client: Client) -> None:
    page = acme_client.get("/").content.decode()
    assert "/workspace/style-" not in page
    assert "css/themes/" not in page


def test_menu_and_footer_are_shown_escaped(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, acme_client: Client
) -> None:
    owner = as_role("owner")
    rows = [
        {"label": "Shop <b>", "destination": "products:", "position": "20"},
        {"label": "Home", "destination": "home:", "position": "10"},
        {"label": "Out", "destination": "outside:", "address": "https://a.example/?a=1&b=2",
         "is_below": "on", "position": "15"},
    ]  # fmt: skip
    data = {f"link-{n}-{name}": value for n, row in enumerate(rows) for name, value in row.items()}
    data |= {"link-TOTAL_FORMS": "3", "link-INITIAL_FORMS": "2"}
    footer = "**Acme**, [imprint](https://a.example) <script>alert(1)</script>"
    assert owner.post("/account/workspace/menu/", data | {"footer": footer}).status_code == 302
    owner.post("/account/workspace/publish/")
    with context.run_in(acme):
        look = read_look(Workspace.objects.get().look)
    assert [(link.label, len(link.children)) for link in look.menu] == [
        ("Home", 1),
        ("Shop <b>", 0),
    ]
    from django.core.cache import cache

    with context.run_in(acme):
        cache.clear()  # the test's transaction is never committed
    page = acme_client.get("/").content.decode()
    assert "Shop &lt;b&gt;" in page
    assert 'href="https://a.example/?a=1&amp;b=2"' in page
    assert "<strong>Acme</strong>" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"label": "x", "destination": "outside:", "address": "javascript:x"},
            "https://example.com",
        ),
        ({"label": "", "destination": "home:"}, "Give the link a name."),
        ({"label": "x", "destination": ""}, "Choose where it leads."),
        ({"label": "x", "destination": "home:", "is_below": "on"}, "stands below none"),
        ({"label": "x", "destination": "article-category:gone"}, "Select a valid choice"),
    ],
)
def test_link_that_cannot_be(as_role: LoggedIn, row: dict[str, str], sentence: str) -> None:
    data = {f"link-0-{name}": value for name, value in row.items()}
    data |= {"link-TOTAL_FORMS": "1", "link-INITIAL_FORMS": "0", "footer": ""}
    answer = as_role("owner").post("/account/workspace/menu/", data)
    assert answer.status_code == 400
    assert sentence in answer.content.decode()


# --- The home page ----------------------------------------------------------------------------------

ALL_ON = [
    Section("letters", title="Write to me"),
    Section("hero", title="Hello", text="We fire.", button_label="Shop", button_href="/products/"),
    Section("articles", title="Words"),
    Section("products", title="Goods", shows="featured"),
    Section("text", title="About", text="**Bold**"),
    Section("categories", title="Shelves"),
]


@pytest.mark.parametrize("theme", ["house", "gazette", "window"])
@pytest.mark.parametrize("rows", [1, 3])
def test_home_page_of_all_sections(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_capture_on_commit_callbacks: OnCommit,
    django_assert_num_queries: DjangoAssertNumQueries,
    theme: str,
    rows: int,
) -> None:
    from tenant_apps.products.models import Product

    with context.run_in(acme):
        for number in range(rows):
            make_article(acme_people["author"], f"Article {number}")
            make_product(f"Mug {number}")
        Product.objects.update(featured_at=timezone.now())
        publish(acme_people, django_capture_on_commit_callbacks, theme=theme, sections=ALL_ON)
    acme_client.get("/")
    with django_assert_num_queries(6 + 2):  # articles 1, products 3, categories 2; a savepoint
        page = acme_client.get("/").content.decode()
    found = [
        page.index(f">{word}<") for word in ("Write to me", "Hello", "Words", "Goods", "About")
    ]
    assert found == sorted(found)
    assert page.count("<h1") == 1
    assert "<strong>Bold</strong>" in page
    assert 'href="/products/">Shop</a>' in page


def test_home_page_is_good_when_empty(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    as_role: LoggedIn,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    with context.run_in(acme):
        publish(acme_people, django_capture_on_commit_callbacks, sections=[])
    page = acme_client.get("/").content.decode()
    assert "Nothing here yet" in page
    assert page.count("<h1") == 1
    assert "Write the first article" in as_role("owner").get("/").content.decode()


def test_home_form_orders_and_switches(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    data = {
        "letters-is_on": "on", "letters-position": "1", "letters-title": "Post", "letters-text": "",
        "hero-position": "2", "hero-title": "", "hero-text": "", "hero-button_label": "",
        "hero-button_href": "", "articles-is_on": "on", "articles-position": "3",
        "articles-title": "", "products-position": "4", "products-title": "",
        "products-shows": "newest", "text-position": "5", "text-title": "", "text-text": "",
        "categories-position": "6", "categories-title": "",
    }  # fmt: skip
    owner = as_role("owner")
    assert owner.post("/account/workspace/home/", data).status_code == 302
    with context.run_in(acme):
        look = branding.draft_or_published()
    assert [one.kind for one in look.ordered_sections if one.is_on] == ["letters", "articles"]
    wrong = owner.post("/account/workspace/home/", data | {"hero-button_href": "javascript:x"})
    assert wrong.status_code == 400
    assert "a button has words and an address" in wrong.content.decode()
