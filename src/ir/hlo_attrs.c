/* hlo_attrs.c - attributes of HLO instructions.
 *
 * In: ", window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, metadata={...}". Out: the node's attributes and spans. One
 * table says which opcode takes which attribute and who reads it; those that change nothing are skipped, any other name is an
 * error. Values are checked for form here (numbers, lengths that must agree within the text), for meaning by the verifier.
 *
 * Two attributes are ours: edge_mode=reflectxzero on convolutions (zero, reflect, replicate, circular, one per spatial
 * dimension), and the targets of custom-call that begin with "atrous.", which take a convolution's attributes. */
#include <string.h>

#include "ir/hlo_read.h"

static atr_status malformed(atr_hlo_reader *r, const char *what, atr_span span) {
  return atr_fail(r->work, span, ATR_PARSE_ERROR, "expected %s", what);
}

/* ---- pieces of a word: "3x2x1", "1_1x-1_0_2" */

typedef struct piece {
  const char *text;
  size_t len;
  atr_span span;
} piece;

/* The part of `rest` before `separator` (or all of it), which leaves `rest`; false when nothing is left. */
static bool next_piece(piece *rest, char separator, piece *out) {
  if (rest->text == NULL) return false;
  const char *end = rest->len > 0 ? memchr(rest->text, separator, rest->len) : NULL;
  *out = *rest;
  if (end == NULL) {
    rest->text = NULL;
    return true;
  }
  size_t len = (size_t)(end - rest->text);
  *out = (piece){rest->text, len, {rest->span.offset, (uint32_t)len}};
  *rest = (piece){end + 1, rest->len - len - 1, {rest->span.offset + (uint32_t)len + 1, (uint32_t)(rest->len - len - 1)}};
  return true;
}

/* The current token as a piece; not a word: fails. */
static atr_status take_word(atr_hlo_reader *r, const char *what, piece *out) {
  const atr_token *token = atr_hlo_token(r);
  if (token->kind != ATR_TOKEN_WORD) return atr_hlo_expected(r, what);
  *out = (piece){token->text, token->len, token->span};
  return atr_hlo_next(r);
}

static atr_status piece_int(atr_hlo_reader *r, const piece *p, int64_t minimum, int64_t *out) {
  if (!atr_text_to_int64(p->text, p->len, out)) {
    return atr_fail(r->work, p->span, ATR_PARSE_ERROR, "'%.*s' is not an integer of 64 bits", ATR_CLIP(p->text, p->len));
  }
  if (*out < minimum) {
    return atr_fail(r->work, p->span, ATR_PARSE_ERROR, "%lld is negative where a size is expected", (long long)*out);
  }
  return ATR_OK;
}

/* ---- window */

