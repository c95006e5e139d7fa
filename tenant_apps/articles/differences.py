"""What differs between two texts, by lines and by the words in them; and putting two changes of one
text together."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["same", "removed", "added"]
# Comparing takes time by the product of the two lengths: beyond it, what differs is shown whole.
MAX_PRODUCT: Final = 1_000_000
# So many unchanged lines are shown around a change.
CONTEXT_LINES: Final = 2
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# Two lines that share less than this are two lines, not one that was changed.
_ALIKE: Final = 0.35
OURS_MARK: Final = "<<<<<<< yours"
BETWEEN_MARK: Final = "======="
THEIRS_MARK: Final = ">>>>>>> theirs"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a line, and whether they differ."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison. `skipped` stands for so many unchanged lines that are left out."""

    kind: Kind
    pieces: tuple[Piece, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A comparison of two texts: its lines, and how many were added and removed."""

    lines: list[Line] = field(default_factory=list)
    added: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def compare_texts(before: str, after: str) -> Difference:
    """What was removed and what was added, line by line; in a line that was changed, word by word."""
    old, new = before.split("\n"), after.split("\n")
    found: list[Line] = []
    for tag, old_start, old_end, new_start, new_end in _opcodes(old, new):
        if tag == "equal":
            found += [
                Line("same", (Piece(text, changed=False),)) for text in old[old_start:old_end]
            ]
        else:
            found += _changed(old[old_start:old_end], new[new_start:new_end])
    return Difference(
        lines=list(_folded(found)),
        added=sum(line.kind == "added" for line in found),
        removed=sum(line.kind == "removed" for line in found),
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """Two changes of one text in one. Where both changed the same lines, `conflicts` counts the places
    that hold both, between marks."""

    text: str
    conflicts: int


def merge_texts(*, base: str | None, ours: str, theirs: str) -> Merged:
    """Put two changes of the same text together, paragraph lines as the unit.

    What one side alone has changed is taken; where both changed the same place, both stand there
    between marks, ours first. Nothing of either is lost.

    Args:
        base: what both began from; None where nobody knows: then each difference is a conflict.
    """
    our_lines, their_lines = ours.split("\n"), theirs.split("\n")
    base_lines = _common(our_lines, their_lines) if base is None else base.split("\n")
    lines: list[str] = []
    conflicts = 0
    for base_part, our_part, their_part in _chunks(base_lines, our_lines, their_lines):
        if their_part in (our_part, base_part):
            lines += our_part
        elif our_part == base_part:
            lines += their_part
        else:
            conflicts += 1
            lines += [OURS_MARK, *our_part, BETWEEN_MARK, *their_part, THEIRS_MARK]
    return Merged("\n".join(lines), conflicts)


def has_marks(text: str) -> bool:
    """Whether marks of a merge are left in it, which readers would see."""
    lines = set(text.split("\n"))
    return OURS_MARK in lines or THEIRS_MARK in lines


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """difflib's, with what is alike at both ends taken off first: mostly all of it."""
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old_end, new_end = len(old) - end, len(new) - end
    if start:
        yield "equal", 0, start, 0, start
    if (old_end - start) * (new_end - start) > MAX_PRODUCT:
        yield "replace", start, old_end, start, new_end
    elif old_end > start or new_end > start:
        matcher = difflib.SequenceMatcher(None, old[start:old_end], new[start:new_end])
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            yield tag, i1 + start, i2 + start, j1 + start, j2 + start
    if end:
        yield "equal", old_end, len(old), new_end, len(new)


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    """Lines that were replaced: each pair that is alike by its words, the rest whole."""
    pairs = len(old) if len(old) == len(new) else 0
    removed: list[Line] = []
    added: list[Line] = []
    for number in range(pairs):
        one, other = _by_words(old[number], new[number])
        removed.append(one)
        added.append(other)
    if not pairs:
        removed = [Line("removed", (Piece(text, changed=True),)) for text in old]
        added = [Line("added", (Piece(text, changed=True),)) for text in new]
    yield from removed
    yield from added


def _by_words(old: str, new: str) -> tuple[Line, Line]:
    old_words, new_words = _WORDS.findall(old), _WORDS.findall(new)
    old_pieces: list[Piece] = []
    new_pieces: list[Piece] = []
    same = 0
    for tag, i1, i2, j1, j2 in _opcodes(old_words, new_words):
        changed = tag != "equal"
        if i2 > i1:
            old_pieces.append(Piece("".join(old_words[i1:i2]), changed))
        if j2 > j1:
            new_pieces.append(Piece("".join(new_words[j1:j2]), changed))
        if not changed:
            same += sum(not word.isspace() for word in old_words[i1:i2])
    words = sum(not word.isspace() for word in (*old_words, *new_words))
    if words and 2 * same / words < _ALIKE:
        old_pieces, new_pieces = [Piece(old, changed=True)], [Piece(new, changed=True)]
    return Line("removed", tuple(old_pieces)), Line("added", tuple(new_pieces))


def _folded(lines: Sequence[Line]) -> Iterator[Line]:
    """Without the unchanged lines that stand far from any change."""
    shown: set[int] = set()
    for number, line in enumerate(lines):
        if line.kind != "same":
            shown.update(range(number - CONTEXT_LINES, number + CONTEXT_LINES + 1))
    skipped = 0
    for number, line in enumerate(lines):
        if number in shown:
            if skipped:
                yield Line("same", skipped=skipped)
            skipped = 0
            yield line
        else:
            skipped += 1
    if skipped and shown:
        yield Line("same", skipped=skipped)


def _common(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """The lines that both have, in their order."""
    return [
        line
        for tag, start, end, _, _ in _opcodes(ours, theirs)
        if tag == "equal"
        for line in ours[start:end]
    ]


def _chunks(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """The three texts cut at the lines that all of them have: (base, ours, theirs), in order."""
    in_ours, in_theirs = _partners(base, ours), _partners(base, theirs)
    base_at = our_at = their_at = 0
    for number in range(len(base) + 1):
        our_end = in_ours.get(number) if number < len(base) else len(ours)
        their_end = in_theirs.get(number) if number < len(base) else len(theirs)
        if our_end is None or their_end is None:
            continue
        part = (
            list(base[base_at:number]),
            list(ours[our_at:our_end]),
            list(theirs[their_at:their_end]),
        )
        if any(part):
            yield part
        if number < len(base):
            line = [base[number]]
            yield line, line, line
        base_at, our_at, their_at = number + 1, our_end + 1, their_end + 1


def _partners(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Which line of the other text each line of the base became, where it stayed as it was."""
    return {
        start + offset: other_start + offset
        for tag, start, end, other_start, _ in _opcodes(base, other)
        if tag == "equal"
        for offset in range(end - start)
    }
