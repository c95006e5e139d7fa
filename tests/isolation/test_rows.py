"""Leak list 1, 7 to 11, 14: rows, however they are asked for."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.errors import NoTenant, TenantNotFound, WrongSchema, WrongTenant
from shared_apps.tenants.models import Tenant
from tenant_apps.users.backends import EmailBackend
from tenant_apps.users.models import Role, User
from tenant_apps.users.roles import get_role
from tests.isolation.conftest import Cast, left_on_connection, superuser
from tests.isolation.probe.models import Note, Tag


def _texts() -> list[str]:
    return list(Note.objects.order_by("id").values_list("text", flat=True))


def _expected(subdomain: str) -> list[str]:
    return [f"{subdomain}-secret-{number}" for number in (1, 2, 3)]


def _refuses(use: Callable[[], object]) -> None:
    """The use raises WrongTenant; the failure names the line of the use that didn't."""
    try:
        with transaction.atomic():
            answer = use()
    except WrongTenant:
        return
    code = getattr(use, "__code__", None)
    where = f"line {code.co_firstlineno}" if code else repr(use)
    pytest.fail(f"{where} was not refused, and gave {answer!r}")


# --- 1: a table that is missing in the tenant ------------------------------------------------------


def test_missing_table_is_an_error_and_not_publics(planted: Cast) -> None:
    """A table of the same name stands in public, readable by every role: it must not be found."""
    with superuser() as unlocked:
        unlocked.execute("CREATE TABLE public.probe_missing AS SELECT 'public-secret' AS text")
        unlocked.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        unlocked.execute("GRANT SELECT ON public.probe_missing TO PUBLIC")
    try:
        with context.run_in(planted["acme"]), connection.cursor() as cursor:
            cursor.execute("SELECT text FROM public.probe_missing")  # it could be read
            assert cursor.fetchone() == ("public-secret",)
            with pytest.raises(ProgrammingError, match="does not exist"):
                cursor.execute("SELECT text FROM probe_missing")
    finally:
        with superuser() as unlocked:
            unlocked.execute("DROP TABLE public.probe_missing")
            unlocked.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")


def test_tenant_data_without_a_tenant_is_refused(planted: Cast) -> None:
    with pytest.raises(NoTenant):
        Note.objects.count()
    with context.run_in(planted["acme"]), context.run_in_public(), pytest.raises(NoTenant):
        Note.objects.count()
    with pytest.raises(NoTenant):
        Note(text="nobody's").save()


