"""What a request costs: Terrace beside bare Django and stock django-tenants, in one run.

    python -m tests.benchmarks.requests [--quick] [--parts in-process,wire,wrk,memory]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes databases of its
own there and drops them. Four variants serve the same rows of the same apps over 8 and 100 tenants:

    a   bare Django, no tenancy        b   stock django-tenants 4.0.1
    a2  bare, ATOMIC_REQUESTS          c   Terrace, all three locks

Each has its own process. Short rounds go round them in turn, and a ratio is the median of the
ratios of rounds that stood side by side, so that a machine's drift cancels.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
import redis

from config.launcher.outside_programs import WRK
from tests.benchmarks.copying import copy_schema
from tests.benchmarks.databases import Database, plain_database, settle, terrace_database
from tests.benchmarks.orders import Worker
from tests.benchmarks.report import Report
from tests.benchmarks.rows import MARK, MARKED_SLUG
from tests.benchmarks.wire import CountingProxy, Counts
from tests.benchmarks.worker import GRANTS

ROOT = Path(__file__).resolve().parents[2]
PATHS = {"api": "/api/v1/articles/", "page": f"/articles/{MARKED_SLUG}/"}
FLEETS = (8, 100)
PARTS = ("in-process", "wire", "wrk", "memory")
KEY_PREFIX = "terrace-bench"

MAX_OF_BARE = 1.05
MAX_OF_BARE_ATOMIC = 1.02
MIN_THROUGHPUT_OF_BARE = 0.95
# Named bounds, after requests to MEMORY_TENANTS tenants with the default settings.
MEMORY_TENANTS = 1000
MAX_WORKER_MIB = 200
MAX_BACKEND_MIB = 48

# The same for each variant. One worker: of two, either may get all of wrk's four connections, and a
# variant is then half as fast in one round as in the next.
GUNICORN_WORKERS = 1
GUNICORN_THREADS = 4
WRK_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Args:
        restarts: how often the processes are started anew: where a process's memory lies makes it a
            few percent faster or slower for as long as it lives.
        rounds: in process, of each case and start.
        requests: in each round, of each variant.
        wrk_rounds: likewise under wrk.
        wrk_seconds: of each variant in each round.
    """

    restarts: int
    rounds: int
    requests: int
    wrk_rounds: int
    wrk_seconds: int


FULL = Effort(restarts=6, rounds=20, requests=16, wrk_rounds=7, wrk_seconds=4)
QUICK = Effort(restarts=3, rounds=8, requests=12, wrk_rounds=3, wrk_seconds=2)


# What each variant took in each round, or did: the rounds stand side by side.
Rounds = dict[str, list[float]]


@dataclass
class Variant:
    """One way to serve the same apps."""

    key: str
    title: str
    settings: str
    database: Database
    extra: dict[str, str] = field(default_factory=dict)
    schema: str = ""

    def environment(self, *, url: str | None = None) -> dict[str, str]:
        """Of a process that serves requests. `url` may lead through a proxy."""
        served = self.database.app_url if self.key == "c" else self.database.owner_url
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATABASE_URL": url or served,
            "DATABASE_ADMIN_URL": self.database.owner_url,
            "TERRACE_BASE_DOMAIN": "localhost",
            "TERRACE_BENCH_KEY_PREFIX": f"{KEY_PREFIX}-{self.key}",
            "PYTHONWARNINGS": "ignore",
            **self.extra,
        }

    @contextmanager
    def worker(self, *, url: str | None = None) -> Iterator[Worker]:
        """A process of this variant."""
        worker = Worker(self.environment(url=url))
        try:
            yield worker
        finally:
            worker.close()

    def mark(self, house: str) -> str:
        """What an answer to this house must hold."""
        return MARK.format(house="bare" if self.key.startswith("a") else house)


