"""Yesterday back: the preview, who sees it, what differs, the swap, and the swap taken back."""

import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import ProgrammingError, connections, transaction
from django.test import AsyncClient, Client
from django.utils import timezone

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import SubdomainReserved, check_subdomain
from shared_apps.tenants import context, lifecycle, previews
from shared_apps.tenants.archive import backups, importing, preview_passes, undo
from shared_apps.tenants.archive.errors import (
    BackupNotFound,
    NothingToUndo,
    PreviewClosed,
    PreviewOpenAlready,
    TenantBusy,
)
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.migrating import schemas_behind
from shared_apps.tenants.models import Preview, StatusChange, Tenant, UndoneSchema
from tenant_apps.articles.models import Article, Tag
from tenant_apps.users.models import User
from tests.conftest import AsyncHostClient
from tests.shared_apps.tenants.archive.conftest import (
    ARTICLES,
    FILES,
    Rows,
    files_of,
    make_tenant,
    schemas_and_roles,
)

OWNER = "owner@initech.example"


@pytest.fixture
def preview(initech: Tenant) -> Preview:
    """initech as of its backup, after which it was changed."""
    backups.back_up_tenant(tenant=initech)
    with context.run_in(initech):
        first, second = Article.objects.order_by("-id")[:2]
        first.delete()
        Article.objects.filter(pk=second.pk).update(title="changed since")
        Tag.objects.create(name="since", slug="since")
        default_storage.delete("notes.txt")
        default_storage.save("since.txt", ContentFile(b"since"))
    return undo.open_preview(tenant=initech, by=OWNER)


