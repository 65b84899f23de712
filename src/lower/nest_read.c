/* nest_read.c - programs from text.
 *
 * In: work->source, in the form that nest_print.c's head describes; line breaks are white space like any other. Out: the
 * program, not verified: extents, steps and trees may be nonsense, but every name is resolved and every number fits its
 * field.
 *
 *     conv.nest:5:26: error: dim "ok" is not one of the nest's dims
 *
 * The data of constants is not in the text: such buffers come back with data NULL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/nest.h"

typedef struct reader {
  atr_work *work;
  const char *text;
  size_t len, at;
  size_t token; /* where the last token began, for messages */
  atr_program *program;
  atr_nest *nest;
} reader;

/* ---- tokens */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word_char(char c) { return is_letter(c) || is_digit(c) || (c != '\0' && strchr(".-$@", c) != NULL); }
static bool is_dim_char(char c) { return is_letter(c) || is_digit(c) || c == '.'; }
static bool is_value_char(char c) { return is_letter(c) || is_digit(c) || (c != '\0' && strchr("+-.", c) != NULL); }

static atr_span span_of_token(const reader *r) {
  return (atr_span){(uint32_t)r->token + 1, (uint32_t)(r->at > r->token ? r->at - r->token : 1)};
}

#define FAIL(r, ...) atr_fail((r)->work, span_of_token(r), ATR_PARSE_ERROR, __VA_ARGS__)

