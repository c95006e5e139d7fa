"""kill -9 of web, worker and database at each step of a provisioning: never a half tenant.

A hundred runs on a PostgreSQL of their own. It writes each commit before it answers, but does not
fsync: what the kernel has been given outlives a kill -9, and recovery is quick. To catch a process
at a certain step the test holds a lock on something that the step needs, and waits until PostgreSQL
says that somebody waits for it. The other runs kill at a random moment. Then what production does
by itself is done: the database recovers, the lease runs out, a worker looks, the customer sends the
form again.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from config.embedded.errors import EmbeddedError
from config.embedded.postgresql import SUPERUSER, PostgreSQL, run_postgresql
from config.embedded.throw_away import throw_away_folder
from shared_apps.tenants.postgresql.bootstrap import bootstrap_database
from shared_apps.tenants.postgresql.catalogue import describe_schema

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "terrace"
POOL = 2
PATIENCE_SECONDS = 60.0

_TABLE = "LOCK TABLE {} IN SHARE MODE"
_STEP = "SELECT FROM tenants_provisioningstep WHERE name = '{}' AND state <> 'done' FOR UPDATE"
_IN_READY_SCHEMA = "ready schema's "

# Where a process is stopped: step → what it will wait for.
SIGN_UP = {
    "reserve the name": _TABLE.format("tenants_provisioning"),
    "reserve: write the steps": _TABLE.format("tenants_provisioningstep"),
    "claim the schema": _TABLE.format("tenants_readyschema"),
    "claim: the tenant": _TABLE.format("tenants_tenant"),
    "claim: the domain": _TABLE.format("domains_domain"),
    "claim: the owner": f"{_IN_READY_SCHEMA}users_user",
    "claim: the seeds": f"{_IN_READY_SCHEMA}workspace_workspace",
}
GO_ON = {
    "take the lease": _TABLE.format("tenants_provisioning"),
    "build: begin": _STEP.format("schema"),
    "build: the role": _TABLE.format("pg_authid"),
    "build: the schema": _TABLE.format("pg_namespace"),
    "build: the tables": _TABLE.format("pg_index"),
    "build: the grants": _TABLE.format("pg_default_acl"),
    "build: the row": _TABLE.format("tenants_readyschema"),
    "claim: the tenant": _TABLE.format("tenants_tenant"),
    "claim: the last statement": _STEP.format("claim"),
    "open the door": _STEP.format("open"),
}
FILL = {
    "begin: the row": _TABLE.format("tenants_readyschema"),
    "begin: the grant": _TABLE.format("pg_auth_members"),
    "make: the tables": _TABLE.format("pg_index"),
}
# The process that runs the verb (web for sign_up, a worker for go_on and fill), the backend of
# PostgreSQL that works for it, and PostgreSQL's first process.
VICTIMS = ("process", "backend", "postmaster")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: which verb is under way, where it is caught, and who is killed."""

    verb: str
    step: str
    victim: str
    number: int

    def __str__(self) -> str:
        return f"{self.number:03}-{self.verb}-{self.step}-{self.victim}".replace(" ", "_")


def _runs() -> list[Run]:
    """Each step with each victim, twice for web and worker; the rest at random moments."""
    steps = [(verb, step) for verb, found in _STEPS.items() for step in found]
    caught = [(verb, step, victim) for victim in VICTIMS for verb, step in steps]
    caught += [(verb, step, "process") for verb, step in steps]
    at_random = [
        (("sign_up", "go_on")[number % 2], "random moment", VICTIMS[number % 3])
        for number in range(100 - len(caught))
    ]
    return [Run(*run, number) for number, run in enumerate([*caught, *at_random])]


_STEPS = {"sign_up": SIGN_UP, "go_on": GO_ON, "fill": FILL}