def fresh(tenant: Tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


def follow(link: str) -> tuple[Client, Any]:
    """A browser that was given the link."""
    parts = urlsplit(link)
    client = Client(headers={"host": parts.hostname or ""})
    return client, client.get(f"{parts.path}?{parts.query}", follow=True)


# --- The preview ---------------------------------------------------------------------------------------


def test_preview_shows_the_backup_and_touches_nothing(initech: Tenant, rows_of: Rows) -> None:
    backups.back_up_tenant(tenant=initech)
    before = rows_of(initech)
    with context.run_in(initech):
        Article.objects.all().delete()

    opened = undo.open_preview(tenant=initech, by=OWNER)

    assert opened.shown_as is not None
    assert rows_of(opened.shown_as) == before
    assert files_of(opened.shown_as) == FILES
    assert fresh(initech).schema_name == initech.schema_name
    with context.run_in(initech):
        assert not Article.objects.exists()


def test_preview_host_is_nobodys_without_a_pass(preview: Preview) -> None:
    host = "initech--preview.localhost"
    assert Domain.objects.filter(domain=host).exists()
    stranger = Client(headers={"host": host})
    unknown = Client(headers={"host": "nobody.localhost"}).get("/articles/")
    for path in ("/articles/", "/account/login/", "/?preview_pass=x", "/media/notes.txt"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.content) == (404, unknown.content), path


def test_owner_opens_the_preview_logged_in_and_reads_only(
    preview: Preview, initech: Tenant
) -> None:
    with context.run_in(initech):
        owner = User.objects.get()
    link = undo.preview_link(preview=preview, user_id=owner.pk)
    client, page = follow(link)
    assert page.status_code == 200
    assert "Olga" in page.content.decode()
    assert "You are looking at a backup" in page.content.decode()
    assert page.headers["X-Robots-Tag"].startswith("noindex")
    assert page.headers["Cache-Control"] == "no-store"
    assert "preview_pass" not in page.request["QUERY_STRING"]
    assert client.get("/desk/").status_code == 200
    assert client.post("/desk/new/", {"title": "x"}).status_code == 403


def test_operator_looks_on_as_a_visitor(preview: Preview) -> None:
    client, page = follow(undo.preview_link(preview=preview))
    assert page.status_code == 200
    assert client.get("/desk/").status_code == 302


def test_pass_opens_one_preview_and_for_its_time(
    preview: Preview, initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preview.shown_as is not None
    other = make_tenant("initrode")
    backups.back_up_tenant(tenant=other)
    other_preview = undo.open_preview(tenant=other, by=OWNER)
    assert other_preview.shown_as is not None
    mine = preview_passes.issue_pass(preview.shown_as.ref)
    assert preview_passes.is_link_pass(mine, preview.shown_as.ref)
    assert not preview_passes.is_link_pass(mine, other_preview.shown_as.ref)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 16 * 60)
    assert not preview_passes.is_link_pass(mine, preview.shown_as.ref)
    assert preview_passes.is_cookie_pass(mine, preview.shown_as.ref)
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    assert not preview_passes.is_cookie_pass(mine, preview.shown_as.ref)
    importing.remove_files(other.ref)


def test_pass_does_not_redirect_elsewhere(preview: Preview) -> None:
    assert preview.shown_as is not None
    given = preview_passes.issue_pass(preview.shown_as.ref)
    client = Client(headers={"host": preview.shown_as.primary_hostname})
    answer = client.get(f"//evil.example/?preview_pass={given}")
    assert not answer.headers["Location"].startswith("//")


async def _ask_async(host: str, path: str) -> Any:
    client: AsyncClient = AsyncHostClient(host)
    return await client.get(path)


def test_preview_is_guarded_under_asgi_too(preview: Preview) -> None:
    from asgiref.sync import async_to_sync

    assert preview.shown_as is not None
    host = preview.shown_as.primary_hostname
    assert async_to_sync(_ask_async)(host, "/articles/").status_code == 404


def test_preview_name_can_be_no_customers(preview: Preview) -> None:
    with pytest.raises(SubdomainReserved):
        check_subdomain("initech--preview")


def test_second_preview_and_one_without_backup_are_refused(
    preview: Preview, initech: Tenant
) -> None:
    with pytest.raises(PreviewOpenAlready):
        undo.open_preview(tenant=initech, by=OWNER)
    with pytest.raises(BackupNotFound, match="acme"):
        undo.open_preview(tenant=Tenant.objects.get(subdomain="acme"), by=OWNER)


def test_backup_of_another_tenant_is_refused(initech: Tenant) -> None:
    backup = backups.back_up_tenant(tenant=initech)
    with pytest.raises(ValueError, match="another tenant"):
        undo.open_preview(tenant=Tenant.objects.get(subdomain="acme"), by=OWNER, backup=backup)


def test_suspended_tenant_has_no_preview(initech: Tenant) -> None:
    backups.back_up_tenant(tenant=initech)
    suspended = lifecycle.suspend_tenant(tenant=initech, reason="unpaid", by="op")
    with pytest.raises(TenantNotActive):
        undo.open_preview(tenant=suspended, by=OWNER)


def test_closed_preview_leaves_nothing(initech: Tenant, preview: Preview) -> None:
    assert preview.shown_as is not None
    shown_as = preview.shown_as.ref
    undo.close_preview(preview=preview)
    undo.close_preview(preview=preview)

    assert f"schema {shown_as.schema_name}" not in schemas_and_roles()
    assert f"role {shown_as.schema_name}" not in schemas_and_roles()
    assert resolution.tenant_for_host(shown_as.hostname) is None
    assert files_of(shown_as) == {}
    with pytest.raises(PreviewClosed):
        undo.swap_preview(preview=preview, by=OWNER, reason="too late")


def test_preview_expires(initech: Tenant, preview: Preview) -> None:
    assert undo.sweep_undone() == 0
    assert undo.sweep_undone(now=timezone.now() + timedelta(hours=25)) == 1
    preview.refresh_from_db()
    assert preview.closed_at is not None


# --- The difference -------------------------------------------------------------------------------------


def test_difference_by_table(preview: Preview) -> None:
    found = {one.table: one for one in undo.diff_by_table(preview=preview) if one.is_different}
    articles, tags = found["articles_article"], found["articles_tag"]
    assert (articles.added, articles.changed, articles.removed) == (0, 1, 1)
    assert (tags.added, tags.changed, tags.removed) == (1, 0, 0)
    assert set(found) <= {
        *("articles_article", "articles_tag", "activity_entry"),
        *("articles_revision", "articles_searchentry", "articles_searchword"),
    }
    assert preview.differences


def test_owner_finds_preview_and_difference_on_a_page(preview: Preview, initech: Tenant) -> None:
    found = previews.find_preview(initech.ref)
    assert found is not None
    client = Client(headers={"host": initech.primary_hostname})
    with context.run_in(initech):
        client.force_login(User.objects.get(), "tenant_apps.users.backends.EmailBackend")
    page = client.get("/account/data/").content.decode()
    assert "A backup is open" in page
    assert re.search(r"articles_article</th><td[^>]*>0</td><td[^>]*>1</td><td[^>]*>1<", page)
    link = client.post("/account/data/preview/").headers["Location"]
    assert follow(link)[1].status_code == 200


# --- The swap -------------------------------------------------------------------------------------------


def test_swap_brings_yesterday_back(initech: Tenant, preview: Preview) -> None:
    assert preview.shown_as is not None
    restored = preview.shown_as.schema_name
    with context.run_in(initech):
        cache.set("count", "stale")

    undone = undo.swap_preview(preview=preview, by=OWNER, reason="fat finger")

    tenant = fresh(initech)
    assert (tenant.schema_name, undone.schema_name) == (restored, initech.schema_name)
    with context.run_in(tenant):
        assert Article.objects.count() == ARTICLES
        assert not Article.objects.filter(title="changed since").exists()
        assert not Tag.objects.exists()
        assert cache.get("count") is None
        Tag.objects.create(name="after", slug="after")
    assert files_of(tenant) == {**FILES, "since.txt": b"since"}
    assert not Tenant.objects.filter(subdomain="initech--preview").exists()
    change = StatusChange.objects.filter(tenant=tenant).first()
    assert change is not None
    assert (change.reason, change.by) == ("Undo: fat finger", OWNER)
    assert initech.schema_name not in schemas_behind()
    assert undone.drop_after > timezone.now() + timedelta(days=6)
    host = resolution.tenant_for_host("initech.localhost")
    assert host is not None
    assert host.schema_name == restored


def test_visitor_sees_the_swap_at_once_and_stays_logged_in(
    initech: Tenant, preview: Preview
) -> None:
    client = Client(headers={"host": initech.primary_hostname})
    with context.run_in(initech):
        client.force_login(User.objects.get(), "tenant_apps.users.backends.EmailBackend")
    assert "changed since" in client.get("/desk/").content.decode()
    undo.swap_preview(preview=preview, by=OWNER, reason="why")
    page = client.get("/desk/")
    assert page.status_code == 200
    assert "changed since" not in page.content.decode()


def test_writer_that_knows_the_old_schema_is_refused(initech: Tenant, preview: Preview) -> None:
    old = initech.ref
    undo.swap_preview(preview=preview, by=OWNER, reason="why")
    with context.run_in(old):
        assert Tag.objects.filter(slug="since").exists()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Tag.objects.create(name="stale", slug="stale")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Tag.objects.all().delete()


def _hold_write(tenant: Tenant, held: threading.Event, let_go: threading.Event) -> None:
    try:
        with context.run_in(tenant), transaction.atomic():
            Tag.objects.create(name="in flight", slug="in-flight")
            held.set()
            let_go.wait(30)
    finally:
        connections.close_all()


@pytest.fixture
def writer_in(initech: Tenant) -> Any:
    """A transaction that has written to initech and is held open until `let_go` is set."""
    held, let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=context.carry(lambda: _hold_write(initech, held, let_go)))

    def begin() -> threading.Event:
        thread.start()
        assert held.wait(30)
        return let_go

    yield begin
    let_go.set()
    if thread.ident is not None:
        thread.join(30)


