/* operators.h - convolutions in the words of other systems.
 *
 * A call of MXNet, MegEngine, PyTorch, JAX or ONNX goes in, with that system's argument names, defaults, weight layouts and
 * padding rules; instructions of a builder (atrous.h), or a whole module, come out. What each operator takes is in
 * doc/operators.md, which `atrousc import --list` prints.
 *
 *     atr_torch_conv_options o = {.size = sizeof o, .stride = {2, 2}, .padding = {3, 3}};
 *     atr_value y = atr_torch_conv(builder, x, weight, bias, &o);
 *
 *     const char *pairs[] = {"input=f32[1,3,224,224]", "in_channels=3", "out_channels=64", "kernel_size=7", "padding=same"};
 *     atr_status status = atr_import(context, "torch.Conv2d", pairs, 5, &module, NULL);
 *
 * Conventions. A zeroed options struct (or NULL) holds the system's defaults: a 0 among numbers is the default of that entry,
 * and flags have three values. Lists have one entry per spatial dimension, in the system's order; their number is that of the
 * arrays. What a system infers from attributes may be left out, since here the arrays have shapes; what is given is checked
 * against them. bias 0 is none. Errors are sticky in the builder, as everywhere. */
#ifndef ATROUS_OPERATORS_H
#define ATROUS_OPERATORS_H

#include "atrous/atrous.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True, False, or what the system takes where nothing is said. */
typedef enum atr_flag { ATR_FLAG_DEFAULT = 0, ATR_FLAG_FALSE, ATR_FLAG_TRUE } atr_flag;

/* ---- mxnet ------------------------------------------------------------------------------------- */

typedef enum atr_mxnet_layout {
  ATR_MXNET_LAYOUT_NONE = 0, /* NCW, NCHW or NCDHW */
  ATR_MXNET_NCW, ATR_MXNET_NCHW, ATR_MXNET_NCDHW,
  ATR_MXNET_NWC, ATR_MXNET_NHWC, ATR_MXNET_NDHWC
} atr_mxnet_layout;

/* DEFAULT: what MXNET_CUDNN_AUTOTUNE_DEFAULT says (atr_import). */
typedef enum atr_mxnet_tune { ATR_MXNET_TUNE_DEFAULT = 0, ATR_MXNET_TUNE_OFF, ATR_MXNET_TUNE_LIMITED_WORKSPACE, ATR_MXNET_TUNE_FASTEST } atr_mxnet_tune;

/* Output extents are floor((x + 2 pad - dilate (kernel - 1) - 1) / stride) + 1. weight: (num_filter, C / num_group, kernel...),
 * its dimensions in the order of data's layout. */
typedef struct atr_mxnet_convolution_options {
  size_t size;
  int64_t kernel[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL], dilate[ATR_MAX_SPATIAL], pad[ATR_MAX_SPATIAL];
  int64_t num_filter, num_group;
  int64_t workspace; /* MiB; 0: 1024; or ATR_WORKSPACE_NONE. Like the two cudnn_ fields it changes no value (atr_import_hints). */
  atr_flag no_bias;  /* default False */
  atr_mxnet_tune cudnn_tune;
  atr_flag cudnn_off;
  atr_mxnet_layout layout;
} atr_mxnet_convolution_options;

/* The attributes are those of the convolution that is inverted. Output extents are
 * stride (x - 1) + dilate (kernel - 1) + 1 - 2 pad + adj, or target_shape where any of its entries is not 0: then pad and adj
 * are computed and those given are ignored. weight: (C, num_filter / num_group, kernel...). No NWC layout. */
typedef struct atr_mxnet_deconvolution_options {
  size_t size;
  int64_t kernel[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL], dilate[ATR_MAX_SPATIAL], pad[ATR_MAX_SPATIAL];
  int64_t adj[ATR_MAX_SPATIAL]; /* below stride */
  int64_t target_shape[ATR_MAX_SPATIAL];
  int64_t num_filter, num_group;
  int64_t workspace;
  atr_flag no_bias; /* default True */
  atr_mxnet_tune cudnn_tune;
  atr_flag cudnn_off;
  atr_mxnet_layout layout;
} atr_mxnet_deconvolution_options;

ATR_API atr_value atr_mxnet_convolution(atr_builder *builder, atr_value data, atr_value weight, atr_value bias, const atr_mxnet_convolution_options *options);
ATR_API atr_value atr_mxnet_deconvolution(atr_builder *builder, atr_value data, atr_value weight, atr_value bias, const atr_mxnet_deconvolution_options *options);