static char peek(reader *r) {
  while (r->at < r->len &&
         (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\t' || r->text[r->at] == '\r'))
    r->at++;
  r->token = r->at;
  return r->at < r->len ? r->text[r->at] : '\0';
}

/* The run of characters of one kind that comes next, not taken. */
static size_t run_length(reader *r, bool (*belongs)(char)) {
  peek(r);
  size_t end = r->at;
  while (end < r->len && belongs(r->text[end])) end++;
  return end - r->at;
}

static atr_status expected(reader *r, const char *what) {
  char found = peek(r);
  size_t len = run_length(r, is_word_char);
  r->at += len;
  if (found == '\0' && r->at >= r->len) return FAIL(r, "expected %s, found the end of the text", what);
  if (len == 0) return FAIL(r, "expected %s, found '%c'", what, found >= ' ' && found < 0x7f ? found : '?');
  return FAIL(r, "expected %s, found '%.*s'", what, (int)(len < 60 ? len : 60), r->text + r->token);
}

static bool accept(reader *r, char c) {
  if (peek(r) != c || r->at >= r->len) return false;
  r->at++;
  return true;
}

static atr_status take(reader *r, char c) {
  char what[] = {'\'', c, '\'', '\0'};
  return accept(r, c) ? ATR_OK : expected(r, what);
}

static bool next_is(reader *r, const char *word) {
  size_t len = run_length(r, is_word_char);
  return len == strlen(word) && memcmp(r->text + r->at, word, len) == 0;
}

static bool accept_word(reader *r, const char *word) {
  if (!next_is(r, word)) return false;
  r->at += strlen(word);
  return true;
}

static atr_status take_word(reader *r, const char *word) {
  if (accept_word(r, word)) return ATR_OK;
  return expected(r, atr_arena_printf(r->work->arena, "'%s'", word));
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind the opening quote: text with \" \\ and \xHH. */
static atr_status read_string(reader *r, const char **out) {
  atr_text text = atr_text_make(r->work->arena);
  atr_text_puts(&text, "");
  while (r->at < r->len && r->text[r->at] != '"') {
    char c = r->text[r->at++];
    if (c == '\\' && r->at < r->len) {
      c = r->text[r->at++];
      int high = r->at + 1 < r->len ? hex_digit(r->text[r->at]) : -1, low = high >= 0 ? hex_digit(r->text[r->at + 1]) : -1;
      if (c == 'x' && low >= 0 && high + low > 0) {
        c = (char)(16 * high + low);
        r->at += 2;
      } else if (c != '"' && c != '\\') {
        return FAIL(r, "the string has an escape that is none of \\\" \\\\ \\x01 to \\xff");
      }
    }
    if (c == '\0') return FAIL(r, "the string holds a NUL");
    atr_text_append(&text, &c, 1);
  }
  if (r->at == r->len) return FAIL(r, "the string has no end");
  r->at++;
  *out = text.data;
  return ATR_OK;
}

static atr_status read_name_of(reader *r, bool (*belongs)(char), const char *what, const char **out) {
  if (accept(r, '"')) return read_string(r, out);
  size_t len = run_length(r, belongs);
  if (len == 0) return expected(r, what);
  *out = atr_arena_string(r->work->arena, r->text + r->at, len);
  r->at += len;
  return ATR_OK;
}

static atr_status read_name(reader *r, const char *what, const char **out) { return read_name_of(r, is_word_char, what, out); }

/* Digits only. */
static atr_status read_magnitude(reader *r, uint64_t *out) {
  size_t len = run_length(r, is_digit);
  if (len == 0) return expected(r, "a number");
  *out = 0;
  for (size_t i = 0; i < len; i++) {
    bool fits = !__builtin_mul_overflow(*out, 10, out) &&
                !__builtin_add_overflow(*out, (uint64_t)(r->text[r->at + i] - '0'), out);
    if (!fits) {
      r->at += len;
      return FAIL(r, "the number does not fit 64 bits");
    }
  }
  r->at += len;
  return ATR_OK;
}

static atr_status with_sign(reader *r, bool negative, uint64_t magnitude, int64_t *out) {
  if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return FAIL(r, "the number does not fit 64 bits");
  *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return ATR_OK;
}

static atr_status read_int64(reader *r, int64_t *out) {
  uint64_t magnitude;
  bool negative = accept(r, '-');
  ATR_TRY(read_magnitude(r, &magnitude));
  return with_sign(r, negative, magnitude, out);
}

static atr_status read_int(reader *r, int *out) {
  uint64_t value;
  ATR_TRY(read_magnitude(r, &value));
  if (value > INT32_MAX) return FAIL(r, "the number does not fit 32 bits");
  *out = (int)value;
  return ATR_OK;
}

static atr_status read_dtype(reader *r, atr_dtype *out) {
  size_t len = run_length(r, is_word_char);
  *out = atr_dtype_from_name(r->text + r->at, len);
  if (*out == ATR_DTYPE_NONE) return expected(r, "a dtype");
  r->at += len;
  return ATR_OK;
}

/* ---- values of constants */

/* "-1.25e3" as "-125e1": a decimal point would be the locale's for strtod. */
static bool decimal_of(atr_arena *arena, const char *text, size_t len, double *out) {
  char *digits = atr_arena_alloc(arena, len + 32);
  size_t at = 0, count = 0;
  int64_t fraction = 0, exponent = 0;
  bool any = false;
  if (at < len && text[at] == '-') digits[count++] = text[at++];
  for (; at < len && is_digit(text[at]); at++, any = true) digits[count++] = text[at];
  if (any && at < len && text[at] == '.')
    for (at++; at < len && is_digit(text[at]); at++, fraction++) digits[count++] = text[at];
  if (any && at < len && text[at] == 'e') {
    bool negative = ++at < len && text[at] == '-', some = false;
    if (at < len && (text[at] == '-' || text[at] == '+')) at++;
    for (; at < len && is_digit(text[at]); at++, some = true)
      if (exponent < 1000000) exponent = 10 * exponent + (text[at] - '0');
    any = some;
    if (negative) exponent = -exponent;
  }
  snprintf(digits + count, 32, "e%lld", (long long)(exponent - fraction));
  *out = strtod(digits, NULL);
  return any && at == len;
}

static atr_status read_float(reader *r, atr_dtype dtype, double *out) {
  size_t len = run_length(r, is_value_char);
  const char *text = r->text + r->at;
  bool negative = len > 0 && text[0] == '-';
  const char *body = text + (negative ? 1 : 0);
  size_t body_len = len - (negative ? 1 : 0);
  if (body_len == 3 && memcmp(body, "nan", 3) == 0) *out = (double)NAN;
  else if (body_len == 3 && memcmp(body, "inf", 3) == 0) *out = negative ? -(double)INFINITY : (double)INFINITY;
  else if (!decimal_of(r->work->arena, text, len, out)) return expected(r, "a decimal number, inf or nan");
  *out = atr_scalar_round(dtype, (atr_scalar){.re = *out}).re;
  r->at += len;
  return ATR_OK;
}

static atr_status read_integer(reader *r, atr_dtype dtype, atr_scalar *out) {
  uint64_t magnitude;
  bool negative = accept(r, '-');
  ATR_TRY(read_magnitude(r, &magnitude));
  if (atr_dtype_class_of(dtype) == ATR_CLASS_UINT && !negative) out->i = (int64_t)magnitude;
  else ATR_TRY(with_sign(r, negative, magnitude, &out->i));
  bool fits = atr_scalar_round(dtype, *out).i == out->i &&
              !(atr_dtype_class_of(dtype) == ATR_CLASS_UINT && negative && magnitude != 0);
  return fits ? ATR_OK : FAIL(r, "the number does not fit %s", atr_dtype_name(dtype));
}

static atr_status read_value(reader *r, atr_dtype dtype, atr_scalar *out) {
  *out = (atr_scalar){.re = 0};
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_NONE: break;
  case ATR_CLASS_PRED: out->i = accept_word(r, "true"); return out->i != 0 ? ATR_OK : take_word(r, "false");
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT: return read_integer(r, dtype, out);
  case ATR_CLASS_FLOAT: return read_float(r, dtype, &out->re);
  case ATR_CLASS_COMPLEX:
    ATR_TRY(take(r, '('));
    ATR_TRY(read_float(r, atr_dtype_real(dtype), &out->re));
    ATR_TRY(take(r, ','));
    ATR_TRY(read_float(r, atr_dtype_real(dtype), &out->im));
    return take(r, ')');
  }
  return expected(r, "a dtype");
}

/* ---- affine forms and accesses */

static atr_status read_dim(reader *r, int *out) {
  const char *name;
  ATR_TRY(read_name_of(r, is_dim_char, "a dim", &name));
  for (*out = 0; *out < r->nest->dim_count; ++*out)
    if (strcmp(r->nest->dims[*out].name, name) == 0) return ATR_OK;
  return FAIL(r, "dim \"%.60s\" is not one of the nest's dims", name);
}

/* NUMBER, NUMBER*DIM or DIM behind the sign. */
static atr_status read_term(reader *r, bool negative, atr_affine *out, bool *has_offset) {
  int64_t value;
  uint64_t magnitude = 1;
  bool number = is_digit(peek(r));
  if (number) ATR_TRY(read_magnitude(r, &magnitude));
  ATR_TRY(with_sign(r, negative, magnitude, &value));
  if (number && !accept(r, '*')) {
    if (*has_offset) return FAIL(r, "a second offset");
    *has_offset = true;
    out->offset = value;
    return ATR_OK;
  }
  int dim;
  ATR_TRY(read_dim(r, &dim));
  if (out->coef[dim] != 0) return FAIL(r, "dim %s stands here twice", r->nest->dims[dim].name);
  out->coef[dim] = value;
  return ATR_OK;
}

static atr_status read_affine(reader *r, atr_affine *out) {
  bool has_offset = false;
  memset(out, 0, sizeof *out);
  ATR_TRY(read_term(r, accept(r, '-'), out, &has_offset));
  for (;;) {
    bool negative = accept(r, '-');
    if (!negative && !accept(r, '+')) return ATR_OK;
    ATR_TRY(read_term(r, negative, out, &has_offset));
  }
}

/* NAME[AFFINE] [padded] */
static atr_status read_access(reader *r, atr_access *out) {
  const char *name;
  memset(out, 0, sizeof *out);
  ATR_TRY(read_name(r, "a buffer", &name));
  while (out->buffer < r->program->buffer_count && strcmp(r->program->buffers[out->buffer].name, name) != 0) out->buffer++;
  if (out->buffer == r->program->buffer_count) return FAIL(r, "no buffer is called \"%.60s\"", name);
  ATR_TRY(take(r, '['));
  ATR_TRY(read_affine(r, &out->at));
  ATR_TRY(take(r, ']'));
  out->padded = accept_word(r, "padded");
  return ATR_OK;
}

static atr_status read_edge(reader *r, atr_edge_mode *out) {
  for (int mode = ATR_EDGE_ZERO; mode <= ATR_EDGE_CIRCULAR; mode++) {
    if (!accept_word(r, mode == ATR_EDGE_ZERO ? "skip" : atr_edge_name((atr_edge_mode)mode))) continue;
    *out = (atr_edge_mode)mode;
    return ATR_OK;
  }
  return expected(r, "skip, reflect, replicate or circular");
}

static atr_status read_indices(reader *r, atr_access *access) {
  int capacity = 0;
  while (accept_word(r, "index")) {
    atr_index index = {.divisor = 1};
    ATR_TRY(take(r, '('));
    ATR_TRY(read_affine(r, &index.at));
    ATR_TRY(take(r, ')'));
    if (accept(r, '/')) ATR_TRY(read_int64(r, &index.divisor));
    ATR_TRY(take_word(r, "of"));
    ATR_TRY(read_int64(r, &index.bound));
    ATR_TRY(take_word(r, "by"));
    ATR_TRY(read_int64(r, &index.stride));
    ATR_TRY(take_word(r, "else"));
    ATR_TRY(read_edge(r, &index.edge));
    ATR_RESERVE(r->work->arena, access->index, access->index_count, capacity);
    access->index[access->index_count++] = index;
  }
  return ATR_OK;
}

/* lhs or rhs: access as DTYPE index* */
static atr_status read_operand(reader *r, atr_access *access, atr_dtype *dtype) {
  ATR_TRY(read_access(r, access));
  ATR_TRY(take_word(r, "as"));
  ATR_TRY(read_dtype(r, dtype));
  return read_indices(r, access);
}

/* ---- expressions */

static atr_status read_step(reader *r, int *out) {
  ATR_TRY(take(r, '%'));
  ATR_TRY(read_int(r, out));
  return *out > 0 ? ATR_OK : FAIL(r, "steps are numbered from 1");
}

static atr_status read_direction(reader *r, atr_direction *out) {
  for (int d = ATR_EQ; d <= ATR_GE; d++) {
    if (!accept_word(r, atr_direction_name((atr_direction)d))) continue;
    *out = (atr_direction)d;
    return ATR_OK;
  }
  return expected(r, "EQ, NE, LT, LE, GT or GE");
}

static atr_status read_op(reader *r, atr_expr *e) {
  size_t len = run_length(r, is_word_char);
  e->kind = ATR_EXPR_OP;
  e->op = atr_op_from_name(r->text + r->at, len);
  int operands = atr_op_operand_count(e->op);
  if (e->op == ATR_OP_NONE || operands < 1 || operands > 3) return expected(r, "acc, const, load or an elementwise operation");
  r->at += len;
  if (e->op == ATR_OP_COMPARE) ATR_TRY(read_direction(r, &e->direction));
  ATR_TRY(read_dtype(r, &e->dtype));
  for (int i = 0; i < operands; i++) ATR_TRY(read_step(r, &e->args[i]));
  return ATR_OK;
}

static atr_status read_expr(reader *r) {
  atr_expr e = {.kind = ATR_EXPR_ACC};
  int number;
  ATR_TRY(read_step(r, &number));
  if (number != r->nest->expr_count + 1) return FAIL(r, "this is step %%%d", r->nest->expr_count + 1);
  ATR_TRY(take(r, '='));
  if (accept_word(r, "acc")) {
    ATR_TRY(read_dtype(r, &e.dtype));
  } else if (accept_word(r, "const")) {
    e.kind = ATR_EXPR_CONST;
    ATR_TRY(read_dtype(r, &e.dtype));
    ATR_TRY(read_value(r, e.dtype, &e.constant));
  } else if (accept_word(r, "load")) {
    e.kind = ATR_EXPR_LOAD;
    ATR_TRY(read_access(r, &e.access));
    ATR_TRY(read_dtype(r, &e.dtype));
    ATR_TRY(read_indices(r, &e.access));
    if (accept_word(r, "else")) ATR_TRY(read_step(r, &e.args[0]));
  } else {
    ATR_TRY(read_op(r, &e));
  }
  atr_nest_add_expr(r->work->arena, r->nest, &e);
  return ATR_OK;
}

/* ---- dims, guards, trees */

/* False when the next word begins no dim. */
static bool accept_kind(reader *r, bool *reduced, atr_dim_kind *kind) {
  *reduced = accept_word(r, "reduce");
  *kind = ATR_DIM_LOOP;
  if (accept_word(r, "part")) *kind = ATR_DIM_PART;
  else if (accept_word(r, "parallel")) *kind = ATR_DIM_PARALLEL;
  else if (accept_word(r, "unroll")) *kind = ATR_DIM_UNROLL;
  else if (accept_word(r, "vector")) *kind = ATR_DIM_VECTOR;
  else if (accept_word(r, "dot")) *kind = ATR_DIM_DOT;
  else return *reduced || accept_word(r, "loop");
  return true;
}

static atr_status read_dims(reader *r) {
  atr_dim dim;
  ATR_TRY(take_word(r, "dims"));
  while (accept_kind(r, &dim.reduced, &dim.kind)) {
    ATR_TRY(read_name_of(r, is_dim_char, "the name of a dim", &dim.name));
    if (r->nest->dim_count == ATR_MAX_DIMS) return FAIL(r, "a nest has at most %d dims", ATR_MAX_DIMS);
    ATR_TRY(take(r, ':'));
    ATR_TRY(read_int64(r, &dim.extent));
    r->nest->dims[r->nest->dim_count++] = dim;
  }
  return ATR_OK;
}

static atr_status read_guards(reader *r) {
  int capacity = 0;
  while (accept_word(r, "guard")) {
    atr_guard guard;
    ATR_TRY(read_affine(r, &guard.at));
    ATR_TRY(take(r, '<'));
    ATR_TRY(read_int64(r, &guard.bound));
    ATR_RESERVE(r->work->arena, r->nest->guards, r->nest->guard_count, capacity);
    r->nest->guards[r->nest->guard_count++] = guard;
  }
  return ATR_OK;
}

static atr_status read_loop_head(reader *r, atr_node *node) {
  bool reduced;
  atr_dim_kind kind;
  if (!accept_kind(r, &reduced, &kind)) return expected(r, "a loop, 'tile', 'mac' or '}'");
  ATR_TRY(read_dim(r, &node->dim));
  const atr_dim *dim = &r->nest->dims[node->dim];
  if (dim->reduced != reduced || dim->kind != kind) return FAIL(r, "dim %s was declared as another kind", dim->name);
  ATR_TRY(read_int64(r, &node->lo));
  ATR_TRY(take(r, '.'));
  ATR_TRY(take(r, '.'));
  ATR_TRY(read_int64(r, &node->hi));
  node->across = accept_word(r, "across");
  node->clip = accept_word(r, "clip");
  return ATR_OK;
}

/* Siblings up to the closing brace, which is taken. Nothing sensible is deeper than one node per dim, a tile and a mac. */
static atr_status read_nodes(reader *r, int depth, atr_node **out) {
  *out = NULL;
  while (!accept(r, '}')) {
    if (depth > ATR_MAX_DIMS + 2) return FAIL(r, "the tree is nested deeper than %d nodes", ATR_MAX_DIMS + 2);
    atr_node *node = *out = ATR_NEW(r->work->arena, atr_node);
    out = &node->next;
    if (accept_word(r, "mac")) {
      node->dim = ATR_NODE_MAC;
      continue;
    }
    if (accept_word(r, "tile")) node->dim = ATR_NODE_TILE;
    else ATR_TRY(read_loop_head(r, node));
    ATR_TRY(take(r, '{'));
    ATR_TRY(read_nodes(r, depth + 1, &node->child));
  }
  return ATR_OK;
}

/* ---- nests and programs */

static atr_status read_nest(reader *r) {
  atr_nest *nest = r->nest = ATR_NEW(r->work->arena, atr_nest);
  ATR_TRY(read_name(r, "the name of a nest", &nest->name));
  nest->prepack = accept_word(r, "prepack");
  ATR_TRY(take(r, '{'));
  if (accept_word(r, "schedule")) {
    ATR_TRY(take(r, '"'));
    ATR_TRY(read_string(r, &nest->schedule));
  }
  ATR_TRY(read_dims(r));
  ATR_TRY(read_guards(r));
  nest->has_acc = accept_word(r, "lhs");
  if (nest->has_acc) {
    ATR_TRY(read_operand(r, &nest->lhs, &nest->lhs_dtype));
    nest->prefetch_lhs = accept_word(r, "prefetch");
    ATR_TRY(take_word(r, "rhs"));
    ATR_TRY(read_operand(r, &nest->rhs, &nest->rhs_dtype));
    ATR_TRY(take_word(r, "acc"));
    ATR_TRY(read_dtype(r, &nest->acc_dtype));
    nest->continues = accept_word(r, "continued");
  }
  while (peek(r) == '%') ATR_TRY(read_expr(r));
  ATR_TRY(take_word(r, "store"));
  ATR_TRY(read_access(r, &nest->out));
  ATR_TRY(read_indices(r, &nest->out));
  ATR_TRY(read_step(r, &nest->root));
  nest->prefetch_out = accept_word(r, "prefetch");
  ATR_TRY(read_nodes(r, 0, &nest->tree));
  nest->across = atr_nest_across(r->work->arena, nest);
  atr_program_add_nest(r->work->arena, r->program, nest);
  return ATR_OK;
}

static atr_status read_buffer_kind(reader *r, atr_buffer *buffer) {
  if (accept_word(r, "arg")) buffer->kind = ATR_BUFFER_ARG;
  else if (accept_word(r, "result")) buffer->kind = ATR_BUFFER_RESULT;
  else if (accept_word(r, "constant")) buffer->kind = ATR_BUFFER_CONSTANT;
  else if (accept_word(r, "temp")) buffer->kind = ATR_BUFFER_TEMP;
  else if (accept_word(r, "packed")) buffer->kind = ATR_BUFFER_PACKED;
  else return expected(r, "arg, result, constant, temp or packed");
  bool numbered = buffer->kind == ATR_BUFFER_ARG || buffer->kind == ATR_BUFFER_RESULT;
  return numbered ? read_int(r, &buffer->number) : ATR_OK;
}

static atr_status read_buffer(reader *r) {
  atr_buffer buffer = {.data = NULL};
  ATR_TRY(read_name(r, "the name of a buffer", &buffer.name));
  ATR_TRY(read_buffer_kind(r, &buffer));
  ATR_TRY(read_dtype(r, &buffer.dtype));
  ATR_TRY(read_int64(r, &buffer.elements));
  if (accept_word(r, "at")) ATR_TRY(read_int64(r, &buffer.offset));
  atr_program_add_buffer(r->work->arena, r->program, &buffer);
  return ATR_OK;
}

static atr_status read_program(reader *r, atr_program **out) {
  atr_program *program = r->program = ATR_NEW(r->work->arena, atr_program);
  ATR_TRY(take_word(r, "program"));
  ATR_TRY(read_name(r, "the name of the program", &program->name));
  ATR_TRY(take(r, '{'));
  if (accept_word(r, "scratch")) ATR_TRY(read_int64(r, &program->scratch_bytes));
  if (accept_word(r, "packed")) ATR_TRY(read_int64(r, &program->packed_bytes));
  while (accept_word(r, "buffer")) ATR_TRY(read_buffer(r));
  while (accept_word(r, "nest")) ATR_TRY(read_nest(r));
  if (!accept(r, '}')) return expected(r, "'buffer', 'nest' or '}'");
  *out = program;
  return ATR_OK;
}

static bool at_end(reader *r) {
  peek(r);
  return r->at >= r->len;
}

atr_status atr_program_read_next(atr_work *work, size_t *at, atr_program **out) {
  reader r = {.work = work, .text = work->source->text, .len = work->source->len, .at = *at};
  if (r.len >= UINT32_MAX) return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "the text is 4 GiB or longer");
  *out = NULL;
  if (*at > 0 && at_end(&r)) return ATR_OK;
  ATR_TRY(read_program(&r, out));
  *at = r.at;
  return ATR_OK;
}

atr_status atr_program_read(atr_work *work, atr_program **out) {
  size_t at = 0;
  ATR_TRY(atr_program_read_next(work, &at, out));
  reader r = {.work = work, .text = work->source->text, .len = work->source->len, .at = at};
  return at_end(&r) ? ATR_OK : expected(&r, "the end of the text");
}
