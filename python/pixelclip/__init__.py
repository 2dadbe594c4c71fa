"""Open-vocabulary segmentation with PixelCLIP and CLIP weights.

>>> model = pixelclip.Model("pixelclip_vit_base.pth")
>>> image = model.encode("photo.jpg")
>>> result = image.segment(["dog, puppy", "grass"], background=0.2)
>>> result.labels        # [height, width], positions in result.names

Computations release the interpreter's lock, and models, encoded images and results may be used by
several threads at once. Errors are subclasses of `pixelclip.Error`.
"""

from pixelclip import _torch as _torch  # first: LibTorch must be loaded, in the right version
from pixelclip._build import VERSION as __version__
from pixelclip._config import Config
from pixelclip._errors import (
    Error,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from pixelclip._evaluate import evaluate
from pixelclip._functions import load_checkpoint, tokenize
from pixelclip._model import EncodedImage, Model, Segmentation

__all__ = [
    "Config",
    "EncodedImage",
    "Error",
    "InvalidInputError",
    "Model",
    "NotFoundError",
    "Segmentation",
    "TooLargeError",
    "UnavailableError",
    "__version__",
    "evaluate",
    "load_checkpoint",
    "tokenize",
]
