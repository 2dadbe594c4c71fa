"""Checks and conversions of arguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def texts_of(texts: Sequence[str], what: str) -> list[str]:
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f'{what} must be a list of texts, such as ["dog, puppy", "grass"], not {texts!r}')
    return list(texts)


def pixels_of(image: Any) -> np.ndarray:
    """uint8 [height, width, 3] of an array, a tensor or a PIL image."""
    if hasattr(image, "convert") and hasattr(image, "getexif"):  # PIL, which need not be installed
        from PIL import ImageOps

        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    if isinstance(image, torch.Tensor):
        if image.ndim == 3 and image.shape[0] == 3:  # [3, height, width], the layout of torchvision
            image = image.permute(1, 2, 0)
        image = image.detach().cpu().numpy() if image.dtype != torch.bfloat16 else image.float().cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"an image is a path, a PIL image, a numpy array or a torch tensor, not {type(image).__name__}"
        )
    if image.dtype != np.uint8:
        raise TypeError(f"an image has values of type uint8 (0 to 255), not {image.dtype}")
    if image.ndim != 3 or image.shape[2] != 3:
        shape = list(image.shape)
        raise ValueError(f"an image has the shape [height, width, 3] (a tensor also [3, height, width]), not {shape}")
    if 0 in image.shape:
        raise ValueError(f"an image of shape {list(image.shape)} is empty")
    return image


def is_path(image: Any) -> bool:
    return isinstance(image, (str, os.PathLike))
