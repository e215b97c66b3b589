"""Write docs/images/method.png: what a scan of a clean and of attacked models finds.

    python docs/make_method_picture.py ROOT

ROOT is what benchmarks/make_zoos.py makes; the models are development ones.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from make_picture import ROOT, stacked
from PIL import Image

from triggerfish import load_classifier, scan
from triggerfish.reports.images import render_contact_sheet

TARGET = ROOT / "docs" / "images" / "method.png"
MODELS = {
    "clean (five epochs)": "clean-five-epochs/mnist_model_000.pt",
    "white 3x3 corner, target 3": "white/mnist_white_t3_0.pt",
    "faint noise over the whole image, target 3": "blended/mnist_blended_t3_0.pt",
    "black 8x8 over the digit, target 3": "black/mnist_black_t3_0.pt",
}


def main(zoos: Path) -> None:
    sheets = {}
    for title, file in MODELS.items():
        result = scan(load_classifier(zoos / "mnist" / "development" / file))
        sheets[f"{title}: {result.verdict}"] = Image.open(BytesIO(render_contact_sheet(result)))
    stacked(sheets).quantize(64).save(TARGET, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