enum { FIELD_SIZE, FIELD_STRIDE, FIELD_PAD, FIELD_LHS_DILATE, FIELD_RHS_DILATE, FIELD_RHS_REVERSAL, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {"size", "stride", "pad", "lhs_dilate", "rhs_dilate", "rhs_reversal"};

static atr_status read_pad_pair(atr_hlo_reader *r, const piece *p, atr_window_dim *dim) {
  piece rest = *p, low, high;
  if (!next_piece(&rest, '_', &low) || !next_piece(&rest, '_', &high) || rest.text != NULL) {
    return malformed(r, "padding as 'low_high'", p->span);
  }
  ATR_TRY(piece_int(r, &low, INT64_MIN, &dim->pad_lo));
  return piece_int(r, &high, INT64_MIN, &dim->pad_hi);
}

static atr_status read_field_value(atr_hlo_reader *r, int field, const piece *p, atr_window_dim *dim) {
  if (field == FIELD_PAD) return read_pad_pair(r, p, dim);
  int64_t value;
  ATR_TRY(piece_int(r, p, 0, &value));
  if (field == FIELD_SIZE) dim->size = value;
  if (field == FIELD_STRIDE) dim->stride = value;
  if (field == FIELD_LHS_DILATE) dim->lhs_dilation = value;
  if (field == FIELD_RHS_DILATE) dim->rhs_dilation = value;
  if (field == FIELD_RHS_REVERSAL) dim->reversal = value == 1;
  return ATR_OK;
}

static atr_status too_many_dimensions(atr_hlo_reader *r, atr_span span) {
  return atr_fail(r->work, span, ATR_UNSUPPORTED, "more than %d spatial dimensions", ATR_MAX_SPATIAL);
}

static atr_status read_field(atr_hlo_reader *r, atr_hlo_node *node, int field, int counts[FIELD_COUNT],
                             atr_span spans[FIELD_COUNT]) {
  piece rest, value;
  ATR_TRY(take_word(r, "numbers separated by 'x'", &rest));
  spans[field] = rest.span;
  while (next_piece(&rest, 'x', &value)) {
    if (counts[field] == ATR_MAX_SPATIAL) return too_many_dimensions(r, value.span);
    ATR_TRY(read_field_value(r, field, &value, &node->inst.u.conv->window[counts[field]]));
    counts[field]++;
  }
  return ATR_OK;
}

static int find_field(const atr_token *token) {
  int field = 0;
  while (field < FIELD_COUNT && !atr_token_is_word(token, field_names[field])) field++;
  return field;
}

static atr_status read_window(atr_hlo_reader *r, atr_hlo_node *node) {
  int counts[FIELD_COUNT] = {0};
  atr_span spans[FIELD_COUNT] = {{0, 0}}, start = atr_hlo_token(r)->span;
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}')) {
    const atr_token name = *atr_hlo_token(r);
    int field = find_field(&name);
    if (field == FIELD_COUNT) {
      return atr_hlo_expected(r, "size, stride, pad, lhs_dilate, rhs_dilate, rhs_reversal or '}' in the window");
    }
    if (counts[field] > 0) {
      return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "the window states %s twice", field_names[field]);
    }
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(atr_hlo_take(r, '='));
    ATR_TRY(read_field(r, node, field, counts, spans));
  }
  ATR_TRY(atr_hlo_next(r));
  node->spans[ATR_ATTR_WINDOW] = atr_lexer_span_from(&r->lexer, start);
  node->window_count = counts[FIELD_SIZE];
  node->window_size = spans[FIELD_SIZE];
  for (int field = 1; field < FIELD_COUNT; field++) {
    if (counts[field] == 0 || counts[field] == counts[FIELD_SIZE]) continue;
    if (counts[FIELD_SIZE] == 0) {
      return atr_fail(r->work, node->spans[ATR_ATTR_WINDOW], ATR_PARSE_ERROR, "the window has no size");
    }
    return atr_fail(r->work, spans[field], ATR_PARSE_ERROR, "%s has %d entries but size has %d", field_names[field],
                    counts[field], counts[FIELD_SIZE]);
  }
  return ATR_OK;
}

/* ---- dim_labels */

typedef struct labels {
  int first, second; /* b and f, i and o */
  int spatial[ATR_MAX_SPATIAL];
  int count;         /* of spatial dimensions */
} labels;

/* "b01f" with letters "bf": each letter once, each index from 0 on once. */
static atr_status read_labels(atr_hlo_reader *r, const piece *p, const char letters[2], labels *out) {
  *out = (labels){.first = -1, .second = -1};
  for (int i = 0; i < ATR_MAX_SPATIAL; i++) out->spatial[i] = -1;
  for (size_t i = 0; i < p->len; i++) {
    char c = p->text[i];
    atr_span span = {p->span.offset + (uint32_t)i, 1};
    if (c == '?') return atr_fail(r->work, span, ATR_UNSUPPORTED, "a dimension without a role ('?') is not supported");
    bool digit = c >= '0' && c <= '9';
    if (!digit && c != letters[0] && c != letters[1]) {
      return atr_fail(r->work, span, ATR_PARSE_ERROR,
                      "dim_labels has '%c' where '%c', '%c' or the number of a spatial dimension is expected", c, letters[0],
                      letters[1]);
    }
    if (digit && c - '0' >= ATR_MAX_SPATIAL) return too_many_dimensions(r, span);
    int *place = c == letters[0] ? &out->first : c == letters[1] ? &out->second : &out->spatial[c - '0'];
    if (*place >= 0) {
      return atr_fail(r->work, span, ATR_PARSE_ERROR, "dim_labels names '%c' twice in '%.*s'", c, ATR_CLIP(p->text, p->len));
    }
    *place = (int)i;
    out->count += digit;
  }
  if (out->first < 0 || out->second < 0) {
    return atr_fail(r->work, p->span, ATR_PARSE_ERROR, "dim_labels does not name '%c' in '%.*s'",
                    letters[out->first < 0 ? 0 : 1], ATR_CLIP(p->text, p->len));
  }
  for (int i = 0; i < out->count; i++) {
    if (out->spatial[i] < 0) {
      return atr_fail(r->work, p->span, ATR_PARSE_ERROR, "dim_labels does not name spatial dimension %d in '%.*s'", i,
                      ATR_CLIP(p->text, p->len));
    }
  }
  return ATR_OK;
}

