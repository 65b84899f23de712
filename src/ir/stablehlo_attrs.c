/* stablehlo_attrs.c - values of attributes, and the attributes of a convolution.
 *
 * In: places of values that dict_read and the pretty forms noted. Out: integers, lists, enum words, and an atr_conv. The pretty
 * and the generic form differ in where values stand, not in what they are, so both come through here:
 *
 *     dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]            dimension_numbers = #stablehlo.conv<[b, 0, ...]>
 *     window = {stride = [2, 1], pad = [[1, 1], [0, 0]]}               window_strides = array<i64: 2, 1>, padding = dense<...>
 *
 * Absent lists mean ones, zeros and false. The two group counts and the dimension numbers have no default. */
#include "ir/stablehlo_attrs.h"

#include <string.h>

/* ---- lists of attributes */

atr_status atr_mlir_attr_add(atr_mlir *m, const atr_mlir_word *key, const char *stops, atr_mlir_attrs *attrs) {
  int key_len = key->len < 60 ? (int)key->len : 60;
  for (int i = 0; i < attrs->count; i++) {
    const atr_mlir_word *other = &attrs->items[i].key;
    if (other->len == key->len && memcmp(other->text, key->text, key->len) == 0) {
      return atr_fail(m->work, key->span, ATR_PARSE_ERROR, "attribute '%.*s' is given twice", key_len, key->text);
    }
  }
  if (attrs->count == ATR_MLIR_MAX_ATTRS) {
    return atr_fail(m->work, key->span, ATR_PARSE_ERROR, "more than %d attributes on one operation", ATR_MLIR_MAX_ATTRS);
  }
  (void)atr_mlir_peek(m);
  atr_mlir_attr attr = {.key = *key, .pos = m->pos};
  ATR_TRY(atr_mlir_skip(m, stops, false));
  attr.end = m->pos;
  while (attr.end > attr.pos && strchr(" \t\r\n", m->text[attr.end - 1]) != NULL) attr.end--;
  if (attr.end == attr.pos) return atr_mlir_unexpected(m, "the value of the attribute");
  attrs->items[attrs->count++] = attr;
  return ATR_OK;
}

/* An attribute without a value is one whose presence is all it says. */
static atr_status entry_read(atr_mlir *m, atr_mlir_attrs *attrs) {
  atr_mlir_word key;
  if (atr_mlir_peek(m) == '"') {
    ATR_TRY(atr_mlir_string_read(m, &key));
  } else if (!atr_mlir_word_read(m, &key)) {
    return atr_mlir_unexpected(m, "the name of an attribute");
  }
  return atr_mlir_accept(m, "=") ? atr_mlir_attr_add(m, &key, ",", attrs) : ATR_OK;
}

atr_status atr_mlir_dict_read(atr_mlir *m, atr_mlir_attrs *attrs) {
  if (atr_mlir_accept(m, "}")) return ATR_OK;
  do { ATR_TRY(entry_read(m, attrs)); } while (atr_mlir_accept(m, ","));
  return atr_mlir_expect(m, "}");
}

const atr_mlir_attr *atr_mlir_attr_find(const atr_mlir_attrs *attrs, const char *key) {
  for (int i = 0; i < attrs->count; i++) {
    if (atr_mlir_word_is(&attrs->items[i].key, key)) return &attrs->items[i];
  }
  return NULL;
}

atr_span atr_mlir_attr_span(const atr_mlir_attr *attr) { return (atr_span){attr->pos + 1, attr->end - attr->pos}; }

atr_mlir atr_mlir_attr_value(const atr_mlir *m, const atr_mlir_attr *attr) { return atr_mlir_part(m, attr->pos, attr->end); }

/* ---- values */

static atr_status end_of_value(atr_mlir *m) {
  return atr_mlir_peek(m) < 0 ? ATR_OK : atr_mlir_unexpected(m, "the end of the value");
}

/* A number, true or false. */
static atr_status scalar_read(atr_mlir *m, int64_t *out) {
  *out = 1;
  if (atr_mlir_accept_word(m, "true")) return ATR_OK;
  *out = 0;
  return atr_mlir_accept_word(m, "false") ? ATR_OK : atr_mlir_int_read(m, out);
}

