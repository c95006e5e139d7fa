"""What the document says of every endpoint alike, so that no endpoint has to (drf-spectacular)."""

from collections.abc import Iterator
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.parsers import MultiPartParser

from shared_apps.tenants.problems import PROBLEM_JSON
from tenant_apps.api.lost_updates import TAGS
from tenant_apps.api.sparse_fields import PARAMETER

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


class ApiSchema(AutoSchema):
    """REST_FRAMEWORK's DEFAULT_SCHEMA_CLASS: the headers that the manners read, by view and method."""

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = list(super().get_override_parameters())
        view: Any = self.view
        if (
            self.method == "POST"
            and getattr(view, "keeps_answers", True)
            and view.permission_classes
            and _takes_more_than_files(view)
        ):
            parameters.append(_IDEMPOTENCY_KEY)
        if (
            self.method in {"PUT", "PATCH", "DELETE"}
            and hasattr(view, "get_object")
            and "{" in self.path
        ):
            is_needed = getattr(view, "needs_if_match", False) and self.method != "DELETE"
            parameters.append(_if_match(required=is_needed))
        elif self.method in {"PUT", "PATCH"} and getattr(view, "needs_if_match", False):
            parameters.append(_if_match(required=True))
        return parameters


def _takes_more_than_files(view: Any) -> bool:
    """An Idempotency-Key can't stand on a file: its request would have to be read twice."""
    return any(not issubclass(one, MultiPartParser) for one in view.parser_classes)


def _if_match(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "If-Match",
        {"type": "string", "pattern": TAGS, "example": "*"},
        OpenApiParameter.HEADER,
        required=required,
        description="The ETag of what you read: nobody's change in between is lost (412).",
    )


_IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="Sent twice, done once: the same answer again for 24 hours.",
)


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
    components.setdefault("responses", {})["Problem"] = {
        "description": "What went wrong.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for method, operation in _operations(result):
        statuses = (*_EVERYWHERE, *(() if method == "get" else _OF_CHANGES))
        responses = operation.setdefault("responses", {})
        for status in statuses:
            responses.setdefault(str(status), {"$ref": "#/components/responses/Problem"})
        if method == "get":
            responses.setdefault("304", {"description": "As you have it (If-None-Match)."})
        item = _item(operation, components["schemas"]) if method == "get" else {}
        if names := list(item.get("properties", {})):
            # Whoever asks for some fields gets those alone.
            item.pop("required", None)
            operation["parameters"] = [*operation.get("parameters", []), _fields(names)]
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in result.get("paths", {}).values():
        for method in _METHODS:
            if method in item:
                yield method, item[method]


def _item(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of what an operation tells of an item, of a page of them too."""
    content = operation["responses"].get("200", {}).get("content", {})
    schema = _resolved(content.get("application/json", {}).get("schema", {}), schemas)
    results = schema.get("properties", {}).get("results")
    if results is not None:
        schema = _resolved(results.get("items", {}), schemas)
    return schema


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def _fields(names: list[str]) -> dict[str, Any]:
    one = f"({'|'.join(names)})"
    return {
        "name": PARAMETER,
        "in": "query",
        "schema": {"type": "string", "pattern": f"^{one}(,{one})*$"},
        "description": "Names with commas between them: of each item nothing else is told.",
        "example": ",".join(names[:2]),
    }
