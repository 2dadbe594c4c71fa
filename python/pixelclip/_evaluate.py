from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pixelclip._config import Config, _word
from pixelclip._errors import Error

PROGRAM = Path(__file__).parent / "bin" / "pixelclip"


def evaluate(
    config: str | os.PathLike[str] | Config,
    weights: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    num_gpus: int = 1,
) -> dict[str, Any]:
    """Scores weights on every set of TEST.PROTOCOL that is on disk.

    config: a YAML file or a Config; weights: MODEL.WEIGHTS.
    output: folder for reports, predictions and logs (OUTPUT_DIR); None: a temporary one that is removed.
    overrides: values by key, as in Config.load; num_gpus: processes, one a GPU.
    Returns the content of results.json: set → {"sem_seg": {"mIoU": …, …}, "evaluation": {…}}, in percent.
    Raises Error with the program's sentence.

    It runs `pixelclip eval` in a process of its own: evaluation sets LibTorch's threads and precision for its
    whole process and handles signals. An interrupted evaluation goes on when `output` is the same.
    """
    with tempfile.TemporaryDirectory(prefix="pixelclip-") as temporary:
        folder = Path(output) if output is not None else Path(temporary) / "output"
        if isinstance(config, Config):
            file = Path(temporary) / "config.yaml"
            config.save(file)
        else:
            file = Path(config)
        command = [str(PROGRAM), "eval", "--config-file", str(file), "--num-gpus", str(num_gpus)]
        chosen = {**(overrides or {}), "MODEL.WEIGHTS": os.fspath(weights), "OUTPUT_DIR": str(folder)}
        command += [word for key, value in chosen.items() for word in (key, _word(value))]
        run(command)
        return json.loads((folder / "eval" / "results.json").read_text(encoding="utf-8"))


def run(command: list[str]) -> None:
    """Runs the program and shows its log. Raises Error with its last line when it fails."""
    libraries = [str(Path(torch.__file__).parent / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    env = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        last = ""
        for line in process.stderr:
            print(line, end="", flush=True, file=sys.stderr)
            last = line.strip() or last
    if process.returncode != 0:
        _, found, sentence = last.partition("error: ")
        raise Error(sentence if found else last or f"pixelclip ended with status {process.returncode}")
