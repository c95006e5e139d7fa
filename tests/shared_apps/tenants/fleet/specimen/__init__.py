"""A tenant app of the tests, with a migration of each kind."""
