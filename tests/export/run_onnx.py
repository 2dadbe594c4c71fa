"""Runs an ONNX model: run_onnx.py MODEL IN.safetensors OUT.safetensors. OUT's metadata are the model's."""

import json
import struct
import sys

import numpy as np
import onnxruntime

TYPES = {"F32": np.float32, "U8": np.uint8, "I32": np.int32, "I64": np.int64}
NAMES = {np.dtype(numpy): name for name, numpy in TYPES.items()}


def load(path):
    data = open(path, "rb").read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[start + begin:start + end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def save(path, tensors, metadata):
    header, body = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        bytes_ = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": NAMES[array.dtype], "shape": array.shape,
                        "data_offsets": [len(body), len(body) + len(bytes_)]}
        body += bytes_
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


def main(model, inputs, outputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    save(outputs, dict(zip(names, session.run(names, load(inputs)))),
         session.get_modelmeta().custom_metadata_map)


main(*sys.argv[1:])
