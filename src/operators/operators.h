/* operators.h - what the operators of other systems share.
 *
 * One row per operator (atr_operator) says its arrays, its attributes with their places in an options struct, and two
 * functions: types() finds the types that arrays must have, build() makes the instructions. Everything else is done once, for
 * all:
 *
 *     text      -> literal.c -> attributes.c -> options \
 *     C program -> options                               > call.c: defaults, ranges, types() -> build() -> instructions
 *
 * Numbers in options are 0 where nothing was said; call.c puts the system's default there before types() and build() look.
 * Errors stay in the work, as in ir/build.h: functions that return an id return 0 and do nothing when there is one. */
#ifndef ATR_OPERATORS_OPERATORS_H
#define ATR_OPERATORS_OPERATORS_H

#include <stddef.h>

#include "atrous/operators.h"
#include "ir/build.h"
#include "ir/rules.h"

/* ---- literal.c: values in Python's spelling */

typedef enum atr_literal_kind { ATR_LITERAL_INTEGER, ATR_LITERAL_REAL, ATR_LITERAL_WORD, ATR_LITERAL_LIST } atr_literal_kind;

typedef struct atr_literal {
  atr_literal_kind kind;
  const char *text; /* as written, with brackets and quotes; not NUL-terminated */
  size_t len;
  double real;      /* INTEGER, REAL */
  int64_t integer;  /* INTEGER */
  const char *word; /* WORD: without quotes; LIST: the word in front of the bracket, or NULL */
  size_t word_len;
  const char *key; /* of an item name=value in a list, or NULL */
  size_t key_len;
  struct atr_literal *items; /* LIST */
  int count;
} atr_literal;

/* Reads the whole text: 3, -0.5, same, 'same', (3,3), [3,3], 3,3, ((1,1),(2,2)), f32[2,3], Name(key=(0,1)). `what` is for
 * messages. */
ATR_CHECK_RESULT atr_status atr_literal_read(atr_work *work, const char *what, const char *text, size_t len, atr_literal *out);
/* Is it this word, in this case? Lists and numbers are no words. */
bool atr_literal_is(const atr_literal *literal, const char *word);

/* ---- tables */

typedef enum atr_attribute_kind {
  ATR_ATTRIBUTE_INT,       /* int64_t */
  ATR_ATTRIBUTE_FLAG,      /* atr_flag */
  ATR_ATTRIBUTE_WORD,      /* an enum: the place of the word in `words` */
  ATR_ATTRIBUTE_TUPLE,     /* int64_t[ATR_MAX_SPATIAL]: one per spatial dimension, or one for all */
  ATR_ATTRIBUTE_ENDS,      /* int64_t[2 * ATR_MAX_SPATIAL]: all begins, then all ends */
  ATR_ATTRIBUTE_PAIRS,     /* int64_t[ATR_MAX_SPATIAL][2] */
  ATR_ATTRIBUTE_DTYPE,     /* atr_dtype, None allowed */
  ATR_ATTRIBUTE_PRECISION, /* atr_precision[2]: None, a word, or a pair of words */
  ATR_ATTRIBUTE_DIMENSIONS /* atr_jax_dimension_numbers: None, three strings, or ConvDimensionNumbers(...) */
} atr_attribute_kind;

enum {
  ATR_TRAIT_REQUIRED = 1,  /* the text must give it */
  ATR_TRAIT_ANY_CASE = 2,  /* words in any case */
  ATR_TRAIT_FULL_SIZE = 4, /* a tuple may have the dimensions in front of the spatial ones too, which do not matter */
  ATR_TRAIT_BIAS = 8,      /* a flag that says whether there is a bias */
  ATR_TRAIT_NO_BIAS = 16   /* ... that there is none */
};

typedef struct atr_attribute {
  const char *name;
  atr_attribute_kind kind;
  size_t offset;    /* in the options */
  int64_t low;      /* the least number that is allowed */
  int64_t fallback; /* what 0 in the options means */
  int64_t zero;     /* what a 0 that is said becomes in the options, where it is not the default; a C program puts it there */
  unsigned traits;
  const char *words;  /* "None|off|fastest"; of TUPLE and PAIRS: words that may stand instead of numbers */
  size_t word_offset; /* TUPLE, PAIRS with words: where the word's place in `words` goes. Place 0 there is no word. */
} atr_attribute;

/* A row whose name is the field's; what follows are its other members. */
#define ATR_FIELD(T, field, KIND, ...) {.name = #field, .kind = ATR_ATTRIBUTE_##KIND, .offset = offsetof(T, field), __VA_ARGS__}

typedef enum atr_array_role {
  ATR_ARRAY_REQUIRED,
  ATR_ARRAY_INFERRED, /* its type follows and may be left out */
  ATR_ARRAY_BIAS,     /* the same, and it is there if the bias flag says so or its type is given */
  ATR_ARRAY_OPTIONAL  /* there if given */
} atr_array_role;

