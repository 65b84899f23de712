/* registry.c - all operators: by name, the nearest ones to a wrong name, and as a list for people.
 *
 *     torch.Conv2d
 *       input           (N, C, spatial...) or (C, spatial...)
 *       weight          (out_channels, in_channels / groups, kernel_size...); may be left out
 *       stride=1        2 integers from 1, or one for all */
#include "operators/operators.h"

#include <string.h>

static const struct {
  const atr_operator *rows;
  int count;
} FAMILIES[] = {{atr_mxnet_operators, 2}, {atr_megengine_convs, 3},  {atr_megengine_transposes, 2}, {&atr_megengine_local, 1},
                {atr_torch_convs, 3},     {atr_torch_transposes, 3}, {atr_torch_functions, 6},      {atr_jax_operators, 4},
                {atr_onnx_operators, 2},  {atr_onnx_quantized, 2}};

/* The operator of this number, NULL behind the last. */
static const atr_operator *operator_at(int number) {
  for (int f = 0; f < ATR_COUNT(FAMILIES); f++) {
    if (number < FAMILIES[f].count) return &FAMILIES[f].rows[number];
    number -= FAMILIES[f].count;
  }
  return NULL;
}

const atr_operator *atr_operator_find(const char *name) {
  const atr_operator *op;
  for (int i = 0; (op = operator_at(i)) != NULL; i++)
    if (strcmp(op->name, name) == 0) break;
  return op;
}

/* ---- nearest names ----------------------------------------------------------------------------- */

enum { WORD_MAX = 40 };

/* Insertions, deletions and replacements that make one word of the other; longer words than any name are far from all. */
static size_t distance(const char *word, size_t len, const char *name) {
  size_t costs[2][WORD_MAX + 1], width = strlen(name);
  if (len > WORD_MAX || width > WORD_MAX) return WORD_MAX;
  for (size_t j = 0; j <= width; j++) costs[0][j] = j;
  for (size_t i = 0; i < len; i++) {
    const size_t *above = costs[i % 2];
    size_t *row = costs[1 - i % 2];
    row[0] = i + 1;
    for (size_t j = 0; j < width; j++) {
      size_t replaced = above[j] + (word[i] != name[j]), shorter = above[j + 1] + 1, longer = row[j] + 1;
      row[j + 1] = replaced < shorter ? replaced : shorter;
      if (longer < row[j + 1]) row[j + 1] = longer;
    }
  }
  return costs[len % 2][width];
}

void atr_nearest_add(atr_nearest *n, const char *name) {
  size_t d = distance(n->word, n->len, name);
  int at = n->count < 3 ? n->count++ : 3;
  for (; at > 0 && n->distances[at - 1] > d; at--) {
    if (at == 3) continue; /* the last one drops out */
    n->names[at] = n->names[at - 1];
    n->distances[at] = n->distances[at - 1];
  }
  if (at == 3) return;
  n->names[at] = name;
  n->distances[at] = d;
}

const char *atr_nearest_text(atr_arena *arena, const atr_nearest *n) {
  atr_text text = atr_text_make(arena);
  for (int i = 0; i < n->count; i++)
    atr_text_printf(&text, "%s'%s'", i == 0 ? "" : i == n->count - 1 ? " or " : ", ", n->names[i]);
  return text.data;
}

const char *atr_operator_nearest(atr_arena *arena, const char *name) {
  atr_nearest nearest = {.word = name, .len = strlen(name)};
  const atr_operator *op;
  for (int i = 0; (op = operator_at(i)) != NULL; i++) atr_nearest_add(&nearest, op->name);
  return atr_nearest_text(arena, &nearest);
}

/* ---- the list ---------------------------------------------------------------------------------- */

static void list_array(atr_text *out, const atr_array *array) {
  static const char *const ROLES[] = {[ATR_ARRAY_REQUIRED] = "",
                                      [ATR_ARRAY_INFERRED] = "; its type may be left out",
                                      [ATR_ARRAY_BIAS] = "; its type may be left out",
                                      [ATR_ARRAY_OPTIONAL] = "; optional"};
  atr_text_printf(out, "  %-25s %s%s%s\n", array->name, array->form, array->may_be_value ? ", or numbers" : "",
                  ROLES[array->role]);
}

/* "=1", "=True", "=None"; nothing where there is no default that could be written. */
static const char *default_text(atr_arena *arena, const atr_attribute *a) {
  switch (a->kind) {
  case ATR_ATTRIBUTE_FLAG: return a->fallback == ATR_FLAG_TRUE ? "=True" : "=False";
  case ATR_ATTRIBUTE_WORD: return atr_arena_printf(arena, "=%.*s", (int)strcspn(a->words, "|"), a->words);
  case ATR_ATTRIBUTE_DTYPE:
  case ATR_ATTRIBUTE_PRECISION:
  case ATR_ATTRIBUTE_DIMENSIONS: return "=None";
  case ATR_ATTRIBUTE_INT:
  case ATR_ATTRIBUTE_TUPLE:
  case ATR_ATTRIBUTE_ENDS:
  case ATR_ATTRIBUTE_PAIRS: break;
  }
  bool has_default = (a->traits & ATR_TRAIT_REQUIRED) == 0 && a->fallback >= a->low;
  return has_default ? atr_arena_printf(arena, "=%lld", (long long)a->fallback) : "";
}

static void list_operator(atr_text *out, const atr_operator *op) {
  atr_text_printf(out, "%s\n", op->name);
  for (int i = 0; i < op->array_count; i++) list_array(out, &op->arrays[i]);
  for (int i = 0; i < op->attribute_count; i++) {
    const atr_attribute *a = &op->attributes[i];
    const char *name = atr_arena_printf(out->arena, "%s%s", a->name, default_text(out->arena, a));
    atr_text_printf(out, "  %-25s %s%s\n", name, atr_attribute_allowed(out->arena, a, op->spatial),
                    (a->traits & ATR_TRAIT_REQUIRED) != 0 ? "; required" : "");
  }
}

void atr_operators_list(atr_text *out) {
  const atr_operator *op;
  for (int i = 0; (op = operator_at(i)) != NULL; i++) {
    if (i > 0) atr_text_puts(out, "\n");
    list_operator(out, op);
  }
}