/* ---- megengine --------------------------------------------------------------------------------- */

typedef enum atr_megengine_conv_mode { ATR_MEGENGINE_CROSS_CORRELATION = 0 } atr_megengine_conv_mode;
typedef enum atr_megengine_compute_mode { ATR_MEGENGINE_COMPUTE_DEFAULT = 0, ATR_MEGENGINE_COMPUTE_FLOAT32 } atr_megengine_compute_mode;

/* Conv1d, Conv2d, Conv3d. weight: (out, in, kernel...), and with groups > 1 (groups, out / groups, in / groups, kernel...);
 * bias: (1, out, 1...). compute_mode FLOAT32 asks for sums in f32 and is for f16 only. */
typedef struct atr_megengine_conv_options {
  size_t size;
  int64_t in_channels, out_channels;
  int64_t kernel_size[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL], padding[ATR_MAX_SPATIAL], dilation[ATR_MAX_SPATIAL];
  int64_t groups;
  atr_flag bias; /* builders: DEFAULT goes by the value that is given */
  atr_megengine_conv_mode conv_mode;
  atr_megengine_compute_mode compute_mode;
  atr_edge_mode padding_mode; /* zeros, reflect, replicate */
} atr_megengine_conv_options;

/* ConvTranspose2d, ConvTranspose3d. weight: (in, out, kernel...), and with groups > 1 (groups, in / groups, out / groups,
 * kernel...). */
typedef struct atr_megengine_conv_transpose_options {
  size_t size;
  int64_t in_channels, out_channels;
  int64_t kernel_size[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL], padding[ATR_MAX_SPATIAL], dilation[ATR_MAX_SPATIAL];
  int64_t output_padding[ATR_MAX_SPATIAL]; /* below stride */
  int64_t groups;
  atr_flag bias;
  atr_megengine_conv_mode conv_mode;
  atr_megengine_compute_mode compute_mode;
} atr_megengine_conv_transpose_options;

/* LocalConv2d. weight: (groups, OH, OW, in / groups, kh, kw, out / groups), always with groups. No bias. */
typedef struct atr_megengine_local_conv_options {
  size_t size;
  int64_t in_channels, out_channels, input_height, input_width;
  int64_t kernel_size[ATR_MAX_SPATIAL]; /* must be given */
  int64_t stride[ATR_MAX_SPATIAL], padding[ATR_MAX_SPATIAL], dilation[ATR_MAX_SPATIAL];
  int64_t groups;
  atr_megengine_conv_mode conv_mode;
} atr_megengine_local_conv_options;

ATR_API atr_value atr_megengine_conv(atr_builder *builder, atr_value inp, atr_value weight, atr_value bias, const atr_megengine_conv_options *options);
ATR_API atr_value atr_megengine_conv_transpose(atr_builder *builder, atr_value inp, atr_value weight, atr_value bias, const atr_megengine_conv_transpose_options *options);
ATR_API atr_value atr_megengine_local_conv(atr_builder *builder, atr_value inp, atr_value weight, const atr_megengine_local_conv_options *options);

/* ---- torch ------------------------------------------------------------------------------------- */

/* Conv1d, Conv2d, Conv3d and conv1d, conv2d, conv3d, by the rank of weight: (out, in / groups, kernel...). input is (N, C, ...)
 * or (C, ...), bias (out). */
typedef struct atr_torch_conv_options {
  size_t size;
  int64_t in_channels, out_channels;
  int64_t kernel_size[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL];
  atr_padding_kind padding_kind; /* EXPLICIT: `padding`; VALID; SAME, for stride 1 */
  int64_t padding[ATR_MAX_SPATIAL], dilation[ATR_MAX_SPATIAL];
  int64_t groups;
  atr_flag bias;
  atr_edge_mode padding_mode;
  atr_dtype dtype;     /* of weight and bias, which must be input's; NONE: input's */
  atr_flag allow_tf32; /* default True: precision DEFAULT; False: HIGHEST */
  atr_flag deterministic;
} atr_torch_conv_options;

/* ConvTranspose1d, 2d, 3d. weight: (in, out / groups, kernel...). output_padding must be below stride or dilation. output_size,
 * if any entry is not 0, chooses the output_padding (in [0, stride - 1]) that gives it. */
