"""The import from the upload to the end, through its page."""

import csv
import gc
import io
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import import_runs, tasks
from tenant_apps.products.errors import ImportNotReady
from tenant_apps.products.models import (
    ImportChunk,
    ImportRun,
    ImportState,
    Product,
    ProductImage,
    ProductVariant,
)
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace.models import Workspace
from tests.isolation.conftest import superuser
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.products.csv_texts import JEWELERY, MANY_ROWS, csv_text, in_pieces, one

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


def start_only(text: str, by: User) -> ImportRun:
    """Uploads a file, and leaves it to be checked."""
    return import_runs.start_import(
        file_name="products.csv", pieces=lambda: [text.encode()], skips_faulty=False, by=by
    )


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


def test_preview_shows_each_change_a_page_at_a_time(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, start: Start
) -> None:
    first = start(csv_text([one(Handle=f"mug-{n:02}") for n in range(60)]))
    import_runs.request_import(run=first, by=acme_people["editor"])
    import_runs.apply_import(run=first)
    rows = [one(Handle=f"mug-{n:02}", Title=f"Cup {n:02}") for n in range(55)]
    run = start(csv_text([*rows, one(Handle="mug-59"), one(Handle="jug")]))
    assert [run.report[name] for name in ("created", "updated", "unchanged")] == [1, 55, 1]
    client = as_role("editor")
    assert "See all 56 products" in client.get(f"/products/import/{run.pk}/").content.decode()
    path = f"/products/import/{run.pk}/changes/"
    pages = [client.get(f"{path}?page={number}").content.decode() for number in (1, 2)]
    assert [page.count('<th scope="row"') for page in pages] == [50, 6]
    assert "<td>Title</td><td>Mug</td><td>Cup 00</td>" in pages[0]
    assert as_role("author").get(path).status_code == 403


def test_products_are_found_by_sku_where_that_was_chosen(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, start: Start
) -> None:
    first = start("handle,title,sku,price\nmug,Mug,A,18\n")
    import_runs.request_import(run=first, by=acme_people["editor"])
    import_runs.apply_import(run=first)
    client = as_role("editor")
    file = SimpleUploadedFile("prices.csv", b"sku\tprice\nA\t19,50\n")
    answer = client.post("/products/import/", {"file": file, "match_by": "sku"}, follow=True)
    assert "products found by a SKU of its variants" in answer.content.decode()
    with context.run_in(acme):
        run = ImportRun.objects.select_related("created_by__role").first()
        assert run is not None
        import_runs.check_import(run=run)
        import_runs.request_import(run=run, by=acme_people["editor"])
        import_runs.apply_import(run=run)
        assert (run.state, run.report["updated"]) == (ImportState.IMPORTED, 1)
        assert ProductVariant.objects.get().price_minor == 1950
    refused = client.post(
        "/products/import/",
        {"file": SimpleUploadedFile("x.csv", b"handle,price\na,1\n"), "match_by": "sku"},
    )
    assert refused.status_code == 422
    assert "the file has no column for it" in refused.content.decode()


# --- files that are refused at once ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"Handle,Body (HTML)\nx,y\n", "and &quot;Variant Price&quot; are missing."),
        (b"a;b\n1;2\n", "must be the header of a Shopify product export, or of Terrace"),
        (b"Handle,Title,Variant Price\nx,Caf\xe9,1\n", "line 2 holds the byte 0xE9"),
        ("Handle,Title,Variant Price\n".encode("utf-16"), "The file is UTF-16"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, "The file is not UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00", "are missing"),
        (b"Handle,Title,Variant Price,Ex\x00tra\nx,y,1,z\n", "The header holds a NUL character"),
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
    assert "Choose a CSV file." in answer.content.decode()


# --- files that are refused when they are read ------------------------------------------------------


def test_header_without_products(start: Start) -> None:
    run = start("Handle,Title,Variant Price\n")
    assert (run.state, run.refusal) == (
        ImportState.REFUSED,
        "The file has a header and no products. Write a row for each below the header and choose "
        "the file again.",
    )


def test_quotation_mark_that_is_missing(start: Start) -> None:
    run = start('Handle,Title,Variant Price\nmug,"Mug,18\n' + "x" * 1_100_000)
    assert run.state == ImportState.REFUSED
    assert "Row 2 cannot be read" in run.refusal
    assert not ImportChunk.objects.exists()


# --- faults in rows -------------------------------------------------------------------------------

FAULTY = [
    one(),
    one(Handle="jug", Title="=HYPERLINK(1)", **{"Variant Price": "4x2"}),
    one(Handle="bowl"),
]


def test_bad_price_in_row_3_keeps_all_out(start: Start, acme_people: People) -> None:
    run = start(csv_text(FAULTY))
    problem = run.problems.get()
    assert (problem.row_number, problem.column) == (3, "Variant Price")
    assert '"4x2" is not a price' in problem.sentence
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
    assert (handle, title, price) == ("jug", "'=HYPERLINK(1)", "4x2")
    assert wrong.startswith('Variant Price: "4x2" is not a price')
    again = start(text.replace("4x2", "42.99", 1))
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