def house_names(count: int) -> list[str]:
    """`house-0001` and so on. House 0000 is the one that the others are copied from."""
    return [f"house-{number:04}" for number in range(1, count + 1)]


def hosts_of(names: list[str]) -> list[str]:
    """Their hostnames."""
    return [f"{name}.localhost" for name in names]


# --- Databases and tenants -------------------------------------------------------------------


@contextmanager
def variants() -> Iterator[dict[str, Variant]]:
    """The four variants, each with tables and rows; dropped afterwards."""
    with ExitStack() as stack:
        bare = stack.enter_context(plain_database("terrace_bench_bare"))
        stock = stack.enter_context(
            plain_database("terrace_bench_stock", extensions_in="extensions")
        )
        terrace = stack.enter_context(terrace_database("terrace_bench_street"))
        stack.callback(_forget_cache)
        here = "tests.benchmarks"
        found = {
            "a": Variant("a", "bare Django", f"{here}.bare.settings", bare),
            "a2": Variant("a2", "bare, ATOMIC_REQUESTS", f"{here}.bare.settings_atomic", bare),
            "b": Variant("b", "stock django-tenants", f"{here}.stock.settings", stock),
            "c": Variant("c", "Terrace, three locks", f"{here}.terrace_settings", terrace),
        }
        for key, order in (("a", "prepare_bare"), ("b", "prepare_stock"), ("c", "prepare_terrace")):
            with found[key].worker() as worker:
                found[key].schema = worker.order(order).get("schema", "")
        yield found


def grow(found: dict[str, Variant], count: int, keys: str = "bc") -> None:
    """Make tenants until there are `count` houses to visit."""
    for key in keys:
        variant = found[key]
        names = house_names(count)
        with variant.worker() as worker:
            order = "add_terrace" if key == "c" else "add_stock"
            schemas = worker.order(order, names=names)["schemas"]
        with psycopg.connect(variant.database.owner_url, autocommit=True) as connection:
            rows = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
            there = {name for (name,) in rows}
            for house in (name for name in names if schemas[name] not in there):
                copy_house(variant, connection, house=house, schema=schemas[house])


def copy_house(
    variant: Variant, connection: psycopg.Connection[Any], *, house: str, schema: str
) -> None:
    """One more tenant: a copy of house 0000, with its own name on the newest article."""
    then = (
        f"UPDATE articles_article SET title = '{MARK.format(house=house)}'"
        f" WHERE slug = '{MARKED_SLUG}'"
    )
    if variant.key == "c":
        app = urlsplit(variant.database.app_url).username
        connection.execute(f'CREATE ROLE "{schema}"'.encode())
        then += "; " + GRANTS.replace("{app}", f'"{app}"')
    copy_schema(connection, source=variant.schema, targets=[schema], then=then)


def _forget_cache() -> None:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        for key in client.scan_iter(f"{KEY_PREFIX}*", count=1000):
            client.delete(key)


# --- In process ------------------------------------------------------------------------------


def measure_in_process(
    found: dict[str, Variant], count: int, effort: Effort, report: Report
) -> None:
    """Time each variant's WSGI handler, round by round."""
    rounds: dict[str, Rounds] = {case: {key: [] for key in found} for case in PATHS}
    for _ in range(effort.restarts):
        with ExitStack() as stack:
            workers = {key: stack.enter_context(variant.worker()) for key, variant in found.items()}
            for case, path in PATHS.items():
                _warm_up(found, workers, count, path)
                _time_rounds(workers, hosts_of(house_names(count)), path, effort, rounds[case])
    for case in PATHS:
        _report_in_process(found, rounds[case], f"in process, {case}, {count} tenants", report)


def _warm_up(found: dict[str, Variant], workers: dict[str, Worker], count: int, path: str) -> None:
    names = house_names(count)
    hosts = hosts_of(names)
    for key, worker in workers.items():
        marks = [found[key].mark(name) for name in names]
        worker.order("check", hosts=hosts, path=path, marks=marks)
        worker.order("time", hosts=hosts, path=path, count=max(count, 50))


