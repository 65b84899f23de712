/* hlo_read.c - HLO text to computations.
 *
 * In: "HloModule m  ENTRY e { x = f32[8] parameter(0)  ROOT y = f32[8] negate(x) }", as jax.jit(f).lower(x).as_text("hlo") and
 * ...compile().as_text() print it. Out: a module, by way of the computations of hlo_read.h: this file reads their structure,
 * types and operands, hlo_attrs.c the attributes, hlo_literal.c the constants, and hlo_inline.c makes one list of it.
 *
 * Operands are looked up while reading (a definition comes before its uses); called computations afterwards, since they may
 * come in any order. Blocks that only serve debugging (FileNames, StackFrames, ...) and the module's attributes are skipped,
 * except for entry_computation_layout, which says how the caller's arrays lie in memory. */
#include <string.h>

#include "ir/hlo_read.h"

enum { MAX_NESTED_OPERANDS = 64 };

/* ---- small steps */

atr_status atr_hlo_expected(atr_hlo_reader *r, const char *what) {
  const atr_token *token = atr_hlo_token(r);
  return atr_fail(r->work, token->span, ATR_PARSE_ERROR, "expected %s but found %s", what,
                  atr_token_describe(r->work->arena, token));
}

atr_status atr_hlo_take(atr_hlo_reader *r, char punct) {
  if (atr_token_is(atr_hlo_token(r), punct)) return atr_hlo_next(r);
  return atr_hlo_expected(r, atr_arena_printf(r->work->arena, "'%c'", punct));
}

atr_status atr_hlo_take_int(atr_hlo_reader *r, const char *what, int64_t *out) {
  const atr_token *token = atr_hlo_token(r);
  if (token->kind != ATR_TOKEN_WORD || !atr_text_to_int64(token->text, token->len, out)) return atr_hlo_expected(r, what);
  return atr_hlo_next(r);
}

atr_status atr_hlo_take_int_list(atr_hlo_reader *r, const char *what, int64_t out[ATR_MAX_RANK], int *count) {
  int n = 0;
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}')) {
    if (n > 0) ATR_TRY(atr_hlo_take(r, ','));
    if (n == ATR_MAX_RANK) {
      return atr_fail(r->work, atr_hlo_token(r)->span, ATR_UNSUPPORTED, "more than %d dimensions", ATR_MAX_RANK);
    }
    ATR_TRY(atr_hlo_take_int(r, what, &out[n++]));
  }
  *count = n;
  return atr_hlo_next(r);
}

static bool is_name(const atr_token *token) {
  if (token->kind != ATR_TOKEN_WORD || token->len == 0) return false;
  char c = token->text[0];
  if (c != '_' && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) return false;
  return memchr(token->text, '?', token->len) == NULL && memchr(token->text, '+', token->len) == NULL;
}

static atr_status take_name(atr_hlo_reader *r, const char *what, atr_token *out) {
  if (!is_name(atr_hlo_token(r))) return atr_hlo_expected(r, what);
  *out = *atr_hlo_token(r);
  return atr_hlo_next(r);
}

/* ---- names: an open-addressed table, at most half full */

static uint32_t hash_name(const char *name, size_t len) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return hash;
}

static uint32_t find_slot(const atr_hlo_names *names, const char *name, size_t len, uint32_t hash) {
  uint32_t slot = hash & (names->slot_count - 1);
  while (names->slots[slot].name != NULL) {
    bool equal = names->slots[slot].hash == hash && names->slots[slot].len == len &&
                 memcmp(names->slots[slot].name, name, len) == 0;
    if (equal) break;
    slot = (slot + 1) & (names->slot_count - 1);
  }
  return slot;
}

const uint32_t *atr_hlo_names_find(const atr_hlo_names *names, const char *name, size_t len) {
  if (names->count == 0) return NULL;
  uint32_t slot = find_slot(names, name, len, hash_name(name, len));
  return names->slots[slot].name != NULL ? &names->slots[slot].value : NULL;
}

static void grow_names(atr_arena *arena, atr_hlo_names *names) {
  atr_hlo_names old = *names;
  names->slot_count = old.slot_count != 0 ? 2 * old.slot_count : 16;
  names->slots = atr_arena_alloc(arena, names->slot_count * sizeof *names->slots);
  for (uint32_t i = 0; i < old.slot_count; i++) {
    if (old.slots[i].name == NULL) continue;
    names->slots[find_slot(names, old.slots[i].name, old.slots[i].len, old.slots[i].hash)] = old.slots[i];
  }
}

