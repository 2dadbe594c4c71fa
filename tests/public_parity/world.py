"""Pictures, masks and labels for comparisons with the public code, all made here from seeds."""

import json
import os

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as rle


def picture(seed, height, width):
    """Coloured ellipses over a gradient with noise, RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    rgb = np.stack([120 + 80 * np.sin(3 * x + k) * np.cos(4 * y - k) for k in rng.uniform(0, 6, 3)], -1)
    for _ in range(6):
        inside = ellipse(rng, height, width)
        rgb[inside] = 0.3 * rgb[inside] + 0.7 * rng.uniform(0, 255, 3)
    return np.clip(rgb + rng.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)


def ellipse(rng, height, width):
    y, x = np.mgrid[0:height, 0:width]
    cy, cx = rng.uniform(0.1, 0.9, 2) * (height, width)
    ry, rx = rng.uniform(0.08, 0.35, 2) * min(height, width)
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def annotations(seed, height, width, count=7):
    rng = np.random.default_rng(seed + 1000)
    entries = []
    for number in range(count):
        mask = ellipse(rng, height, width)
        if not mask.any():
            continue
        runs = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        runs["counts"] = runs["counts"].decode()
        entries.append({"id": number, "area": int(mask.sum()), "bbox": [float(v) for v in rle.toBbox(runs)],
                        "segmentation": runs})
    return entries


def training_set(root, sizes, name="sa_000000"):
    """SA-1B's layout as the public code reads it: resized_images/, resized_annotations/, image_list.da."""
    images, masks = f"{root}/resized_images/{name}", f"{root}/resized_annotations/{name}"
    os.makedirs(images, exist_ok=True)
    os.makedirs(masks, exist_ok=True)
    listed = []
    for number, (height, width) in enumerate(sizes):
        stem = f"sa_{number + 1}"
        Image.fromarray(picture(number, height, width)).save(f"{images}/{stem}.jpg", quality=95)
        with open(f"{masks}/{stem}.json", "w") as file:
            json.dump({"image": {"image_id": number, "height": height, "width": width, "file_name": f"{stem}.jpg"},
                       "annotations": annotations(number, height, width)}, file)
        listed.append({"img_name": f"/resized_images/{name}/{stem}.jpg",
                       "ann_name": f"/resized_annotations/{name}/{stem}.json"})
    torch.save(listed, f"{images}/image_list.da")
    return root


TEST_SETS = {  # set: (pictures, labels, class list, classes)
    "coco_2017_test_stuff_all_sem_seg": ("coco/val2017", "coco/annotations_detectron2/val2017", "coco", 171),
    "ade20k_150_test_sem_seg": ("ADEChallengeData2016/images/validation",
                                "ADEChallengeData2016/annotations_detectron2/validation", "ade150", 150),
    "context_59_test_sem_seg": ("VOCdevkit/VOC2010/JPEGImages", "VOCdevkit/VOC2010/annotations_detectron2/pc59_val",
                                "pc59", 59),
    "voc_2012_test_sem_seg": ("VOCdevkit/VOC2012/JPEGImages", "VOCdevkit/VOC2012/annotations_detectron2/val",
                              "voc20", 20),
}


def test_sets(root, count):
    """`count` pictures of each set, with labels that cover a few classes and the ignored one."""
    for which, (images, labels, _, classes) in enumerate(TEST_SETS.values()):
        os.makedirs(f"{root}/{images}", exist_ok=True)
        os.makedirs(f"{root}/{labels}", exist_ok=True)
        for number in range(count):
            rng = np.random.default_rng(100 * which + number)
            height, width = (int(v) for v in rng.integers(60, 140, 2))
            Image.fromarray(picture(50 * which + number, height, width)).save(
                f"{root}/{images}/{number:04d}.jpg", quality=95)
            label = np.full((height, width), 255, np.uint8)
            for _ in range(5):
                label[ellipse(rng, height, width)] = rng.integers(0, classes)
            Image.fromarray(label).save(f"{root}/{labels}/{number:04d}.png")
    return root
