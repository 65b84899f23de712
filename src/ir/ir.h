/* ir.h - the graph IR: SSA over tensors, what every reader and the builder make and every back end takes.
 *
 * A module is a dense array of instructions in definition-before-use order; an operand is the index of its instruction, and
 * index 0 is reserved for "none". Computations that the text calls (call, fusion) are inlined by the readers and tuples are
 * resolved by them, so the array is the whole program. Everything lives in the module's arena.
 *
 * The text form is HLO's (hlo.h); doc/ir.md is the contract. */
#ifndef ATR_IR_IR_H
#define ATR_IR_IR_H

#include "base/diag.h"
#include "base/dtype.h"
#include "base/text.h"

typedef enum atr_op {
  ATR_OP_NONE,
#define ATR_OP(name, opcode, operands, kind, takes) ATR_OP_##name,
#include "ir/ops.def"
#undef ATR_OP
  ATR_OP_COUNT
} atr_op;

typedef enum atr_op_kind {
  ATR_KIND_LEAF, ATR_KIND_CONV, ATR_KIND_REDUCE, ATR_KIND_SHAPE, ATR_KIND_UNARY, ATR_KIND_BINARY, ATR_KIND_TERNARY
} atr_op_kind;

const char *atr_op_name(atr_op op); /* HLO opcode */
int atr_op_operand_count(atr_op op);
atr_op_kind atr_op_kind_of(atr_op op);
bool atr_op_is_elementwise(atr_op op); /* UNARY, BINARY or TERNARY */
atr_op atr_op_from_name(const char *name, size_t len); /* ATR_OP_NONE: unknown */
/* Operations that HLO does not have are custom-calls to this target there; NULL and ATR_OP_NONE: it has the operation. */
const char *atr_op_target(atr_op op);
atr_op atr_op_from_target(const char *target, size_t len);

/* Sets of dtypes for ops.def: bits 1 << atr_dtype_class. fp8 is stored, moved, chosen and converted, never computed on, so the
 * floats of all sets but ALL are without it. */
enum {
  ATR_TAKES_PRED = 1 << ATR_CLASS_PRED,
  ATR_TAKES_SINT = 1 << ATR_CLASS_SINT,
  ATR_TAKES_UINT = 1 << ATR_CLASS_UINT,
  ATR_TAKES_FLOAT = 1 << ATR_CLASS_FLOAT,
  ATR_TAKES_COMPLEX = 1 << ATR_CLASS_COMPLEX,
  ATR_TAKES_FP8 = 1 << (ATR_CLASS_COMPLEX + 1),
  ATR_TAKES_BITS = ATR_TAKES_PRED | ATR_TAKES_SINT | ATR_TAKES_UINT,
  ATR_TAKES_REAL = ATR_TAKES_SINT | ATR_TAKES_UINT | ATR_TAKES_FLOAT,
  ATR_TAKES_FLOATING = ATR_TAKES_FLOAT | ATR_TAKES_COMPLEX,
  ATR_TAKES_SIGNED = ATR_TAKES_SINT | ATR_TAKES_FLOATING,
  ATR_TAKES_ORDERED = ATR_TAKES_PRED | ATR_TAKES_REAL,
  ATR_TAKES_NUMBER = ATR_TAKES_REAL | ATR_TAKES_COMPLEX,
  ATR_TAKES_ANY = ATR_TAKES_PRED | ATR_TAKES_NUMBER,
  ATR_TAKES_ALL = ATR_TAKES_ANY | ATR_TAKES_FP8
};
bool atr_op_takes(atr_op op, atr_dtype dtype);
/* "pred, integers and floats": what the operation takes. */
const char *atr_op_takes_text(atr_arena *arena, atr_op op);

typedef uint32_t atr_id; /* index into atr_module.insts; 0: none */

typedef enum atr_direction { ATR_EQ, ATR_NE, ATR_LT, ATR_LE, ATR_GT, ATR_GE } atr_direction; /* NE is true for unordered floats, the others false */

/* One spatial dimension of a convolution's window, in the order of the spatial indices of dim_labels. */
typedef struct atr_window_dim {
  int64_t size, stride, pad_lo, pad_hi, lhs_dilation, rhs_dilation;
  bool reversal;
  atr_edge_mode edge;
} atr_window_dim;

/* Attributes of convolution, local_convolution and the gradients of the latter, which have those of the convolution that they
 * are of. Dimension numbers are positions in the array's shape. For local_convolution the rhs spatial dimensions have the
 * output's extents and rhs_input_feature has C/feature_group_count * product(window sizes) entries, channel slowest, then the
 * window in the order in which the spatial dimensions stand in rhs (rule 18); batch_group_count is 1. */
