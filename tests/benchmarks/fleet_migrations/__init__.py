"""A next release for the benchmark of the fleet: the project's own migrations, and some more."""
