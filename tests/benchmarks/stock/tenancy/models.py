"""Tenant and domain as django-tenants' documentation has them."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class StockTenant(TenantMixin):
    """A tenant whose schema is made, by all migrations, when it is saved."""

    auto_create_schema = True
    auto_drop_schema = True

    name = models.CharField(max_length=100)
    created_on = models.DateField(auto_now_add=True)


class StockDomain(DomainMixin):
    """A hostname of a tenant."""
