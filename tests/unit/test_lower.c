/* test_lower.c - every pass keeps the meaning of every module.
 *
 * In: a table of modules, of which each shows lowering something that it must get right, and every row of the target table.
 * For each pair the pipeline runs; after every pass that changed the program its text
 *
 *     canonical   phases   collapse   schedule   regions   plan
 *
 * is read back, must print as it was and pass the verifier, and is interpreted on small integers, on which every dtype is
 * exact: the results must be those of the graph's own interpreter, bit for bit. */
#include "lower_fixture.h"

#define X "x = "
#define W " parameter(0) w = "
#define Y " parameter(1) ROOT y = "
/* One convolution: shapes of lhs, rhs and (with a blank behind it, or nothing) the result, and the attributes. */
#define CONV(lhs, rhs, result, attributes) X lhs W rhs Y result "convolution(x, w), " attributes
#define CONV1(lhs, rhs, window) CONV(lhs, rhs, "", "window={" window "}, dim_labels=b0f_0io->b0f")
#define CONV2(lhs, rhs, window) CONV(lhs, rhs, "", "window={" window "}, dim_labels=b01f_01io->b01f")
#define GRADIENT(kind, first, second, result, attributes)                                                                      \
  X first W second Y result " custom-call(x, w), custom_call_target=\"atrous.local_convolution_" kind "_gradient\","           \
                            " " attributes
#define LOCAL(lhs, rhs, attributes)                                                                                            \
  X lhs W rhs Y "custom-call(x, w), custom_call_target=\"atrous.local_convolution\", " attributes

typedef struct row {
  const char *name, *instructions;
} row;