def test_error_of_the_database_leaves_nothing_half_done(
    start: Start, in_acme: TenantRef, acme_people: People
) -> None:
    run = start(csv_text([one(Handle=f"mug-{n}") for n in range(700)]))
    import_runs.request_import(run=run, by=acme_people["editor"])
    Product.objects.create(title="x", handle="mug-699")
    # Somebody has the variants' table: products are written, and what comes after them is not.
    with superuser() as other, other.transaction():
        other.execute(
            f"LOCK TABLE {in_acme.schema_name}.products_productvariant IN SHARE MODE".encode()
        )
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            import_runs.apply_import(run=run)
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert "nothing was imported" in run.refusal
    assert list(Product.objects.values_list("handle", flat=True)) == ["mug-699"]


def test_error_of_any_kind_ends_the_run_with_a_sentence(
    in_acme: TenantRef, acme_people: People
) -> None:
    run = start_only(csv_text([one()]), acme_people["editor"])
    settings = Workspace.objects.get()
    Workspace.objects.all().delete()
    with pytest.raises(Workspace.DoesNotExist):
        import_runs.check_import(run=run)
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert "stopped by an error on our side, and nothing was imported" in run.refusal
    assert not ImportChunk.objects.exists()
    settings.save(force_insert=True)


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """As Celery ends a task that takes too long: by a signal whose handler raises."""

    def stop(*_: object) -> None:
        raise SoftTimeLimitExceeded

    # Python drops what is raised while the collector runs an object's __del__.
    gc.collect()
    gc.disable()
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


@pytest.fixture
def kept_run(committing_db: None, cast: dict[str, TenantRef]) -> Iterator[ImportRun]:
    """A run of many products that is committed, in acme."""
    text = csv_text(one(Handle=f"mug-{n}") for n in range(20_000))
    with context.run_in(cast["acme"]):
        owner = User.objects.select_related("role").get(email="owner@acme.example")
        yield start_only(text, owner)
        ImportRun.objects.all().delete()
        Product.objects.all().delete()


@pytest.mark.parametrize("state", [ImportState.CHECKING, ImportState.IMPORTING])
def test_work_that_takes_too_long_ends_the_run_with_a_sentence(
    kept_run: ImportRun, state: ImportState
) -> None:
    ImportRun.objects.update(state=state, started_at=timezone.now())
    task = {
        ImportState.CHECKING: tasks.check_import,
        ImportState.IMPORTING: tasks.apply_import,
    }[state]
    with stopped_after(0.3), pytest.raises(SoftTimeLimitExceeded):
        task(str(kept_run.pk))
    kept_run.refresh_from_db()
    assert kept_run.state == ImportState.FAILED
    assert "Split it: each part with the header" in kept_run.refusal
    assert "import it by command" in kept_run.refusal
    assert not Product.objects.exists()
    assert not ImportChunk.objects.exists()


def test_second_worker_leaves_a_run_to_the_first(
    kept_run: ImportRun, cast: dict[str, TenantRef]
) -> None:
    def work() -> str:
        with context.run_in(cast["acme"]):
            run = ImportRun.objects.select_related("created_by__role").get(pk=kept_run.pk)
            state = str(import_runs.check_import(run=run).state)
        connections.close_all()
        return state

    with transaction.atomic(), ThreadPoolExecutor(1) as second:
        ImportRun.objects.select_for_update().get(pk=kept_run.pk)
        assert second.submit(work).result(timeout=10) == ImportState.CHECKING


def test_time_that_an_import_may_take_is_shorter_than_the_queue_waits(
    settings: Settings,
) -> None:
    visibility = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    for task in (tasks.check_import, tasks.apply_import):
        assert settings.CELERY_TASK_TIME_LIMIT < task.soft_time_limit < task.time_limit
        assert task.time_limit < visibility


@pytest.mark.slow
def test_50_000_rows_by_the_page(start: Start, acme_people: People) -> None:
    run = start(MANY_ROWS)
    assert (run.state, run.report["rows"]) == (ImportState.CHECKED, 50_000)
    import_runs.request_import(run=run, by=acme_people["editor"])
    import_runs.apply_import(run=run)
    assert (run.state, run.report["created"]) == (ImportState.IMPORTED, 500)
    assert ProductImage.objects.count() == 50_000


def test_older_runs_are_on_pages_of_their_own(acme: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        ImportRun.objects.bulk_create(
            ImportRun(file_name=f"file-{n:02}.csv", file_bytes=1) for n in range(12)
        )
    client = as_role("editor")
    pages = [client.get(f"/products/import/?page={number}").content.decode() for number in (1, 2)]
    assert [page.count(".csv</a>") for page in pages] == [10, 2]
    assert "?page=2" in pages[0]


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
