"""`manage.py bootstrap_database`, in a process of its own: nothing that it makes is there before."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from psycopg import sql

ROOT = Path(__file__).resolve().parents[3]
SUPERUSER_URL = os.environ["TERRACE_TCP_DATABASE_SUPERUSER_URL"]


@dataclass(frozen=True)
class Platform:
    """A database and two roles of nobody else's, on the tests' server."""

    database: str
    app: str
    owner: str

    @property
    def environment(self) -> dict[str, str]:
        """The URLs that name them, with passwords, over loopback, where these are asked for."""
        return {
            "DATABASE_URL": self._url(self.app, "app's"),
            "DATABASE_ADMIN_URL": self._url(self.owner, "owner's"),
            "DATABASE_SUPERUSER_URL": SUPERUSER_URL,
        }

    def drop(self) -> None:
        """Take away what is there of it, tenants' roles too."""
        with psycopg.connect(SUPERUSER_URL, autocommit=True) as connection:
            database = sql.Identifier(self.database)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
            tenants = connection.execute(
                "SELECT m.roleid::regrole::text FROM pg_auth_members AS m"
                " JOIN pg_roles AS r ON r.oid = m.member WHERE r.rolname = %s",
                [self.owner],
            )
            for (role,) in tenants.fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            for role in (self.app, self.owner):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))

    def _url(self, role: str, password: str) -> str:
        superuser = urlsplit(SUPERUSER_URL)
        netloc = f"{role}:{password}@{superuser.hostname}:{superuser.port}"
        return urlunsplit(superuser._replace(netloc=netloc, path=f"/{self.database}"))


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Names that nothing has yet; what was made under them is dropped."""
    word = secrets.token_hex(4)
    made = Platform(f"test_boot_{word}", f"test_boot_app_{word}", f"test_boot_owner_{word}")
    yield made
    made.drop()


Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(platform: Platform) -> Manage:
    """`manage("check", DATABASE_URL="")`: a command, with the platform's URLs but for the changes."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "TERRACE_DATA_DIR": os.environ["TERRACE_DATA_DIR"],
                "REDIS_URL": os.environ["REDIS_URL"],
                "DJANGO_SETTINGS_MODULE": "config.settings.local",
                **platform.environment,
                **changes,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_server_is_made_fit_and_stays_so(platform: Platform, manage: Manage) -> None:
    for _ in range(2):
        done = manage("bootstrap_database")
        assert done.returncode == 0, done.stderr
        assert f"The database {platform.database} is there" in done.stdout
        assert "Refused" not in done.stderr
    checked = manage("check", "--database", "default")
    assert checked.returncode == 0, checked.stderr
    assert "terrace." not in checked.stderr
    with psycopg.connect(platform.environment["DATABASE_ADMIN_URL"]) as connection:
        connection.execute("CREATE TABLE public.things (id bigint PRIMARY KEY)")
    with psycopg.connect(platform.environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM public.things").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT set_config('role', 'x', true)")


# --- What is refused, in this process ------------------------------------------------------------

Refused = Callable[..., str]


@pytest.fixture
def refused(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """`refused(app={"NAME": "x"}, superuser="")`: the sentence, with the URLs changed so."""

    def run(
        *,
        app: dict[str, str] | None = None,
        owner: dict[str, str] | None = None,
        superuser: str = SUPERUSER_URL,
    ) -> str:
        for alias, role, change in (
            ("default", platform.app, app),
            ("owner", platform.owner, owner),
        ):
            login = {"USER": role, "PASSWORD": "x", "NAME": platform.database, **(change or {})}
            monkeypatch.setitem(settings.DATABASES, alias, login)
        monkeypatch.setenv("DATABASE_SUPERUSER_URL", superuser)
        with pytest.raises(CommandError) as error:
            call_command("bootstrap_database")
        return str(error.value)

    return run


def test_url_that_is_not_set_is_named(refused: Refused) -> None:
    assert "Set DATABASE_SUPERUSER_URL to the URL of a superuser" in refused(superuser="")
    for change in ({"USER": ""}, {"NAME": ""}):
        assert "Set DATABASE_URL to the URL that the platform is to log in" in refused(app=change)
        assert "Set DATABASE_ADMIN_URL to the URL" in refused(owner=change)


def test_two_databases_are_refused(platform: Platform, refused: Refused) -> None:
    sentence = refused(owner={"NAME": "other"})
    assert f"DATABASE_URL names the database '{platform.database}'" in sentence
    assert "Name the same one in both." in sentence


def test_one_role_for_both_is_refused(platform: Platform, refused: Refused) -> None:
    sentence = refused(owner={"USER": platform.app})
    assert f"log in as the same role, '{platform.app}'" in sentence


def test_superuser_keeps_its_rights(platform: Platform, refused: Refused) -> None:
    """A role of the platform's loses SUPERUSER: the one who logs in must not be one."""
    superuser = str(urlsplit(platform.environment["DATABASE_SUPERUSER_URL"]).username)
    for change in ({"app": {"USER": superuser}}, {"owner": {"USER": superuser}}):
        assert f"'{superuser}' is the superuser: it would lose its rights." in refused(**change)
    with psycopg.connect(SUPERUSER_URL) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (True,)


def test_server_that_does_not_answer_is_told_of(refused: Refused) -> None:
    sentence = refused(superuser="postgresql://postgres@127.0.0.1:1/postgres")
    assert "PostgreSQL refused, and some of it may be done: connection failed" in sentence


def test_login_that_may_make_no_roles_is_told_so(platform: Platform, refused: Refused) -> None:
    sentence = refused(superuser=os.environ["TERRACE_TCP_DATABASE_URL"])
    assert "DATABASE_SUPERUSER_URL must lead to a superuser" in sentence
    with psycopg.connect(SUPERUSER_URL) as connection:
        row = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [platform.app])
        assert row.fetchone() is None


# --- Where there is no superuser -----------------------------------------------------------------


@pytest.fixture
def administrator(platform: Platform) -> Iterator[str]:
    """The URL of one who may make roles and databases and is no superuser, as managed servers give."""
    name = f"test_boot_admin_{secrets.token_hex(4)}"
    superuser = urlsplit(SUPERUSER_URL)
    with psycopg.connect(SUPERUSER_URL, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'x'").format(
                sql.Identifier(name)
            )
        )
    netloc = f"{name}:x@{superuser.hostname}:{superuser.port}"
    yield urlunsplit(superuser._replace(netloc=netloc, path="/postgres"))
    platform.drop()
    with psycopg.connect(SUPERUSER_URL, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.slow
def test_administrator_who_is_no_superuser_is_told_what_stays_open(
    platform: Platform, manage: Manage, administrator: str
) -> None:
    for _ in range(2):
        done = manage("bootstrap_database", DATABASE_SUPERUSER_URL=administrator)
        assert f"The database {platform.database} is there" in done.stdout, done.stderr
        assert done.returncode == 1
        assert "of the steps were refused, as listed above." in done.stderr
        for refused in (
            "REVOKE EXECUTE ON FUNCTION set_config(text,text,boolean) FROM PUBLIC can't be done",
            "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC can't be done",
            "REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC can't be done",
        ):
            assert f"Refused: {refused}" in done.stderr
    checked = manage("check", "--database", "default")
    assert re.findall(r"terrace\.\w+", checked.stderr) == [
        "terrace.E054",
        "terrace.E055",
        "terrace.E058",
    ]
    migrated = manage("migrate", "--skip-checks", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