typedef struct atr_torch_conv_transpose_options {
  size_t size;
  int64_t in_channels, out_channels;
  int64_t kernel_size[ATR_MAX_SPATIAL], stride[ATR_MAX_SPATIAL], padding[ATR_MAX_SPATIAL], dilation[ATR_MAX_SPATIAL];
  int64_t output_padding[ATR_MAX_SPATIAL], output_size[ATR_MAX_SPATIAL];
  int64_t groups;
  atr_flag bias;
  atr_edge_mode padding_mode; /* zeros only */
  atr_dtype dtype;
  atr_flag allow_tf32;
  atr_flag deterministic;
} atr_torch_conv_transpose_options;

ATR_API atr_value atr_torch_conv(atr_builder *builder, atr_value input, atr_value weight, atr_value bias, const atr_torch_conv_options *options);
ATR_API atr_value atr_torch_conv_transpose(atr_builder *builder, atr_value input, atr_value weight, atr_value bias, const atr_torch_conv_transpose_options *options);

/* Initial values as torch's modules draw them: uniform in [-r, r) with r = 1 / sqrt(weight.dims[1] * kernel extents), which is
 * groups / (in_channels * kernel extents) under the root for convolutions. Element i of weight (bias: i + 2^63) is
 *
 *     ((2 (mix(seed + (i + 1) * 0x9e3779b97f4a7c15) >> 11) + 1) * 2^-53 - 1) * r, rounded to the dtype
 *
 * where mix is splitmix64's (z ^= z >> 30, *= 0xbf58476d1ce4e5b9, ^= z >> 27, *= 0x94d049bb133111eb, ^= z >> 31), so it depends
 * on nothing but the seed and the element's number in row-major order. The distribution is torch's, the numbers are not. Shapes
 * are of floats and row major; bias_shape and bias may be NULL. ATR_INVALID_ARGUMENT for others. */
ATR_API ATR_CHECK_RESULT atr_status atr_torch_conv_init(uint64_t seed, const atr_shape *weight_shape, void *weight, const atr_shape *bias_shape, void *bias);

/* ---- jax --------------------------------------------------------------------------------------- */

/* None (all NULL), three strings, or the lists of a ConvDimensionNumbers; as in atr_conv_options. */
typedef struct atr_jax_dimension_numbers {
  const char *lhs_spec, *rhs_spec, *out_spec;
  const int64_t *lhs_dims, *rhs_dims, *out_dims;
} atr_jax_dimension_numbers;

/* jax.lax.conv_general_dilated, conv_general_dilated_local and conv_general_dilated_patches. atr_build_conv takes the same in
 * the compiler's own form; here JAX's restrictions hold too: equal dtypes, a preferred_element_type that is not narrower. */
typedef struct atr_jax_conv_options {
  size_t size;
  int64_t window_strides[ATR_MAX_SPATIAL];
  atr_padding_kind padding_kind;
  int64_t padding[ATR_MAX_SPATIAL][2]; /* EXPLICIT only; low, high */
  int64_t filter_shape[ATR_MAX_SPATIAL]; /* local and patches */
  int64_t lhs_dilation[ATR_MAX_SPATIAL], rhs_dilation[ATR_MAX_SPATIAL];
  atr_jax_dimension_numbers dimension_numbers;
  int64_t feature_group_count, batch_group_count; /* conv_general_dilated only */
  atr_precision precision[2];
  atr_dtype preferred_element_type;
} atr_jax_conv_options;

/* jax.lax.conv_transpose. The default dimension numbers are NHWC, HWIO, NHWC and their kin. */
typedef struct atr_jax_conv_transpose_options {
  size_t size;
  int64_t strides[ATR_MAX_SPATIAL];
  atr_padding_kind padding_kind; /* not SAME_LOWER */
  int64_t padding[ATR_MAX_SPATIAL][2];
  int64_t rhs_dilation[ATR_MAX_SPATIAL];
  atr_jax_dimension_numbers dimension_numbers;
  atr_flag transpose_kernel; /* flips the kernel and swaps its features */
  atr_precision precision[2];
  atr_dtype preferred_element_type;
  atr_flag use_consistent_padding; /* pairs are padding of the convolution that is inverted, not of the one that runs */
} atr_jax_conv_transpose_options;

ATR_API atr_value atr_jax_conv_general_dilated(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_jax_conv_options *options);
ATR_API atr_value atr_jax_conv_general_dilated_local(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_jax_conv_options *options);
ATR_API atr_value atr_jax_conv_general_dilated_patches(atr_builder *builder, atr_value lhs, const atr_jax_conv_options *options);
ATR_API atr_value atr_jax_conv_transpose(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_jax_conv_transpose_options *options);

