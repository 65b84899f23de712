/* hlo_print.c - the module as HLO text.
 *
 * In: a verified module. Out: text that XLA reads (but for edge modes and unshared weights, which HLO cannot say), and that our
 * own reader turns back into the same module, so that printing once more gives the same bytes:
 *
 *     HloModule m
 *
 *     ENTRY main {
 *       x = f32[1,8,8,4] parameter(0)
 *       w = f32[3,3,4,16] parameter(1)
 *       ROOT y = f32[1,6,6,16] convolution(x, w), window={size=3x3}, dim_labels=b01f_01io->b01f
 *     }
 *
 * What has its default value is left out, layouts too where they are row major. Constants are printed whole, each element with
 * the fewest digits that read back as the same value. */
#include <string.h>

#include "ir/ir.h"

/* Words that HLO readers take for something else; '%' in front makes a name of them. */
static bool is_reserved(const char *name) {
  static const char *const words[] = {
      "ROOT",    "ENTRY",   "HloModule", "true",          "false",      "inf",        "nan",      "replicated", "manual",
      "maximal", "unknown", "token",     "opaque",        "s1",         "s2",         "s4",       "u1",         "u2",
      "u4",      "f8e3m4",  "f8e4m3",    "f8e4m3b11fnuz", "f8e4m3fnuz", "f8e5m2fnuz", "f4e2m1fn", "f8e8m0fnu"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcmp(words[i], name) == 0) return true;
  }
  return atr_dtype_from_name(name, strlen(name)) != ATR_DTYPE_NONE;
}

static void print_name(atr_text *text, const char *name) { atr_text_printf(text, "%s%s", is_reserved(name) ? "%" : "", name); }

/* ---- constants */

/* "{1, 2}", "{ { 1, 2 }, { 3, 4 } }" from dimension `dim` on; returns where the next element is. As deep as the rank. */
static const char *print_elements(atr_text *text, const atr_shape *shape, int dim, const char *element) {
  if (dim == shape->rank) {
    atr_text_scalar(text, shape->dtype, element);
    return element + atr_dtype_size(shape->dtype);
  }
  const char *space = shape->rank > 1 && shape->dims[dim] > 0 ? " " : "";
  atr_text_printf(text, "{%s", space);
  for (int64_t i = 0; i < shape->dims[dim]; i++) {
    if (i > 0) atr_text_puts(text, ", ");
    element = print_elements(text, shape, dim + 1, element);
  }
  atr_text_printf(text, "%s}", space);
  return element;
}

/* ---- attributes of convolutions */

typedef enum field {
  FIELD_SIZE,
  FIELD_STRIDE,
  FIELD_PAD,
  FIELD_LHS_DILATE,
  FIELD_RHS_DILATE,
  FIELD_RHS_REVERSAL,
  FIELD_EDGE
} field;

static bool is_default(const atr_window_dim *dim, field f) {
  switch (f) {
    case FIELD_SIZE: return false;
    case FIELD_STRIDE: return dim->stride == 1;
    case FIELD_PAD: return dim->pad_lo == 0 && dim->pad_hi == 0;
    case FIELD_LHS_DILATE: return dim->lhs_dilation == 1;
    case FIELD_RHS_DILATE: return dim->rhs_dilation == 1;
    case FIELD_RHS_REVERSAL: return !dim->reversal;
    case FIELD_EDGE: return dim->edge == ATR_EDGE_ZERO;
  }
  return true;
}

static void print_field_value(atr_text *text, const atr_window_dim *dim, field f) {
  switch (f) {
    case FIELD_SIZE: atr_text_printf(text, "%lld", (long long)dim->size); break;
    case FIELD_STRIDE: atr_text_printf(text, "%lld", (long long)dim->stride); break;
    case FIELD_PAD: atr_text_printf(text, "%lld_%lld", (long long)dim->pad_lo, (long long)dim->pad_hi); break;
    case FIELD_LHS_DILATE: atr_text_printf(text, "%lld", (long long)dim->lhs_dilation); break;
    case FIELD_RHS_DILATE: atr_text_printf(text, "%lld", (long long)dim->rhs_dilation); break;
    case FIELD_RHS_REVERSAL: atr_text_puts(text, dim->reversal ? "1" : "0"); break;
    case FIELD_EDGE: atr_text_puts(text, atr_edge_name(dim->edge)); break;
  }
}

