from django.core.exceptions import PermissionDenied


class NotAllowed(PermissionDenied):
    """The person's role does not cover this. The sentence says what is missing."""


class MembershipError(Exception):
    """Something about people and their roles cannot be done; the sentence says why."""


class LastOwner(MembershipError):
    """The workspace would be left without an owner."""


class PersonInactive(MembershipError):
    """The person was deactivated, so this can't be given to them."""


class EmailTaken(MembershipError):
    """Somebody in this workspace already uses this e-mail address."""


class RoleUnknown(MembershipError):
    """No role of this workspace has this name."""


class RoleInUse(MembershipError):
    """People still have this role, or it is a builtin one."""


class InvitationError(MembershipError):
    """An invitation cannot be used."""


class InvitationInvalid(InvitationError):
    """The link belongs to no invitation of this workspace."""


class InvitationExpired(InvitationError):
    """The invitation was not used in time."""


class InvitationUsed(InvitationError):
    """The invitation was accepted or withdrawn already."""