void atr_hlo_names_add(atr_arena *arena, atr_hlo_names *names, const char *name, size_t len, uint32_t value) {
  if (2 * (names->count + 1) > names->slot_count) grow_names(arena, names);
  uint32_t hash = hash_name(name, len), slot = find_slot(names, name, len, hash);
  names->slots[slot].name = name;
  names->slots[slot].len = len;
  names->slots[slot].hash = hash;
  names->slots[slot].value = value;
  names->count++;
}

/* ---- types */

/* dtypes that HLO has and we do not: refused as such, so that nobody looks for a misspelling. */
static bool is_foreign_dtype(const atr_token *token) {
  static const char *const names[] = {"s1", "s2", "s4", "u1", "u2", "u4", "f8e3m4", "f8e4m3", "f8e4m3b11fnuz", "f8e4m3fnuz",
                                      "f8e5m2fnuz", "f4e2m1fn", "f8e8m0fnu", "token", "opaque"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (atr_token_is_word(token, names[i])) return true;
  }
  return false;
}

static atr_status read_dtype(atr_hlo_reader *r, atr_dtype *out) {
  const atr_token *token = atr_hlo_token(r);
  if (token->kind != ATR_TOKEN_WORD) return atr_hlo_expected(r, "a type");
  *out = atr_dtype_from_name(token->text, token->len);
  if (*out == ATR_DTYPE_NONE && is_foreign_dtype(token)) {
    return atr_fail(r->work, token->span, ATR_UNSUPPORTED, "the dtype %.*s is not supported",
                    ATR_CLIP(token->text, token->len));
  }
  if (*out == ATR_DTYPE_NONE) return atr_hlo_expected(r, "a dtype");
  return atr_hlo_next(r);
}

static atr_status read_dim(atr_hlo_reader *r, int64_t *out) {
  atr_span span = atr_hlo_token(r)->span;
  if (atr_token_is(atr_hlo_token(r), '<') || atr_token_is_word(atr_hlo_token(r), "?")) {
    return atr_fail(r->work, span, ATR_UNSUPPORTED, "dynamic dimensions are not supported");
  }
  ATR_TRY(atr_hlo_take_int(r, "a dimension as an integer of 64 bits", out));
  if (*out < 0) return atr_fail(r->work, span, ATR_PARSE_ERROR, "the dimension %lld is negative", (long long)*out);
  return ATR_OK;
}

static atr_status read_dims(atr_hlo_reader *r, atr_dtype dtype, atr_shape *out) {
  int64_t dims[ATR_MAX_RANK];
  int rank = 0;
  ATR_TRY(atr_hlo_take(r, '['));
  while (!atr_token_is(atr_hlo_token(r), ']')) {
    if (rank > 0) ATR_TRY(atr_hlo_take(r, ','));
    if (rank == ATR_MAX_RANK) {
      return atr_fail(r->work, atr_hlo_token(r)->span, ATR_UNSUPPORTED, "a shape of more than %d dimensions", ATR_MAX_RANK);
    }
    ATR_TRY(read_dim(r, &dims[rank++]));
  }
  *out = atr_shape_make(dtype, rank, dims);
  return atr_hlo_next(r);
}

/* True before "{3,2" and "{:", where a layout begins; a '{' before anything else opens the body of a computation. */
static bool at_layout(const atr_hlo_reader *r, int rank) {
  if (!atr_token_is(atr_hlo_token(r), '{')) return false;
  char c = atr_lexer_peek(&r->lexer);
  return (c >= '0' && c <= '9') || c == '-' || c == ':' || (c == '}' && rank == 0);
}

/* Behind the list of dimensions: tiles and memory spaces, which say nothing about the arrays that callers pass. */
static atr_status skip_tiling(atr_hlo_reader *r) {
  ATR_TRY(atr_hlo_next(r));
  while (!atr_token_is(atr_hlo_token(r), '}')) {
    if (atr_hlo_token(r)->kind == ATR_TOKEN_END) return atr_hlo_expected(r, "'}' after the layout");
    ATR_TRY(atr_lexer_skip_value(r->work, &r->lexer));
  }
  return ATR_OK;
}

