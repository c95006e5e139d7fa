"""Archives, and what is made of them: imports, backups, drills, previews, undone schemas."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from shared_apps.tenants.keys import new_schema_name, uuid7
from shared_apps.tenants.models.tenants import Tenant


class RestorePurpose(models.TextChoices):
    """What a schema is restored for."""

    IMPORT = "import", "Import"
    PREVIEW = "preview", "Preview"
    DRILL = "drill", "Restore drill"


class RestoreState(models.TextChoices):
    """How far it is. Each state is committed with the work that led to it."""

    CHECKED = "checked", "Archive checked"
    LOADED = "loaded", "Schema and rows restored"
    MIGRATED = "migrated", "At this release"
    FILLED = "filled", "Files restored"
    DONE = "done", "Done"
    UNDONE = "undone", "Undone"


class ArchiveImport(models.Model):
    """An archive on its way to a schema of its own.

    The row comes first, so that nothing is ever made that no row tells of. A process that was
    killed leaves it in the state that was last committed: `resume_import` goes on from there, and
    the sweep undoes what nobody resumes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=8, choices=RestorePurpose)
    state = models.CharField(
        max_length=8, choices=RestoreState, default=RestoreState.CHECKED, db_index=True
    )
    source = models.CharField(max_length=500, help_text="Where the archive came from.")
    archive_sha256 = models.CharField(max_length=64)
    schema_name = models.CharField(max_length=63, unique=True, default=new_schema_name)
    # What the tenant will be called; empty for a drill.
    name = models.CharField(max_length=100, blank=True)
    subdomain = models.CharField(max_length=40, blank=True)
    tenant_uuid = models.UUIDField()
    # The tenant that came of it, or the one that is previewed.
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.SET_NULL, related_name="imports")
    by = models.CharField(max_length=254, help_text="An operator's e-mail address, or the process.")
    # [{"state", "at", "milliseconds"}], in their order.
    steps = models.JSONField(default=list)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["subdomain"],
                condition=~models.Q(state__in=[RestoreState.DONE, RestoreState.UNDONE])
                & ~models.Q(subdomain=""),
                name="tenants_archiveimport_one_a_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} of {self.source}: {self.get_state_display()}"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {RestoreState.DONE, RestoreState.UNDONE}


class BackupQuerySet(models.QuerySet["Backup"]):
    def kept(self) -> "BackupQuerySet":
        """Those that are whole and not removed."""
        return self.filter(finished_at__isnull=False, removed_at=None)


class Backup(models.Model):
    """One nightly archive of a tenant in the backup store.

    The row comes before the file and outlives it: `removed_at` says when the last copy of the
    tenant's data that it held was gone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="backups")
    at = models.DateTimeField(default=timezone.now)
    store_key = models.CharField(max_length=200, unique=True)
    is_encrypted = models.BooleanField(default=False)
    rows = models.PositiveBigIntegerField(default=0)
    # Of the file; what the archive says of itself is in archive_sha256.
    bytes = models.PositiveBigIntegerField(default=0)
    file_sha256 = models.CharField(max_length=64, default="", blank=True)
    archive_sha256 = models.CharField(max_length=64, default="", blank=True)
    milliseconds = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(db_index=True)
    removed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    objects = BackupQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["tenant", "-at"], name="tenants_backup_newest")]

    def __str__(self) -> str:
        return f"{self.tenant} at {self.at:%Y-%m-%d %H:%M}"


class RestoreDrill(models.Model):
    """The proof, or not, that a backup can be restored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="drills")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    # Empty until it has ended; then the day it passed, or why it did not.
    passed_at = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)
    tables = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.backup}: {'passed' if self.passed_at else self.failure or 'under way'}"


class Preview(models.Model):
    """A backup that is restored beside its tenant, to be looked at, and perhaps to be swapped in."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="previews")
    backup = models.ForeignKey(
        Backup, null=True, on_delete=models.SET_NULL, related_name="previews"
    )
    # The row whose host shows it; gone when the preview is closed or swapped.
    shown_as = models.OneToOneField(
        Tenant, null=True, on_delete=models.SET_NULL, related_name="preview_of"
    )
    shows_time = models.DateTimeField(help_text="The moment whose rows it shows.")
    # What diff_by_table found when it was opened: [{"table", "added", "changed", "removed"}].
    differences = models.JSONField(default=list)
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.CharField(max_length=254)
    expires_at = models.DateTimeField(db_index=True)
    swapped_at = models.DateTimeField(null=True)
    swapped_by = models.CharField(max_length=254, blank=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(swapped_at=None, closed_at=None),
                name="tenants_preview_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant} as of {self.shows_time:%Y-%m-%d %H:%M}"

    def is_open(self, now: datetime) -> bool:
        """Whether it can be looked at and swapped."""
        return self.swapped_at is None and self.closed_at is None and self.expires_at > now


class UndoneSchema(models.Model):
    """What a tenant's schema was before an undo. Kept for some days, so that it can be undone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="undone_schemas")
    schema_name = models.CharField(max_length=63)
    undone_at = models.DateTimeField(default=timezone.now)
    undone_by = models.CharField(max_length=254)
    reason = models.TextField()
    drop_after = models.DateTimeField(db_index=True)
    brought_back_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-undone_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["schema_name"],
                condition=models.Q(brought_back_at=None, dropped_at=None),
                name="tenants_undoneschema_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant} until {self.undone_at:%Y-%m-%d %H:%M}"
