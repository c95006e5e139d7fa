"""Gives a new customer a workspace: reserve the name, get a schema, move in, open the door.

The wish is a row (Provisioning), each step is one too (ProvisioningStep). Every step is safe to
repeat. The process at work holds a lease; when it is killed, `continue_provisionings` goes on from
the last step that was committed. What makes the tenant live is one transaction (claiming.py): it takes
the schema from the pool and adds tenant, domain, owner and seeds, or nothing at all. When a
provisioning fails its steps are undone in reverse and the name is free again.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import OperationalError

from shared_apps.domains import resolution
from shared_apps.domains.names import (
    HostnameTaken,
    SubdomainRefused,
    held_among,
    hostname_of,
    normalise_subdomain,
    taken_sentence,
)
from shared_apps.tenants import context, ready_pool
from shared_apps.tenants.claiming import Claimed, claim_tenant
from shared_apps.tenants.models import (
    Provisioning,
    ProvisioningState,
    ProvisioningStep,
    Step,
    StepState,
    Tenant,
)
from shared_apps.tenants.registry import OwnerDetails
from shared_apps.tenants.template import TemplateStale

logger = logging.getLogger(__name__)

# Building a schema takes well under a second; a process that is silent for longer is gone.
LEASE: Final = timedelta(seconds=30)
MAX_ATTEMPTS: Final = 5
_UNDER_WAY = (ProvisioningState.PENDING, ProvisioningState.PROVISIONING)
_OUR_FAULT = (
    "Something went wrong on our side. Nothing was made, and your address is free again. "
    "Please try once more."
)


class ProvisioningNotFound(LookupError):
    """No sign-up with this request id."""


class RequestIdReused(ValueError):
    """This request id belongs to a wish for another subdomain."""


class ProvisioningFailed(RuntimeError):
    """The provisioning failed; what was made is undone."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step for the progress page. `milliseconds` is None while it has not ended."""

    name: str
    label: str
    state: str
    milliseconds: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a provisioning is. `tenant` is there, and `error` empty, when it is active."""

    request_id: UUID
    state: str
    name: str
    hostname: str
    steps: Sequence[StepProgress]
    tenant: context.TenantRef | None
    error: str

    def is_finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in {ProvisioningState.ACTIVE, ProvisioningState.FAILED}


def provision_tenant(
    *, name: str, subdomain: str, owner: OwnerDetails | None, request_id: UUID
) -> Tenant:
    """Give a new customer a ready schema, its primary domain and an owner, or nothing at all.

    Takes milliseconds while the pool has a schema; else it builds one, for which this process needs
    DATABASE_ADMIN_URL. Where another process works on the same request, it waits for that one.

    Args:
        name: what the customer calls the organisation, at most 100 characters.
        subdomain: one DNS label, 3 to 40 characters (RFC 1035 section 2.3.1), in any case.
        owner: the first user, who gets the owner's role; None for a tenant without people.
        request_id: made once for each wish; a second call with it gives the same tenant.
    Raises:
        SubdomainInvalid: not a DNS label as we take them.
        SubdomainReserved: on the platform's reserved list.
        HostnameTaken: another tenant has, had, or is about to have this hostname.
        RequestIdReused: the request id belongs to a wish for another subdomain.
        OwnerConnectionMissing: the pool is empty and this process may not build a schema.
        TemplateStale: the database is behind this code.
        ProvisioningFailed: another process worked on it, and failed.
    Runs in: the public schema and the new one; not inside a transaction, since other processes
        follow its steps. Safe to call again with the same request id.
    """
    with context.run_in_public():
        mine = _reserve(name=name, subdomain=subdomain, owner=owner, request_id=request_id)
        while not mine:
            found = Provisioning.objects.select_related("tenant").get(pk=request_id)
            if found.state == ProvisioningState.ACTIVE and found.tenant is not None:
                return found.tenant
            if found.state == ProvisioningState.FAILED:
                raise ProvisioningFailed(found.error)
            mine = _take_lease(request_id)
            if not mine:
                time.sleep(0.02)
        return _work(request_id, is_last_attempt=True)


def start_provisioning(
    *, name: str, subdomain: str, owner: OwnerDetails | None, request_id: UUID
) -> Provisioning:
    """Begin a sign-up: done at once while the pool has a schema, else left to a worker.

    For the web processes, which may not build schemas. Arguments and errors are those of
    provision_tenant, without those about building. The row that it returns is active, or under way
    and to be followed with `progress`.

    Runs in: the public schema and the new one; not inside a transaction.
    """
    with context.run_in_public():
        mine = _reserve(name=name, subdomain=subdomain, owner=owner, request_id=request_id)
        if mine:
            try:
                claimed = claim_tenant(request_id=request_id)
            except (ready_pool.PoolEmpty, TemplateStale):
                _hand_over(request_id)
            except Exception as error:
                _settle(request_id, error, is_last_attempt=True)
                raise
            else:
                _open(request_id, claimed)
        return Provisioning.objects.select_related("tenant").get(pk=request_id)


def continue_provisioning(*, request_id: UUID) -> Tenant | None:
    """Go on with one provisioning, unless it is finished or another process is at work on it.

    Raises:
        whatever stopped it. It is tried again later, up to MAX_ATTEMPTS times, then undone.
    Runs in: the public schema and the new one; not inside a transaction.
    """
    with context.run_in_public():
        return _work(request_id) if _take_lease(request_id) else None


def continue_provisionings() -> int:
    """Go on with all provisionings that nobody is at work on. Returns how many were opened.

    Runs in: the public schema and the new ones; not inside a transaction.
    """
    opened = 0
    with context.run_in_public():
        waiting = Provisioning.objects.filter(
            state__in=_UNDER_WAY, lease_until__lte=timezone.now()
        ).order_by("requested_at")
        for request_id in list(waiting.values_list("pk", flat=True)):
            try:
                opened += continue_provisioning(request_id=request_id) is not None
            except Exception:
                logger.exception("Provisioning %s did not go on", request_id)
    return opened


def progress(request_id: UUID) -> Progress:
    """How far a provisioning is, in two queries.

    Raises:
        ProvisioningNotFound: no sign-up with this request id.
    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        found = (
            Provisioning.objects.select_related("tenant")
            .prefetch_related("steps")
            .filter(pk=request_id)
            .first()
        )
        if found is None:
            raise ProvisioningNotFound("There is no sign-up with this address.")
        is_active = found.state == ProvisioningState.ACTIVE and found.tenant is not None
        return Progress(
            request_id=found.request_id,
            state=found.state,
            name=found.name,
            hostname=hostname_of(found.subdomain),
            steps=[
                StepProgress(step.name, step.get_name_display(), step.state, step.milliseconds)
                for step in found.steps.all()
            ],
            tenant=found.tenant.ref if is_active and found.tenant is not None else None,
            error=found.error if found.state == ProvisioningState.FAILED else "",
        )


