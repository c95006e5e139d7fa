"""A process of a benchmark that takes orders as lines of JSON and answers each with one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """A process that is given orders.

    Args:
        environment: of the process.
        module: what it runs.
    """

    def __init__(
        self, environment: dict[str, str], *, module: str = "tests.benchmarks.worker"
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, do: str, **details: object) -> dict[str, Any]:
        """Have something done, and wait for it."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The worker has no pipes.")
        self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker stopped at {do!r}. Its error is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
