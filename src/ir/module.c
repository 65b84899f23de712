/* module.c - the module as a container: operations by name, instructions with unique names, facts about shapes.
 *
 * In: instructions that a reader or the builder filled in. Out: a dense array in definition order,
 *
 *     atr_module *m = atr_module_new(arena, "conv");
 *     atr_id x = atr_module_add(m, &(atr_inst){.op = ATR_OP_PARAMETER, .shape = shape, .name = "x"});
 *
 * in which "x" is taken from then on: a second "x" becomes "x.2" (its id), as when two inlined computations use one name.
 * Names are found by hashing, since texts with 100,000 instructions exist and a search of the array would be quadratic. */
#include "ir/ir.h"

#include <string.h>

#include "base/checked.h"

/* ---- operations */

typedef struct op_row {
  const char *name;
  int operands;
  atr_op_kind kind;
  unsigned takes;
} op_row;

static const op_row op_rows[ATR_OP_COUNT] = {
  {"none", 0, ATR_KIND_LEAF, 0},
#define ATR_OP(name, opcode, operands, kind, takes) {opcode, operands, ATR_KIND_##kind, ATR_TAKES_##takes},
#include "ir/ops.def"
#undef ATR_OP
};

static const op_row *row_of(atr_op op) { return &op_rows[(unsigned)op < ATR_OP_COUNT ? op : ATR_OP_NONE]; }

const char *atr_op_name(atr_op op) { return row_of(op)->name; }
int atr_op_operand_count(atr_op op) { return row_of(op)->operands; }
atr_op_kind atr_op_kind_of(atr_op op) { return row_of(op)->kind; }
bool atr_op_is_elementwise(atr_op op) { return row_of(op)->kind >= ATR_KIND_UNARY; }

atr_op atr_op_from_name(const char *name, size_t len) {
  for (int op = ATR_OP_NONE + 1; op < ATR_OP_COUNT; op++) {
    if (strlen(op_rows[op].name) == len && memcmp(op_rows[op].name, name, len) == 0) return (atr_op)op;
  }
  return ATR_OP_NONE;
}

static const struct {
  atr_op op;
  const char *target;
} targets[] = {{ATR_OP_LOCAL_CONVOLUTION, "atrous.local_convolution"},
               {ATR_OP_LOCAL_DATA_GRADIENT, "atrous.local_convolution_data_gradient"},
               {ATR_OP_LOCAL_WEIGHT_GRADIENT, "atrous.local_convolution_weight_gradient"}};
enum { TARGET_COUNT = (int)(sizeof targets / sizeof targets[0]) };

const char *atr_op_target(atr_op op) {
  for (int i = 0; i < TARGET_COUNT; i++)
    if (targets[i].op == op) return targets[i].target;
  return NULL;
}

atr_op atr_op_from_target(const char *target, size_t len) {
  for (int i = 0; i < TARGET_COUNT; i++)
    if (strlen(targets[i].target) == len && memcmp(targets[i].target, target, len) == 0) return targets[i].op;
  return ATR_OP_NONE;
}

bool atr_conv_is_local(atr_op op) { return atr_op_kind_of(op) == ATR_KIND_CONV && op != ATR_OP_CONVOLUTION; }

atr_conv_array atr_conv_array_at(atr_op op, int i) {
  static const atr_conv_array forward[] = {ATR_CONV_LHS, ATR_CONV_RHS, ATR_CONV_OUT};
  static const atr_conv_array data[] = {ATR_CONV_OUT, ATR_CONV_RHS, ATR_CONV_LHS};
  static const atr_conv_array weight[] = {ATR_CONV_LHS, ATR_CONV_OUT, ATR_CONV_RHS};
  return (op == ATR_OP_LOCAL_DATA_GRADIENT ? data : op == ATR_OP_LOCAL_WEIGHT_GRADIENT ? weight : forward)[i];
}

const atr_shape *atr_conv_shape(const atr_module *module, const atr_inst *inst, atr_conv_array array) {
  for (int i = 0; i < 2; i++)
    if (atr_conv_array_at(inst->op, i) == array) return &atr_operand(module, inst, i)->shape;
  return &inst->shape;
}

bool atr_op_takes(atr_op op, atr_dtype dtype) {
  unsigned bit = atr_dtype_is_fp8(dtype) ? ATR_TAKES_FP8 : 1u << atr_dtype_class_of(dtype);
  return (row_of(op)->takes & bit) != 0;
}