/* "stride=2x1" behind `prefix`, nothing when every dimension has the default. */
static void print_field(atr_text *text, const atr_conv *conv, field f, const char *prefix) {
  bool all_default = true;
  for (int i = 0; i < conv->spatial; i++) all_default = all_default && is_default(&conv->window[i], f);
  if (all_default) return;
  for (int i = 0; i < conv->spatial; i++) {
    atr_text_puts(text, i == 0 ? prefix : "x");
    print_field_value(text, &conv->window[i], f);
  }
}

static void print_window(atr_text *text, const atr_conv *conv) {
  if (conv->spatial == 0) return;
  print_field(text, conv, FIELD_SIZE, ", window={size=");
  print_field(text, conv, FIELD_STRIDE, " stride=");
  print_field(text, conv, FIELD_PAD, " pad=");
  print_field(text, conv, FIELD_LHS_DILATE, " lhs_dilate=");
  print_field(text, conv, FIELD_RHS_DILATE, " rhs_dilate=");
  print_field(text, conv, FIELD_RHS_REVERSAL, " rhs_reversal=");
  atr_text_puts(text, "}");
}

static void print_labels(atr_text *text, const char letters[2], int first, int second, const int *spatial, int count) {
  char labels[ATR_MAX_SPATIAL + 3] = {0};
  labels[first] = letters[0];
  labels[second] = letters[1];
  for (int i = 0; i < count; i++) labels[spatial[i]] = (char)('0' + i);
  atr_text_puts(text, labels);
}

static void print_conv(atr_text *text, const atr_conv *conv) {
  print_window(text, conv);
  atr_text_puts(text, ", dim_labels=");
  print_labels(text, "bf", conv->lhs_batch, conv->lhs_feature, conv->lhs_spatial, conv->spatial);
  atr_text_puts(text, "_");
  print_labels(text, "io", conv->rhs_input_feature, conv->rhs_output_feature, conv->rhs_spatial, conv->spatial);
  atr_text_puts(text, "->");
  print_labels(text, "bf", conv->out_batch, conv->out_feature, conv->out_spatial, conv->spatial);
  if (conv->feature_group_count != 1) atr_text_printf(text, ", feature_group_count=%lld", (long long)conv->feature_group_count);
  if (conv->batch_group_count != 1) atr_text_printf(text, ", batch_group_count=%lld", (long long)conv->batch_group_count);
  if (conv->precision[0] != ATR_PRECISION_DEFAULT || conv->precision[1] != ATR_PRECISION_DEFAULT) {
    atr_text_printf(text, ", operand_precision={%s,%s}", atr_precision_name(conv->precision[0]),
                    atr_precision_name(conv->precision[1]));
  }
  print_field(text, conv, FIELD_EDGE, ", edge_mode=");
}

/* ---- attributes of other operations */

static void print_dimensions(atr_text *text, const atr_inst *inst) {
  atr_text_puts(text, ", dimensions={");
  for (int i = 0; i < inst->u.dims.count; i++) {
    atr_text_printf(text, "%s%lld", i > 0 ? "," : "", (long long)inst->u.dims.dims[i]);
  }
  atr_text_puts(text, "}");
}

static void print_padding(atr_text *text, const atr_inst *inst, int rank) {
  bool interior = false;
  for (int i = 0; i < rank; i++) interior = interior || inst->u.pad[i].interior != 0;
  for (int i = 0; i < rank; i++) {
    const atr_pad_dim *pad = &inst->u.pad[i];
    atr_text_printf(text, "%s%lld_%lld", i > 0 ? "x" : ", padding=", (long long)pad->low, (long long)pad->high);
    if (interior) atr_text_printf(text, "_%lld", (long long)pad->interior);
  }
}

static void print_slice(atr_text *text, const atr_inst *inst, int rank) {
  bool strided = false;
  for (int i = 0; i < rank; i++) strided = strided || inst->u.slice[i].stride != 1;
  atr_text_puts(text, ", slice={");
  for (int i = 0; i < rank; i++) {
    const atr_slice_dim *slice = &inst->u.slice[i];
    atr_text_printf(text, "%s[%lld:%lld", i > 0 ? ", " : "", (long long)slice->start, (long long)slice->limit);
    if (strided) atr_text_printf(text, ":%lld", (long long)slice->stride);
    atr_text_puts(text, "]");
  }
  atr_text_puts(text, "}");
}