def test_public_data_inside_a_tenant_is_refused(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        with pytest.raises(WrongSchema):
            Tenant.objects.count()
        with context.run_in_public():
            assert Tenant.objects.count() >= 2


def test_erased_tenants_role_is_an_error_by_name(planted: Cast) -> None:
    """Its reference may still be in a cache; nobody else's rows may answer."""
    gone = context.TenantRef(**{**_as_dict(planted["acme"]), "schema_name": "t_000000000000"})
    with context.run_in(gone):
        with pytest.raises(TenantNotFound):
            Note.objects.count()
        with pytest.raises(TenantNotFound), transaction.atomic():
            Note.objects.count()
    with context.run_in(planted["acme"]), transaction.atomic():
        assert Note.objects.count() == 3
        with context.run_in(gone), pytest.raises(TenantNotFound):
            Note.objects.count()
        transaction.set_rollback(True)
    assert left_on_connection() == {}


def _as_dict(tenant: context.TenantRef) -> dict[str, Any]:
    return {name: getattr(tenant, name) for name in tenant.__slots__}


# --- 7: roles and permissions, which stand for content types and auth_permission -------------------

PERSON = UUID("00000000-0000-7000-8000-000000000007")
ROLE = 9_000_007
GRANTS = {"acme": "articles.publish_article", "globex": "products.import_products"}


@pytest.fixture
def same_person(planted: Cast) -> Iterator[Cast]:
    """A person and a role of the same keys in both; what the role is called and grants is not."""
    for subdomain, tenant in planted.items():
        with context.run_in(tenant), transaction.atomic():
            role = Role.objects.create(
                id=ROLE, slug="clerk", name=f"{subdomain}-clerk", permissions=[GRANTS[subdomain]]
            )
            User.objects.create(id=PERSON, email="same@example.com", full_name="Sam", role=role)
    yield planted
    for tenant in planted.values():
        with context.run_in(tenant), transaction.atomic():
            User.objects.filter(pk=PERSON).delete()
            Role.objects.filter(pk=ROLE).delete()


def _by_turns(cast: Cast, read: Callable[[], Any], *, times: int) -> dict[str, list[Any]]:
    """What one thread for each tenant reads, when each step of one comes between two of the other."""
    barrier = threading.Barrier(len(cast), timeout=20)

    def work(tenant: context.TenantRef) -> list[Any]:
        seen = []
        try:
            for _ in range(times):
                barrier.wait()
                with context.run_in(tenant):
                    barrier.wait()
                    seen.append(read())
                    barrier.wait()
        except BaseException:
            barrier.abort()  # else the other thread waits for its turn in vain
            raise
        finally:
            connection.close()
        return seen

    with ThreadPoolExecutor(len(cast)) as pool:
        answers = {name: pool.submit(work, tenant) for name, tenant in cast.items()}
        return {name: answer.result() for name, answer in answers.items()}


def test_roles_read_by_turns_grant_what_their_own_tenant_says(same_person: Cast) -> None:
    def read() -> Any:
        person = EmailBackend().get_user(PERSON)
        assert person is not None
        granted = [name for name in GRANTS.values() if person.has_perm(name)]
        modules = [name for name in ("articles", "products") if person.has_module_perms(name)]
        return person.role.name, granted, modules, get_role("clerk").permissions

    for subdomain, seen in _by_turns(same_person, read, times=25).items():
        granted = [GRANTS[subdomain]]
        expected = (f"{subdomain}-clerk", granted, [granted[0].partition(".")[0]], granted)
        assert seen == [expected] * 25


def test_roles_in_one_cache_for_all_would_be_mixed_up(same_person: Cast) -> None:
    """The control: by key in the process, as Django keeps content types, one reads the other's."""
    kept: dict[int, Role] = {}

    def read() -> str:
        if ROLE not in kept:
            kept[ROLE] = Role.objects.get(pk=ROLE)
        return str(kept[ROLE].name)

    seen = _by_turns(same_person, read, times=5)
    assert seen["acme"][-1] == seen["globex"][-1], seen


# --- 8: prepared statements ------------------------------------------------------------------------


@pytest.fixture
def preparing_connection(planted: Cast) -> Any:
    """A connection that binds on the server and prepares each statement at once."""
    options = {"server_side_binding": True, "prepare_threshold": 0}
    other = connections["default"].copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], **options}
    yield other
    other.close()


def test_prepared_statement_of_one_tenant_reads_the_others_own_rows(
    planted: Cast, preparing_connection: Any
) -> None:
    query = "SELECT text FROM probe_note WHERE id = %s"
    for subdomain in ("acme", "globex", "acme", "globex") * 3:
        with context.run_in(planted[subdomain]), preparing_connection.cursor() as cursor:
            cursor.execute(query, [1])
            assert cursor.fetchone() == (f"{subdomain}-secret-1",)
    with superuser() as unlocked:  # it was one prepared statement all the time
        assert unlocked.execute(
            "SELECT 1 FROM pg_stat_activity WHERE pid = %s",
            [preparing_connection.connection.info.backend_pid],
        ).fetchone()
    names = preparing_connection.connection._prepared._names
    assert [key for key in names if b"probe_note" in key[0]], "nothing was prepared"


def test_prepared_way_checks_statements(planted: Cast, preparing_connection: Any) -> None:
    from shared_apps.tenants.errors import StatementRefused

    with (
        context.run_in(planted["acme"]),
        preparing_connection.cursor() as cursor,
        pytest.raises(StatementRefused),
    ):
        cursor.execute(f"SET ROLE {planted['globex'].schema_name}")


# --- 9: threads ------------------------------------------------------------------------------------