const char *atr_op_takes_text(atr_arena *arena, atr_op op) {
  unsigned takes = row_of(op)->takes;
  const char *words[4];
  int count = 0;
  if ((takes & ATR_TAKES_PRED) != 0) words[count++] = "pred";
  if ((takes & ATR_TAKES_SINT) != 0) words[count++] = (takes & ATR_TAKES_UINT) != 0 ? "integers" : "signed integers";
  if ((takes & ATR_TAKES_FLOAT) != 0) words[count++] = "floats";
  if ((takes & ATR_TAKES_COMPLEX) != 0) words[count++] = "complex numbers";
  atr_text text = atr_text_make(arena);
  for (int i = 0; i < count; i++) atr_text_printf(&text, "%s%s", i == 0 ? "" : i == count - 1 ? " and " : ", ", words[i]);
  return text.data;
}

/* ---- names: an open-addressed table of ids, at most half full; its size is a power of two */

static uint32_t hash_name(const char *name) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return hash;
}

/* The slot that holds `name`, or the empty one where it belongs. */
static atr_id *find_name(const atr_module *module, const char *name) {
  uint32_t mask = module->name_slot_count - 1, slot = hash_name(name) & mask;
  for (atr_id id; (id = module->name_slots[slot]) != 0; slot = (slot + 1) & mask) {
    if (strcmp(module->insts[id].name, name) == 0) break;
  }
  return &module->name_slots[slot];
}

static void reserve_name(atr_module *module) {
  if (2 * (module->count + 1) <= module->name_slot_count) return;
  module->name_slot_count *= 2;
  module->name_slots = ATR_NEW_ARRAY(module->arena, atr_id, module->name_slot_count);
  for (atr_id id = 1; id <= module->count; id++) *find_name(module, module->insts[id].name) = id;
}

/* A name nobody has: the wanted one, or with ".id" behind it, the id growing until it is free. */
static const char *unique_name(const atr_module *module, const atr_inst *inst, atr_id id) {
  bool named = inst->name != NULL && inst->name[0] != '\0';
  const char *stem = named ? inst->name : atr_op_name(inst->op);
  if (named && *find_name(module, stem) == 0) return atr_arena_string(module->arena, stem, strlen(stem));
  for (atr_id suffix = id;; suffix++) {
    const char *name = atr_arena_printf(module->arena, "%s.%u", stem, suffix);
    if (*find_name(module, name) == 0) return name;
  }
}

/* ---- module */

atr_module *atr_module_new(atr_arena *arena, const char *name) {
  atr_module *module = ATR_NEW(arena, atr_module);
  if (name == NULL) name = "module";
  module->arena = arena;
  module->name = atr_arena_string(arena, name, strlen(name));
  module->capacity = 8;
  module->insts = ATR_NEW_ARRAY(arena, atr_inst, module->capacity);
  module->insts[0].name = "";
  module->name_slot_count = 16;
  module->name_slots = ATR_NEW_ARRAY(arena, atr_id, module->name_slot_count);
  return module;
}

atr_id atr_module_add(atr_module *module, const atr_inst *inst) {
  atr_id id = module->count + 1;
  ATR_RESERVE(module->arena, module->insts, id, module->capacity);
  reserve_name(module);
  atr_inst *added = &module->insts[id];
  *added = *inst;
  added->name = unique_name(module, inst, id);
  added->operands = NULL;
  if (inst->operand_count > 0) {
    size_t count = (size_t)inst->operand_count;
    added->operands = ATR_NEW_ARRAY(module->arena, atr_id, count);
    memcpy(added->operands, inst->operands, count * sizeof(atr_id));
  }
  *find_name(module, added->name) = id;
  module->count = id;
  return id;
}

atr_span atr_inst_span(const atr_inst *inst, atr_attr attr) {
  if (inst->spans != NULL && inst->spans[attr].offset != 0) return inst->spans[attr];
  return inst->span;
}

static void *copy_of(atr_arena *arena, const void *data, int64_t count, size_t size) {
  return atr_arena_grow(arena, data, (size_t)count * size, (size_t)count * size);
}

