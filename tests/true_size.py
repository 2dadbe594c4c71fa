"""Saves open_clip models with random weights, and what they compute, for TrueSize in tests/clip."""

import json
import sys

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

TEXTS = ["a photo of a cat.", "itap of a traffic light.", "Ümläuts & “quotes” — 123 déjà-vu &amp; 😀",
         "A photo of a chest of drawers in the scene", "x" * 60, ""]


def vit_dense(visual, images):
    """PixelCLIP's dense output: the last block's values alone, with the class token's residual."""
    x = visual.conv1(images)
    h, w = x.shape[2:]
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x.flatten(2).transpose(1, 2)], 1)
    grid = int((len(visual.positional_embedding) - 1) ** 0.5)
    patches = visual.positional_embedding[1:].T.reshape(1, -1, grid, grid)
    patches = F.interpolate(patches, size=(h, w), mode="bicubic", align_corners=False).flatten(2)[0].T
    x = visual.ln_pre(x + torch.cat([visual.positional_embedding[:1], patches]))
    blocks = visual.transformer.resblocks
    for block in blocks[:-1]:
        x = block(x)
    last, width = blocks[-1], x.shape[2]
    values = F.linear(last.ln_1(x), last.attn.in_proj_weight[2 * width:], last.attn.in_proj_bias[2 * width:])
    x = last.attn.out_proj(values) + x[:, :1]
    x = x + last.mlp(last.ln_2(x))
    return (visual.ln_post(x[:, 1:]) @ visual.proj).reshape(len(images), h, w, -1)


def convnext_dense(visual, images):
    x = visual.trunk.head.norm(visual.trunk.forward_features(images))
    return visual.head(x.permute(0, 2, 3, 1))


@torch.no_grad()
def main(folder):
    torch.manual_seed(0)
    expected = {}
    for kind, name, side in (("vit", "ViT-B-16-quickgelu", 224), ("vit_gelu", "ViT-B-16", 224),
                             ("convnext", "convnext_base_w_320", 320)):
        model = open_clip.create_model(name).eval()
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 1:  # biases, scales: fresh models hold the same number everywhere
                parameter.add_(0.1 * torch.randn_like(parameter))
        tokens = open_clip.get_tokenizer(name)(TEXTS)
        pooled, dense = torch.randn(2, 3, side, side), torch.randn(1, 3, 320, 384)
        compute = convnext_dense if kind == "convnext" else vit_dense
        expected |= {f"{kind}.pooled.in": pooled, f"{kind}.pooled.out": model.encode_image(pooled),
                     f"{kind}.dense.in": dense, f"{kind}.dense.out": compute(model.visual, dense).contiguous(),
                     f"{kind}.tokens": tokens, f"{kind}.text": model.encode_text(tokens)}
        if kind == "convnext":
            save_file(model.state_dict(), f"{folder}/convnext.safetensors")
            continue
        # Each with its configuration beside it, as open_clip's repositories hold it.
        torch.save(model.state_dict(), f"{folder}/{kind}.pt")
        with open(f"{folder}/{kind}.json", "w") as file:
            json.dump({"model_cfg": open_clip.get_model_config(name)}, file)
    save_file(expected, f"{folder}/expected.safetensors", {"texts": json.dumps(TEXTS)})


main(sys.argv[1])
