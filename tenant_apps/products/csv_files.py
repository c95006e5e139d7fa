"""CSV files, read piece by piece: memory does not grow with the file.

The dialect is RFC 4180 as spreadsheets write it: commas, semicolons or tabs, double quotes, any line
ending, UTF-8 with or without a byte order mark.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator

from tenant_apps.products.errors import BrokenCsv, FileEmpty, NotUtf8

# A longer cell is a quotation mark that was never closed. The limit is the csv module's, process-
# wide.
MAX_CELL_CHARACTERS = 1_000_000
csv.field_size_limit(MAX_CELL_CHARACTERS)

# What may part cells. Where two part the header into as many, the first holds.
SEPARATORS = ",;\t|"
_SAMPLE_BYTES = 64 * 1024
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CsvFile:
    """The rows of a CSV file.

    Args:
        open_pieces: gives the file's bytes from the start, in pieces of any size; called again to
        find the
            place of a bad byte.
    """

    def __init__(self, open_pieces: Callable[[], Iterable[bytes]]) -> None:
        self._open_pieces = open_pieces
        self.separator = find_separator(open_pieces())
        self._stream = _PieceStream(open_pieces())
        text = io.TextIOWrapper(io.BufferedReader(self._stream), encoding="utf-8-sig", newline="")
        self._reader = csv.reader(text, delimiter=self.separator)
        self._rows = self._numbered_rows()

    @property
    def bytes_read(self) -> int:
        """How far the file has been read; for progress."""
        return self._stream.bytes_read

    def read_header(self) -> list[str]:
        """The first row. Raises FileEmpty, NotUtf8, BrokenCsv."""
        first = next(self._rows, None)
        if first is None:
            raise FileEmpty("The file is empty. Choose one with a header and at least one product.")
        return first[1]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that hold anything, each with its number as a spreadsheet counts (the header is
        1).

        Raises:
            NotUtf8, BrokenCsv: at the row where it is seen.
        """
        return self._rows

    def _numbered_rows(self) -> Iterator[tuple[int, list[str]]]:
        number = 0
        while True:
            number += 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise find_bad_byte(self._open_pieces()) or error from None
            except csv.Error as error:
                raise BrokenCsv(
                    f"Row {number} cannot be read ({error}). A quotation mark is probably "
                    f"missing in it or "
                    "in the row above."
                ) from error
            if any(cell.strip() for cell in cells):
                yield number, cells


def find_separator(pieces: Iterable[bytes]) -> str:
    """What parts the cells: whichever parts the first row into most of them."""
    sample = b""
    for piece in pieces:
        sample += piece
        if len(sample) >= _SAMPLE_BYTES:
            break
    text = sample.decode("utf-8-sig", errors="replace").lstrip("\r\n")
    return max(SEPARATORS, key=lambda separator: _cells_of_first_row(text, separator))


def _cells_of_first_row(text: str, separator: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
    except csv.Error:  # a cell that is too long: whoever reads the rows says so, with its number
        return 0


def find_bad_byte(pieces: Iterable[bytes]) -> NotUtf8 | None:
    """The error that names the first byte that is not UTF-8, or None where all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, position, pending = 1, 0, b""
    for piece in _then_end(pieces):
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            seen = pending + piece
            before = seen[: error.start]
            offset = position - len(pending) + error.start
            return _not_utf8(
                seen[error.start],
                line=line + before.count(b"\n"),
                offset=offset,
                start=offset == 0 and seen,
            )
        line += piece.count(b"\n")
        position += len(piece)
        pending = decoder.getstate()[0]
    return None


def _then_end(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield from (piece for piece in pieces if piece)
    yield b""


def _not_utf8(byte: int, *, line: int, offset: int, start: bytes | bool) -> NotUtf8:
    if isinstance(start, bytes) and start.startswith(_UTF16_MARKS):
        return NotUtf8(
            "The file is UTF-16, not UTF-8. "
            'In your spreadsheet, save it as "CSV UTF-8" and choose it again.'
        )
    return NotUtf8(
        f"The file is not UTF-8: line {line:,} holds the byte 0x{byte:02X} (byte {offset + 1:,} "
        f"of the file). "
        'In your spreadsheet, save it as "CSV UTF-8" and choose it again.'
    )


class _PieceStream(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # as io documents it
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.bytes_read += count
        return count
