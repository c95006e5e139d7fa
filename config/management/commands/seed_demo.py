"""`manage.py seed_demo`: two tenants that look lived in, and an operator."""

import json
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared_apps.domains.addresses import public_url, tenant_url
from shared_apps.operators.models import Operator
from shared_apps.tenants import context
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.provisioning import provision_tenant
from shared_apps.tenants.registry import OwnerDetails
from tenant_apps.workspace.demo import THEMES, DemoTenant, Theme, furnish

PASSWORD = "open-the-front-door"  # noqa: S105 - printed for whoever tries Terrace out
OPERATOR_EMAIL = "operator@terrace.example"
ROLES_SHOWN = ("owner", "editor", "member")


class Command(BaseCommand):
    """Makes what is missing; a second run changes nothing. Only where DEBUG is on."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """--json: end with one line for programs."""
        parser.add_argument("--json", action="store_true", help="End with one line of JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Provision, furnish, and say where and as whom to log in."""
        if not settings.DEBUG:
            raise CommandError(
                "seed_demo makes accounts with a password that everybody knows. It runs only where "
                "DEBUG is on (config.settings.local)."
            )
        addresses = [
            {"name": "Public site", "url": public_url("/")},
            {"name": "Operators", "url": public_url("/operators/")},
        ]
        if not Operator.objects.filter(email=OPERATOR_EMAIL).exists():
            Operator.objects.create_operator(
                email=OPERATOR_EMAIL, password=PASSWORD, full_name="Olga Operator"
            )
        logins = [_login("Operators", OPERATOR_EMAIL, "operator")]
        for theme, demo in THEMES.items():
            tenant = _furnished(theme, demo)
            home = tenant_url(tenant.primary_hostname, "/")
            addresses.append({"name": tenant.name, "url": home})
            people = {"owner": demo.owner_email} | {one.role: one.email for one in demo.people}
            logins += [_login(tenant.name, people[role], role) for role in ROLES_SHOWN]
        self._tell(addresses, logins, as_json=options["json"])

    def _tell(
        self, addresses: list[dict[str, str]], logins: list[dict[str, str]], *, as_json: bool
    ) -> None:
        if as_json:
            self.stdout.write(json.dumps({"addresses": addresses, "logins": logins}))
            return
        for address in addresses:
            self.stdout.write(f"{address['name']:<24}{address['url']}")
        for login in logins:
            self.stdout.write(
                f"{login['where']:<24}{login['email']}  {login['password']}  ({login['role']})"
            )


def _furnished(theme: Theme, demo: DemoTenant) -> Tenant:
    tenant: Tenant | None = Tenant.objects.filter(subdomain=theme).first()
    if tenant is None:
        tenant = provision_tenant(
            name=demo.name,
            subdomain=theme,
            owner=OwnerDetails(
                email=demo.owner_email,
                full_name=demo.owner_name,
                password_hash=make_password(PASSWORD),
            ),
            request_id=uuid5(NAMESPACE_DNS, f"{theme}.demo.terrace"),
        )
    with context.run_in(tenant):
        furnish(theme=theme, owner_email=demo.owner_email, password=PASSWORD)
    return tenant


def _login(where: str, email: str, role: str) -> dict[str, str]:
    return {"where": where, "email": email, "password": PASSWORD, "role": role}
