import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_apps.csv_cells import guard_cell, unguard_cell, write_row
from tenant_apps.products.csv_files import (
    MAX_CELL_CHARACTERS,
    CsvFile,
    find_bad_byte,
)
from tenant_apps.products.errors import BrokenCsv, FileEmpty, NotUtf8
from tests.tenant_apps.products.csv_texts import csv_file, in_pieces


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_rows_are_numbered_as_in_a_spreadsheet(ending: str, mark: str, size: int) -> None:
    text = mark + ending.join(["Größe,b", '"two', 'lines",1', ",", "x,2", ""])
    file = csv_file(text, size)
    assert file.read_header() == ["Größe", "b"]
    assert [(number, cells[1]) for number, cells in file.rows()] == [(2, "1"), (4, "2")]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n", b" , ,\n"])
def test_empty_file(data: bytes) -> None:
    with pytest.raises(FileEmpty, match="Choose one with a header"):
        csv_file(data).read_header()


@pytest.mark.parametrize("size", [1, 2, 5, 4096])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a,b\nx,caf\xe9\n", "line 2 holds the byte 0xE9 (byte 10 of the file)"),
        (b"\xff", "line 1 holds the byte 0xFF (byte 1 of the file)"),
        ("ä,ö\n\n€\n".encode() + b"\xc3(", "line 4 holds the byte 0xC3 (byte 12 of the file)"),
        (b"a\n\xe2\x82", "line 2 holds the byte 0xE2 (byte 3 of the file)"),
    ],
)
def test_bad_byte_is_named_with_its_place(data: bytes, sentence: str, size: int) -> None:
    found = find_bad_byte(in_pieces(data, size))
    assert found is not None
    assert sentence in str(found)
    assert 'save it as "CSV UTF-8"' in str(found)


def test_utf16_is_named(  # Excel's "Unicode text"
) -> None:
    with pytest.raises(NotUtf8, match="The file is UTF-16, not UTF-8"):
        csv_file("Handle,Title\n".encode("utf-16")).read_header()


@given(st.text(), st.integers(min_value=1, max_value=9))
def test_text_has_no_bad_byte(text: str, size: int) -> None:
    data = text.encode(errors="ignore")
    assert find_bad_byte(in_pieces(data, size)) is None


def test_bad_byte_far_down_is_found_while_reading() -> None:
    file = csv_file(b"a,b\n" + b"x,y\n" * 20_000 + b"x,\xe9\n")
    file.read_header()
    with pytest.raises(NotUtf8, match=r"line 20,002 holds the byte 0xE9"):
        list(file.rows())


def test_quotation_mark_that_is_never_closed() -> None:
    file = csv_file('a,b\nx,"' + "y" * (MAX_CELL_CHARACTERS + 10))
    file.read_header()
    with pytest.raises(
        BrokenCsv, match=r"Row 2 cannot be read.*quotation mark is probably missing"
    ):
        list(file.rows())


def test_reading_says_how_far_it_is() -> None:
    data = b"a,b\n" + b"x,y\n" * 50_000
    file = CsvFile(lambda: in_pieces(data, 1000))
    file.read_header()
    assert file.bytes_read < len(data)
    list(file.rows())
    assert file.bytes_read == len(data)


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "=HYPERLINK(1)"]
)
def test_formula_is_not_run_by_a_spreadsheet(cell: str) -> None:
    assert guard_cell(cell) == f"'{cell}"
    assert unguard_cell(guard_cell(cell)) == cell


@pytest.mark.parametrize("cell", ["", "Mug", "-5", "+4.5", "'quoted'", "a=b", "5"])
def test_plain_cell_stays_as_it_is(cell: str) -> None:
    assert guard_cell(cell) == cell
    assert unguard_cell(cell) == cell


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00")),
        min_size=1,
    )
)
def test_written_row_is_read_back(cells: list[str]) -> None:
    read = next(csv.reader(io.StringIO(write_row(cells), newline="")), [""])
    guarded = [guard_cell(cell) for cell in cells]
    assert read == guarded or cells == [""]


# --- separators -------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separator_is_seen(separator: str, mark: str, ending: str) -> None:
    rows = [["a", "b (c, d; e)", "f"], ["1", "two\nlines", "x,y;z\t|"]]
    buffer = io.StringIO()
    writer = csv.writer(buffer, csv.excel, delimiter=separator, lineterminator=ending)
    writer.writerow(rows[0])
    csv.writer(buffer, delimiter=separator, lineterminator=ending, quoting=csv.QUOTE_ALL).writerow(
        rows[1]
    )
    file = csv_file(mark + buffer.getvalue(), size=5)
    assert file.read_header() == rows[0]
    assert [cells for _, cells in file.rows()] == rows[1:]


@given(st.text(max_size=40))
def test_guarded_cell_comes_back(text: str) -> None:
    guarded = guard_cell(text)
    assert unguard_cell(guarded) == text
    if not re.fullmatch(r"[+-]\d*\.?\d*", text):
        assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))


@pytest.mark.parametrize(
    "cell", ["=1+1", "'=1+1", "''=x", "+49 30", "@SUM(A1)", "\t=1", "-3", "-3'", "＝1+1", "'tis"]
)
def test_formula_comes_back(cell: str) -> None:
    assert unguard_cell(guard_cell(cell)) == cell
