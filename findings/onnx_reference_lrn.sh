#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator computes LRN for as many channels as the batch has images.
#
# The specification of LRN (opset 13) sums the squares of neighbouring channels for every channel.
# onnx.reference loops over the first axis (the batch) where it should loop over the second. With 2
# images of 6 channels, channels 0 and 1 are normalised, channels 2 to 5 get the square sum 0, so
# they are only divided by bias ** beta. With at least as many images as channels the answer is
# right, so a test on a large batch does not see it. onnxruntime 1.32.0 follows the specification.
#
# Seen: "channels that differ from the specification: [2, 3, 4, 5]".
# It matters to whoever takes expected values from the evaluator: it is no oracle for LRN.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "onnx==1.23.2" "onnxruntime==1.32.0" "numpy==2.4.6"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

N, C, SIZE, ALPHA, BETA, BIAS = 2, 6, 3, 1.0, 0.5, 1.0
x = np.random.default_rng(0).uniform(0.5, 3.0, (N, C, 1, 1)).astype(np.float32)
info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
node = helper.make_node("LRN", ["x"], ["y"], size=SIZE, alpha=ALPHA, beta=BETA, bias=BIAS)
graph = helper.make_graph([node], "lrn", info[:1], info[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model, full_check=True)

expected = np.empty_like(x)
for c in range(C):
    low, high = max(0, c - (SIZE - 1) // 2), min(C - 1, c + SIZE // 2)
    squares = (x[:, low : high + 1] ** 2).sum(axis=1)
    expected[:, c] = x[:, c] / (BIAS + ALPHA / SIZE * squares) ** BETA

def wrong(found: np.ndarray) -> list[int]:
    return [c for c in range(C) if not np.allclose(found[:, c], expected[:, c], rtol=1e-4)]

session = onnxruntime.InferenceSession(model.SerializeToString())
runtime = wrong(session.run(None, {"x": x})[0])
reference = wrong(ReferenceEvaluator(model).run(None, {"x": x})[0])
print("onnxruntime: channels that differ from the specification:", runtime)
print("reference evaluator: channels that differ from the specification:", reference)
assert runtime == [], runtime
assert reference == list(range(N, C)), reference
PY
echo "as described"
