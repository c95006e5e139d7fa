"""`manage.py bootstrap_database`, in a process of its own: nothing that it makes is there before."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parents[3]


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
            "DATABASE_SUPERUSER_URL": os.environ["TERRACE_TCP_DATABASE_SUPERUSER_URL"],
        }

    def _url(self, role: str, password: str) -> str:
        superuser = urlsplit(os.environ["TERRACE_TCP_DATABASE_SUPERUSER_URL"])
        netloc = f"{role}:{password}@{superuser.hostname}:{superuser.port}"
        return urlunsplit(superuser._replace(netloc=netloc, path=f"/{self.database}"))


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Names that nothing has yet; what was made under them is dropped."""
    word = secrets.token_hex(4)
    made = Platform(f"test_boot_{word}", f"test_boot_app_{word}", f"test_boot_owner_{word}")
    yield made
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], autocommit=True) as connection:
        database = sql.Identifier(made.database)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        for role in (made.app, made.owner):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_SUPERUSER_URL": ""}, "Set DATABASE_SUPERUSER_URL to the URL of a superuser"),
        (
            {"DATABASE_URL": "", "DATABASE_ADMIN_URL": ""},
            "Set DATABASE_URL to the URL that the platform is to log in with",
        ),
        ({"DATABASE_ADMIN_URL": ""}, "Set DATABASE_ADMIN_URL to the URL"),
        ({"DATABASE_ADMIN_URL": "postgresql://o@127.0.0.1/other"}, "Name the same one in both."),
        (
            {"DATABASE_SUPERUSER_URL": "postgresql://postgres@127.0.0.1:1/postgres"},
            "PostgreSQL refused, and some of it may be done: connection",
        ),
    ],
)
def test_url_that_can_not_be_is_refused_with_a_sentence(
    manage: Manage, changes: dict[str, str], sentence: str
) -> None:
    done = manage("bootstrap_database", **changes)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_one_role_for_both_is_refused(platform: Platform, manage: Manage) -> None:
    done = manage("bootstrap_database", DATABASE_ADMIN_URL=platform.environment["DATABASE_URL"])
    assert done.returncode == 1
    assert f"log in as the same role, '{platform.app}'" in done.stderr


def test_superuser_keeps_its_rights(platform: Platform, manage: Manage) -> None:
    """A role of the platform's loses SUPERUSER: the one who logs in must not be one."""
    superuser = urlsplit(platform.environment["DATABASE_SUPERUSER_URL"])
    named = urlunsplit(superuser._replace(path=f"/{platform.database}"))
    done = manage("bootstrap_database", DATABASE_ADMIN_URL=named)
    assert done.returncode == 1
    assert f"'{superuser.username}' is the superuser: it would lose its rights." in done.stderr
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"]) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (True,)


def test_login_that_is_no_superuser_is_told_so(platform: Platform, manage: Manage) -> None:
    done = manage(
        "bootstrap_database", DATABASE_SUPERUSER_URL=os.environ["TERRACE_TCP_DATABASE_URL"]
    )
    assert done.returncode == 1
    assert "DATABASE_SUPERUSER_URL must lead to a superuser" in done.stderr
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"]) as connection:
        row = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [platform.app])
        assert row.fetchone() is None
