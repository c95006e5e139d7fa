"""Imports by the API, and cancelling them: by page, by API, and while a worker is at it."""

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import import_runs
from tenant_apps.products.errors import ImportNotReady
from tenant_apps.products.models import ImportChunk, ImportRun, ImportState, Product
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.problems import sentences
from tests.tenant_apps.products.csv_texts import csv_text, one

IMPORTS = "/api/v1/product-imports/"


def send(client: Client, text: str, **more: str) -> ImportRun | dict[str, list[str]]:
    file = SimpleUploadedFile("products.csv", text.encode(), "text/csv")
    answer = client.post(IMPORTS, {"file": file, **more})
    if answer.status_code != 201:
        return sentences(answer)
    return ImportRun(pk=answer.json()["id"])


def test_import_from_its_upload_to_its_end(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    run = send(client, csv_text([one()]))
    assert isinstance(run, ImportRun)
    path = f"{IMPORTS}{run.pk}/"
    assert client.post(f"{path}start/").status_code == 409
    with context.run_in(acme):
        import_runs.check_import(run=ImportRun.objects.get())
    told = client.get(path).json()
    assert (told["state"], told["created"], told["can_start"]) == ("checked", 1, True)
    assert [one["is_new"] for one in client.get(f"{path}changes/").json()["results"]] == [True]
    assert client.get(f"{path}problems/?is_fatal=true").json()["results"] == []
    assert client.post(f"{path}start/").json()["state"] == "importing"
    with context.run_in(acme):
        import_runs.apply_import(run=ImportRun.objects.get())
        assert Product.objects.count() == 1
    assert client.get(path).json()["state"] == "imported"
    assert client.post(f"{path}cancel/").status_code == 409


def test_faults_are_told_and_given_back(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    run = send(client, csv_text([one(**{"Variant Price": "cheap"})]))
    assert isinstance(run, ImportRun)
    with context.run_in(acme):
        import_runs.check_import(run=ImportRun.objects.get())
    (problem,) = client.get(f"{IMPORTS}{run.pk}/problems/").json()["results"]
    assert (problem["row_number"], problem["is_fatal"]) == (2, True)
    file = client.get(f"{IMPORTS}{run.pk}/faulty-rows/")
    assert b"cheap" in b"".join(file)


@pytest.mark.parametrize(("text", "field"), [("", "file"), ("a,b\n1,2\n", "file")])
def test_file_that_cannot_be_read(
    acme_people: People, as_role: LoggedIn, text: str, field: str
) -> None:
    assert list(send(as_role("editor"), text)) == [field]


@pytest.mark.parametrize("door", ["page", "api"])
def test_waiting_import_is_cancelled(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, door: str
) -> None:
    client = as_role("editor")
    run = send(client, csv_text([one()]))
    assert isinstance(run, ImportRun)
    page = f"/products/import/{run.pk}/"
    assert "Cancel this import" in client.get(page).content.decode()
    path = f"{page}cancel/" if door == "page" else f"{IMPORTS}{run.pk}/cancel/"
    client.post(path)
    with context.run_in(acme):
        kept = import_runs.check_import(run=ImportRun.objects.get())
        assert kept.state == ImportState.CANCELLED
        assert not ImportChunk.objects.exists()
        told = Entry.objects.get(verb="products.import_cancelled")
        assert told.actor_id == acme_people["editor"].pk
    shown = client.get(page).content.decode()
    assert "The import was cancelled" in shown
    assert "Cancel this import" not in shown


def test_import_that_is_worked_on_stops_and_leaves_nothing(
    in_acme: TenantRef, acme_people: People
) -> None:
    run = import_runs.start_import(
        file_name="x.csv",
        pieces=lambda: [csv_text([one()]).encode()],
        skips_faulty=False,
        by=acme_people["editor"],
    )
    import_runs.check_import(run=run)
    import_runs.request_import(run=run, by=acme_people["editor"])
    # What `cancel_import` leaves where a worker holds the row.
    cache.set(import_runs._cancelled_key(run), "yes")
    import_runs.apply_import(run=run)
    run.refresh_from_db()
    assert (run.state, Product.objects.count()) == (ImportState.CANCELLED, 0)


def test_cancelling_that_cannot_be(in_acme: TenantRef, acme_people: People) -> None:
    run = ImportRun.objects.create(file_name="x.csv", file_bytes=1, state=ImportState.IMPORTED)
    with pytest.raises(ImportNotReady, match="is imported; only one that has not ended"):
        import_runs.cancel_import(run=run, by=acme_people["editor"])
    with pytest.raises(NotAllowed):
        import_runs.cancel_import(run=run, by=acme_people["author"])
