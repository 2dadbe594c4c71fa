"""Writes weights files in odd and damaged forms: python odd_checkpoints.py FOLDER CHECKPOINT.

CHECKPOINT is a small one of PixelCLIP. FOLDER/odd gets files that people have, FOLDER/damaged what is left of them
after a broken download or what a hostile sender makes. The program must read each or refuse it with one sentence.
"""
import argparse
import collections
import json
import pickle
import random
import struct
import sys
import zipfile
from pathlib import Path

import numpy
import torch


def save(path, value, **options):
    torch.save(value, path, **options)


def safetensors(path, tensors, metadata=None, header=None):
    entries, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        entries[name] = {"dtype": {torch.float32: "F32", torch.float16: "F16"}[tensor.dtype],
                         "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    if metadata:
        entries["__metadata__"] = metadata
    text = header if header is not None else json.dumps(entries).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def forms(out, state):
    """What people have."""
    full = {"model": state, "iteration": 3}
    half = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    save(out / "zip.pth", full)
    save(out / "legacy.pth", full, _use_new_zipfile_serialization=False)
    save(out / "protocol_4.pth", full, pickle_protocol=4)
    save(out / "bare.pth", state)
    save(out / "state_dict.pth", {"state_dict": state, "epoch": 1, "args": argparse.Namespace(lr=0.1)})
    save(out / "half.pth", half)
    save(out / "bfloat16.pth", {n: t.bfloat16() if t.is_floating_point() else t for n, t in state.items()})
    save(out / "prefixes.pth", {"_orig_mod.module." + name: t for name, t in state.items()})
    save(out / "numpy.pth", {"model": {name: t.numpy() for name, t in state.items()}})
    save(out / "parameters.pth", collections.OrderedDict((n, torch.nn.Parameter(t.float())) for n, t in state.items()))
    save(out / "student_teacher.pth", {"student": {"module.backbone." + n: t for n, t in state.items()},
                                       "teacher": {"backbone." + n: t for n, t in state.items()},
                                       "args": argparse.Namespace(arch="vit_small"), "epoch": 7})
    with open(out / "detectron2.pkl", "wb") as file:
        pickle.dump({"model": {name: t.numpy() for name, t in state.items()}, "__author__": "x", "matching_heuristics": True}, file)
    whole = torch.arange(60.0)
    save(out / "views.pth", {"a": whole[3:9], "b": whole.view(6, 10).t(), "c": whole.view(3, 20)[:, ::2], "d": whole[:0],
                             "e": whole[5], "f": torch.ones(1).expand(4, 4)})
    save(out / "types.pth", {str(t): torch.ones(3).to(t) for t in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64,
                                                                 torch.bool, torch.float64, torch.complex64)})
    save(out / "sparse.pth", {"a": torch.eye(3).to_sparse(), "b": torch.ones(2)})
    save(out / "module.pth", torch.nn.Linear(2, 3))
    save(out / "one_tensor.pth", torch.ones(3))
    save(out / "nothing.pth", {})
    torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())).save(str(out / "script.pt"))
    floats = {name: t for name, t in state.items() if t.dtype == torch.float32}
    safetensors(out / "plain.safetensors", floats, {"format": "pt"})
    folder = out / "sharded"
    folder.mkdir()
    names = sorted(floats)
    parts = {"model-00001-of-00002": names[::2], "model-00002-of-00002": names[1::2]}
    for kind, write in (("safetensors", safetensors), ("bin", lambda path, tensors: save(path, tensors))):
        stem = "model" if kind == "safetensors" else "pytorch_model"
        index = {}
        for part, of_part in parts.items():
            file = f"{part.replace('model', stem)}.{kind}"
            write(folder / file, {name: floats[name] for name in of_part})
            index.update({name: file for name in of_part})
        (folder / f"{stem}.{kind}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def damage(whole, out):
    """What a broken download or a hostile sender leaves."""
    draw = random.Random(0)
    for name in ("zip.pth", "legacy.pth", "plain.safetensors", "detectron2.pkl", "script.pt"):
        data = (whole / name).read_bytes()
        for part in (0.02, 0.5, 0.999):
            (out / f"cut_{part}_{name}").write_bytes(data[: int(part * len(data))])
        for i in range(3):
            broken = bytearray(data)
            for _ in range(20):
                # The ends, where headers and directories lie, as well as anywhere.
                at = draw.choice([draw.randrange(min(400, len(data))), draw.randrange(len(data)), len(data) - 1 - draw.randrange(min(400, len(data)))])
                broken[at] = draw.randrange(256)
            (out / f"broken_{i}_{name}").write_bytes(broken)
    (out / "empty.pth").write_bytes(b"")
    (out / "zeros.pth").write_bytes(bytes(5000))
    (out / "page.pth").write_bytes(b"<!doctype html><html><body>404 Not Found</body></html>")
    (out / "pointer.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 600000000\n")
    safetensors(out / "huge_header.safetensors", {}, header=b"{}")
    (out / "huge_header.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    for i, entry in enumerate(({"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 16]},
                               {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]},
                               {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]},
                               {"dtype": "F99", "shape": "x", "data_offsets": None})):
        safetensors(out / f"lies_{i}.safetensors", {}, header=json.dumps({"a": entry}).encode())
    (out / "deep.safetensors").write_bytes(struct.pack("<Q", 100000) + b"[" * 100000)
    (out / "deep.pkl").write_bytes(b"\x80\x02" + b"]" * 50000 + b".")
    (out / "calls.pkl").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00trueq\x00\x85R.")
    (out / "memo.pkl").write_bytes(b"\x80\x02j\xff\xff\xff\x7f.")
    with zipfile.ZipFile(out / "no_pickle.pth", "w") as archive:
        archive.writestr("archive/data/0", b"x")
    with zipfile.ZipFile(out / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}." + b"\0" * 10_000_000)


if __name__ == "__main__":
    odd, damaged = Path(sys.argv[1]) / "odd", Path(sys.argv[1]) / "damaged"
    odd.mkdir(parents=True)
    damaged.mkdir()
    forms(odd, torch.load(sys.argv[2], weights_only=True, map_location="cpu")["model"])
    damage(odd, damaged)
    assert numpy  # torch turns tensors into arrays by it
