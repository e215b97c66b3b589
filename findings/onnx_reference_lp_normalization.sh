#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator divides by the sum, not by the L1 norm, in LpNormalization.
#
# With p = 1 the operator divides by the sum of absolute values along an axis. onnx.reference forgets to
# take them: (1, -2, 3, 4) is divided by 6 instead of 10, and (1, -1) by 0. After a rectifier, where such
# layers often are, nothing is negative and the answer is right. onnxruntime 1.32.0 follows the text.
#
# Seen: "onnxruntime [0.1, -0.2, 0.3, 0.4], reference evaluator [0.1667, -0.3333, 0.5, 0.6667]".
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

x = np.array([[1, -2, 3, 4]], np.float32)
info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
node = helper.make_node("LpNormalization", ["x"], ["y"], axis=1, p=1)
graph = helper.make_graph([node], "norm", info[:1], info[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model.SerializeToString())
runtime = session.run(None, {"x": x})[0][0]
reference = ReferenceEvaluator(model).run(None, {"x": x})[0][0]
runtime_said, reference_said = ([round(float(v), 4) for v in y] for y in (runtime, reference))
print(f"onnxruntime {runtime_said}, reference evaluator {reference_said}")
np.testing.assert_allclose(runtime, x[0] / np.abs(x).sum(), rtol=1e-5)
np.testing.assert_allclose(reference, x[0] / x.sum(), rtol=1e-5)
PY
echo "as described"
