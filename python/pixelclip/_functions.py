from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from pixelclip import _native
from pixelclip._arguments import texts_of


def tokenize(texts: str | Sequence[str], *, truncate: bool = False) -> torch.Tensor:
    """CLIP's token ids of texts, as OpenAI's `clip.tokenize`.

    texts: one text or several.
    truncate: cut longer texts to 77 ids instead of raising an error.
    Returns int64 [texts, 77]; zeros follow the end token.
    Raises InvalidInputError for a text of more than 77 ids.
    """
    return _native.tokenize([texts] if isinstance(texts, str) else texts_of(texts, "texts"), truncate)


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """The weights in a file, by name. Nothing in the file is executed.

    path: a file of torch.save (any version), TorchScript, safetensors, pickle with arrays, or the
    index of a sharded one. The weights are taken out of "model", "state_dict" and similar entries;
    prefixes that all names share, such as "module.", are dropped.
    Returns tensors on the CPU. They share the memory of the mapped file; changing them does not change
    the file.
    Raises NotFoundError, InvalidInputError (the file is damaged or holds no tensors).
    """
    return _native.load_checkpoint(os.fspath(path))
