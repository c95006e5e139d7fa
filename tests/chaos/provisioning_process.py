"""Web and worker processes to be killed: each runs the real verb, in a process of its own.

    python -m tests.chaos.provisioning_process

Loads Django once, without a connection, and forks a process for each order that it reads as a line
of JSON. It answers with the process's id, and to {"wait": id} with its exit status.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django


def sign_up(request_id: str, subdomain: str) -> None:
    """What the web process does with the sign-up's form. It may not make schemas."""
    from django.conf import settings

    from shared_apps.tenants import provisioning
    from shared_apps.tenants.registry import OwnerDetails
    from shared_apps.tenants.schemas import OWNER

    del settings.DATABASES[OWNER]
    provisioning.start_provisioning(
        name=subdomain.title(),
        subdomain=subdomain,
        owner=OwnerDetails(email="owner@example.com", full_name="Olga", password_hash="kept"),
        request_id=UUID(request_id),
    )


def go_on() -> None:
    """What a worker does every half minute."""
    from shared_apps.tenants import provisioning

    provisioning.continue_provisionings()


def fill(target: int) -> None:
    """What a worker does every minute."""
    from shared_apps.tenants import ready_pool

    ready_pool.fill(target)


VERBS: dict[str, Callable[..., None]] = {"sign_up": sign_up, "go_on": go_on, "fill": fill}


def _start(verb: str, **arguments: Any) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            VERBS[verb](**arguments)
            status = 0
        finally:
            os._exit(status)
    return pid


def main() -> None:
    """Obey until stdin ends."""
    django.setup()
    from django.core.cache import cache

    from shared_apps.tenants import provisioning, template  # noqa: F401 - so that no child has to

    # What a process loads once, in milliseconds that no run has to wait for.
    template.code_migrations()
    cache.get("warm")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = _start(**order)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
