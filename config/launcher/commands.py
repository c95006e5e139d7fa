"""From a command's name to what it does; runs inside the virtual environment."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.embedded import EmbeddedError, holder_of, start_services
from config.embedded.processes import run_in_foreground
from config.embedded.throw_away import throw_away_folder
from config.launcher.benchmarks import list_benchmarks
from config.launcher.checking import run_check
from config.launcher.environment import (
    BadEnvironmentFile,
    data_folder,
    environment_for,
    use_environment_file,
)
from config.launcher.locking import compile_requirements
from config.launcher.running import run_up
from config.launcher.terminal import say
from config.launcher.testing import run_tests

USED_WRONGLY = 2
UP = "./terrace up"


def run_command(command: str, arguments: list[str], *, root: Path) -> int:
    """Run one of ./terrace's commands and answer with its exit status."""
    try:
        return _COMMANDS[command](arguments, root)
    except (BadEnvironmentFile, EmbeddedError) as error:
        say(str(error))
        return USED_WRONGLY
    except KeyboardInterrupt:
        return 130


def _up(arguments: list[str], root: Path) -> int:
    if arguments:
        return _takes_no_arguments("up", arguments)
    use_environment_file(root)
    return run_up(root)


def _test(arguments: list[str], root: Path) -> int:
    os.chdir(root)
    return run_tests(arguments, root=root)


def _check(arguments: list[str], root: Path) -> int:
    if arguments:
        return _takes_no_arguments("check", arguments)
    return run_check(root)


def _bench(arguments: list[str], root: Path) -> int:
    known = list_benchmarks(root)
    if not arguments:
        say("Benchmarks:\n")
        for name, words in known.items():
            say(f"    ./terrace bench {name:<14}{words}")
        return 0
    name, *rest = arguments
    if name not in known:
        say(f"There is no benchmark {name!r}. There are: {', '.join(known) or 'none yet'}.")
        return USED_WRONGLY
    data_dir = data_folder(root)
    with (
        throw_away_folder(data_dir / "benchmarks") as folder,
        # Commits cost what they cost in production.
        start_services(folder, durable=True, tcp=True, purpose=f"bench {name}") as services,
    ):
        env = environment_for(services.env, data_dir=folder)
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", *rest]
        return run_in_foreground(command, env=env, cwd=root)


def _manage(arguments: list[str], root: Path) -> int:
    use_environment_file(root)
    data_dir = data_folder(root)
    with _services_for_manage(data_dir, arguments) as servers:
        env = environment_for(servers, data_dir=data_dir)
        command = [sys.executable, str(root / "manage.py"), *arguments]
        return run_in_foreground(command, env=env)


@contextlib.contextmanager
def _services_for_manage(data_dir: Path, arguments: list[str]) -> Iterator[Mapping[str, str]]:
    holder = holder_of(data_dir)
    if holder and holder.purpose == UP and holder.env:
        yield holder.env
        return
    purpose = " ".join(["./terrace manage", *arguments[:1]])
    with start_services(data_dir, durable=True, purpose=purpose) as services:
        yield services.env


def _lock(arguments: list[str], root: Path) -> int:
    if arguments:
        return _takes_no_arguments("lock", arguments)
    return compile_requirements(root)


def _takes_no_arguments(command: str, arguments: list[str]) -> int:
    say(f"./terrace {command} takes no arguments, and was given: {' '.join(arguments)}")
    return USED_WRONGLY


_COMMANDS = {
    "up": _up,
    "test": _test,
    "check": _check,
    "bench": _bench,
    "manage": _manage,
    "lock": _lock,
}