/* Steps over ": i64" behind a number. */
static atr_status type_suffix(atr_mlir *m) {
  atr_mlir_word type;
  if (!atr_mlir_accept(m, ":")) return ATR_OK;
  return atr_mlir_word_read(m, &type) ? ATR_OK : atr_mlir_unexpected(m, "an integer type such as i64");
}

atr_status atr_mlir_attr_int(const atr_mlir *m, const atr_mlir_attr *attr, int64_t *out) {
  atr_mlir at = atr_mlir_attr_value(m, attr);
  ATR_TRY(atr_mlir_int_read(&at, out));
  ATR_TRY(type_suffix(&at));
  return end_of_value(&at);
}

static atr_status ints_add(atr_mlir *m, atr_mlir_ints *out) {
  if (out->count == 2 * ATR_MAX_RANK) {
    return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "this list has more than %d numbers", 2 * ATR_MAX_RANK);
  }
  ATR_TRY(scalar_read(m, &out->items[out->count]));
  out->count++;
  return ATR_OK;
}

/* Numbers or pairs of numbers up to `close`; the opening bracket has been taken. */
static atr_status list_read(atr_mlir *m, const char *close, atr_mlir_ints *out) {
  if (atr_mlir_accept(m, close)) return ATR_OK;
  bool pairs = atr_mlir_peek(m) == '[';
  out->pairs = pairs;
  do {
    if (pairs) ATR_TRY(atr_mlir_expect(m, "["));
    ATR_TRY(ints_add(m, out));
    if (pairs) {
      ATR_TRY(atr_mlir_expect(m, ","));
      ATR_TRY(ints_add(m, out));
      ATR_TRY(atr_mlir_expect(m, "]"));
    }
  } while (atr_mlir_accept(m, ","));
  return atr_mlir_expect(m, close);
}

/* The cursor is behind "array". */
static atr_status array_read(atr_mlir *m, atr_mlir_ints *out) {
  atr_mlir_word type;
  ATR_TRY(atr_mlir_expect(m, "<"));
  if (!atr_mlir_word_read(m, &type)) return atr_mlir_unexpected(m, "the element type of the array");
  return atr_mlir_accept(m, ":") ? list_read(m, ">", out) : atr_mlir_expect(m, ">");
}

static atr_status dense_read(atr_mlir *m, atr_mlir_ints *out) {
  atr_shape shape;
  atr_span type;
  const void *data;
  bool splat;
  int64_t elements, bytes;
  ATR_TRY(atr_mlir_literal_read(m, &shape, &type, &data, &splat));
  if (!atr_dtype_is_integer(shape.dtype) && shape.dtype != ATR_PRED) {
    return atr_fail(m->work, type, ATR_PARSE_ERROR, "this attribute takes integers, not %s",
                    atr_mlir_type_text(m->work, &shape));
  }
  if (shape.rank > 2 || (shape.rank == 2 && shape.dims[1] != 2)) {
    return atr_fail(m->work, type, ATR_PARSE_ERROR, "this attribute takes a list of numbers or of pairs, not %s",
                    atr_mlir_type_text(m->work, &shape));
  }
  if (!atr_shape_checked_bytes(&shape, &elements, &bytes) || elements > 2 * ATR_MAX_RANK) {
    return atr_fail(m->work, type, ATR_PARSE_ERROR, "this list has more than %d numbers", 2 * ATR_MAX_RANK);
  }
  out->pairs = shape.rank == 2;
  out->count = (int)elements;
  const char *address = data;
  for (int i = 0; i < out->count; i++) {
    out->items[i] = atr_scalar_load(shape.dtype, address).i;
    if (!splat) address += atr_dtype_size(shape.dtype);
  }
  return ATR_OK;
}

atr_status atr_mlir_attr_ints(const atr_mlir *m, const atr_mlir_attr *attr, atr_mlir_ints *out) {
  atr_mlir at = atr_mlir_attr_value(m, attr);
  memset(out, 0, sizeof *out);
  if (atr_mlir_accept(&at, "[")) {
    ATR_TRY(list_read(&at, "]", out));
  } else if (atr_mlir_accept_word(&at, "array")) {
    ATR_TRY(array_read(&at, out));
  } else {
    atr_mlir ahead = at;
    if (!atr_mlir_accept_word(&ahead, "dense")) return atr_mlir_unexpected(&at, "a list of integers");
    ATR_TRY(dense_read(&at, out));
  }
  return end_of_value(&at);
}

