"""Cells of CSV files that people open in spreadsheets: none of them is run as a formula."""

import csv
import io
from collections.abc import Sequence

# https://owasp.org/www-community/attacks/CSV_Injection; the last four are the first at full width.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_row(cells: Sequence[str]) -> str:
    """One line of CSV in which no cell is taken for a formula by a spreadsheet."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([guard_cell(cell) for cell in cells])
    return buffer.getvalue()


def guard_cell(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run. Plain numbers stay
    numbers.

    A cell that has one already gets one more, so that `unguard_cell` gives back what it was.
    """
    if not cell.lstrip("'").startswith(_FORMULA_STARTS):
        return cell
    return cell if cell[0] in "+-" and cell[1:].replace(".", "", 1).isdecimal() else f"'{cell}"


def unguard_cell(cell: str) -> str:
    """The cell as it was before `guard_cell`."""
    is_guarded = cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA_STARTS)
    return cell[1:] if is_guarded else cell
