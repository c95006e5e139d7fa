"""`manage.py tenants …`: what an operator does with tenants from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from shared_apps.domains.names import SubdomainRefused, suggest_subdomain
from shared_apps.tenants import provisioning, ready_pool
from shared_apps.tenants.errors import TenantNotFound
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.registry import OwnerDetails
from shared_apps.tenants.shell import find_tenant, open_shell


class Command(BaseCommand):
    """One command with a subcommand for each verb."""

    help = "Creates and lists tenants, and looks after the pool of ready schemas."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        create = verbs.add_parser("create", help="Make a tenant and its owner.")
        create.add_argument("name", help="What people call it, e.g. “Acme & Sons”.")
        create.add_argument("--subdomain", default="", help="Default: made from the name.")
        create.add_argument("--owner-email", default="", help="Without it nobody is in yet.")
        create.add_argument("--owner-name", default="")
        verbs.add_parser("list", help="All tenants, oldest first.")
        shell = verbs.add_parser("shell", help="Django's shell inside one tenant.")
        shell.add_argument("tenant", help="Its subdomain, schema name or uuid.")
        shell.add_argument("--command", "-c", help="Run this Python code instead of asking.")
        pool = verbs.add_parser("pool", help="What the pool of ready schemas has.")
        pool.add_argument("--fill", type=int, metavar="N", help="Make ready ones until it has N.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Call the subcommand's verb."""
        {
            "create": self._create,
            "list": self._list,
            "pool": self._pool,
            "shell": self._shell,
        }[verb](options)

    def _shell(self, options: dict[str, Any]) -> None:
        try:
            tenant = find_tenant(options["tenant"])
        except TenantNotFound as missing:
            raise CommandError(str(missing)) from missing
        open_shell(tenant, command=options["command"])

    def _create(self, options: dict[str, Any]) -> None:
        name: str = options["name"]
        owner = (
            OwnerDetails(email=options["owner_email"], full_name=options["owner_name"])
            if options["owner_email"]
            else None
        )
        try:
            tenant = provisioning.provision_tenant(
                name=name,
                subdomain=options["subdomain"] or suggest_subdomain(name),
                owner=owner,
                request_id=uuid7(),
            )
        except SubdomainRefused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(
            f"{tenant.name} lives at {tenant.primary_hostname}, in schema {tenant.schema_name}."
        )

    def _list(self, options: dict[str, Any]) -> None:
        table = Table("Subdomain", "Name", "Status", "Schema", "Since")
        for tenant in Tenant.objects.order_by("id").iterator():
            table.add_row(
                tenant.subdomain,
                tenant.name,
                tenant.get_status_display(),
                tenant.schema_name,
                f"{tenant.created_at:%Y-%m-%d}",
            )
        Console(file=self.stdout).print(table)  # type: ignore[arg-type] # OutputWrapper is a text stream

    def _pool(self, options: dict[str, Any]) -> None:
        if options["fill"] is not None:
            made = ready_pool.fill(options["fill"])
            self.stdout.write(f"Made {made}.")
        size = ready_pool.pool_size()
        self.stdout.write(
            f"Ready {size.ready} of {size.target}, begun {size.begun}, reserved {size.reserved}, "
            f"stale {size.stale}."
        )
