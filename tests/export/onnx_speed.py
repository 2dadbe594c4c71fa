"""Times an exported image or segmenter model on the CPU: onnx_speed.py MODEL [ROUNDS]. Free sizes become 1 and 320."""

import sys
import time

import numpy as np
import onnxruntime


def main(model, rounds=5):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 1 if size == "batch" else 320 for size in image.shape]
    kind = np.uint8 if "uint8" in image.type else np.float32
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(kind)
    seconds = []
    for _ in range(int(rounds) + 1):  # the first prepares
        start = time.perf_counter()
        session.run(None, {"image": pixels})
        seconds.append(time.perf_counter() - start)
    print(f"{shape}: {shape[0] / min(seconds[1:]):.2f} images/s, best of {rounds}")


main(*sys.argv[1:])
