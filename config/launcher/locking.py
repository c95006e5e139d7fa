"""./terrace lock: from requirements/*.in to *.txt, every package with its version and hashes."""

import subprocess
import sys
from pathlib import Path

from config.launcher.terminal import say

# base first: the others are compiled within its versions.
ORDER = ("base", "embedded", "test", "dev", "production")
OLDEST_PYTHON = "3.11"


def compile_requirements(root: Path) -> int:
    """Compile each file for all systems and Pythons from 3.11; answer with the exit status."""
    folder = root / "requirements"
    for name in ORDER:
        say(f"Compiling requirements/{name}.in …")
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", f"{name}.in"),
            *("--universal", f"--python-version={OLDEST_PYTHON}", "--generate-hashes"),
            *("--no-header", "--quiet", f"--output-file={name}.txt"),
        ]
        if subprocess.run(command, cwd=folder, check=False).returncode != 0:
            say(f"requirements/{name}.in could not be compiled; {name}.txt is as it was.")
            return 1
    return 0
