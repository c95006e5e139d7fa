"""The engine's rows in the public schema."""

from shared_apps.tenants.models.fleet import FleetMigration, FleetRun, FleetState
from shared_apps.tenants.models.provisioning import (
    Provisioning,
    ProvisioningState,
    ProvisioningStep,
    Step,
    StepState,
)
from shared_apps.tenants.models.ready import ReadySchema, SchemaTemplate
from shared_apps.tenants.models.tenants import Status, StatusChange, Tenant
from shared_apps.tenants.tasks.models import PeriodicRun

__all__ = [
    "FleetMigration",
    "FleetRun",
    "FleetState",
    "PeriodicRun",
    "Provisioning",
    "ProvisioningState",
    "ProvisioningStep",
    "ReadySchema",
    "SchemaTemplate",
    "Status",
    "StatusChange",
    "Step",
    "StepState",
    "Tenant",
]
