"""The fleet: all tenants' schemas brought to a release together, quickly, and each one whole.

Tenants with the same applied migrations and the same tables are a group. Each group is planned
once; a canary of it is really migrated by Django while what it sends is recorded; the others get
the record, in one transaction and one round trip for each migration. What depends on a tenant's rows
(RunPython, a default that is called, an operation that is not Django's) runs in each tenant, in
processes that have rendered the states once. docs/decisions/0013-canary-record-replay.md.
"""
