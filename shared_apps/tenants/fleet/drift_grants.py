"""Owners, grants and roles that are not the release's, with the statements that mend them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from shared_apps.tenants.fleet.drift_model import (
    PRIVILEGES,
    DifferingLines,
    Phase,
    SchemaDifference,
)
from shared_apps.tenants.postgresql.catalogue import (
    OWNER_ROLE,
    TENANT_ROLE,
    Catalogue,
    Privilege,
)
from shared_apps.tenants.postgresql.template_ddl import quoted

ROLE_OBJECT: Final = "role"
_EXISTS: Final = "EXISTS"
_OWNER: Final = "OWNER"
_GRANTABLE: Final = " WITH GRANT OPTION"
_MEMBERSHIP = re.compile(r"\AMEMBERSHIP(?: OF (?P<of>.+))? WITH (?P<options>ADMIN .+)\Z", re.DOTALL)
_DEFAULTS = re.compile(r"\Adefault privileges on (?P<kind>.) of (?P<role>.+)\Z", re.DOTALL)
_DEFAULT_KINDS: Final = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}

# A grantee and a privilege, as catalogue.Privilege has them.
Entry = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Means:
    """Who owns everything, and what that role can do about objects that belong to another.

    Args:
        owner: the role that is to own everything.
        usable: roles whose objects are the owner's to alter.
        grantable: roles that the owner can make itself a member of, for a moment.
    """

    owner: str
    usable: frozenset[str] = field(default=frozenset())
    grantable: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class _Target:
    """Something with an owner and grants, in the words of GRANT and of ALTER … OWNER."""

    key: str
    words: str
    column: str = ""
    sequences: tuple[str, ...] = ()


class GrantsExplainer:
    """Tells what differs in owners and grants between a schema and the release."""

    def __init__(
        self, found: Catalogue, release: Catalogue, lines: DifferingLines, means: Means
    ) -> None:
        self.schema = found.schema_name
        self.found = _by_object(found.privileges)
        self.release = _by_object(release.privileges)
        self.lines = lines
        self.means = means
        self.targets = {target.key: target for target in _targets(found, release)}

    def explain(self) -> Iterator[SchemaDifference]:
        """A difference for each object whose owner or grants are other ones."""
        yield from self._role()
        # Tables before their sequences, which change hands with them.
        for key in sorted({*self.found, *self.release}, key=lambda key: (key[:3] == "seq", key)):
            defaults = _DEFAULTS.match(key)
            if (PRIVILEGES, key) not in self.lines:
                continue
            if defaults:
                yield self._defaults(key, defaults["kind"], defaults["role"])
            elif key in self.targets:
                yield self._grants(self.targets[key])

    def _entries(self, key: str) -> tuple[set[Entry], set[Entry]]:
        return self.found.get(key, set()), self.release.get(key, set())

    def _sql(self, grantee: str) -> str:
        names = {TENANT_ROLE: self.schema, OWNER_ROLE: self.means.owner}
        return "PUBLIC" if grantee == "PUBLIC" else quoted(names.get(grantee, grantee))

    # --- The tenant's role itself -----------------------------------------------------------------

    def _role(self) -> Iterator[SchemaDifference]:
        lines = self.lines.take([(PRIVILEGES, ROLE_OBJECT)])
        if not lines:
            return
        found, release = self._entries(ROLE_OBJECT)
        is_lost = (TENANT_ROLE, _EXISTS) in release - found
        statements = [f"CREATE ROLE {quoted(self.schema)} NOLOGIN"] if is_lost else []
        statements += [self._take_role(*entry) for entry in sorted(found - release)]
        statements += [
            self._give_role(*entry)
            for entry in sorted(release - found)
            # PostgreSQL itself makes the role's maker a member, with the admin option.
            if entry[1] != _EXISTS and entry[0] != OWNER_ROLE
        ]
        yield SchemaDifference(
            kind="missing role" if is_lost else "changed role",
            object=self.schema,
            lines=lines,
            statements=tuple(statements),
            phase=Phase.ROLE,
        )

    def _take_role(self, grantee: str, privilege: str) -> str:
        membership = _MEMBERSHIP.match(privilege)
        if membership is None:
            return f"ALTER ROLE {quoted(self.schema)} NO{privilege}"
        granted = self._sql(membership["of"] or TENANT_ROLE)
        return f"REVOKE {granted} FROM {self._sql(grantee)}"

    def _give_role(self, grantee: str, privilege: str) -> str:
        membership = _MEMBERSHIP.match(privilege)
        if membership is None:
            return f"ALTER ROLE {quoted(self.schema)} {privilege}"
        granted = self._sql(membership["of"] or TENANT_ROLE)
        return f"GRANT {granted} TO {self._sql(grantee)} WITH {membership['options']}"

    # --- Schema, tables, columns, sequences -------------------------------------------------------

    def _grants(self, target: _Target) -> SchemaDifference:
        found, release = self._entries(target.key)
        owner = next((grantee for grantee, privilege in found if privilege == _OWNER), OWNER_ROLE)
        if owner != OWNER_ROLE:
            return self._owner(target, owner)
        statements = [
            *self._change(target, found, release),
            *self._grants_on_columns(target, {grantee for grantee, _ in found - release}),
        ]
        return SchemaDifference(
            kind=_kind(found, release),
            object=target.key,
            lines=self.lines.take([(PRIVILEGES, target.key)]),
            statements=tuple(statements),
            phase=Phase.GRANT,
        )

    def _owner(self, target: _Target, owner: str) -> SchemaDifference:
        """Back to the owner, and all grants anew: they changed hands with the object."""
        found, release = self._entries(target.key)
        mine = quoted(self.means.owner)
        others = sorted({self._sql(grantee) for grantee, _ in found | release} - {mine})
        statements = [
            f"ALTER {target.words} OWNER TO {mine}",
            *(f"REVOKE ALL ON {target.words} FROM {other} CASCADE" for other in others),
            *self._grant(target, {entry for entry in release if entry[1] != _OWNER}),
            *self._grants_on_columns(target, {grantee for grantee, _ in found | release}),
        ]
        name = self.schema if owner == TENANT_ROLE else owner
        by_hand = ""
        if name in self.means.grantable and name not in self.means.usable:
            # Only a member of the role that has the object may give it away.
            role = quoted(name)
            statements = [
                f"GRANT {role} TO {mine} WITH INHERIT TRUE, SET TRUE",
                *statements,
                f"REVOKE {role} FROM {mine} GRANTED BY {mine}",
            ]
        elif name not in self.means.usable:
            by_hand = (
                f"It belongs to {name}, for which {self.means.owner} can't act. As {name} or as "
                f"a superuser, with this schema as search_path: {'; '.join(statements)}"
            )
        return SchemaDifference(
            kind="wrong owner",
            object=target.key,
            lines=self.lines.take((PRIVILEGES, key) for key in (target.key, *target.sequences)),
            statements=() if by_hand else tuple(statements),
            by_hand=by_hand,
            phase=Phase.BY_HAND if by_hand else Phase.OWNER,
        )

    def _change(self, target: _Target, found: set[Entry], release: set[Entry]) -> Iterator[str]:
        """REVOKE what is too much, then GRANT what is missing."""
        extra, missing = found - release, release - found
        only_option = {
            (grantee, word)
            for grantee, privilege in extra
            if (word := privilege.removesuffix(_GRANTABLE)) != privilege
            and (grantee, word) in missing
        }
        for option, entries in (
            ("GRANT OPTION FOR ", only_option),
            ("", {(g, p) for g, p in extra if (g, p.removesuffix(_GRANTABLE)) not in only_option}),
        ):
            for (grantee, _), words in _grouped(target, entries):
                yield (
                    f"REVOKE {option}{', '.join(words)} ON {target.words} "
                    f"FROM {self._sql(grantee)} CASCADE"
                )
        yield from self._grant(target, missing - only_option)

    def _grant(self, target: _Target, entries: Iterable[Entry]) -> Iterator[str]:
        for (grantee, option), words in _grouped(target, entries):
            yield f"GRANT {', '.join(words)} ON {target.words} TO {self._sql(grantee)}{option}"

    def _grants_on_columns(self, target: _Target, grantees: set[str]) -> Iterator[str]:
        """Once more: REVOKE on a table takes the grants on its columns as well."""
        for other in self.targets.values():
            if other.column and not target.column and other.words == target.words:
                entries = self.release.get(other.key, set())
                yield from self._grant(other, {one for one in entries if one[0] in grantees})

    # --- Default privileges -----------------------------------------------------------------------

    def _defaults(self, key: str, kind: str, role: str) -> SchemaDifference:
        found, release = self._entries(key)
        head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA {quoted(self.schema)}"
        target = _Target(key, _DEFAULT_KINDS.get(kind, "TABLES"))
        statements = [f"{head} {words}" for words in self._change(target, found, release)]
        return SchemaDifference(
            kind=_kind(found, release),
            object=key,
            lines=self.lines.take([(PRIVILEGES, key)]),
            statements=tuple(statements),
            phase=Phase.ROLE,
        )


def _by_object(privileges: Iterable[Privilege]) -> dict[str, set[Entry]]:
    entries: dict[str, set[Entry]] = {}
    for privilege in privileges:
        entry = (privilege.grantee, privilege.privilege)
        entries.setdefault(privilege.object, set()).add(entry)
    return entries


def _targets(found: Catalogue, release: Catalogue) -> Iterator[_Target]:
    yield _Target("schema", f"SCHEMA {quoted(found.schema_name)}")
    for catalogue in (release, found):
        for sequence in catalogue.sequences:
            yield _Target(f"sequence {sequence.name}", f"SEQUENCE {quoted(sequence.name)}")
        for table in catalogue.tables:
            words = f"TABLE {quoted(table.name)}"
            own = [s.name for s in catalogue.sequences if s.owner_table == table.name]
            sequences = tuple(f"sequence {name}" for name in own)
            yield _Target(f"table {table.name}", words, sequences=sequences)
            for column in table.columns:
                key = f"column {table.name}.{column.name}"
                yield _Target(key, words, column=quoted(column.name))


def _grouped(target: _Target, entries: Iterable[Entry]) -> list[tuple[tuple[str, str], list[str]]]:
    """What one grantee has, with and without the grant option, in one statement each."""
    groups: dict[tuple[str, str], list[str]] = {}
    for grantee, privilege in sorted(entries):
        word, option, _ = privilege.partition(_GRANTABLE)
        words = f"{word} ({target.column})" if target.column else word
        groups.setdefault((grantee, option), []).append(words)
    return list(groups.items())


def _kind(found: set[Entry], release: set[Entry]) -> str:
    if found < release:
        return "lost grant"
    return "extra grant" if found > release else "changed grants"
