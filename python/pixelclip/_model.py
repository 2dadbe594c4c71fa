from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np
import torch

from pixelclip import _native
from pixelclip._arguments import is_path, pixels_of, texts_of

if TYPE_CHECKING:
    import PIL.Image

    ImageLike = Union[str, os.PathLike[str], PIL.Image.Image, np.ndarray, torch.Tensor]


class Model:
    """PixelCLIP or CLIP weights, ready to encode images and texts.

    weights: a checkpoint of PixelCLIP, OpenAI, open_clip or Hugging Face: a file, a folder, or a name that
        `pixelclip inspect` finds.
    device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:N" or a torch.device.
    precision: "float32" or "bfloat16", of the image encoder.
    templates: the sentences for names: "single", "imagenet_select", "imagenet", "vild", or a text file with
        one a line.
    config: the YAML file of the training; None: config.yaml beside the weights, if there is one.
    resolution: side of the encoder's square input, pixels; None: as trained.
    window: side of overlapping windows that are encoded, pixels of an image whose short side is
        MIN_SIZE_TEST (640); None: the whole image, and windows for panoramas.
    activation: "auto", "gelu" or "quick_gelu"; heads: of the image encoder and the text encoder; None: found
        out.
    method: what CLIP's last block does, such as "naclip" (docs/methods.md); helper: DINO or DINOv2 weights of
        "proxyclip"; None: as MODEL.DENSE of the configuration.
    Raises NotFoundError, InvalidInputError (no CLIP weights, an unknown option), UnavailableError (no GPU).
    """

    def __init__(
        self,
        weights: str | os.PathLike[str],
        *,
        device: str | torch.device = "auto",
        precision: str = "float32",
        templates: str = "imagenet_select",
        config: str | os.PathLike[str] | None = None,
        resolution: int | None = None,
        window: int | None = None,
        activation: str = "auto",
        heads: tuple[int, int] | None = None,
        method: str | None = None,
        helper: str | os.PathLike[str] | None = None,
    ) -> None:
        self._weights = os.fspath(weights)
        self._native = _native.Segmenter(
            self._weights,
            "" if config is None else os.fspath(config),
            os.fspath(templates),
            str(device),
            precision,
            activation,
            list(heads or ()),
            resolution or 0,
            window or 0,
            method or "",
            "" if helper is None else os.fspath(helper),
        )

    @property
    def description(self) -> str:
        """For people: "ViT, width 768, 12 layers, patch 16 …"."""
        return self._native.description

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width of the encoder's input, pixels."""
        return self._native.resolution

    @property
    def templates(self) -> list[str]:
        """The sentences for names, each with one {}."""
        return self._native.templates

    @overload
    def encode(self, image: ImageLike) -> EncodedImage: ...
    @overload
    def encode(self, image: Sequence[ImageLike]) -> list[EncodedImage]: ...
    def encode(self, image: Any) -> EncodedImage | list[EncodedImage]:
        """Encodes an image once; it can then be segmented by any names in milliseconds.

        image: a path (turned by its EXIF orientation), a PIL image (likewise), an array of uint8
            [height, width, 3] in RGB, or a tensor of uint8 [height, width, 3] or [3, height, width]. A list
            or tuple of images is encoded in batches of 8 and gives a list.
        Raises TypeError and ValueError for an array of another type or shape, NotFoundError and
        InvalidInputError for a file.
        """
        many = isinstance(image, (list, tuple))
        images = [os.fspath(one) if is_path(one) else pixels_of(one) for one in (image if many else [image])]
        encoded = [EncodedImage(self, native) for native in self._native.encode(images)]
        return encoded if many else encoded[0]

    def text(self, names: Sequence[str], *, per_template: bool = False) -> torch.Tensor:
        """Embeddings of names, on the model's device.

        names: one text a class; synonyms are separated by ", ".
        Returns float32 [names, C], normalised: the mean over the templates. With per_template
        [templates, names, C], each normalised. Embeddings of names are remembered.
        Raises InvalidInputError for an empty or repeated name or one of more than 77 tokens.
        """
        names = texts_of(names, "names")
        return self._native.text(names) if per_template else self._native.embeddings(names)

    def __repr__(self) -> str:
        return f"pixelclip.Model({self._weights!r}): {self.description}"


class EncodedImage:
    """An image after the encoder. `Model.encode` makes it."""

    def __init__(self, model: Model, native: _native.Encoded) -> None:
        self._model = model
        self._native = native

    @property
    def height(self) -> int:
        """Of the image, pixels."""
        return self._native.height

    @property
    def width(self) -> int:
        """Of the image, pixels."""
        return self._native.width

    @property
    def features(self) -> torch.Tensor:
        """The encoder's dense output, float32 [h, w, C] on the model's device, not normalised: one embedding
        a position. It shares the memory that `segment` uses. An image that was encoded in several windows
        has [windows, h, w, C], a copy."""
        return self._native.features

    def segment(
        self, names: Sequence[str], *, background: float | Sequence[str] | None = None
    ) -> Segmentation:
        """Finds the best of `names` for each pixel.

        names: one text a class; synonyms are separated by ", ".
        background: None; or the cosine, from -1 to 1, that a name must reach; or names that stand for the
            rest. With it the last label is "background".
        Raises InvalidInputError for empty or repeated names.
        """
        names = texts_of(names, "names")
        threshold: float | None = None
        words: list[str] = []
        if isinstance(background, (int, float, np.floating)):
            threshold = float(background)
        elif background is not None:
            words = texts_of(background, "background")
        return Segmentation(self._model._native.segment(self._native, names, threshold, words))

    def __repr__(self) -> str:
        return f"pixelclip.EncodedImage(height={self.height}, width={self.width})"


class Segmentation:
    """Labels of an image and what is known of each class. `EncodedImage.segment` makes it.

    Lists and arrays over classes have the order of `names`.
    """

    def __init__(self, native: _native.Result) -> None:
        self._native = native

    @property
    def names(self) -> list[str]:
        """The names as given, then "background" if that was asked for."""
        return self._native.names

    @property
    def labels(self) -> np.ndarray:
        """int32 [height, width]: positions in `names`. It shares memory with this result;
        torch.from_numpy(result.labels) shares it too."""
        return self._native.labels

    @property
    def logits(self) -> torch.Tensor:
        """Cosines of each class on the grid of features, float32 [names, rows, columns], on the CPU."""
        return self._native.logits

    @property
    def scores(self) -> np.ndarray:
        """Mean cosine of each class over its pixels, float64 [names]; 0 for a class that does not occur."""
        return self._native.scores

    @property
    def areas(self) -> np.ndarray:
        """Pixels of each class, int64 [names]."""
        return self._native.areas

    @property
    def rle(self) -> list[dict[str, Any]]:
        """The mask of each class in COCO's compressed run lengths: {"size": (height, width), "counts": text}."""
        return self._native.rle

    def overlay(self) -> PIL.Image.Image:
        """The image with its labels in color and the names below, as `pixelclip segment` writes it. Needs
        Pillow."""
        from PIL import Image

        return Image.fromarray(self._native.overlay())

    def _repr_png_(self) -> bytes:
        """The overlay, for notebooks."""
        return self._native.overlay_png()

    def __repr__(self) -> str:
        pixels = self.labels.size
        found = sorted(zip(self.areas, self.names), reverse=True)
        shares = ", ".join(f"{name} {100 * area / pixels:.0f} %" for area, name in found if area > 0)
        return f"pixelclip.Segmentation({shares})"