static void print_attributes(atr_text *text, const atr_module *module, const atr_inst *inst) {
  switch (inst->op) {
  case ATR_OP_LOCAL_CONVOLUTION:
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT:
    atr_text_printf(text, ", custom_call_target=\"%s\"", atr_op_target(inst->op));
    print_conv(text, inst->u.conv);
    break;
  case ATR_OP_CONVOLUTION: print_conv(text, inst->u.conv); break;
  case ATR_OP_PAD: print_padding(text, inst, atr_operand(module, inst, 0)->shape.rank); break;
  case ATR_OP_SLICE: print_slice(text, inst, atr_operand(module, inst, 0)->shape.rank); break;
  case ATR_OP_REDUCE:
    print_dimensions(text, inst);
    atr_text_printf(text, ", to_apply=add_%s", atr_dtype_name(inst->shape.dtype));
    break;
  case ATR_OP_REVERSE:
  case ATR_OP_BROADCAST:
  case ATR_OP_TRANSPOSE:
  case ATR_OP_CONCATENATE: print_dimensions(text, inst); break;
  case ATR_OP_IOTA: atr_text_printf(text, ", iota_dimension=%lld", (long long)inst->u.dims.dims[0]); break;
  case ATR_OP_COMPARE: atr_text_printf(text, ", direction=%s", atr_direction_name(inst->u.direction)); break;
  case ATR_OP_NONE:
  case ATR_OP_PARAMETER:
  case ATR_OP_CONSTANT:
  case ATR_OP_RESHAPE:
  case ATR_OP_COPY:
  case ATR_OP_ADD:
  case ATR_OP_SUBTRACT:
  case ATR_OP_MULTIPLY:
  case ATR_OP_DIVIDE:
  case ATR_OP_MAXIMUM:
  case ATR_OP_MINIMUM:
  case ATR_OP_AND:
  case ATR_OP_OR:
  case ATR_OP_XOR:
  case ATR_OP_COMPLEX:
  case ATR_OP_NEGATE:
  case ATR_OP_ABS:
  case ATR_OP_EXPONENTIAL:
  case ATR_OP_TANH:
  case ATR_OP_LOGISTIC:
  case ATR_OP_ROUND_NEAREST_EVEN:
  case ATR_OP_NOT:
  case ATR_OP_REAL:
  case ATR_OP_IMAG:
  case ATR_OP_CONVERT:
  case ATR_OP_CLAMP:
  case ATR_OP_SELECT:
  case ATR_OP_COUNT: break;
  }
}

/* ---- instructions and the module */

enum { BRIEF_ELEMENTS = 8 };

static void print_inst(atr_text *text, const atr_module *module, const atr_inst *inst, bool brief) {
  bool whole = !brief || (inst->op == ATR_OP_CONSTANT && atr_shape_elements(&inst->shape) <= BRIEF_ELEMENTS);
  print_name(text, inst->name);
  atr_text_puts(text, " = ");
  atr_shape_print(text, &inst->shape, false);
  atr_text_printf(text, " %s(", atr_op_target(inst->op) != NULL ? "custom-call" : atr_op_name(inst->op));
  if (inst->op == ATR_OP_PARAMETER) atr_text_printf(text, "%lld", (long long)inst->u.parameter);
  if (inst->op == ATR_OP_CONSTANT && whole) print_elements(text, &inst->shape, 0, inst->u.literal);
  if (inst->op == ATR_OP_CONSTANT && !whole) atr_text_puts(text, "{...}");
  for (int i = 0; i < inst->operand_count; i++) {
    if (i > 0) atr_text_puts(text, ", ");
    print_name(text, atr_operand(module, inst, i)->name);
  }
  atr_text_puts(text, ")");
  print_attributes(text, module, inst);
}

void atr_hlo_print_inst(atr_text *text, const atr_module *module, const atr_inst *inst) {
  print_inst(text, module, inst, false);
}