def _time_rounds(
    workers: dict[str, Worker], hosts: list[str], path: str, effort: Effort, rounds: Rounds
) -> None:
    keys = list(workers)
    for turn in range(effort.rounds):
        # Each variant comes first equally often.
        first = turn % len(keys)
        for key in keys[first:] + keys[:first]:
            answer = workers[key].order("time", hosts=hosts, path=path, count=effort.requests)
            rounds[key].append(median(answer["microseconds"]))


def paired_ratio(over: list[float], under: list[float]) -> float:
    """The median of the ratios of rounds that stood side by side."""
    return median(one / other for one, other in zip(over, under, strict=True))


def _report_in_process(
    found: dict[str, Variant], rounds: Rounds, title: str, report: Report
) -> None:
    report.table(
        [title, "median µs", "of a", "of a2", "of b"],
        [
            (
                f"{key:3}{variant.title}",
                f"{median(rounds[key]):.0f}",
                *(f"{paired_ratio(rounds[key], rounds[base]):.3f}" for base in ("a", "a2", "b")),
            )
            for key, variant in found.items()
        ],
    )
    for base, most in (("a", MAX_OF_BARE), ("a2", MAX_OF_BARE_ATOMIC)):
        ratio = paired_ratio(rounds["c"], rounds[base])
        report.goal(f"{title}: c / {base}", round(ratio, 4), f"<= {most}", ratio <= most)
    ratio = paired_ratio(rounds["c"], rounds["b"])
    report.goal(f"{title}: c / b", round(ratio, 4), "< 1", ratio < 1)


# --- On the wire -----------------------------------------------------------------------------


def count_on_the_wire(found: dict[str, Variant], count: int, report: Report) -> None:
    """Statements and round trips of a request in the steady state, counted by a proxy."""
    hosts = hosts_of(house_names(count))
    rows = []
    for key, variant in found.items():
        served = variant.environment()["DATABASE_URL"]
        with CountingProxy(served) as proxy, variant.worker(url=proxy.url) as worker:
            for case, path in PATHS.items():
                worker.order("time", hosts=hosts, path=path, count=2 * count)
                before = proxy.counts()
                worker.order("time", hosts=hosts, path=path, count=count)
                seen: Counts = proxy.counts() - before
                rows.append(
                    (
                        f"{key:3}{variant.title}",
                        case,
                        *(
                            f"{number / count:.2f}"
                            for number in (seen.messages, seen.commands, seen.round_trips)
                        ),
                    )
                )
    report.table(
        ["on the wire, per request", "", "statements sent", "commands run", "round trips"], rows
    )


# --- Under gunicorn --------------------------------------------------------------------------


@contextmanager
def gunicorn(
    environment: dict[str, str], *, workers: int, threads: int
) -> Iterator[tuple[int, int]]:
    """A server on loopback: (port, pid of its master)."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "gunicorn", "config.wsgi:application",
        "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread",
        "--workers", str(workers),
        "--threads", str(threads),
        "--keep-alive", "60",
        "--log-level", "warning",
        "--no-control-socket",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        _wait_until_open(process, port)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("gunicorn ended at once. Its error is above.")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("gunicorn did not open its port within 60 seconds.")


def measure_by_wrk(found: dict[str, Variant], count: int, effort: Effort, report: Report) -> None:
    """Requests per second of each variant under gunicorn, round by round."""
    hosts = hosts_of(house_names(count))
    with ExitStack() as stack:
        ports = {}
        for key, variant in found.items():
            server = gunicorn(
                variant.environment(), workers=GUNICORN_WORKERS, threads=GUNICORN_THREADS
            )
            ports[key], _ = stack.enter_context(server)
        for case, path in PATHS.items():
            for port in ports.values():
                _wait_until_answered(port, path, hosts[0])
            for port in ports.values():
                run_wrk(port, path, hosts, seconds=2)
            rounds: Rounds = {key: [] for key in ports}
            keys = list(ports)
            for turn in range(effort.wrk_rounds):
                first = turn % len(keys)
                for key in keys[first:] + keys[:first]:
                    rounds[key].append(run_wrk(ports[key], path, hosts, seconds=effort.wrk_seconds))
            _report_wrk(found, rounds, f"wrk, {case}, {count} tenants", report)


def _wait_until_answered(port: int, path: str, host: str) -> None:
    """Gunicorn's master opens the port before its workers have loaded anything."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", path, headers={"Host": host})
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"No answer to {path} within 60 seconds.")


