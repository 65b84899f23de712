/* stablehlo_ops.c - one StableHLO operation, pretty or generic, becomes one instruction (or two).
 *
 * In: for example
 *
 *     %1 = stablehlo.pad %0, %c, low = [1], high = [2], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<6xf32>
 *     %1 = "stablehlo.pad"(%0, %c) <{edge_padding_high = array<i64: 2>, ...}> : (tensor<3xf32>, tensor<f32>) -> tensor<6xf32>
 *
 * Out: a pad instruction named v1. Pretty keys are renamed to the generic ones while they are read, so that what follows knows
 * one form. The types in the text are compared with the types of the operands; the result type is believed, since the verifier
 * compares it with what follows from the operands.
 *
 * Two operations say more than their HLO counterparts and become two instructions: broadcast_in_dim also stretches dimensions
 * of extent 1 (reshape, then broadcast), and a constant may be a splat (scalar constant, then broadcast). */
#include "ir/stablehlo_ops.h"

#include <string.h>

/* ---- names */

static uint32_t hash_word(const atr_mlir_word *word) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (uint32_t i = 0; i < word->len; i++) hash = (hash ^ (unsigned char)word->text[i]) * 16777619u;
  return hash;
}

/* The slot that holds the word, or the free one where it belongs. */
static struct atr_mlir_name *find_slot(const atr_mlir_names *names, const atr_mlir_word *word) {
  uint32_t mask = names->capacity - 1;
  for (uint32_t slot = hash_word(word) & mask;; slot = (slot + 1) & mask) {
    struct atr_mlir_name *name = &names->slots[slot];
    if (name->value == 0 || (name->len == word->len && memcmp(name->text, word->text, word->len) == 0)) return name;
  }
}

uint32_t atr_mlir_names_get(const atr_mlir_names *names, const atr_mlir_word *word) {
  return names->capacity == 0 ? 0 : find_slot(names, word)->value;
}

bool atr_mlir_names_set(atr_arena *arena, atr_mlir_names *names, const atr_mlir_word *word, uint32_t value) {
  if (2 * (names->count + 1) > names->capacity) { /* at most half full; the size is a power of two */
    atr_mlir_names larger = {.count = names->count, .capacity = names->capacity != 0 ? 2 * names->capacity : 16};
    larger.slots = ATR_NEW_ARRAY(arena, struct atr_mlir_name, larger.capacity);
    for (uint32_t i = 0; i < names->capacity; i++) {
      const struct atr_mlir_name *name = &names->slots[i];
      if (name->value != 0) *find_slot(&larger, &(atr_mlir_word){.text = name->text, .len = name->len}) = *name;
    }
    *names = larger;
  }
  struct atr_mlir_name *slot = find_slot(names, word);
  if (slot->value != 0) return false;
  *slot = (struct atr_mlir_name){.text = word->text, .len = word->len, .value = value};
  names->count++;
  return true;
}

static int shown(const atr_mlir_word *word) { return word->len < 60 ? (int)word->len : 60; }

atr_status atr_mlir_scope_bind(atr_work *work, atr_mlir_scope *scope, const atr_mlir_word *name, const atr_id *ids, int count) {
  ATR_RESERVE(work->arena, scope->values, scope->count, scope->capacity);
  if (!atr_mlir_names_set(work->arena, &scope->names, name, scope->count + 1)) {
    return atr_fail(work, name->span, ATR_PARSE_ERROR, "'%%%.*s' is defined twice", shown(name), name->text);
  }
  atr_id *copy = ATR_NEW_ARRAY(work->arena, atr_id, count);
  memcpy(copy, ids, sizeof(atr_id) * (size_t)count);
  scope->values[scope->count++] = (atr_mlir_value){copy, count};
  return ATR_OK;
}

/* ---- operands and types */

atr_status atr_mlir_operand_read(atr_mlir *m, const atr_mlir_scope *scope, atr_mlir_operands *out) {
  atr_mlir_word name;
  int64_t index;
  ATR_TRY(atr_mlir_value_read(m, &name, &index));
  uint32_t number = atr_mlir_names_get(&scope->names, &name);
  if (number == 0) return atr_fail(m->work, name.span, ATR_PARSE_ERROR, "'%%%.*s' is not defined", shown(&name), name.text);
  const atr_mlir_value *value = &scope->values[number - 1];
  if (index >= value->count) {
    return atr_fail(m->work, name.span, ATR_PARSE_ERROR, "'%%%.*s' has %d results", shown(&name), name.text, value->count);
  }
  ATR_RESERVE(m->work->arena, out->items, out->count, out->capacity);
  out->items[out->count++] = (atr_mlir_operand){.id = value->ids[index], .span = name.span};
  return ATR_OK;
}

