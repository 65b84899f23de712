/* attributes.c - attributes of an operator by its table: from text into the options, ranges, defaults, and what is allowed.
 *
 *     {"stride", TUPLE, offset, low 1, fallback 1}      stride=2 -> {2, 2};   stride=(1,0) -> an error with the range
 *
 * The table's row is all that there is of an attribute: the same row reads it, checks what a C program put in the struct, fills
 * in the default, and says in messages and lists what is allowed. Numbers are limited to 31 bits, so that products of two of
 * them fit in int64. */
#include "operators/operators.h"

#include <stdio.h>
#include <string.h>

#include "ir/hlo_lex.h"

enum { PLACES_MAX = 2 * ATR_MAX_SPATIAL };

static void *place_of(const atr_call *call, const atr_attribute *a) { return (char *)call->options + a->offset; }
static int *word_of(const atr_call *call, const atr_attribute *a) {
  return (int *)(void *)((char *)call->options + a->word_offset);
}

static bool is_list(const atr_attribute *a) {
  return a->kind == ATR_ATTRIBUTE_TUPLE || a->kind == ATR_ATTRIBUTE_ENDS || a->kind == ATR_ATTRIBUTE_PAIRS;
}

/* Numbers of a list in the options. */
static int count_of(const atr_attribute *a, int spatial) { return a->kind == ATR_ATTRIBUTE_TUPLE ? spatial : 2 * spatial; }

/* ---- what is allowed --------------------------------------------------------------------------- */

/* "valid, same" of "|valid|same": places without a word are left out. */
static const char *words_text(atr_arena *arena, const char *words) {
  atr_text text = atr_text_make(arena);
  for (size_t len; *words != '\0'; words += len + (words[len] == '|')) {
    len = strcspn(words, "|");
    if (len > 0) atr_text_printf(&text, "%s%.*s", text.len > 0 ? ", " : "", (int)len, words);
  }
  return text.data;
}

static const char *list_form(const atr_attribute *a, int spatial, atr_arena *arena) {
  const char *count = spatial == 0 ? "one" : atr_arena_printf(arena, "%d", count_of(a, spatial));
  const char *each = spatial == 0 ? " per spatial dimension" : "";
  if (a->kind == ATR_ATTRIBUTE_PAIRS)
    return atr_arena_printf(arena, "%s (low, high)%s%s",
                            spatial == 0 ? "one pair" : atr_arena_printf(arena, "%d pair%s", spatial, spatial == 1 ? "" : "s"),
                            each, a->low >= 0 ? ", none negative" : "");
  const char *range = a->low > -INT32_MAX ? atr_arena_printf(arena, " from %lld", (long long)a->low) : "";
  if (a->kind == ATR_ATTRIBUTE_ENDS)
    return spatial == 0 ? atr_arena_printf(arena, "integers%s: all begins, then all ends", range)
                        : atr_arena_printf(arena, "%s integers%s: all begins, then all ends", count, range);
  return atr_arena_printf(arena, "%s integer%s%s%s, or one for all", count, spatial == 1 || spatial == 0 ? "" : "s", range,
                          each);
}

const char *atr_attribute_allowed(atr_arena *arena, const atr_attribute *a, int spatial) {
  switch (a->kind) {
  case ATR_ATTRIBUTE_INT: return atr_arena_printf(arena, "an integer from %lld", (long long)a->low);
  case ATR_ATTRIBUTE_FLAG: return "True, False";
  case ATR_ATTRIBUTE_WORD: return words_text(arena, a->words);
  case ATR_ATTRIBUTE_TUPLE:
  case ATR_ATTRIBUTE_ENDS:
  case ATR_ATTRIBUTE_PAIRS: break;
  case ATR_ATTRIBUTE_DTYPE: return "None or a dtype, as f32 or float32";
  case ATR_ATTRIBUTE_PRECISION: return "None, DEFAULT, HIGH, HIGHEST, or a pair of them";
  case ATR_ATTRIBUTE_DIMENSIONS:
    return "None, three strings as ('NCHW','OIHW','NCHW'), or ConvDimensionNumbers(lhs_spec=..., rhs_spec=..., out_spec=...)";
  }
  const char *numbers = list_form(a, spatial, arena);
  return a->words != NULL ? atr_arena_printf(arena, "%s, or %s", words_text(arena, a->words), numbers) : numbers;
}

