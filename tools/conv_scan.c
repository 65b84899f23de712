/* conv_scan.c - see conv_scan.h. Goes through the text line by line and remembers the shape of every name, so that a
 * convolution finds those of its operands. */
#include "conv_scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"

/* "x = f32[1,2] ..." */
typedef struct line {
  const char *name;
  size_t name_len;
  atr_shape shape; /* layout not filled in */
  const char *op;  /* "convolution(x, w), ..." up to the end of the line */
  const char *end;
} line;

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static const char *skip(const char *at, const char *word) {
  size_t len = strlen(word);
  return strncmp(at, word, len) == 0 ? at + len : at;
}

/* "f32[1,2]{1,0}" at *at, which moves behind it. */
static bool read_shape(const char **at, atr_shape *out) {
  const char *p = *at;
  *out = (atr_shape){.dtype = ATR_DTYPE_NONE};
  for (atr_dtype d = ATR_PRED; d <= ATR_C128; d = (atr_dtype)(d + 1)) {
    size_t len = strlen(atr_dtype_name(d));
    if (strncmp(p, atr_dtype_name(d), len) == 0 && p[len] == '[') {
      out->dtype = d;
      p += len + 1;
      break;
    }
  }
  if (out->dtype == ATR_DTYPE_NONE) return false;
  while (*p != ']') {
    char *end;
    if (out->rank == ATR_MAX_RANK || *p < '0' || *p > '9') return false;
    out->dims[out->rank++] = strtoll(p, &end, 10);
    p = *end == ',' ? end + 1 : end;
  }
  p++;
  if (*p == '{') p += strcspn(p, "}\n") + 1;
  *at = p;
  return true;
}

/* False for lines that define no array: braces, the header, tuples. */
static bool read_line(const char *text, const char *end, line *out) {
  const char *at = skip(skip(text + strspn(text, " "), "ROOT "), "%");
  out->name = at;
  while (is_name_char(*at)) at++;
  out->name_len = (size_t)(at - out->name);
  if (out->name_len == 0 || strncmp(at, " = ", 3) != 0) return false;
  at += 3;
  if (!read_shape(&at, &out->shape) || *at != ' ') return false;
  out->op = at + 1;
  out->end = end;
  return true;
}

static bool starts(const line *l, const char *word) { return strncmp(l->op, word, strlen(word)) == 0; }

/* What follows "key" on the line; NULL: not there. */
static const char *find(const line *l, const char *key) {
  const char *at = strstr(l->op, key);
  return at != NULL && at < l->end ? at + strlen(key) : NULL;
}

/* The shape of operand `number` of "op(a, b)", stated ("f32[2] %a") or not. */
static const atr_shape *operand(const line *lines, int count, int number) {
  const char *at = lines[count].op + strcspn(lines[count].op, "(\n");
  for (int i = 0; *at == '(' || *at == ','; i++) {
    atr_shape stated;
    at++;
    at += strspn(at, " ");
    if (read_shape(&at, &stated)) at += strspn(at, " ");
    at = skip(at, "%");
    const char *name = at;
    while (is_name_char(*at)) at++;
    if (i != number) continue;
    for (int k = count - 1; k >= 0; k--) {
      bool same = lines[k].name_len == (size_t)(at - name) && memcmp(lines[k].name, name, lines[k].name_len) == 0;
      if (same) return &lines[k].shape;
    }
    return NULL;
  }
  return NULL;
}

/* One spatial dimension's window, with HLO's defaults. */
typedef struct window_dim {
  int64_t size, stride, pad_lo, pad_hi, lhs_dilation, rhs_dilation;
  bool edge; /* the input goes on beyond its ends */
} window_dim;

/* Entry `dim` of "key=AxBxC" inside window={...}; for pad, A is "lo_hi" and *second gets hi. */
static int64_t window_field(const char *window, const char *key, int dim, int64_t missing, int64_t *second) {
  const char *end = window + strcspn(window, "}\n"), *at = strstr(window, key);
  if (at == NULL || at >= end) return missing;
  at += strlen(key);
  for (; dim > 0; dim--) {
    at += strcspn(at, "x }\n");
    if (*at != 'x') return missing;
    at++;
  }
  char *next;
  int64_t value = strtoll(at, &next, 10);
  if (second != NULL && *next == '_') *second = strtoll(next + 1, NULL, 10);
  return value;
}

/* Does entry `dim` of "reflectxzero" name a mode other than zero? */
static bool has_edge(const char *edges, int dim) {
  for (; edges != NULL && dim > 0; dim--) {
    edges += strcspn(edges, "x,\n");
    edges = *edges == 'x' ? edges + 1 : NULL;
  }
  return edges != NULL && skip(edges, "zero") == edges;
}

static window_dim read_window(const char *window, const char *edges, int dim) {
  window_dim w = {1, 1, 0, 0, 1, 1, has_edge(edges, dim)};
  if (window == NULL) return w;
  w.size = window_field(window, "size=", dim, 1, NULL);
  w.stride = window_field(window, "stride=", dim, 1, NULL);
  w.pad_lo = window_field(window, "pad=", dim, 0, &w.pad_hi);
  w.lhs_dilation = window_field(window, "lhs_dilate=", dim, 1, NULL);
  w.rhs_dilation = window_field(window, "rhs_dilate=", dim, 1, NULL);
  return w;
}

/* Pairs of an output position and a tap that meet an element of the input (the index map of convolution). */
static double met_taps(const window_dim *w, int64_t input, int64_t output) {
  double met = 0;
  int64_t dilated = input == 0 ? 0 : (input - 1) * w->lhs_dilation + 1;
  for (int64_t o = 0; o < output; o++) {
    for (int64_t k = 0; k < w->size; k++) {
      int64_t t = o * w->stride + k * w->rhs_dilation - w->pad_lo;
      met += (w->edge || (t >= 0 && t < dilated)) && t % w->lhs_dilation == 0;
    }
  }
  return met;
}