static atr_status read_layout(atr_hlo_reader *r, atr_shape *shape) {
  atr_span start = atr_hlo_token(r)->span;
  int count = 0;
  bool seen[ATR_MAX_RANK] = {false};
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}') && !atr_token_is(atr_hlo_token(r), ':')) {
    if (count > 0) ATR_TRY(atr_hlo_take(r, ','));
    int64_t dim;
    atr_span span = atr_hlo_token(r)->span;
    ATR_TRY(atr_hlo_take_int(r, "the number of a dimension in the layout", &dim));
    if (count == shape->rank) {
      return atr_fail(r->work, span, ATR_PARSE_ERROR, "the layout has more entries than the rank %d", shape->rank);
    }
    if (dim < 0 || dim >= shape->rank) {
      return atr_fail(r->work, span, ATR_PARSE_ERROR, "the layout names dimension %lld, the rank is %d", (long long)dim,
                      shape->rank);
    }
    if (seen[dim]) return atr_fail(r->work, span, ATR_PARSE_ERROR, "the layout names dimension %lld twice", (long long)dim);
    seen[dim] = true;
    shape->minor_to_major[count++] = (int8_t)dim;
  }
  if (atr_token_is(atr_hlo_token(r), ':')) {
    ATR_TRY(skip_tiling(r));
    if (count == 0) count = shape->rank; /* "{:T(128)}" states tiles only; the order stays row major */
  }
  if (count != shape->rank) {
    return atr_fail(r->work, start, ATR_PARSE_ERROR, "the layout has %d entries, the rank is %d", count, shape->rank);
  }
  return atr_hlo_take(r, '}');
}

static atr_status read_array_type(atr_hlo_reader *r, atr_hlo_shape *out) {
  atr_dtype dtype = ATR_DTYPE_NONE;
  atr_span start = atr_hlo_token(r)->span;
  ATR_TRY(read_dtype(r, &dtype));
  ATR_TRY(read_dims(r, dtype, &out->shape));
  out->has_layout = at_layout(r, out->shape.rank);
  if (out->has_layout) ATR_TRY(read_layout(r, &out->shape));
  out->span = atr_lexer_span_from(&r->lexer, start);
  return ATR_OK;
}

static atr_status read_type(atr_hlo_reader *r, atr_hlo_type *out) {
  atr_span start = atr_hlo_token(r)->span;
  int capacity = 0;
  *out = (atr_hlo_type){.stated = true, .is_tuple = atr_token_is(atr_hlo_token(r), '(')};
  if (!out->is_tuple) {
    out->elements = ATR_NEW(r->work->arena, atr_hlo_shape);
    out->count = 1;
    ATR_TRY(read_array_type(r, out->elements));
    out->span = out->elements->span;
    return ATR_OK;
  }
  ATR_TRY(atr_hlo_next(r));
  while (!atr_token_is(atr_hlo_token(r), ')')) {
    if (out->count > 0) ATR_TRY(atr_hlo_take(r, ','));
    if (atr_token_is(atr_hlo_token(r), '(')) {
      return atr_fail(r->work, atr_hlo_token(r)->span, ATR_UNSUPPORTED, "nested tuples are not supported");
    }
    ATR_RESERVE(r->work->arena, out->elements, out->count, capacity);
    ATR_TRY(read_array_type(r, &out->elements[out->count++]));
  }
  ATR_TRY(atr_hlo_next(r));
  out->span = atr_lexer_span_from(&r->lexer, start);
  return ATR_OK;
}

static bool at_type(const atr_hlo_reader *r) {
  return atr_token_is(atr_hlo_token(r), '(') || (atr_hlo_token(r)->kind == ATR_TOKEN_WORD && atr_lexer_peek(&r->lexer) == '[');
}

/* ---- instructions */

static atr_status read_op(atr_hlo_reader *r, atr_hlo_comp *comp, const atr_token *name, int depth, uint32_t *out);

static atr_status read_operand(atr_hlo_reader *r, atr_hlo_comp *comp, atr_hlo_operand *operand, int depth) {
  atr_span start = atr_hlo_token(r)->span;
  /* In "f32[2] add(a, b)" the type belongs to the nested instruction, in "f32[2] a" it repeats that of a. */
  atr_lexer before = r->lexer;
  atr_hlo_type *type = NULL;
  if (at_type(r)) {
    type = ATR_NEW(r->work->arena, atr_hlo_type);
    ATR_TRY(read_type(r, type));
  }
  if (atr_hlo_token(r)->kind == ATR_TOKEN_WORD && atr_lexer_peek(&r->lexer) == '(') {
    r->lexer = before;
    if (depth == MAX_NESTED_OPERANDS) {
      return atr_fail(r->work, start, ATR_UNSUPPORTED, "operands are nested more than %d deep", MAX_NESTED_OPERANDS);
    }
    ATR_TRY(read_op(r, comp, NULL, depth + 1, &operand->node));
  } else {
    atr_token name;
    ATR_TRY(take_name(r, "an operand", &name));
    const uint32_t *node = atr_hlo_names_find(&r->names, name.text, name.len);
    if (node == NULL) {
      return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "no instruction '%.*s' stands before its use",
                      ATR_CLIP(name.text, name.len));
    }
    operand->node = *node;
    operand->stated = type;
  }
  operand->span = atr_lexer_span_from(&r->lexer, start);
  return ATR_OK;
}

