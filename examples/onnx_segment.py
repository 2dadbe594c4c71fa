"""Segments an image with an exported model, without PixelCLIP or PyTorch: numpy, onnxruntime and Pillow.

pixelclip export model_final.pth --onnx words.onnx --names "dog, grass, sky" --input uint8
python examples/onnx_segment.py words.onnx photo.jpg labels.png
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def shortest_edge_size(width, height, short_side, long_side):
    """The size to which the program resizes an image before it is encoded."""
    if short_side == 0:
        return width, height
    scale = min(short_side / min(width, height), long_side / max(width, height))
    return int(scale * width + 0.5), int(scale * height + 0.5)


def main(model, image_path, labels_path):
    session = onnxruntime.InferenceSession(model, providers=onnxruntime.get_available_providers())
    metadata = session.get_modelmeta().custom_metadata_map
    names = json.loads(metadata["names"])

    image = Image.open(image_path).convert("RGB")
    size = shortest_edge_size(*image.size, int(metadata["short_side"]), int(metadata["long_side"]))
    pixels = np.asarray(image.resize(size, Image.BILINEAR))
    scores, = session.run(["scores"], {"image": pixels.transpose(2, 0, 1)[None]})  # [1, names, 64, 64]
    upsampled = [Image.fromarray(score).resize(image.size, Image.BILINEAR) for score in scores[0]]
    labels = np.argmax(upsampled, axis=0).astype(np.uint8)  # position in names of each pixel's class

    Image.fromarray(labels).save(labels_path)
    counts = np.bincount(labels.ravel(), minlength=len(names))
    for index in counts.argsort()[::-1]:
        if counts[index]:
            print(f"{names[index]}: {100 * counts[index] / counts.sum():.1f} %")


main(*sys.argv[1:])