void atr_inst_own_attributes(atr_arena *arena, const atr_module *module, atr_inst *inst) {
  int rank = inst->operand_count > 0 ? atr_operand(module, inst, 0)->shape.rank : 0;
  switch ((int)inst->op) { /* the others have none, or a number */
  case ATR_OP_CONSTANT: inst->u.literal = copy_of(arena, inst->u.literal, atr_shape_bytes(&inst->shape), 1); break;
  case ATR_OP_CONVOLUTION:
  case ATR_OP_LOCAL_CONVOLUTION:
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT: inst->u.conv = copy_of(arena, inst->u.conv, 1, sizeof *inst->u.conv); break;
  case ATR_OP_PAD: inst->u.pad = copy_of(arena, inst->u.pad, rank, sizeof *inst->u.pad); break;
  case ATR_OP_SLICE: inst->u.slice = copy_of(arena, inst->u.slice, rank, sizeof *inst->u.slice); break;
  case ATR_OP_REDUCE:
  case ATR_OP_REVERSE:
  case ATR_OP_BROADCAST:
  case ATR_OP_TRANSPOSE:
  case ATR_OP_CONCATENATE:
  case ATR_OP_IOTA: inst->u.dims.dims = copy_of(arena, inst->u.dims.dims, inst->u.dims.count, sizeof *inst->u.dims.dims); break;
  }
}

bool atr_inst_names_dim(const atr_inst *inst, int d) {
  for (int i = 0; i < inst->u.dims.count; i++)
    if (inst->u.dims.dims[i] == d) return true;
  return false;
}

/* ---- shapes */

atr_shape atr_shape_make(atr_dtype dtype, int rank, const int64_t *dims) {
  atr_shape shape;
  memset(&shape, 0, sizeof shape);
  if (rank < 0 || rank > ATR_MAX_RANK || (rank > 0 && dims == NULL)) return shape;
  shape.dtype = dtype;
  shape.rank = rank;
  for (int i = 0; i < rank; i++) {
    shape.dims[i] = dims[i];
    shape.minor_to_major[i] = (int8_t)(rank - 1 - i);
  }
  return shape;
}

bool atr_shape_checked_bytes(const atr_shape *shape, int64_t *elements, int64_t *bytes) {
  if (shape->rank < 0 || shape->rank > ATR_MAX_RANK) return false;
  int64_t product = 1, total;
  bool overflow = false, empty = false;
  for (int i = 0; i < shape->rank; i++) {
    if (shape->dims[i] < 0) return false;
    empty = empty || shape->dims[i] == 0; /* one zero makes the array empty, however large the others are */
    overflow = overflow || !atr_checked_mul(product, shape->dims[i], &product);
  }
  if (empty) product = 0;
  if (overflow && !empty) return false;
  if (!atr_checked_mul(product, (int64_t)atr_dtype_size(shape->dtype), &total)) return false;
  *elements = product;
  *bytes = total;
  return true;
}

int64_t atr_shape_elements(const atr_shape *shape) {
  int64_t elements, bytes;
  return shape != NULL && atr_shape_checked_bytes(shape, &elements, &bytes) ? elements : -1;
}

int64_t atr_shape_bytes(const atr_shape *shape) {
  int64_t elements, bytes;
  return shape != NULL && atr_shape_checked_bytes(shape, &elements, &bytes) ? bytes : -1;
}

bool atr_shape_same_dims(const atr_shape *a, const atr_shape *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++) {
    if (a->dims[i] != b->dims[i]) return false;
  }
  return true;
}

bool atr_shape_equal(const atr_shape *a, const atr_shape *b) { return a->dtype == b->dtype && atr_shape_same_dims(a, b); }

bool atr_shape_is_row_major(const atr_shape *shape) {
  for (int i = 0; i < shape->rank; i++) {
    if (shape->minor_to_major[i] != shape->rank - 1 - i) return false;
  }
  return true;
}

void atr_shape_strides(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]) {
  uint64_t stride = 1; /* unsigned: only an empty array, whose strides are never used, can overflow */
  for (int i = 0; i < shape->rank; i++) {
    int dim = shape->minor_to_major[i];
    strides[dim] = (int64_t)stride;
    stride *= (uint64_t)shape->dims[dim];
  }
}

void atr_shape_print(atr_text *text, const atr_shape *shape, bool layout) {
  atr_text_printf(text, "%s[", atr_dtype_name(shape->dtype));
  for (int i = 0; i < shape->rank; i++) atr_text_printf(text, "%s%lld", i > 0 ? "," : "", (long long)shape->dims[i]);
  atr_text_puts(text, "]");
  if (shape->rank == 0 || (!layout && atr_shape_is_row_major(shape))) return;
  for (int i = 0; i < shape->rank; i++) atr_text_printf(text, "%s%d", i > 0 ? "," : "{", shape->minor_to_major[i]);
  atr_text_puts(text, "}");
}
