"""Django's PostgreSQL backend with Terrace's second and third lock.

Two kinds of connection use it:

* the application's (`default`): it sends `BEGIN; SET LOCAL ROLE …; SET LOCAL search_path = …` in one
  message of the simple protocol with the first statement of each transaction. Both end with the
  transaction, so nothing is left on the connection, and PgBouncer in transaction mode is safe.
  A statement outside a transaction gets one of its own. A statement with a semicolon in it goes
  over the extended protocol, which takes a single one. A request's COMMIT is on its way while the
  answer is rendered (`overlap_next_commit`); nothing leaves before PostgreSQL has said yes.
* the owner's (`owner`, settings_dict["TERRACE_OWNER"]): DDL. It keeps django-tenants' way of setting
  the search_path before each cursor, but never with `public` behind a tenant.

PostgreSQL: SET ROLE (https://www.postgresql.org/docs/18/sql-set-role.html), the extended query
protocol (https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY).
"""

import select
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql.psycopg_any import register_tzloader
from django.utils.asyncio import async_unsafe
from django_tenants.postgresql_backend import base as django_tenants_base
from psycopg import errors as pg_errors
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from shared_apps.tenants import context
from shared_apps.tenants.errors import LockBypassed, TenantNotFound, WrongTenant
from shared_apps.tenants.postgresql.statements import check_statement

IDLE = TransactionStatus.IDLE
INTRANS = TransactionStatus.INTRANS
INERROR = TransactionStatus.INERROR
UNKNOWN = TransactionStatus.UNKNOWN
_USE_DJANGO = "Take the cursor from Django's connection (connection.cursor()): it sets the locks."


