"""`manage.py tenants …`: doors to the engine's verbs. What the verbs do is tested where they are."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from shared_apps.domains.models import Domain
from shared_apps.tenants import command_runs, context, doctor, lifecycle
from shared_apps.tenants.archive import writing
from shared_apps.tenants.models import ArchiveImport, Backup, Cloning, Tenant, UndoneSchema
from shared_apps.tenants.schemas import drop_schema, owner_transaction
from shared_apps.tenants.storage import media_folder
from shared_apps.tenants.tasks import lanes
from shared_apps.tenants.tasks.models import PeriodicRun
from shared_apps.tenants.tasks.periodic import late_tasks
from tenant_apps.users import membership
from tenant_apps.users.models import Role, User
from tests.isolation.probe.models import Note
from tests.shared_apps.tenants.conftest import TenantMaker
from tests.shared_apps.tenants.tasks.sample_tasks import tell

WHY = "--reason=they asked"


def tenants(*words: str, **options: Any) -> str:
    """What the command writes."""
    out = io.StringIO()
    call_command("tenants", *words, stdout=out, **options)
    return out.getvalue()


def as_json(*words: str) -> Any:
    """The same as a script reads it."""
    return json.loads(tenants(*words, "--json"))


def status_of(tenant: Tenant) -> str:
    return str(Tenant.objects.get(pk=tenant.pk).status)


@pytest.fixture
def initech(
    make_tenant: TenantMaker, media: Path, tmp_path: Path, settings: LazySettings
) -> Iterator[Tenant]:
    """A tenant with a row and a file."""
    settings.TERRACE_BACKUP_STORE = str(tmp_path / "backups")
    tenant: Tenant = make_tenant("initech")
    with context.run_in(tenant):
        Note.objects.create(text="one")
        default_storage.save("notes.txt", ContentFile(b"abc"))
    yield tenant
    names = {*ArchiveImport.objects.values_list("schema_name", flat=True)}
    names |= {*UndoneSchema.objects.values_list("schema_name", flat=True)}
    for name in names - {*Tenant.objects.values_list("schema_name", flat=True)}:
        with owner_transaction() as connection:
            drop_schema(connection, name)
    ArchiveImport.objects.all().delete()
    Backup.objects.all().delete()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """`answers("y")`: what is typed at the next questions; gives the list of the questions."""

    def answer(text: str) -> list[str]:
        asked: list[str] = []

        def typed(question: str = "") -> str:
            asked.append(question)
            return text

        monkeypatch.setattr("builtins.input", typed)
        return asked

    return answer


# --- What there is -----------------------------------------------------------------------------------


def test_list_shows_those_that_are_asked_for(initech: Tenant) -> None:
    assert [row["subdomain"] for row in as_json("list")] == ["acme", "globex", "initech"]
    assert [row["subdomain"] for row in as_json("list", "--search", "INIT")] == ["initech"]
    assert as_json("list", "--status", "suspended") == []
    assert "initech" in tenants("list")


def test_list_refuses_a_status_that_there_is_not(initech: Tenant) -> None:
    with pytest.raises(CommandError, match="asleep"):
        tenants("list", "--status", "asleep")


def test_show_tells_hosts_usage_and_history(initech: Tenant) -> None:
    tenants("trial", "initech", WHY, "--by=ops@example.com")
    page = as_json("show", "initech")
    assert page["domains"][0]["domain"] == initech.primary_hostname
    assert (page["files"], page["file_bytes"]) == (1, 3)
    assert page["history"][0]["by"] == "ops@example.com"
    assert page["history"][0]["reason"] == "they asked"
    assert "they asked" in tenants("show", "initech")


def test_every_verb_says_that_there_is_no_such_tenant(committed: None) -> None:
    for words in (
        ["show", "nobody"],
        ["suspend", "nobody", WHY, "--yes"],
        ["export", "nobody", "nowhere"],
        ["undo", "list", "nobody"],
        ["doctor", "nobody"],
        ["erase", "nobody", WHY, "--yes"],
        ["run", "--tenant", "nobody", "check"],
    ):
        with pytest.raises(CommandError, match="No tenant is called 'nobody'"):
            tenants(*words)


def test_pool_says_what_it_has(committed: None) -> None:
    size = as_json("pool", "--fill", "1")
    assert (size["made"], size["ready"]) == (0, size["target"])
    assert "Ready" in tenants("pool")


# --- Life --------------------------------------------------------------------------------------------


def test_create_makes_a_tenant_and_its_owner(committed: None) -> None:
    made = as_json("create", "Hooli & Sons", "--owner-email=ceo@hooli.example")
    tenant = Tenant.objects.get(subdomain=made["subdomain"])
    assert tenant.name == "Hooli & Sons"
    with context.run_in(tenant):
        assert User.objects.get().is_owner


def test_create_refuses_a_name_that_is_taken(initech: Tenant) -> None:
    with pytest.raises(CommandError, match="already taken"):
        tenants("create", "Another", "--subdomain=initech")


@pytest.mark.parametrize(
    ("there", "status", "back", "after"),
    [
        (["trial"], "trial", ["activate"], "active"),
        (["read-only"], "read_only", ["activate"], "active"),
        (["suspend", "--yes"], "suspended", ["resume"], "active"),
        (["archive", "--yes"], "archived", ["unarchive"], "active"),
        (["schedule-erasure", "--yes"], "erasure_scheduled", ["cancel-erasure"], "archived"),
    ],
)
def test_each_state_is_entered_and_left(
    initech: Tenant, there: list[str], status: str, back: list[str], after: str
) -> None:
    assert as_json(there[0], "initech", WHY, *there[1:])["status"] == status
    assert status_of(initech) == status
    assert as_json(back[0], "initech", WHY)["status"] == after
    assert status_of(initech) == after


def test_verb_that_does_not_fit_the_state_says_so(initech: Tenant) -> None:
    with pytest.raises(CommandError, match="is active; from there it can't"):
        tenants("resume", "initech", WHY)


def test_reason_is_needed(initech: Tenant) -> None:
    for words in (["trial"], ["suspend", "--yes"], ["erase", "--yes", "--force"]):
        with pytest.raises(CommandError, match="--reason"):
            tenants(words[0], "initech", *words[1:])
    assert status_of(initech) == "active"


def test_erasure_is_scheduled_for_the_day(initech: Tenant) -> None:
    told = as_json("schedule-erasure", "initech", WHY, "--yes", "--days=3")
    due = initech.erasures.get().due_at
    assert told["erasure_due_at"] == due.isoformat()
    assert timedelta(days=2) < due - timezone.now() < timedelta(days=4)
    with pytest.raises(CommandError):
        tenants("schedule-erasure", "acme", WHY, "--yes", "--days=-1")


@pytest.mark.parametrize("verb", ["suspend", "archive", "schedule-erasure"])
def test_dangerous_verb_asks_and_takes_no(
    initech: Tenant, answers: Callable[[str], list[str]], verb: str
) -> None:
    for answer in ("", "n", "initech"):
        asked = answers(answer)
        with pytest.raises(CommandError, match=r"Nothing was changed"):
            tenants(verb, "initech", WHY)
        assert "initech" in asked[0]
    assert status_of(initech) == "active"
    answers("y")
    tenants(verb, "initech", WHY)
    assert status_of(initech) != "active"


def test_dangerous_verb_where_nobody_can_answer_wants_yes(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="--yes"):
        tenants("suspend", "initech", WHY)
    assert status_of(initech) == "active"


def test_maintenance_gives_a_link_past_its_page(initech: Tenant) -> None:
    begun = as_json("maintenance", "begin", "initech", WHY)
    assert begun["status"] == "maintenance"
    assert "/maintenance/" in begun["bypass_link"]
    assert "/maintenance/" in tenants("maintenance", "link", "initech", "--minutes=5")
    assert as_json("maintenance", "end", "initech", WHY)["status"] == "active"


def test_maintenance_with_a_link_for_too_long_does_not_begin(initech: Tenant) -> None:
    with pytest.raises(CommandError, match="12:00:00"):
        tenants("maintenance", "begin", "initech", WHY, "--minutes=721")
    assert status_of(initech) == "active"


def test_rename_keeps_the_old_name(initech: Tenant) -> None:
    assert as_json("rename", "initech", "initrode", WHY)["subdomain"] == "initrode"
    assert Tenant.objects.get(pk=initech.pk).subdomain == "initrode"
    with pytest.raises(CommandError, match="already taken"):
        tenants("rename", "acme", "initech", WHY)
    with pytest.raises(CommandError, match="Take the other characters out"):
        tenants("rename", "acme", "x_x", WHY)


def test_clone_with_and_without_data(initech: Tenant) -> None:
    whole = as_json("clone", "initech", "Initech Copy", "--subdomain=initcopy", WHY)
    bare = as_json(
        "clone", "initech", "Bare", "--without-data", "--owner-email=a@bare.example", WHY
    )
    for made, notes in ((whole, 1), (bare, 0)):
        with context.run_in(Tenant.objects.get(schema_name=made["schema"])):
            assert Note.objects.count() == notes
    with pytest.raises(CommandError, match="leave the owner out"):
        tenants("clone", "initech", "Third", "--owner-email=a@bare.example", WHY)


def test_transfer_gives_the_workspace_away(initech: Tenant) -> None:
    with context.run_in(initech):
        membership.add_person(
            email="heir@initech.example",
            full_name="Heir",
            role=Role.objects.get(slug="editor"),
            password=None,
            email_confirmed=True,
        )
    assert as_json("transfer", "initech", "heir@initech.example")["owner"] == "heir@initech.example"
    with context.run_in(initech):
        owner = User.objects.get(role__slug="owner")
        assert owner.email == "heir@initech.example"


def test_transfer_that_can_not_be_says_why(initech: Tenant) -> None:
    with pytest.raises(CommandError, match=r"Nobody in this workspace .*nobody@initech\.example"):
        tenants("transfer", "initech", "nobody@initech.example")
    with pytest.raises(CommandError, match="you have it already"):
        tenants("transfer", "initech", "owner@initech.example")
    with pytest.raises(CommandError, match=r"Its owners: owner@initech\.example"):
        tenants("transfer", "initech", "owner@initech.example", "--from=x@initech.example")
    lifecycle.make_read_only(tenant=initech, reason="x", by="x")
    with pytest.raises(CommandError, match="read-only"):
        tenants("transfer", "initech", "owner@initech.example")


def test_erase_asks_for_the_name_and_leaves_a_certificate(
    initech: Tenant, answers: Callable[[str], list[str]]
) -> None:
    with pytest.raises(CommandError, match="Archive it first"):
        tenants("erase", "initech", WHY, "--yes")
    answers("y")
    with pytest.raises(CommandError, match="Nothing was changed"):
        tenants("erase", "initech", WHY, "--force")
    assert status_of(initech) == "active"
    with pytest.raises(CommandError, match="was not erased"):
        tenants("certificate", "initech")
    answers("initech")
    assert "CERTIFICATE OF ERASURE" in tenants("erase", "initech", WHY, "--force")
    assert status_of(initech) == "erased"
    assert as_json("certificate", "initech")["subdomain"] == "initech"
    assert as_json("show", "initech")["usage"] == {}


# --- Archives ----------------------------------------------------------------------------------------


def test_export_and_import_bring_a_tenant_again(
    initech: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = tmp_path / "initech.terrace", tmp_path / "key"
    key.write_text("ab" * 32)
    written = as_json("export", "initech", str(file), f"--key-file={key}")
    assert (written["is_encrypted"], written["bytes"]) == (True, file.stat().st_size)
    with pytest.raises(CommandError, match="encrypted"):
        tenants("import", str(file), "--subdomain=initwo")
    with pytest.raises(CommandError, match="already taken"):
        tenants("import", str(file), f"--key-file={key}")
    made = as_json("import", str(file), "--subdomain=initwo", f"--key-file={key}")
    with context.run_in(Tenant.objects.get(subdomain=made["subdomain"])):
        assert Note.objects.get().text == "one"
    assert as_json("import", "--unfinished") == []


def test_export_with_a_passphrase_asks_twice(
    initech: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["secret", "other", "secret", "secret", "wrong"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    file = tmp_path / "initech.terrace"
    with pytest.raises(CommandError, match="differ"):
        tenants("export", "initech", str(file), "--passphrase")
    assert not file.exists()
    tenants("export", "initech", str(file), "--passphrase")
    with pytest.raises(CommandError, match="does not open the archive"):
        tenants("import", str(file), "--subdomain=initwo", "--passphrase")


def test_import_of_what_is_no_archive_says_so(committed: None, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"x" * 4096)
    with pytest.raises(CommandError, match="archive"):
        tenants("import", str(junk))
    with pytest.raises(CommandError, match="No such file"):
        tenants("import", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="Give the file"):
        tenants("import")
    for option in ("--resume", "--take-back"):
        with pytest.raises(CommandError, match=r"import|archive"):
            tenants("import", str(junk), f"{option}={uuid4()}")


def test_backup_is_kept(initech: Tenant) -> None:
    made = as_json("backup", "initech")
    assert [row["id"] for row in as_json("undo", "list", "initech")["backups"]] == [made["id"]]
    assert as_json("show", "initech")["newest_backup"]


def test_undo_previews_compares_swaps_and_comes_back(
    initech: Tenant, answers: Callable[[str], list[str]]
) -> None:
    with pytest.raises(CommandError, match="no backup"):
        tenants("undo", "preview", "initech")
    tenants("backup", "initech")
    assert "every row is as it was" in tenants("undo", "preview", "initech")
    tenants("undo", "close", "initech")
    made = as_json("backup", "initech")
    with context.run_in(initech):
        Note.objects.create(text="two")
    for step in ("diff", "swap", "close"):
        with pytest.raises(CommandError, match="has no preview"):
            tenants("undo", step, "initech", WHY, "--yes")
    with pytest.raises(CommandError, match="has no backup"):
        tenants("undo", "preview", "initech", f"--backup={uuid4()}")
    shown = as_json("undo", "preview", "initech", f"--backup={made['id']}")
    assert "initech--preview" in shown["link"]
    [added] = [row for row in shown["differences"] if row["table"] == "probe_note"]
    assert (added["added"], added["removed"]) == (1, 0)
    assert "probe_note" in tenants("undo", "diff", "initech")
    answers("n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        tenants("undo", "swap", "initech", WHY)
    assert notes_of(initech) == ["one", "two"]
    tenants("undo", "swap", "initech", WHY, "--yes")
    assert notes_of(initech) == ["one"]
    tenants("undo", "back", "initech", WHY, "--yes")
    assert notes_of(initech) == ["one", "two"]
    tenants("undo", "preview", "initech")
    assert as_json("undo", "list", "initech")["preview"]
    tenants("undo", "close", "initech")
    assert as_json("undo", "list", "initech")["preview"] is None


def test_undo_back_without_a_swap_says_so(initech: Tenant) -> None:
    with pytest.raises(CommandError, match="swapped away"):
        tenants("undo", "back", "initech", WHY, "--yes")


def notes_of(tenant: Tenant) -> list[str]:
    with context.run_in(Tenant.objects.get(pk=tenant.pk)):
        return sorted(Note.objects.values_list("text", flat=True))


# --- Ctrl-C ------------------------------------------------------------------------------------------


def test_export_that_is_stopped_leaves_no_file_and_says_so(
    initech: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "copy_rows", stop)
    with pytest.raises(CommandError, match=r"initech is as it was: active") as stopped:
        tenants("export", "initech", str(tmp_path / "file"))
    assert stopped.value.returncode == 130
    assert list(tmp_path.glob("*file*")) == []
    with pytest.raises(CommandError, match="as it was"):
        tenants("backup", "initech")
    assert not Backup.objects.kept().exists()
    assert Backup.objects.get().removed_at is not None


def test_ctrl_c_at_the_question_changes_nothing(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(question: str = "") -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", stop)
    with pytest.raises(CommandError, match=r"initech is as it was: active"):
        tenants("suspend", "initech", WHY)
    assert status_of(initech) == "active"


def test_ctrl_c_after_the_commit_says_that_it_was_done(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shared_apps.tenants.management.tenants_cli.lifecycle._say_status", stop)
    with pytest.raises(CommandError, match=r"done already: initech is suspended"):
        tenants("suspend", "initech", WHY, "--yes")


def test_ctrl_c_while_a_clone_is_made_leaves_none(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shared_apps.tenants.lifecycle.cloning._copy_tables", stop)
    with pytest.raises(CommandError, match=r"initech is as it was"):
        tenants("clone", "initech", "Copy", "--subdomain=initcopy", WHY)
    assert not Tenant.objects.filter(subdomain="initcopy").exists()
    monkeypatch.undo()
    Cloning.objects.update(began_at=timezone.now() - timedelta(days=1))
    assert lifecycle.continue_clonings() == 0
    assert not Tenant.objects.filter(subdomain="initcopy").exists()


# --- A command in tenants ----------------------------------------------------------------------------


def test_run_runs_in_each_tenants_schema(initech: Tenant) -> None:
    told = as_json_run("--tenant", "initech", "--tenant", "acme", "list_notes", "--only=o")
    said = {row["tenant"]: row["output"] for row in told["tenants"]}
    assert said == {"initech": "one\n", "acme": ""}
    assert (told["done"], told["failed"]) == (2, 0)
    assert context.current_tenant() is None
    assert "list_notes: 1 done." in tenants("run", "--tenant", "initech", "list_notes")


def test_run_in_all_leaves_out_who_is_not_served(initech: Tenant) -> None:
    tenants("suspend", "initech", WHY, "--yes")
    told = as_json_run("--all", "list_notes")
    assert [row["tenant"] for row in told["tenants"]] == ["acme", "globex"]


def test_run_that_fails_in_one_goes_on_and_ends_badly(initech: Tenant) -> None:
    with owner_transaction() as owner:
        owner.execute(f"DROP TABLE {initech.schema_name}.probe_note CASCADE")
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 done, 1 failed"):
        call_command("tenants", "run", "--all", "--json", "list_notes", stdout=out)
    told = json.loads(out.getvalue())
    assert {row["tenant"]: row["state"] for row in told["tenants"]} == {
        "acme": "done",
        "globex": "done",
        "initech": "failed",
    }
    assert "probe_note" in next(row["error"] for row in told["tenants"] if row["error"])
    with pytest.raises(CommandError, match="list_notes failed: 1 failed"):
        tenants("run", "--tenant", "acme", "list_notes", "--only=none")
    with pytest.raises(CommandError, match="failed"):
        tenants("run", "--tenant", "acme", "list_notes", "--nonsense")


def test_run_refuses_what_it_can_not_run(initech: Tenant) -> None:
    for words, sentence in (
        (["--tenant", "acme", "nonsense"], "no command 'nonsense'"),
        (["--tenant", "acme", "migrate"], "call it without"),
        (["--tenant", "acme", "dumpdata"], "does nothing in a tenant"),
        (["check"], "Say where"),
        (["--all", "--tenant", "acme", "check"], "Say where"),
        (["--all", "--parallel", "0", "check"], "At least one"),
    ):
        with pytest.raises(CommandError, match=sentence):
            tenants("run", *words)


def test_run_after_ctrl_c_begins_nowhere_else(initech: Tenant) -> None:
    refs = [Tenant.objects.get(subdomain=name).ref for name in ("acme", "globex", "initech")]

    def stop(outcome: command_runs.Outcome) -> None:
        raise KeyboardInterrupt

    outcomes = command_runs.run_in_tenants(
        tenants=refs * 20, command="list_notes", parallel=1, on_done=stop
    )
    states = [outcome.state for outcome in outcomes]
    assert states[0] is command_runs.State.DONE
    assert states[-1] is command_runs.State.STOPPED


def as_json_run(*words: str) -> Any:
    return json.loads(tenants("run", "--json", *words))


# --- Doctor ------------------------------------------------------------------------------------------


@pytest.fixture
def beat(initech: Tenant) -> Iterator[None]:
    """As if the dispatcher had just come to every task."""
    PeriodicRun.objects.all().delete()
    now = timezone.now()
    for late in late_tasks():
        PeriodicRun.objects.create(task=late.name, dispatched_until=now)
    yield
    PeriodicRun.objects.all().delete()


def found_by_doctor(tenant: Tenant) -> dict[str, str]:
    """check → what is wrong, of those that found something."""
    findings = doctor.examine_tenant(tenant=Tenant.objects.get(pk=tenant.pk))
    for finding in findings:
        assert finding.is_ok or finding.remedy, finding
    return {finding.check: finding.wrong for finding in findings if not finding.is_ok}


def test_doctor_finds_a_healthy_tenant_well(initech: Tenant, beat: None) -> None:
    told = as_json("doctor", "initech")
    assert told["is_well"], told
    assert {row["check"] for row in told["findings"]} == {
        *("schema", "grants", "role", "domains", "files", "tasks", "periodic tasks")
    }
    tenants("read-only", "initech", WHY)
    assert found_by_doctor(initech) == {}


def test_doctor_ends_badly_where_something_is_wrong(initech: Tenant, beat: None) -> None:
    with owner_transaction() as owner:
        owner.execute(f"ALTER TABLE {initech.schema_name}.probe_note ADD COLUMN stray integer")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 7 checks"):
        call_command("tenants", "doctor", "initech", "--json", stdout=out)
    told = json.loads(out.getvalue())
    [wrong] = [row for row in told["findings"] if not row["is_ok"]]
    assert (told["is_well"], wrong["check"]) == (False, "schema")
    assert "probe_note.stray" in wrong["wrong"]
    assert "fleet repair --tenant initech" in wrong["remedy"]
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 7 checks"):
        call_command("tenants", "doctor", "initech", stdout=out)
    assert any("stray" in line and "fleet repair" in line for line in out.getvalue().splitlines())
    assert "domains         ok" in out.getvalue()


@pytest.mark.parametrize(
    ("check", "statement"),
    [
        ("schema", "DROP TABLE {schema}.probe_note_tags"),
        ("schema", "DELETE FROM {schema}.django_migrations WHERE app = 'probe'"),
        ("schema", "DROP SCHEMA {schema} CASCADE"),
        ("grants", "REVOKE INSERT ON {schema}.probe_note FROM {schema}"),
        ("grants", "GRANT SELECT ON {schema}.probe_note TO PUBLIC"),
        ("role", "ALTER ROLE {schema} LOGIN"),
        ("role", "GRANT {acme} TO {schema}"),
    ],
)
def test_doctor_finds_what_is_wrong_in_postgresql(
    initech: Tenant, beat: None, check: str, statement: str
) -> None:
    acme = Tenant.objects.get(subdomain="acme").schema_name
    with owner_transaction() as owner:
        owner.execute(statement.format(schema=initech.schema_name, acme=acme).encode())
    found = found_by_doctor(initech)
    assert check in found, found
    assert set(found) == {check}


def test_doctor_finds_what_is_wrong_with_hosts(initech: Tenant, beat: None) -> None:
    own = Domain.objects.filter(tenant=initech)
    own.update(verified_at=None)
    assert "not verified" in found_by_doctor(initech)["domains"]
    own.update(verified_at=timezone.now(), is_primary=False)
    assert "primary" in found_by_doctor(initech)["domains"]
    own.update(is_primary=True)
    assert found_by_doctor(initech) == {}
    # By hand in the table: the cache says the old thing for a while.
    acme = Tenant.objects.get(subdomain="acme")
    own.update(is_primary=False)
    own.update(tenant=acme)
    found = doctor.examine_tenant(tenant=initech)
    assert any("is missing" in finding.wrong for finding in found)
    wrong = [finding.wrong for finding in doctor.examine_tenant(tenant=acme)]
    assert any("leads to" in sentence for sentence in wrong)
    Domain.objects.filter(tenant=acme, domain=initech.primary_hostname).update(tenant=initech)


def test_doctor_finds_a_folder_that_is_none(initech: Tenant, beat: None, tmp_path: Path) -> None:
    folder = media_folder(initech.uuid)
    (folder / "link").symlink_to("/etc/hostname")
    assert "link is a symbolic link" in found_by_doctor(initech)["files"]
    (folder / "link").unlink()
    folder.rename(tmp_path / "elsewhere")
    assert found_by_doctor(initech) == {}
    folder.symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in found_by_doctor(initech)["files"]
    folder.unlink()
    folder.write_bytes(b"")
    assert "no folder" in found_by_doctor(initech)["files"]


def test_doctor_finds_that_beat_is_gone(initech: Tenant, beat: None) -> None:
    PeriodicRun.objects.update(dispatched_until=timezone.now() - timedelta(hours=1))
    assert "Nobody has published" in found_by_doctor(initech)["periodic tasks"]
    PeriodicRun.objects.all().delete()
    assert "ever" in found_by_doctor(initech)["periodic tasks"]


def test_doctor_finds_a_full_lane(initech: Tenant, beat: None) -> None:
    def publish(number: int) -> None:
        with context.run_in(initech), tell.app.connection_for_write() as broker:
            for _ in range(number):
                tell.apply_async(["x"], connection=broker)

    publish(1)
    assert found_by_doctor(initech) == {}
    publish(doctor.MANY_MESSAGES - 1)
    try:
        assert "1000 tasks wait" in found_by_doctor(initech)["tasks"]
    finally:
        lanes.forget_messages(initech.uuid)


def test_doctor_has_nothing_to_check_of_the_erased(initech: Tenant) -> None:
    tenants("erase", "initech", WHY, "--force", "--yes")
    with pytest.raises(CommandError, match="1 of 1"):
        tenants("doctor", "initech")