static atr_status read_dim_labels(atr_hlo_reader *r, atr_hlo_node *node) {
  atr_conv *conv = node->inst.u.conv;
  atr_span start = atr_hlo_token(r)->span;
  piece operands, lhs_text, rhs_text, out_text;
  labels lhs, rhs, out;
  ATR_TRY(take_word(r, "dim_labels such as 'b01f_01io->b01f'", &operands));
  piece rest = operands;
  if (!next_piece(&rest, '_', &lhs_text) || !next_piece(&rest, '_', &rhs_text) || rest.text != NULL) {
    return malformed(r, "dim_labels such as 'b01f_01io->b01f'", operands.span);
  }
  ATR_TRY(read_labels(r, &lhs_text, "bf", &lhs));
  ATR_TRY(read_labels(r, &rhs_text, "io", &rhs));
  if (atr_hlo_token(r)->kind != ATR_TOKEN_ARROW) return atr_hlo_expected(r, "'->' in dim_labels");
  ATR_TRY(atr_hlo_next(r));
  ATR_TRY(take_word(r, "the result's dimensions in dim_labels", &out_text));
  ATR_TRY(read_labels(r, &out_text, "bf", &out));
  const piece *odd = rhs.count != lhs.count ? &rhs_text : out.count != lhs.count ? &out_text : NULL;
  if (odd != NULL) {
    return atr_fail(r->work, odd->span, ATR_PARSE_ERROR,
                    "dim_labels names %d spatial dimensions of lhs, %d of rhs and %d of the result", lhs.count, rhs.count,
                    out.count);
  }
  node->spans[ATR_ATTR_DIM_LABELS] = atr_lexer_span_from(&r->lexer, start);
  node->label_count = lhs.count;
  conv->lhs_batch = lhs.first, conv->lhs_feature = lhs.second;
  conv->rhs_input_feature = rhs.first, conv->rhs_output_feature = rhs.second;
  conv->out_batch = out.first, conv->out_feature = out.second;
  for (int i = 0; i < lhs.count; i++) {
    conv->lhs_spatial[i] = lhs.spatial[i];
    conv->rhs_spatial[i] = rhs.spatial[i];
    conv->out_spatial[i] = out.spatial[i];
  }
  return ATR_OK;
}

/* ---- other attributes of convolutions */

static atr_status read_feature_group_count(atr_hlo_reader *r, atr_hlo_node *node) {
  node->spans[ATR_ATTR_FEATURE_GROUP_COUNT] = atr_hlo_token(r)->span;
  return atr_hlo_take_int(r, "feature_group_count as an integer", &node->inst.u.conv->feature_group_count);
}

static atr_status read_batch_group_count(atr_hlo_reader *r, atr_hlo_node *node) {
  node->spans[ATR_ATTR_BATCH_GROUP_COUNT] = atr_hlo_token(r)->span;
  return atr_hlo_take_int(r, "batch_group_count as an integer", &node->inst.u.conv->batch_group_count);
}

/* The current token as a word of an enumeration; -1 if it is none. */
static int value_of_word(const atr_hlo_reader *r, int (*from_name)(const char *word, size_t len)) {
  const atr_token *token = atr_hlo_token(r);
  return token->kind == ATR_TOKEN_WORD ? from_name(token->text, token->len) : -1;
}

static atr_status read_operand_precision(atr_hlo_reader *r, atr_hlo_node *node) {
  ATR_TRY(atr_hlo_take(r, '{'));
  for (int i = 0; i < 2; i++) {
    int precision = value_of_word(r, atr_precision_from_name);
    if (precision < 0) return atr_hlo_expected(r, "the precision default, high or highest");
    node->inst.u.conv->precision[i] = (atr_precision)precision;
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(atr_hlo_take(r, i == 0 ? ',' : '}'));
  }
  return ATR_OK;
}

