"""A tenant's life after it was made: what it may do, where it lives, its copies and its end.

    states      the states and the verbs that lead from one to another
    renaming    another subdomain; the old one leads there
    cloning     a copy, with or without the data
    erasing     the end, step by step, and its certificate

Every change is a row with who, when and why.
"""

from shared_apps.domains.bypass import make_bypass_link
from shared_apps.tenants.lifecycle.certificates import (
    Certificate,
    NoCertificate,
    certificate_of,
)
from shared_apps.tenants.lifecycle.cloning import (
    CannotClone,
    clone_tenant,
    continue_clonings,
)
from shared_apps.tenants.lifecycle.erasing import (
    ErasureBlocked,
    ErasureIncomplete,
    ErasureUnderWay,
    NotDueYet,
    continue_erasures,
    erase_tenant,
)
from shared_apps.tenants.lifecycle.renaming import rename_subdomain
from shared_apps.tenants.lifecycle.states import (
    TRANSITIONS,
    activate_tenant,
    archive_tenant,
    begin_maintenance,
    cancel_erasure,
    end_maintenance,
    make_read_only,
    resume_tenant,
    schedule_erasure,
    start_trial,
    suspend_tenant,
    unarchive_tenant,
)

__all__ = [
    "TRANSITIONS",
    "CannotClone",
    "Certificate",
    "ErasureBlocked",
    "ErasureIncomplete",
    "ErasureUnderWay",
    "NoCertificate",
    "NotDueYet",
    "activate_tenant",
    "archive_tenant",
    "begin_maintenance",
    "cancel_erasure",
    "certificate_of",
    "clone_tenant",
    "continue_clonings",
    "continue_erasures",
    "end_maintenance",
    "erase_tenant",
    "make_bypass_link",
    "make_read_only",
    "rename_subdomain",
    "resume_tenant",
    "schedule_erasure",
    "start_trial",
    "suspend_tenant",
    "unarchive_tenant",
]
