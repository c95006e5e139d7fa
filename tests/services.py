"""Servers for the suite, and tests that can't run here: loaded by pyproject's `-p tests.services`.

A bare `pytest` gets a PostgreSQL and a Valkey of its own before pytest-django reads the settings.
With DATABASE_URL set (and DATABASE_SUPERUSER_URL, REDIS_URL) those servers are used. Under
pytest-xdist the controller starts them and the workers inherit the environment.

Tests marked `browser` or `pooler` need a program that may be missing. They are then reported as
NOT RUN with the command that installs it; with CI=true they fail.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from config.embedded import EmbeddedError, start_services
from config.embedded.throw_away import throw_away_folder
from config.launcher.outside_programs import NEEDS, Need

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = "NOT RUN"
# A test's record_property of this name is printed at the end, whether it passed or failed.
FIGURE = "figure"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Have servers before anybody reads the settings: a wrapper comes before every plain hook."""
    asked = early_config.known_args_namespace
    if "PYTEST_XDIST_WORKER" not in os.environ:
        for need in NEEDS:
            found = need.find()
            os.environ[need.variable] = str(found) if found else ""
        if not (asked.help or asked.version):
            _have_services(early_config)
    return (yield)


def _have_services(config: pytest.Config) -> None:
    if os.environ.get("DATABASE_URL") and not os.environ.get("DATABASE_SUPERUSER_URL"):
        raise pytest.UsageError(
            "DATABASE_URL is set, so the tests use that server and make databases and roles there. "
            "Set DATABASE_SUPERUSER_URL too, or unset DATABASE_URL to have a server started."
        )
    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    parent = Path(os.environ.get("TERRACE_DATA_DIR") or ROOT / ".terrace") / "tests"
    folder = stack.enter_context(throw_away_folder(parent))
    try:
        services = stack.enter_context(
            start_services(folder, durable=False, tcp=True, purpose="pytest")
        )
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(services.env)
    # PgBouncer runs as somebody who may not be let into the socket's folder.
    os.environ.update({f"TERRACE_TCP_{name}": url for name, url in services.tcp_env.items()})
    os.environ["TERRACE_DATA_DIR"] = str(folder)


def _missing_need(item: pytest.Item) -> Need | None:
    for need in NEEDS:
        if item.get_closest_marker(need.marker) and not os.environ.get(need.variable):
            return need
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright's event loop stays in the thread that started it, and
    Django, rightly, refuses to query where an event loop runs."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test whose program is missing before its fixtures are made."""
    need = _missing_need(item)
    if need is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{need.missing} Install it with: {need.install_command}", pytrace=False)
    pytest.skip(f"{NOT_RUN}: {need.marker}")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the tests' figures, how many were not run for want of a program, and how to get it."""
    _print_figures(terminalreporter)
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        counts[reason.rpartition(f"{NOT_RUN}: ")[2]] += 1
    lines = [
        f"{counts[need.marker]} {need.marker} tests were {NOT_RUN}. {need.missing} "
        f"Install it with: {need.install_command}"
        for need in NEEDS
        if counts[need.marker]
    ]
    if lines:
        terminalreporter.section(NOT_RUN, yellow=True)
        for line in lines:
            terminalreporter.write_line(line)


def _print_figures(terminalreporter: TerminalReporter) -> None:
    figures = [
        str(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for line in sorted(figures):
            terminalreporter.write_line(line)
