"""The import from the upload to the end, through its page."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import import_runs
from tenant_apps.products.errors import ImportNotReady
from tenant_apps.products.models import (
    ImportChunk,
    ImportRun,
    ImportState,
    Product,
    ProductVariant,
)
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.products.csv_texts import JEWELERY, csv_text, in_pieces, one

Start = Callable[..., ImportRun]


@pytest.fixture
def start(in_acme: TenantRef, acme_people: People) -> Start:
    """Uploads a file and checks it, as the task does."""

    def begin(data: bytes | str, *, skips_faulty: bool = False, by: str = "editor") -> ImportRun:
        content = data.encode() if isinstance(data, str) else data
        run = import_runs.start_import(
            file_name="products.csv",
            pieces=lambda: in_pieces(content, 1000),
            skips_faulty=skips_faulty,
            by=acme_people[by],
        )
        return import_runs.check_import(run=run)

    return begin


def upload(client: Client, data: bytes, **more: str) -> tuple[int, str]:
    file = SimpleUploadedFile("products.csv", data, "text/csv")
    answer = client.post("/products/import/", {"file": file, **more}, follow=True)
    return answer.status_code, answer.content.decode()


# --- the way of a file that is right --------------------------------------------------------------


def test_file_is_checked_then_imported(start: Start, acme_people: People) -> None:
    run = start(JEWELERY.read_bytes())
    assert run.state == ImportState.CHECKED
    assert (run.report["created"], run.report["products"]) == (20, 20)
    assert not Product.objects.exists()
    import_runs.request_import(run=run, by=acme_people["editor"])
    import_runs.apply_import(run=run)
    run.refresh_from_db()
    assert run.state == ImportState.IMPORTED
    assert Product.objects.count() == 20
    assert Product.objects.filter(published_by=acme_people["editor"]).count() == 20
    assert not ImportChunk.objects.exists(), "the file is not kept longer than it is needed"
    entry = Entry.objects.get(verb="products.imported")
    assert entry.after == {"created": 20, "updated": 0, "unchanged": 0, "faulty": 0}


def test_tasks_may_be_repeated(start: Start, acme_people: People) -> None:
    run = start(csv_text([one(**{"Variant Inventory Qty": "5"})]))
    import_runs.check_import(run=run)
    import_runs.request_import(run=run, by=acme_people["editor"])
    import_runs.apply_import(run=run)
    import_runs.apply_import(run=run)
    assert ProductVariant.objects.get().stock_quantity == 5
    assert Entry.objects.filter(verb="products.imported").count() == 1


def test_tasks_are_published_with_the_commit(
    in_acme: TenantRef,
    acme_people: People,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        import_runs.start_import(
            file_name="x.csv",
            pieces=lambda: [csv_text([one()]).encode()],
            skips_faulty=False,
            by=acme_people["editor"],
        )
    assert len(callbacks) == 1


def test_page_shows_the_check_and_then_the_import(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    status, page = upload(client, JEWELERY.read_bytes())
    assert status == 200
    assert "Being checked" in page
    with context.run_in(acme):
        run = ImportRun.objects.select_related("created_by__role").get()
        import_runs.check_import(run=run)
    page = client.get(f"/products/import/{run.pk}/").content.decode()
    assert "Import 20 products" in page
    assert "Gemstone Necklace" in page
    client.post(f"/products/import/{run.pk}/apply/")
    with context.run_in(acme):
        run.refresh_from_db()
        assert run.state == ImportState.IMPORTING
        import_runs.apply_import(run=run)
    inner = client.get(f"/products/import/{run.pk}/", headers={"HX-Request": "true"})
    assert "The import is done." in inner.content.decode()
    assert "<html" not in inner.content.decode()
    assert client.get("/products/gemstone/").status_code == 200


def test_progress_is_seen_by_others_while_it_lasts(start: Start, acme_people: People) -> None:
    run = start(csv_text([one()]))
    assert import_runs.progress_percent(run) == 100
    import_runs.request_import(run=run, by=acme_people["editor"])
    assert import_runs.progress_percent(run) == 0


def test_nothing_to_import(start: Start, acme_people: People) -> None:
    first = start(csv_text([one()]))
    import_runs.request_import(run=first, by=acme_people["editor"])
    import_runs.apply_import(run=first)
    second = start(csv_text([one()]))
    assert second.report["unchanged"] == 1
    assert not import_runs.can_apply(second)


# --- files that are refused at once ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"Handle,Title\nx,y\n", "The column &quot;Variant Price&quot; is missing."),
        (b"a;b\n1;2\n", "parted by semicolons"),
        (b"Handle,Title,Variant Price\nx,Caf\xe9,1\n", "line 2 holds the byte 0xE9"),
        ("Handle,Title,Variant Price\n".encode("utf-16"), "The file is UTF-16"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, "The file is not UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00", "are missing"),
    ],
)
def test_file_is_refused_with_a_sentence_at_the_field(
    acme: TenantRef, as_role: LoggedIn, data: bytes, sentence: str
) -> None:
    status, page = upload(as_role("editor"), data)
    assert status == 422
    assert sentence in page
    with context.run_in(acme):
        assert not ImportRun.objects.exists()
        assert not ImportChunk.objects.exists()


def test_file_that_is_too_large(
    acme: TenantRef, as_role: LoggedIn, settings: pytest.FixtureRequest
) -> None:
    settings.PRODUCT_IMPORT_MAX_BYTES = 2 * 1024 * 1024  # type: ignore[attr-defined]
    status, page = upload(as_role("editor"), b"x" * (2 * 1024 * 1024 + 100_000))
    assert status == 422
    assert "The file has 2.1 MB; 2 MB is the most that is taken. Split it" in page
    with context.run_in(acme):
        assert not ImportRun.objects.exists()


def test_no_file_at_all(as_role: LoggedIn) -> None:
    answer = as_role("editor").post("/products/import/", {})
    assert answer.status_code == 422
    assert "This field is required." in answer.content.decode()


# --- files that are refused when they are read ------------------------------------------------------


def test_header_without_products(start: Start) -> None:
    run = start("Handle,Title,Variant Price\n")
    assert (run.state, run.refusal) == (
        ImportState.REFUSED,
        "The file has a header and no products.",
    )


def test_quotation_mark_that_is_missing(start: Start) -> None:
    run = start('Handle,Title,Variant Price\nmug,"Mug,18\n' + "x" * 1_100_000)
    assert run.state == ImportState.REFUSED
    assert "Row 2 cannot be read" in run.refusal
    assert not ImportChunk.objects.exists()


# --- faults in rows -------------------------------------------------------------------------------

FAULTY = [
    one(),
    one(Handle="jug", Title="=HYPERLINK(1)", **{"Variant Price": "42,99"}),
    one(Handle="bowl"),
]


def test_bad_price_in_row_3_keeps_all_out(start: Start, acme_people: People) -> None:
    run = start(csv_text(FAULTY))
    problem = run.problems.get()
    assert (problem.row_number, problem.column) == (3, "Variant Price")
    assert '"42,99" is not a price' in problem.sentence
    with pytest.raises(ImportNotReady, match="nothing of it is imported until they are mended"):
        import_runs.request_import(run=run, by=acme_people["editor"])
    assert not Product.objects.exists()


def test_rest_is_imported_where_that_was_chosen(start: Start, acme_people: People) -> None:
    run = start(csv_text(FAULTY), skips_faulty=True)
    import_runs.request_import(run=run, by=acme_people["editor"])
    import_runs.apply_import(run=run)
    assert set(Product.objects.values_list("handle", flat=True)) == {"mug", "bowl"}


def test_faulty_rows_are_mended_and_sent_again(start: Start, acme_people: People) -> None:
    run = start(csv_text(FAULTY), skips_faulty=True)
    text = "".join(import_runs.faulty_rows_as_csv(run))
    assert text.startswith("\ufeff")
    ((handle, title, price, wrong),) = list(csv.reader(io.StringIO(text[1:])))[1:]
    assert (handle, title, price) == ("jug", "'=HYPERLINK(1)", "42,99")
    assert wrong.startswith('Variant Price: "42,99" is not a price')
    again = start(text.replace('"42,99"', "42.99", 1))
    import_runs.request_import(run=again, by=acme_people["editor"])
    import_runs.apply_import(run=again)
    jug = Product.objects.get()
    assert (jug.title, jug.extra) == ("=HYPERLINK(1)", {})
    assert jug.variants.get().price_minor == 4299


def test_faulty_rows_can_be_downloaded(acme: TenantRef, start: Start, as_role: LoggedIn) -> None:
    run = start(csv_text(FAULTY))
    answer = as_role("editor").get(f"/products/import/{run.pk}/faulty-rows.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert body.count("\r\n") == 2


def test_error_of_the_database_leaves_nothing_half_done(start: Start, acme_people: People) -> None:
    run = start(csv_text([one(Handle=f"mug-{n}") for n in range(700)]))
    import_runs.request_import(run=run, by=acme_people["editor"])
    # Somebody else takes the last product's options while the import is under way: the second
    # batch breaks a constraint after the first was written.
    Product.objects.create(title="x", handle="mug-699")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
    import_runs.apply_import(run=run)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert "nothing was imported" in run.refusal
    assert list(Product.objects.values_list("handle", flat=True)) == ["mug-699"]


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["author", "member"])
def test_import_by_somebody_who_may_not(
    start: Start, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with pytest.raises(NotAllowed, match="does not let you import products"):
        start(csv_text([one()]), by=role)
    run = start(csv_text([one()]))
    client = as_role(role)
    for path in ("", f"{run.pk}/", f"{run.pk}/faulty-rows.csv"):
        assert client.get(f"/products/import/{path}").status_code == 403
    assert client.post(f"/products/import/{run.pk}/apply/").status_code == 403


def test_import_of_acme_is_not_at_globex(
    globex: TenantRef, globex_people: People, globex_client: Client, start: Start
) -> None:
    run = start(csv_text([one()]))
    with context.run_in(globex):
        globex_client.force_login(globex_people["owner"], "tenant_apps.users.backends.EmailBackend")
    assert globex_client.get(f"/products/import/{run.pk}/").status_code == 404
    assert globex_client.post(f"/products/import/{run.pk}/apply/").status_code == 404


# --- what nobody ends -----------------------------------------------------------------------------


def test_interrupted_import_is_ended(start: Start, acme_people: People) -> None:
    run = start(csv_text([one()]))
    import_runs.request_import(run=run, by=acme_people["editor"])
    assert import_runs.tidy_imports() == 0
    ImportRun.objects.update(started_at=timezone.now() - timedelta(hours=3))
    assert import_runs.tidy_imports() == 1
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert "was interrupted" in run.refusal
    import_runs.apply_import(run=run)
    assert not Product.objects.exists(), "a late worker imports nothing"


def test_file_that_nobody_imports_is_not_kept(start: Start) -> None:
    run = start(csv_text([one()]))
    ImportRun.objects.update(checked_at=timezone.now() - timedelta(days=8))
    assert import_runs.tidy_imports() == 1
    run.refresh_from_db()
    assert run.state == ImportState.REFUSED
    assert not ImportChunk.objects.exists()