static const row rows[] = {
    /* one convolution: the window */
    {"dense", CONV1("f32[2,9,3]", "f32[3,3,4]", "size=3")},
    {"large window", CONV1("f32[1,50,2]", "f32[9,2,3]", "size=9 pad=4_4")},
    {"large window in two dims", CONV2("f32[1,41,47,1]", "f32[9,11,1,2]", "size=9x11 pad=4_3x5_5 stride=1x2")},
    {"stride", CONV1("f32[2,9,3]", "f32[3,3,4]", "size=3 stride=2")},
    {"stride beyond the window", CONV1("f32[1,11,3]", "f32[2,3,9]", "size=2 stride=4 pad=1_0")},
    {"rhs dilation", CONV1("f32[1,17,2]", "f32[3,2,8]", "size=3 pad=4_4 rhs_dilate=4")},
    {"transposed", CONV1("f32[1,6,3]", "f32[4,3,8]", "size=4 pad=2_2 lhs_dilate=2")},
    {"both dilations and a stride", CONV1("f32[1,7,3]", "f32[3,3,4]", "size=3 stride=2 pad=2_1 lhs_dilate=3 rhs_dilate=2")},
    {"dilations with a common factor", CONV1("f32[1,5,2]", "f32[3,2,4]", "size=3 pad=3_4 lhs_dilate=6 rhs_dilate=4")},
    {"residues without taps", CONV1("f32[1,4,2]", "f32[2,2,4]", "size=2 pad=1_3 lhs_dilate=5")},
    {"stride and lhs dilation equal", CONV1("f32[1,6,2]", "f32[3,2,4]", "size=3 stride=3 pad=1_1 lhs_dilate=3")},
    {"transposed in two dims", CONV2("f32[1,4,5,2]", "f32[4,3,2,8]", "size=4x3 pad=2_2x1_0 lhs_dilate=2x3")},
    {"65 residues", CONV1("f32[1,3,2]", "f32[3,2,3]", "size=3 pad=2_5 lhs_dilate=65")},
    {"80 residues of three dims", CONV("f32[1,2,2,2,1]", "f32[2,2,2,1,3]", "",
                                       "window={size=2x2x2 pad=1_1x0_1x1_0 lhs_dilate=5x4x4}, dim_labels=b012f_012io->b012f")},
    {"rule 3: dilate, crop, slide",
     CONV("f32[1,1,4]", "f32[1,1,2]", "", "window={size=2 pad=-1_0 lhs_dilate=2}, dim_labels=bf0_oi0->bf0")},
    {"asymmetric padding", CONV2("f32[1,6,7,2]", "f32[3,4,2,8]", "size=3x4 pad=2_0x0_3")},
    {"negative padding", CONV2("f32[1,8,9,2]", "f32[3,3,2,5]", "size=3x3 pad=-1_-2x1_-3")},
    {"window larger than lhs", CONV2("f32[1,2,2,3]", "f32[5,5,3,8]", "size=5x5 pad=4_4x4_4")},
    {"outputs without taps", CONV1("f32[1,4,3]", "f32[1,3,8]", "size=1 pad=3_3")},
    {"reversal", CONV1("f32[1,8,2]", "f32[3,2,4]", "size=3 pad=1_1 rhs_reversal=1")},
    {"reversal of a dilated window",
     CONV2("f32[1,7,9,2]", "f32[3,3,2,4]", "size=3x3 pad=2_2x2_2 rhs_dilate=2x2 rhs_reversal=0x1")},
    {"reversal and phases", CONV1("f32[1,6,2]", "f32[5,2,4]", "size=5 pad=4_4 lhs_dilate=3 rhs_reversal=1")},
    {"14 of 28 columns", CONV2("f32[1,5,28,3]", "f32[3,3,3,16]", "size=3x3 pad=1_1x1_1")},
    {"prime extents", CONV2("f32[1,7,13,5]", "f32[3,3,5,17]", "size=3x3 pad=1_1x1_1")},
    {"edge modes", CONV("f32[1,5,9,2]", "f32[3,3,2,8]", "",
                        "window={size=3x3 pad=2_2x1_1}, dim_labels=b01f_01io->b01f, edge_mode=reflectxcircular")},
    {"edge modes with a stride", CONV("f32[1,6,10,2]", "f32[3,5,2,3]", "",
                                      "window={size=3x5 stride=2x2 pad=3_1x4_-2}, dim_labels=b01f_01io->b01f, "
                                      "edge_mode=replicatexreflect")},
    {"edge modes of a dilated input",
     CONV("f32[1,4,5,2]", "f32[4,3,2,8]", "",
          "window={size=4x3 stride=1x2 pad=5_6x4_-1 lhs_dilate=2x3 rhs_dilate=1x2}, dim_labels=b01f_01io->b01f, "
          "edge_mode=circularxreflect")},
    {"edge mode and batch groups",
     CONV("f32[6,4,3]", "f32[3,3,6]", "",
          "window={size=3 pad=3_7 lhs_dilate=2 rhs_reversal=1}, dim_labels=b0f_0io->b0f, batch_group_count=3, "
          "edge_mode=replicate")},
    {"edge mode under 65 residues",
     CONV("f32[1,3,2]", "f32[3,2,3]", "",
          "window={size=3 pad=70_99 lhs_dilate=65 rhs_dilate=65}, dim_labels=b0f_0io->b0f, edge_mode=reflect")},
    {"edge mode over several laps",
     CONV("f32[1,3,2]", "f32[9,2,4]", "", "window={size=9 pad=7_8}, dim_labels=b0f_0io->b0f, edge_mode=circular")},
    {"edge mode of one element",
     CONV("f32[1,1,2]", "f32[3,2,4]", "", "window={size=3 pad=2_2 }, dim_labels=b0f_0io->b0f, edge_mode=replicate")},
    /* ranks, groups, layouts */
    {"rank 0", CONV("f32[3,5]", "f32[5,7]", "", "dim_labels=bf_io->bf")},
    {"rank 3", CONV("f32[1,3,4,5,2]", "f32[2,2,3,2,4]", "",
                    "window={size=2x2x3 stride=1x2x1 pad=1_0x0_1x1_1}, dim_labels=b012f_012io->b012f")},
    {"rank 4", CONV("f32[1,2,2,3,3,2]", "f32[1,2,2,2,2,3]", "",
                    "window={size=1x2x2x2 pad=0_0x1_0x0_0x1_1}, dim_labels=b0123f_0123io->b0123f")},
    {"pointwise", CONV2("f32[2,5,7,9]", "f32[1,1,9,24]", "size=1x1")},
    {"one channel", CONV2("f32[1,12,33,1]", "f32[3,3,1,1]", "size=3x3 pad=1_1x1_1")},
    {"groups of 4", CONV("f32[1,5,6,16]", "f32[3,3,4,16]", "",
                         "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=4")},
    {"groups of 3 and 5",
     CONV("f32[2,6,9]", "f32[2,3,15]", "", "window={size=2}, dim_labels=b0f_0io->b0f, feature_group_count=3")},
    {"depthwise", CONV("f32[1,6,7,18]", "f32[3,3,1,18]", "",
                       "window={size=3x3 stride=1x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=18")},
    {"depthwise with a multiplier",
     CONV("f32[1,9,8]", "f32[3,1,16]", "", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f, feature_group_count=8")},
    {"batch groups",
     CONV("f32[6,9,4]", "f32[3,4,9]", "", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f, batch_group_count=3")},
    {"batch groups of depth", CONV("f32[8,5,2]", "f32[3,2,8]", "",
                                   "window={size=3 pad=2_0 rhs_dilate=2}, dim_labels=b0f_0io->b0f, batch_group_count=8")},
    {"NCHW", CONV("f32[2,3,6,17]", "f32[5,3,3,3]", "", "window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01")},
    {"CHWN", CONV("f32[3,6,5,8]", "f32[3,3,3,4]", "", "window={size=3x3 pad=1_1x1_1}, dim_labels=f01b_i01o->f01b")},
    {"mixed labels", CONV("f32[7,2,3,6]", "f32[4,3,3,2]", "", "window={size=2x3 pad=0_1x1_1}, dim_labels=1bf0_oi10->f0b1")},
    {"layouts", CONV("f32[2,5,6,3]{0,3,1,2}", "f32[3,3,3,4]{3,0,1,2}", "f32[2,5,6,4]{1,2,0,3} ",
                     "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f")},
    {"unshared weights", LOCAL("f32[2,5,3]", "f32[5,9,4]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    {"unshared weights with everything",
     LOCAL("f32[1,5,6,4]", "f32[6,5,12,6]",
           "window={size=2x3 stride=1x1 pad=1_0x2_2 rhs_dilate=1x2 rhs_reversal=1x0}, dim_labels=b01f_10io->b01f, "
           "feature_group_count=2, edge_mode=zeroxreflect")},
    /* gradients of unshared weights */
    {"data gradient",
     GRADIENT("data", "f32[2,5,4]", "f32[5,9,4]", "f32[2,5,3]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    {"data gradient with everything",
     GRADIENT("data", "f32[1,3,5,6]", "f32[5,3,12,6]", "f32[1,6,7,4]",
              "window={size=2x3 stride=2x2 pad=1_0x3_2 lhs_dilate=1x1 rhs_dilate=2x1 rhs_reversal=1x0}, "
              "dim_labels=b01f_10io->b01f, feature_group_count=2")},
    {"data gradient of a dilated input",
     GRADIENT("data", "s32[2,7,3]", "s32[7,3,12]", "s32[2,4,4]",
              "window={size=3 stride=2 pad=2_5 lhs_dilate=3 rhs_dilate=2}, dim_labels=b0f_0oi->b0f")},
    {"data gradient of 65 residues",
     GRADIENT("data", "f32[2,2,3]", "f32[2,3,6]", "f32[2,70,2]", "window={size=3 stride=65}, dim_labels=b0f_0oi->b0f")},
    {"data gradient where nothing was met",
     GRADIENT("data", "f32[1,2,3]", "f32[2,2,3]", "f32[1,9,2]", "window={size=1 stride=7}, dim_labels=b0f_0io->b0f")},
    {"weight gradient",
     GRADIENT("weight", "f32[3,5,3]", "f32[3,5,4]", "f32[5,9,4]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    {"weight gradient with everything",
     GRADIENT("weight", "f32[2,5,6,4]", "f32[2,6,6,6]", "f32[6,6,12,6]",
              "window={size=2x3 pad=1_0x2_2 lhs_dilate=2x1 rhs_dilate=4x2 rhs_reversal=1x0}, dim_labels=b01f_01io->b01f, "
              "feature_group_count=2, edge_mode=zeroxreflect")},
    {"weight gradient under many residues", GRADIENT("weight", "f32[2,4,1]", "f32[2,19,2]", "f32[19,2,4]",
                                                     "window={size=4 pad=3_3 lhs_dilate=5}, dim_labels=b0f_0oi->b0f")},
    {"gradients with padding in front and steps behind",
     "x = f32[2,4,2] parameter(0) c = f32[2,5,3] parameter(1) w = f32[5,4,3] parameter(2) zero = f32[] constant(0) "
     "p = f32[2,6,2] pad(x, zero), padding=0_0x1_1x0_0 q = f32[2,5,3] pad(c, zero), padding=0_0x0_0x0_0 "
     "d = f32[5,4,3] custom-call(p, q), custom_call_target=\"atrous.local_convolution_weight_gradient\", window={size=2}, "
     "dim_labels=b0f_0io->b0f e = f32[2,6,2] custom-call(q, w), "
     "custom_call_target=\"atrous.local_convolution_data_gradient\", window={size=2}, dim_labels=b0f_0io->b0f "
     "s = add(d, w) t = f32[2,6,2] negate(e) ROOT y = (f32[5,4,3], f32[2,6,2]) tuple(s, t)"},
    {"no batch of gradients",
     GRADIENT("weight", "f32[0,5,3]", "f32[0,5,4]", "f32[5,9,4]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    /* nothing to do */
    {"no batch", CONV1("f32[0,9,3]", "f32[3,3,4]", "size=3 pad=1_1")},
    {"no input features", CONV1("f32[2,9,0]", "f32[3,0,4]", "size=3 pad=1_1")},
    {"no output features", CONV1("f32[2,9,3]", "f32[3,3,0]", "size=3")},
    {"no output pixels", CONV1("f32[2,3,3]", "f32[5,3,4]", "size=5")},
    {"no input pixels", CONV1("f32[2,0,3]", "f32[3,3,4]", "size=3 pad=3_3 lhs_dilate=2")},
    /* dtypes */
    {"s8 in pairs",
     CONV("s8[1,8,9,6]", "s8[3,3,6,16]", "s32[1,8,9,16] ", "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f")},
    {"u8 and s8, an odd number of features",
     CONV("u8[1,24,7]", "s8[3,7,16]", "s32[1,24,16] ", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    {"s16", CONV("s16[1,32,8]", "s16[1,8,8]", "s32[1,32,8] ", "window={size=1}, dim_labels=b0f_0io->b0f")},
    {"s8 that wraps", CONV1("s8[1,40,8]", "s8[5,8,8]", "size=5")},
    {"s64 transposed", CONV1("s64[1,6,3]", "s64[4,3,8]", "size=4 pad=2_2 lhs_dilate=2")},
    {"u32", CONV1("u32[1,6,3]", "u32[3,3,8]", "size=3 pad=1_1")},
    {"pred", CONV1("pred[1,6,3]", "pred[3,3,8]", "size=3 pad=1_1")},
    {"f16", CONV1("f16[1,20,3]", "f16[3,3,16]", "size=3 pad=1_1")},
    {"bf16 into f32",
     CONV("bf16[1,20,4]", "bf16[3,4,16]", "f32[1,20,16] ", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f")},
    {"f64", CONV1("f64[1,9,3]", "f64[3,3,8]", "size=3 pad=1_1")},
    {"c64", CONV1("c64[1,9,3]", "c64[3,3,8]", "size=3 pad=1_1")},
    {"c128 transposed", CONV1("c128[1,5,2]", "c128[3,2,4]", "size=3 pad=1_2 lhs_dilate=2")},
    /* around one convolution */
    {"bias, residual, maximum",
     "x = f32[2,6,3] parameter(0) w = f32[3,3,8] parameter(1) b = f32[8] parameter(2) r = f32[2,6,8] parameter(3) zero = f32[] "
     "constant(0) "
     "c = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
     "bb = f32[2,6,8] broadcast(b), dimensions={2} s = add(c, bb) t = add(s, r) z = f32[2,6,8] broadcast(zero), dimensions={} "
     "ROOT y = maximum(t, z)"},
    {"epilogue of a transposed convolution",
     "x = f32[1,4,2] parameter(0) w = f32[2,2,8] parameter(1) b = f32[8] parameter(2) "
     "c = convolution(x, w), window={size=2 pad=1_4 lhs_dilate=4}, dim_labels=b0f_0io->b0f "
     "bb = f32[1,17,8] broadcast(b), dimensions={2} ROOT y = add(c, bb)"},
    {"quantized", "x = u8[1,9,8] parameter(0) w = s8[3,8,16] parameter(1) lo = s32[] constant(-20) hi = s32[] constant(20) "
                  "c = s32[1,9,16] convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
                  "k = clamp(lo, c, hi) ROOT y = s8[1,9,16] convert(k)"},
    {"converts in front",
     "x = s8[1,9,4] parameter(0) w = bf16[3,4,8] parameter(1) xc = f32[1,9,4] convert(x) wc = f32[3,4,8] convert(w) "
     "ROOT y = convolution(xc, wc), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"},
    {"select", "x = f32[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) r = f32[1,9,8] parameter(2) "
               "c = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
               "p = compare(c, r), direction=LT n = negate(c) ROOT y = select(p, r, n)"},
    {"zero padding in front", "x = f32[1,5,6,4] parameter(0) w = f32[3,3,4,8] parameter(1) zero = f32[] constant(0) "
                              "p = f32[1,9,8,4] pad(x, zero), padding=0_0x1_3x-1_3x0_0 "
                              "ROOT y = convolution(p, w), window={size=3x3 pad=1_-1x0_1}, dim_labels=b01f_01io->b01f"},
    {"interior padding in front", "x = f32[1,5,4] parameter(0) w = f32[4,4,8] parameter(1) zero = f32[] constant(0) "
                                  "p = f32[1,15,4] pad(x, zero), padding=0_0x2_0_2x0_0 "
                                  "ROOT y = convolution(p, w), window={size=4 pad=0_2}, dim_labels=b0f_0io->b0f"},
    {"crop in front of padding", "x = f32[1,8,4] parameter(0) w = f32[3,4,8] parameter(1) zero = f32[] constant(0) "
                                 "p = f32[1,5,4] pad(x, zero), padding=0_0x-2_-1x0_0 "
                                 "ROOT y = convolution(p, w), window={size=3 pad=1_2}, dim_labels=b0f_0io->b0f"},
    {"columns and the batch padded", "x = f32[1,5,4] parameter(0) w = f32[3,4,8] parameter(1) zero = f32[] constant(0) "
                                     "p = f32[3,8,4] pad(x, zero), padding=1_1x2_1x0_0 "
                                     "ROOT y = convolution(p, w), window={size=3}, dim_labels=b0f_0io->b0f"},
    {"one spatial dimension may be folded, the next not",
     "x = f32[1,6,6,2] parameter(0) w = f32[3,3,2,8] parameter(1) zero = f32[] constant(0) "
     "p = f32[1,8,5,2] pad(x, zero), padding=0_0x1_1x-1_0x0_0 "
     "ROOT y = convolution(p, w), window={size=3x3 pad=0_0x1_1}, dim_labels=b01f_01io->b01f"},
    {"padding with ones", "x = f32[1,5,4] parameter(0) w = f32[3,4,8] parameter(1) one = f32[] constant(1) "
                          "p = f32[1,7,4] pad(x, one), padding=0_0x1_1x0_0 "
                          "ROOT y = convolution(p, w), window={size=3}, dim_labels=b0f_0io->b0f"},
    {"views in front", "x = f32[4,9,2] parameter(0) w = f32[8,3,5] parameter(1) t = transpose(x), dimensions={2,1,0} "
                       "r = reverse(t), dimensions={1} s = f32[2,4,4] slice(r), slice={[0:2], [1:9:2], [0:4]} "
                       "wt = transpose(w), dimensions={1,2,0} ws = f32[3,4,8] slice(wt), slice={[0:3], [1:5], [0:8]} "
                       "wr = reverse(ws), dimensions={0,2} "
                       "ROOT y = convolution(s, wr), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"},
    {"broadcast and reshape in front",
     "x = f32[9] parameter(0) w = f32[12,8] parameter(1) b = f32[2,9,4] broadcast(x), dimensions={1} "
     "k = f32[3,4,8] reshape(w) "
     "ROOT y = convolution(b, k), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"},
    {"reshape that moves",
     "x = f32[4,10] parameter(0) w = f32[3,4,8] parameter(1) t = transpose(x), dimensions={1,0} "
     "k = f32[1,10,4] reshape(t) u = f32[2,5,4] reshape(k) m = transpose(u), dimensions={1,0,2} n = f32[1,10,4] reshape(m) "
     "ROOT y = convolution(n, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"},
    {"concatenate in front", "x = f32[1,4,4] parameter(0) z = f32[1,5,4] parameter(2) w = f32[3,4,8] parameter(1) "
                             "r = reverse(z), dimensions={1} e = f32[1,0,4] slice(x), slice={[0:1], [2:2], [0:4]} "
                             "c = f32[1,9,4] concatenate(x, e, r), dimensions={1} "
                             "ROOT y = convolution(c, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"},
    {"constant weights",
     "x = f32[1,9,2] parameter(0) w = f32[2,2,3] constant({{{1,2,3},{4,5,6}},{{-1,-2,-3},{7,8,9}}}) "
     "two = f32[] constant(2) t = f32[2,2,3] broadcast(two), dimensions={} m = multiply(w, t) r = reverse(m), dimensions={0} "
     "c = convolution(x, w), window={size=2 pad=1_0}, dim_labels=b0f_0io->b0f "
     "d = convolution(x, r), window={size=2 pad=0_1}, dim_labels=b0f_0io->b0f ROOT y = subtract(c, d)"},
    {"transposed behind",
     "x = f32[2,9,3] parameter(0) w = f32[3,3,4] parameter(1) "
     "c = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f ROOT y = transpose(c), dimensions={2,0,1}"},
    {"copied into another layout",
     "x = f32[2,9,3] parameter(0) w = f32[3,3,4] parameter(1) "
     "c = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f ROOT y = f32[2,7,4]{0,1,2} copy(c)"},
    {"sliced and reshaped behind", "x = f32[2,9,3] parameter(0) w = f32[3,3,4] parameter(1) "
                                   "c = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f "
                                   "s = f32[2,3,4] slice(c), slice={[0:2], [1:7:2], [0:4]} ROOT y = f32[24] reshape(s)"},
    /* several convolutions, several results */
    {"chain", "x = f32[1,6,7,3] parameter(0) w1 = f32[3,3,3,8] parameter(1) w2 = f32[1,1,8,4] parameter(2) w3 = f32[2,2,4,8] "
              "parameter(3) "
              "a = convolution(x, w1), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f e = tanh(a) n = negate(a) "
              "b = convolution(n, w2), window={size=1x1}, dim_labels=b01f_01io->b01f "
              "c = convolution(b, w3), window={size=2x2 pad=1_1x1_1 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f "
              "ROOT y = abs(c)"},
    {"two convolutions in one expression",
     "x = f32[1,9,3] parameter(0) w = f32[3,3,4] parameter(1) v = f32[1,3,4] parameter(2) "
     "a = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
     "b = convolution(x, v), window={size=1}, dim_labels=b0f_0io->b0f ROOT y = multiply(a, b)"},
    {"concatenated convolutions", "x = f32[1,9,3] parameter(0) w = f32[3,3,4] parameter(1) v = f32[1,3,8] parameter(2) "
                                  "a = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
                                  "b = convolution(x, v), window={size=1}, dim_labels=b0f_0io->b0f "
                                  "ROOT y = f32[1,9,12] concatenate(a, b), dimensions={2}"},
    {"results of all kinds",
     "x = f32[1,9,3] parameter(0) w = f32[3,3,4] parameter(1) k = f32[3] constant({1,2,3}) "
     "c = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f n = negate(c) t = transpose(c), "
     "dimensions={1,0,2} "
     "i = f32[2,5]{0,1} iota(), iota_dimension=1 "
     "ROOT y = (f32[1,9,4], f32[1,9,4], f32[9,1,4], f32[1,9,3], f32[3], f32[2,5]{0,1}, f32[1,9,4]) tuple(c, n, t, x, k, i, n)"},
    {"no convolution", "x = f32[3,7,20] parameter(0) b = f32[7] parameter(1) i = f32[3,7,20] iota(), iota_dimension=2 bb = "
                       "f32[3,7,20] broadcast(b), dimensions={1} "
                       "s = add(x, bb) ROOT y = multiply(s, i)"},
    {"sums of columns",
     "x = f32[5,20] parameter(0) o = f32[] constant(0) s = f32[20] reduce(x, o), dimensions={0}, to_apply=add "
     "ROOT y = negate(s)"},
    {"sums of rows of a view", "x = f32[3,5,20] parameter(0) o = f32[] constant(0) t = transpose(x), dimensions={2,0,1} "
                               "r = reverse(t), dimensions={1} ROOT y = f32[20,5] reduce(r, o), dimensions={1}, to_apply=add"},
    {"a sum of everything", "x = f32[3,5] parameter(0) o = f32[] constant(0) "
                            "ROOT y = f32[] reduce(x, o), dimensions={1,0}, to_apply=add"},
    {"a sum over nothing", "x = f32[3,5] parameter(0) o = f32[] constant(0) "
                           "ROOT y = f32[3,5] reduce(x, o), dimensions={}, to_apply=add"},
    {"scalar", "x = f32[] parameter(0) k = f32[] parameter(1) ROOT y = add(x, k)"},
    {"complex parts", "x = c64[5,3] parameter(0) r = real(x) i = imag(x) s = add(r, i) ROOT y = complex(s, r)"},
    {"padding alone", "x = f32[3,5] parameter(0) v = f32[] parameter(1) ROOT y = f32[9,10] pad(x, v), padding=2_0_2x-1_2_1"},
    {"a dead value", "x = f32[1,9,3] parameter(0) w = f32[3,3,4] parameter(1) "
                     "d = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f ROOT y = negate(x)"},
};

/* ---- arguments and results */

/* Integers from -3 to 3, from 0 in unsigned dtypes; a different sequence for every parameter. */
static void fill(const atr_shape *shape, uint32_t seed, void *out) {
  int64_t count = atr_shape_elements(shape);
  char *element = out;
  atr_dtype_class class = atr_dtype_class_of(shape->dtype);
  bool negative = class != ATR_CLASS_PRED && class != ATR_CLASS_UINT;
  for (int64_t i = 0; i < count; i++, element += atr_dtype_size(shape->dtype)) {
    int drawn[2];
    for (int part = 0; part < 2; part++) {
      seed = seed * 1664525 + 1013904223;
      drawn[part] = (int)(seed >> 16) % 7 - (negative ? 3 : 0);
    }
    if (class == ATR_CLASS_PRED) drawn[0] &= 1;
    atr_scalar_store(shape->dtype, element, (atr_scalar){.re = drawn[0], .im = drawn[1], .i = drawn[0]});
  }
}

typedef struct arrays {
  const void **args;
  void **results, **expected;
} arrays;

static size_t bytes_of(const atr_shape *shape) { return (size_t)atr_shape_elements(shape) * atr_dtype_size(shape->dtype); }

static arrays arrays_of(const atr_module *module) {
  arrays a = {.args = ATR_NEW_ARRAY(&arena, const void *, module->parameter_count),
              .results = ATR_NEW_ARRAY(&arena, void *, module->result_count),
              .expected = ATR_NEW_ARRAY(&arena, void *, module->result_count)};
  for (int p = 0; p < module->parameter_count; p++) {
    const atr_shape *shape = &atr_inst_at(module, module->parameters[p])->shape;
    void *memory = atr_arena_alloc(&arena, bytes_of(shape));
    fill(shape, 77u + 1000u * (uint32_t)p, memory);
    a.args[p] = memory;
  }
  for (int r = 0; r < module->result_count; r++) {
    size_t bytes = bytes_of(&atr_inst_at(module, module->results[r])->shape);
    a.results[r] = atr_arena_alloc(&arena, bytes);
    a.expected[r] = atr_arena_alloc(&arena, bytes);
  }
  atr_work interpreting = {.arena = &arena};
  ck_assert_msg(atr_interpret(&interpreting, module, NULL, a.args, a.expected) == ATR_OK, "%s", interpreting.message);
  return a;
}

static void must_compute(const atr_module *module, const arrays *a, const atr_program *program, const char *stage) {
  atr_work running = {.arena = &arena};
  ck_assert_msg(atr_program_verify(&running, program) == ATR_OK, "%s: %s\n%.5000s", stage, running.message,
                program_text(program));
  for (int r = 0; r < module->result_count; r++)
    memset(a->results[r], 0x5a, bytes_of(&atr_inst_at(module, module->results[r])->shape));
  ck_assert_msg(atr_program_interpret(&running, program, a->args, a->results) == ATR_OK, "%s: %s\n%.5000s", stage,
                running.message, program_text(program));
  for (int r = 0; r < module->result_count; r++)
    ck_assert_msg(memcmp(a->results[r], a->expected[r], bytes_of(&atr_inst_at(module, module->results[r])->shape)) == 0,
                  "result %d is wrong after %s\n%.5000s", r, stage, program_text(program));
}

/* ---- stages */

enum { MAX_STAGES = 8 };
typedef struct stages {
  const char *name[MAX_STAGES], *text[MAX_STAGES];
  int count;
} stages;

static void keep_stage(void *user, const char *name, const char *text) {
  stages *s = user;
  ck_assert_int_lt(s->count, MAX_STAGES);
  s->name[s->count] = name;
  s->text[s->count++] = text;
}

/* Texts do not hold the data of constants; buffers keep their names from pass to pass. */
static void give_constants(const atr_program *from, atr_program *to) {
  for (int b = 0; b < to->buffer_count; b++)
    if (to->buffers[b].kind == ATR_BUFFER_CONSTANT) to->buffers[b].data = buffer_named(from, to->buffers[b].name)->data;
}

/* Lowers the module; every stage must print as it was read and compute the same. */
static atr_program *check_stages(const atr_module *module, const arrays *a, const atr_lower_options *options) {
  stages s = {.count = 0};
  atr_lower_options with_dump = *options;
  with_dump.dump = keep_stage;
  with_dump.dump_user = &s;
  atr_program *last = NULL;
  ck_assert_msg(atr_lower(&work, module, &with_dump, &last) == ATR_OK, "%s", work.message);
  ck_assert_int_ge(s.count, 1);
  ck_assert_str_eq(s.name[0], "canonical");
  for (int i = 0; i < s.count; i++) {
    atr_work reading = work_on(s.name[i], s.text[i], strlen(s.text[i]));
    atr_program *program = NULL;
    ck_assert_msg(atr_program_read(&reading, &program) == ATR_OK, "%s: %s\n%.5000s", s.name[i], reading.message, s.text[i]);
    ck_assert_str_eq(program_text(program), s.text[i]);
    give_constants(last, program);
    must_compute(module, a, program, s.name[i]);
  }
  ck_assert_str_eq(program_text(last), s.text[s.count - 1]);
  must_compute(module, a, last, "plan");
  return last;
}

START_TEST(test_module) {
  const row *r = &rows[_i / ROW_COUNT];
  const atr_module *module = module_of(r->instructions);
  arrays a = arrays_of(module);
  atr_target target = target_of_row(_i % ROW_COUNT, _i % ROW_COUNT == ROW_AVX512);
  check_stages(module, &a, &(atr_lower_options){.target = &target});
}
END_TEST

/* Padding left an operation of its own, and parameters that keep their values: other programs, the same results. */
START_TEST(test_options) {
  const atr_module *module = module_of(rows[_i].instructions);
  arrays a = arrays_of(module);
  atr_target target = target_of_row(ROW_AVX2, false);
  check_stages(module, &a, &(atr_lower_options){.target = &target, .keep_padding = true, .constant_parameters = 2});
}
END_TEST

/* Schedules from a caller: a line that names the nest, or one for every nest with a sum. */
static const struct {
  const char *text, *schedule;
} schedule_rows[] = {
    {"reduce ic", "loop oc oy ox; reduce kx ky ic"},
    {"vector oc:8", "loop oc oy ox; reduce ic kx ky; vector oc:8"},
    {"unroll ox:3 oc:2; vector oc:4; pack rhs", "loop oc oy ox; reduce ic kx ky; unroll ox:3 oc:2; vector oc:4; pack rhs"},
    {"parallel oy; loop oc; unroll kx:3; vector ox:8", "parallel oy; loop oc ox; reduce ic ky; unroll kx:3; vector ox:8"},
    {"y: loop oc; unroll ox:5; vector oc:2", "loop oc oy ox; reduce ic kx ky; unroll ox:5; vector oc:2"},
    {"\n\n  \ny: unroll ky:3 kx:3; vector ox:8\n \t\r\n", "loop oc oy ox; reduce ic; unroll ky:3 kx:3; vector ox:8"},
    {" \n\nvector ox:32\n", "loop oc oy; reduce ic kx ky; vector ox:32"},
    {"reduce ic; unroll ic:2; vector oc:8; pack rhs", "loop oc oy ox; reduce kx ky ic; unroll ic:2; vector oc:8; pack rhs"},
    {"loop oc ox oy; reduce kx ic ky", "loop oc ox oy; reduce kx ic ky"},
    {"unroll kx:2 ic:3; vector oc:8; pack rhs", "loop oc oy ox; reduce ic kx ky; unroll kx:2 ic:3; vector oc:8; pack rhs"},
    {"reduce ky ic ic:3; unroll ky:2; vector ox:4", "loop oc oy ox; reduce kx ky ic ic:3; unroll ky:2; vector ox:4"},
    {"part ic:2; vector oc:8; pack rhs", "part ic:2; loop oc oy ox; reduce ic kx ky; vector oc:8; pack rhs"},
    {"part oc:7 ic:1; unroll ox:3; vector oc:4", "part oc:7 ic:1; loop oc oy ox; reduce kx ky; unroll ox:3; vector oc:4"},
    {"part oy:2; lhs oy ox ic; parallel oc; vector oc:8; pack rhs",
     "part oy:2; lhs oy ox ic; parallel oc; loop oy ox; reduce ic kx ky; vector oc:8; pack rhs"},
    {"part ox:4 ky:1 kx:1; lhs ic oy; unroll oy:2; vector ox:4",
     "part ox:4 ky:1 kx:1; lhs ic oy; loop oc oy; reduce ic; unroll oy:2; vector ox:4"},
    {"lhs ic ox oy as f32; unroll kx:3; vector ox:8; pack rhs",
     "lhs ic ox oy as f32; loop oc oy ox; reduce ic ky; unroll kx:3; vector ox:8; pack rhs"},
};

START_TEST(test_schedules) {
  const char *texts[] = {
      CONV2("f32[1,5,13,4]", "f32[3,3,4,20]", "size=3x3 pad=1_1x1_1"),
      CONV2("f32[1,6,30,4]", "f32[3,3,4,16]", "size=3x3 stride=2x1 pad=2_0x1_2"),
      CONV("f32[1,5,13,4]", "f32[3,3,4,20]", "",
           "window={size=3x3 pad=1_1x2_2 rhs_dilate=1x2}, dim_labels=b01f_01io->b01f, edge_mode=circularxreflect")};
  const atr_module *module = module_of(texts[_i % COUNT(texts)]);
  arrays a = arrays_of(module);
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_lower_options options = {.target = &target, .schedule = schedule_rows[_i / COUNT(texts)].text};
  const atr_nest *nest = nest_named(check_stages(module, &a, &options), "y");
  ck_assert_str_eq(nest->why, "schedule given by the caller");
  ck_assert_str_eq(nest->schedule, schedule_rows[_i / COUNT(texts)].schedule);
}
END_TEST

/* Which line of a text is whose. Each must be for a nest, be it one that another line brings about. */
#define SUMS                                                                                                                   \
  X "f32[1,9,4] parameter(0) w = f32[1,4,8] parameter(1) v = f32[3,8,8] parameter(2) "                                         \
    "a = f32[1,9,8] convolution(x, w), window={size=1}, dim_labels=b0f_0io->b0f "                                              \
    "y = f32[1,7,8] convolution(a, v), window={size=3}, dim_labels=b0f_0io->b0f t = f32[1,9,8] tanh(a) "                       \
    "ROOT r = (f32[1,7,8], f32[1,9,8]) tuple(y, t)"

static const struct {
  const char *text, *ends[3]; /* of the schedules of a, y and t; NULL: not looked at */
  const char *message;        /* NULL: legal */
  uint32_t line;
} line_rows[] = {
    {"vector oc:8", {"; vector oc:8", "; vector oc:8", NULL}, NULL, 0},
    {"vector oc:8\na: vector oc:4", {"; vector oc:4", "; vector oc:8", NULL}, NULL, 0},
    {"y: vector oc:4\n\n  \nvector oc:8\n", {"; vector oc:8", "; vector oc:4", NULL}, NULL, 0},
    {"t: vector d1_d2:4", {NULL, NULL, "; vector d1_d2:4"}, NULL, 0},
    {"y.pack: loop oc.1 kx_ic; vector oc.0:4\ny: vector oc:4; pack rhs", {NULL, "pack rhs", NULL}, NULL, 0},
    {"y.zero: vector ox_oc:4\ny.lhs: loop a0 a1\ny: part kx_ic:8; lhs kx_ic ox; vector oc:4", {NULL, "oc:4", NULL}, NULL, 0},
    {"z: nonsense\ny: vector oc:8", {NULL}, "there is no nest \"z\"", 1},
    {"vector oc:8\n\nyy: vector oc:4", {NULL}, "there is no nest \"yy\"", 3},
    {"y.pack: loop ic\ny: vector oc:4", {NULL}, "there is no nest \"y.pack\"", 1},
    {"y: vector oc:8\ny: nonsense", {NULL}, "a second line for nest y", 2},
    {"vector oc:8\nnonsense", {NULL}, "a second line without the name of a nest", 2},
    {"a: vector oc:8\ny: vector oc:8\nnonsense", {NULL}, "no nest with a sum takes this line", 3},
    {"t: nonsense\nz: vector oc:8", {NULL}, "expected part, lhs, parallel", 1}, /* what is read is wrong before what is not */
    {"a: vector oc:8\n\ny: loop ox; nonsense", {NULL}, "schedule:3:13: error: expected part", 3},
    {"a: vector oc:8\ny: part kx_ic:0\nt: loop d1_d2", {NULL}, "schedule:2:9: error: extent of a schedule's piece", 2},
};

START_TEST(test_lines) {
  const atr_module *module = module_of(SUMS);
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_lower_options options = {.target = &target, .schedule = line_rows[_i].text};
  atr_work lowering = {.arena = &arena};
  atr_program *program = NULL;
  atr_status status = atr_lower(&lowering, module, &options, &program);
  ck_assert_msg((status == ATR_OK) == (line_rows[_i].message == NULL), "%s", lowering.message);
  if (status != ATR_OK) ck_assert_msg(strstr(lowering.message, line_rows[_i].message) != NULL, "%s", lowering.message);
  ck_assert_uint_eq(lowering.line, line_rows[_i].line);
  for (int i = 0; i < 3 && status == ATR_OK; i++) {
    const char *end = line_rows[_i].ends[i], *schedule = nest_named(program, (const char *[]){"a", "y", "t"}[i])->schedule;
    if (end != NULL) ck_assert_str_eq(schedule + strlen(schedule) - strlen(end), end);
  }
}
END_TEST

/* Of a module that has a value with the name that a nest beside y would have. */
static const atr_program *program_beside(const char *value, const char *schedule) {
  const atr_module *module = module_of(
      atr_arena_printf(&arena,
                       X "f32[1,9,4] parameter(0) w = f32[1,4,8] parameter(1) "
                         "y = f32[1,9,8] convolution(x, w), window={size=1}, dim_labels=b0f_0io->b0f "
                         "%s = f32[1,9,8] tanh(y) ROOT r = (f32[1,9,8], f32[1,9,8]) tuple(y, %s)",
                       value, value));
  arrays a = arrays_of(module);
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_lower_options options = {.target = &target, .schedule = schedule};
  return check_stages(module, &a, &options);
}

START_TEST(test_names_of_parts) {
  const atr_program *program = program_beside("y.zero", "y: part ic:2; vector oc:8\ny.zero.2: vector d1_d2:4");
  ck_assert_str_eq(nest_named(program, "y.zero.2")->schedule, "loop d1_d2; vector d1_d2:4");
}
END_TEST

/* The line for each is found by the name that it ends up with. */
START_TEST(test_names_of_packing) {
  const atr_program *program = program_beside(
      "y.pack", "y: vector oc:8; pack rhs\ny.pack: vector d1_d2:4\ny.pack.2: loop ic_oc; vector ic_oc:4");
  ck_assert_str_eq(nest_named(program, "y.pack")->schedule, "loop d1_d2; vector d1_d2:4");
  ck_assert_str_eq(nest_named(program, "y.pack.2")->schedule, "loop ic_oc; vector ic_oc:4");
}
END_TEST

/* A panel of elements in reverse order, of parts whose last is not full: what is missing is at the front of the copy. */
START_TEST(test_reversed_panel) {
  static const char *const schedules[] = {"part n:2; lhs n ic oy ox; vector ox:4", "part ox:5; lhs n ox ic; pack rhs",
                                          "part n:4 oy:2; lhs ic oy n:2; unroll n:2", "lhs ic ox n:2; vector n:2"};
  const atr_module *module = module_of(X "f32[5,4,6,13] parameter(0) w = f32[8,4,1,1] parameter(1) "
                                         "r = reverse(x), dimensions={0,2,3} ROOT y = convolution(r, w), window={size=1x1 "
                                         "stride=1x2}, dim_labels=bf01_oi01->f0b1");
  arrays a = arrays_of(module);
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_lower_options options = {.target = &target, .schedule = schedules[_i]};
  ck_assert(strstr(nest_named(check_stages(module, &a, &options), "y")->schedule, "lhs") != NULL);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("lower");
  TCase *tc = tcase_create("lower");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_module, 0, ROW_COUNT * COUNT(rows));
  tcase_add_loop_test(tc, test_options, 0, COUNT(rows));
  tcase_add_loop_test(tc, test_schedules, 0, 3 * COUNT(schedule_rows));
  tcase_add_loop_test(tc, test_lines, 0, COUNT(line_rows));
  tcase_add_test(tc, test_names_of_parts);
  tcase_add_test(tc, test_names_of_packing);
  tcase_add_loop_test(tc, test_reversed_panel, 0, 4);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }
