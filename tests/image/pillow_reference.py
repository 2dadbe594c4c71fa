"""Computes with Pillow what pillow_test.cpp compares with: pillow_reference.py FOLDER.

FOLDER/cases.json lists {"op", "value", "in", "height", "width", "out"}; images are raw RGB bytes.
Exits with 77 where Pillow or NumPy is absent.
"""
import json
import os
import sys

try:
    import numpy as np
    import PIL
    from PIL import Image, ImageEnhance, ImageFilter, ImageOps
except ImportError as error:
    print(error)
    sys.exit(77)


def adjust_hue(image, turn):
    """torchvision's, when it is there; else its rule."""
    try:
        from torchvision.transforms import functional
        return functional.adjust_hue(image, turn)
    except ImportError:
        pass
    hue, saturation, value = image.convert("HSV").split()
    shifted = np.asarray(hue) + np.array(int(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(shifted), saturation, value)).convert("RGB")


def save_and_read(image, value, path):
    """Writes a JPEG of a kind, and gives what Pillow reads from it."""
    mode, subsampling, progressive, orientation = value
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.convert(mode).save(path, quality=85, subsampling=subsampling,
                             progressive=bool(progressive), exif=exif)
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def compute(case, image, folder):
    op, value = case["op"], case["value"]
    if op == "resize":
        # Recent versions begin with either axis, whichever is cheaper; all older ones with
        # this one.
        across = image.resize((value[1], image.height), Image.BILINEAR)
        return across.resize((value[1], value[0]), Image.BILINEAR)
    if op == "brightness":
        return ImageEnhance.Brightness(image).enhance(value)
    if op == "contrast":
        return ImageEnhance.Contrast(image).enhance(value)
    if op == "saturation":
        return ImageEnhance.Color(image).enhance(value)
    if op == "hue":
        return adjust_hue(image, value)
    if op == "grey":
        return image.convert("L").convert("RGB")
    if op == "blur":
        return image.filter(ImageFilter.GaussianBlur(value))
    if op == "jpeg":
        return save_and_read(image, value, os.path.join(folder, case["out"] + ".jpg"))
    raise ValueError(op)


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "cases.json")) as file:
        cases = json.load(file)
    for case in cases:
        pixels = np.fromfile(os.path.join(folder, case["in"]), np.uint8)
        image = Image.fromarray(pixels.reshape(case["height"], case["width"], 3))
        np.asarray(compute(case, image, folder)).tofile(os.path.join(folder, case["out"]))
    print(PIL.__version__)


if __name__ == "__main__":
    main()