/* ---- onnx -------------------------------------------------------------------------------------- */

/* Conv, ConvInteger, QLinearConv. X: (N, C, ...), W: (M, C / group, kernel...), B: (M). */
typedef struct atr_onnx_conv_options {
  size_t size;
  atr_padding_kind auto_pad; /* NOTSET: pads */
  int64_t dilations[ATR_MAX_SPATIAL];
  int64_t group;
  int64_t kernel_shape[ATR_MAX_SPATIAL];
  int64_t pads[2 * ATR_MAX_SPATIAL]; /* all begins, then all ends */
  int64_t strides[ATR_MAX_SPATIAL];
} atr_onnx_conv_options;

/* ConvTranspose. W: (C, M / group, kernel...). output_shape has spatial extents; if any is not 0, pads are computed. */
typedef struct atr_onnx_conv_transpose_options {
  size_t size;
  atr_padding_kind auto_pad;
  int64_t dilations[ATR_MAX_SPATIAL];
  int64_t group;
  int64_t kernel_shape[ATR_MAX_SPATIAL];
  int64_t output_padding[ATR_MAX_SPATIAL]; /* below stride or dilation */
  int64_t output_shape[ATR_MAX_SPATIAL];
  int64_t pads[2 * ATR_MAX_SPATIAL];
  int64_t strides[ATR_MAX_SPATIAL];
} atr_onnx_conv_transpose_options;

ATR_API atr_value atr_onnx_conv(atr_builder *builder, atr_value x, atr_value w, atr_value b, const atr_onnx_conv_options *options);
ATR_API atr_value atr_onnx_conv_transpose(atr_builder *builder, atr_value x, atr_value w, atr_value b, const atr_onnx_conv_transpose_options *options);
/* s8 and u8 to s32. Zero points are scalars (or one element), w's also one per output channel; 0: none. Padding is real 0. */
ATR_API atr_value atr_onnx_conv_integer(atr_builder *builder, atr_value x, atr_value w, atr_value x_zero_point, atr_value w_zero_point, const atr_onnx_conv_options *options);
/* inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B (or 0). The s32 sum times
 * x_scale w_scale / y_scale in f32 is rounded to nearest even, plus y_zero_point, clamped to y's dtype. */
ATR_API atr_value atr_onnx_qlinear_conv(atr_builder *builder, const atr_value inputs[9], const atr_onnx_conv_options *options);

/* ---- calls as text ----------------------------------------------------------------------------- */

/* What a call says beside the values: attributes that only choose how to compute. Set `size`; the rest is written. workspace and
 * cudnn_tune are also kept in the module, as frontend_attributes of its text, and atr_compile goes by them: off is the cost
 * model alone, limited_workspace measures within the workspace, fastest without a limit. */
typedef struct atr_import_hints {
  size_t size;
  int64_t workspace;         /* bytes of scratch that a plan may take; 0: no limit; ATR_WORKSPACE_NONE: none at all */
  atr_mxnet_tune cudnn_tune; /* DEFAULT: the call says nothing of tuning */
  int32_t cudnn_off;
  int32_t deterministic;
} atr_import_hints;

/* Makes the module of one call. `op` is "mxnet.Convolution", "torch.Conv2d", ...; each of the `count` pairs is "name=value". An
 * array argument's value is its type, "f32[1,3,224,224]" (row major); it becomes a parameter of that name, in the system's
 * order. Types that follow from the rest may be left out. Zero points and scales may also be numbers, which become constants:
 * "x_zero_point=128", "w_scale=[0.5,0.25]", "y_zero_point=s8[]:-3". Attributes are spelled as in Python: 3, (3,3), [3,3],
 * "3,3", ((1,1),(2,2)), True, None, same, 'same', ConvDimensionNumbers(...); one number stands for all dimensions.
 *
 * Where an mxnet call leaves cudnn_tune None, the environment variable MXNET_CUDNN_AUTOTUNE_DEFAULT is read (0 off,
 * 1 limited_workspace, 2 fastest; unset: 1). hints may be NULL. */
ATR_API ATR_CHECK_RESULT atr_status atr_import(atr_context *context, const char *op, const char *const *pairs, int32_t count, atr_module **out, atr_import_hints *hints);

/* All operators with their arrays and attributes, for people; atr_string_free. */
ATR_API ATR_CHECK_RESULT atr_status atr_import_list(atr_context *context, char **out);

#ifdef __cplusplus
}
#endif
#endif