enum { ATR_INPUT = 0, ATR_WEIGHT = 1, ATR_BIAS = 2, ATR_ARRAYS_MAX = 9 };

/* Sets of dtypes. */
enum {
  ATR_HOLDS_FLOATS = 1 << ATR_F16 | 1 << ATR_BF16 | 1 << ATR_F32 | 1 << ATR_F64,
  ATR_HOLDS_BYTES = 1 << ATR_S8 | 1 << ATR_U8,
  ATR_HOLDS_INTEGERS = ATR_HOLDS_BYTES | 1 << ATR_S16 | 1 << ATR_S32 | 1 << ATR_S64 | 1 << ATR_U16 | 1 << ATR_U32 |
                       1 << ATR_U64,
  ATR_HOLDS_NUMBERS = ATR_HOLDS_FLOATS | ATR_HOLDS_INTEGERS | 1 << ATR_C64 | 1 << ATR_C128,
  ATR_HOLDS_ANY = ATR_HOLDS_NUMBERS | 1 << ATR_PRED
};

typedef struct atr_array {
  const char *name;
  atr_array_role role;
  unsigned holds;    /* bits 1 << atr_dtype: what it may be of */
  const char *form;  /* what its shape is made of, for messages and lists */
  bool may_be_value; /* a number, which becomes a constant of `value_dtype`, or of array `value_like`'s dtype */
  atr_dtype value_dtype;
  int value_like;
} atr_array;

/* A dense layer as its weights say it: what most operators have in common. */
typedef struct atr_layer {
  int64_t in, out, groups;
  int64_t kernel[ATR_MAX_SPATIAL];
} atr_layer;

typedef struct atr_operator atr_operator;

typedef struct atr_call {
  atr_work *work;
  atr_module *module;
  const atr_operator *op;
  int spatial;
  void *options;                      /* of op's struct; complete in types() and build() */
  bool from_text;                     /* then what is not said has the system's default; else the arrays that are there count */
  atr_shape types[ATR_ARRAYS_MAX];    /* dtype NONE: not there, or not given yet */
  atr_shape expected[ATR_ARRAYS_MAX]; /* by types(); dtype NONE: nothing is expected */
  bool has_bias;
  atr_layer layer;             /* by types(), for build() */
  atr_id args[ATR_ARRAYS_MAX]; /* 0: not there */
} atr_call;

struct atr_operator {
  const char *name;
  int spatial; /* 1 to 3; 0: the first array's rank less 2 */
  int weight;  /* number of the array; 0: ATR_WEIGHT */
  const atr_array *arrays;
  int array_count;
  const atr_attribute *attributes;
  int attribute_count;
  size_t options_size;
  atr_status (*types)(atr_call *call);
  atr_id (*build)(atr_call *call);
  void (*hints)(const atr_call *call, atr_import_hints *hints); /* NULL: there are none */
};

/* The members of a row that name its tables, its options struct and its functions kind_types and kind_build. */
#define ATR_OPERATOR_ROW(array_table, attribute_table, T, kind)                                                                \
  .arrays = array_table, .array_count = ATR_COUNT(array_table), .attributes = attribute_table,                                 \
  .attribute_count = ATR_COUNT(attribute_table), .options_size = sizeof(T), .types = kind##_types, .build = kind##_build

#define ATR_COUNT(table) (int)(sizeof(table) / sizeof *(table))

/* The operator's own words for what is wrong with a call: "torch.Conv2d: ...". */
#define ATR_REFUSE(call, ...) atr_call_refuse((call), __VA_ARGS__)
#define ATR_REFUSE_UNLESS(call, condition, ...)                                                                                \
  do {                                                                                                                         \
    if (!(condition)) return atr_call_refuse((call), __VA_ARGS__);                                                             \
  } while (0)
