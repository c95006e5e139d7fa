"""What new tenants' schemas are made from, and the ones that wait for their tenant."""

from django.db import models


class SchemaTemplate(models.Model):
    """What a tenant's schema looks like in the release that the last migration brought.

    One row. `statements` make a schema, one by one; `fingerprint` and `migrations_hash` are those
    of a schema made from them. No schema that differs is given to a tenant.
    """

    name = models.CharField(max_length=63, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    migrations_hash = models.CharField(max_length=64)
    migrations = models.JSONField()
    statements = models.JSONField()
    made_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint[:12]}"


class ReadySchema(models.Model):
    """A schema with its role and grants that waits for a tenant.

    The row comes first, together with the role, so that nothing is ever made that no row tells of.
    While `made_at` is empty only the role is there. `reserved_for` is the provisioning it was made
    for when the pool was empty.
    """

    name = models.CharField(max_length=63, primary_key=True)
    fingerprint = models.CharField(max_length=64, default="")
    migrations_hash = models.CharField(max_length=64, default="")
    reserved_for = models.UUIDField(null=True, editable=False)
    reserved_at = models.DateTimeField(null=True, editable=False)
    begun_at = models.DateTimeField(auto_now_add=True)
    made_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["begun_at"]

    def __str__(self) -> str:
        return self.name
