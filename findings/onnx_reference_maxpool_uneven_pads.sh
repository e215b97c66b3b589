#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator's MaxPool answers with another shape where pads are uneven.
#
# Poolings with "same" padding and an even kernel, or a stride of 1, have pads such as [0, 0, 1, 1]: one
# row below, one column to the right. At a stride of 1 onnx.reference adds pads[0] and pads[1] to the
# height and pads[2] and pads[3] to the width, as if they were listed axis by axis. The operator's text
# lists all begins, then all ends. An 8x8 image keeps its size under a 2x2 kernel; the evaluator makes
# it 7x9. With even pads, or a stride of 2, it is right, so most tests do not see it. onnx's own shape
# inference and onnxruntime 1.32.0 follow the text.
#
# Seen: "inferred (1, 1, 8, 8), onnxruntime (1, 1, 8, 8), reference evaluator (1, 1, 7, 9)".
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

x = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)


def shapes(strides: list[int], pads: list[int]) -> list[tuple[int, ...]]:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=strides, pads=pads)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])
    graph = helper.make_graph([node], "pool", [given], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.checker.check_model(model)
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [
        tuple(d.dim_value for d in inferred),
        session.run(None, {"x": x})[0].shape,
        ReferenceEvaluator(model).run(None, {"x": x})[0].shape,
    ]


inferred, runtime, reference = shapes([1, 1], [0, 0, 1, 1])
print(f"inferred {inferred}, onnxruntime {runtime}, reference evaluator {reference}")
assert inferred == runtime == (1, 1, 8, 8), (inferred, runtime)
assert reference == (1, 1, 7, 9), reference
assert len(set(shapes([1, 1], [1, 1, 1, 1]))) == 1
assert len(set(shapes([2, 2], [0, 0, 1, 1]))) == 1
PY
echo "as described"