atr_status atr_mlir_operand_list_read(atr_mlir *m, const atr_mlir_scope *scope, atr_mlir_operands *out) {
  ATR_TRY(atr_mlir_expect(m, "("));
  if (atr_mlir_accept(m, ")")) return ATR_OK;
  do { ATR_TRY(atr_mlir_operand_read(m, scope, out)); } while (atr_mlir_accept(m, ","));
  return atr_mlir_expect(m, ")");
}

static const atr_shape *operand_shape(const atr_mlir_scope *scope, const atr_mlir_operands *operands, int i) {
  return &atr_inst_at(scope->module, operands->items[i].id)->shape;
}

static atr_status type_compare(atr_mlir *m, const atr_mlir_scope *scope, const atr_mlir_operands *operands, int i,
                               const atr_shape *stated, atr_span span) {
  const atr_shape *shape = operand_shape(scope, operands, i);
  if (atr_shape_equal(shape, stated)) return ATR_OK;
  atr_span name = operands->items[i].span;
  return atr_fail(m->work, span, ATR_PARSE_ERROR, "'%.*s' is %s, not %s", (int)(name.len < 60 ? name.len : 60),
                  m->text + name.offset - 1, atr_mlir_type_text(m->work, shape), atr_mlir_type_text(m->work, stated));
}

atr_status atr_mlir_operand_type_read(atr_mlir *m, const atr_mlir_scope *scope, const atr_mlir_operands *operands, int i) {
  atr_shape stated;
  atr_span span;
  ATR_TRY(atr_mlir_type_read(m, &stated, &span));
  return type_compare(m, scope, operands, i, &stated, span);
}

atr_status atr_mlir_operand_types_read(atr_mlir *m, const atr_mlir_scope *scope, const atr_mlir_operands *operands) {
  ATR_TRY(atr_mlir_expect(m, "("));
  for (int i = 0; i < operands->count; i++) {
    if (atr_mlir_peek(m) == ')') {
      return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "%d types for %d operands", i, operands->count);
    }
    if (i > 0) ATR_TRY(atr_mlir_expect(m, ","));
    ATR_TRY(atr_mlir_operand_type_read(m, scope, operands, i));
  }
  if (atr_mlir_peek(m) == ',') {
    return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "more types than the %d operands", operands->count);
  }
  ATR_TRY(atr_mlir_expect(m, ")"));
  return atr_mlir_expect(m, "->");
}

atr_status atr_mlir_properties_read(atr_mlir *m, atr_mlir_attrs *attrs) {
  if (atr_mlir_accept(m, "<{")) {
    ATR_TRY(atr_mlir_dict_read(m, attrs));
    ATR_TRY(atr_mlir_expect(m, ">"));
  }
  return atr_mlir_accept(m, "{") ? atr_mlir_dict_read(m, attrs) : ATR_OK;
}

/* ---- one operation while it is read */

typedef struct operation {
  atr_mlir *m;
  const atr_mlir_scope *scope;
  const atr_mlir_word *name;
  const char *result_name;
  atr_mlir_operands operands;
  atr_mlir_attrs attrs;
  atr_slice_dim *slice; /* of the pretty form; NULL otherwise */
  int slice_count;
  atr_span *spans;
  atr_inst inst;
} operation;

static atr_op op_from_name(const atr_mlir_word *name) {
  static const char prefix[] = "stablehlo.";
  size_t len = sizeof prefix - 1;
  if (name->len <= len || memcmp(name->text, prefix, len) != 0) return ATR_OP_NONE;
  const char *rest = name->text + len;
  atr_mlir_word word = {.text = rest, .len = name->len - (uint32_t)len};
  if (atr_mlir_word_is(&word, "broadcast_in_dim")) return ATR_OP_BROADCAST;
  if (atr_mlir_word_is(&word, "round_nearest_even")) return ATR_OP_ROUND_NEAREST_EVEN;
  atr_op op = atr_op_from_name(rest, word.len);
  /* HLO's own; stablehlo.broadcast is another operation */
  bool ours = op != ATR_OP_PARAMETER && op != ATR_OP_COPY && atr_op_target(op) == NULL && op != ATR_OP_BROADCAST;
  return ours ? op : ATR_OP_NONE;
}

static atr_status unsupported(atr_mlir *m, const atr_mlir_word *name) {
  const char *why = "";
  if (atr_mlir_word_is(name, "stablehlo.dynamic_conv")) why = ": padding must be constant, as in stablehlo.convolution";
  return atr_fail(m->work, name->span, ATR_UNSUPPORTED, "operation '%.*s' is not supported%s", shown(name), name->text, why);
}

static atr_status lacks(const operation *o, const char *key) {
  return atr_fail(o->m->work, o->name->span, ATR_PARSE_ERROR, "%.*s lacks %s", shown(o->name), o->name->text, key);
}

