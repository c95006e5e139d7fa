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


class TokenError(Exception):
    """A token opens nothing here; the sentence says why."""


class TokenInvalid(TokenError):
    """Nobody here has such a token, or it was altered."""


class TokenOfAnotherWorkspace(TokenError):
    """The token was made in another workspace, and is good there alone."""


class TokenExpired(TokenError):
    """The token's time is over."""


class TokenRevoked(TokenError):
    """The token was taken back, or what it stands for has ended."""


class TokenReused(TokenRevoked):
    """A refresh token came a second time: one of the two who have it has stolen it."""


class LoginRefused(Exception):
    """Somebody can't be logged in; the sentence says why."""


class WrongCredentials(LoginRefused):
    """E-mail address or password is wrong."""


class SecondFactorNeeded(LoginRefused):
    """The password is right and not enough."""


class SecondFactorWrong(LoginRefused):
    """The code is wrong, or was used already."""


class AddressUnconfirmed(LoginRefused):
    """The e-mail address has not been confirmed yet."""


class TooManyLogins(LoginRefused):
    """Too many log-ins have failed; the wait is a minute."""
