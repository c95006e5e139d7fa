"""Who asks, by the Authorization header: an API token, or the access token of a log-in (RFC 6750)."""

from typing import Any, Final

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from shared_apps.tenants import visitors
from tenant_apps.api.errors import ScopeMissing
from tenant_apps.users import api_logins, api_tokens
from tenant_apps.users.errors import (
    TokenError,
    TokenExpired,
    TokenOfAnotherWorkspace,
    TokenRevoked,
)
from tenant_apps.users.models import ApiToken, User
from tenant_apps.users.scopes import grants, needed_scope

_CODES: Final[dict[type[TokenError], str]] = {
    TokenOfAnotherWorkspace: "token_of_another_workspace",
    TokenExpired: "token_expired",
    TokenRevoked: "token_revoked",
}
_LONGEST: Final = 4096


class TokenRefused(AuthenticationFailed):
    """401: the token opens nothing here."""

    auth_header = 'Bearer error="invalid_token"'


class BearerAuthentication(BaseAuthentication):
    """The first of REST_FRAMEWORK's DEFAULT_AUTHENTICATION_CLASSES: a stranger is answered 401.

    A token's scope is compared here, not in a permission that a view could leave out.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken | str] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2 or len(words[1]) > _LONGEST:  # noqa: PLR2004
            raise TokenRefused(
                "Send `Authorization: Bearer <token>`, with one token.", code="token_invalid"
            )
        try:
            text = words[1].decode("ascii")
            if not text.startswith(api_tokens.BEGINS_WITH):
                return api_logins.find_person(text), text
            token = api_tokens.find_token(text)
        except UnicodeDecodeError as error:
            raise TokenRefused("A token has ASCII letters alone.", code="token_invalid") from error
        except TokenError as error:
            raise TokenRefused(str(error), code=_CODES.get(type(error), "token_invalid")) from error
        _require_scope(token, request)
        api_tokens.note_use(token=token, ip_address=visitors.address_of(request._request))
        return token.person, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _require_scope(token: ApiToken, request: Request) -> None:
    view: Any = request.parser_context.get("view")
    needed = needed_scope(view, str(request.method))
    if not grants(token.scopes, needed):
        raise ScopeMissing(needed=needed, granted=token.scopes)
