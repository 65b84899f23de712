/* nest_print.c - programs and nests as text.
 *
 * In: a program at any stage. Out: the text that nest_read.c reads back; every field is in it but `why` and the data
 * of constants. Grammar ([] optional, * repeated):
 *
 *     program   program NAME { [scratch BYTES] [packed BYTES] buffer* nest* }
 *     buffer    buffer NAME (arg N | result N | constant | temp | packed) DTYPE ELEMENTS [at OFFSET]
 *     nest      nest NAME [prepack] { [schedule "TEXT"] dims [reduce] KIND DIM:EXTENT ...  guard*
 *                                     [lhs operand [prefetch]  rhs operand  acc DTYPE [continued]] step*
 *                                      store access index* %N [prefetch]  node* }
 *     guard     guard AFFINE < BOUND
 *     operand   access as DTYPE index*             access    NAME[AFFINE] [padded]
 *     index     index (AFFINE) [/ DIVISOR] of BOUND by STRIDE else (skip | reflect | replicate | circular)
 *     step      %N = acc DTYPE | const DTYPE VALUE | load access DTYPE index* [else %N] | OPCODE [DIRECTION] DTYPE %N ...
 *     node      ([reduce] KIND) DIM LO..HI [across] [clip] { node* } | tile { node* } | mac
 *     KIND      loop | part | parallel | unroll | vector | dot; after `reduce` the word loop is left out
 *     AFFINE    oy + 2*ky - 1: terms in the order of the dims, the offset last; 0 when there is nothing else
 *
 * NAME is a word of letters, digits and "_.-$@", a dim's name one of letters, digits, "_" and "."; any other is a quoted
 * string. */
#include <string.h>

#include "lower/nest.h"

static bool is_word(const char *name) {
  for (const char *at = name; *at != '\0'; at++) {
    bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
    if (!letter && strchr("_.-$@", *at) == NULL) return false;
  }
  return name[0] != '\0';
}

/* A dim's name stands in affine forms, where '-' is an operator and a digit begins a number. */
static bool is_dim_word(const char *name) {
  return is_word(name) && strpbrk(name, "-$@") == NULL && strchr("0123456789.", name[0]) == NULL;
}

static void print_string(atr_text *text, const char *string) {
  atr_text_puts(text, "\"");
  for (const char *at = string; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    if (byte == '"' || byte == '\\') atr_text_printf(text, "\\%c", byte);
    else if (byte < 0x20 || byte >= 0x7f) atr_text_printf(text, "\\x%02x", byte);
    else atr_text_append(text, at, 1);
  }
  atr_text_puts(text, "\"");
}

static void print_name(atr_text *text, const char *name) {
  if (name == NULL) name = "";
  if (is_word(name)) atr_text_puts(text, name);
  else print_string(text, name);
}

static void print_dim(atr_text *text, const atr_dim *dim) {
  if (dim->name != NULL && is_dim_word(dim->name)) atr_text_puts(text, dim->name);
  else print_string(text, dim->name != NULL ? dim->name : "");
}

static unsigned long long magnitude(int64_t value) {
  return value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;
}

/* " + " or " - " between terms, "-" or nothing in front of the first. */
static void print_sign(atr_text *text, bool *first, bool negative) {
  if (*first) atr_text_puts(text, negative ? "-" : "");
  else atr_text_puts(text, negative ? " - " : " + ");
  *first = false;
}

static void print_affine(atr_text *text, const atr_nest *nest, const atr_affine *affine) {
  bool first = true;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t c = affine->coef[d];
    if (c == 0) continue;
    print_sign(text, &first, c < 0);
    if (magnitude(c) != 1) atr_text_printf(text, "%llu*", magnitude(c));
    print_dim(text, &nest->dims[d]);
  }
  if (affine->offset == 0 && !first) return;
  print_sign(text, &first, affine->offset < 0);
  atr_text_printf(text, "%llu", magnitude(affine->offset));
}

static const char *dim_words(const atr_dim *dim) {
  switch (dim->kind) {
  case ATR_DIM_LOOP: return dim->reduced ? "reduce" : "loop";
  case ATR_DIM_PART: return dim->reduced ? "reduce part" : "part";
  case ATR_DIM_PARALLEL: return dim->reduced ? "reduce parallel" : "parallel";
  case ATR_DIM_UNROLL: return dim->reduced ? "reduce unroll" : "unroll";
  case ATR_DIM_VECTOR: return dim->reduced ? "reduce vector" : "vector";
  case ATR_DIM_DOT: return dim->reduced ? "reduce dot" : "dot";
  }
  return "?";
}

