"""Databases of the benchmarks' own, on the server that the environment names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from shared_apps.tenants.postgresql.bootstrap import EXTENSIONS, bootstrap_database


@dataclass(frozen=True, slots=True)
class Database:
    """One database and the ways in, as libpq URLs."""

    app_url: str
    owner_url: str
    superuser_url: str


def _at(variable: str, name: str) -> str:
    parts = urlsplit(os.environ[variable])
    return urlunsplit(parts._replace(path=f"/{name}"))


def _user(variable: str) -> str:
    user = urlsplit(os.environ[variable]).username
    if not user:
        raise RuntimeError(f"{variable} names no user.")
    return user


@contextmanager
def terrace_database(name: str) -> Iterator[Database]:
    """An empty database as Terrace wants it, and afterwards neither it nor its tenants' roles."""
    superuser_url = os.environ["DATABASE_SUPERUSER_URL"]
    _drop(name)
    bootstrap_database(
        superuser_url,
        database=name,
        owner=_user("DATABASE_ADMIN_URL"),
        app=_user("DATABASE_URL"),
    )
    database = _ways_in(name)
    try:
        yield database
    finally:
        with psycopg.connect(database.superuser_url, autocommit=True) as connection:
            roles = connection.execute(
                "SELECT rolname FROM pg_roles JOIN pg_namespace ON nspname = rolname"
                " WHERE rolname ~ '^t_[a-z0-9]{12}$'"
            ).fetchall()
        _drop(name)
        with psycopg.connect(superuser_url, autocommit=True) as connection:
            for (role,) in roles:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


@contextmanager
def plain_database(name: str, *, extensions_in: str = "public") -> Iterator[Database]:
    """An empty database as PostgreSQL makes it, owned by the owner's role; dropped afterwards."""
    _drop(name)
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(_user("DATABASE_ADMIN_URL"))
            )
        )
    database = _ways_in(name)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        schema = sql.Identifier(extensions_in)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(schema))
        for extension in EXTENSIONS:
            connection.execute(
                sql.SQL("CREATE EXTENSION {} SCHEMA {}").format(sql.Identifier(extension), schema)
            )
    try:
        yield database
    finally:
        _drop(name)


def settle(database: Database) -> None:
    """Give the planner its statistics and write out what is dirty: neither happens later."""
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _ways_in(name: str) -> Database:
    return Database(
        app_url=_at("DATABASE_URL", name),
        owner_url=_at("DATABASE_ADMIN_URL", name),
        superuser_url=_at("DATABASE_SUPERUSER_URL", name),
    )


def _drop(name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
