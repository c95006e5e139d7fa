"""Which benchmarks there are."""

import ast
from pathlib import Path

# A benchmark's exit status says whether its goals are met; other modules there are its parts.
_ENDS_WITH = "sys.exit(main())"


def list_benchmarks(root: Path) -> dict[str, str]:
    """Each module of tests/benchmarks that can be run, with the first line of its docstring."""
    found = {}
    for module in sorted((root / "tests" / "benchmarks").glob("*.py")):
        text = module.read_text(encoding="utf-8")
        if _ENDS_WITH in text:
            words = ast.get_docstring(ast.parse(text)) or ""
            found[module.stem] = words.partition("\n")[0]
    return found