typedef struct atr_conv {
  int spatial; /* number of spatial dimensions, 0..ATR_MAX_SPATIAL */
  atr_window_dim window[ATR_MAX_SPATIAL];
  int lhs_batch, lhs_feature, lhs_spatial[ATR_MAX_SPATIAL];
  int rhs_input_feature, rhs_output_feature, rhs_spatial[ATR_MAX_SPATIAL];
  int out_batch, out_feature, out_spatial[ATR_MAX_SPATIAL];
  int64_t feature_group_count, batch_group_count;
  atr_precision precision[2];
} atr_conv;

/* The arrays of a convolution. In a gradient, OUT is the cotangent and the result is one of the others. */
typedef enum atr_conv_array { ATR_CONV_LHS, ATR_CONV_RHS, ATR_CONV_OUT } atr_conv_array;

typedef struct atr_pad_dim { int64_t low, high, interior; } atr_pad_dim;
typedef struct atr_slice_dim { int64_t start, limit, stride; } atr_slice_dim;

/* Attributes whose place in the text the verifier may want to point at. */
typedef enum atr_attr {
  ATR_ATTR_SHAPE, ATR_ATTR_OPCODE, ATR_ATTR_WINDOW, ATR_ATTR_DIM_LABELS, ATR_ATTR_FEATURE_GROUP_COUNT, ATR_ATTR_BATCH_GROUP_COUNT,
  ATR_ATTR_EDGE_MODE, ATR_ATTR_DIMENSIONS, ATR_ATTR_PADDING, ATR_ATTR_SLICE, ATR_ATTR_DIRECTION, ATR_ATTR_LITERAL, ATR_ATTR_COUNT
} atr_attr;

typedef struct atr_inst {
  atr_op op;
  atr_shape shape;
  const char *name; /* without '%'; never NULL, unique in the module */
  int operand_count;
  atr_id *operands;
  atr_span span;          /* of the whole instruction; nowhere if built */
  const atr_span *spans;  /* ATR_ATTR_COUNT spans, nowhere where absent; may be NULL */
  union {
    int64_t parameter;        /* PARAMETER: its number */
    const void *literal;      /* CONSTANT: elements, dense row major in logical order */
    atr_conv *conv;           /* CONVOLUTION, LOCAL_... */
    atr_pad_dim *pad;         /* PAD: one per dimension */
    atr_slice_dim *slice;     /* SLICE: one per dimension */
    struct { int64_t *dims; int count; } dims; /* REVERSE; REDUCE: those summed over; BROADCAST: output dim of each operand dim; TRANSPOSE: operand dim of each output dim; CONCATENATE, IOTA: one */
    atr_direction direction;  /* COMPARE */
  } u;
} atr_inst;

/* How a module asks to be compiled, as in atr_compile_options: frontend_attributes of the HLO module. */
typedef struct atr_plan_hints {
  int64_t workspace;
  int32_t measure;
} atr_plan_hints;

struct atr_module {
  atr_arena *arena;       /* of everything below; owned by the module when it came through the public API */
  atr_source source;      /* text NULL if built */
  const char *name;
  atr_inst *insts;        /* [1 .. count] */
  uint32_t count, capacity;
  atr_id *parameters;     /* by parameter number */
  int parameter_count;
  atr_id *results;
  int result_count;
  bool returns_tuple;     /* ROOT is a tuple (also of one element) */
  atr_plan_hints hints;
  atr_id *name_slots;     /* module.c: hash table of the instructions' names; do not rename an added instruction */
  uint32_t name_slot_count;
};

/* ---- words.c: the words of the texts for these enumerations; from_name gives the value, -1 for a word that is none of them. */
const char *atr_direction_name(atr_direction direction);
const char *atr_edge_name(atr_edge_mode mode);
const char *atr_precision_name(atr_precision precision);
int atr_direction_from_name(const char *word, size_t len);
int atr_edge_from_name(const char *word, size_t len);
int atr_precision_from_name(const char *word, size_t len);

/* ---- module.c: building blocks shared by the readers and the builder */
atr_module *atr_module_new(atr_arena *arena, const char *name);
/* Appends an instruction (shape, operands and attributes filled in by the caller) and returns its id. An unset name becomes
 * "opcode.N"; a name already taken gets a suffix. `operands` is copied. */
atr_id atr_module_add(atr_module *module, const atr_inst *inst);
static inline const atr_inst *atr_inst_at(const atr_module *module, atr_id id) { return &module->insts[id]; }
static inline const atr_inst *atr_operand(const atr_module *module, const atr_inst *inst, int i) { return &module->insts[inst->operands[i]]; }
/* Gives an instruction that was copied from `module` attributes of its own: literal, window, lists of dimensions. */
void atr_inst_own_attributes(atr_arena *arena, const atr_module *module, atr_inst *inst);
/* Is dimension d in the list of REVERSE, REDUCE, ...? */
bool atr_inst_names_dim(const atr_inst *inst, int d);
atr_span atr_inst_span(const atr_inst *inst, atr_attr attr); /* the attribute's place, else the instruction's */
/* Of operations of kind CONV: are weights unshared? Which array is operand 0, operand 1, or with i = 2 the result? What type
 * has one of them? */
