"""What a benchmark prints: tables for people, and one line of JSON for programs."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Goal:
    """One promise: what was measured, and in words what was promised."""

    name: str
    value: float
    goal: str
    met: bool


@dataclass
class Report:
    """Collects the goals of one benchmark.

    The last line that it prints is `{"bench": NAME, "goals": [{"name", "value", "goal", "met"}]}`.
    """

    name: str
    goals: list[Goal] = field(default_factory=list)

    def goal(self, name: str, value: float, goal: str, met: bool) -> None:
        """Note a goal.

        Args:
            value: as measured, a median of rounds where there were several.
            goal: the bound in words, with its unit, e.g. `at most 10 ms`.
        """
        self.goals.append(Goal(name, round(value, 4), goal, bool(met)))

    def say(self, text: str) -> None:
        """A line for people."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for people: the first column to the left, figures to the right."""
        cells = [[str(cell) for cell in row] for row in (headers, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
        for number, row in enumerate(cells):
            first, *others = zip(row, widths, strict=True)
            line = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
            self.say("  ".join(line).rstrip())
            if number == 0:
                self.say("  ".join("-" * width for width in widths))
        self.say("")

    def finish(self) -> int:
        """Print the goals, then the line of JSON. Returns the exit status: 0 if all are met."""
        self.table(
            ["goal", "measured", "promised", "met"],
            [
                [goal.name, goal.value, goal.goal, "yes" if goal.met else "NO"]
                for goal in self.goals
            ],
        )
        goals = [asdict(goal) for goal in self.goals]
        self.say(json.dumps({"bench": self.name, "goals": goals}))
        return 0 if self.goals and all(goal.met for goal in self.goals) else 1