atr_status atr_call_refuse(const atr_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- attributes.c */
/* Puts the value in its place, or says what is allowed. The spatial dimensions must be known. */
ATR_CHECK_RESULT atr_status atr_attribute_set(atr_call *call, const atr_attribute *attribute, const atr_literal *value);
/* Ranges and defaults of all attributes of the options. */
ATR_CHECK_RESULT atr_status atr_attributes_complete(atr_call *call);
/* "integers from 1, one per spatial dimension or one for all": what is allowed. `spatial` 0: any number of dimensions. */
const char *atr_attribute_allowed(atr_arena *arena, const atr_attribute *attribute, int spatial);
atr_flag atr_call_bias_flag(const atr_call *call); /* as the options have it; TRUE means there is a bias */

/* ---- call.c */
/* From arrays' types and options to complete options and checked types; arrays that may be left out get theirs. */
ATR_CHECK_RESULT atr_status atr_call_complete(atr_call *call);
/* Hints of the call, if its operator has any, go into the module: of several calls the lowest workspace, and measuring if one wants
 * it. hints may be NULL. */
void atr_call_take_hints(const atr_call *call, atr_import_hints *hints);
/* A call from C: `args` has an entry for each array, 0 for none; options is of the caller's struct and size. */
atr_id atr_operator_build(atr_work *work, atr_module *module, const atr_operator *op, const atr_id *args, const void *options);
/* The same for operators of several ranks: the row whose number of spatial dimensions is the rank of array `array` less
 * `leading`. */
atr_id atr_family_build(atr_work *work, atr_module *module, const atr_operator *rows, int count, int array, int leading,
                        const atr_id *args, const void *options);

/* For types(): what an array must be. */
void atr_call_expect(atr_call *call, int array, atr_dtype dtype, int rank, const int64_t *dims);
/* Finds the layer; out and kernel are those stated, or the weight's where nothing is stated. */
typedef struct atr_layer_source {
  int64_t in, in_stated, out_stated, groups;
  const int64_t *kernel_stated;
  int weight_rank, out_dim, kernel_dim; /* of the weight's type, if it is given */
  int64_t out_scale;                    /* out is the weight's extent times this */
  const char *out_name, *groups_name;
} atr_layer_source;
ATR_CHECK_RESULT atr_status atr_call_find_layer(atr_call *call, const atr_layer_source *source);
/* Expects (first, second, kernel...), or (first, kernel..., second) where features come last. */
int atr_call_weight(const atr_call *call); /* the number of the weight's array */
void atr_call_expect_weight(atr_call *call, int64_t first, int64_t second, bool features_last);

/* For build(). A convolution NC..., OI..., NC... (NHWC and OHWI where features come last) of the call's spatial dimensions,
 * with the layer's window and groups; strides and dilations 1, no padding. */
atr_conv *atr_call_conv(atr_call *call, bool features_last);
/* Exchanges the weight's features: what was the output's is the input's. */
void atr_conv_swap_features(atr_conv *conv);
atr_id atr_call_add_conv(atr_call *call, atr_op op, const atr_conv *conv, atr_id lhs, atr_id rhs, atr_dtype dtype);
/* y plus bias along dimension `feature`; bias 0: y. Extents of 1 around the bias's own do not matter. */
atr_id atr_call_add_bias(atr_call *call, atr_id y, atr_id bias, int feature);
/* The kernel must fit into the padded input, which must not be empty. */
ATR_CHECK_RESULT atr_status atr_call_check_fit(const atr_call *call, const atr_conv *conv, const atr_shape *lhs);
/* The window that inverts one of this stride, with `lo` and `hi` cut off the full result; size and rhs_dilation are there. */
void atr_window_invert(atr_window_dim *window, int64_t stride, int64_t lo, int64_t hi);
/* stride * (input - 1) + dilated kernel: the result of the inverse with nothing cut off. */
ATR_CHECK_RESULT atr_status atr_call_full_extent(const atr_call *call, int64_t input, int64_t stride,
                                                 const atr_window_dim *window, int64_t *out);
/* The input must not be empty, and no more is cut off than there is. */
ATR_CHECK_RESULT atr_status atr_call_check_inverse(const atr_call *call, const atr_conv *conv, const atr_shape *lhs);
/* The weight of an inverse, (in, out / groups, ...) with out's dimension at `out_dim`, as (in / groups, out, ...). */
atr_id atr_call_inverse_weight(atr_call *call, atr_id weight, int out_dim);
int64_t atr_window_extent(const atr_window_dim *window); /* of the dilated window */

static inline const atr_shape *atr_call_shape(const atr_call *call, atr_id id) { return &atr_inst_at(call->module, id)->shape; }

/* ---- registry.c: all operators */
const atr_operator *atr_operator_find(const char *name); /* NULL: unknown */
/* What stands nearest to a wrong word, for messages: at most three of the names added, best first. */
typedef struct atr_nearest {
  const char *word;
  size_t len;
  const char *names[3];
  size_t distances[3];
  int count;
} atr_nearest;
void atr_nearest_add(atr_nearest *nearest, const char *name);
const char *atr_nearest_text(atr_arena *arena, const atr_nearest *nearest); /* "'a', 'b' or 'c'" */
const char *atr_operator_nearest(atr_arena *arena, const char *name);
void atr_operators_list(atr_text *out);

/* ---- import.c */
typedef struct atr_import_request {
  const char *op;
  const char *const *pairs;
  int32_t count;
} atr_import_request;
/* Adds the call's instructions to an empty module and names its result. hints may be NULL. */
ATR_CHECK_RESULT atr_status atr_operator_import(atr_work *work, atr_module *module, const atr_import_request *request,
                                                atr_import_hints *hints);

/* ---- the systems, a file each */
extern const atr_operator atr_mxnet_operators[2];
extern const atr_operator atr_megengine_convs[3], atr_megengine_transposes[2], atr_megengine_local;
extern const atr_operator atr_torch_convs[3], atr_torch_transposes[3], atr_torch_functions[6];
extern const atr_operator atr_jax_operators[4];
extern const atr_operator atr_onnx_operators[2], atr_onnx_quantized[2];

#endif
