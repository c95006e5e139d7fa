"""The engine's rows in the public schema."""

from shared_apps.tenants.models.archives import (
    ArchiveImport,
    Backup,
    Preview,
    RestoreDrill,
    RestorePurpose,
    RestoreState,
    UndoneSchema,
)
from shared_apps.tenants.models.fleet import FleetMigration, FleetRun, FleetState
from shared_apps.tenants.models.lifecycle import Cloning, Erasure, ErasureStep, NameChange
from shared_apps.tenants.models.provisioning import (
    Provisioning,
    ProvisioningState,
    ProvisioningStep,
    Step,
    StepState,
)
from shared_apps.tenants.models.ready import ReadySchema, SchemaTemplate
from shared_apps.tenants.models.tenants import SERVED, Status, StatusChange, Tenant
from shared_apps.tenants.tasks.models import PeriodicRun

__all__ = [
    "SERVED",
    "ArchiveImport",
    "Backup",
    "Cloning",
    "Erasure",
    "ErasureStep",
    "FleetMigration",
    "FleetRun",
    "FleetState",
    "NameChange",
    "PeriodicRun",
    "Preview",
    "Provisioning",
    "ProvisioningState",
    "ProvisioningStep",
    "ReadySchema",
    "RestoreDrill",
    "RestorePurpose",
    "RestoreState",
    "SchemaTemplate",
    "Status",
    "StatusChange",
    "Step",
    "StepState",
    "Tenant",
    "UndoneSchema",
]
