"""A customer's own data as a file: complete, without secrets, for those who may, for some days."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context, stored_files
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.registry import exporters, register_exporter
from tenant_apps.activity.models import Entry
from tenant_apps.articles.models import Article
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import Role, User
from tenant_apps.workspace import takeout
from tenant_apps.workspace.models import TakeOut, TakeOutState
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product


@pytest.fixture(autouse=True)
def _no_files(acme: TenantRef) -> Iterator[None]:
    def remove() -> None:
        with context.run_in(acme):
            stored_files.remove_all()
            kept = storages[takeout.STORAGE]
            for name in kept.listdir("")[1] if kept.exists("") else []:
                kept.delete(name)

    remove()  # what other tests have left, whose rows were taken back
    yield
    remove()


@pytest.fixture
def made(in_acme: TenantRef, acme_people: People) -> TakeOut:
    """A take-out of acme, with an article, a product and a file in it."""
    make_article(acme_people["author"], '=HYPERLINK("x")')
    make_product("Mug")
    default_storage.save("pictures/kiln.png", ContentFile(b"\x89PNG" * 1000))
    take_out = takeout.start_takeout(by=acme_people["owner"])
    return takeout.write_take_out(take_out=take_out)


def contents(take_out: TakeOut) -> zipfile.ZipFile:
    with storages[takeout.STORAGE].open(f"{take_out.pk.hex}.zip") as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def test_takeout_has_everything_as_json_and_csv(made: TakeOut) -> None:
    found = contents(made)
    assert found.testzip() is None
    names = set(found.namelist())
    for app, export in exporters().items():
        for name, _ in export():
            assert {f"data/{app}/{name}.json", f"data/{app}/{name}.csv"} <= names
    assert {"users", "articles", "products", "activity", "workspace"} <= set(exporters())
    articles = json.loads(found.read("data/articles/articles.json"))
    assert [article["title"] for article in articles] == ['=HYPERLINK("x")']
    assert articles[0]["author_email"] == "author@acme.example"
    table = list(csv.DictReader(io.StringIO(found.read("data/articles/articles.csv").decode())))
    assert table[0]["title"] == '\'=HYPERLINK("x")'
    assert set(table[0]) == set(articles[0])
    assert found.read("files/pictures/kiln.png") == b"\x89PNG" * 1000
    people = json.loads(found.read("data/users/people.json"))
    assert len(people) == User.objects.count()
    assert json.loads(found.read("data/articles/article-tags.json")) != []
    assert (made.files, made.rows > len(people)) == (1, True)


def test_takeout_holds_no_hash_and_no_token(made: TakeOut) -> None:
    """What could leak is there: password hashes, and an invitation's."""
    hashes = list(User.objects.values_list("password", flat=True))
    found = contents(made)
    text = b"".join(found.read(name) for name in found.namelist()).decode(errors="replace")
    assert all(hashes)
    assert not [one for one in hashes if one in text]
    assert "token_hash" not in text
    assert '"password"' not in text


def test_every_tenant_app_with_tables_has_an_exporter() -> None:
    from django.apps import apps

    own = {
        config.label
        for config in apps.get_app_configs()
        if config.name.startswith("tenant_apps.") and list(config.get_models())
    }
    assert own <= set(exporters())


def test_letter_leads_to_the_file(made: TakeOut, as_role: LoggedIn) -> None:
    letter = mail.outbox[-1]
    assert letter.to == ["owner@acme.example"]
    found = re.search(r"http\S+/account/data/\S+/", str(letter.body))
    assert found is not None
    path = urlsplit(found.group()).path
    answer = as_role("owner").get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    body = b"".join(answer)
    assert len(body) == made.bytes
    assert Entry.objects.filter(verb="takeout.downloaded").count() == 1
    admins = as_role("admin").get(path)
    assert len(b"".join(admins)) == made.bytes
    assert as_role("editor").get(path).status_code == 403
    assert as_role("visitor").get(path).status_code == 302


def test_link_expires(made: TakeOut, as_role: LoggedIn) -> None:
    token = takeout.download_token(made)
    TakeOut.objects.update(expires_at=timezone.now())
    assert as_role("owner").get(f"/account/data/{token}/").status_code == 404


def test_link_of_another_workspace_is_nothing(
    made: TakeOut, globex: TenantRef, as_role: LoggedIn
) -> None:
    """The token is of the very same row key, signed in globex."""
    with context.run_in(globex):
        theirs = takeout.download_token(made)
    assert as_role("owner").get(f"/account/data/{theirs}/").status_code == 404


