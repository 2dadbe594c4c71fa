"""Loads LibTorch and checks that it is the one that the C++ part was built with."""

from pixelclip._build import TORCH_VERSION

try:
    import torch
except ImportError as error:
    raise ImportError(
        f"pixelclip needs torch {TORCH_VERSION}, which cannot be imported ({error}): "
        f"pip install torch=={TORCH_VERSION}"
    ) from error

_found = torch.__version__.split("+")[0]
if _found != TORCH_VERSION:
    raise ImportError(
        f"pixelclip was built with torch {TORCH_VERSION}, but torch {torch.__version__} is installed: "
        f"pip install torch=={TORCH_VERSION}, or build pixelclip with the installed torch (docs/python.md)"
    )
try:
    from pixelclip import _native  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the C++ part of pixelclip cannot be loaded ({error}); it needs torch {TORCH_VERSION} as PyPI has it "
        "for this Python, with the same CUDA libraries as when pixelclip was built"
    ) from error