atr_status atr_mlir_enum_read(atr_mlir *m, const char *what, atr_mlir_word *out) {
  atr_mlir_word kind;
  if (atr_mlir_accept(m, "#stablehlo")) {
    ATR_TRY(atr_mlir_expect(m, "<"));
    if (!atr_mlir_word_read(m, &kind) || !atr_mlir_word_read(m, out)) return atr_mlir_unexpected(m, what);
    return atr_mlir_expect(m, ">");
  }
  return atr_mlir_word_read(m, out) ? ATR_OK : atr_mlir_unexpected(m, what);
}

/* ---- dimension numbers */

/* One of the three lists of "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]": where its letters and its spatial dimensions stand. */
typedef struct dim_list {
  int letters[2];
  int spatial[ATR_MAX_RANK];
  int count; /* of all entries */
} dim_list;

static atr_status place_set(atr_mlir *m, atr_span span, int *place, int position) {
  if (*place >= 0) {
    return atr_fail(m->work, span, ATR_PARSE_ERROR, "'%.*s' names two dimensions", (int)span.len, m->text + span.offset - 1);
  }
  *place = position;
  return ATR_OK;
}

static atr_status dim_read(atr_mlir *m, const char *letters, dim_list *list) {
  atr_span span = atr_mlir_here(m);
  int c = atr_mlir_peek(m), position = list->count++;
  if (position == ATR_MAX_RANK) {
    return atr_fail(m->work, span, ATR_UNSUPPORTED, "convolutions of rank above %d are not supported", ATR_MAX_RANK);
  }
  for (int i = 0; i < 2; i++) {
    if (span.len != 1 || c != letters[i]) continue;
    m->pos++;
    return place_set(m, span, &list->letters[i], position);
  }
  if (c < '0' || c > '9') {
    return atr_mlir_unexpected(
        m, atr_arena_printf(m->work->arena, "'%c', '%c' or the number of a spatial dimension", letters[0], letters[1]));
  }
  int64_t number;
  ATR_TRY(atr_mlir_int_read(m, &number));
  if (number >= ATR_MAX_RANK) {
    return atr_fail(m->work, span, ATR_PARSE_ERROR, "spatial dimensions are numbered from 0 on, this is %lld",
                    (long long)number);
  }
  return place_set(m, span, &list->spatial[number], position);
}

static atr_status dims_read(atr_mlir *m, const char *letters, dim_list *list) {
  *list = (dim_list){.letters = {-1, -1}};
  for (int i = 0; i < ATR_MAX_RANK; i++) list->spatial[i] = -1;
  ATR_TRY(atr_mlir_expect(m, "["));
  uint32_t start = m->pos - 1;
  do { ATR_TRY(dim_read(m, letters, list)); } while (atr_mlir_accept(m, ","));
  ATR_TRY(atr_mlir_expect(m, "]"));
  atr_span span = atr_mlir_span(m, start);
  for (int i = 0; i < 2; i++) {
    if (list->letters[i] < 0) return atr_fail(m->work, span, ATR_PARSE_ERROR, "this list of dimensions lacks '%c'", letters[i]);
  }
  for (int i = 0; i < list->count - 2; i++) {
    if (list->spatial[i] < 0)
      return atr_fail(m->work, span, ATR_PARSE_ERROR, "this list of dimensions lacks spatial dimension %d", i);
  }
  if (list->count - 2 <= ATR_MAX_SPATIAL) return ATR_OK;
  return atr_fail(m->work, span, ATR_UNSUPPORTED, "more than %d spatial dimensions are not supported", ATR_MAX_SPATIAL);
}

static void places_copy(const dim_list *list, int *first, int *second, int *spatial) {
  *first = list->letters[0];
  *second = list->letters[1];
  memcpy(spatial, list->spatial, sizeof(int) * ATR_MAX_SPATIAL);
}

static atr_status dim_numbers_read(atr_mlir *m, atr_conv *conv) {
  dim_list lhs, rhs, out;
  uint32_t start = m->pos;
  ATR_TRY(dims_read(m, "bf", &lhs));
  ATR_TRY(atr_mlir_expect(m, "x"));
  ATR_TRY(dims_read(m, "io", &rhs));
  ATR_TRY(atr_mlir_expect(m, "->"));
  ATR_TRY(dims_read(m, "bf", &out));
  if (lhs.count != rhs.count || lhs.count != out.count) {
    return atr_fail(m->work, atr_mlir_span(m, start), ATR_PARSE_ERROR,
                    "the lists name %d, %d and %d dimensions, which must be equal", lhs.count, rhs.count, out.count);
  }
  conv->spatial = lhs.count - 2;
  places_copy(&lhs, &conv->lhs_batch, &conv->lhs_feature, conv->lhs_spatial);
  places_copy(&rhs, &conv->rhs_input_feature, &conv->rhs_output_feature, conv->rhs_spatial);
  places_copy(&out, &conv->out_batch, &conv->out_feature, conv->out_spatial);
  return ATR_OK;
}

/* Dimension numbers by key: "raw input_batch_dimension = 0, ..., output_spatial_dimensions = [2]". */
typedef struct raw_row {
  const char *key;
  size_t offset; /* in atr_conv */
  bool is_list;
} raw_row;

static const raw_row raw_rows[] = {
    {"input_batch_dimension", offsetof(atr_conv, lhs_batch), false},
    {"input_feature_dimension", offsetof(atr_conv, lhs_feature), false},
    {"input_spatial_dimensions", offsetof(atr_conv, lhs_spatial), true},
    {"kernel_input_feature_dimension", offsetof(atr_conv, rhs_input_feature), false},
    {"kernel_output_feature_dimension", offsetof(atr_conv, rhs_output_feature), false},
    {"kernel_spatial_dimensions", offsetof(atr_conv, rhs_spatial), true},
    {"output_batch_dimension", offsetof(atr_conv, out_batch), false},
    {"output_feature_dimension", offsetof(atr_conv, out_feature), false},
    {"output_spatial_dimensions", offsetof(atr_conv, out_spatial), true},
};
enum { RAW_ROWS = sizeof raw_rows / sizeof raw_rows[0] };

static atr_status raw_store(const atr_mlir *m, const atr_mlir_attr *attr, const raw_row *row, atr_conv *conv) {
  atr_mlir_ints numbers = {.count = 1};
  if (row->is_list) ATR_TRY(atr_mlir_attr_ints(m, attr, &numbers));
  else ATR_TRY(atr_mlir_attr_int(m, attr, &numbers.items[0]));
  if (numbers.count > ATR_MAX_SPATIAL) {
    return atr_fail(m->work, atr_mlir_attr_span(attr), ATR_UNSUPPORTED, "more than %d spatial dimensions are not supported",
                    ATR_MAX_SPATIAL);
  }
  if (row->is_list && conv->spatial >= 0 && conv->spatial != numbers.count) {
    return atr_fail(m->work, atr_mlir_attr_span(attr), ATR_PARSE_ERROR, "%s lists %d dimensions, another list %d", row->key,
                    numbers.count, conv->spatial);
  }
  if (row->is_list) conv->spatial = numbers.count;
  for (int i = 0; i < numbers.count; i++) {
    if (numbers.items[i] < 0 || numbers.items[i] >= ATR_MAX_RANK) {
      return atr_fail(m->work, atr_mlir_attr_span(attr), ATR_PARSE_ERROR, "%s: %lld is not the number of a dimension", row->key,
                      (long long)numbers.items[i]);
    }
    int number = (int)numbers.items[i];
    memcpy((char *)conv + row->offset + (size_t)i * sizeof number, &number, sizeof number);
  }
  return ATR_OK;
}

/* The cursor is behind "raw". */
static atr_status raw_read(atr_mlir *m, atr_conv *conv) {
  atr_mlir_attrs *entries = ATR_NEW(m->work->arena, atr_mlir_attrs);
  uint32_t start = m->pos;
  atr_mlir_word key;
  do {
    if (!atr_mlir_word_read(m, &key)) return atr_mlir_unexpected(m, "the name of a dimension number");
    ATR_TRY(atr_mlir_expect(m, "="));
    ATR_TRY(atr_mlir_attr_add(m, &key, ",", entries));
  } while (atr_mlir_accept(m, ","));
  conv->spatial = -1;
  int found = 0;
  for (int i = 0; i < RAW_ROWS; i++) {
    const atr_mlir_attr *attr = atr_mlir_attr_find(entries, raw_rows[i].key);
    if (attr != NULL) ATR_TRY(raw_store(m, attr, &raw_rows[i], conv));
    else if (!raw_rows[i].is_list || conv->spatial > 0) {
      return atr_fail(m->work, atr_mlir_span(m, start), ATR_PARSE_ERROR, "the dimension numbers lack %s", raw_rows[i].key);
    }
    found += attr != NULL;
  }
  if (conv->spatial < 0) conv->spatial = 0; /* MLIR leaves out empty lists */
  if (found == entries->count) return ATR_OK;
  return atr_fail(m->work, atr_mlir_span(m, start), ATR_PARSE_ERROR,
                  "only the nine dimension numbers of a convolution may stand here");
}

static atr_status dimension_numbers(const atr_mlir *m, const atr_mlir_attr *attr, atr_conv *conv) {
  atr_mlir at = atr_mlir_attr_value(m, attr);
  bool wrapped = atr_mlir_accept(&at, "#stablehlo.conv");
  if (wrapped) ATR_TRY(atr_mlir_expect(&at, "<"));
  if (wrapped && atr_mlir_accept_word(&at, "raw")) ATR_TRY(raw_read(&at, conv));
  else ATR_TRY(dim_numbers_read(&at, conv));
  if (wrapped) ATR_TRY(atr_mlir_expect(&at, ">"));
  return end_of_value(&at);
}

/* ---- the rest of a convolution */

/* Finds a list of one entry per spatial dimension. *attr is NULL where it is absent. */
static atr_status window_list(const atr_mlir *m, const atr_mlir_attrs *attrs, const char *key, int spatial, bool pairs,
                              atr_span *span, const atr_mlir_attr **attr, atr_mlir_ints *out) {
  *attr = atr_mlir_attr_find(attrs, key);
  if (*attr == NULL) return ATR_OK;
  atr_span at = atr_mlir_attr_span(*attr), spelled = (*attr)->key.span;
  const char *name = atr_arena_string(m->work->arena, m->text + spelled.offset - 1, spelled.len);
  if (span->offset == 0) *span = at;
  ATR_TRY(atr_mlir_attr_ints(m, *attr, out));
  if (out->pairs != pairs && out->count > 0) {
    return atr_fail(m->work, at, ATR_PARSE_ERROR, pairs ? "%s takes pairs [low, high]" : "%s takes numbers, not pairs", name);
  }
  int count = pairs ? out->count / 2 : out->count;
  if (count == spatial) return ATR_OK;
  return atr_fail(m->work, at, ATR_VERIFY_ERROR, "%s has %d entries, the convolution has %d spatial dimensions", name, count,
                  spatial);
}

/* Absent attributes leave the defaults that stand in the window. */
static atr_status window_read(const atr_mlir *m, const atr_mlir_attrs *attrs, atr_span *span, atr_conv *conv) {
  static const struct {
    const char *key;
    size_t offset;
  } rows[] = {
      {"window_strides", offsetof(atr_window_dim, stride)},
      {"lhs_dilation", offsetof(atr_window_dim, lhs_dilation)},
      {"rhs_dilation", offsetof(atr_window_dim, rhs_dilation)},
  };
  const atr_mlir_attr *attr;
  atr_mlir_ints list;
  for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
    ATR_TRY(window_list(m, attrs, rows[k].key, conv->spatial, false, span, &attr, &list));
    for (int i = 0; attr != NULL && i < conv->spatial; i++) {
      memcpy((char *)&conv->window[i] + rows[k].offset, &list.items[i], sizeof(int64_t));
    }
  }
  ATR_TRY(window_list(m, attrs, "padding", conv->spatial, true, span, &attr, &list));
  for (int i = 0; attr != NULL && i < conv->spatial; i++) {
    conv->window[i].pad_lo = list.items[2 * i];
    conv->window[i].pad_hi = list.items[2 * i + 1];
  }
  ATR_TRY(window_list(m, attrs, "window_reversal", conv->spatial, false, span, &attr, &list));
  for (int i = 0; attr != NULL && i < conv->spatial; i++) conv->window[i].reversal = list.items[i] != 0;
  return ATR_OK;
}

