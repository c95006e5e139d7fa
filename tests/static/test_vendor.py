"""Nothing in static/vendor is unknown, unlicensed or altered."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
LICENCES = {"MIT", "ISC", "OFL-1.1", "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause"}


def packages() -> list[dict[str, Any]]:
    """The packages as VENDOR.toml tells them."""
    listed: list[dict[str, Any]] = tomllib.loads((VENDOR / "VENDOR.toml").read_text())["package"]
    return listed


def test_vendored_files_are_all_listed() -> None:
    listed = {path for package in packages() for path in package["files"]}
    present = {
        path.relative_to(VENDOR).as_posix()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "VENDOR.toml"
    }
    assert present == listed


def test_vendored_files_are_unaltered() -> None:
    altered = [
        path
        for package in packages()
        for path, sha256 in package["files"].items()
        if hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() != sha256
    ]
    assert altered == []


def test_vendored_packages_name_version_and_free_licence() -> None:
    for package in packages():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"]), package["name"]
        assert package["licence"] in LICENCES, package["name"]
        assert any("LICENSE" in path for path in package["files"]), package["name"]


def test_stylesheets_fetch_nothing_from_elsewhere() -> None:
    for sheet in VENDOR.parent.rglob("*.css"):
        for target in re.findall(r"url\(\s*[\"']?([^\"')]+)", sheet.read_text()):
            assert not re.match(r"(https?:)?//", target), f"{sheet.name}: {target}"
            if not target.startswith("data:"):
                assert (sheet.parent / target).is_file(), f"{sheet.name}: {target} is missing"
