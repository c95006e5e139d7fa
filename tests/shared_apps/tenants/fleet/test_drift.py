"""Each kind of drift is found, named, told with its DDL, and mended; clean schemas have none."""

import pytest
from django.utils import timezone

from shared_apps.tenants import lifecycle, migrating
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.fleet import drift
from shared_apps.tenants.fleet.drift import Drift, find_drift
from shared_apps.tenants.fleet.repair import repair_schema
from shared_apps.tenants.models import ReadySchema, SchemaTemplate, Status, Tenant
from shared_apps.tenants.postgresql.catalogue import SchemaNotFound
from shared_apps.tenants.schemas import owner_transaction
from shared_apps.tenants.template import TEMPLATE_SCHEMA, TemplateStale
from tests.isolation.conftest import superuser
from tests.shared_apps.tenants.fleet.conftest import Planter, is_whole

pytestmark = pytest.mark.usefixtures("committed")

_ROLE_FK = "users_user.users_user_role_id_854f2687_fk_users_role_id"
_LOWER = "users_user.users_user_email_in_lower_case"

# What is planted, what is found (kind, object), and what the DDL that mends it says.
PLANTED: dict[str, tuple[str, list[tuple[str, str]], list[str]]] = {
    "missing column": (
        "ALTER TABLE activity_entry DROP COLUMN ip_address",
        [("missing column", "activity_entry.ip_address")],
        ['ALTER TABLE "activity_entry" ADD COLUMN "ip_address" inet'],
    ),
    "missing NOT NULL column": (
        "ALTER TABLE articles_tag DROP COLUMN slug",
        [
            ("missing column", "articles_tag.slug"),
            ("missing unique constraint", "articles_tag.articles_tag_slug"),
        ],
        [
            'ADD COLUMN "slug" character varying(120) CONSTRAINT "articles_tag_slug_not_null" NOT NULL'
        ],
    ),
    "missing column with its key and index": (
        "ALTER TABLE articles_category DROP COLUMN parent_id",
        [
            ("missing column", "articles_category.parent_id"),
            (
                "missing foreign key",
                "articles_category.articles_category_parent_id_84a402a2_fk_articles_category_id",
            ),
            ("missing index", "articles_category_parent_id_84a402a2"),
        ],
        ['ADD COLUMN "parent_id" bigint', "FOREIGN KEY (parent_id)", "CREATE INDEX"],
    ),
    "extra column": (
        "ALTER TABLE users_user ADD COLUMN nickname text NOT NULL DEFAULT ''",
        [("extra column", "users_user.nickname")],
        ['ALTER TABLE "users_user" DROP COLUMN "nickname"'],
    ),
    "changed type": (
        "ALTER TABLE articles_article ALTER COLUMN title TYPE text",
        [("changed type", "articles_article.title")],
        ['ALTER COLUMN "title" TYPE character varying(200)'],
    ),
    "changed key's type": (
        "ALTER TABLE products_stockmovement ALTER COLUMN id TYPE integer",
        [("changed type", "products_stockmovement.id")],
        ['ALTER COLUMN "id" TYPE bigint', "ALTER SEQUENCE"],
    ),
    "lost NOT NULL": (
        "ALTER TABLE users_user ALTER COLUMN full_name DROP NOT NULL",
        [("lost NOT NULL", "users_user.full_name")],
        ['ADD CONSTRAINT "users_user_full_name_not_null" NOT NULL'],
    ),
    "extra NOT NULL": (
        "ALTER TABLE users_user ALTER COLUMN last_login SET NOT NULL",
        [("extra NOT NULL", "users_user.last_login")],
        ['ALTER COLUMN "last_login" DROP NOT NULL'],
    ),
    "changed default": (
        "ALTER TABLE articles_article ALTER COLUMN state SET DEFAULT 'draft'",
        [("changed default", "articles_article.state")],
        ['ALTER COLUMN "state" DROP DEFAULT'],
    ),
    "missing index": (
        "DROP INDEX articles_article_due",
        [("missing index", "articles_article_due")],
        ['CREATE INDEX "articles_article_due" ON "articles_article"'],
    ),
    "missing index with IN": (
        "DROP INDEX unique_authenticator_type",
        [("missing index", "unique_authenticator_type")],
        ["CREATE UNIQUE INDEX"],
    ),
    "extra index": (
        "CREATE INDEX by_hand ON articles_article (slug, lower(title))",
        [("extra index", "by_hand")],
        ['DROP INDEX IF EXISTS "by_hand"'],
    ),
    "changed index": (
        "DROP INDEX articles_article_due;"
        "CREATE INDEX articles_article_due ON articles_article (scheduled_for)",
        [("changed index", "articles_article_due")],
        ['DROP INDEX IF EXISTS "articles_article_due"', 'CREATE INDEX "articles_article_due"'],
    ),
    "INVALID index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'articles_article_due'::regclass",
        [("INVALID index", "articles_article_due")],
        ['DROP INDEX IF EXISTS "articles_article_due"', 'CREATE INDEX "articles_article_due"'],
    ),
    "renamed index": (
        "ALTER INDEX articles_article_recent RENAME TO newest",
        [("renamed index", "articles_article_recent")],
        ['ALTER INDEX "newest" RENAME TO "articles_article_recent"'],
    ),
    "missing unique constraint": (
        "ALTER TABLE users_role DROP CONSTRAINT users_role_slug",
        [("missing unique constraint", "users_role.users_role_slug")],
        ['ADD CONSTRAINT "users_role_slug" UNIQUE (slug)'],
    ),
    "missing check": (
        "ALTER TABLE users_user DROP CONSTRAINT users_user_email_in_lower_case",
        [("missing check constraint", _LOWER)],
        ['ADD CONSTRAINT "users_user_email_in_lower_case" CHECK'],
    ),
    "missing foreign key": (
        "ALTER TABLE users_user DROP CONSTRAINT users_user_role_id_854f2687_fk_users_role_id",
        [("missing foreign key", _ROLE_FK)],
        ["FOREIGN KEY (role_id) REFERENCES users_role(id) DEFERRABLE INITIALLY DEFERRED"],
    ),
    "missing primary key": (
        "ALTER TABLE articles_tag DROP CONSTRAINT articles_tag_pkey CASCADE",
        [
            ("missing primary key", "articles_tag.articles_tag_pkey"),
            (
                "missing foreign key",
                "articles_article_tags.articles_article_tags_tag_id_56ec02c6_fk_articles_tag_id",
            ),
            (
                "missing foreign key",
                "articles_movedaddress.articles_movedaddress_tag_id_cadc982f_fk_articles_tag_id",
            ),
        ],
        ["PRIMARY KEY (id)", "FOREIGN KEY (tag_id)"],
    ),
    "extra constraint": (
        "ALTER TABLE users_user ADD CONSTRAINT polite CHECK (full_name <> 'x')",
        [("extra check constraint", "users_user.polite")],
        ['DROP CONSTRAINT IF EXISTS "polite"'],
    ),
    "changed check": (
        "ALTER TABLE users_user DROP CONSTRAINT users_user_email_in_lower_case;"
        "ALTER TABLE users_user ADD CONSTRAINT users_user_email_in_lower_case"
        " CHECK (email = upper(email))",
        [("changed check constraint", _LOWER)],
        ["DROP CONSTRAINT", "lower((email)::text)"],
    ),
    "changed key that others refer to": (
        "ALTER TABLE articles_tag DROP CONSTRAINT articles_tag_pkey CASCADE;"
        "ALTER TABLE articles_tag ADD CONSTRAINT articles_tag_pkey PRIMARY KEY (id) INCLUDE (name);"
        "ALTER TABLE articles_article_tags ADD CONSTRAINT"
        " articles_article_tags_tag_id_56ec02c6_fk_articles_tag_id FOREIGN KEY (tag_id)"
        " REFERENCES articles_tag (id) DEFERRABLE INITIALLY DEFERRED;"
        "ALTER TABLE articles_movedaddress ADD CONSTRAINT"
        " articles_movedaddress_tag_id_cadc982f_fk_articles_tag_id FOREIGN KEY (tag_id)"
        " REFERENCES articles_tag (id) DEFERRABLE INITIALLY DEFERRED",
        [("changed primary key", "articles_tag.articles_tag_pkey")],
        [*["DROP CONSTRAINT"] * 3, "PRIMARY KEY (id)", *["FOREIGN KEY (tag_id)"] * 2],
    ),
    "foreign key that is not validated": (
        "ALTER TABLE users_user DROP CONSTRAINT users_user_role_id_854f2687_fk_users_role_id;"
        "ALTER TABLE users_user ADD CONSTRAINT users_user_role_id_854f2687_fk_users_role_id"
        " FOREIGN KEY (role_id) REFERENCES users_role DEFERRABLE INITIALLY DEFERRED NOT VALID",
        [("not validated foreign key", _ROLE_FK)],
        ['VALIDATE CONSTRAINT "users_user_role_id_854f2687_fk_users_role_id"'],
    ),
    "renamed constraint": (
        "ALTER TABLE users_user RENAME CONSTRAINT users_user_email TO one_address",
        [("renamed constraint", "users_user.users_user_email")],
        ['RENAME CONSTRAINT "one_address" TO "users_user_email"'],
    ),
    "renamed NOT NULL": (
        "ALTER TABLE users_user RENAME CONSTRAINT users_user_full_name_not_null TO has_name",
        [("renamed constraint", "users_user.users_user_full_name_not_null")],
        ['RENAME CONSTRAINT "has_name" TO "users_user_full_name_not_null"'],
    ),
    "missing table": (
        "DROP TABLE activity_entry",
        [("missing table", "activity_entry")],
        ['CREATE TABLE "activity_entry"', 'CREATE INDEX "activity_entry_object"'],
    ),
    "missing tables that refer to each other": (
        "DROP TABLE articles_tag, articles_article_tags, articles_movedaddress",
        [
            ("missing table", "articles_tag"),
            ("missing table", "articles_article_tags"),
            ("missing table", "articles_movedaddress"),
        ],
        ['CREATE TABLE "articles_tag"', 'CREATE TABLE "articles_article_tags"', "FOREIGN KEY"],
    ),
    "missing table that others refer to": (
        "DROP TABLE articles_tag CASCADE",
        [
            ("missing table", "articles_tag"),
            (
                "missing foreign key",
                "articles_article_tags.articles_article_tags_tag_id_56ec02c6_fk_articles_tag_id",
            ),
            (
                "missing foreign key",
                "articles_movedaddress.articles_movedaddress_tag_id_cadc982f_fk_articles_tag_id",
            ),
        ],
        ['CREATE TABLE "articles_tag"', "FOREIGN KEY (tag_id)"],
    ),
    "extra table": (
        "CREATE TABLE leftover (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,"
        " tag_id bigint REFERENCES articles_tag, word text UNIQUE CHECK (word > ''));"
        "CREATE INDEX ON leftover (tag_id); ALTER TABLE leftover OWNER TO terrace_owner",
        [("extra table", "leftover")],
        ['DROP TABLE "leftover"'],
    ),
    "extra view, function and trigger": (
        "CREATE VIEW seen AS SELECT id FROM articles_tag; ALTER VIEW seen OWNER TO terrace_owner;"
        "CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "ALTER FUNCTION noisy() OWNER TO terrace_owner;"
        "CREATE TRIGGER touch BEFORE UPDATE ON articles_tag FOR EACH ROW EXECUTE FUNCTION noisy()",
        [
            ("extra trigger", "articles_tag.touch"),
            ("extra view", "seen"),
            ("extra function", "noisy()"),
        ],
        ['DROP TRIGGER "touch" ON "articles_tag"', 'DROP VIEW "seen"', "DROP FUNCTION noisy()"],
    ),
    "changed table": (
        "ALTER TABLE activity_entry SET (fillfactor = 50); ALTER TABLE activity_entry SET UNLOGGED;"
        "ALTER TABLE activity_entry ENABLE ROW LEVEL SECURITY",
        [("changed table", "activity_entry")],
        ["RESET (fillfactor)", "SET LOGGED", "DISABLE ROW LEVEL SECURITY"],
    ),
    "lost grant": (
        'REVOKE INSERT, DELETE ON articles_article FROM "{tenant}"',
        [("lost grant", "table articles_article")],
        ['GRANT DELETE, INSERT ON TABLE "articles_article" TO "t_'],
    ),
    "extra grant to another role": (
        "GRANT SELECT ON users_user TO terrace_app WITH GRANT OPTION",
        [("extra grant", "table users_user")],
        ['ON TABLE "users_user" FROM "terrace_app"'],
    ),
    "extra grant to PUBLIC": (
        "GRANT SELECT ON users_user TO PUBLIC",
        [("extra grant", "table users_user")],
        ['REVOKE SELECT ON TABLE "users_user" FROM PUBLIC'],
    ),
    "extra grant on a column": (
        "GRANT SELECT (email) ON users_user TO PUBLIC",
        [("extra grant", "column users_user.email")],
        ['REVOKE SELECT ("email") ON TABLE "users_user" FROM PUBLIC'],
    ),
    "grant on the migrations": (
        'GRANT SELECT ON django_migrations TO "{tenant}"',
        [("extra grant", "table django_migrations")],
        ['REVOKE SELECT ON TABLE "django_migrations"'],
    ),
    "grant on the schema": (
        'GRANT USAGE ON SCHEMA "{tenant}" TO terrace_app',
        [("extra grant", "schema")],
        ["REVOKE USAGE ON SCHEMA"],
    ),
    "grant on a sequence": (
        'GRANT USAGE ON SEQUENCE articles_tag_id_seq TO "{tenant}"',
        [("extra grant", "sequence articles_tag_id_seq")],
        ['REVOKE USAGE ON SEQUENCE "articles_tag_id_seq"'],
    ),
    "lost default privileges": (
        'ALTER DEFAULT PRIVILEGES FOR ROLE terrace_owner IN SCHEMA "{tenant}"'
        ' REVOKE INSERT ON TABLES FROM "{tenant}"',
        [("lost grant", "default privileges on r of terrace_owner")],
        ["ALTER DEFAULT PRIVILEGES FOR ROLE terrace_owner"],
    ),
    "wrong owner: the tenant": (
        'ALTER TABLE articles_tag OWNER TO "{tenant}"',
        [("wrong owner", "table articles_tag")],
        ['ALTER TABLE "articles_tag" OWNER TO "terrace_owner"'],
    ),
    "wrong owner of the migrations: the tenant": (
        'ALTER TABLE django_migrations OWNER TO "{tenant}"',
        [("wrong owner", "table django_migrations")],
        ['ALTER TABLE "django_migrations" OWNER TO "terrace_owner"'],
    ),
    "wrong owner of the schema: the tenant": (
        'ALTER SCHEMA "{tenant}" OWNER TO "{tenant}"',
        [("wrong owner", "schema")],
        ['OWNER TO "terrace_owner"'],
    ),
    "application without the role": (
        'REVOKE "{tenant}" FROM terrace_app GRANTED BY terrace_owner',
        [("changed role", "{tenant}")],
        ['TO "terrace_app" WITH ADMIN FALSE, INHERIT FALSE, SET TRUE'],
    ),
    "lost identity": (
        "ALTER TABLE users_role ALTER COLUMN id DROP IDENTITY",
        [("lost identity", "users_role.id")],
        ["ADD GENERATED BY DEFAULT AS IDENTITY", "setval"],
    ),
    "changed identity": (
        "ALTER TABLE users_role ALTER COLUMN id SET GENERATED ALWAYS",
        [("changed identity", "users_role.id")],
        ["SET GENERATED BY DEFAULT"],
    ),
    "changed sequence": (
        "ALTER SEQUENCE users_role_id_seq MINVALUE -5 MAXVALUE 1000 INCREMENT BY 2",
        [("changed sequence", "users_role_id_seq")],
        ['ALTER SEQUENCE "users_role_id_seq" AS bigint'],
    ),
    "renamed sequence": (
        "ALTER SEQUENCE users_role_id_seq RENAME TO counter",
        [("renamed sequence", "users_role_id_seq")],
        ['ALTER SEQUENCE "counter" RENAME TO "users_role_id_seq"'],
    ),
    "extra sequence": (
        "CREATE SEQUENCE numbers; ALTER SEQUENCE numbers OWNER TO terrace_owner",
        [("extra sequence", "numbers")],
        ['DROP SEQUENCE "numbers"'],
    ),
    "comment": (
        "COMMENT ON COLUMN users_user.email IS 'to write to'",
        [("changed comment", "column users_user.email")],
        ['COMMENT ON COLUMN "users_user"."email" IS NULL'],
    ),
}
# The catalogue's description leaves the role out, and can't be read where these belong to another.
UNSEEN_BY_FINGERPRINT = {
    "application without the role",
    "wrong owner of the migrations: the tenant",
    "wrong owner of the schema: the tenant",
}