def test_one_at_a_time(in_acme: TenantRef, acme_people: People) -> None:
    takeout.start_takeout(by=acme_people["owner"])
    with pytest.raises(takeout.TakeOutUnderWay, match="already"):
        takeout.start_takeout(by=acme_people["admin"])
    assert TakeOut.objects.count() == 1


def test_who_may_not_is_refused(in_acme: TenantRef, acme_people: People) -> None:
    for role in ("editor", "author", "member"):
        with pytest.raises(NotAllowed):
            takeout.start_takeout(by=acme_people[role])
    assert not TakeOut.objects.exists()


def test_admins_of_older_workspaces_may(acme: TenantRef) -> None:
    """The migration's step, on a role as it was before."""
    from importlib import import_module

    from django.apps import apps
    from django.db import connections

    migration = import_module("tenant_apps.workspace.migrations.0003_takeout_permission")
    with context.run_in(acme):
        Role.objects.filter(slug="admin").update(permissions=["users.use_admin"])
        editor = connections["default"].schema_editor(collect_sql=True)
        migration.give_admins_the_permission(apps, editor)
        migration.give_admins_the_permission(apps, editor)
        assert Role.objects.get(slug="admin").permissions == [
            "users.use_admin",
            "workspace.take_out_data",
        ]


def test_page_starts_it_and_shows_how_it_stands(
    acme: TenantRef,
    as_role: LoggedIn,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = as_role("owner")
    with django_capture_on_commit_callbacks() as callbacks:
        page = client.post("/account/data/", follow=True).content.decode()
    assert len(callbacks) >= 1
    assert "Being made" in page
    assert "hx-trigger" in page
    assert "already" in client.post("/account/data/", follow=True).content.decode()
    with context.run_in(acme):
        takeout.write_take_out(take_out=TakeOut.objects.get())
    inner = client.get("/account/data/", headers={"hx-request": "true"}).content.decode()
    assert "<html" not in inner
    assert "Ready" in inner
    assert "hx-trigger" not in inner
    assert as_role("editor").get("/account/data/").status_code == 403
    assert "/account/data/" in client.get("/account/").content.decode()
    assert "/account/data/" not in as_role("member").get("/account/").content.decode()
    assert "/account/data/" in client.get("/admin/").content.decode()


def test_file_is_removed_when_it_has_expired(made: TakeOut) -> None:
    assert takeout.tidy_take_outs() == 0
    TakeOut.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert takeout.tidy_take_outs() == 1
    assert storages[takeout.STORAGE].listdir("")[1] == []
    assert TakeOut.objects.get().state == TakeOutState.EXPIRED


def test_takeout_that_nobody_ends_is_ended(in_acme: TenantRef, acme_people: People) -> None:
    take_out = takeout.start_takeout(by=acme_people["owner"])
    assert takeout.tidy_take_outs() == 0
    TakeOut.objects.update(requested_at=timezone.now() - timedelta(hours=3))
    assert takeout.tidy_take_outs() == 1
    takeout.write_take_out(take_out=TakeOut.objects.get(pk=take_out.pk))
    assert TakeOut.objects.get().state == TakeOutState.FAILED


def test_takeout_of_a_killed_worker_is_written_anew(made: TakeOut) -> None:
    TakeOut.objects.update(state=TakeOutState.WORKING, rows=99)
    again = takeout.write_take_out(take_out=TakeOut.objects.get())
    assert again.state == TakeOutState.READY
    assert contents(again).testzip() is None
    assert len(storages[takeout.STORAGE].listdir("")[1]) == 1


def test_takeout_that_fails_says_so(in_acme: TenantRef, acme_people: People) -> None:
    def broken() -> Iterator[Any]:
        yield "x", [{"a": 1}]
        raise OSError("the disk is gone")

    register_exporter("broken", broken)
    try:
        take_out = takeout.start_takeout(by=acme_people["owner"])
        with pytest.raises(OSError, match="disk"):
            takeout.write_take_out(take_out=take_out)
    finally:
        from shared_apps.tenants import registry

        del registry._exporters["broken"]
    assert take_out.state == TakeOutState.FAILED
    assert "Start it again" in take_out.failure
    assert not mail.outbox


def test_takeout_rows_come_through_a_cursor(
    in_acme: TenantRef, acme_people: People, django_assert_max_num_queries: Any
) -> None:
    """Chunks, not one query a row, and not all rows at once."""
    for number in range(30):
        make_article(acme_people["author"], f"A {number}")
    take_out = takeout.start_takeout(by=acme_people["owner"])
    with django_assert_max_num_queries(70):
        takeout.write_take_out(take_out=take_out)
    assert take_out.rows > Article.objects.count()