static atr_status read_operands(atr_hlo_reader *r, atr_hlo_comp *comp, atr_hlo_node *node, int depth) {
  while (!atr_token_is(atr_hlo_token(r), ')')) {
    if (node->operand_count > 0) ATR_TRY(atr_hlo_take(r, ','));
    ATR_RESERVE(r->work->arena, node->operands, node->operand_count, node->operand_capacity);
    ATR_TRY(read_operand(r, comp, &node->operands[node->operand_count], depth));
    node->operand_count++;
  }
  return ATR_OK;
}

static atr_status need_type(atr_hlo_reader *r, const atr_hlo_node *node) {
  if (node->type.stated) return ATR_OK;
  return atr_fail(r->work, node->spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "the result type of %s must be stated", node->opcode);
}

/* What stands between the parentheses. */
static atr_status read_inside(atr_hlo_reader *r, atr_hlo_comp *comp, atr_hlo_node *node, int depth) {
  if (node->kind == ATR_HLO_OP && node->inst.op == ATR_OP_PARAMETER) {
    atr_span span = atr_hlo_token(r)->span;
    ATR_TRY(need_type(r, node));
    ATR_TRY(atr_hlo_take_int(r, "the number of the parameter", &node->inst.u.parameter));
    if (node->inst.u.parameter < 0) return atr_fail(r->work, span, ATR_PARSE_ERROR, "the number of the parameter is negative");
    node->spans[ATR_ATTR_LITERAL] = span;
    return ATR_OK;
  }
  if (node->kind == ATR_HLO_OP && node->inst.op == ATR_OP_CONSTANT) {
    atr_span start = atr_hlo_token(r)->span;
    ATR_TRY(need_type(r, node));
    ATR_TRY(atr_hlo_literal_read(r, &node->type.elements[0].shape, &node->inst.u.literal));
    node->spans[ATR_ATTR_LITERAL] = atr_lexer_span_from(&r->lexer, start);
    return ATR_OK;
  }
  return read_operands(r, comp, node, depth);
}

/* The opcode, and how many operands it takes (-1: any number). */
static atr_status read_opcode(atr_hlo_reader *r, atr_hlo_node *node, int *operands) {
  static const struct { const char *name; atr_hlo_kind kind; int operands; } others[] = {
    {"tuple", ATR_HLO_TUPLE, -1}, {"get-tuple-element", ATR_HLO_ELEMENT, 1}, {"call", ATR_HLO_CALL, -1},
    {"fusion", ATR_HLO_CALL, -1}, {"bitcast", ATR_HLO_BITCAST, 1}};
  const atr_token token = *atr_hlo_token(r);
  if (token.kind != ATR_TOKEN_WORD || atr_lexer_peek(&r->lexer) != '(') {
    return atr_hlo_expected(r, node->type.stated ? "an operation with its operands in parentheses" : "a type or an operation");
  }
  node->spans[ATR_ATTR_OPCODE] = token.span;
  node->opcode = atr_arena_string(r->work->arena, token.text, token.len);
  node->kind = ATR_HLO_OP;
  node->inst.op = atr_op_from_name(token.text, token.len);
  *operands = atr_op_operand_count(node->inst.op);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (!atr_token_is_word(&token, others[i].name)) continue;
    node->kind = others[i].kind;
    *operands = others[i].operands;
    return atr_hlo_next(r);
  }
  bool ours_only = atr_op_target(node->inst.op) != NULL; /* has no opcode in HLO */
  if (atr_token_is_word(&token, "custom-call")) {
    node->inst.op = ATR_OP_LOCAL_CONVOLUTION; /* or another of its kind: the target says */
    *operands = -1;
  } else if (node->inst.op == ATR_OP_NONE || ours_only) {
    return atr_fail(r->work, token.span, ATR_UNSUPPORTED, "the operation '%.*s' is not supported",
                    ATR_CLIP(token.text, token.len));
  }
  return atr_hlo_next(r);
}

static atr_conv *new_conv(atr_arena *arena) {
  atr_conv *conv = ATR_NEW(arena, atr_conv);
  for (int i = 0; i < ATR_MAX_SPATIAL; i++) {
    conv->window[i].stride = conv->window[i].lhs_dilation = conv->window[i].rhs_dilation = 1;
  }
  conv->feature_group_count = conv->batch_group_count = 1;
  return conv;
}

static atr_status check_type(atr_hlo_reader *r, const atr_hlo_node *node) {
  if (!node->type.stated) return ATR_OK;
  if (node->type.is_tuple && (node->kind == ATR_HLO_ELEMENT || node->kind == ATR_HLO_BITCAST)) {
    return atr_fail(r->work, node->type.span, ATR_PARSE_ERROR, "the result of %s is not a tuple", node->opcode);
  }
  if (node->type.is_tuple && node->kind == ATR_HLO_OP && node->inst.op != ATR_OP_PARAMETER) {
    return atr_fail(r->work, node->type.span, ATR_PARSE_ERROR, "the result of %s is not a tuple", node->opcode);
  }
  if (!node->type.is_tuple && node->kind == ATR_HLO_TUPLE) {
    return atr_fail(r->work, node->type.span, ATR_PARSE_ERROR, "the result of tuple is a tuple");
  }
  return ATR_OK;
}

static uint32_t add_node(atr_hlo_reader *r, atr_hlo_comp *comp, const atr_hlo_node *node) {
  ATR_RESERVE(r->work->arena, comp->nodes, comp->count, comp->capacity);
  comp->nodes[comp->count] = *node;
  comp->has_bitcast = comp->has_bitcast || node->kind == ATR_HLO_BITCAST;
  return comp->count++;
}

/* "type opcode(operands), attributes". name NULL: nested in another instruction's operands, and without attributes. */
static atr_status read_op(atr_hlo_reader *r, atr_hlo_comp *comp, const atr_token *name, int depth, uint32_t *out) {
  atr_hlo_node node = {.kind = ATR_HLO_OP};
  atr_span start = name != NULL ? name->span : atr_hlo_token(r)->span;
  int operands = 0;
  node.spans = ATR_NEW_ARRAY(r->work->arena, atr_span, ATR_ATTR_COUNT);
  node.inst.spans = node.spans;
  if (name != NULL) node.inst.name = atr_arena_string(r->work->arena, name->text, name->len);
  if (at_type(r)) ATR_TRY(read_type(r, &node.type));
  node.spans[ATR_ATTR_SHAPE] = node.type.span;
  ATR_TRY(read_opcode(r, &node, &operands));
  node.uses = atr_hlo_attr_uses(&node);
  bool conv = node.kind == ATR_HLO_OP && atr_op_kind_of(node.inst.op) == ATR_KIND_CONV;
  if (conv) node.inst.u.conv = new_conv(r->work->arena);
  ATR_TRY(check_type(r, &node));
  ATR_TRY(atr_hlo_take(r, '('));
  ATR_TRY(read_inside(r, comp, &node, depth));
  ATR_TRY(atr_hlo_take(r, ')'));
  if (operands >= 0 && node.operand_count != operands) {
    return atr_fail(r->work, node.spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "%s takes %d operand%s but has %d", node.opcode,
                    operands, operands == 1 ? "" : "s", node.operand_count);
  }
  ATR_TRY(atr_hlo_attrs_read(r, &node, name == NULL));
  node.inst.span = atr_lexer_span_from(&r->lexer, start);
  *out = add_node(r, comp, &node);
  return ATR_OK;
}

static atr_status read_instruction(atr_hlo_reader *r, atr_hlo_comp *comp, bool *has_root) {
  atr_token name;
  bool root = atr_token_is_word(atr_hlo_token(r), "ROOT") && atr_lexer_peek(&r->lexer) != '=';
  if (root && *has_root) return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR, "a second ROOT in one computation");
  if (root) ATR_TRY(atr_hlo_next(r));
  ATR_TRY(take_name(r, "the name of an instruction", &name));
  if (atr_hlo_names_find(&r->names, name.text, name.len) != NULL) {
    return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "a second instruction '%.*s' in one computation",
                    ATR_CLIP(name.text, name.len));
  }
  ATR_TRY(atr_hlo_take(r, '='));
  uint32_t node;
  ATR_TRY(read_op(r, comp, &name, 0, &node));
  atr_hlo_names_add(r->work->arena, &r->names, name.text, name.len, node);
  if (root || !*has_root) comp->root = node;
  *has_root = *has_root || root;
  return ATR_OK;
}

/* ---- computations */

/* Every number from 0 on, each once. */
static atr_status number_parameters(atr_hlo_reader *r, atr_hlo_comp *comp) {
  for (uint32_t i = 0; i < comp->count; i++) {
    comp->parameter_count += comp->nodes[i].kind == ATR_HLO_OP && comp->nodes[i].inst.op == ATR_OP_PARAMETER;
  }
  comp->parameters = ATR_NEW_ARRAY(r->work->arena, uint32_t, comp->parameter_count);
  memset(comp->parameters, 0xff, comp->parameter_count * sizeof(uint32_t));
  for (uint32_t i = 0; i < comp->count; i++) {
    const atr_hlo_node *node = &comp->nodes[i];
    if (node->kind != ATR_HLO_OP || node->inst.op != ATR_OP_PARAMETER) continue;
    int64_t number = node->inst.u.parameter;
    if (number >= comp->parameter_count) {
      return atr_fail(r->work, node->spans[ATR_ATTR_LITERAL], ATR_PARSE_ERROR,
                      "parameter number %lld in a computation of %u parameters", (long long)number, comp->parameter_count);
    }
    if (comp->parameters[number] != UINT32_MAX) {
      return atr_fail(r->work, node->spans[ATR_ATTR_LITERAL], ATR_PARSE_ERROR, "a second parameter %lld in one computation",
                      (long long)number);
    }
    comp->parameters[number] = i;
  }
  return ATR_OK;
}

/* "(x: f32[2], y: f32[3]) -> f32[5]", which only repeats what the instructions say. */
static atr_status skip_signature(atr_hlo_reader *r) {
  atr_hlo_type type;
  atr_token name;
  bool first = true;
  ATR_TRY(atr_hlo_take(r, '('));
  while (!atr_token_is(atr_hlo_token(r), ')')) {
    if (!first) ATR_TRY(atr_hlo_take(r, ','));
    first = false;
    ATR_TRY(take_name(r, "the name of a parameter", &name));
    ATR_TRY(atr_hlo_take(r, ':'));
    ATR_TRY(read_type(r, &type));
  }
  ATR_TRY(atr_hlo_next(r));
  if (atr_hlo_token(r)->kind != ATR_TOKEN_ARROW) return atr_hlo_expected(r, "'->' and the type of the result");
  ATR_TRY(atr_hlo_next(r));
  return read_type(r, &type);
}

static atr_status read_body(atr_hlo_reader *r, atr_hlo_comp *comp) {
  bool has_root = false;
  r->names = (atr_hlo_names){.count = 0};
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}')) ATR_TRY(read_instruction(r, comp, &has_root));
  if (comp->count == 0) {
    return atr_fail(r->work, comp->span, ATR_PARSE_ERROR, "the computation '%.60s' has no instructions", comp->name);
  }
  if (!has_root) comp->root = comp->count - 1;
  ATR_TRY(atr_hlo_next(r));
  return number_parameters(r, comp);
}

static atr_status read_computation(atr_hlo_reader *r) {
  atr_token name;
  bool entry = atr_token_is_word(atr_hlo_token(r), "ENTRY");
  if (entry && r->has_entry) return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR, "a second ENTRY computation");
  if (entry) ATR_TRY(atr_hlo_next(r));
  ATR_TRY(take_name(r, entry ? "the name of the ENTRY computation" : "a computation", &name));
  if (atr_hlo_names_find(&r->comp_names, name.text, name.len) != NULL) {
    return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "a second computation '%.*s'", ATR_CLIP(name.text, name.len));
  }
  atr_hlo_comp comp = {.name = atr_arena_string(r->work->arena, name.text, name.len), .span = name.span};
  if (atr_token_is(atr_hlo_token(r), '(')) ATR_TRY(skip_signature(r));
  ATR_TRY(read_body(r, &comp));
  while (atr_token_is(atr_hlo_token(r), ',')) {
    ATR_TRY(atr_hlo_next(r));
    if (!atr_token_is_word(atr_hlo_token(r), "execution_thread")) return atr_hlo_expected(r, "execution_thread");
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(atr_hlo_take(r, '='));
    ATR_TRY(atr_lexer_skip_value(r->work, &r->lexer));
  }
  if (entry || !r->has_entry) r->entry = r->comp_count; /* without ENTRY the last one is it */
  r->has_entry = r->has_entry || entry;
  atr_hlo_names_add(r->work->arena, &r->comp_names, name.text, name.len, r->comp_count);
  ATR_RESERVE(r->work->arena, r->comps, r->comp_count, r->comp_capacity);
  r->comps[r->comp_count++] = comp;
  return ATR_OK;
}

/* reduce applies "{ a = parameter(0)  b = parameter(1)  ROOT sum = add(a, b) }"; any other computation is refused. */
static atr_status check_reducer(atr_hlo_reader *r, const atr_hlo_node *node) {
  const atr_hlo_comp *comp = &r->comps[node->callee];
  const atr_hlo_node *root = &comp->nodes[comp->root];
  if (root->kind != ATR_HLO_OP || root->inst.op != ATR_OP_ADD) {
    return atr_fail(r->work, node->target.span, ATR_UNSUPPORTED,
                    "reduce by '%s' is not supported: '%.60s' must add its parameters", root->opcode, comp->name);
  }
  bool sums_both = comp->parameter_count == 2;
  for (int i = 0; i < 2 && sums_both; i++) {
    uint32_t wanted = comp->parameters[i];
    sums_both = root->operands[0].node == wanted || root->operands[1].node == wanted;
  }
  if (sums_both) return ATR_OK;
  return atr_fail(r->work, node->target.span, ATR_UNSUPPORTED,
                  "reduce by '%.60s' is not supported: it must add its two parameters", comp->name);
}

static bool has_callee(const atr_hlo_node *node) {
  return node->kind == ATR_HLO_CALL || (node->kind == ATR_HLO_OP && node->inst.op == ATR_OP_REDUCE);
}

static atr_status resolve_callees(atr_hlo_reader *r) {
  for (uint32_t c = 0; c < r->comp_count; c++) {
    for (uint32_t i = 0; i < r->comps[c].count; i++) {
      atr_hlo_node *node = &r->comps[c].nodes[i];
      if (!has_callee(node)) continue;
      const uint32_t *callee = atr_hlo_names_find(&r->comp_names, node->target.text, node->target.len);
      if (callee == NULL) {
        return atr_fail(r->work, node->target.span, ATR_PARSE_ERROR, "there is no computation '%.*s'",
                        ATR_CLIP(node->target.text, node->target.len));
      }
      node->callee = *callee;
      if (node->kind == ATR_HLO_OP) ATR_TRY(check_reducer(r, node));
    }
  }
  return ATR_OK;
}

/* ---- module */

/* "{(f32[8]{0}, f32[3]{0})->f32[6]{0}}" */
static atr_status read_entry_layout(atr_hlo_reader *r) {
  atr_span start = atr_hlo_token(r)->span;
  ATR_TRY(atr_hlo_take(r, '{'));
  ATR_TRY(atr_hlo_take(r, '('));
  while (!atr_token_is(atr_hlo_token(r), ')')) {
    if (r->entry_parameter_count > 0) ATR_TRY(atr_hlo_take(r, ','));
    ATR_RESERVE(r->work->arena, r->entry_parameters, r->entry_parameter_count, r->entry_parameter_capacity);
    ATR_TRY(read_type(r, &r->entry_parameters[r->entry_parameter_count++]));
  }
  ATR_TRY(atr_hlo_next(r));
  if (atr_hlo_token(r)->kind != ATR_TOKEN_ARROW) return atr_hlo_expected(r, "'->' and the layout of the result");
  ATR_TRY(atr_hlo_next(r));
  ATR_TRY(read_type(r, &r->entry_result));
  ATR_TRY(atr_hlo_take(r, '}'));
  r->has_entry_layout = true;
  r->entry_layout_span = atr_lexer_span_from(&r->lexer, start);
  return ATR_OK;
}

static bool is_string(const atr_token *token, const char *text) {
  return token->kind == ATR_TOKEN_STRING && token->len == strlen(text) && memcmp(token->text, text, token->len) == 0;
}

/* The value of a hint; those of others are not looked at. */
static atr_status read_hint(atr_hlo_reader *r, const atr_token *name) {
  const atr_token *value = atr_hlo_token(r);
  int64_t bytes;
  if (atr_token_is_word(name, "atrous.workspace")) {
    bool number = value->kind == ATR_TOKEN_STRING && atr_text_to_int64(value->text, value->len, &bytes) && bytes > 0;
    if (!number && !is_string(value, "none")) return atr_hlo_expected(r, "a number of bytes above 0 or none, in quotes");
    r->hints.workspace = number ? bytes : ATR_WORKSPACE_NONE;
  } else if (atr_token_is_word(name, "atrous.measure")) {
    bool yes = is_string(value, "true");
    if (!yes && !is_string(value, "false")) return atr_hlo_expected(r, "\"true\" or \"false\"");
    r->hints.measure = yes ? 1 : -1;
  }
  return atr_lexer_skip_value(r->work, &r->lexer);
}

/* {name="value",...} */
static atr_status read_frontend_attributes(atr_hlo_reader *r) {
  atr_token name;
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}')) {
    ATR_TRY(take_name(r, "the name of a frontend attribute", &name));
    ATR_TRY(atr_hlo_take(r, '='));
    ATR_TRY(read_hint(r, &name));
    if (!atr_token_is(atr_hlo_token(r), '}')) ATR_TRY(atr_hlo_take(r, ','));
  }
  return atr_hlo_next(r);
}