def _only(tenant: Tenant) -> Drift:
    """What is found in this tenant, by the one query and by reading it alone, and nowhere else."""
    [found] = find_drift().drifted
    assert find_drift(schemas=[tenant.schema_name]).drifted == (found,)
    assert (found.schema, found.tenant) == (tenant.schema_name, "initech")
    return found


@pytest.fixture(autouse=True)
def _hash_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one query, though there are few schemas; a single one is still read in full."""
    monkeypatch.setattr(drift, "_FEW", 1)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_drift_is_found_and_mended(name: str, initech: Tenant, plant: Planter) -> None:
    statements, expected, ddl = PLANTED[name]
    plant(statements)
    found = _only(initech)
    expected = [(kind, what.replace("{tenant}", initech.schema_name)) for kind, what in expected]
    assert [(one.kind, one.object) for one in found.differences] == expected
    made = [statement for one in found.differences for statement in one.statements]
    for words in ddl:
        assert any(words in statement for statement in made), made
    assert all(one.statements and not one.by_hand for one in found.differences)
    if name not in UNSEEN_BY_FINGERPRINT:
        assert not is_whole(initech.schema_name)
    repaired = repair_schema(
        schema=initech.schema_name, differences=found.differences, destructive=True
    )
    assert repaired.mended == found.differences
    assert (repaired.left, repaired.is_whole) == ((), True)
    assert is_whole(initech.schema_name)
    assert find_drift().is_clean


def test_twelve_kinds_and_more_are_planted() -> None:
    kinds = {kind for _, expected, _ in PLANTED.values() for kind, _ in expected}
    assert len(kinds) >= 25


def test_clean_schemas_have_none(initech: Tenant) -> None:
    report = find_drift()
    assert report.is_clean
    tenants, ready = Tenant.objects.count(), ReadySchema.objects.count()
    assert report.checked == tenants + ready + 1
    assert tenants >= 3
    assert ready >= 1


def test_schema_that_is_behind_is_named_as_such(initech: Tenant, plant: Planter) -> None:
    plant("DELETE FROM django_migrations WHERE app = 'products' AND name = '0001_initial'")
    for report in (find_drift(), find_drift(schemas=[initech.schema_name])):
        assert report.drifted == ()
        [behind] = report.behind
        assert (behind.schema, behind.tenant) == (initech.schema_name, "initech")
        assert (behind.missing, behind.unknown) == ((("products", "0001_initial"),), ())
        assert not report.is_clean


def test_schema_without_its_migrations_table_is_behind(initech: Tenant, plant: Planter) -> None:
    plant("DROP TABLE django_migrations; DROP TABLE articles_tag CASCADE")
    for report in (find_drift(), find_drift(schemas=[initech.schema_name])):
        [behind] = report.behind
        assert len(behind.missing) == len(SchemaTemplate.objects.get().migrations)
        assert report.drifted == ()


def test_schema_that_is_ahead_is_named_with_what_it_alone_has(
    initech: Tenant, plant: Planter
) -> None:
    plant("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0009', now())")
    [behind] = find_drift().behind
    assert (behind.missing, behind.unknown) == ((), (("shop", "0009"),))


def test_migrated_schema_is_no_drift(initech: Tenant) -> None:
    """Made by Django's migrations, not from the template's DDL."""
    migrating.migrate_schema(initech.schema_name, migrating.Target("products", "zero"))
    assert [behind.schema for behind in find_drift().behind] == [initech.schema_name]
    migrating.migrate_tenants()
    assert find_drift().is_clean


def test_missing_schema_is_found_and_not_mended_by_ddl(initech: Tenant) -> None:
    with owner_transaction() as owner:
        owner.execute(f'DROP SCHEMA "{initech.schema_name}" CASCADE'.encode())
    [difference] = _only(initech).differences
    assert (difference.kind, difference.statements) == ("missing schema", ())
    assert "Restore the tenant" in difference.by_hand
    with pytest.raises(SchemaNotFound, match="no schema"):
        repair_schema(schema=initech.schema_name)


def test_missing_role_is_made_again_with_its_grants(initech: Tenant, plant: Planter) -> None:
    plant('DROP OWNED BY "{tenant}"; DROP ROLE "{tenant}"')
    found = _only(initech)
    assert found.differences[0].kind == "missing role"
    assert {one.kind for one in found.differences[1:]} == {"lost grant"}
    assert repair_schema(schema=initech.schema_name).is_whole
    assert find_drift().is_clean


def test_role_that_may_take_a_neighbours_is_found(
    initech: Tenant, cast: dict[str, TenantRef], plant: Planter
) -> None:
    neighbour = cast["acme"].schema_name
    with owner_transaction() as owner:
        owner.execute(f'GRANT "{neighbour}" TO "{initech.schema_name}"'.encode())
    report = find_drift()
    assert {one.tenant for one in report.drifted} == {"initech", "acme"}
    [found] = [one for one in report.drifted if one.tenant == "initech"]
    assert [one.kind for one in found.differences] == ["changed role"]
    assert found.differences[0].statements == (
        f'REVOKE "{neighbour}" FROM "{initech.schema_name}"',
    )
    repair_schema(schema=initech.schema_name, differences=found.differences)
    assert find_drift().is_clean


def test_column_order_is_found_and_named_as_nothing_for_ddl(
    initech: Tenant, plant: Planter
) -> None:
    plant("ALTER TABLE articles_article DROP archived_at, ADD archived_at timestamptz")
    [difference] = _only(initech).differences
    assert (difference.kind, difference.object) == ("column order", "articles_article")
    assert "accept it, or rebuild" in difference.by_hand
    repaired = repair_schema(schema=initech.schema_name)
    assert [left.reason for left in repaired.left] == [difference.by_hand]
    assert (repaired.mended, repaired.is_whole) == ((), False)


def test_schema_of_a_superuser_is_told_to_give_back(initech: Tenant, plant: Planter) -> None:
    plant('ALTER SCHEMA "{tenant}" OWNER TO postgres')
    [difference] = _only(initech).differences
    assert (difference.kind, difference.object) == ("wrong owner", "schema")
    assert f'ALTER SCHEMA "{initech.schema_name}" OWNER TO "terrace_owner"' in difference.by_hand


def test_everything_of_another_role_is_found(initech: Tenant, plant: Planter) -> None:
    """Then the schema's owner is its tables' owner, as it should be, and still the wrong one."""
    plant(
        "DO $$ DECLARE t record; BEGIN FOR t IN SELECT relname FROM pg_class"
        " WHERE relnamespace = '{tenant}'::regnamespace AND relkind = 'r' LOOP"
        " EXECUTE format('ALTER TABLE %I OWNER TO {tenant}', t.relname); END LOOP; END $$;"
        'ALTER SCHEMA "{tenant}" OWNER TO "{tenant}"'
    )
    found = _only(initech)
    assert {one.kind for one in found.differences} == {"wrong owner"}
    assert repair_schema(schema=initech.schema_name).is_whole


def test_ready_schema_and_template_are_looked_at_too(plant: Planter) -> None:
    ready = ReadySchema.objects.values_list("name", flat=True)[0]
    with superuser() as connection:
        for name in (ready, TEMPLATE_SCHEMA):
            connection.execute(f'CREATE INDEX by_hand ON "{name}".articles_tag (name)'.encode())
    report = find_drift()
    assert [(one.schema, one.tenant) for one in report.drifted] == [
        (TEMPLATE_SCHEMA, None),
        (ready, None),
    ]
    for one in report.drifted:
        assert [difference.kind for difference in one.differences] == ["extra index"]
        assert repair_schema(schema=one.schema, differences=one.differences).is_whole
    assert find_drift().is_clean


def test_same_drift_of_many_is_read_once(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = drift.read_schema

    def reading(connection, schema, reference, *, owner):  # type: ignore[no-untyped-def]
        read.append(schema.name)
        return original(connection, schema, reference, owner=owner)

    monkeypatch.setattr(drift, "read_schema", reading)
    names = list(Tenant.objects.values_list("schema_name", flat=True))
    with superuser() as connection:
        for name in names:
            connection.execute(f'REVOKE INSERT ON "{name}".articles_tag FROM "{name}"'.encode())
    try:
        report = find_drift()
        assert {one.schema for one in report.drifted} == set(names)
        assert read == names[:1]
        for one in report.drifted:  # each one's own role, though one of them was read
            [difference] = one.differences
            assert difference.statements == (
                f'GRANT INSERT ON TABLE "articles_tag" TO "{one.schema}"',
            )
    finally:
        for name in names:
            assert repair_schema(schema=name).is_whole


def test_tenant_that_may_not_write_need_not_have_the_grants(
    initech: Tenant, plant: Planter
) -> None:
    plant('REVOKE INSERT, UPDATE, DELETE ON articles_tag FROM "{tenant}"')
    assert [one.kind for one in _only(initech).differences] == ["lost grant"]
    Tenant.objects.filter(pk=initech.pk).update(read_only_since=timezone.now())
    assert find_drift().is_clean
    plant('REVOKE SELECT ON articles_tag FROM "{tenant}"')
    assert [one.kind for one in _only(initech).differences] == ["lost grant"]


def test_erased_tenant_is_left_out(initech: Tenant) -> None:
    checked = find_drift().checked
    lifecycle.suspend_tenant(tenant=initech, reason="gone", by="test")
    Tenant.objects.filter(pk=initech.pk).update(status=Status.ERASED)
    assert find_drift().checked == checked - 1
    with pytest.raises(SchemaNotFound, match="no tenant's schema"):
        find_drift(schemas=[initech.schema_name])


def test_unknown_name_is_refused() -> None:
    with pytest.raises(SchemaNotFound, match="acme: no tenant's schema"):
        find_drift(schemas=["acme"])


def test_nothing_is_compared_without_a_release() -> None:
    row = SchemaTemplate.objects.get()
    SchemaTemplate.objects.all().delete()
    try:
        with pytest.raises(TemplateStale):
            find_drift()
    finally:
        row.save(force_insert=True)


def test_release_that_no_longer_makes_itself_is_refused() -> None:
    row = SchemaTemplate.objects.get()
    SchemaTemplate.objects.update(statements=[*row.statements, "CREATE TABLE more (id int)"])
    try:
        with pytest.raises(drift.ReleaseBroken, match="Run `manage.py migrate`"):
            find_drift()
    finally:
        row.save()


def test_looking_leaves_nothing_behind(initech: Tenant) -> None:
    """Roles are made and rolled back with their schemas; they are the whole server's, where other
    tests make theirs meanwhile, so they are not counted."""
    counts = "SELECT (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_class)"
    with superuser() as connection:
        before = connection.execute(counts).fetchone()
        find_drift()
        assert connection.execute(counts).fetchone() == before


@pytest.mark.parametrize("few", [0, 16])
def test_tenant_that_was_made_read_only_has_not_drifted(
    initech: Tenant, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its grants differ on purpose; what else has been taken or given still shows."""
    monkeypatch.setattr(drift, "_FEW", few)
    lifecycle.make_read_only(tenant=initech, reason="a test", by="tests")
    assert drift.find_drift().is_clean
    with owner_transaction() as connection:
        connection.execute(f"SET LOCAL search_path = {initech.schema_name}")
        connection.execute("REVOKE SELECT ON articles_article FROM " + initech.schema_name)
    [found] = drift.find_drift().drifted
    assert found.tenant == "initech"
