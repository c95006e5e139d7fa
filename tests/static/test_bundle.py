"""What collectstatic makes of the stylesheet and the modules."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import override_settings

STORAGE = "config.static_files.BundledStaticFilesStorage"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static files as production has them."""
    folder = tmp_path_factory.mktemp("staticfiles")
    with override_settings(
        STATIC_ROOT=folder, STORAGES={**settings.STORAGES, "staticfiles": {"BACKEND": STORAGE}}
    ):
        storages._storages.clear()
        call_command("collectstatic", interactive=False, verbosity=0)
    storages._storages.clear()
    return folder


def hashed(collected: Path, name: str) -> str:
    """The text of a file under the name that pages use."""
    manifest = json.loads((collected / "staticfiles.json").read_text())
    return (collected / manifest["paths"][name]).read_text()


def test_stylesheet_is_one_file_with_every_layer(collected: Path) -> None:
    sheet = hashed(collected, "css/terrace.css")
    source = (settings.BASE_DIR / "static/css/terrace.css").read_text()
    assert "@import" not in sheet
    assert sheet.startswith(source[: source.index("@import")].strip()[:20])
    for layer in ("reset", "tokens", "base", "layout", "components", "utilities"):
        assert sheet.count(f"@layer {layer} {{") == source.count(f"layer({layer})"), layer


def test_stylesheet_names_files_that_are_there(collected: Path) -> None:
    targets = re.findall(r'url\("(?!data:)([^"]+)"\)', hashed(collected, "css/terrace.css"))
    assert len(targets) >= 8
    for target in targets:
        assert (collected / "css" / target).resolve().is_file(), target
        assert re.search(r"\.[0-9a-f]{12}\.", target), target


def test_modules_import_hashed_names(collected: Path) -> None:
    imports = re.findall(r'from "\./([^"]+)"', hashed(collected, "js/terrace.js"))
    assert imports
    for name in imports:
        assert re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name), name
        assert (collected / "js" / name).is_file(), name