/* Position of a dimension in its array by its label ('b', '0', ...); labels points at that array's part. */
static int label_position(const char *labels, char label) {
  for (int i = 0; i < ATR_MAX_RANK && (is_name_char(labels[i]) && labels[i] != '_' && labels[i] != '-'); i++) {
    if (labels[i] == label) return i;
  }
  return -1;
}

static void add_sums(const line *l, double terms, double products, double useful, conv_stats *out) {
  double per_product = element_kind_of(l->shape.dtype) == ELEMENT_COMPLEX ? 8 : 2;
  out->reduction += terms;
  out->flops += per_product * products;
  out->useful_flops += per_product * useful;
}

/* Gradients of a local convolution: a weight meets each batch row once; an input element meets, of the features of its group,
 * each tap at most once. So the first operand has the terms, in its batch as an lhs or in its features as a cotangent. */
static void add_gradient(const line *lines, int count, conv_stats *out) {
  const line *l = &lines[count];
  const atr_shape *first = operand(lines, count, 0);
  bool weight = find(l, "weight_gradient\"") != NULL;
  const char *labels = find(l, "dim_labels="), *result = labels != NULL ? strstr(labels, "->") : NULL;
  int at = result == NULL ? -1 : weight ? label_position(labels, 'b') : label_position(result + 2, 'f');
  if (at < 0 || first == NULL || at >= first->rank) return;
  const char *groups = find(l, "feature_group_count=");
  double terms = (double)first->dims[at], elements = 1;
  if (!weight && groups != NULL) terms /= (double)strtoll(groups, NULL, 10);
  for (int d = 0; d < l->shape.rank - 2 && !weight; d++) terms *= (double)read_window(find(l, "window={"), NULL, d).size;
  for (int i = 0; i < l->shape.rank; i++) elements *= (double)l->shape.dims[i];
  add_sums(l, terms, terms * elements, terms * elements, out);
}

static void add_convolution(const line *lines, int count, conv_stats *out) {
  const line *l = &lines[count];
  const char *window = find(l, "window={"), *lhs = find(l, "dim_labels=");
  const char *rhs = lhs != NULL ? strchr(lhs, '_') : NULL, *result = lhs != NULL ? strstr(lhs, "->") : NULL;
  const atr_shape *x = operand(lines, count, 0), *w = operand(lines, count, 1);
  bool local = starts(l, "custom-call");
  if (rhs == NULL || result == NULL || x == NULL || w == NULL) return;
  rhs++, result += 2;
  int input_feature = label_position(rhs, 'i');
  double channels = input_feature < 0 || input_feature >= w->rank ? 1 : (double)w->dims[input_feature];
  double taps = channels, products = channels, useful = channels;
  for (int i = 0; i < l->shape.rank; i++) products *= (double)l->shape.dims[i];
  useful = products;
  for (int d = 0; d < l->shape.rank - 2 && d < 10; d++) {
    window_dim dim = read_window(window, find(l, "edge_mode="), d);
    int at = label_position(lhs, (char)('0' + d)), to = label_position(result, (char)('0' + d));
    if (at < 0 || to < 0 || at >= x->rank || to >= l->shape.rank) return;
    if (local) dim.size = 1; /* the window is counted in rhs's input features already */
    double all = (double)dim.size * (double)l->shape.dims[to];
    taps *= (double)dim.size;
    products *= (double)dim.size;
    useful *= (double)dim.size;
    if (!local && products > 0) useful *= met_taps(&dim, x->dims[at], l->shape.dims[to]) / all;
  }
  add_sums(l, taps, products, useful, out);
}

/* Terms are added and nothing is multiplied, so the work of convolutions stays as it is. */
static void add_reduce(const line *lines, int count, conv_stats *out) {
  const atr_shape *x = operand(lines, count, 0);
  const char *dims = find(&lines[count], "dimensions={");
  double terms = 1;
  while (x != NULL && dims != NULL && *dims >= '0' && *dims <= '9') {
    char *end;
    int64_t dim = strtoll(dims, &end, 10);
    if (dim < x->rank) terms *= (double)x->dims[dim];
    dims = *end == ',' ? end + 1 : end;
  }
  out->reduction += terms;
}

static void add_line(const line *lines, int count, conv_stats *out) {
  const line *l = &lines[count];
  if (starts(l, "parameter(") || starts(l, "constant(")) return;
  out->steps++;
  atr_dtype d = l->shape.dtype;
  if (element_is_float(d) && (out->coarsest == ATR_DTYPE_NONE || element_epsilon(d) > element_epsilon(out->coarsest))) {
    out->coarsest = d;
  }
  if (find(l, "_gradient\"") != NULL) add_gradient(lines, count, out);
  else if (starts(l, "convolution(") || starts(l, "custom-call(")) add_convolution(lines, count, out);
  else if (starts(l, "reduce(")) add_reduce(lines, count, out);
}

bool conv_scan(const char *hlo, conv_stats *out) {
  *out = (conv_stats){0};
  size_t most = 1;
  for (const char *p = hlo; *p != 0; p++) most += *p == '\n';
  line *lines = calloc(most, sizeof *lines);
  if (lines == NULL) return false;
  int count = 0;
  for (const char *at = hlo; *at != 0;) {
    const char *end = at + strcspn(at, "\n");
    if (read_line(at, end, &lines[count])) {
      add_line(lines, count, out);
      count++;
    }
    at = *end != 0 ? end + 1 : end;
  }
  free(lines);
  return true;
}
