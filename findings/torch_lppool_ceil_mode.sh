#!/usr/bin/env bash
# PyTorch 2.13.0: LPPool2d with ceil_mode makes windows at the edge larger than the norm of what is in them.
#
# The documentation gives (sum of x ** p) ** (1 / p) over a window. PyTorch takes the mean by an average
# pooling and multiplies it by the size of a whole window. With ceil_mode the last windows hang over the
# edge, and there the average pooling divides by what is inside alone: the norm of two values of a 2x2
# window comes out sqrt(2) times too large. ONNX has an operator of this name; onnxruntime 1.32.0 gives
# the norm of what is inside, and onnx 1.23.2's reference evaluator agrees with PyTorch instead.
#
# Seen, for ones: "PyTorch 2.0, norm 1.4142, onnxruntime 1.4142, reference evaluator 2.0".
# It matters to whoever reads an exported network, and to whoever compares the two.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "torch==2.13.0" "onnx==1.23.2" "onnxruntime==1.32.0" "numpy==2.4.6"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.ones((1, 1, 2, 3), np.float32)  # the second window has one column of the image
framework = torch.nn.LPPool2d(2, 2, stride=2, ceil_mode=True)(torch.from_numpy(x)).numpy()
settings = {"kernel_shape": [2, 2], "strides": [2, 2], "p": 2, "ceil_mode": 1}
node = helper.make_node("LpPool", ["x"], ["y"], **settings)
given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 2])
graph = helper.make_graph([node], "pool", [given], [answer])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model.SerializeToString())
runtime = session.run(None, {"x": x})[0]
reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
norm = float(np.sqrt((x[0, 0, :, 2:] ** 2).sum()))
edge = [round(float(found[0, 0, 0, 1]), 4) for found in (framework, runtime, reference)]
print(f"PyTorch {edge[0]}, norm {norm:.4f}, onnxruntime {edge[1]}, reference evaluator {edge[2]}")
assert edge == [2.0, round(norm, 4), 2.0], edge
np.testing.assert_allclose([f[0, 0, 0, 0] for f in (framework, runtime, reference)], 2.0, rtol=1e-5)
PY
echo "as described"
