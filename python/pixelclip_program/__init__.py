"""The command `pixelclip`: starts the program that lies in the package pixelclip. A package of its
own, because importing pixelclip imports torch, which takes seconds."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def folder_of(package: str) -> Path | None:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def main() -> None:
    folder, torch = folder_of("pixelclip"), folder_of("torch")
    if folder is None or torch is None:
        missing = "pixelclip" if folder is None else "torch"
        sys.exit(f"pixelclip: the Python package {missing} was not found: install pixelclip with its dependencies")
    env = dict(os.environ)
    # The program looks for LibTorch beside its package; a torch elsewhere must be named.
    if torch.parent != folder.parent:
        known = env.get("LD_LIBRARY_PATH")
        env["LD_LIBRARY_PATH"] = f"{torch / 'lib'}:{known}" if known else str(torch / "lib")
    program = folder / "bin" / "pixelclip"
    try:
        os.execve(program, ["pixelclip", *sys.argv[1:]], env)
    except OSError as error:
        sys.exit(f"pixelclip: {program} cannot be started ({error.strerror}): install pixelclip again")