static void print_access(atr_text *text, const atr_program *program, const atr_nest *nest, const atr_access *access) {
  print_name(text, access->buffer >= 0 && access->buffer < program->buffer_count ? program->buffers[access->buffer].name : "?");
  atr_text_puts(text, "[");
  print_affine(text, nest, &access->at);
  atr_text_puts(text, access->padded ? "] padded" : "]");
}

static void print_indices(atr_text *text, const atr_nest *nest, const atr_access *access) {
  for (int i = 0; i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    atr_text_puts(text, " index (");
    print_affine(text, nest, &index->at);
    atr_text_puts(text, ")");
    if (index->divisor != 1) atr_text_printf(text, " / %lld", (long long)index->divisor);
    atr_text_printf(text, " of %lld by %lld else %s", (long long)index->bound, (long long)index->stride,
                    index->edge == ATR_EDGE_ZERO ? "skip" : atr_edge_name(index->edge));
  }
}

static void print_operand(atr_text *text, const atr_program *program, const atr_nest *nest, const atr_access *access,
                          atr_dtype dtype) {
  print_access(text, program, nest, access);
  atr_text_printf(text, " as %s", atr_dtype_name(dtype));
  print_indices(text, nest, access);
}

static void print_constant(atr_text *text, atr_dtype dtype, atr_scalar value) {
  char element[16]; /* of the largest dtype, c128 */
  atr_scalar_store(dtype, element, value);
  atr_text_scalar(text, dtype, element);
}

static void print_op(atr_text *text, const atr_expr *expr) {
  atr_text_puts(text, atr_op_name(expr->op));
  if (expr->op == ATR_OP_COMPARE) atr_text_printf(text, " %s", atr_direction_name(expr->direction));
  atr_text_printf(text, " %s", atr_dtype_name(expr->dtype));
  for (int i = 0; i < 3 && expr->args[i] != 0; i++) atr_text_printf(text, " %%%d", expr->args[i]);
}

static void print_expr(atr_text *text, const atr_program *program, const atr_nest *nest, const atr_expr *expr) {
  switch (expr->kind) {
  case ATR_EXPR_ACC: atr_text_printf(text, "acc %s", atr_dtype_name(expr->dtype)); return;
  case ATR_EXPR_LOAD:
    atr_text_puts(text, "load ");
    print_access(text, program, nest, &expr->access);
    atr_text_printf(text, " %s", atr_dtype_name(expr->dtype));
    print_indices(text, nest, &expr->access);
    if (expr->args[0] != 0) atr_text_printf(text, " else %%%d", expr->args[0]);
    return;
  case ATR_EXPR_CONST:
    atr_text_printf(text, "const %s ", atr_dtype_name(expr->dtype));
    print_constant(text, expr->dtype, expr->constant);
    return;
  case ATR_EXPR_OP: print_op(text, expr); return;
  }
}

static void print_nodes(atr_text *text, const atr_nest *nest, const atr_node *node, int indent) {
  for (; node != NULL; node = node->next) {
    atr_text_printf(text, "%*s", indent, "");
    if (node->dim == ATR_NODE_MAC) {
      atr_text_puts(text, "mac\n");
      continue;
    }
    if (node->dim == ATR_NODE_TILE) {
      atr_text_puts(text, "tile {");
    } else {
      atr_text_printf(text, "%s ", dim_words(&nest->dims[node->dim]));
      print_dim(text, &nest->dims[node->dim]);
      atr_text_printf(text, " %lld..%lld%s%s {", (long long)node->lo, (long long)node->hi, node->across ? " across" : "",
                      node->clip ? " clip" : "");
    }
    if (node->child != NULL) {
      atr_text_puts(text, "\n");
      print_nodes(text, nest, node->child, indent + 2);
      atr_text_printf(text, "%*s", indent, "");
    }
    atr_text_puts(text, "}\n");
  }
}

