"""The ONNX operators that we know, and all that we understand of each.

From the specification at https://onnx.ai/onnx/operators/, opsets 6 to 28, as far as image
classifiers go. Axes, shapes and bounds come as attributes in old opsets and as tensors in new ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from triggerfish.loading.programs import onnx_arithmetic as arithmetic
from triggerfish.loading.programs import onnx_shapes as shapes
from triggerfish.loading.programs import onnx_windows as windows
from triggerfish.loading.programs.onnx_operator import MANY, Operator, operator, plain

# Opset 5 and before reuse buffers; what comes after 28 is not known.
OPSETS = range(6, 29)

_TRAINED = {"training_mode": 0, "is_test": 1}
_WINDOW = "auto_pad dilations kernel_shape pads strides"

_WINDOWS = {
    "Conv": operator(windows.conv, f"{_WINDOW} group", inputs=(2, 3)),
    "ConvTranspose": operator(
        windows.conv_transpose, f"{_WINDOW} group output_padding output_shape", inputs=(2, 3)
    ),
    # The storage order is that of the second output, which must not be used.
    "MaxPool": operator(windows.max_pool, f"{_WINDOW} ceil_mode storage_order", outputs=2),
    "AveragePool": operator(windows.average_pool, f"{_WINDOW} ceil_mode count_include_pad"),
    "GlobalAveragePool": plain(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalMaxPool": plain(lambda x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True)),
}
_PRODUCTS_AND_NORMS = {
    "Gemm": operator(arithmetic.gemm, "alpha beta broadcast transA transB", inputs=(2, 3)),
    "MatMul": plain(torch.matmul, 2),
    "BatchNormalization": operator(
        arithmetic.batch_norm, "epsilon momentum", inputs=(5, 5), **_TRAINED, spatial=1
    ),
    "InstanceNormalization": operator(arithmetic.instance_norm, "epsilon", inputs=(3, 3)),
    "LayerNormalization": operator(
        arithmetic.layer_norm, "axis epsilon stash_type", inputs=(2, 3), outputs=3
    ),
    "LRN": operator(arithmetic.local_response_norm, "alpha beta bias size"),
    "ReduceMean": arithmetic.reduce(torch.mean),
    "ReduceSum": arithmetic.reduce(torch.sum),
    "ReduceMax": arithmetic.reduce(torch.amax),
    "ReduceMin": arithmetic.reduce(torch.amin),
    "ReduceL2": arithmetic.reduce(torch.linalg.vector_norm),
}
_ACTIVATIONS = {
    "Relu": plain(F.relu),
    "LeakyRelu": operator(lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)), "alpha"),
    "PRelu": operator(arithmetic.parametric_relu, inputs=(2, 2)),
    "Elu": operator(lambda a, x: F.elu(x, a.get("alpha", 1.0)), "alpha"),
    "Selu": operator(arithmetic.selu, "alpha gamma"),
    "Gelu": operator(
        lambda a, x: F.gelu(x, approximate=a.get("approximate", b"none").decode()), "approximate"
    ),
    "Sigmoid": plain(torch.sigmoid),
    "HardSigmoid": operator(
        lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1), "alpha beta"
    ),
    "HardSwish": plain(F.hardswish),
    "Tanh": plain(torch.tanh),
    "Softplus": plain(F.softplus),
    "Softsign": plain(F.softsign),
    "Mish": plain(F.mish),
    "Erf": plain(torch.erf),
    "Softmax": arithmetic.softmax(torch.softmax),
    "LogSoftmax": arithmetic.softmax(torch.log_softmax),
    "Clip": operator(arithmetic.clip, "min max", inputs=(1, 3)),
    "Dropout": operator(arithmetic.dropout, "ratio seed", inputs=(1, 3), outputs=2, is_test=1),
}
_ARITHMETIC = {
    "Add": plain(torch.add, 2),
    "Sub": plain(torch.sub, 2),
    "Mul": plain(torch.mul, 2),
    "Div": plain(arithmetic.divide, 2),
    "Pow": plain(arithmetic.power, 2),
    "Sqrt": plain(torch.sqrt),
    "Exp": plain(torch.exp),
    "Log": plain(torch.log),
    "Neg": plain(torch.neg),
    "Abs": plain(torch.abs),
    "Reciprocal": plain(torch.reciprocal),
    "Floor": plain(torch.floor),
    "Ceil": plain(torch.ceil),
    "Min": arithmetic.many(torch.minimum),
    "Max": arithmetic.many(torch.maximum),
    "Sum": arithmetic.many(torch.add),
    "Equal": plain(torch.eq, 2),
    "Where": plain(torch.where, 3),
    "Cast": operator(arithmetic.cast, "to saturate"),
}
_SHAPES = {
    "Pad": operator(shapes.pad, "mode pads value", inputs=(1, 4)),
    "Concat": operator(lambda a, *x: torch.cat(x, dim=a["axis"]), "axis", inputs=(1, MANY)),
    "Reshape": operator(shapes.reshape, "allowzero", inputs=(2, 2)),
    "Flatten": operator(shapes.flatten, "axis"),
    "Transpose": operator(
        lambda a, x: x.permute(a.get("perm", tuple(range(x.ndim))[::-1])), "perm"
    ),
    "Squeeze": operator(shapes.squeeze, "axes", inputs=(1, 2)),
    "Unsqueeze": operator(shapes.unsqueeze, "axes", inputs=(1, 2)),
    "Slice": operator(shapes.slice_, "axes ends starts", inputs=(1, 5)),
    "Gather": operator(shapes.gather, "axis", inputs=(2, 2)),
    "Split": operator(shapes.split, "axis num_outputs split", inputs=(1, 2), outputs=MANY),
    "Expand": operator(shapes.expand, inputs=(2, 2)),
    "Tile": plain(lambda x, repeats: x.repeat(repeats.tolist()), 2),
    "Shape": operator(shapes.shape_of, "start end"),
    "ConstantOfShape": operator(shapes.constant_of_shape, "value"),
    "DepthToSpace": operator(shapes.depth_to_space, "blocksize mode"),
    "Identity": plain(lambda x: x),
}
OPERATORS: dict[str, Operator] = {
    **_WINDOWS, **_PRODUCTS_AND_NORMS, **_ACTIVATIONS, **_ARITHMETIC, **_SHAPES
}  # fmt: skip