/* Finds a list that must be there; `attr` is where the verifier may point. */
static atr_status list_find(operation *o, const char *key, atr_attr attr, atr_mlir_ints *out) {
  const atr_mlir_attr *found = atr_mlir_attr_find(&o->attrs, key);
  if (found == NULL) return lacks(o, key);
  atr_span span = atr_mlir_attr_span(found);
  if (o->spans[attr].offset == 0) o->spans[attr] = span;
  ATR_TRY(atr_mlir_attr_ints(o->m, found, out));
  if (!out->pairs) return ATR_OK;
  return atr_fail(o->m->work, span, ATR_PARSE_ERROR, "%s takes numbers, not pairs", key);
}

/* The same for a list of one entry per dimension of the operand. */
static atr_status list_per_dim(operation *o, const char *key, atr_attr attr, atr_mlir_ints *out) {
  ATR_TRY(list_find(o, key, attr, out));
  int rank = operand_shape(o->scope, &o->operands, 0)->rank;
  if (out->count == rank) return ATR_OK;
  return atr_fail(o->m->work, atr_mlir_attr_span(atr_mlir_attr_find(&o->attrs, key)), ATR_VERIFY_ERROR,
                  "%s has %d entries, the operand has %d dimensions", key, out->count, rank);
}

/* ---- the pretty forms */

/* Keys of the pretty forms and what the generic form calls them. */
static const struct pretty_key {
  atr_op op;
  const char *pretty, *generic;
} pretty_keys[] = {
    {ATR_OP_CONVOLUTION, "stride", "window_strides"},
    {ATR_OP_CONVOLUTION, "pad", "padding"},
    {ATR_OP_CONVOLUTION, "lhs_dilate", "lhs_dilation"},
    {ATR_OP_CONVOLUTION, "rhs_dilate", "rhs_dilation"},
    {ATR_OP_CONVOLUTION, "reverse", "window_reversal"},
    {ATR_OP_CONVOLUTION, "dim_numbers", "dimension_numbers"},
    {ATR_OP_PAD, "low", "edge_padding_low"},
    {ATR_OP_PAD, "high", "edge_padding_high"},
    {ATR_OP_PAD, "interior", "interior_padding"},
    {ATR_OP_REVERSE, "dims", "dimensions"},
    {ATR_OP_TRANSPOSE, "dims", "permutation"},
    {ATR_OP_BROADCAST, "dims", "broadcast_dimensions"},
    {ATR_OP_CONCATENATE, "dim", "dimension"},
    {ATR_OP_REDUCE, "dimensions", "dimensions"},
    {ATR_OP_IOTA, "dim", "iota_dimension"},
};

static atr_status key_add(operation *o, const atr_mlir_word *key, const char *generic, const char *stops) {
  atr_mlir_word word = {.text = generic, .len = (uint32_t)strlen(generic), .span = key->span};
  return atr_mlir_attr_add(o->m, &word, stops, &o->attrs);
}

/* "key = value" up to one of `stops`; the key has been taken. */
static atr_status keyed_read(operation *o, const atr_mlir_word *key, const char *stops) {
  ATR_TRY(atr_mlir_expect(o->m, "="));
  for (size_t i = 0; i < sizeof pretty_keys / sizeof pretty_keys[0]; i++) {
    if (pretty_keys[i].op == o->inst.op && atr_mlir_word_is(key, pretty_keys[i].pretty)) {
      return key_add(o, key, pretty_keys[i].generic, stops);
    }
  }
  return atr_fail(o->m->work, key->span, ATR_PARSE_ERROR, "'%.*s' is not a key of %.*s", shown(key), key->text, shown(o->name),
                  o->name->text);
}

/* "{stride = [2, 1], ...}" */
static atr_status window_read(operation *o) {
  atr_mlir *m = o->m;
  atr_mlir_word key;
  ATR_TRY(atr_mlir_expect(m, "{"));
  uint32_t start = m->pos - 1;
  if (!atr_mlir_accept(m, "}")) {
    do {
      if (!atr_mlir_word_read(m, &key)) return atr_mlir_unexpected(m, "stride, pad, lhs_dilate, rhs_dilate or reverse");
      ATR_TRY(keyed_read(o, &key, ","));
    } while (atr_mlir_accept(m, ","));
    ATR_TRY(atr_mlir_expect(m, "}"));
  }
  o->spans[ATR_ATTR_WINDOW] = atr_mlir_span(m, start);
  return ATR_OK;
}

/* "(%a, %b) dim_numbers = [...]x[...]->[...], window = {...}" */
static atr_status conv_tail(operation *o) {
  atr_mlir_word key;
  ATR_TRY(atr_mlir_operand_list_read(o->m, o->scope, &o->operands));
  do {
    if (!atr_mlir_word_read(o->m, &key)) return atr_mlir_unexpected(o->m, "dim_numbers or window");
    if (atr_mlir_word_is(&key, "window")) {
      ATR_TRY(atr_mlir_expect(o->m, "="));
      ATR_TRY(window_read(o));
    } else {
      ATR_TRY(keyed_read(o, &key, ",:{"));
    }
  } while (atr_mlir_accept(o->m, ","));
  return ATR_OK;
}

/* "GT" or, behind the operands, "FLOAT". */
static atr_status compare_word(operation *o) {
  bool first = atr_mlir_attr_find(&o->attrs, "comparison_direction") == NULL;
  atr_mlir_word key = {.span = atr_mlir_here(o->m)};
  return key_add(o, &key, first ? "comparison_direction" : "compare_type", ",:{");
}

/* "%a, %b, low = [...]", in any order; compare has words among them. */
static atr_status plain_tail(operation *o) {
  atr_mlir_word key;
  do {
    if (atr_mlir_peek(o->m) == '%') ATR_TRY(atr_mlir_operand_read(o->m, o->scope, &o->operands));
    else if (o->inst.op == ATR_OP_COMPARE) ATR_TRY(compare_word(o));
    else if (atr_mlir_word_read(o->m, &key)) ATR_TRY(keyed_read(o, &key, ",:{"));
    else return atr_mlir_unexpected(o->m, "a value such as '%0'");
  } while (atr_mlir_accept(o->m, ","));
  return ATR_OK;
}

/* "%a [0:1, 1:31:2]" */
static atr_status slice_tail(operation *o) {
  atr_mlir *m = o->m;
  ATR_TRY(atr_mlir_operand_read(m, o->scope, &o->operands));
  o->slice = ATR_NEW_ARRAY(m->work->arena, atr_slice_dim, ATR_MAX_RANK);
  ATR_TRY(atr_mlir_expect(m, "["));
  uint32_t start = m->pos - 1;
  for (bool first = true; !atr_mlir_accept(m, "]"); first = false) {
    if (!first) ATR_TRY(atr_mlir_expect(m, ","));
    if (o->slice_count == ATR_MAX_RANK) {
      return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "this list has more than %d entries", ATR_MAX_RANK);
    }
    atr_slice_dim *dim = &o->slice[o->slice_count++];
    dim->stride = 1;
    ATR_TRY(atr_mlir_int_read(m, &dim->start));
    ATR_TRY(atr_mlir_expect(m, ":"));
    ATR_TRY(atr_mlir_int_read(m, &dim->limit));
    if (atr_mlir_accept(m, ":")) ATR_TRY(atr_mlir_int_read(m, &dim->stride));
  }
  o->spans[ATR_ATTR_SLICE] = atr_mlir_span(m, start);
  return ATR_OK;
}

static atr_status reducer_refuse(const operation *o, const atr_mlir_word *by) {
  return atr_fail(o->m->work, by->span, ATR_UNSUPPORTED, "reduce by '%.*s' is not supported, only by stablehlo.add", shown(by),
                  by->text);
}

/* "(%a init: %c) applies stablehlo.add across dimensions = [1]" */
static atr_status reduce_tail(operation *o) {
  atr_mlir *m = o->m;
  atr_mlir_word word;
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(atr_mlir_operand_read(m, o->scope, &o->operands));
  if (!atr_mlir_accept_word(m, "init")) return atr_mlir_unexpected(m, "init: and the initial value");
  ATR_TRY(atr_mlir_expect(m, ":"));
  ATR_TRY(atr_mlir_operand_read(m, o->scope, &o->operands));
  ATR_TRY(atr_mlir_expect(m, ")"));
  if (!atr_mlir_accept_word(m, "applies")) {
    (void)atr_mlir_word_read(m, &word); /* "across": the computation follows behind the type */
    return atr_fail(m->work, o->name->span, ATR_UNSUPPORTED,
                    "reduce with a computation of its own is not supported, only 'applies stablehlo.add'");
  }
  if (!atr_mlir_word_read(m, &word)) return atr_mlir_unexpected(m, "stablehlo.add");
  if (!atr_mlir_word_is(&word, "stablehlo.add")) return reducer_refuse(o, &word);
  if (!atr_mlir_accept_word(m, "across")) return atr_mlir_unexpected(m, "across");
  if (!atr_mlir_word_read(m, &word)) return atr_mlir_unexpected(m, "dimensions");
  return keyed_read(o, &word, ":{");
}

/* The name of an operation: a word, in the generic form a string. */
static atr_status op_name_read(atr_mlir *m, atr_mlir_word *out, bool *generic) {
  *generic = atr_mlir_peek(m) == '"';
  if (*generic) return atr_mlir_string_read(m, out);
  return atr_mlir_word_read(m, out) ? ATR_OK : atr_mlir_unexpected(m, "an operation");
}