bool atr_conv_is_local(atr_op op);
atr_conv_array atr_conv_array_at(atr_op op, int i);
const atr_shape *atr_conv_shape(const atr_module *module, const atr_inst *inst, atr_conv_array array);
/* Same dtype, rank and extents; the layout may differ. */
bool atr_shape_equal(const atr_shape *a, const atr_shape *b);
bool atr_shape_same_dims(const atr_shape *a, const atr_shape *b); /* dtype may differ */
bool atr_shape_is_row_major(const atr_shape *shape);
/* Strides in elements of each dimension for the shape's layout. */
void atr_shape_strides(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]);
/* "f32[1,2,3]{2,1,0}"; the layout is left out where it is row major and `layout` is false. */
void atr_shape_print(atr_text *text, const atr_shape *shape, bool layout);
/* Number of elements and bytes with overflow detection; false on overflow. */
bool atr_shape_checked_bytes(const atr_shape *shape, int64_t *elements, int64_t *bytes);

/* ---- infer.c: shape and dtype inference. `out` gets dtype and extents with a row-major layout. Fails with the op's own rule
 * (verify.c relies on it), at the instruction's spans. `inst->shape.dtype` is the requested result type where the op has a
 * choice (convolution, convert) and may be NONE for convolution: then lhs's, or rhs's if wider. broadcast, reshape, iota,
 * parameter, constant and gradients take their shape as stated. */
ATR_CHECK_RESULT atr_status atr_infer_shape(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out);
/* Rule 1: output extent of one spatial dimension, 0 where the dilated window does not fit; false if int64 overflows. */
bool atr_conv_output_extent(int64_t input, const atr_window_dim *window, int64_t *out);

/* ---- verify.c: every constraint of doc/ir.md, each with its own message and place. */
ATR_CHECK_RESULT atr_status atr_verify_module(atr_work *work, const atr_module *module);
ATR_CHECK_RESULT atr_status atr_verify_inst(atr_work *work, const atr_module *module, const atr_inst *inst);

/* ---- copy.c */
/* A copy of a verified module in work->arena, text included, that shares nothing with it. parameter >= 0: that parameter is a
 * constant there with these elements, which lie in the layout of its shape, and those behind it move down by one. */
ATR_CHECK_RESULT atr_status atr_module_copy(atr_work *work, const atr_module *module, int parameter, const void *data,
                                            atr_module **out);

/* ---- hlo_read.c, stablehlo_read.c, hlo_print.c */
/* Reads (without verifying) work->source; the module and all it holds are in work->arena. Missing result shapes are inferred.
 */
ATR_CHECK_RESULT atr_status atr_hlo_read(atr_work *work, atr_module **out);
ATR_CHECK_RESULT atr_status atr_stablehlo_read(atr_work *work, atr_module **out);
/* What a text can be entered at: in HLO the ENTRY and every computation that no other one calls, in StableHLO @main and the
 * other public functions. */
typedef struct atr_entries {
  const char **names;
  int count, capacity;
  bool has_default; /* the first one is what the functions above take */
} atr_entries;
ATR_CHECK_RESULT atr_status atr_hlo_entries(atr_work *work, atr_entries *out);
ATR_CHECK_RESULT atr_status atr_stablehlo_entries(atr_work *work, atr_entries *out);
/* The same from one of these; the module is called like it, or like the text's module if the entry is the default. */
ATR_CHECK_RESULT atr_status atr_hlo_read_entry(atr_work *work, const char *entry, atr_module **out);
ATR_CHECK_RESULT atr_status atr_stablehlo_read_entry(atr_work *work, const char *entry, atr_module **out);
/* True when the text looks like StableHLO (module/func.func/stablehlo.), false for HLO. */
bool atr_text_is_stablehlo(const char *text, size_t len);
void atr_hlo_print(atr_text *text, const atr_module *module);
void atr_hlo_print_brief(atr_text *text, const atr_module *module); /* for people: {...} instead of long literals */
void atr_hlo_print_inst(atr_text *text, const atr_module *module, const atr_inst *inst);

/* ---- interpret.c: the oracle. args and results in the layouts of their shapes. */
typedef struct atr_interpret_options {
  bool multiply_padding; /* implicit zeros are multiplied instead of skipped (rule 26) */
} atr_interpret_options;
ATR_CHECK_RESULT atr_status atr_interpret(atr_work *work, const atr_module *module, const atr_interpret_options *options, const void *const *args, void *const *results);

#endif