def test_swap_waits_for_a_writer(
    initech: Tenant, preview: Preview, writer_in: Callable[[], threading.Event]
) -> None:
    """Its write is in the old schema, where it was made; the new one has nothing of it."""
    let_go = writer_in()
    threading.Timer(1.2, let_go.set).start()
    undo.swap_preview(preview=preview, by=OWNER, reason="why")
    assert let_go.is_set()
    with context.run_in(initech.ref):
        assert Tag.objects.filter(slug="in-flight").exists()
    with context.run_in(fresh(initech)):
        assert not Tag.objects.filter(slug="in-flight").exists()


def test_swap_gives_up_on_a_writer_that_stays(
    initech: Tenant,
    preview: Preview,
    writer_in: Callable[[], threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undo, "_LOCK_TIMEOUTS", ("50ms", "50ms"))
    let_go = writer_in()
    with pytest.raises(TenantBusy, match="nothing was swapped"):
        undo.swap_preview(preview=preview, by=OWNER, reason="why")
    let_go.set()
    assert fresh(initech).schema_name == initech.schema_name
    assert not UndoneSchema.objects.filter(tenant=initech).exists()
    with context.run_in(initech):
        Tag.objects.create(name="goes on", slug="goes-on")


def test_swap_is_undone_and_undone_again(initech: Tenant, preview: Preview, rows_of: Rows) -> None:
    before = rows_of(initech)
    first = undo.swap_preview(preview=preview, by=OWNER, reason="why")
    restored = rows_of(initech)

    second = undo.undo_swap(undone=first, by=OWNER, reason="it was right")

    assert rows_of(initech) == before
    assert fresh(initech).schema_name == initech.schema_name
    with context.run_in(fresh(initech)):
        Tag.objects.create(name="writable", slug="writable").delete()
    with pytest.raises(NothingToUndo):
        undo.undo_swap(undone=first, by=OWNER, reason="again")
    undo.undo_swap(undone=second, by=OWNER, reason="it was wrong")
    assert rows_of(initech) == restored


def test_old_schema_is_dropped_after_its_days(initech: Tenant, preview: Preview) -> None:
    undone = undo.swap_preview(preview=preview, by=OWNER, reason="why")
    assert undo.sweep_undone(now=timezone.now() + timedelta(days=6)) == 0
    assert undo.sweep_undone(now=timezone.now() + timedelta(days=8)) == 1
    there = schemas_and_roles()
    assert not {f"schema {undone.schema_name}", f"role {undone.schema_name}"} & there
    assert f"schema {fresh(initech).schema_name}" in there
    with pytest.raises(NothingToUndo):
        undo.undo_swap(undone=undone, by=OWNER, reason="too late")


def test_swap_needs_a_reason(preview: Preview) -> None:
    with pytest.raises(ValueError, match="why"):
        undo.swap_preview(preview=preview, by=OWNER, reason=" ")


def test_swapped_tenant_has_the_fingerprint_of_others(initech: Tenant, preview: Preview) -> None:
    from shared_apps.tenants.models import SchemaTemplate
    from shared_apps.tenants.postgresql.catalogue import describe_schema
    from shared_apps.tenants.schemas import owner_transaction

    undo.swap_preview(preview=preview, by=OWNER, reason="why")
    with owner_transaction() as connection:
        made = describe_schema(connection, fresh(initech).schema_name)
    assert made.fingerprint == SchemaTemplate.objects.get().fingerprint


def test_settings_say_for_how_long() -> None:
    assert (settings.TERRACE_PREVIEW_HOURS, settings.TERRACE_UNDO_KEEP_DAYS) == (24, 7)