/* "^bb0(%a: tensor<f32>, %b: tensor<f32>):" */
static atr_status reducer_arguments(operation *o, atr_mlir_scope *scope) {
  atr_mlir *m = o->m;
  atr_mlir_word name;
  int64_t index;
  ATR_TRY(atr_mlir_expect(m, "^"));
  if (!atr_mlir_word_read(m, &name)) return atr_mlir_unexpected(m, "the name of a block");
  ATR_TRY(atr_mlir_expect(m, "("));
  for (int i = 0; i < 2; i++) {
    atr_inst inst = {.op = ATR_OP_PARAMETER};
    if (i > 0) ATR_TRY(atr_mlir_expect(m, ","));
    ATR_TRY(atr_mlir_value_read(m, &name, &index));
    ATR_TRY(atr_mlir_expect(m, ":"));
    ATR_TRY(atr_mlir_type_read(m, &inst.shape, &inst.span));
    if (o->operands.count == 2) ATR_TRY(type_compare(m, o->scope, &o->operands, 1, &inst.shape, inst.span));
    atr_id id = atr_module_add(scope->module, &inst);
    ATR_TRY(atr_mlir_scope_bind(m->work, scope, &name, &id, 1));
    ATR_TRY(atr_mlir_skip_location(m));
  }
  ATR_TRY(atr_mlir_expect(m, ")"));
  return atr_mlir_expect(m, ":");
}

/* "%c = stablehlo.add %a, %b : tensor<f32>", of which it makes instruction 3. */
static atr_status reducer_sum(operation *o, atr_mlir_scope *scope) {
  atr_mlir *m = o->m;
  atr_mlir_word name, op;
  int64_t index;
  bool generic;
  atr_id id;
  ATR_TRY(atr_mlir_value_read(m, &name, &index));
  uint32_t start = m->pos;
  ATR_TRY(atr_mlir_expect(m, "="));
  ATR_TRY(op_name_read(m, &op, &generic));
  if (!atr_mlir_word_is(&op, "stablehlo.add")) return reducer_refuse(o, &op);
  ATR_TRY(atr_mlir_op_read(m, scope, start, &op, generic, NULL, &id));
  const atr_id *both = atr_inst_at(scope->module, id)->operands;
  if (both[0] == both[1])
    return atr_fail(m->work, op.span, ATR_UNSUPPORTED, "reduce must add both arguments of its computation");
  ATR_TRY(atr_mlir_scope_bind(m->work, scope, &name, &id, 1));
  return atr_mlir_skip_location(m);
}

/* The computation of the generic form, "({ ^bb0(...): %c = ...  stablehlo.return %c : tensor<f32> })". */
static atr_status reducer_read(operation *o) {
  atr_mlir *m = o->m;
  atr_mlir_scope scope = {.module = atr_module_new(m->work->arena, NULL)};
  atr_mlir_operands returned = {0};
  atr_mlir_word op;
  bool generic;
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(atr_mlir_expect(m, "{"));
  ATR_TRY(reducer_arguments(o, &scope));
  ATR_TRY(reducer_sum(o, &scope));
  if (atr_mlir_peek(m) == '%')
    return atr_fail(m->work, atr_mlir_here(m), ATR_UNSUPPORTED, "reduce by more than stablehlo.add is not supported");
  ATR_TRY(op_name_read(m, &op, &generic));
  if (!atr_mlir_word_is(&op, "stablehlo.return")) return reducer_refuse(o, &op);
  bool list = atr_mlir_accept(m, "(");
  ATR_TRY(atr_mlir_operand_read(m, &scope, &returned));
  if (returned.items[0].id != 3)
    return atr_fail(m->work, returned.items[0].span, ATR_UNSUPPORTED, "reduce must return the sum");
  if (list) ATR_TRY(atr_mlir_expect(m, ")"));
  ATR_TRY(atr_mlir_skip(m, "", false)); /* types and locations, to the closing brace */
  ATR_TRY(atr_mlir_expect(m, "}"));
  return atr_mlir_expect(m, ")");
}

static atr_status operand_count_check(const operation *o) {
  int wanted = atr_op_operand_count(o->inst.op), count = o->operands.count;
  if (wanted < 0 && count > 0) return ATR_OK; /* concatenate takes any number but none */
  if (wanted == count) return ATR_OK;
  return atr_fail(o->m->work, o->name->span, ATR_PARSE_ERROR, "%.*s takes %s%d operand%s, not %d", shown(o->name),
                  o->name->text, wanted < 0 ? "at least " : "", wanted < 0 ? 1 : wanted, wanted < 0 || wanted == 1 ? "" : "s",
                  count);
}

/* Where one type (select: two) may stand for all: the operands of these have the result's type (complex: that of its parts). */
static bool has_short_type(atr_op op) {
  return op == ATR_OP_REVERSE || op == ATR_OP_IOTA || (atr_op_is_elementwise(op) && op != ATR_OP_COMPARE);
}

