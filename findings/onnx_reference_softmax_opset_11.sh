#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator applies today's Softmax to models of opset 1 to 12.
#
# Until opset 12 Softmax flattened the input at `axis` (default 1) and normalised over all values
# behind it: for an input (2, 3, 4) each image's twelve values sum to 1. Since opset 13 it
# normalises along one axis (default -1). The evaluator runs the newer one at any opset: each image
# sums to 3. onnxruntime 1.32.0 follows the specification of the model's opset.
# For (N, classes) both agree, so a classifier's usual head does not show it; a map of attention or
# a head before a squeeze does.
#
# Seen: sums per image 1.0 in onnxruntime, 3.0 in the reference evaluator.
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

x = np.random.default_rng(0).uniform(0.0, 3.0, (2, 3, 4)).astype(np.float32)
info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"])], "g", info[:1], info[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
onnx.checker.check_model(model, full_check=True)

session = onnxruntime.InferenceSession(model.SerializeToString())
runtime = session.run(None, {"x": x})[0].sum(axis=(1, 2))
reference = ReferenceEvaluator(model).run(None, {"x": x})[0].sum(axis=(1, 2))
print("sum per image, onnxruntime:", runtime, " reference evaluator:", reference)
assert np.allclose(runtime, 1.0), runtime
assert np.allclose(reference, 3.0), reference
PY
echo "as described"
