"""Migrations, then the demo tenants, in one process: starting Django is most of the time."""

from django.core.management import execute_from_command_line


def main() -> None:
    """End with seed_demo's line of JSON; a command that fails ends the process with its status."""
    execute_from_command_line(["manage.py", "migrate"])
    execute_from_command_line(["manage.py", "seed_demo", "--json"])


if __name__ == "__main__":
    main()