static atr_status type_read(operation *o) {
  atr_mlir *m = o->m;
  atr_span *span = &o->spans[ATR_ATTR_SHAPE];
  ATR_TRY(atr_mlir_expect(m, ":"));
  if (atr_mlir_peek(m) == '(' || !has_short_type(o->inst.op)) {
    ATR_TRY(atr_mlir_operand_types_read(m, o->scope, &o->operands));
    return atr_mlir_type_read(m, &o->inst.shape, span);
  }
  int first = 0;
  if (o->inst.op == ATR_OP_SELECT) {
    ATR_TRY(atr_mlir_operand_type_read(m, o->scope, &o->operands, first++));
    ATR_TRY(atr_mlir_expect(m, ","));
  }
  ATR_TRY(atr_mlir_type_read(m, &o->inst.shape, span));
  atr_shape operand = o->inst.shape;
  if (o->inst.op == ATR_OP_COMPLEX) operand.dtype = atr_dtype_real(operand.dtype);
  for (int i = first; i < o->operands.count; i++) ATR_TRY(type_compare(m, o->scope, &o->operands, i, &operand, *span));
  return ATR_OK;
}

/* Everything up to the end of the type, except that a pretty constant's type is its literal's. */
static atr_status form_read(operation *o, bool generic) {
  if (generic) {
    ATR_TRY(atr_mlir_operand_list_read(o->m, o->scope, &o->operands));
    ATR_TRY(atr_mlir_properties_read(o->m, &o->attrs));
    if (o->inst.op == ATR_OP_REDUCE) ATR_TRY(reducer_read(o));
    if (atr_mlir_accept(o->m, "{")) ATR_TRY(atr_mlir_dict_read(o->m, &o->attrs)); /* behind the computation */
    ATR_TRY(operand_count_check(o));
    return type_read(o);
  }
  if (o->inst.op == ATR_OP_CONVOLUTION) ATR_TRY(conv_tail(o));
  else if (o->inst.op == ATR_OP_SLICE) ATR_TRY(slice_tail(o));
  else if (o->inst.op == ATR_OP_REDUCE) ATR_TRY(reduce_tail(o));
  else if (o->inst.op != ATR_OP_CONSTANT) ATR_TRY(plain_tail(o));
  if (atr_mlir_accept(o->m, "{")) ATR_TRY(atr_mlir_dict_read(o->m, &o->attrs));
  ATR_TRY(operand_count_check(o));
  return o->inst.op == ATR_OP_CONSTANT ? ATR_OK : type_read(o);
}

/* ---- attributes into the instruction */

static atr_status dims_store(operation *o, const char *key) {
  atr_mlir_ints list;
  ATR_TRY(list_find(o, key, ATR_ATTR_DIMENSIONS, &list));
  o->inst.u.dims.count = list.count;
  o->inst.u.dims.dims = ATR_NEW_ARRAY(o->m->work->arena, int64_t, list.count);
  memcpy(o->inst.u.dims.dims, list.items, sizeof(int64_t) * (size_t)list.count);
  return ATR_OK;
}

/* The one dimension of concatenate and iota. */
static atr_status dim_store(operation *o, const char *key) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(&o->attrs, key);
  if (attr == NULL) return lacks(o, key);
  o->spans[ATR_ATTR_DIMENSIONS] = atr_mlir_attr_span(attr);
  o->inst.u.dims.count = 1;
  o->inst.u.dims.dims = ATR_NEW(o->m->work->arena, int64_t);
  return atr_mlir_attr_int(o->m, attr, o->inst.u.dims.dims);
}

static atr_status pad_store(operation *o) {
  atr_mlir_ints low, high, interior;
  ATR_TRY(list_per_dim(o, "edge_padding_low", ATR_ATTR_PADDING, &low));
  ATR_TRY(list_per_dim(o, "edge_padding_high", ATR_ATTR_PADDING, &high));
  ATR_TRY(list_per_dim(o, "interior_padding", ATR_ATTR_PADDING, &interior));
  o->inst.u.pad = ATR_NEW_ARRAY(o->m->work->arena, atr_pad_dim, low.count);
  for (int i = 0; i < low.count; i++) {
    o->inst.u.pad[i] = (atr_pad_dim){.low = low.items[i], .high = high.items[i], .interior = interior.items[i]};
  }
  return ATR_OK;
}

