"""How static files leave the house in production.

Names carry a hash of the content, so browsers keep them for ever. The stylesheet, which imports one
file a component, becomes one file: a page asks for it once, not thirty times in a row.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

STYLESHEET: Final = "css/terrace.css"
_IMPORT = re.compile(r'@import url\("(?P<path>[^"]+)"\)(?: layer\((?P<layer>\w+)\))?;\n')
_RELATIVE = re.compile(r'url\("(?!data:|/)(?P<path>[^"]+)"\)')


class BundledStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc] # untyped
    """WhiteNoise's storage, with the stylesheet in one piece and modules that import hashed names."""

    # Our own modules alone: what looks like an import in others' minified scripts may be none.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )

    def post_process(
        self,
        paths: dict[str, Any],
        dry_run: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **options: Any,
    ) -> Iterator[Any]:
        """Put the stylesheet together, then hash and compress everything."""
        if not dry_run and STYLESHEET in paths:
            bundle = self._bundle(paths)
            self.delete(STYLESHEET)
            self._save(STYLESHEET, ContentFile(bundle.encode()))
            paths = {**paths, STYLESHEET: (self, STYLESHEET)}
        yield from super().post_process(paths, dry_run, **options)

    def _bundle(self, paths: dict[str, Any]) -> str:
        folder = PurePosixPath(STYLESHEET).parent

        def inlined(match: re.Match[str]) -> str:
            name = _normalised(folder / match["path"])
            text = _RELATIVE.sub(
                lambda found: f'url("{_from(folder, PurePosixPath(name).parent, found["path"])}")',
                _read(paths, name),
            )
            layer = match["layer"]
            return f"@layer {layer} {{\n{text}\n}}\n" if layer else f"{text}\n"

        return _IMPORT.sub(inlined, _read(paths, STYLESHEET))


def _read(paths: dict[str, Any], name: str) -> str:
    storage, path = paths[name]
    with storage.open(path) as file:
        text: str = file.read().decode()
    return text


def _from(folder: PurePosixPath, where: PurePosixPath, path: str) -> str:
    """A path that is relative to `where`, made relative to `folder` (both below the static root)."""
    up = "../" * len(folder.parts)
    return up + _normalised(where / path)


def _normalised(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
