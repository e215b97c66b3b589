"""One name for an operator in every format, and what kinds of operators there are.

The names are those of ``torch.ops.aten`` without the underscore of the versions that work in place.
"""

from __future__ import annotations

_ONNX = """
    Conv=convolution ConvInteger=convolution QLinearConv=convolution ConvTranspose=convolution
    Gemm=linear MatMul=matmul MatMulInteger=matmul QLinearMatMul=matmul QGemm=linear
    FusedMatMul=matmul FusedConv=convolution
    Greater=gt Less=lt GreaterOrEqual=ge LessOrEqual=le Equal=eq And=logical_and Or=logical_or
    Not=logical_not Xor=logical_xor IsNaN=isnan IsInf=isinf
    ReduceMean=mean ReduceSum=sum ReduceMax=amax ReduceMin=amin ReduceProd=prod ReduceL2=norm
    ReduceL1=norm ReduceSumSquare=norm ReduceLogSumExp=logsumexp
    GlobalAveragePool=mean GlobalMaxPool=amax MaxPool=max_pool2d AveragePool=avg_pool2d
    Clip=clamp Mod=remainder Max=maximum Min=minimum Sum=add ArgMax=argmax ArgMin=argmin TopK=topk
    ScatterND=index_put ScatterElements=scatter Scatter=scatter GatherElements=gather
    GatherND=index Gather=index_select Compress=masked_select NonZero=nonzero Concat=cat
    Cast=to CastLike=to Identity=alias Shape=size Size=numel ConstantOfShape=full Expand=expand
    Transpose=permute Slice=slice BatchNormalization=batch_norm LayerNormalization=layer_norm
    InstanceNormalization=instance_norm GroupNormalization=group_norm
    Einsum=einsum CumSum=cumsum OneHot=one_hot Reciprocal=reciprocal LpNormalization=normalize
    QuantizeLinear=quantize DequantizeLinear=dequantize DynamicQuantizeLinear=quantize Resize=resize
    Upsample=resize NonMaxSuppression=nms BitwiseAnd=bitwise_and BitwiseOr=bitwise_or
    BitwiseNot=bitwise_not BitwiseXor=bitwise_xor If=if Loop=loop Scan=loop Mean=mean_of
    LeakyRelu=leaky_relu PRelu=prelu HardSigmoid=hardsigmoid HardSwish=hardswish
    LogSoftmax=log_softmax ReverseSequence=flip DepthToSpace=pixel_shuffle
    SpaceToDepth=pixel_unshuffle
"""
_ONNX_NAMES = dict(pair.split("=") for pair in _ONNX.split())
_ATEN = """
    _softmax=softmax _log_softmax=log_softmax conv2d=convolution conv1d=convolution
    conv3d=convolution _convolution=convolution _convolution_mode=convolution addmm=linear
    conv_transpose2d=convolution clip=clamp clamp_min=maximum clamp_max=minimum
    native_layer_norm=layer_norm native_group_norm=group_norm concat=cat hardtanh=clamp relu6=clamp
    _native_batch_norm_legit_no_training=batch_norm native_batch_norm=batch_norm
    cudnn_batch_norm=batch_norm max_pool2d_with_indices=max_pool2d _adaptive_avg_pool2d=mean
    adaptive_avg_pool2d=mean adaptive_max_pool2d=amax _to_copy=to type_as=to double=to float=to
    bool=to long=to int=to half=to sym_size=size _unsafe_view=view linalg_vector_norm=norm
    greater=gt less=lt greater_equal=ge less_equal=le not_equal=ne rsub=sub concatenate=cat
    _index_put_impl=index_put slice_copy=slice permute_copy=permute upsample_bilinear2d=resize
    upsample_nearest2d=resize upsample_bicubic2d=resize __and__=bitwise_and __or__=bitwise_or
    multiply=mul subtract=sub divide=div true_divide=div absolute=abs fmod=remainder
    masked_scatter=masked_fill quantize_per_tensor=quantize dequantize=dequantize
"""
_ATEN_NAMES = dict(pair.split("=") for pair in _ATEN.split())


def of_onnx(op_type: str) -> str:
    """The name of an ONNX operator."""
    return _ONNX_NAMES.get(op_type, op_type.lower())


def of_aten(name: str) -> str:
    """The name of a PyTorch operator, given without its overload."""
    plain = name if name.startswith("__") else name.rstrip("_") if name != "_" else name
    return _ATEN_NAMES.get(plain, _ATEN_NAMES.get(name, plain))


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNREAD = "loop"
"""A node whose inside is not read: a loop of a length that the file does not say."""
LAYERS = _set("convolution linear matmul bmm mm baddbmm einsum embedding addbmm")
"""Learned layers, where one operand is a constant of enough values."""
COMPARISONS = _set("gt lt ge le eq ne isnan isinf isfinite sign")
LOGIC = _set(
    "logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor"
    " all any"
)
CHOICES = _set(
    "where if masked_fill index_put scatter index index_select gather masked_select take"
    " gathernd index_copy index_fill select_scatter slice_scatter"
)
"""Operators whose result is one of several values, as a condition or an index says."""
PICKS = _set("argmax argmin argsort sort topk nonzero unique bucketize searchsorted one_hot nms")
"""Operators that answer with places."""
STEPS = _set("floor ceil round trunc remainder sign floor_divide")
COMBINING = _set(
    "add sub mul div maximum minimum pow cat stack matmul bmm addcmul lerp linear convolution"
    " addcdiv mean_of floordiv baddbmm einsum"
)
SHAPES = _set("size numel dim shape len is_floating_point")
"""Answers about shapes: they do not depend on the image."""
VIEWS = _set(
    "view reshape flatten unflatten squeeze unsqueeze permute transpose t contiguous clone expand"
    " expand_as repeat select slice narrow alias detach to lift_fresh_copy flip tile movedim"
    " view_as reshape_as split chunk unbind split_with_sizes identity dropout unpack getitem"
    " upsample roll pad constant_pad_nd float half broadcast_to"
)
"""Operators that move values and compute none."""