static atr_status slice_store(operation *o) {
  atr_mlir_ints start, limit, strides;
  int rank = operand_shape(o->scope, &o->operands, 0)->rank;
  if (o->slice != NULL) {
    o->inst.u.slice = o->slice;
    if (o->slice_count == rank) return ATR_OK;
    return atr_fail(o->m->work, o->spans[ATR_ATTR_SLICE], ATR_VERIFY_ERROR,
                    "the slice has %d entries, the operand has %d dimensions", o->slice_count, rank);
  }
  ATR_TRY(list_per_dim(o, "start_indices", ATR_ATTR_SLICE, &start));
  ATR_TRY(list_per_dim(o, "limit_indices", ATR_ATTR_SLICE, &limit));
  ATR_TRY(list_per_dim(o, "strides", ATR_ATTR_SLICE, &strides));
  o->inst.u.slice = ATR_NEW_ARRAY(o->m->work->arena, atr_slice_dim, rank);
  for (int i = 0; i < rank; i++) {
    o->inst.u.slice[i] = (atr_slice_dim){.start = start.items[i], .limit = limit.items[i], .stride = strides.items[i]};
  }
  return ATR_OK;
}

/* The comparison type follows from the operands' dtype; one that says something else would change the result. */
static atr_status compare_type_check(operation *o) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(&o->attrs, "compare_type");
  if (attr == NULL) return ATR_OK;
  atr_mlir at = atr_mlir_attr_value(o->m, attr);
  atr_mlir_word word;
  ATR_TRY(atr_mlir_enum_read(&at, "a comparison type", &word));
  const char *wanted = "FLOAT";
  atr_dtype dtype = operand_shape(o->scope, &o->operands, 0)->dtype;
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_SINT: wanted = "SIGNED"; break;
  case ATR_CLASS_PRED:
  case ATR_CLASS_UINT: wanted = "UNSIGNED"; break;
  case ATR_CLASS_NONE:
  case ATR_CLASS_FLOAT:
  case ATR_CLASS_COMPLEX: break;
  }
  if (atr_mlir_word_is(&word, wanted) || atr_mlir_word_is(&word, "NOTYPE")) return ATR_OK;
  return atr_fail(o->m->work, word.span, ATR_UNSUPPORTED, "comparison type %.*s of %s elements is not supported: %s is",
                  shown(&word), word.text, atr_dtype_stablehlo_name(dtype), wanted);
}

static atr_status compare_store(operation *o) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(&o->attrs, "comparison_direction");
  if (attr == NULL) return lacks(o, "comparison_direction");
  atr_mlir at = atr_mlir_attr_value(o->m, attr);
  atr_mlir_word word;
  ATR_TRY(atr_mlir_enum_read(&at, "a comparison direction", &word));
  o->spans[ATR_ATTR_DIRECTION] = word.span;
  int direction = atr_direction_from_name(word.text, word.len);
  if (direction < 0)
    return atr_fail(o->m->work, word.span, ATR_PARSE_ERROR, "a comparison direction is EQ, NE, LT, LE, GT or GE");
  o->inst.u.direction = (atr_direction)direction;
  return compare_type_check(o);
}

static atr_status attributes_store(operation *o) {
  switch (o->inst.op) {
  case ATR_OP_CONVOLUTION:
    return atr_mlir_conv_read(o->m, &o->attrs, operand_shape(o->scope, &o->operands, 1), o->name->span, o->spans,
                              &o->inst.u.conv);
  case ATR_OP_PAD: return pad_store(o);
  case ATR_OP_REDUCE:
  case ATR_OP_REVERSE: return dims_store(o, "dimensions");
  case ATR_OP_BROADCAST: return dims_store(o, "broadcast_dimensions");
  case ATR_OP_TRANSPOSE: return dims_store(o, "permutation");
  case ATR_OP_SLICE: return slice_store(o);
  case ATR_OP_CONCATENATE: return dim_store(o, "dimension");
  case ATR_OP_IOTA: return dim_store(o, "iota_dimension");
  case ATR_OP_COMPARE: return compare_store(o);
  case ATR_OP_CONSTANT:
  case ATR_OP_RESHAPE:
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
  case ATR_OP_SELECT: return ATR_OK;
  case ATR_OP_NONE:
  case ATR_OP_PARAMETER:
  case ATR_OP_LOCAL_CONVOLUTION:
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT:
  case ATR_OP_COPY:
  case ATR_OP_COUNT: break;
  }
  return ATR_BUG(o->m->work, "an operation that StableHLO does not have");
}

/* ---- instructions */

/* Adds an instruction that the text does not name, at the same place. */
static atr_id helper_add(operation *o, atr_op op, const atr_shape *shape, const atr_id *operand, const void *literal) {
  atr_inst inst = {.op = op, .shape = *shape, .span = o->inst.span, .spans = o->spans};
  atr_id id = operand != NULL ? *operand : 0;
  inst.operand_count = operand != NULL;
  inst.operands = &id;
  if (literal != NULL) inst.u.literal = literal;
  return atr_module_add(o->scope->module, &inst);
}

