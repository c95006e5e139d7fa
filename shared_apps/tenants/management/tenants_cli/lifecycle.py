"""create, the states, rename, clone, transfer, erase: a tenant's life."""

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from shared_apps.domains.names import suggest_subdomain
from shared_apps.tenants import lifecycle, provisioning
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.management.tenants_cli.terminal import (
    Options,
    Terminal,
    Verb,
    add_by_argument,
    add_output_argument,
    add_reason_arguments,
    add_tenant_argument,
    add_yes_argument,
    by,
    find_row,
    moment,
    reason,
)
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.registry import OwnerDetails

# name → the verb and what its help says.
_STATES: Final[dict[str, tuple[Callable[..., Tenant], str]]] = {
    "trial": (lifecycle.start_trial, "Mark an active tenant as one on trial."),
    "activate": (lifecycle.activate_tenant, "End a trial, or let a read-only tenant write again."),
    "read-only": (lifecycle.make_read_only, "Let nobody write; PostgreSQL holds it."),
    "suspend": (lifecycle.suspend_tenant, "Stop serving it: hosts say so, tasks are refused."),
    "resume": (lifecycle.resume_tenant, "Serve a suspended tenant again."),
    "archive": (lifecycle.archive_tenant, "Close it and keep everything."),
    "unarchive": (lifecycle.unarchive_tenant, "Serve an archived tenant again."),
    "schedule-erasure": (lifecycle.schedule_erasure, "Close it, and erase it when the day comes."),
    "cancel-erasure": (lifecycle.cancel_erasure, "Call an erasure off; it is archived then."),
}
# What these do to the tenant's people, for the question that is asked before.
_DANGEROUS: Final = {
    "suspend": "Nobody can use {tenant} ({name}) until it is resumed.",
    "archive": "{tenant} ({name}) is closed for everybody until it is unarchived.",
    "schedule-erasure": "{tenant} ({name}) is closed now, and everything of it is erased later.",
}


def add_arguments(verbs: Any) -> None:
    """Declare the subcommands."""
    create = verbs.add_parser("create", help="Make a tenant and its owner.")
    create.add_argument("name", help="What people call it, e.g. “Acme & Sons”.")
    create.add_argument("--subdomain", default="", help="Default: made from the name.")
    _add_owner_arguments(create, "Without it nobody is in yet.")
    add_output_argument(create)
    for name, (_, words) in _STATES.items():
        state = verbs.add_parser(name, help=words)
        add_tenant_argument(state)
        add_reason_arguments(state)
        if name in _DANGEROUS:
            add_yes_argument(state)
        if name == "schedule-erasure":
            state.add_argument(
                "--days", type=int, help="How long it waits; default: TERRACE_ERASURE_DAYS."
            )
    _add_maintenance_arguments(verbs)
    rename = verbs.add_parser("rename", help="Another subdomain; the old one leads there.")
    add_tenant_argument(rename)
    rename.add_argument("subdomain", help="The new one.")
    add_reason_arguments(rename)
    clone = verbs.add_parser("clone", help="A copy with a subdomain, schema and role of its own.")
    add_tenant_argument(clone)
    clone.add_argument("name", help="What people call the copy.")
    clone.add_argument("--subdomain", default="", help="Default: made from the name.")
    clone.add_argument("--without-data", action="store_true", help="Its settings alone.")
    _add_owner_arguments(clone, "Of a copy without data.")
    add_reason_arguments(clone)
    transfer = verbs.add_parser("transfer", help="Give the workspace another owner.")
    add_tenant_argument(transfer)
    transfer.add_argument("email", help="Whose it is then: an active person of the workspace.")
    transfer.add_argument(
        "--from",
        dest="giver",
        default="",
        metavar="EMAIL",
        help="Which owner gives it, of several.",
    )
    add_by_argument(transfer)
    erase = verbs.add_parser("erase", help="Remove everything of it for ever; a certificate stays.")
    add_tenant_argument(erase)
    erase.add_argument("--force", action="store_true", help="In any state, and before its day.")
    add_reason_arguments(erase)
    add_yes_argument(erase)
    add_tenant_argument(verbs.add_parser("certificate", help="What an erasure removed."))


def _add_maintenance_arguments(verbs: Any) -> None:
    maintenance = verbs.add_parser(
        "maintenance", help="Show visitors the maintenance page; operators get past it by a link."
    )
    maintenance.add_argument("step", choices=["begin", "end", "link"])
    add_tenant_argument(maintenance)
    add_reason_arguments(maintenance)
    maintenance.add_argument(
        "--minutes", type=int, default=60, help="How long the link works; 720 at most."
    )


def _add_owner_arguments(parser: ArgumentParser, words: str) -> None:
    parser.add_argument("--owner-email", default="", help=words)
    parser.add_argument("--owner-name", default="")