static atr_status read_edge_mode(atr_hlo_reader *r, atr_hlo_node *node) {
  static const char what[] = "the edge modes zero, reflect, replicate or circular, joined by 'x'";
  piece rest = {0}, word;
  ATR_TRY(take_word(r, what, &rest));
  node->spans[ATR_ATTR_EDGE_MODE] = rest.span;
  while (next_piece(&rest, 'x', &word)) {
    int mode = atr_edge_from_name(word.text, word.len);
    if (mode < 0) return malformed(r, what, word.span);
    if (node->edge_count == ATR_MAX_SPATIAL) return too_many_dimensions(r, word.span);
    node->inst.u.conv->window[node->edge_count++].edge = (atr_edge_mode)mode;
  }
  return ATR_OK;
}

static atr_status finish_conv(atr_hlo_reader *r, atr_hlo_node *node) {
  int count = node->label_count;
  if (node->window_count != count && node->window_count == 0) {
    return atr_fail(r->work, node->spans[ATR_ATTR_DIM_LABELS], ATR_PARSE_ERROR,
                    "dim_labels names %d spatial dimensions but there is no window with their size", count);
  }
  if (node->window_count != count) {
    return atr_fail(r->work, node->window_size, ATR_PARSE_ERROR,
                    "window has %d dimensions but dim_labels names %d spatial dimensions", node->window_count, count);
  }
  if (node->edge_count != 0 && node->edge_count != count) {
    return atr_fail(r->work, node->spans[ATR_ATTR_EDGE_MODE], ATR_PARSE_ERROR,
                    "edge_mode has %d entries but dim_labels names %d spatial dimensions", node->edge_count, count);
  }
  node->inst.u.conv->spatial = count;
  return ATR_OK;
}

/* ---- attributes of other operations */

static atr_status read_dimensions(atr_hlo_reader *r, atr_hlo_node *node) {
  int64_t dims[ATR_MAX_RANK];
  atr_span start = atr_hlo_token(r)->span;
  ATR_TRY(atr_hlo_take_int_list(r, "the number of a dimension", dims, &node->inst.u.dims.count));
  node->spans[ATR_ATTR_DIMENSIONS] = atr_lexer_span_from(&r->lexer, start);
  node->inst.u.dims.dims = ATR_NEW_ARRAY(r->work->arena, int64_t, ATR_MAX_RANK);
  memcpy(node->inst.u.dims.dims, dims, sizeof(int64_t) * (size_t)node->inst.u.dims.count);
  return ATR_OK;
}

static atr_status read_iota_dimension(atr_hlo_reader *r, atr_hlo_node *node) {
  node->spans[ATR_ATTR_DIMENSIONS] = atr_hlo_token(r)->span;
  node->inst.u.dims.dims = ATR_NEW(r->work->arena, int64_t);
  node->inst.u.dims.count = 1;
  return atr_hlo_take_int(r, "the number of a dimension", node->inst.u.dims.dims);
}

static atr_status too_many_entries(atr_hlo_reader *r, atr_span span) {
  return atr_fail(r->work, span, ATR_UNSUPPORTED, "more than %d dimensions", ATR_MAX_RANK);
}

/* "low_high_interior" per dimension; the interior may be missing. */
static atr_status read_padding(atr_hlo_reader *r, atr_hlo_node *node) {
  piece rest, dim, part;
  ATR_TRY(take_word(r, "padding as 'low_high' or 'low_high_interior', joined by 'x'", &rest));
  node->spans[ATR_ATTR_PADDING] = rest.span;
  node->inst.u.pad = ATR_NEW_ARRAY(r->work->arena, atr_pad_dim, ATR_MAX_RANK);
  while (next_piece(&rest, 'x', &dim)) {
    if (node->attr_count == ATR_MAX_RANK) return too_many_entries(r, dim.span);
    atr_pad_dim *pad = &node->inst.u.pad[node->attr_count++];
    int64_t *const values[3] = {&pad->low, &pad->high, &pad->interior};
    piece parts = dim;
    int count = 0;
    for (; count < 3 && next_piece(&parts, '_', &part); count++) {
      ATR_TRY(piece_int(r, &part, count == 2 ? 0 : INT64_MIN, values[count]));
    }
    if (count < 2 || parts.text != NULL) return malformed(r, "padding as 'low_high' or 'low_high_interior'", dim.span);
  }
  return ATR_OK;
}

