"""CSV files for the tests of the import."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from tenant_apps.products.csv_files import CsvFile

JEWELERY = Path(__file__).parent / "data" / "jewelery.csv"
HEADER = ["Handle", "Title", "Variant Price"]


def csv_text(rows: Iterable[Mapping[str, str]], header: list[str] | None = None) -> str:
    """A file with these rows; the header is their columns."""
    rows = list(rows)
    columns = header or list(dict.fromkeys([*HEADER, *(name for row in rows for name in row)]))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def one(**more: str) -> dict[str, str]:
    """A row that is right, with more or other cells."""
    return {"Handle": "mug", "Title": "Mug", "Variant Price": "18.00"} | more


def in_pieces(data: bytes, size: int = 7) -> list[bytes]:
    """The bytes cut where it hurts."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def csv_file(text: str | bytes, size: int = 4096) -> CsvFile:
    data = text.encode() if isinstance(text, str) else text
    return CsvFile(lambda: in_pieces(data, size))


# 50,000 rows that are quick to keep: 500 products with a hundred pictures each.
MANY_ROWS = "Handle,Title,Variant Price,Image Src\n" + "".join(
    f"mug-{n},{f'Mug {n},18.00' if m == 0 else ','},https://example.com/{m}.jpg\n"
    for n in range(500)
    for m in range(100)
)