class _Locked:
    """Mixed into psycopg's cursors: locks the transaction first, then sends one statement."""

    terrace: "DatabaseWrapper | None" = None
    _ran_in: context.TenantRef | None = None
    _asks_at_fetch = False

    def _execute_send(
        self, query: Any, *, force_extended: bool = False, binary: Any = None
    ) -> None:
        """psycopg's last step before the wire (private; tests/shared_apps/tenants/test_backend.py
        pins it): one message, one statement. PostgreSQL ends a statement at a semicolon and nowhere
        else, so what holds none goes over the simple protocol, which costs the server less; all
        else goes over the extended one, which refuses a second statement."""
        statement: bytes = query.query
        if self.terrace is not None and check_statement(statement):
            self.terrace.forget_lock()
        extended = force_extended or b";" in statement
        super()._execute_send(query, force_extended=extended, binary=binary)  # type: ignore[misc]

    def _send_prepare(self, name: bytes, query: Any) -> None:
        """The other way to the wire, where OPTIONS set a prepare_threshold."""
        check_statement(query.query)
        super()._send_prepare(name, query)  # type: ignore[misc]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send one statement, under the lock of the tenant that is set."""
        terrace = self.terrace
        if terrace is None:
            if query:  # the pool checks its connections with an empty statement
                raise LockBypassed(_USE_DJANGO)
            return super().execute(query, params, **options)  # type: ignore[misc]
        # Written out, not `with locked_transaction()`: this is the path of every query.
        self._ran_in = context.current_tenant()
        if not terrace.lock(self._ran_in):
            return super().execute(query, params, **options)  # type: ignore[misc]
        try:
            answer = super().execute(query, params, **options)  # type: ignore[misc]
        except BaseException:
            terrace.abandon_own_transaction()
            raise
        terrace.commit_own_transaction()
        return answer

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> Any:
        """Send one statement with many sets of parameters, all in one transaction."""
        with self._locked():
            return super().executemany(query, params_seq, **options)  # type: ignore[misc]

    @contextmanager
    def copy(
        self, statement: Any, params: Any = None, **options: Any
    ) -> Generator[Any, None, None]:
        """COPY, under the lock."""
        with (
            self._locked(),
            super().copy(statement, params, **options) as copy,  # type: ignore[misc]
        ):
            yield copy

    def stream(self, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Rows one by one, under the lock; the transaction stays open until the last."""
        rows = super().stream(query, params, **options)  # type: ignore[misc]
        with self._locked(), closing(rows):
            for row in rows:
                self._check_reader()
                yield row

    def fetchone(self) -> Any:
        """The next row. Raises WrongTenant where another tenant asked for it."""
        if _current_tenant() is not self._ran_in or self._asks_at_fetch:
            self._check_reader()
        return super().fetchone()  # type: ignore[misc]

    def fetchmany(self, size: int = 0) -> Any:
        """The next rows. Raises WrongTenant where another tenant asked for them."""
        if _current_tenant() is not self._ran_in or self._asks_at_fetch:
            self._check_reader()
        return super().fetchmany(size)  # type: ignore[misc]

    def fetchall(self) -> Any:
        """The other rows. Raises WrongTenant where another tenant asked for them."""
        if _current_tenant() is not self._ran_in or self._asks_at_fetch:
            self._check_reader()
        return super().fetchall()  # type: ignore[misc]

    def __next__(self) -> Any:
        """The next row. Raises WrongTenant where another tenant asked for it."""
        self._check_reader()
        return super().__next__()  # type: ignore[misc]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.terrace is None:
            raise LockBypassed(_USE_DJANGO)
        self._ran_in = context.current_tenant()
        with self.terrace.locked_transaction():
            yield

    def _check_reader(self) -> None:
        reader = context.current_tenant()
        if reader is not self._ran_in and _schema(reader) != _schema(self._ran_in):
            raise WrongTenant(
                f"These rows were asked for by {self._ran_in or 'the public schema'} and are read by "
                f"{reader or 'the public schema'}. Read them before you leave the tenant."
            )


class _LockedNamed(_Locked):
    """A named cursor asks the server at each fetch, so the lock must stand then, too."""

    _asks_at_fetch = True

    def _check_reader(self) -> None:
        super()._check_reader()
        if self.terrace is not None:
            self.terrace.lock_if_open(context.current_tenant())


class LockedCursor(_Locked, django_tenants_base.original_backend.Cursor):  # type: ignore[misc]
    """Parameters bound by the client. The lock of a new transaction goes in the first statement's
    message, so that it costs no round trip: PostgreSQL runs a message's statements in turn and
    stops at the first that fails, so nothing runs without its lock.

    https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
    """

    # What is still to be sent, and what came back of it where it failed.
    _lock: bytes | None = None
    _sent_with_lock = False
    _failed_lock: Any = None

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send one statement, under the lock of the tenant that is set."""
        terrace = self.terrace
        if terrace is None:
            return super().execute(query, params, **options)
        tenant = self._ran_in = _current_tenant()
        if terrace.commit_sent:
            terrace.await_commit()
        if self._pgconn.transaction_status != IDLE:
            if not terrace.is_locked_to(tenant):
                terrace.lock(tenant)
            return super(_Locked, self).execute(query, params, **options)
        self._lock = terrace.lock_to_begin(self._ran_in)
        try:
            answer = super(_Locked, self).execute(query, params, **options)
        except BaseException as error:
            self._lock, self._sent_with_lock = None, False
            if terrace.autocommit:
                terrace.abandon_own_transaction()
            failed, self._failed_lock = self._failed_lock, None
            if failed is not None:
                raise terrace.lock_error(failed, self._ran_in, begin=True) from error
            raise
        if terrace.autocommit:
            terrace.commit_own_transaction()
        return answer

    def _execute_send(
        self, query: Any, *, force_extended: bool = False, binary: Any = None
    ) -> None:
        lock, self._lock = self._lock, None
        if lock is None:
            super()._execute_send(query, force_extended=force_extended, binary=binary)
            return
        statement: bytes = query.query
        check_statement(statement)
        if force_extended or b";" in statement:
            self._take_lock([self._pgconn.exec_(lock)])
            super()._execute_send(query, force_extended=True, binary=binary)
            return
        self._query = query
        self._sent_with_lock = True
        # On a line of its own, so that PostgreSQL's error messages show the statement.
        self._pgconn.send_query(lock + b";\n" + statement)

    def _check_results(self, results: list[Any]) -> None:
        """psycopg's look at what came back (private, pinned too): the lock's part is taken away."""
        if self._sent_with_lock:
            self._sent_with_lock = False
            self._take_lock(results[:LOCK_STATEMENTS])
            del results[:LOCK_STATEMENTS]
        super()._check_results(results)

    def _take_lock(self, results: list[Any]) -> None:
        for result in results:
            if result.status != ExecStatus.COMMAND_OK:
                self._failed_lock = result
                raise pg_errors.error_from_result(result, encoding="utf-8")
        if self.terrace is not None:
            self.terrace.note_lock(self._ran_in)


class LockedServerBindingCursor(_Locked, django_tenants_base.original_backend.ServerBindingCursor):  # type: ignore[misc]
    """Parameters bound by the server, over the extended protocol."""


class LockedServerSideCursor(_LockedNamed, django_tenants_base.original_backend.ServerSideCursor):  # type: ignore[misc]
    """A named cursor of one transaction, with parameters bound by the client."""


class LockedServerBindingServerSideCursor(_LockedNamed, psycopg.ServerCursor[Any]):
    """A named cursor of one transaction, with parameters bound by the server."""


_current_tenant = context.current_tenant
_PUBLIC: str = settings.PUBLIC_SCHEMA_NAME


def _schema(tenant: context.TenantRef | None) -> str:
    return tenant.schema_name if tenant is not None else _PUBLIC


# BEGIN, SET LOCAL ROLE, SET LOCAL search_path.
LOCK_STATEMENTS = 3


@lru_cache(maxsize=4096)
def _lock_message(schema: str, *, role: bool, begin: str) -> bytes:
    """One message of the simple protocol. Nothing in it comes from outside: a tenant's schema name
    was checked when its TenantRef was made, the rest are our settings.

    Args:
        role: whether the schema has a role of the same name; NONE is the login role.
        begin: the isolation level of a transaction to begin, or empty inside one.
    """
    path = "".join(f',"{name}"' for name in settings.PG_EXTRA_SEARCH_PATHS)
    message = f'SET LOCAL search_path="{schema}"{path}'
    message = f'SET LOCAL ROLE "{schema}";{message}' if role else f"SET LOCAL ROLE NONE;{message}"
    return (f"BEGIN ISOLATION LEVEL {begin};{message}" if begin else message).encode()


class DatabaseWrapper(django_tenants_base.DatabaseWrapper):  # type: ignore[misc]
    """A Django database connection that only ever works for one tenant at a time."""

    include_public_schema = False
    health_check_done: bool
    run_commit_hooks_on_set_autocommit_on: bool

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        self._is_owner = bool(settings_dict.get("TERRACE_OWNER")) or alias == NO_DB_ALIAS
        # The schema that the running transaction is locked to; None where that isn't known.
        self._locked_to: str | None = None
        # Tenants that this connection's backend has touched; kept on the connection, since a pool
        # hands it on.
        self._touched: set[str] = set()
        self._path_by_hand = False
        # Whether the next COMMIT may be sent without waiting, and whether one is under way.
        self.overlap_next_commit = False
        self.commit_sent = False
        super().__init__(settings_dict, alias)

    # --- Choosing the schema ---------------------------------------------------------------

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:  # noqa: FBT001, FBT002 - django-tenants' signature
        """django-tenants' switch. It moves the owner's connection alone.

        Raises:
            LockBypassed: on the application's connection, where the context decides.
        """
        if self._is_owner:
            super().set_tenant(tenant, include_public=False)
            return
        if tenant.schema_name != settings.PUBLIC_SCHEMA_NAME:
            raise LockBypassed(
                "The application's connection follows the context. "
                "Use `with context.run_in(tenant):` instead of set_tenant or set_schema."
            )
        self.tenant = tenant
        self.schema_name = tenant.schema_name

    # --- Connecting ------------------------------------------------------------------------

    def get_connection_params(self) -> dict[str, Any]:
        """psycopg's parameters: always autocommit, since BEGIN is sent by us with the locks."""
        params: dict[str, Any] = super().get_connection_params()
        if not self._is_owner:
            params["autocommit"] = True
            params["cursor_factory"] = (
                LockedServerBindingCursor if self._binds_on_server else LockedCursor
            )
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection whose every cursor, also one that psycopg makes by itself, is locked."""
        connection = super().get_new_connection(conn_params)
        if not self._is_owner:
            connection.server_cursor_factory = LockedServerBindingServerSideCursor
            self._locked_to = None
            self._touched = connection.__dict__.setdefault("terrace_touched", set())
        return connection

    @property
    def _binds_on_server(self) -> bool:
        return self.settings_dict["OPTIONS"].get("server_side_binding") is True

    def _configure_timezone(self, connection: Any) -> bool:
        """Django's way needs set_config(), which nobody may call; and a cursor, which is locked."""
        if self._is_owner:
            return bool(super()._configure_timezone(connection))
        name = self.timezone_name
        if name and connection.info.parameter_status("TimeZone") != name:
            statement = psycopg.sql.SQL("SET TIME ZONE {}").format(psycopg.sql.Literal(name))
            connection.pgconn.exec_(statement.as_bytes(connection))
        return False

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's signature
        if self._is_owner:
            super()._set_autocommit(autocommit)
            return
        status = self.connection.pgconn.transaction_status
        if status == IDLE or self.commit_sent:
            return
        with self.wrap_database_errors:
            if status == UNKNOWN:
                raise psycopg.OperationalError("The connection to PostgreSQL is lost.")
            raise psycopg.ProgrammingError(
                "Can't change autocommit inside a transaction: commit or roll back first."
            )

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: FBT001 - Django's signature
        """Django's switch, called where `atomic` begins and ends: the place to change backends.

        Nothing is sent: BEGIN goes with the first statement. It is Django's own, less what that
        does around a BEGIN.
        """
        if self._is_owner:
            super().set_autocommit(autocommit, *args, **kwargs)
            return
        if not autocommit:
            if self.commit_sent:
                self.await_commit()
            self._recycle_backend()
        self.validate_no_atomic_block()
        self.close_if_health_check_failed()
        self.ensure_connection()
        self._set_autocommit(autocommit)
        self.autocommit = autocommit
        if autocommit and self.run_commit_hooks_on_set_autocommit_on:
            self.run_and_clear_commit_hooks()
            self.run_commit_hooks_on_set_autocommit_on = False

    @async_unsafe
    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor that locks before it sends. Named ones never outlive their transaction."""
        if self._is_owner:
            return super().create_cursor(name)
        if name is None:
            cursor = self.connection.cursor()
        else:
            kind = (
                LockedServerBindingServerSideCursor
                if self._binds_on_server
                else LockedServerSideCursor
            )
            cursor = kind(self.connection, name=name, scrollable=False, withhold=False)
        tzloader = self.connection.adapters.get_loader(
            django_tenants_base.original_backend.TIMESTAMPTZ_OID, psycopg.pq.Format.TEXT
        )
        if self.timezone != tzloader.timezone:
            register_tzloader(self.timezone, cursor)
        cursor.terrace = self
        return cursor

    @contextmanager
    def path_set_by_hand(self) -> Iterator[None]:
        """The owner's cursors leave search_path alone: the transaction has set it, for itself."""
        self._path_by_hand = True
        try:
            yield
        finally:
            self._path_by_hand = False

    def _handle_search_path(self, cursor: Any = None) -> None:
        if not self._path_by_hand:
            super()._handle_search_path(cursor)

    def _cursor(self, name: str | None = None) -> Any:
        if self._is_owner:
            return super()._cursor(name)
        if self.commit_sent:
            self.await_commit()
        if not self.in_atomic_block:
            self._recycle_backend()
        # django-tenants' own _cursor would send its SET search_path.
        return super(django_tenants_base.DatabaseWrapper, self)._cursor(name)

    @async_unsafe
    def chunked_cursor(self) -> Any:
        """A server-side cursor inside a transaction; outside one, an ordinary cursor.

        A cursor WITH HOLD would stay on the connection when the transaction is over.
        """
        if self._is_owner or not self.get_autocommit():
            return super().chunked_cursor()
        return self._cursor()

    def is_usable(self) -> bool:
        """Whether the server still answers."""
        if self._is_owner or self.connection is None:
            return bool(super().is_usable())
        if self.commit_sent:
            self.await_commit()
        try:
            result = self.connection.pgconn.exec_(b"SELECT 1")
        except psycopg.Error:
            return False
        return bool(result.status == ExecStatus.TUPLES_OK)

    def close_if_health_check_failed(self) -> None:
        """CONN_HEALTH_CHECKS without a round trip: a server that went away has closed the socket.

        Django sends SELECT 1 before the first query of each request, which here would cost more
        than all three locks.
        """
        if self._is_owner:
            super().close_if_health_check_failed()
            return
        if self.connection is None or not self.health_check_enabled or self.health_check_done:
            return
        if not self.pool and _hung_up(self.connection.pgconn):
            self.close()
        self.health_check_done = True

    def _recycle_backend(self) -> None:
        """Close a backend that has touched too many tenants: its catalogue cache never shrinks."""
        if (
            len(self._touched) < settings.TERRACE_TENANTS_PER_BACKEND
            or self.connection is None
            or self.connection.pgconn.transaction_status != IDLE
        ):
            return
        self._touched = set()
        if self.pool:
            self.connection.close()  # a pool does not keep a closed connection
        self.close()

    # --- The two SET LOCALs ------------------------------------------------------------------

    def lock(self, wanted: context.TenantRef | None) -> bool:
        """Make the running transaction `wanted`'s, and begin it where there is none.

        Returns:
            Whether it was begun for one statement alone (Django's autocommit). The caller ends it
            with commit_own_transaction or abandon_own_transaction.
        Raises:
            TenantNotFound: the tenant's role is gone.
        """
        if self.commit_sent:
            self.await_commit()
        status = self.connection.pgconn.transaction_status
        if status == IDLE:
            self._send_lock(wanted, begin=True)
            return bool(self.autocommit)
        if status != INERROR and self._locked_to != _schema(wanted):
            if status != INTRANS:
                raise psycopg.OperationalError(
                    "This connection is busy with another query or COPY, or lost: its tenant can't "
                    "be changed now. Read the rows before you leave the tenant."
                )
            self._send_lock(wanted, begin=False)
        return False

    def is_locked_to(self, wanted: context.TenantRef | None) -> bool:
        """Whether the running transaction is `wanted`'s, so far as is known. Asks nobody."""
        name = wanted.schema_name if wanted is not None else _PUBLIC
        return self._locked_to == name

    def lock_if_open(self, wanted: context.TenantRef | None) -> None:
        """Make the running transaction `wanted`'s, if there is one."""
        if self.connection is not None and self.connection.pgconn.transaction_status == INTRANS:
            self.lock(wanted)

    @contextmanager
    def locked_transaction(self) -> Iterator[None]:
        """`lock` as a block, for work of more than one statement.

        Raises:
            TenantNotFound: the tenant's role is gone.
        """
        if not self.lock(context.current_tenant()):
            yield
            return
        try:
            yield
        except BaseException:
            self.abandon_own_transaction()
            raise
        self.commit_own_transaction()

    def commit_own_transaction(self) -> None:
        """End the transaction that `lock` began."""
        self._locked_to = None
        try:
            self.connection.commit()
        except BaseException:
            self._drop_if_stuck()
            raise

    def abandon_own_transaction(self) -> None:
        """Take back the transaction that `lock` began; nothing is left, not even a connection that
        no longer obeys (a query cut short by a signal leaves it waiting for an answer)."""
        self._locked_to = None
        if self.connection is None:
            return
        try:
            self.connection.rollback()
        except psycopg.Error:
            self.close()
        else:
            self._drop_if_stuck()

    def _drop_if_stuck(self) -> None:
        if self.connection is not None and self.connection.pgconn.transaction_status != IDLE:
            self.close()

    def lock_to_begin(self, wanted: context.TenantRef | None) -> bytes:
        """The message that begins a transaction of `wanted`'s; whoever sends it calls note_lock."""
        self._locked_to = None
        return self._message(wanted, begin=True)

    def note_lock(self, wanted: context.TenantRef | None) -> None:
        """The running transaction is `wanted`'s now."""
        self._locked_to = _schema(wanted)
        if wanted is not None:
            self._touched.add(wanted.schema_name)

    def _message(self, wanted: context.TenantRef | None, *, begin: bool) -> bytes:
        return _lock_message(
            _schema(wanted),
            role=wanted is not None and settings.TERRACE_TENANT_ROLES,
            begin=self.isolation_level.name.replace("_", " ") if begin else "",
        )

    def _send_lock(self, wanted: context.TenantRef | None, *, begin: bool) -> None:
        self._locked_to = None
        result = self.connection.pgconn.exec_(self._message(wanted, begin=begin))
        if result.status != ExecStatus.COMMAND_OK:
            raise self.lock_error(result, wanted, begin=begin)
        self.note_lock(wanted)

    def lock_error(
        self, result: Any, wanted: context.TenantRef | None, *, begin: bool
    ) -> Exception:
        """What a lock that PostgreSQL refused is raised as; the transaction it began is taken back."""
        error = pg_errors.error_from_result(result, encoding="utf-8")
        if self.connection.pgconn.status == ConnStatus.BAD:
            return psycopg.OperationalError(f"The connection to PostgreSQL is lost: {error}")
        if begin:
            self.abandon_own_transaction()
        if isinstance(error, pg_errors.InvalidParameterValue | pg_errors.InsufficientPrivilege):
            gone = TenantNotFound(
                f"PostgreSQL has no role for tenant {wanted}: {error}. It was erased, or the "
                "application's login was not granted its role."
            )
            gone.__cause__ = error
            return gone
        return error

    # --- What ends a SET LOCAL ------------------------------------------------------------------

    def forget_lock(self) -> None:
        """The next statement locks again, whatever was set."""
        self._locked_to = None

    def _commit(self) -> None:
        """COMMIT over the pgconn: psycopg's own way there costs more than PostgreSQL's answer."""
        self._locked_to = None
        if self.commit_sent:
            self.await_commit()
        overlap, self.overlap_next_commit = self.overlap_next_commit, False
        if self._is_owner or self.connection is None or self.queries_logged:
            super()._commit()
            return
        with self.wrap_database_errors:
            pgconn = self.connection.pgconn
            status = pgconn.transaction_status
            if status not in (INTRANS, INERROR):  # idle, busy or lost: psycopg says which
                self.connection.commit()
                return
            # Who waits for the commit to do more, waits.
            if overlap and not self.run_on_commit:
                pgconn.send_query(b"COMMIT")
                self.commit_sent = True
                return
            result = pgconn.exec_(b"COMMIT")
            if result.status != ExecStatus.COMMAND_OK:
                raise pg_errors.error_from_result(result, encoding="utf-8")

    def await_commit(self) -> None:
        """Wait for the answer to a COMMIT that is under way.

        Raises:
            django.db.Error: PostgreSQL refused it, or the connection was lost; nothing is kept.
        """
        with self.wrap_database_errors:
            try:
                result = _read_answer(self.connection.pgconn)
            except BaseException:
                # Cut short: nobody could tell the answer from the next statement's.
                self.commit_sent = False
                self.close()
                raise
            self.commit_sent = False
            if result is None or self.connection.pgconn.status == ConnStatus.BAD:
                self.errors_occurred = True
                raise psycopg.OperationalError("The connection was lost during COMMIT.")
            if result.status != ExecStatus.COMMAND_OK:
                self.errors_occurred = True
                raise pg_errors.error_from_result(result, encoding="utf-8")

    def _rollback(self) -> None:
        self._locked_to = None
        self.overlap_next_commit = False
        if self.commit_sent:
            self.await_commit()
        super()._rollback()

    def close(self) -> None:
        """Close the connection, and forget what was set on it."""
        self._locked_to = None
        self.overlap_next_commit = False
        try:
            if self.commit_sent:
                self.await_commit()
        finally:
            super().close()

    # --- Callbacks --------------------------------------------------------------------------------

    def on_commit(self, func: Any, robust: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Run `func` after the commit, in the tenant it was made in."""
        if self.commit_sent:  # outside a transaction it is called at once
            self.await_commit()
        # Django says what is wrong with a callback that can't be called.
        carried = context.carry(func) if callable(func) else func
        super().on_commit(carried, robust)


def _read_answer(pgconn: Any) -> Any:
    """The last result of what was sent, None where the connection is lost. Other threads go on
    meanwhile, which they don't in libpq's own waiting."""
    pgconn.consume_input()
    while pgconn.is_busy():
        poller = select.poll()
        poller.register(pgconn.socket, select.POLLIN)
        poller.poll()
        pgconn.consume_input()
    last = None
    while (result := pgconn.get_result()) is not None:
        last = result
    return last


# The peer has closed its end (Linux); elsewhere POLLHUP says so.
_CLOSED = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


def _hung_up(pgconn: Any) -> bool:
    """Whether the server has closed the connection. Asks the operating system alone."""
    poller = select.poll()
    try:
        poller.register(pgconn.socket, select.POLLIN | _CLOSED)
        events = poller.poll(0)
        if events and events[0][1] & _CLOSED:
            return True
        if events:  # a notice, a changed parameter; or TLS, which shows the end when read
            pgconn.consume_input()
    except (psycopg.Error, OSError):
        return True
    return bool(pgconn.status == ConnStatus.BAD)
