"""Loads a CLIP with its publisher's program: load_published.py PROGRAM PLACE IN.safetensors OUT.safetensors."""

import sys

import torch
from safetensors.torch import load_file, save_file


def transformers(place, images, ids):
    import transformers
    model = transformers.CLIPModel.from_pretrained(place).eval()
    text = model.text_model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return model.visual_projection(model.vision_model(images).pooler_output), model.text_projection(text.pooler_output)


def open_clip(place, images, ids):
    import open_clip
    model = open_clip.create_model(f"local-dir:{place}").eval()
    return model.encode_image(images), model.encode_text(ids)


@torch.no_grad()
def main(program, place, inputs, outputs):
    tensors = load_file(inputs)
    images, text = globals()[program](place, tensors["images"], tensors["ids"])
    save_file({"images": images.contiguous(), "text": text.contiguous()}, outputs)


main(*sys.argv[1:])
