"""A tiny tenant app of the tests alone: rows whose keys are easy to make equal in two tenants."""
