"""What can be wrong with an archive, by name. Each message says what is wrong and what to do."""


class ArchiveError(Exception):
    """An archive can't be written, read or restored."""


class ArchiveUnknown(ArchiveError):
    """The file is not an archive of a tenant."""


class ArchiveDamaged(ArchiveError):
    """Bytes of the file are not what was written."""


class ArchiveCut(ArchiveError):
    """The file ends before its end."""


class ArchiveNewer(ArchiveError):
    """A newer release wrote the file; this one would lose what it doesn't know."""


class ArchiveEncrypted(ArchiveError):
    """The file is encrypted and no key was given."""


class ArchiveNotEncrypted(ArchiveError):
    """A key was given and the file is not encrypted: it may not be the one that was meant."""


class WrongKey(ArchiveError):
    """The file was encrypted with another key or passphrase."""


class ArchiveNotWritten(ArchiveError):
    """The file could not be written; nothing of it is left."""


class DiskFull(ArchiveNotWritten):
    """There was no room for the file."""


class ExportUnderWay(ArchiveError):
    """Another process writes to the same file."""


class SchemaNotExportable(ArchiveError):
    """The tenant's schema holds what an archive can't carry."""


class RestoreDiffers(ArchiveError):
    """What was restored is not what the archive says."""


class ImportNotFound(ArchiveError):
    """No import has this id."""


class ImportNotResumable(ArchiveError):
    """The import is done, undone, or another process works on it."""


class BackupNotFound(ArchiveError):
    """The tenant has no backup that is still kept."""


class BackupStoreRefused(ArchiveError):
    """The place where backups are kept can't be reached, or refuses."""


class PreviewOpenAlready(ArchiveError):
    """The tenant has a preview; one at a time."""


class PreviewClosed(ArchiveError):
    """The preview was swapped, closed or has expired."""


class TenantBusy(ArchiveError):
    """Writes on the tenant did not end in time; nothing was changed."""


class NothingToUndo(ArchiveError):
    """The schema that was swapped away is gone, or is back already."""