# --- Reserve -------------------------------------------------------------------------------------


def _reserve(*, name: str, subdomain: str, owner: OwnerDetails | None, request_id: UUID) -> bool:
    """Write the wish down and keep the name for it. True if the caller is to work on it."""
    subdomain = normalise_subdomain(subdomain)
    now = timezone.now()
    wish = Provisioning(
        request_id=request_id,
        name=name,
        subdomain=subdomain,
        owner_email=owner.email if owner else "",
        owner_full_name=owner.full_name if owner else "",
        owner_password_hash=owner.password_hash if owner else "",
        state=ProvisioningState.PROVISIONING,
        attempts=1,
        lease_until=now + LEASE,
    )
    with transaction.atomic(durable=True):
        there = Provisioning.objects.select_for_update().filter(pk=request_id).first()
        if there is not None and there.state != ProvisioningState.FAILED:
            _require_same_wish(there, subdomain)
            return False
        if there is not None:
            there.delete()
        try:
            with transaction.atomic():
                wish.save(force_insert=True)
        except IntegrityError as error:
            # The same form sent twice at once, or another customer with the same wish.
            there = Provisioning.objects.filter(pk=request_id).first()
            if there is None:
                raise HostnameTaken(taken_sentence(subdomain)) from error
            _require_same_wish(there, subdomain)
            return False
        if held_among([subdomain]):
            raise HostnameTaken(taken_sentence(subdomain))
        ProvisioningStep.objects.bulk_create(_first_steps(wish, now))
    return True


def _require_same_wish(there: Provisioning, subdomain: str) -> None:
    if there.subdomain != subdomain:
        raise RequestIdReused(
            f"This form was already used to sign up “{there.subdomain}”. Open it anew to sign up "
            "another workspace."
        )


def _first_steps(wish: Provisioning, began: datetime) -> list[ProvisioningStep]:
    steps = [
        ProvisioningStep(provisioning=wish, name=name, place=place)
        for place, name in enumerate(Step)
    ]
    reserve = steps[0]
    reserve.state = StepState.DONE
    reserve.started_at = began
    reserve.finished_at = timezone.now()
    reserve.milliseconds = _milliseconds(began, reserve.finished_at)
    return steps


# --- Work ----------------------------------------------------------------------------------------


