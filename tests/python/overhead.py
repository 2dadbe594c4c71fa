"""Processor seconds of encode and segment with the Python package, one line a round:
overhead.py WEIGHTS IMAGE ROUNDS. tests/overhead.sh compares them with the C++ library."""

import sys
import time

import numpy as np
import pixelclip
from PIL import Image

model = pixelclip.Model(sys.argv[1], device="cpu")
image = np.asarray(Image.open(sys.argv[2]).convert("RGB"))
for _ in range(int(sys.argv[3]) + 1):
    start = time.process_time()
    model.encode(image).segment(["dog, puppy", "grass", "sky"])
    print(time.process_time() - start)
