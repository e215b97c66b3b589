"""The operators that a program carried by a file may use: pure functions of tensors.

An allow-list, because PyTorch's operators also read and write files (``aten::save``,
``aten::from_file``) and libraries register more. Names are those of ``torch.ops.aten``.
"""

from __future__ import annotations

_LAYERS = """
    _convolution_mode
    conv1d conv2d conv3d conv_transpose2d convolution _convolution linear addmm mm bmm matmul
    baddbmm einsum batch_norm _native_batch_norm_legit_no_training native_batch_norm
    cudnn_batch_norm layer_norm native_layer_norm group_norm native_group_norm instance_norm
    rms_norm dropout dropout_ feature_dropout alpha_dropout embedding prelu rrelu
    scaled_dot_product_attention local_response_norm max_pool1d max_pool2d
    max_pool2d_with_indices avg_pool1d avg_pool2d adaptive_avg_pool1d adaptive_avg_pool2d
    _adaptive_avg_pool2d adaptive_max_pool2d upsample_nearest2d upsample_bilinear2d
    upsample_bicubic2d interpolate pixel_shuffle pixel_unshuffle channel_shuffle grid_sampler
    affine_grid_generator avg_pool3d adaptive_avg_pool3d upsample_nearest1d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact2d native_dropout
    _scaled_dot_product_flash_attention_for_cpu
"""
_ACTIVATIONS = """
    relu relu_ relu6 leaky_relu leaky_relu_ elu elu_ selu celu gelu silu silu_ mish softplus
    softsign hardtanh hardtanh_ hardswish hardswish_ hardsigmoid hardsigmoid_ hardshrink
    softshrink tanh tanh_ sigmoid sigmoid_ log_sigmoid logsigmoid threshold threshold_ glu
    softmax _softmax log_softmax _log_softmax softmin normalize
"""
_ARITHMETIC = """
    add add_ sub sub_ rsub mul mul_ div div_ floor_divide remainder fmod pow sqrt rsqrt
    reciprocal exp expm1 log log1p log2 abs neg sign floor ceil round clamp clamp_ clamp_min
    clamp_max clip clip_ maximum minimum max min amax amin sum mean var std var_mean prod cumsum
    std logical_xor bitwise_not bitwise_and bitwise_or rsub_ exp_ sqrt_ pow_ tan atan trunc
    logaddexp outer mv dot topk sort std_mean argmax argmin norm linalg_vector_norm logsumexp erf
    sin cos square where eq ne lt le gt ge
    logical_and logical_or logical_not masked_fill addcmul addcdiv lerp floordiv detach
"""
_SHAPES = """
    view reshape flatten unflatten squeeze squeeze_ unsqueeze unsqueeze_ permute transpose t
    contiguous clone expand expand_as repeat cat concat stack split split_with_sizes chunk
    unbind narrow select slice index index_select gather pad constant_pad_nd reflection_pad2d
    replication_pad2d roll flip size sym_size numel dim alias to _to_copy type_as float double
    movedim view_as reshape_as zeros_like ones_like full_like zeros ones full arange
    scalar_tensor tensor tile repeat_interleave meshgrid tril triu lift_fresh_copy lift_fresh
    _unsafe_view new_zeros new_ones new_full fill fill_ zero_ copy copy_ slice_scatter
    select_scatter index_put index_put_ scatter scatter_add masked_fill_ linspace eye
    broadcast_to diagonal unfold im2col swapaxes unsafe_split _unsafe_index
"""
# Conditions and assignments, as programs write them that choose by what they see.
_CONDITIONS = """
    all any logical_xor bitwise_and bitwise_or bitwise_not isnan isinf isfinite trunc argsort sort
    topk nonzero index index_put index_put_ scatter scatter_ copy_ fill_ zero_ masked_fill_
    select_scatter slice_scatter __and__ __or__
"""
PURE_OPERATORS = frozenset(
    f"{_LAYERS} {_ACTIVATIONS} {_ARITHMETIC} {_SHAPES} {_CONDITIONS}".split()
)

# A program that ends in one of these has its logits one step before.
_HEADS = "softmax _softmax log_softmax _log_softmax sigmoid Softmax LogSoftmax Sigmoid"
PROBABILITY_HEADS = frozenset(_HEADS.split())