static atr_status wrong(const atr_call *call, const atr_attribute *a, const atr_literal *value) {
  return ATR_REFUSE(call, "%s=%.*s; allowed: %s", a->name, ATR_CLIP(value->text, value->len),
                    atr_attribute_allowed(call->work->arena, a, call->spatial));
}

/* ---- from text --------------------------------------------------------------------------------- */

static bool is_in_range(const atr_attribute *a, int64_t number) { return number >= a->low && number <= INT32_MAX; }

static bool set_number(const atr_attribute *a, const atr_literal *value, int64_t *out) {
  if (value->kind != ATR_LITERAL_INTEGER || !is_in_range(a, value->integer)) return false;
  *out = value->integer != 0 ? value->integer : a->zero;
  return true;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* The place of the word in "a|b|c", -1 if it is none of them. An empty first word is no word. */
static int place_in(const atr_attribute *a, const char *words, const atr_literal *value) {
  if (value->kind != ATR_LITERAL_WORD || value->word_len == 0) return -1;
  for (int place = 0;; place++) {
    size_t len = strcspn(words, "|"), same = 0;
    while (same < len && same < value->word_len &&
           (words[same] == value->word[same] ||
            ((a->traits & ATR_TRAIT_ANY_CASE) != 0 && lower(words[same]) == lower(value->word[same]))))
      same++;
    if (same == len && len == value->word_len) return place;
    if (words[len] == '\0') return -1;
    words += len + 1;
  }
}

/* Of a full size the spatial extents alone. */
static void drop_leading(const atr_call *call, const atr_attribute *a, const atr_literal **items, int *count) {
  int extra = *count - call->spatial;
  if ((a->traits & ATR_TRAIT_FULL_SIZE) == 0 || extra < 1 || extra > 2) return;
  *items += extra;
  *count = call->spatial;
}

static bool set_numbers(const atr_call *call, const atr_attribute *a, const atr_literal *value, int64_t *out) {
  int places = count_of(a, call->spatial);
  if (value->kind != ATR_LITERAL_LIST) {
    for (int i = 0; i < places; i++)
      if (!set_number(a, value, &out[i])) return false;
    return places > 0;
  }
  const atr_literal *items = value->items;
  int count = value->count;
  drop_leading(call, a, &items, &count);
  if (value->word != NULL || count != places) return false;
  for (int i = 0; i < count; i++)
    if (items[i].key != NULL || !set_number(a, &items[i], &out[i])) return false;
  return true;
}

static bool set_pairs(const atr_call *call, const atr_attribute *a, const atr_literal *value, int64_t *out) {
  if (value->kind != ATR_LITERAL_LIST || value->word != NULL || value->count != call->spatial) return false;
  for (int d = 0; d < value->count; d++) {
    const atr_literal *pair = &value->items[d];
    if (pair->kind != ATR_LITERAL_LIST || pair->word != NULL || pair->count != 2) return false;
    for (int end = 0; end < 2; end++)
      if (!set_number(a, &pair->items[end], &out[2 * d + end])) return false;
  }
  return true;
}

static bool set_list(const atr_call *call, const atr_attribute *a, const atr_literal *value) {
  int place = a->words != NULL ? place_in(a, a->words, value) : -1;
  if (place > 0) {
    *word_of(call, a) = place;
    return true;
  }
  return a->kind == ATR_ATTRIBUTE_PAIRS ? set_pairs(call, a, value, place_of(call, a))
                                        : set_numbers(call, a, value, place_of(call, a));
}

static bool set_flag(const atr_literal *value, atr_flag *out) {
  bool is_true = atr_literal_is(value, "True") || atr_literal_is(value, "true"),
       is_false = atr_literal_is(value, "False") || atr_literal_is(value, "false");
  if (value->kind == ATR_LITERAL_INTEGER) is_true = value->integer == 1, is_false = value->integer == 0;
  if (is_true || is_false) *out = is_true ? ATR_FLAG_TRUE : ATR_FLAG_FALSE;
  return is_true || is_false;
}

/* What stands behind the last point: torch.float32, Precision.HIGHEST, jnp.bfloat16. */
static atr_literal last_name(const atr_literal *value) {
  atr_literal out = *value;
  for (size_t i = 0; i < value->word_len; i++)
    if (value->word[i] == '.') {
      out.word = value->word + i + 1;
      out.word_len = value->word_len - i - 1;
    }
  return out;
}

/* NumPy's and torch's names beside HLO's. */
static bool set_dtype(const atr_literal *value, atr_dtype *out) {
  static const struct {
    const char *name;
    atr_dtype dtype;
  } NAMES[] = {{"None", ATR_DTYPE_NONE}, {"float64", ATR_F64},   {"double", ATR_F64},     {"float32", ATR_F32},
               {"float", ATR_F32},       {"float16", ATR_F16},   {"half", ATR_F16},       {"bfloat16", ATR_BF16},
               {"int8", ATR_S8},         {"int16", ATR_S16},     {"int32", ATR_S32},      {"int64", ATR_S64},
               {"uint8", ATR_U8},        {"uint16", ATR_U16},    {"uint32", ATR_U32},     {"uint64", ATR_U64},
               {"bool", ATR_PRED},       {"complex64", ATR_C64}, {"complex128", ATR_C128}};
  if (value->kind != ATR_LITERAL_WORD) return false;
  atr_literal name = last_name(value);
  for (int i = 0; i < ATR_COUNT(NAMES); i++)
    if (atr_literal_is(&name, NAMES[i].name)) {
      *out = NAMES[i].dtype;
      return true;
    }
  *out = atr_dtype_from_name(name.word, name.word_len);
  return *out != ATR_DTYPE_NONE;
}

static bool set_one_precision(const atr_attribute *a, const atr_literal *value, atr_precision *out) {
  atr_literal name = last_name(value);
  int place = value->kind == ATR_LITERAL_WORD ? place_in(a, "None|DEFAULT|HIGH|HIGHEST", &name) : -1;
  if (place < 0) return false;
  *out = place == 0 ? ATR_PRECISION_DEFAULT : (atr_precision)(place - 1);
  return true;
}

static bool set_precision(const atr_attribute *a, const atr_literal *value, atr_precision *out) {
  bool is_pair = value->kind == ATR_LITERAL_LIST && value->word == NULL && value->count == 2;
  return set_one_precision(a, is_pair ? &value->items[0] : value, &out[0]) &&
         set_one_precision(a, is_pair ? &value->items[1] : value, &out[1]);
}

/* ---- dimension numbers ------------------------------------------------------------------------- */

static bool set_strings(const atr_call *call, const atr_literal *items, atr_jax_dimension_numbers *out) {
  const char *specs[3];
  for (int i = 0; i < 3; i++) {
    if (items[i].kind != ATR_LITERAL_WORD || items[i].key != NULL) return false;
    specs[i] = atr_arena_string(call->work->arena, items[i].word, items[i].word_len);
  }
  *out = (atr_jax_dimension_numbers){.lhs_spec = specs[0], .rhs_spec = specs[1], .out_spec = specs[2]};
  return true;
}

/* One list of rank numbers, by its key or, without keys, by its place. */
static bool set_dims(const atr_call *call, const atr_literal *items, const char *key, int place, const int64_t **out) {
  const atr_literal *list = NULL;
  for (int i = 0; i < 3; i++) {
    bool has_key = items[i].key != NULL;
    if (has_key ? strlen(key) == items[i].key_len && memcmp(key, items[i].key, items[i].key_len) == 0 : i == place)
      list = &items[i];
  }
  if (list == NULL || list->kind != ATR_LITERAL_LIST || list->count != call->spatial + 2) return false;
  int64_t *dims = ATR_NEW_ARRAY(call->work->arena, int64_t, list->count);
  for (int i = 0; i < list->count; i++) {
    if (list->items[i].kind != ATR_LITERAL_INTEGER) return false;
    dims[i] = list->items[i].integer;
  }
  *out = dims;
  return true;
}

static bool set_dimensions(const atr_call *call, const atr_literal *value, atr_jax_dimension_numbers *out) {
  if (atr_literal_is(value, "None")) return true;
  if (value->kind != ATR_LITERAL_LIST || value->count != 3) return false;
  if (value->word == NULL) return set_strings(call, value->items, out);
  atr_literal head = {.kind = ATR_LITERAL_WORD, .word = value->word, .word_len = value->word_len};
  head = last_name(&head);
  return atr_literal_is(&head, "ConvDimensionNumbers") && set_dims(call, value->items, "lhs_spec", 0, &out->lhs_dims) &&
         set_dims(call, value->items, "rhs_spec", 1, &out->rhs_dims) &&
         set_dims(call, value->items, "out_spec", 2, &out->out_dims);
}

atr_status atr_attribute_set(atr_call *call, const atr_attribute *a, const atr_literal *value) {
  void *place = place_of(call, a);
  bool fits = false;
  switch (a->kind) {
  case ATR_ATTRIBUTE_INT: fits = set_number(a, value, place); break;
  case ATR_ATTRIBUTE_FLAG: fits = set_flag(value, place); break;
  case ATR_ATTRIBUTE_WORD:
    *(int *)place = place_in(a, a->words, value);
    fits = *(int *)place >= 0;
    break;
  case ATR_ATTRIBUTE_TUPLE:
  case ATR_ATTRIBUTE_ENDS:
  case ATR_ATTRIBUTE_PAIRS: fits = set_list(call, a, value); break;
  case ATR_ATTRIBUTE_DTYPE: fits = set_dtype(value, place); break;
  case ATR_ATTRIBUTE_PRECISION: fits = set_precision(a, value, place); break;
  case ATR_ATTRIBUTE_DIMENSIONS: fits = set_dimensions(call, value, place); break;
  }
  return fits ? ATR_OK : wrong(call, a, value);
}

/* ---- ranges and defaults ----------------------------------------------------------------------- */

static atr_status complete_number(const atr_call *call, const atr_attribute *a, int64_t *number) {
  if (*number == 0) *number = a->fallback;
  else if (*number != a->zero)
    ATR_REFUSE_UNLESS(call, is_in_range(a, *number), "%s has %lld; allowed: %s", a->name, (long long)*number,
                      atr_attribute_allowed(call->work->arena, a, call->spatial));
  return ATR_OK;
}

static atr_status complete_list(const atr_call *call, const atr_attribute *a) {
  int64_t *numbers = place_of(call, a);
  int count = count_of(a, call->spatial), places = a->kind == ATR_ATTRIBUTE_TUPLE ? ATR_MAX_SPATIAL : PLACES_MAX;
  for (int i = 0; i < count; i++) ATR_TRY(complete_number(call, a, &numbers[i]));
  for (int i = count; i < places; i++) ATR_REFUSE_UNLESS(call, numbers[i] == 0, "%s has more than %d entries", a->name, count);
  return ATR_OK;
}

/* The number of a word, given by a C program. */
static atr_status check_word(const atr_call *call, const atr_attribute *a, int word) {
  int count = 1;
  for (const char *c = a->words; *c != '\0'; c++) count += *c == '|';
  ATR_REFUSE_UNLESS(call, word >= 0 && word < count, "%s has the number %d; allowed: %s", a->name, word,
                    words_text(call->work->arena, a->words));
  return ATR_OK;
}

static atr_status complete(const atr_call *call, const atr_attribute *a) {
  void *place = place_of(call, a);
  if (a->kind == ATR_ATTRIBUTE_INT) return complete_number(call, a, place);
  if (a->kind == ATR_ATTRIBUTE_WORD) return check_word(call, a, *(int *)place);
  if (a->kind == ATR_ATTRIBUTE_FLAG) {
    atr_flag *flag = place;
    ATR_REFUSE_UNLESS(call, *flag <= ATR_FLAG_TRUE, "%s has the number %u; allowed: an atr_flag", a->name, (unsigned)*flag);
    if (*flag == ATR_FLAG_DEFAULT) *flag = (atr_flag)a->fallback;
  }
  if (!is_list(a)) return ATR_OK;
  if (a->words != NULL) ATR_TRY(check_word(call, a, *word_of(call, a)));
  return complete_list(call, a);
}

atr_status atr_attributes_complete(atr_call *call) {
  for (int i = 0; i < call->op->attribute_count; i++) ATR_TRY(complete(call, &call->op->attributes[i]));
  return ATR_OK;
}

atr_flag atr_call_bias_flag(const atr_call *call) {
  for (int i = 0; i < call->op->attribute_count; i++) {
    const atr_attribute *a = &call->op->attributes[i];
    const atr_flag *flag = place_of(call, a);
    if ((a->traits & ATR_TRAIT_BIAS) != 0) return *flag;
    if ((a->traits & ATR_TRAIT_NO_BIAS) == 0 || *flag == ATR_FLAG_DEFAULT) continue;
    return *flag == ATR_FLAG_TRUE ? ATR_FLAG_FALSE : ATR_FLAG_TRUE;
  }
  return ATR_FLAG_DEFAULT;
}
