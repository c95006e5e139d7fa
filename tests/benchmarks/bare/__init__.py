"""The tenant apps in plain Django: no tenancy, one schema."""
