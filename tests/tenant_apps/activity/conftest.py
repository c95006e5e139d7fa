from collections.abc import Callable, Iterator
from importlib import import_module

import pytest
from pytest_django import Settings

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import endpoints
from tenant_apps.activity.models import WebhookEndpoint
from tests.tenant_apps.activity.receiver import Receiver, allow_loopback, receiving
from tests.tenant_apps.conftest import People

EndpointMaker = Callable[..., tuple[WebhookEndpoint, str]]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A server that takes events, without TLS: as on a developer's machine."""
    # The addresses are made when they are first asked for, and have the developer's tools under DEBUG.
    import_module(settings.TERRACE_TENANT_URLCONF)
    settings.DEBUG = True
    with receiving() as one:
        yield one


@pytest.fixture
def make_endpoint(in_acme: TenantRef, acme_people: People, receiver: Receiver) -> EndpointMaker:
    """An endpoint at the receiver, with its secret."""

    def make(*event_types: str, url: str = "") -> tuple[WebhookEndpoint, str]:
        return endpoints.add_endpoint(
            url=url or receiver.url,
            event_types=event_types or ["article.published"],
            by=acme_people["owner"],
            allow=allow_loopback,
        )

    return make