def run_wrk(port: int, path: str, hosts: list[str], *, seconds: int) -> float:
    """Requests per second. Raises RuntimeError where any answer was an error."""
    script = str(Path(__file__).with_name("rotate.lua"))
    command = [
        str(WRK.find()), "-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s",
        "-s", script, f"http://127.0.0.1:{port}", "--", path, *hosts,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    result = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+)", done.stdout, re.MULTILINE)
    if not result:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    requests, microseconds, refused, broken = map(int, result.groups())
    if not requests:
        raise RuntimeError(f"No request was answered in {seconds} seconds: {done.stdout}")
    if refused or broken:
        raise RuntimeError(f"wrk saw {refused} error answers and {broken} broken connections.")
    return requests / microseconds * 1_000_000


def _report_wrk(found: dict[str, Variant], rounds: Rounds, title: str, report: Report) -> None:
    report.table(
        [title, "requests/s", "of a", "of a2", "of b"],
        [
            (
                f"{key:3}{variant.title}",
                f"{median(rounds[key]):.0f}",
                *(f"{paired_ratio(rounds[key], rounds[base]):.3f}" for base in ("a", "a2", "b")),
            )
            for key, variant in found.items()
        ],
    )
    ratio = paired_ratio(rounds["c"], rounds["a"])
    least = MIN_THROUGHPUT_OF_BARE
    report.goal(f"{title}: c / a", round(ratio, 4), f">= {least}", ratio >= least)
    ratio = paired_ratio(rounds["c"], rounds["b"])
    report.goal(f"{title}: c / b", round(ratio, 4), "> 1", ratio > 1)


# --- Memory ----------------------------------------------------------------------------------


class MemoryWatch:
    """Samples a worker's memory and its PostgreSQL backends' while requests run.

    A backend's own memory is its RssAnon: what it shares with the others (shared_buffers) is not
    counted again. https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    """

    def __init__(self, worker_pid: int, database: Database) -> None:
        self._worker_pid = worker_pid
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.worker_mib = 0.0
        self.backend_mib = 0.0
        self.backends_mib = 0.0
        self.backends: set[int] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        user = urlsplit(self._database.app_url).username
        url = self._database.superuser_url
        with psycopg.connect(url, autocommit=True) as connection:
            while not self._stop.wait(0.1):
                rows = connection.execute(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename = %s",
                    [user],
                ).fetchall()
                own = [memory_mib(pid, "RssAnon") for (pid,) in rows]
                self.backends |= {pid for (pid,) in rows}
                self.worker_mib = max(self.worker_mib, memory_mib(self._worker_pid, "VmRSS"))
                self.backend_mib = max(self.backend_mib, *own, 0.0)
                self.backends_mib = max(self.backends_mib, sum(own))


