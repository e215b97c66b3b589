#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator's cubic Resize to one row starts half a pixel outside.
#
# The operator's text says of coordinate_transformation_mode "pytorch_half_pixel" that an axis that is
# resized to length 1 takes the coordinate 0: the first row itself. onnx.reference takes -0.5. Linear
# and nearest modes clamp that to 0, so they hide it; cubic interpolation weighs the rows around -0.5.
# onnxruntime 1.32.0 follows the text.
#
# Seen, for rows 0, 4, 8 and 12: "cubic: onnxruntime: 0, reference evaluator: -0.375".
# It matters to whoever takes expected values from the evaluator, and to whoever writes a reader by it.
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

x = np.array([0, 4, 8, 12], np.float32).reshape(1, 1, 4, 1)
MODE = {"coordinate_transformation_mode": "pytorch_half_pixel"}


def resized(mode: str) -> tuple[float, float]:
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode=mode, **MODE)
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 1, 1, 1])
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 1])
    graph = helper.make_graph([node], "resize", [given], [answer], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    runtime = session.run(None, {"x": x})[0].item()
    return runtime, ReferenceEvaluator(model).run(None, {"x": x})[0].item()


for mode in ("linear", "cubic"):
    runtime, reference = resized(mode)
    print(f"{mode}: onnxruntime: {runtime:.4g}, reference evaluator: {reference:.4g}")
    assert abs(runtime) < 1e-6, runtime
    assert abs(reference - (-0.375 if mode == "cubic" else 0.0)) < 1e-5, reference
PY
echo "as described"