class Street:
    """A PostgreSQL to be killed, with Terrace migrated on it, and processes to be killed."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home = home
        self._server_stack = stack.enter_context(ExitStack())
        self._server = self._run_server()
        bootstrap_database(self._server.url(SUPERUSER, "postgres"), database=DATABASE)
        with self.superuser() as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        self._env = {
            **os.environ,
            "DATABASE_URL": self.url("terrace_app"),
            "DATABASE_ADMIN_URL": self.url("terrace_owner"),
            "DATABASE_SUPERUSER_URL": self.url(SUPERUSER),
            "TERRACE_READY_POOL_SIZE": str(POOL),
        }
        manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(manage, cwd=ROOT, env=self._env, check=True)
        log = stack.enter_context((home / "processes.log").open("ab"))
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.provisioning_process"],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        stack.callback(self._end_nursery)

    def url(self, user: str) -> str:
        """The way to the database."""
        return self._server.url(user, DATABASE)

    def start(self, verb: str, **arguments: object) -> int:
        """Start a process at this verb; its id."""
        return self._order({"verb": verb, **arguments})

    def wait(self, pid: int) -> int:
        """Wait for the end of a process; its exit status, negative for a signal."""
        return self._order({"wait": pid})

    def do(self, verb: str, **arguments: object) -> int:
        """Let a process run to its end; its exit status."""
        return self.wait(self.start(verb, **arguments))

    @contextlib.contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees everything; waits for a server that is recovering."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                connection = psycopg.connect(self.url(SUPERUSER), autocommit=True)
                break
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        with contextlib.suppress(psycopg.OperationalError), connection:
            yield connection

    def kill_postmaster(self) -> None:
        """kill -9 the server's first process, and start the server again as its keeper would."""
        os.kill(self._server.process.pid, signal.SIGKILL)
        self._server.process.wait()
        self._server_stack.close()
        self._server = self._run_server()

    def _run_server(self) -> PostgreSQL:
        log = self._home / "postgres.log"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._server_stack.enter_context(
                    run_postgresql(self._home, log=log, durable=True, tcp=False)
                )
            except EmbeddedError:
                # Its old backends have not noticed yet that their parent is gone.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _order(self, order: dict[str, object]) -> int:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps(order) + "\n")
        self._nursery.stdin.flush()
        return int(self._nursery.stdout.readline())

    def _end_nursery(self) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.stdout.close()
        self._nursery.wait(timeout=10)


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    with ExitStack() as stack:
        home = stack.enter_context(throw_away_folder(ROOT / ".terrace" / "chaos"))
        yield Street(home, stack)


def test_hundred_runs_kill_each_process_at_each_step() -> None:
    planned = [(run.verb, run.step, run.victim) for run in _runs()]
    assert len(planned) >= 100
    each = {
        (verb, step, victim)
        for verb, steps in _STEPS.items()
        for step in steps
        for victim in VICTIMS
    }
    assert each <= set(planned)
    assert {victim for _, step, victim in planned if step == "random moment"} == set(VICTIMS)


@pytest.mark.parametrize("run", _runs(), ids=str)
def test_killed_provisioning_leaves_no_half_tenant(street: Street, run: Run) -> None:
    request_id, subdomain = uuid4(), f"house-{run.number:03}"
    form = {"request_id": str(request_id), "subdomain": subdomain}
    if run.verb == "sign_up":
        _kill_during(street, run, **form)
    elif run.verb == "go_on":
        with _empty_pool(street):
            assert street.do("sign_up", **form) == 0
            _kill_during(street, run)
    else:
        _forget_ready(street, leave=0)
        _kill_during(street, run, target=POOL)
    with street.superuser() as connection:
        if run.verb != "fill":
            _assert_whole_or_nothing(connection, request_id, subdomain)
        # Half a minute goes by.
        connection.execute("UPDATE tenants_provisioning SET lease_until = now()")
    assert street.do("go_on") == 0
    assert street.do("fill", target=POOL) == 0
    assert street.do("sign_up", **form) == 0, "the name was lost"
    with street.superuser() as connection:
        _assert_tenant_is_whole(connection, request_id, subdomain)
        _assert_nothing_is_left_over(connection)


def _kill_during(street: Street, run: Run, **arguments: object) -> None:
    """Start the verb, catch it at the step, kill the victim."""
    if run.step == "random moment":
        pid = street.start(run.verb, **arguments)
        # Spread over what a provisioning takes, and the same in each run of the suite.
        time.sleep(0.12 * zlib.crc32(str(run).encode()) / 2**32)
        _kill(street, run.victim, pid)
        return
    with (
        street.superuser() as holder,
        contextlib.suppress(psycopg.OperationalError),
        holder.transaction(),
    ):
        _hold(holder, _STEPS[run.verb][run.step])
        pid = street.start(run.verb, **arguments)
        _wait_until_caught(street, pid)
        status = _kill(street, run.victim, pid)
        # It was in the middle of it: nothing that it still had to do was done.
        assert run.victim != "process" or status == -signal.SIGKILL


def _hold(holder: psycopg.Connection[Any], what: str) -> None:
    if not what.startswith(_IN_READY_SCHEMA):
        holder.execute(what.encode())
        return
    table = what.removeprefix(_IN_READY_SCHEMA)
    for (name,) in holder.execute("SELECT name FROM tenants_readyschema").fetchall():
        holder.execute(_TABLE.format(f"{name}.{table}").encode())


def _wait_until_caught(street: Street, pid: int) -> None:
    with street.superuser() as connection:
        deadline = time.monotonic() + 20
        while not _waiting_backends(connection):
            assert time.monotonic() < deadline, f"process {pid} never came to this step"
            time.sleep(0.003)


def _waiting_backends(connection: psycopg.Connection[Any]) -> list[int]:
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND usename IN ('terrace_app', 'terrace_owner')"
    )
    return [pid for (pid,) in found.fetchall()]


