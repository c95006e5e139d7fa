import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_apps.articles.differences import (
    MAX_PRODUCT,
    Line,
    Piece,
    compare_texts,
    has_marks,
    merge_texts,
)

# Few lines that repeat: what makes comparing hard.
TEXTS = st.lists(st.sampled_from(["", "a", "b", "a b", "c"]), max_size=12).map("\n".join)


def side(lines: list[Line], kind: str) -> list[str]:
    return ["".join(piece.text for piece in line.pieces) for line in lines if line.kind == kind]


def test_changed_word_is_the_only_piece_that_differs() -> None:
    found = compare_texts("The kiln is on.\nSecond.", "The kiln is off.\nSecond.")
    removed, added, same = found.lines
    assert [piece.text for piece in removed.pieces if piece.changed] == ["on"]
    assert [piece.text for piece in added.pieces if piece.changed] == ["off"]
    assert same == Line("same", (Piece("Second.", changed=False),))
    assert (found.added, found.removed) == (1, 1)


def test_line_with_nothing_in_common_is_shown_whole() -> None:
    removed, added = compare_texts("Clay from Devon", "1 2 3 4 5 6").lines
    assert removed.pieces == (Piece("Clay from Devon", changed=True),)
    assert added.pieces == (Piece("1 2 3 4 5 6", changed=True),)


def test_same_texts_do_not_differ() -> None:
    assert not compare_texts("a\nb", "a\nb")


def test_far_lines_are_folded_and_counted() -> None:
    text = "\n".join(str(number) for number in range(100))
    found = compare_texts(text, text.replace("\n50\n", "\nfifty\n"))
    assert [line.skipped for line in found.lines if line.skipped] == [48, 47]
    assert len(found.lines) == 2 + 4 + 2


def test_huge_difference_is_shown_whole_and_not_searched() -> None:
    size = int(MAX_PRODUCT**0.5) + 2
    old = "\n".join(f"old {number}" for number in range(size))
    new = "\n".join(f"new {number}" for number in range(size - 1))
    found = compare_texts(old, new)
    assert (found.removed, found.added) == (size, size - 1)


@given(TEXTS, TEXTS)
def test_comparison_loses_no_line(before: str, after: str) -> None:
    found = compare_texts(before, after)
    shown = sum(line.skipped or 1 for line in found.lines)
    if found:
        same = shown - found.added - found.removed
        assert same + found.removed == len(before.split("\n"))
        assert same + found.added == len(after.split("\n"))
        assert len(side(found.lines, "added")) == found.added
    else:
        assert before == after


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb", "a\nb\nours", "theirs\na\nb", "theirs\na\nb\nours"),
        ("a\nb\nc", "a\nc", "a\nb\nc\nd", "a\nc\nd"),
        ("a", "b", "b", "b"),
        ("a\n", "a\n", "a\nb\n", "a\nb\n"),
    ],
)
def test_changes_of_different_lines_are_both_in(
    base: str, ours: str, theirs: str, merged: str
) -> None:
    found = merge_texts(base=base, ours=ours, theirs=theirs)
    assert (found.text, found.conflicts) == (merged, 0)


def test_changes_of_the_same_line_stand_between_marks() -> None:
    found = merge_texts(base="a\nb\nc", ours="a\nmine\nc", theirs="a\nyours\nc")
    assert found.conflicts == 1
    assert found.text == "a\n<<<<<<< yours\nmine\n=======\nyours\n>>>>>>> theirs\nc"
    assert has_marks(found.text)
    assert not has_marks("a <<<<<<< yours b")


def test_merge_without_a_base_makes_each_difference_a_conflict() -> None:
    found = merge_texts(base=None, ours="same\nmine", theirs="same\nyours")
    assert found.conflicts == 1
    assert {"same", "mine", "yours"} <= set(found.text.split("\n"))


@given(TEXTS, TEXTS, TEXTS)
def test_merge_keeps_every_line_that_one_side_added(base: str, ours: str, theirs: str) -> None:
    """Whatever one side has added to the base, line by line, is in the outcome."""
    merged = merge_texts(base=base, ours=ours, theirs=theirs).text.split("\n")
    for text in (ours, theirs):
        assert set(text.split("\n")) - set(base.split("\n")) <= set(merged)


@given(TEXTS, TEXTS)
def test_merge_with_one_side_unchanged_is_the_other_side(base: str, ours: str) -> None:
    assert merge_texts(base=base, ours=ours, theirs=base).text == ours
    assert merge_texts(base=base, ours=base, theirs=ours).text == ours
    assert merge_texts(base=base, ours=ours, theirs=ours).text == ours