static atr_status read_header(atr_hlo_reader *r) {
  atr_token name, attr;
  if (!atr_token_is_word(atr_hlo_token(r), "HloModule")) return atr_hlo_expected(r, "'HloModule'");
  ATR_TRY(atr_hlo_next(r));
  ATR_TRY(take_name(r, "the name of the module", &name));
  r->module_name = atr_arena_string(r->work->arena, name.text, name.len);
  while (atr_token_is(atr_hlo_token(r), ',')) {
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(take_name(r, "the name of a module attribute", &attr));
    ATR_TRY(atr_hlo_take(r, '='));
    bool layout = atr_token_is_word(&attr, "entry_computation_layout");
    if (layout && r->has_entry_layout) {
      return atr_fail(r->work, attr.span, ATR_PARSE_ERROR, "a second entry_computation_layout");
    }
    if (layout) ATR_TRY(read_entry_layout(r));
    else if (atr_token_is_word(&attr, "frontend_attributes")) ATR_TRY(read_frontend_attributes(r));
    else ATR_TRY(atr_lexer_skip_value(r->work, &r->lexer));
  }
  return ATR_OK;
}

/* Blocks of numbered lines, '1 "file.py"' or '1 {file_location_id=1 parent_frame_id=1}'. */
static bool at_debug_block(const atr_hlo_reader *r) {
  static const char *const names[] = {"FileNames", "FunctionNames", "FileLocations", "StackFrames"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (atr_token_is_word(atr_hlo_token(r), names[i])) return true;
  }
  return false;
}

static atr_status skip_debug_block(atr_hlo_reader *r) {
  ATR_TRY(atr_hlo_next(r));
  int64_t number;
  while (atr_hlo_token(r)->kind == ATR_TOKEN_WORD &&
         atr_text_to_int64(atr_hlo_token(r)->text, atr_hlo_token(r)->len, &number)) {
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(atr_lexer_skip_value(r->work, &r->lexer));
  }
  return ATR_OK;
}

static atr_status read_text(atr_work *work, atr_hlo_reader *r) {
  *r = (atr_hlo_reader){.work = work};
  ATR_TRY(atr_lexer_init(work, &r->lexer));
  ATR_TRY(read_header(r));
  while (atr_hlo_token(r)->kind != ATR_TOKEN_END) ATR_TRY(at_debug_block(r) ? skip_debug_block(r) : read_computation(r));
  if (r->comp_count == 0) return atr_hlo_expected(r, "a computation");
  return resolve_callees(r);
}

atr_status atr_hlo_read(atr_work *work, atr_module **out) {
  atr_hlo_reader reader;
  ATR_TRY(read_text(work, &reader));
  return atr_hlo_inline(&reader, out);
}

atr_status atr_hlo_read_entry(atr_work *work, const char *entry, atr_module **out) {
  atr_hlo_reader reader;
  ATR_TRY(read_text(work, &reader));
  const uint32_t *found = atr_hlo_names_find(&reader.comp_names, entry, strlen(entry));
  if (found == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "there is no computation '%.*s'", ATR_CLIP(entry, strlen(entry)));
  if (*found != reader.entry) { /* the module's name and the caller's layouts belong to the other one */
    reader.entry = *found;
    reader.module_name = reader.comps[*found].name;
    reader.has_entry_layout = false;
  }
  return atr_hlo_inline(&reader, out);
}

static void add_entry(atr_hlo_reader *r, uint32_t comp, atr_entries *out) {
  ATR_RESERVE(r->work->arena, out->names, out->count, out->capacity);
  out->names[out->count++] = r->comps[comp].name;
}

atr_status atr_hlo_entries(atr_work *work, atr_entries *out) {
  atr_hlo_reader reader, *r = &reader;
  *out = (atr_entries){.has_default = true};
  ATR_TRY(read_text(work, r));
  bool *called = ATR_NEW_ARRAY(work->arena, bool, r->comp_count);
  for (uint32_t c = 0; c < r->comp_count; c++)
    for (uint32_t i = 0; i < r->comps[c].count; i++)
      if (has_callee(&r->comps[c].nodes[i])) called[r->comps[c].nodes[i].callee] = true;
  add_entry(r, r->entry, out);
  for (uint32_t c = 0; c < r->comp_count; c++)
    if (!called[c] && c != r->entry) add_entry(r, c, out);
  return ATR_OK;
}