def _kill(street: Street, victim: str, pid: int) -> int:
    """Kill the victim; how the process that runs the verb ended."""
    if victim == "postmaster":
        street.kill_postmaster()
    elif victim == "backend":
        _kill_backend(street)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return street.wait(pid)


def _kill_backend(street: Street) -> None:
    """kill -9 the backend that works for us: the server ends all others and recovers."""
    with street.superuser() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename IN ('terrace_app', 'terrace_owner')"
            " ORDER BY wait_event_type = 'Lock' DESC NULLS LAST LIMIT 1"
        ).fetchone()
        if row is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(row[0], signal.SIGKILL)


@contextlib.contextmanager
def _empty_pool(street: Street) -> Iterator[None]:
    """Keep the ready schemas for a request that never comes."""
    nobody = uuid4()
    with street.superuser() as connection:
        connection.execute(
            "UPDATE tenants_readyschema SET reserved_for = %s WHERE reserved_for IS NULL", [nobody]
        )
    yield
    with street.superuser() as connection:
        connection.execute(
            "UPDATE tenants_readyschema SET reserved_for = NULL WHERE reserved_for = %s", [nobody]
        )


def _forget_ready(street: Street, *, leave: int) -> None:
    """Drop ready schemas, so that a filler has something to do."""
    with street.superuser() as connection:
        names = connection.execute("SELECT name FROM tenants_readyschema").fetchall()
        for (name,) in names[leave:]:
            with connection.transaction():
                connection.execute("DELETE FROM tenants_readyschema WHERE name = %s", [name])
                connection.execute(f"DROP SCHEMA {name} CASCADE; DROP ROLE {name}".encode())


def _assert_whole_or_nothing(
    connection: psycopg.Connection[Any], request_id: UUID, subdomain: str
) -> None:
    """Right after the kill: the tenant is there with everything, or not at all."""
    tenants = connection.execute(
        "SELECT 1 FROM tenants_tenant WHERE subdomain = %s", [subdomain]
    ).fetchall()
    domains = connection.execute(
        "SELECT 1 FROM domains_domain WHERE domain LIKE %s", [f"{subdomain}.%"]
    ).fetchall()
    assert len(tenants) == len(domains) <= 1
    if tenants:
        _assert_tenant_is_whole(connection, request_id, subdomain, is_open=False)


def _assert_tenant_is_whole(
    connection: psycopg.Connection[Any], request_id: UUID, subdomain: str, *, is_open: bool = True
) -> None:
    row = connection.execute(
        "SELECT t.schema_name, t.status, d.domain, p.state, p.owner_password_hash"
        " FROM tenants_provisioning p JOIN tenants_tenant t ON t.id = p.tenant_id"
        " JOIN domains_domain d ON d.tenant_id = t.id AND d.is_primary"
        " WHERE p.request_id = %s",
        [request_id],
    ).fetchone()
    assert row is not None
    schema, status, domain, state, password_hash = row
    assert (status, domain, password_hash) == ("active", f"{subdomain}.localhost", "")
    if is_open:
        assert state == "active"
        unfinished = connection.execute(
            "SELECT name FROM tenants_provisioningstep"
            " WHERE provisioning_id = %s AND state <> 'done'",
            [request_id],
        ).fetchall()
        assert unfinished == []
    people = connection.execute(
        f"SELECT u.email, u.password, r.slug FROM {schema}.users_user u"
        f" JOIN {schema}.users_role r ON r.id = u.role_id".encode()
    ).fetchall()
    assert people == [("owner@example.com", "kept", "owner")]
    release = connection.execute(
        "SELECT fingerprint, migrations_hash FROM tenants_schematemplate"
    ).fetchone()
    described = describe_schema(connection, schema)
    assert (described.fingerprint, described.migrations_hash) == release


def _assert_nothing_is_left_over(connection: psycopg.Connection[Any]) -> None:
    """Each schema and each role is a tenant's or waits in the pool; nothing is under way."""

    def names(query: str) -> set[str]:
        return {name for (name,) in connection.execute(query.encode()).fetchall()}

    known = names(
        "SELECT schema_name FROM tenants_tenant UNION SELECT name FROM tenants_readyschema"
    )
    assert names(r"SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\_%'") == known
    assert names(r"SELECT rolname FROM pg_roles WHERE rolname LIKE 't\_%'") == known
    member = (
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'terrace_app'::regrole"
    )
    assert names(member) == known
    assert names("SELECT state FROM tenants_provisioning") == {"active"}
    assert names("SELECT name FROM tenants_readyschema WHERE made_at IS NULL") == set()
    twice = "SELECT subdomain FROM tenants_provisioning GROUP BY 1 HAVING count(*) > 1"
    assert names(twice) == set()