def test_threads_interleaved_read_their_own_rows(planted: Cast) -> None:
    """Two threads hand each other the turn between entering, asking and reading."""
    barrier = threading.Barrier(2, timeout=20)
    seen: dict[str, list[list[str]]] = {"acme": [], "globex": []}

    def work(subdomain: str) -> None:
        try:
            for _ in range(25):
                barrier.wait()
                with context.run_in(planted[subdomain]):
                    barrier.wait()
                    queryset = Note.objects.order_by("id")
                    barrier.wait()
                    seen[subdomain].append([note.text for note in queryset])
                    barrier.wait()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for subdomain, rows in seen.items():
        assert rows == [_expected(subdomain)] * 25


def test_one_context_object_in_two_threads_does_not_swap(planted: Cast) -> None:
    """django-tenants' own decorator kept one stack for all threads."""
    started = threading.Barrier(2, timeout=20)

    def decorated(subdomain: str) -> Callable[[], list[str]]:
        @context.run_in(planted[subdomain])
        def read() -> list[str]:
            started.wait()
            return _texts()

        return read

    def work(read: Callable[[], list[str]]) -> list[list[str]]:
        try:
            return [read() for _ in range(10)]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(work, decorated(name)) for name in ("acme", "globex")]
        assert answers[0].result() == [_expected("acme")] * 10
        assert answers[1].result() == [_expected("globex")] * 10


def test_thread_has_no_tenant_unless_carried(planted: Cast, visit: Callable[..., Any]) -> None:
    assert visit(planted["acme"], "thread") == {"bare": "NoTenant", "carried": "acme"}


# --- 10: querysets and objects that outlive their tenant -------------------------------------------