def memory_mib(pid: int, kind: str) -> float:
    """A process's memory; 0 where it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measure_memory(found: dict[str, Variant], report: Report) -> None:
    """Ask every tenant for the list and the page, with backends recycled and without."""
    hosts = hosts_of(house_names(MEMORY_TENANTS))
    rows = []
    for title, extra in (
        ("as it is set", {}),
        ("never recycled", {"TERRACE_TENANTS_PER_BACKEND": "1000000"}),
    ):
        environment = found["c"].environment() | extra
        with gunicorn(environment, workers=1, threads=4) as (port, master):
            (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
            with MemoryWatch(int(worker), found["c"].database) as watch:
                visit(port, hosts)
        rows.append(
            (
                title,
                f"{watch.worker_mib:.0f}",
                f"{watch.backend_mib:.0f}",
                f"{watch.backends_mib:.0f}",
                len(watch.backends),
            )
        )
        if not extra:
            _judge_memory(watch, report)
    report.table(
        [
            f"Terrace after {MEMORY_TENANTS} tenants, most MiB",
            "worker",
            "one backend",
            "its backends",
            "backends used",
        ],
        rows,
    )


def _judge_memory(watch: MemoryWatch, report: Report) -> None:
    for title, value, most in (
        ("worker MiB", watch.worker_mib, MAX_WORKER_MIB),
        ("one backend MiB", watch.backend_mib, MAX_BACKEND_MIB),
    ):
        # Nothing seen is no proof: the server may stand on another machine.
        met = 0 < value <= most
        report.goal(
            f"memory after {MEMORY_TENANTS} tenants, {title}", round(value, 1), f"<= {most}", met
        )


def visit(port: int, hosts: list[str]) -> None:
    """The list and the page of each host, over four connections that stay open."""
    local = threading.local()

    def ask(host: str) -> None:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection("127.0.0.1", port, timeout=30)
        for path in PATHS.values():
            local.connection.request("GET", path, headers={"Host": host})
            answer = local.connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{host}{path} answered {answer.status}.")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, hosts))


# --- The run ---------------------------------------------------------------------------------


def say(sentence: str) -> None:
    """Progress, to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")


def run(parts: set[str], effort: Effort) -> int:
    """All parts; the exit status."""
    report = Report("requests")
    with variants() as found:
        for count in FLEETS if parts - {"memory"} else ():
            say(f"making {count} tenants")
            grow(found, count)
            for variant in (found["a"], found["b"], found["c"]):
                settle(variant.database)
            measures: dict[str, Callable[[], None]] = {
                "in-process": lambda: measure_in_process(found, count, effort, report),  # noqa: B023 - called in this turn
                "wire": lambda: count_on_the_wire(found, count, report),  # noqa: B023 - called in this turn
                "wrk": lambda: measure_by_wrk(found, count, effort, report),  # noqa: B023 - called in this turn
            }
            for part, measure in measures.items():
                if part in parts:
                    say(f"{part}, {count} tenants")
                    measure()
        if "memory" in parts:
            say(f"making {MEMORY_TENANTS} tenants")
            grow(found, MEMORY_TENANTS, keys="c")
            say("memory")
            measure_memory(found, report)
    return report.finish()


def main() -> int:
    """Read the command line, see that all is there, run."""
    parser = argparse.ArgumentParser(prog="bench requests", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short rounds: noisy figures")
    parser.add_argument("--parts", default=",".join(PARTS), help="of: %(default)s")
    arguments = parser.parse_args()
    parts = set(arguments.parts.split(","))
    if parts - set(PARTS):
        parser.error(f"--parts takes some of {', '.join(PARTS)}, with commas between.")
    needed = ("DATABASE_URL", "DATABASE_ADMIN_URL", "DATABASE_SUPERUSER_URL", "REDIS_URL")
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        parser.error(f"{', '.join(missing)} must be set; `./terrace bench requests` sets them.")
    if "wrk" in parts and not WRK.find():
        others = ",".join(part for part in PARTS if part != "wrk")
        parser.error(
            f"{WRK.missing} Install it with: {WRK.install_command}\n"
            f"Or leave that part out: ./terrace bench requests --parts {others}"
        )
    return run(parts, QUICK if arguments.quick else FULL)


if __name__ == "__main__":
    sys.exit(main())
