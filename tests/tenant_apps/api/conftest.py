"""A program of a person's, and what it sends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.users import api_tokens
from tenant_apps.users.scopes import registered_scopes
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import People

Program = Callable[..., Client]
JSON: dict[str, Any] = {"content_type": "application/json"}


@pytest.fixture
def program_of(acme: TenantRef, acme_people: People, client_of: ClientMaker) -> Program:
    """`program_of("editor", "articles:read")`: a client with a token; without scopes it has all."""

    def make(role: str, *scopes: str) -> Client:
        with context.run_in(acme):
            _, text = api_tokens.issue_token(
                person=acme_people[role],
                name="A program",
                scopes=scopes or [one.name for one in registered_scopes()],
                lifetime=timedelta(days=7),
            )
        client = client_of(acme)
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        return client

    return make