def test_queryset_of_one_tenant_is_refused_in_another(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        queryset = Note.objects.filter(id=1)
    with context.run_in(planted["globex"]):
        for use in (
            lambda: list(queryset),
            queryset.count,
            queryset.exists,
            queryset.first,
            queryset.get,
            lambda: list(queryset.values_list("text")),
            lambda: list(queryset.iterator()),
            lambda: queryset.update(text="changed"),
            queryset.delete,
            lambda: list(queryset | queryset),
            lambda: list(queryset.reverse()),
        ):
            _refuses(use)
        assert _texts() == _expected("globex")


def test_raw_queryset_of_one_tenant_is_refused_in_another(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        queryset = Note.objects.raw("SELECT * FROM probe_note")
    with context.run_in(planted["globex"]), pytest.raises(WrongTenant):
        list(queryset)


def test_rows_kept_by_a_queryset_are_refused_in_another_tenant(planted: Cast) -> None:
    """A queryset on a class: made without a tenant, read by the first, kept for all."""
    queryset = Note.objects.order_by("id")
    with context.run_in(planted["acme"]):
        assert [note.text for note in queryset] == _expected("acme")
        assert [note.text for note in queryset] == _expected("acme")
    with context.run_in(planted["globex"]):
        for use in (
            lambda: list(queryset),
            lambda: len(queryset),
            lambda: queryset[0],
            queryset.count,
            lambda: bool(queryset),
            lambda: queryset.first() if queryset._result_cache else None,
            lambda: repr(queryset),
        ):
            _refuses(use)
        # A copy of it, as views and forms make, asks anew.
        assert [note.text for note in queryset.all()] == _expected("globex")


def test_object_of_one_tenant_is_refused_in_another(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        note = Note.objects.get(id=2)
        deferred = Note.objects.only("id").get(id=2)
        tag = Tag.objects.get(id=1)
        made = Note.objects.bulk_create([Note(id=901, text="acme-bulk")])[0]
        Note.objects.filter(id=901).delete()
    with context.run_in(planted["globex"]):
        own = Note.objects.get(id=1)
        for use in (
            note.save,
            note.delete,
            note.refresh_from_db,
            made.save,
            lambda: note.parent,
            lambda: list(note.replies.all()),
            lambda: list(note.tags.all()),
            lambda: note.tags.add(1),
            lambda: note.replies.create(text="x"),
            note.replies.clear,
            lambda: deferred.text,
            lambda: Note.objects.bulk_create([note]),
            lambda: Note.objects.bulk_update([note], ["text"]),
            lambda: Note(text="x", parent=note),
            lambda: own.tags.add(tag),
            lambda: own.replies.add(note),
            lambda: list(tag.notes.all()),
        ):
            _refuses(use)
        assert _texts() == _expected("globex")
    with pytest.raises((WrongTenant, NoTenant)):
        note.save()


def test_rows_of_a_cursor_are_refused_in_another_tenant(planted: Cast) -> None:
    with connection.cursor() as cursor:
        for use in (
            cursor.fetchone,
            cursor.fetchmany,
            cursor.fetchall,
            lambda: next(iter(cursor)),
        ):
            with context.run_in(planted["acme"]):
                cursor.execute("SELECT text FROM probe_note ORDER BY id")
            with context.run_in(planted["globex"]), pytest.raises(WrongTenant):
                use()
            _refuses(use)
            with context.run_in(planted["acme"]):
                assert use()


def test_named_cursor_is_refused_in_another_tenant(planted: Cast) -> None:
    with transaction.atomic():
        with context.run_in(planted["acme"]):
            rows = Note.objects.order_by("id").iterator(chunk_size=1)
            assert next(rows).text == "acme-secret-1"
        with context.run_in(planted["globex"]):
            assert _texts() == _expected("globex")
            with pytest.raises(WrongTenant):
                list(rows)


def test_named_cursor_goes_on_after_a_look_into_another_tenant(planted: Cast) -> None:
    with transaction.atomic(), context.run_in(planted["acme"]):
        seen = []
        for note in Note.objects.order_by("id").iterator(chunk_size=1):
            seen.append(note.text)
            with context.run_in(planted["globex"]):
                assert _texts() == _expected("globex")
    assert seen == _expected("acme")


def test_named_cursor_asks_the_server_as_its_own_tenant(planted: Cast) -> None:
    """What a query calls is called at each fetch, as whoever is set then."""
    acme, globex = planted["acme"], planted["globex"]
    with transaction.atomic(), context.run_in(acme), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT current_user FROM generate_series(1, 3)")
        for _ in range(3):
            with context.run_in(globex):
                Note.objects.count()
            assert cursor.fetchone() == (acme.schema_name,)


def test_iterator_outside_a_transaction_leaves_no_cursor(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        rows = Note.objects.order_by("id").iterator(chunk_size=1)
        next(rows)
    assert left_on_connection() == {}


# --- 11: what runs later ---------------------------------------------------------------------------


def test_on_commit_runs_in_the_tenant_it_was_made_in(planted: Cast) -> None:
    seen: list[Any] = []

    def note_tenant() -> None:
        seen.append((context.current_tenant(), _texts()))

    with context.run_in(planted["globex"]):
        with transaction.atomic():
            with context.run_in(planted["acme"]):
                transaction.on_commit(note_tenant)
            with context.run_in_public():
                transaction.on_commit(lambda: seen.append(context.current_tenant()))
            transaction.on_commit(note_tenant)
        assert context.current_tenant() == planted["globex"]
    assert seen == [
        (planted["acme"], _expected("acme")),
        None,
        (planted["globex"], _expected("globex")),
    ]


def test_on_commit_outside_a_transaction_runs_at_once_in_its_tenant(planted: Cast) -> None:
    seen: list[Any] = []
    with context.run_in(planted["acme"]):
        transaction.on_commit(lambda: seen.append(context.require_tenant().subdomain))
    assert seen == ["acme"]


def test_on_commit_refuses_what_can_not_be_called(planted: Cast) -> None:
    with pytest.raises(TypeError), transaction.atomic():
        transaction.on_commit(None)  # type: ignore[arg-type]


def test_signal_handlers_run_in_the_tenant_of_the_save(planted: Cast) -> None:
    from django.db.models.signals import post_save

    seen: list[list[str]] = []

    def handler(**kwargs: Any) -> None:
        seen.append(_texts())

    post_save.connect(handler, sender=Note)
    try:
        with transaction.atomic():
            for subdomain in ("acme", "globex"):
                with context.run_in(planted[subdomain]):
                    Note.objects.create(id=902, text=f"{subdomain}-new")
            transaction.set_rollback(True)
    finally:
        post_save.disconnect(handler, sender=Note)
    assert seen == [[*_expected(name), f"{name}-new"] for name in ("acme", "globex")]


# --- 14: what a failure leaves ---------------------------------------------------------------------


def _assert_clean(planted: Cast) -> None:
    assert context.current_tenant() is None
    assert left_on_connection() == {}
    for subdomain, tenant in planted.items():
        with context.run_in(tenant):
            assert _texts() == _expected(subdomain)


def test_exception_in_a_view_leaves_nothing(planted: Cast, careless: None) -> None:
    client = Client(headers={"host": planted["acme"].hostname}, raise_request_exception=False)
    assert client.get("/careless/crash").status_code == 500
    _assert_clean(planted)


def test_statement_timeout_leaves_nothing(planted: Cast, careless: None) -> None:
    client = Client(headers={"host": planted["acme"].hostname}, raise_request_exception=False)
    assert client.get("/careless/slow").status_code == 500
    _assert_clean(planted)
    with context.run_in(planted["globex"]), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("1min",)


def test_failed_statement_on_its_own_leaves_nothing(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        with pytest.raises(ProgrammingError):
            Note.objects.raw("SELECT * FROM nothing")[0]
        assert _texts() == _expected("acme")
    _assert_clean(planted)


def test_statement_cut_short_leaves_no_stuck_connection(planted: Cast) -> None:
    """A task's time limit raises in the middle of a query; the answer would be the next reader's."""
    import signal

    class TimeIsUp(Exception):
        pass

    def raise_it(*args: Any) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        for wrap in (False, True):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with context.run_in(planted["acme"]), pytest.raises(TimeIsUp):
                _sleep_in_database(in_transaction=wrap)
            with context.run_in(planted["globex"]):
                assert _texts() == _expected("globex")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    _assert_clean(planted)


def _sleep_in_database(*, in_transaction: bool) -> None:
    if in_transaction:
        with transaction.atomic():
            _sleep_in_database(in_transaction=False)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'late answer of acme', pg_sleep(3)")


def test_backend_that_died_leaves_nothing(planted: Cast) -> None:
    """The server closes the connection in mid-transaction; the next request gets another one."""
    with context.run_in(planted["acme"]):
        assert _texts() == _expected("acme")
    pid = connection.connection.info.backend_pid

    def work() -> None:
        with context.run_in(planted["acme"]), transaction.atomic():
            _texts()
            with superuser() as unlocked:
                unlocked.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            _texts()

    with pytest.raises(DatabaseError):
        work()
    connection.close_if_unusable_or_obsolete()
    _assert_clean(planted)
    assert connection.connection.info.backend_pid != pid


def test_hung_up_connection_is_replaced_before_the_request(planted: Cast, careless: None) -> None:
    """CONN_HEALTH_CHECKS without a round trip."""
    from django.core.signals import request_started

    with context.run_in(planted["acme"]):
        _texts()
    pid = connection.connection.info.backend_pid
    connection.health_check_enabled = True
    with superuser() as unlocked:
        unlocked.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    request_started.send(sender=object)
    connection.close_if_unusable_or_obsolete()
    with context.run_in(planted["acme"]):
        assert _texts() == _expected("acme")


def test_stream_works_and_ends_in_its_tenant(planted: Cast, careless: None, caplog: Any) -> None:
    caplog.set_level("INFO", "tests.careless")
    for subdomain in ("acme", "globex"):
        client = Client(headers={"host": planted[subdomain].hostname})
        response = client.get("/careless/stream")
        assert context.current_tenant() is None
        parts = "".join(part.decode() for part in response.streaming_content)
        assert parts == "".join(f"{text}@{subdomain};" for text in _expected(subdomain))
        assert f"stream ended in {subdomain}" in caplog.text
    _assert_clean(planted)


def test_client_that_leaves_a_stream_leaves_nothing(
    planted: Cast, careless: None, caplog: Any
) -> None:
    caplog.set_level("INFO", "tests.careless")
    client = Client(headers={"host": planted["acme"].hostname})
    response = client.get("/careless/stream")
    next(iter(response.streaming_content))
    response.close()
    assert "stream ended in acme" in caplog.text
    _assert_clean(planted)