/* N of "tuple.N" as we write it, 0 for "tuple", `limit` for other names and larger numbers. */
static uint64_t tuple_number(const char *name, uint64_t limit) {
  if (strncmp(name, "tuple", 5) != 0) return limit;
  if (name[5] == '\0') return 0;
  if (name[5] != '.' || name[6] < '1' || name[6] > '9') return limit;
  uint64_t number = 0;
  for (const char *digit = name + 6; *digit != '\0'; digit++) {
    if (*digit < '0' || *digit > '9' || number >= limit) return limit;
    number = 10 * number + (uint64_t)(*digit - '0');
  }
  return number < limit ? number : limit;
}

/* A name for the tuple of results that no instruction has. Of the count + 1 first ones, one is free. */
static const char *tuple_name(atr_text *text, const atr_module *module) {
  uint64_t limit = (uint64_t)module->count + 1, number = 0;
  bool *taken = ATR_NEW_ARRAY(text->arena, bool, limit + 1);
  for (atr_id id = 1; id <= module->count; id++) taken[tuple_number(module->insts[id].name, limit)] = true;
  while (number < limit && taken[number]) number++;
  return number == 0 ? "tuple" : atr_arena_printf(text->arena, "tuple.%llu", (unsigned long long)number);
}

static void print_tuple(atr_text *text, const atr_module *module) {
  atr_text_printf(text, "  ROOT %s = (", tuple_name(text, module));
  for (int i = 0; i < module->result_count; i++) {
    if (i > 0) atr_text_puts(text, ", ");
    atr_shape_print(text, &atr_inst_at(module, module->results[i])->shape, false);
  }
  atr_text_puts(text, ") tuple(");
  for (int i = 0; i < module->result_count; i++) {
    if (i > 0) atr_text_puts(text, ", ");
    print_name(text, atr_inst_at(module, module->results[i])->name);
  }
  atr_text_puts(text, ")\n");
}

/* The computations that reductions apply, one for each dtype. */
static void print_reducers(atr_text *text, const atr_module *module) {
  bool printed[ATR_DTYPE_COUNT] = {false};
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    atr_dtype dtype = inst->shape.dtype;
    if (inst->op != ATR_OP_REDUCE || printed[dtype]) continue;
    const char *name = atr_dtype_name(dtype);
    printed[dtype] = true;
    atr_text_printf(text, "add_%s {\n  a = %s[] parameter(0)\n  b = %s[] parameter(1)\n  ROOT sum = %s[] add(a, b)\n}\n\n",
                    name, name, name, name);
  }
}

/* ", frontend_attributes={...}" where the module says how it wants to be compiled. */
static void print_hints(atr_text *text, const atr_plan_hints *hints) {
  const char *between = "";
  if (hints->workspace == 0 && hints->measure == 0) return;
  atr_text_puts(text, ", frontend_attributes={");
  if (hints->workspace == ATR_WORKSPACE_NONE) atr_text_puts(text, "atrous.workspace=\"none\"");
  else if (hints->workspace != 0) atr_text_printf(text, "atrous.workspace=\"%lld\"", (long long)hints->workspace);
  if (hints->workspace != 0) between = ",";
  if (hints->measure != 0) atr_text_printf(text, "%satrous.measure=\"%s\"", between, hints->measure > 0 ? "true" : "false");
  atr_text_puts(text, "}");
}

static void print_module(atr_text *text, const atr_module *module, bool brief) {
  atr_text_puts(text, "HloModule ");
  print_name(text, module->name);
  print_hints(text, &module->hints);
  atr_text_puts(text, "\n\n");
  print_reducers(text, module);
  atr_text_puts(text, "ENTRY main {\n");
  for (atr_id id = 1; id <= module->count; id++) {
    bool root = !module->returns_tuple && module->result_count == 1 && module->results[0] == id;
    atr_text_puts(text, root ? "  ROOT " : "  ");
    print_inst(text, module, atr_inst_at(module, id), brief);
    atr_text_puts(text, "\n");
  }
  if (module->returns_tuple) print_tuple(text, module);
  atr_text_puts(text, "}\n");
}

void atr_hlo_print(atr_text *text, const atr_module *module) { print_module(text, module, false); }
void atr_hlo_print_brief(atr_text *text, const atr_module *module) { print_module(text, module, true); }