static atr_status read_slice_dim(atr_hlo_reader *r, atr_slice_dim *dim) {
  ATR_TRY(atr_hlo_take(r, '['));
  ATR_TRY(atr_hlo_take_int(r, "the start of the slice", &dim->start));
  ATR_TRY(atr_hlo_take(r, ':'));
  ATR_TRY(atr_hlo_take_int(r, "the limit of the slice", &dim->limit));
  dim->stride = 1;
  if (atr_token_is(atr_hlo_token(r), ':')) {
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(atr_hlo_take_int(r, "the stride of the slice", &dim->stride));
  }
  return atr_hlo_take(r, ']');
}

static atr_status read_slice(atr_hlo_reader *r, atr_hlo_node *node) {
  atr_span start = atr_hlo_token(r)->span;
  node->inst.u.slice = ATR_NEW_ARRAY(r->work->arena, atr_slice_dim, ATR_MAX_RANK);
  ATR_TRY(atr_hlo_take(r, '{'));
  while (!atr_token_is(atr_hlo_token(r), '}')) {
    if (node->attr_count > 0) ATR_TRY(atr_hlo_take(r, ','));
    if (node->attr_count == ATR_MAX_RANK) return too_many_entries(r, atr_hlo_token(r)->span);
    ATR_TRY(read_slice_dim(r, &node->inst.u.slice[node->attr_count++]));
  }
  ATR_TRY(atr_hlo_next(r));
  node->spans[ATR_ATTR_SLICE] = atr_lexer_span_from(&r->lexer, start);
  return ATR_OK;
}

static atr_status read_direction(atr_hlo_reader *r, atr_hlo_node *node) {
  int direction = value_of_word(r, atr_direction_from_name);
  if (direction < 0) return atr_hlo_expected(r, "the direction EQ, NE, LT, LE, GT or GE");
  node->spans[ATR_ATTR_DIRECTION] = atr_hlo_token(r)->span;
  node->inst.u.direction = (atr_direction)direction;
  return atr_hlo_next(r);
}

/* FLOAT, SIGNED and UNSIGNED only repeat the dtype. */
static atr_status read_compare_type(atr_hlo_reader *r, atr_hlo_node *node) {
  (void)node;
  const atr_token *token = atr_hlo_token(r);
  if (atr_token_is_word(token, "TOTALORDER")) {
    return atr_fail(r->work, token->span, ATR_UNSUPPORTED, "a comparison by total order (type=TOTALORDER) is not supported");
  }
  bool known = atr_token_is_word(token, "FLOAT") || atr_token_is_word(token, "SIGNED") || atr_token_is_word(token, "UNSIGNED");
  return known ? atr_hlo_next(r) : atr_hlo_expected(r, "the comparison type FLOAT, SIGNED or UNSIGNED");
}

static atr_status read_index(atr_hlo_reader *r, atr_hlo_node *node) {
  int64_t index;
  atr_span span = atr_hlo_token(r)->span;
  ATR_TRY(atr_hlo_take_int(r, "the index of a tuple element", &index));
  if (index < 0 || index > INT32_MAX) {
    return atr_fail(r->work, span, ATR_PARSE_ERROR, "%lld is not the index of a tuple element", (long long)index);
  }
  node->index = (uint32_t)index;
  return ATR_OK;
}

/* The computation may come later in the text; hlo_read.c looks it up. */
static atr_status read_callee(atr_hlo_reader *r, atr_hlo_node *node) {
  if (atr_hlo_token(r)->kind != ATR_TOKEN_WORD) return atr_hlo_expected(r, "the name of a computation");
  node->target = *atr_hlo_token(r);
  return atr_hlo_next(r);
}

static atr_status read_target(atr_hlo_reader *r, atr_hlo_node *node) {
  if (atr_hlo_token(r)->kind != ATR_TOKEN_STRING) return atr_hlo_expected(r, "the target of the custom-call as a string");
  node->target = *atr_hlo_token(r);
  return atr_hlo_next(r);
}

/* ---- the table */