def _owner(options: Options) -> OwnerDetails | None:
    if not options["owner_email"]:
        return None
    return OwnerDetails(email=options["owner_email"], full_name=options["owner_name"])


def _create(terminal: Terminal, options: Options) -> None:
    name: str = options["name"]
    tenant = provisioning.provision_tenant(
        name=name,
        subdomain=options["subdomain"] or suggest_subdomain(name),
        owner=_owner(options),
        request_id=uuid7(),
    )
    _say_where(terminal, tenant)


def _say_where(terminal: Terminal, tenant: Tenant) -> None:
    terminal.say(
        f"{tenant.name} lives at {tenant.primary_hostname}, in schema {tenant.schema_name}.",
        subdomain=tenant.subdomain,
        name=tenant.name,
        hostname=tenant.primary_hostname,
        schema=tenant.schema_name,
        uuid=tenant.uuid,
    )


def _state(terminal: Terminal, options: Options) -> None:
    name: str = options["verb"]
    tenant = find_row(options)
    why = reason(options)
    if name in _DANGEROUS:
        terminal.confirm(
            _DANGEROUS[name].format(tenant=tenant.subdomain, name=tenant.name), options
        )
    more: dict[str, Any] = {}
    if options.get("days") is not None:
        more["after"] = timedelta(days=options["days"])
    verb, _ = _STATES[name]
    _say_status(terminal, verb(tenant=tenant, reason=why, by=by(options), **more))


def _say_status(terminal: Terminal, tenant: Tenant, **facts: Any) -> None:
    erasure = tenant.erasures.filter(cancelled_at=None, finished_at=None).first()
    due = erasure.due_at if erasure else None
    terminal.say(
        f"{tenant.subdomain} is {tenant.get_status_display().lower()} now."
        + (f" It is erased on {moment(due)} UTC." if due else ""),
        subdomain=tenant.subdomain,
        status=str(tenant.status),
        erasure_due_at=due,
        **facts,
    )


def _maintenance(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    life = timedelta(minutes=options["minutes"])
    if options["step"] == "end":
        why = reason(options)
        _say_status(terminal, lifecycle.end_maintenance(tenant=tenant, reason=why, by=by(options)))
        return
    # The link first: where its life is refused, nothing has begun.
    link = lifecycle.make_bypass_link(tenant=tenant, by=by(options), life=life)
    if options["step"] == "begin":
        tenant = lifecycle.begin_maintenance(tenant=tenant, reason=reason(options), by=by(options))
    terminal.say(
        f"{tenant.subdomain} is {tenant.get_status_display().lower()}. This link leads past its "
        f"maintenance page for {options['minutes']} minutes:\n{link}",
        subdomain=tenant.subdomain,
        status=str(tenant.status),
        bypass_link=link,
    )


def _rename(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    before = tenant.subdomain
    renamed = lifecycle.rename_subdomain(
        tenant=tenant, subdomain=options["subdomain"], reason=reason(options), by=by(options)
    )
    terminal.say(
        f"{before} is {renamed.subdomain} now; the old name leads there.",
        before=before,
        subdomain=renamed.subdomain,
        hostname=renamed.primary_hostname,
    )


def _clone(terminal: Terminal, options: Options) -> None:
    name: str = options["name"]
    copy = lifecycle.clone_tenant(
        source=find_row(options),
        name=name,
        subdomain=options["subdomain"] or suggest_subdomain(name),
        with_data=not options["without_data"],
        owner=_owner(options),
        reason=reason(options),
        by=by(options),
        request_id=uuid7(),
    )
    _say_where(terminal, copy)


def _transfer(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    lifecycle.transfer_ownership(
        tenant=tenant, heir=options["email"], giver=options["giver"], by=by(options)
    )
    terminal.say(
        f"{tenant.subdomain} belongs to {options['email']} now.",
        subdomain=tenant.subdomain,
        owner=options["email"],
    )


def _erase(terminal: Terminal, options: Options) -> None:
    tenant = find_row(options)
    why = reason(options)
    terminal.confirm(
        f"Everything of {tenant.subdomain} ({tenant.name}) is removed for ever: tables, files, "
        "keys, tasks.",
        options,
        word=tenant.subdomain,
    )
    lifecycle.erase_tenant(tenant=tenant, reason=why, by=by(options), force=options["force"])
    _certificate(terminal, options)


def _certificate(terminal: Terminal, options: Options) -> None:
    certificate = lifecycle.certificate_of(find_row(options))
    terminal.say(certificate.as_text(), **certificate.as_json())


VERBS: dict[str, Verb] = {
    "create": _create,
    **dict.fromkeys(_STATES, _state),
    "maintenance": _maintenance,
    "rename": _rename,
    "clone": _clone,
    "transfer": _transfer,
    "erase": _erase,
    "certificate": _certificate,
}