static void print_dims(atr_text *text, const atr_nest *nest, int indent) {
  atr_text_printf(text, "%*sdims", indent, "");
  for (int d = 0; d < nest->dim_count; d++) {
    atr_text_printf(text, " %s ", dim_words(&nest->dims[d]));
    print_dim(text, &nest->dims[d]);
    atr_text_printf(text, ":%lld", (long long)nest->dims[d].extent);
  }
  atr_text_puts(text, "\n");
}

static void print_sum(atr_text *text, const atr_program *program, const atr_nest *nest, int indent) {
  atr_text_printf(text, "%*slhs ", indent, "");
  print_operand(text, program, nest, &nest->lhs, nest->lhs_dtype);
  if (nest->prefetch_lhs) atr_text_puts(text, " prefetch");
  atr_text_printf(text, "\n%*srhs ", indent, "");
  print_operand(text, program, nest, &nest->rhs, nest->rhs_dtype);
  atr_text_printf(text, "\n%*sacc %s%s\n", indent, "", atr_dtype_name(nest->acc_dtype), nest->continues ? " continued" : "");
}

void atr_nest_print(atr_text *text, const atr_program *program, const atr_nest *nest, int indent) {
  int inner = indent + 2;
  atr_text_printf(text, "%*snest ", indent, "");
  print_name(text, nest->name);
  atr_text_puts(text, nest->prepack ? " prepack {\n" : " {\n");
  if (nest->schedule != NULL) {
    atr_text_printf(text, "%*sschedule ", inner, "");
    print_string(text, nest->schedule);
    atr_text_puts(text, "\n");
  }
  print_dims(text, nest, inner);
  for (int g = 0; g < nest->guard_count; g++) {
    atr_text_printf(text, "%*sguard ", inner, "");
    print_affine(text, nest, &nest->guards[g].at);
    atr_text_printf(text, " < %lld\n", (long long)nest->guards[g].bound);
  }
  if (nest->has_acc) print_sum(text, program, nest, inner);
  for (int e = 1; e <= nest->expr_count; e++) {
    atr_text_printf(text, "%*s%%%d = ", inner, "", e);
    print_expr(text, program, nest, &nest->exprs[e]);
    atr_text_puts(text, "\n");
  }
  atr_text_printf(text, "%*sstore ", inner, "");
  print_access(text, program, nest, &nest->out);
  print_indices(text, nest, &nest->out);
  atr_text_printf(text, " %%%d%s\n", nest->root, nest->prefetch_out ? " prefetch" : "");
  print_nodes(text, nest, nest->tree, inner);
  atr_text_printf(text, "%*s}\n", indent, "");
}

static const char *kind_word(atr_buffer_kind kind) {
  switch (kind) {
  case ATR_BUFFER_ARG: return "arg";
  case ATR_BUFFER_RESULT: return "result";
  case ATR_BUFFER_CONSTANT: return "constant";
  case ATR_BUFFER_TEMP: return "temp";
  case ATR_BUFFER_PACKED: return "packed";
  }
  return "?";
}

static void print_buffer(atr_text *text, const atr_buffer *buffer) {
  bool numbered = buffer->kind == ATR_BUFFER_ARG || buffer->kind == ATR_BUFFER_RESULT;
  atr_text_puts(text, "  buffer ");
  print_name(text, buffer->name);
  atr_text_printf(text, " %s", kind_word(buffer->kind));
  if (numbered) atr_text_printf(text, " %d", buffer->number);
  atr_text_printf(text, " %s %lld", atr_dtype_name(buffer->dtype), (long long)buffer->elements);
  if (buffer->offset != 0) atr_text_printf(text, " at %lld", (long long)buffer->offset);
  atr_text_puts(text, "\n");
}

void atr_program_print(atr_text *text, const atr_program *program) {
  atr_text_puts(text, "program ");
  print_name(text, program->name);
  atr_text_puts(text, " {\n");
  if (program->scratch_bytes != 0) atr_text_printf(text, "  scratch %lld\n", (long long)program->scratch_bytes);
  if (program->packed_bytes != 0) atr_text_printf(text, "  packed %lld\n", (long long)program->packed_bytes);
  for (int b = 0; b < program->buffer_count; b++) print_buffer(text, &program->buffers[b]);
  for (int n = 0; n < program->nest_count; n++) atr_nest_print(text, program, program->nests[n], 2);
  atr_text_puts(text, "}\n");
}
