from datetime import UTC, datetime
from uuid import UUID

from pytest_django import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import trail
from tenant_apps.activity.models import Entry
from tests.tenant_apps.conftest import LoggedIn, People, make_article


def test_line_says_who_what_and_from_where(in_acme: TenantRef, acme_people: People) -> None:
    with trail.from_address("203.0.113.7"):
        entry = trail.record(
            verb="person.tested",
            subject=acme_people["member"],
            actor=acme_people["owner"],
            before={"at": datetime(2026, 1, 2, tzinfo=UTC), "n": 1},
            after={"at": None, "n": [UUID(int=1), True], "new": {"x": 1}},
        )
    entry.refresh_from_db()
    assert entry.actor_id == acme_people["owner"].pk
    assert entry.actor_email == "owner@acme.example"
    assert (entry.object_type, entry.object_label) == ("users.user", "Member of Acme")
    assert entry.ip_address == "203.0.113.7"
    assert entry.changes == [
        ("at", "2026-01-02T00:00:00+00:00", None),
        ("n", 1, [str(UUID(int=1)), True]),
        ("new", None, {"x": 1}),
    ]


def test_line_outlives_actor_and_object(in_acme: TenantRef, acme_people: People) -> None:
    member = acme_people["member"]
    trail.record(verb="person.tested", subject=member, actor=member)
    member.delete()
    entry = Entry.objects.get(verb="person.tested")
    assert entry.actor_email == "member@acme.example"


def test_platform_itself_is_nobody(in_acme: TenantRef, acme_people: People) -> None:
    entry = trail.record(verb="person.tested", subject=acme_people["member"], actor=None)
    assert (entry.actor_id, entry.actor_email, entry.ip_address) == (None, "", None)


def test_address_of_a_request_is_noted_and_forgotten(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    as_role("author").post(f"/desk/{article.pk}/publish/", REMOTE_ADDR="203.0.113.9")
    with context.run_in(acme):
        published = Entry.objects.get(verb="article.published")
        assert published.ip_address == "203.0.113.9"
        later = trail.record(verb="x", subject=article, actor=None)
        assert later.ip_address is None


def test_address_behind_a_proxy_is_the_visitors(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, settings: Settings
) -> None:
    settings.TERRACE_PROXIES = 1
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    as_role("author").post(
        f"/desk/{article.pk}/publish/",
        REMOTE_ADDR="10.0.0.1",
        headers={"x-forwarded-for": "198.51.100.1, 203.0.113.9"},
    )
    with context.run_in(acme):
        assert Entry.objects.get(verb="article.published").ip_address == "203.0.113.9"


def test_trail_of_acme_is_not_at_globex(
    acme: TenantRef, globex: TenantRef, acme_people: People
) -> None:
    with context.run_in(globex):
        before = Entry.objects.count()
    with context.run_in(acme):
        trail.record(verb="x", subject=acme_people["owner"], actor=None)
    with context.run_in(globex):
        assert Entry.objects.count() == before
