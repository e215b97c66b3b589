"""The ONNX operators that we know, and all that we understand of each.

From the specification at https://onnx.ai/onnx/operators/, opsets 6 to 28, as far as image
classifiers go. Axes, shapes and bounds come as attributes in old opsets and as tensors in new ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from triggerfish.loading.programs import onnx_arithmetic as arithmetic
from triggerfish.loading.programs import onnx_places as places
from triggerfish.loading.programs import onnx_quantized as quantized
from triggerfish.loading.programs import onnx_resize as resize
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
    "GroupNormalization": operator(
        arithmetic.group_norm, "epsilon num_groups stash_type", inputs=(3, 3)
    ),
    "RMSNormalization": operator(arithmetic.rms_norm, "axis epsilon stash_type", inputs=(2, 2)),
    "MeanVarianceNormalization": operator(arithmetic.mean_variance_norm, "axes"),
    "LpNormalization": operator(arithmetic.lp_norm, "axis p"),
    "Einsum": operator(
        lambda a, *x: torch.einsum(a["equation"].decode(), *x), "equation", inputs=(1, MANY)
    ),
    "LRN": operator(arithmetic.local_response_norm, "alpha beta bias size"),
    "ReduceMean": arithmetic.reduce(torch.mean),
    "ReduceSum": arithmetic.reduce(torch.sum),
    "ReduceMax": arithmetic.reduce(torch.amax),
    "ReduceMin": arithmetic.reduce(torch.amin),
    "ReduceProd": arithmetic.reduce(arithmetic.product),
    "ReduceL1": arithmetic.reduce(
        lambda x, dim, keepdim: x.abs().sum(dim, keepdim=keepdim).to(x.dtype)
    ),
    "ReduceL2": arithmetic.reduce(torch.linalg.vector_norm),
    "ReduceSumSquare": arithmetic.reduce(
        lambda x, dim, keepdim: x.square().sum(dim, keepdim=keepdim).to(x.dtype)
    ),
    "ReduceLogSumExp": arithmetic.reduce(torch.logsumexp),
    "QuantizeLinear": operator(
        quantized.quantize,
        "axis block_size output_dtype precision saturate",
        inputs=(2, 3),
    ),
    "DequantizeLinear": operator(
        quantized.dequantize, "axis block_size output_dtype", inputs=(2, 3)
    ),
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
    "Swish": operator(arithmetic.swish, "alpha"),
    "Celu": operator(lambda a, x: F.celu(x, a.get("alpha", 1.0)), "alpha"),
    "ThresholdedRelu": operator(
        lambda a, x: torch.where(x > a.get("alpha", 1.0), x, torch.zeros_like(x)), "alpha"
    ),
    "Shrink": operator(arithmetic.shrink, "bias lambd"),
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
    "Round": plain(torch.round),
    "Sign": plain(torch.sign),
    "Sin": plain(torch.sin),
    "Cos": plain(torch.cos),
    "Mod": operator(arithmetic.modulo, "fmod", inputs=(2, 2)),
    "CumSum": operator(arithmetic.cumulative_sum, "exclusive reverse", inputs=(2, 2)),
    "Min": arithmetic.many(torch.minimum),
    "Max": arithmetic.many(torch.maximum),
    "Sum": arithmetic.many(torch.add),
    "Equal": plain(torch.eq, 2),
    "Less": plain(torch.lt, 2),
    "LessOrEqual": plain(torch.le, 2),
    "Greater": plain(torch.gt, 2),
    "GreaterOrEqual": plain(torch.ge, 2),
    "And": plain(torch.logical_and, 2),
    "Or": plain(torch.logical_or, 2),
    "Xor": plain(torch.logical_xor, 2),
    "Not": plain(torch.logical_not),
    "Mean": operator(lambda _, *x: sum(x[1:], x[0]) / len(x), inputs=(1, MANY)),
    "Where": plain(torch.where, 3),
    "Cast": operator(arithmetic.cast, "to saturate round_mode"),
    "CastLike": operator(arithmetic.cast_like, "saturate round_mode", inputs=(2, 2)),
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
    "Gather": operator(places.gather, "axis", inputs=(2, 2)),
    "GatherElements": operator(places.gather_elements, "axis", inputs=(2, 2)),
    "GatherND": operator(places.gather_nd, "batch_dims", inputs=(2, 2)),
    "ScatterElements": operator(places.scatter_elements, "axis reduction", inputs=(3, 3)),
    "ScatterND": operator(places.scatter_nd, "reduction", inputs=(3, 3)),
    "OneHot": operator(places.one_hot, "axis", inputs=(3, 3)),
    "Range": plain(shapes.arange, 3),
    "Trilu": operator(shapes.triangle, "upper", inputs=(1, 2)),
    "Resize": operator(
        resize.resize,
        "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
        "extrapolation_value keep_aspect_ratio_policy mode nearest_mode",
        inputs=(1, 4),
    ),
    "Split": operator(shapes.split, "axis num_outputs split", inputs=(1, 2), outputs=MANY),
    "Expand": operator(shapes.expand, inputs=(2, 2)),
    "Tile": plain(lambda x, repeats: x.repeat(repeats.tolist()), 2),
    "Size": plain(lambda x: torch.tensor(x.numel())),
    "Shape": operator(shapes.shape_of, "start end"),
    "ConstantOfShape": operator(shapes.constant_of_shape, "value"),
    "DepthToSpace": operator(shapes.depth_to_space, "blocksize mode"),
    "SpaceToDepth": operator(shapes.space_to_depth, "blocksize mode"),
    "Identity": plain(lambda x: x),
}
OPERATORS: dict[str, Operator] = {
    **_WINDOWS, **_PRODUCTS_AND_NORMS, **_ACTIVATIONS, **_ARITHMETIC, **_SHAPES
}  # fmt: skip
