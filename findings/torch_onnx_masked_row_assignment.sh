#!/usr/bin/env bash
# torch 2.14.1: in ONNX by the TorchScript-based exporter, `y[mask] = row` takes one row, not many.
#
# PyTorch broadcasts the row to every row that the mask selects. The exporter
# (torch.onnx.export(..., dynamo=False)) writes a ScatterND whose updates are the flattened row, once,
# and does not expand them to the number of rows selected. The file passes onnx.checker with full
# checks, and answers rightly while the mask selects no row or one. Where it selects two, it has
# 6 places for 3 updates, and running it is an error (IndexError in onnx.reference 1.23.2).
#
# Seen: "rows selected that give PyTorch's answer: [0, 1]; that cannot be run: [2, 3, 4, 5]".
# It matters to whoever checks an exported program on a batch in which the mask selects one image.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "torch==2.14.1" "onnx==1.23.2" "onnxscript==0.7.2" "numpy==2.4.6"
cat > "$work/masked.py" <<'PY'
import io
import warnings

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore")


class Masked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("row", torch.tensor([[1.0, 2.0, 3.0]]))

    def forward(self, x):
        y = x * 2
        y[x[:, 0] > 0] = self.row
        return y


network, file = Masked().eval(), io.BytesIO()
torch.onnx.export(
    network, (torch.randn(2, 3),), file, input_names=["x"], output_names=["y"],
    dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=18, dynamo=False,
)
model = onnx.load_from_string(file.getvalue())
onnx.checker.check_model(model, full_check=True)
program = ReferenceEvaluator(model)
right, failing = [], []
for selected in range(6):
    x = torch.ones(5, 3)
    x[selected:, 0] = -1
    try:
        answer = program.run(None, {"x": x.numpy()})[0]
    except IndexError:
        failing.append(selected)
        continue
    if np.allclose(answer, network(x).numpy()):
        right.append(selected)
print(f"rows selected that give PyTorch's answer: {right}; that cannot be run: {failing}")
assert (right, failing) == ([0, 1], [2, 3, 4, 5]), (right, failing)
PY
"$work/venv/bin/python" "$work/masked.py" 2> /dev/null
echo "as described"