enum {
  ON_CONVOLUTION = 1, ON_CUSTOM_CALL = 2, ON_PAD = 4, ON_BROADCAST = 8, ON_DIMENSIONS = 16, ON_SLICE = 32, ON_COMPARE = 64,
  ON_ELEMENT = 128, ON_CALL = 256, ON_FUSION = 512, ON_ACCURACY = 1024, ON_IOTA = 2048, ON_REDUCE = 4096, ON_ANY = 8192
};

typedef struct attr_row {
  const char *name;
  int uses, needed; /* opcodes that take it, opcodes that must have it */
  atr_status (*read)(atr_hlo_reader *r, atr_hlo_node *node); /* NULL: skipped */
} attr_row;

static const attr_row rows[] = {
  {"window", ON_CONVOLUTION | ON_CUSTOM_CALL, 0, read_window},
  {"dim_labels", ON_CONVOLUTION | ON_CUSTOM_CALL, ON_CONVOLUTION, read_dim_labels},
  {"feature_group_count", ON_CONVOLUTION | ON_CUSTOM_CALL, 0, read_feature_group_count},
  {"batch_group_count", ON_CONVOLUTION | ON_CUSTOM_CALL, 0, read_batch_group_count},
  {"operand_precision", ON_CONVOLUTION | ON_CUSTOM_CALL, 0, read_operand_precision},
  {"edge_mode", ON_CONVOLUTION | ON_CUSTOM_CALL, 0, read_edge_mode},
  {"conv_kind", ON_CONVOLUTION, 0, NULL},
  {"convolution_kind", ON_CONVOLUTION, 0, NULL},
  {"custom_call_target", ON_CUSTOM_CALL, ON_CUSTOM_CALL, read_target},
  {"api_version", ON_CUSTOM_CALL, 0, NULL},
  {"custom_call_has_side_effect", ON_CUSTOM_CALL, 0, NULL},
  {"operand_layout_constraints", ON_CUSTOM_CALL, 0, NULL},
  {"padding", ON_PAD, 0, read_padding},
  {"dimensions", ON_DIMENSIONS | ON_BROADCAST | ON_REDUCE, ON_DIMENSIONS | ON_REDUCE, read_dimensions},
  {"iota_dimension", ON_IOTA, ON_IOTA, read_iota_dimension},
  {"slice", ON_SLICE, ON_SLICE, read_slice},
  {"direction", ON_COMPARE, ON_COMPARE, read_direction},
  {"type", ON_COMPARE, 0, read_compare_type},
  {"index", ON_ELEMENT, ON_ELEMENT, read_index},
  {"to_apply", ON_CALL | ON_REDUCE, ON_CALL | ON_REDUCE, read_callee},
  {"is_composite", ON_CALL, 0, NULL},
  {"calls", ON_FUSION, ON_FUSION, read_callee},
  {"kind", ON_FUSION, 0, NULL},
  {"output_to_operand_aliasing", ON_CALL | ON_FUSION, 0, NULL},
  {"result_accuracy", ON_ACCURACY, 0, NULL},
  {"metadata", ON_ANY, 0, NULL},
  {"sharding", ON_ANY, 0, NULL},
  {"frontend_attributes", ON_ANY, 0, NULL},
  {"backend_config", ON_ANY, 0, NULL},
  {"statistics", ON_ANY, 0, NULL},
  {"origin", ON_ANY, 0, NULL},
  {"control-predecessors", ON_ANY, 0, NULL},
  {"parameter_replication", ON_ANY, 0, NULL},
};
enum { ROW_COUNT = (int)(sizeof rows / sizeof rows[0]) };
_Static_assert(sizeof rows / sizeof rows[0] <= 64, "the attributes seen are kept as bits of 64");

static int op_uses(atr_op op) {
  if (op == ATR_OP_CONVOLUTION) return ON_CONVOLUTION;
  if (atr_op_target(op) != NULL) return ON_CUSTOM_CALL;
  if (op == ATR_OP_PAD) return ON_PAD;
  if (op == ATR_OP_BROADCAST) return ON_BROADCAST;
  if (op == ATR_OP_REVERSE || op == ATR_OP_TRANSPOSE || op == ATR_OP_CONCATENATE) return ON_DIMENSIONS;
  if (op == ATR_OP_IOTA) return ON_IOTA;
  if (op == ATR_OP_REDUCE) return ON_REDUCE;
  if (op == ATR_OP_SLICE) return ON_SLICE;
  if (op == ATR_OP_COMPARE) return ON_COMPARE;
  if (op == ATR_OP_EXPONENTIAL || op == ATR_OP_TANH || op == ATR_OP_LOGISTIC) return ON_ACCURACY;
  return 0;
}

