"""`manage.py bootstrap_database`: make an empty PostgreSQL server fit for Terrace, once."""

import os
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.tenants.postgresql.bootstrap import SuperuserNamed, bootstrap_database

SUPERUSER_VARIABLE = "DATABASE_SUPERUSER_URL"
_PAGE = "docs/operators/installing.md"


@dataclass(frozen=True, slots=True)
class _Login:
    """What a URL of the platform's own says: as whom it logs in, and to which database."""

    role: str
    password: str | None
    database: str


class Command(BaseCommand):
    """Reads the two logins from the URLs that the platform uses, and makes what they name."""

    help = (
        "Makes the two login roles and the database that DATABASE_URL and DATABASE_ADMIN_URL name, "
        "with their passwords, and takes from PUBLIC what a tenant must not have. Logs in with "
        f"{SUPERUSER_VARIABLE}. Safe to repeat; run it again after each restore and upgrade."
    )
    # Nothing that it makes is there yet.
    requires_system_checks = []
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them, and say what the server refused."""
        superuser_url = os.environ.get(SUPERUSER_VARIABLE, "")
        if not superuser_url:
            raise CommandError(
                f"Set {SUPERUSER_VARIABLE} to the URL of a superuser, for example "
                "postgresql://postgres:password@db.example.com/postgres. Only this command needs it."
            )
        app = _login("default", "DATABASE_URL")
        owner = _login("owner", "DATABASE_ADMIN_URL")
        if app.database != owner.database:
            raise CommandError(
                f"DATABASE_URL names the database {app.database!r}, DATABASE_ADMIN_URL "
                f"{owner.database!r}. Name the same one in both."
            )
        if app.role == owner.role:
            raise CommandError(
                f"DATABASE_URL and DATABASE_ADMIN_URL log in as the same role, {app.role!r}, which "
                "would own every tenant's tables. Name two roles, such as terrace_app and terrace_owner."
            )
        try:
            refused = bootstrap_database(
                superuser_url,
                database=app.database,
                owner=owner.role,
                app=app.role,
                owner_password=owner.password,
                app_password=app.password,
            ).refused
        except SuperuserNamed as error:
            raise CommandError(str(error)) from error
        except psycopg.Error as error:
            raise CommandError(
                f"PostgreSQL refused, and some of it may be done: {error}\nMend that and run the "
                f"command again. {SUPERUSER_VARIABLE} must lead to a superuser; {_PAGE} says what to "
                "do where there is none."
            ) from error
        self.stdout.write(
            f"The database {app.database} is there, with the roles {app.role} (the application's) "
            f"and {owner.role} (the owner's)."
        )
        for sentence in refused:
            self.stderr.write(f"Refused: {' '.join(sentence.split())}")
        if refused:
            raise CommandError(
                f"{len(refused)} of the steps were refused, as listed above. Let a superuser do them; "
                f"{_PAGE} says what stays open without them. `manage.py check --database default` "
                "names what is open now."
            )


def _login(alias: str, variable: str) -> _Login:
    database = settings.DATABASES.get(alias, {})
    role, name = database.get("USER"), database.get("NAME")
    if not role or not name:
        raise CommandError(
            f"Set {variable} to the URL that the platform is to log in with, for example "
            f"postgresql://terrace_{'app' if alias == 'default' else 'owner'}:password@"
            "db.example.com/terrace: the role and the database that it names are made."
        )
    return _Login(str(role), database.get("PASSWORD") or None, str(name))
