#!/usr/bin/env python3
"""Makes tests/golden/dinov2.safetensors: a small DINOv2 with random weights, images, and what the public code answers.

usage: tests/dinov2_reference.py CHECKOUT, a checkout of facebookresearch/dinov2 (b8931f7)
"""

import json
import struct
import sys
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
from dinov2.models.vision_transformer import DinoVisionTransformer  # noqa: E402


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        raw = tensor.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.float16: "F16"}[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def model(registers):
    return DinoVisionTransformer(
        img_size=28, patch_size=7, embed_dim=64, depth=1, num_heads=1, init_values=1.0, block_chunks=0,
        num_register_tokens=registers, interpolate_antialias=registers > 0,
        interpolate_offset=0.0 if registers else 0.1).eval()


torch.manual_seed(0)
torch.set_grad_enabled(False)
with_registers = model(4)
weights = {}
for name, tensor in with_registers.state_dict().items():
    scale = 0.3 if name.endswith(("bias", "token", "tokens", "embed")) else 1 / tensor[0].numel() ** 0.5
    made = torch.rand_like(tensor) + 0.5 if tensor.dim() == 1 and "bias" not in name else scale * torch.randn_like(tensor)
    weights[name] = made.half()
tensors = dict(weights)
for registers in (0, 4):
    public = model(registers)
    public.load_state_dict({name: tensor.float() for name, tensor in weights.items()
                            if registers or name != "register_tokens"})
    for height, width in ((28, 28), (21, 49)):
        x = tensors.setdefault(f"in.{height}x{width}", torch.randn(1, 3, height, width))
        tensors[f"out.{registers}.{height}x{width}"] = public.get_intermediate_layers(x)[0]
save(Path(__file__).parent / "golden/dinov2.safetensors", tensors)