int atr_hlo_attr_uses(const atr_hlo_node *node) {
  switch (node->kind) {
    case ATR_HLO_OP: return ON_ANY | op_uses(node->inst.op);
    case ATR_HLO_ELEMENT: return ON_ANY | ON_ELEMENT;
    case ATR_HLO_CALL: return ON_ANY | (strcmp(node->opcode, "fusion") == 0 ? ON_FUSION : ON_CALL);
    case ATR_HLO_TUPLE:
    case ATR_HLO_BITCAST: break;
  }
  return ON_ANY;
}

static int find_row(const atr_token *name) {
  int row = 0;
  while (row < ROW_COUNT && !atr_token_is_word(name, rows[row].name)) row++;
  return row;
}

/* A custom-call's other attributes depend on its target, which may come behind them: *unknown keeps the first. */
static atr_status read_attr(atr_hlo_reader *r, atr_hlo_node *node, uint64_t *seen, atr_token *unknown) {
  const atr_token name = *atr_hlo_token(r);
  if (name.kind != ATR_TOKEN_WORD) return atr_hlo_expected(r, "the name of an attribute");
  int row = find_row(&name);
  bool known = row < ROW_COUNT && (rows[row].uses & node->uses) != 0;
  if (!known && !(node->uses & ON_CUSTOM_CALL)) {
    return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "%s has no attribute '%.*s'", node->opcode,
                    ATR_CLIP(name.text, name.len));
  }
  if (known && (*seen >> row & 1) != 0) {
    return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "the attribute '%s' is stated twice", rows[row].name);
  }
  if (known) *seen |= (uint64_t)1 << row;
  if (!known && unknown->kind == ATR_TOKEN_END) *unknown = name;
  ATR_TRY(atr_hlo_next(r));
  ATR_TRY(atr_hlo_take(r, '='));
  if (known && rows[row].read != NULL) return rows[row].read(r, node);
  return atr_lexer_skip_value(r->work, &r->lexer);
}

/* The custom-calls that are operations of ours. */
static atr_status finish_custom_call(atr_hlo_reader *r, atr_hlo_node *node, const atr_token *unknown) {
  node->inst.op = atr_op_from_target(node->target.text, node->target.len);
  const char *target = atr_op_target(node->inst.op);
  if (target == NULL) {
    return atr_fail(r->work, node->target.span, ATR_UNSUPPORTED, "custom-call to '%.*s' is not supported",
                    ATR_CLIP(node->target.text, node->target.len));
  }
  if (unknown->kind != ATR_TOKEN_END) {
    return atr_fail(r->work, unknown->span, ATR_PARSE_ERROR, "%s has no attribute '%.*s'", target,
                    ATR_CLIP(unknown->text, unknown->len));
  }
  if (node->operand_count != 2) {
    return atr_fail(r->work, node->spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "%s takes 2 operands but has %d", target,
                    node->operand_count);
  }
  if (node->spans[ATR_ATTR_DIM_LABELS].offset == 0) {
    return atr_fail(r->work, node->spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "%s needs the attribute 'dim_labels'", target);
  }
  return ATR_OK;
}

atr_status atr_hlo_attrs_read(atr_hlo_reader *r, atr_hlo_node *node, bool nested) {
  uint64_t seen = 0;
  atr_token unknown = {.kind = ATR_TOKEN_END};
  while (!nested && atr_token_is(atr_hlo_token(r), ',')) {
    ATR_TRY(atr_hlo_next(r));
    ATR_TRY(read_attr(r, node, &seen, &unknown));
  }
  for (int row = 0; row < ROW_COUNT; row++) {
    if ((rows[row].needed & node->uses) != 0 && (seen >> row & 1) == 0) {
      return atr_fail(r->work, node->spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "%s needs the attribute '%s'", node->opcode,
                      rows[row].name);
    }
  }
  if (node->uses & ON_CUSTOM_CALL) ATR_TRY(finish_custom_call(r, node, &unknown));
  return node->uses & (ON_CONVOLUTION | ON_CUSTOM_CALL) ? finish_conv(r, node) : ATR_OK;
}
