"""The engine: who is the tenant, and how PostgreSQL is made to keep to it."""