static atr_status precision_word(atr_mlir *m, atr_precision *out) {
  static const char *const names[] = {"DEFAULT", "HIGH", "HIGHEST"}; /* ORDER atr_precision */
  atr_mlir_word word;
  ATR_TRY(atr_mlir_enum_read(m, "a precision", &word));
  for (int i = 0; i < 3; i++) {
    if (atr_mlir_word_is(&word, names[i])) {
      *out = (atr_precision)i;
      return ATR_OK;
    }
  }
  return atr_fail(m->work, word.span, ATR_PARSE_ERROR, "a precision is DEFAULT, HIGH or HIGHEST");
}

/* At most one precision for each operand; DEFAULT where there are fewer. */
static atr_status precision_read(const atr_mlir *m, const atr_mlir_attrs *attrs, atr_conv *conv) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(attrs, "precision_config");
  if (attr == NULL) return ATR_OK;
  atr_mlir at = atr_mlir_attr_value(m, attr);
  ATR_TRY(atr_mlir_expect(&at, "["));
  if (atr_mlir_accept(&at, "]")) return end_of_value(&at);
  int count = 0;
  do {
    if (count == 2) {
      return atr_fail(m->work, atr_mlir_here(&at), ATR_VERIFY_ERROR,
                      "precision_config has more than the two entries of lhs and rhs");
    }
    ATR_TRY(precision_word(&at, &conv->precision[count++]));
  } while (atr_mlir_accept(&at, ","));
  ATR_TRY(atr_mlir_expect(&at, "]"));
  return end_of_value(&at);
}

static atr_status group_count(const atr_mlir *m, const atr_mlir_attrs *attrs, const char *key, atr_span op, atr_span *span,
                              int64_t *out) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(attrs, key);
  if (attr == NULL) return atr_fail(m->work, op, ATR_PARSE_ERROR, "stablehlo.convolution lacks %s", key);
  *span = atr_mlir_attr_span(attr);
  return atr_mlir_attr_int(m, attr, out);
}

atr_status atr_mlir_conv_read(const atr_mlir *m, const atr_mlir_attrs *attrs, const atr_shape *rhs, atr_span op,
                              atr_span *spans, atr_conv **out) {
  atr_conv *conv = ATR_NEW(m->work->arena, atr_conv);
  const atr_mlir_attr *dims = atr_mlir_attr_find(attrs, "dimension_numbers");
  if (dims == NULL) return atr_fail(m->work, op, ATR_PARSE_ERROR, "stablehlo.convolution lacks dimension_numbers");
  spans[ATR_ATTR_DIM_LABELS] = atr_mlir_attr_span(dims);
  ATR_TRY(dimension_numbers(m, dims, conv));
  for (int i = 0; i < conv->spatial; i++) {
    int dim = conv->rhs_spatial[i];
    if (dim >= rhs->rank) {
      return atr_fail(m->work, spans[ATR_ATTR_DIM_LABELS], ATR_VERIFY_ERROR,
                      "the dimension numbers name dimension %d of rhs, which is %s", dim, atr_mlir_type_text(m->work, rhs));
    }
    conv->window[i] = (atr_window_dim){.size = rhs->dims[dim], .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
  }
  ATR_TRY(window_read(m, attrs, &spans[ATR_ATTR_WINDOW], conv));
  ATR_TRY(precision_read(m, attrs, conv));
  ATR_TRY(group_count(m, attrs, "feature_group_count", op, &spans[ATR_ATTR_FEATURE_GROUP_COUNT], &conv->feature_group_count));
  ATR_TRY(group_count(m, attrs, "batch_group_count", op, &spans[ATR_ATTR_BATCH_GROUP_COUNT], &conv->batch_group_count));
  *out = conv;
  return ATR_OK;
}
