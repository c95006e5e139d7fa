"""The lint rule finds what it is for, and leaves clean code alone."""

import io
from pathlib import Path
from textwrap import dedent

import pytest

from config import tenant_lint

PLANTED = {
    "T001 lru_cache": """
        @lru_cache(maxsize=None)
        def newest():
            return Note.objects.first()
        """,
    "T001 cache, dotted": """
        @functools.cache
        def settings_of_tenant():
            return require_tenant().name
        """,
    "T001 cached method keeps self": """
        class Note(Model):
            @lru_cache
            def words(self):
                return len(self.text)
        """,
    "T001 cached cursor": """
        @cache
        def count():
            with connection.cursor() as cursor:
                return cursor.execute("SELECT 1")
        """,
    "T001 by request": """
        @cached(TTLCache(10, 60))
        def menu(request):
            return request.user.menu()
        """,
    "T001 by an object's tenant": """
        @cache
        def menu(page):
            return page.tenant.menu
        """,
    "T002 class-level queryset": """
        class Notes(ListView):
            queryset = Note.objects.all()
        """,
    "T002 choices": """
        class Form(forms.Form):
            tag = ChoiceField(choices=[(t.pk, t.word) for t in Tag.objects.all()])
        """,
    "T002 module": "NEWEST = Note.objects.order_by('-id')[:5]",
    "T002 default": """
        def show(notes=Note.objects.filter(text="x")):
            return notes
        """,
    "T002 default manager": "COUNT = Note._default_manager.count()",
    "T003 thread": "def go():\n    Thread(target=work).start()",
    "T003 dotted thread": "def go():\n    threading.Thread(None, work).start()",
    "T003 timer": "def go():\n    threading.Timer(5, work).start()",
    "T003 executor": "def go(pool):\n    pool.submit(work, 1)",
    "T003 loop": "async def go(loop):\n    await loop.run_in_executor(None, work)",
    "T003 lambda": "def go():\n    Thread(target=lambda: work()).start()",
    "T004 set_schema": "def go():\n    connection.set_schema('t_aaaaaaaaaaaa')",
    "T004 set_tenant": "def go(tenant):\n    connection.set_tenant(tenant)",
    "T004 context": "def go():\n    with schema_context('x'):\n        pass",
    "T004 decorator": "@schema_context('x')\ndef go():\n    pass",
    "T005 using": "def go():\n    return Note.objects.using('owner').count()",
    "T005 connections": "def go():\n    return connections['owner'].cursor()",
    "T005 keyword": "def go(note):\n    note.save(using='owner')",
    "T005 atomic": "def go():\n    with transaction.atomic(using='owner'):\n        pass",
    "T006 connect": "def go(url):\n    return psycopg.connect(url)",
    "T006 pgconn": "def go():\n    connection.connection.pgconn.exec_(b'SET ROLE x')",
}

CLEAN = {
    "cache without tenant data": """
        @lru_cache
        def parse(text):
            return text.split()
        """,
    "cache of a text that speaks of tenants": """
        @cache
        def statement():
            tenant = columns_of(Tenant)
            return ", ".join(tenant)
        """,
    "query in a function": """
        class Notes(ListView):
            def get_queryset(self):
                return Note.objects.all()
        """,
    "empty queryset": "class Form(forms.Form):\n    tag = ModelChoiceField(Tag.objects.none())",
    "query in a lambda": "newest = lambda: Note.objects.first()",
    "manager of a class": "class Note(Model):\n    objects = NoteManager()",
    "carried thread": "def go():\n    Thread(target=context.carry(work)).start()",
    "carried name": "def go():\n    work = carry(work)\n    pool.submit(work)",
    "form's submit": "def go(form):\n    form.submit()",
    "method called set_schema of nobody": "def set_schema(name):\n    return name",
    "default alias": "def go():\n    return Note.objects.using('default').count()",
    "word owner": "def go(user):\n    return user.has_role('owner')",
    "allowed with a reason": (
        "NEWEST = Note.objects.all()  # tenant-lint: allow T002 - lazy, cloned by the framework"
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_violation_is_found(name: str) -> None:
    found = tenant_lint.lint_source(dedent(PLANTED[name]), "tenant_apps/notes/views.py")
    assert [finding.rule for finding in found] == [name[:4]]


@pytest.mark.parametrize("name", CLEAN)
def test_clean_code_is_left_alone(name: str) -> None:
    assert tenant_lint.lint_source(dedent(CLEAN[name]), "tenant_apps/notes/views.py") == []


def test_allowance_needs_the_rule_and_a_reason() -> None:
    line = "NEWEST = Note.objects.all()  # tenant-lint: allow {}"
    for comment in ("T002", "T001 - reason", "T002 -", "all - reason"):
        assert tenant_lint.lint_source(line.format(comment), "a.py"), comment


def test_engine_may_use_the_owners_connection() -> None:
    source = dedent(PLANTED["T005 using"])
    assert tenant_lint.lint_source(source, "shared_apps/tenants/schemas.py") == []


def test_every_rule_is_planted_and_explained() -> None:
    explained = {line.split()[0] for line in (tenant_lint.__doc__ or "").splitlines()
                 if line.startswith("    T0")}  # fmt: skip
    assert {name[:4] for name in PLANTED} == explained


def test_the_rooms_are_clean() -> None:
    output = io.StringIO()
    assert tenant_lint.main([], output) == 0, output.getvalue()


def test_command_names_file_line_and_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_lint, "ROOT", tmp_path)
    planted = tmp_path / "views.py"
    planted.write_text("\nNEWEST = Note.objects.all()\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001.py").write_text("NEWEST = Note.objects.all()\n")
    findings = tenant_lint.lint_paths([tmp_path], tmp_path)
    assert [str(finding).split(" ")[:2] for finding in findings] == [["views.py:2:", "T002"]]