static atr_id inst_add(operation *o) {
  atr_arena *arena = o->m->work->arena;
  o->inst.name = o->result_name;
  o->inst.operand_count = o->operands.count;
  o->inst.operands = ATR_NEW_ARRAY(arena, atr_id, o->operands.count);
  for (int i = 0; i < o->operands.count; i++) o->inst.operands[i] = o->operands.items[i].id;
  return atr_module_add(o->scope->module, &o->inst);
}

/* HLO's broadcast wants equal extents, so dimensions of extent 1 that are stretched are reshaped away first:
 * tensor<4x1xf32>, dims = [0, 1] -> tensor<4x3xf32> is a reshape to f32[4] and a broadcast with dimensions={0}. */
static atr_status broadcast_add(operation *o, atr_id *out) {
  const atr_shape *from = operand_shape(o->scope, &o->operands, 0), *to = &o->inst.shape;
  int64_t *dims = o->inst.u.dims.dims, kept[ATR_MAX_RANK];
  int count = 0;
  if (o->inst.u.dims.count != from->rank) {
    return atr_fail(o->m->work, o->spans[ATR_ATTR_DIMENSIONS], ATR_VERIFY_ERROR,
                    "broadcast_dimensions has %d entries, the operand has %d dimensions", o->inst.u.dims.count, from->rank);
  }
  for (int i = 0; i < from->rank; i++) {
    bool stretched = from->dims[i] == 1 && dims[i] >= 0 && dims[i] < to->rank && to->dims[dims[i]] != 1;
    if (stretched) continue;
    dims[count] = dims[i];
    kept[count++] = from->dims[i];
  }
  if (count < from->rank) {
    atr_shape shape = atr_shape_make(from->dtype, count, kept);
    o->operands.items[0].id = helper_add(o, ATR_OP_RESHAPE, &shape, &o->operands.items[0].id, NULL);
    o->inst.u.dims.count = count;
  }
  *out = inst_add(o);
  return ATR_OK;
}

static atr_status constant_add(operation *o, bool generic, uint32_t start, atr_id *out) {
  atr_mlir at = *o->m;
  atr_shape shape;
  atr_span type;
  const void *data;
  bool splat;
  if (generic) {
    const atr_mlir_attr *attr = atr_mlir_attr_find(&o->attrs, "value");
    if (attr == NULL) return lacks(o, "value");
    at = atr_mlir_attr_value(o->m, attr);
  }
  o->spans[ATR_ATTR_LITERAL] = atr_mlir_here(&at);
  ATR_TRY(atr_mlir_literal_read(&at, &shape, &type, &data, &splat));
  if (generic && !atr_shape_equal(&shape, &o->inst.shape)) {
    return atr_fail(o->m->work, type, ATR_PARSE_ERROR, "the literal is %s, the constant %s",
                    atr_mlir_type_text(o->m->work, &shape), atr_mlir_type_text(o->m->work, &o->inst.shape));
  }
  if (!generic) {
    o->m->pos = at.pos;
    o->inst.shape = shape;
    o->inst.span = atr_mlir_span(o->m, start);
    o->spans[ATR_ATTR_SHAPE] = type;
  }
  if (!splat || shape.rank == 0) {
    o->inst.u.literal = data;
    *out = inst_add(o);
    return ATR_OK;
  }
  atr_shape scalar = atr_shape_make(shape.dtype, 0, NULL);
  ATR_RESERVE(o->m->work->arena, o->operands.items, o->operands.count, o->operands.capacity);
  o->operands.items[o->operands.count++].id = helper_add(o, ATR_OP_CONSTANT, &scalar, NULL, data);
  o->inst.op = ATR_OP_BROADCAST;
  o->inst.u.dims.dims = ATR_NEW_ARRAY(o->m->work->arena, int64_t, 0);
  o->inst.u.dims.count = 0;
  *out = inst_add(o);
  return ATR_OK;
}

atr_status atr_mlir_op_read(atr_mlir *m, const atr_mlir_scope *scope, uint32_t start, const atr_mlir_word *name, bool generic,
                            const char *result, atr_id *out) {
  atr_op op = op_from_name(name);
  if (op == ATR_OP_NONE) return unsupported(m, name);
  operation o = {.m = m, .scope = scope, .name = name, .result_name = result, .inst = {.op = op}};
  o.spans = ATR_NEW_ARRAY(m->work->arena, atr_span, ATR_ATTR_COUNT);
  o.inst.spans = o.spans;
  o.spans[ATR_ATTR_OPCODE] = name->span;
  ATR_TRY(form_read(&o, generic));
  o.inst.span = atr_mlir_span(m, start);
  if (op == ATR_OP_CONSTANT) return constant_add(&o, generic, start, out);
  ATR_TRY(attributes_store(&o));
  if (op == ATR_OP_BROADCAST) return broadcast_add(&o, out);
  *out = inst_add(&o);
  return ATR_OK;
}
