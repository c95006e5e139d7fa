"""What the document says of every endpoint alike, so that no endpoint has to (drf-spectacular)."""

from collections.abc import Iterator
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from shared_apps.tenants.problems import PROBLEM_JSON

_METHODS: Final = ("get", "post", "put", "patch", "delete")
# What an endpoint may answer whatever it does: 400 a parameter or body, 401 and 403 who asks, 404, 406
# and 415 what is accepted, 429 how often; 410 and 503 where the workspace is closed.
_EVERYWHERE: Final = (400, 401, 403, 404, 405, 406, 410, 429, 500, 503)
_OF_CHANGES: Final = (409, 412, 413, 415, 422, 428)

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri", "example": "urn:terrace:problem:invalid-input"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string", "description": "What is wrong here, and what to do."},
        "instance": {"type": "string", "description": "Names this answer; it is in our log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "Where in the body (RFC 6901).",
                        "example": "#/title",
                    },
                    "parameter": {"type": "string", "description": "Which parameter."},
                    "code": {"type": "string", "example": "required"},
                    "detail": {"type": "string", "example": "This field is required."},
                },
                "required": ["code", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "schema": {"type": "string"},
        "description": "The ETag of what you read: nobody's change in between is lost (412).",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "description": "Sent twice, done once: the same answer again for 24 hours.",
    },
    "Fields": {
        "name": "fields",
        "in": "query",
        "schema": {"type": "string"},
        "description": "Names with commas between them: of each item nothing else is told.",
    },
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document calls our tokens."""

    target_class = "tenant_apps.users.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token of your account, or the access token of a log-in.",
        }


def add_what_all_share(
    result: dict[str, Any],
    generator: Any,
    request: Any,
    public: bool,  # noqa: FBT001 (its signature)
) -> dict[str, Any]:
    """drf-spectacular's POSTPROCESSING_HOOKS: problems, headers and `?fields=` of each operation."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components.setdefault("parameters", {}).update(_HEADERS)
    components.setdefault("responses", {})["Problem"] = {
        "description": "What went wrong.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, method, operation in _operations(result):
        statuses = (*_EVERYWHERE, *(() if method == "get" else _OF_CHANGES))
        responses = operation.setdefault("responses", {})
        for status in statuses:
            responses.setdefault(str(status), {"$ref": "#/components/responses/Problem"})
        if method == "get":
            responses.setdefault("304", {"description": "As you have it (If-None-Match)."})
        wanted = [{"$ref": f"#/components/parameters/{one}"} for one in _wanted(path, method)]
        if wanted:
            operation["parameters"] = [*operation.get("parameters", []), *wanted]
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in result.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _wanted(path: str, method: str) -> Iterator[str]:
    if method == "get":
        yield "Fields"
    if method == "post" and "/auth/" not in path:
        yield "IdempotencyKey"
    if method in {"put", "patch", "delete"} and "{" in path:
        yield "IfMatch"
