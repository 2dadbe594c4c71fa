from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelclip import _native


class Config:
    """All keys of a configuration. `Config.load` makes it."""

    def __init__(self, yaml: str, values: dict[str, Any], path: str | None) -> None:
        self._yaml, self._values, self._path = yaml, values, path

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Config:
        """Reads a YAML file with its `_BASE_` files.

        path: the file; None: the defaults.
        overrides: values by key, such as {"SOLVER.BASE_LR": 1e-4}; they win over the file.
        Raises NotFoundError; InvalidInputError, with file, line and column, for an unknown key or a value of
        the wrong type.
        """
        words = [word for key, value in (overrides or {}).items() for word in (key, _word(value))]
        file = "" if path is None else os.fspath(path)
        return cls(*_native.load_config(file, words), file or None)

    def __getitem__(self, key: str) -> Any:
        """A value, or a section as a dict: config["SOLVER.BASE_LR"], config["SOLVER"]."""
        value: Any = self._values
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise KeyError(f"{key}: the configuration has no such key")
            value = value[part]
        return value

    def to_dict(self) -> dict[str, Any]:
        """Nested dicts by section."""
        import copy

        return copy.deepcopy(self._values)

    def to_yaml(self) -> str:
        """Every key with its value; loading that text gives the same configuration."""
        return self._yaml

    def save(self, path: str | os.PathLike[str]) -> None:
        Path(path).write_text(self._yaml, encoding="utf-8")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._yaml == other._yaml

    def __repr__(self) -> str:
        return f"pixelclip.Config({self._path or 'defaults'!r})"


def _word(value: Any) -> str:
    """A value as the command line takes it."""
    return value if isinstance(value, str) else repr(value)