def _work(request_id: UUID, *, is_last_attempt: bool = False) -> Tenant:
    """Do what is left of a provisioning whose lease the caller holds."""
    try:
        claimed = _claim_or_build(request_id)
        _open(request_id, claimed)
    except Exception as error:
        _settle(request_id, error, is_last_attempt=is_last_attempt)
        raise
    return claimed.tenant


def _claim_or_build(request_id: UUID) -> Claimed:
    try:
        return claim_tenant(request_id=request_id)
    except ready_pool.PoolEmpty:
        began = _begin_step(request_id, Step.SCHEMA)
        ready_pool.build_schema(request_id=request_id)
        _end_step(request_id, Step.SCHEMA, began, timezone.now())
        return claim_tenant(request_id=request_id)


def _open(request_id: UUID, claimed: Claimed) -> None:
    """Let every process forget that the host led nowhere, and say that the workspace is ready."""
    began = timezone.now()
    resolution.bump_version()
    with transaction.atomic(durable=True):
        if claimed.began and claimed.ended:
            _end_step(request_id, Step.CLAIM, claimed.began, claimed.ended)
        _end_step(request_id, Step.OPEN, began, timezone.now())
        Provisioning.objects.filter(pk=request_id, tenant__isnull=False).update(
            state=ProvisioningState.ACTIVE, error="", finished_at=timezone.now()
        )


# --- Lease and failure ---------------------------------------------------------------------------


def _take_lease(request_id: UUID) -> bool:
    now = timezone.now()
    taken = Provisioning.objects.filter(
        pk=request_id, state__in=_UNDER_WAY, lease_until__lte=now
    ).update(
        lease_until=now + LEASE,
        attempts=F("attempts") + 1,
        state=ProvisioningState.PROVISIONING,
    )
    return taken == 1


def _hand_over(request_id: UUID) -> None:
    """The next worker that looks may go on at once."""
    Provisioning.objects.filter(pk=request_id, state__in=_UNDER_WAY).update(
        lease_until=timezone.now(), state=ProvisioningState.PENDING, attempts=0
    )
    from shared_apps.tenants.provisioning_tasks import continue_provisioning as task

    try:
        task.delay(str(request_id))
    except OperationalError:
        logger.exception("The broker is away; the sweep goes on with provisioning %s", request_id)


def _settle(request_id: UUID, error: Exception, *, is_last_attempt: bool) -> None:
    """After an error: try again later, or undo."""
    logger.warning("Provisioning %s: %s: %s", request_id, type(error).__name__, error)
    with transaction.atomic(durable=True):
        wish = Provisioning.objects.select_for_update().get(pk=request_id)
        is_final = isinstance(error, SubdomainRefused) or is_last_attempt
        if wish.tenant_id is not None or not (is_final or wish.attempts >= MAX_ATTEMPTS):
            wish.lease_until = timezone.now() + timedelta(seconds=2**wish.attempts)
            wish.state = ProvisioningState.PENDING
            wish.save(update_fields=["lease_until", "state"])
            _fail_step(wish, error)
            return
        _undo(wish, error)


def _undo(wish: Provisioning, error: Exception) -> None:
    """Undo the steps in reverse. The claim left nothing behind: its transaction was rolled back."""
    _fail_step(wish, error)
    ready_pool.release_schema(request_id=wish.request_id)
    wish.steps.filter(state=StepState.DONE).update(state=StepState.UNDONE)
    wish.state = ProvisioningState.FAILED
    wish.error = str(error) if isinstance(error, SubdomainRefused) else _OUR_FAULT
    wish.owner_password_hash = ""
    wish.finished_at = timezone.now()
    wish.save(update_fields=["state", "error", "owner_password_hash", "finished_at"])


# --- Steps ---------------------------------------------------------------------------------------


def _begin_step(request_id: UUID, step: Step) -> datetime:
    began = timezone.now()
    ProvisioningStep.objects.filter(provisioning_id=request_id, name=step).update(
        state=StepState.RUNNING, started_at=began, error=""
    )
    return began


def _end_step(request_id: UUID, step: Step, began: datetime, ended: datetime) -> None:
    ProvisioningStep.objects.filter(provisioning_id=request_id, name=step).update(
        state=StepState.DONE,
        started_at=began,
        finished_at=ended,
        milliseconds=_milliseconds(began, ended),
        error="",
    )


def _fail_step(wish: Provisioning, error: Exception) -> None:
    """The first step that is not done is the one that failed."""
    step = wish.steps.exclude(state=StepState.DONE).first()
    if step is not None:
        step.state = StepState.FAILED
        step.finished_at = timezone.now()
        step.error = f"{type(error).__name__}: {error}"
        step.save(update_fields=["state", "finished_at", "error"])


def _milliseconds(began: datetime, ended: datetime) -> int:
    return round((ended - began) / timedelta(milliseconds=1))
