/* import.c - one call as text: pairs of name=value.
 *
 * In: "mxnet.Convolution" and {"data=f32[1,3,8,8]", "kernel=(3,3)", "num_filter=4"}. Out: a module whose parameters are the
 * operator's arrays in its own order, or a message that names what is wrong, what was given and what is allowed.
 *
 * Arrays come first, because the number of spatial dimensions may be theirs; then attributes by the table; then the call is
 * like one from C (call.c), but that types which follow are filled in, and that what is not said has the system's default. */
#include "operators/operators.h"

#include <string.h>

enum { ATTRIBUTES_MAX = 32 };

/* A name's value, as written; NULL: not given. */
typedef struct text_call {
  atr_call call;
  const char *arrays[ATR_ARRAYS_MAX];
  const char *attributes[ATTRIBUTES_MAX];
  const void *values[ATR_ARRAYS_MAX]; /* of arrays that are numbers */
} text_call;

/* ---- pairs ------------------------------------------------------------------------------------- */

static bool is_name(const char *pair, size_t len, const char *name) {
  return strlen(name) == len && memcmp(pair, name, len) == 0;
}

static atr_status fail_unknown(const text_call *in, const char *name, size_t len) {
  const atr_operator *op = in->call.op;
  atr_nearest nearest = {.word = name, .len = len};
  for (int i = 0; i < op->attribute_count; i++) atr_nearest_add(&nearest, op->attributes[i].name);
  for (int i = 0; i < op->array_count; i++) atr_nearest_add(&nearest, op->arrays[i].name);
  return ATR_REFUSE(&in->call, "there is no attribute '%.*s'; did you mean %s?", (int)(len < 60 ? len : 60), name,
                    atr_nearest_text(in->call.work->arena, &nearest));
}

/* f32[2,3]: tells bias=f32[8] from bias=True. */
static bool is_type(const char *text) {
  size_t len = strcspn(text, "[");
  return text[len] == '[' && atr_dtype_from_name(text, len) != ATR_DTYPE_NONE;
}

static atr_status take_pair(text_call *in, const char *pair) {
  const atr_operator *op = in->call.op;
  const char *equals = pair != NULL ? strchr(pair, '=') : NULL;
  ATR_REFUSE_UNLESS(&in->call, equals != NULL, "expected name=value, got '%.60s'", pair != NULL ? pair : "");
  size_t len = (size_t)(equals - pair);
  const char **place = NULL;
  for (int i = 0; i < op->attribute_count; i++)
    if (is_name(pair, len, op->attributes[i].name)) place = &in->attributes[i];
  for (int i = 0; i < op->array_count; i++)
    if (is_name(pair, len, op->arrays[i].name) && (place == NULL || is_type(equals + 1))) place = &in->arrays[i];
  if (place == NULL) return fail_unknown(in, pair, len);
  ATR_REFUSE_UNLESS(&in->call, *place == NULL, "%.*s is given twice", (int)len, pair);
  *place = equals + 1;
  return ATR_OK;
}

/* ---- arrays ------------------------------------------------------------------------------------ */

static atr_status fail_array(const text_call *in, int array) {
  const atr_array *a = &in->call.op->arrays[array];
  return ATR_REFUSE(&in->call, "%s=%.60s; allowed: a type, as f32[1,3,8,8]%s, of shape %s", a->name, in->arrays[array],
                    a->may_be_value ? ", or numbers, as 3, [1,2] or s8[]:-3" : "", a->form);
}

static bool read_type(const atr_literal *literal, atr_shape *out) {
  bool is_list = literal->kind == ATR_LITERAL_LIST && literal->word != NULL && literal->word[literal->word_len] == '[';
  if (!is_list || literal->count > ATR_MAX_RANK) return false;
  int64_t dims[ATR_MAX_RANK];
  for (int i = 0; i < literal->count; i++) {
    dims[i] = literal->items[i].integer;
    if (literal->items[i].kind != ATR_LITERAL_INTEGER || dims[i] < 0) return false;
  }
  *out = atr_shape_make(atr_dtype_from_name(literal->word, literal->word_len), literal->count, dims);
  return out->dtype != ATR_DTYPE_NONE && atr_shape_elements(out) >= 0;
}

static bool store_number(atr_dtype dtype, const atr_literal *literal, char *out) {
  bool is_integer = literal->kind == ATR_LITERAL_INTEGER, wants_integer = atr_dtype_is_integer(dtype);
  if (!is_integer && (wants_integer || literal->kind != ATR_LITERAL_REAL)) return false;
  atr_scalar value = {.re = literal->real, .i = literal->integer};
  atr_scalar_store(dtype, out, value);
  return !wants_integer || atr_scalar_load(dtype, out).i == literal->integer;
}

/* Numbers become a constant: of the type in front of ':', or a scalar or vector of the array's own dtype. */
static bool read_value(text_call *in, int array, const atr_literal *literal, bool has_type) {
  const atr_array *a = &in->call.op->arrays[array];
  atr_shape *type = &in->call.types[array];
  bool is_list = literal->kind == ATR_LITERAL_LIST;
  int64_t count = is_list ? literal->count : 1;
  if (!a->may_be_value || (is_list && literal->word != NULL)) return false;
  atr_dtype dtype = a->value_dtype != ATR_DTYPE_NONE ? a->value_dtype : in->call.types[a->value_like].dtype;
  if (!has_type) *type = atr_shape_make(dtype, is_list ? 1 : 0, &count);
  size_t size = atr_dtype_size(type->dtype);
  if (type->dtype == ATR_DTYPE_NONE || atr_shape_elements(type) != count) return false;
  char *data = atr_arena_alloc(in->call.module->arena, size * (size_t)count);
  for (int64_t i = 0; i < count; i++)
    if (!store_number(type->dtype, is_list ? &literal->items[i] : literal, data + size * (size_t)i)) return false;
  in->values[array] = data;
  return true;
}

static atr_status read_array(text_call *in, int array) {
  const atr_array *a = &in->call.op->arrays[array];
  const char *text = in->arrays[array];
  ATR_REFUSE_UNLESS(&in->call, text != NULL || a->role != ATR_ARRAY_REQUIRED, "%s is missing: its type has the shape %s",
                    a->name, a->form);
  if (text == NULL || (strcmp(text, "None") == 0 && a->role == ATR_ARRAY_OPTIONAL)) return ATR_OK;
  const char *colon = strchr(text, ':');
  atr_literal literal;
  ATR_TRY(atr_literal_read(in->call.work, a->name, text, colon != NULL ? (size_t)(colon - text) : strlen(text), &literal));
  bool is_typed = read_type(&literal, &in->call.types[array]);
  if (colon == NULL) return is_typed || read_value(in, array, &literal, false) ? ATR_OK : fail_array(in, array);
  ATR_TRY(atr_literal_read(in->call.work, a->name, colon + 1, strlen(colon + 1), &literal));
  return is_typed && read_value(in, array, &literal, true) ? ATR_OK : fail_array(in, array);
}

/* ---- attributes -------------------------------------------------------------------------------- */

static atr_status read_attribute(text_call *in, int number) {
  atr_call *call = &in->call;
  const atr_attribute *a = &call->op->attributes[number];
  const char *text = in->attributes[number];
  ATR_REFUSE_UNLESS(call, text != NULL || (a->traits & ATR_TRAIT_REQUIRED) == 0, "%s is missing; allowed: %s", a->name,
                    atr_attribute_allowed(call->work->arena, a, call->spatial));
  if (text == NULL) return ATR_OK;
  atr_literal literal;
  ATR_TRY(atr_literal_read(call->work, a->name, text, strlen(text), &literal));
  return atr_attribute_set(call, a, &literal);
}

/* ---- the whole call ---------------------------------------------------------------------------- */

static atr_id make_array(text_call *in, int array) {
  atr_call *call = &in->call;
  const atr_shape *type = &call->types[array];
  if (type->dtype == ATR_DTYPE_NONE) return 0;
  if (in->values[array] != NULL) return atr_constant_build(call->work, call->module, type, in->values[array]);
  return atr_parameter_build(call->work, call->module, call->op->arrays[array].name, type);
}

static atr_status read_call(text_call *in, const atr_import_request *request) {
  atr_call *call = &in->call;
  for (int32_t i = 0; i < request->count; i++) ATR_TRY(take_pair(in, request->pairs[i]));
  for (int i = 0; i < call->op->array_count; i++) ATR_TRY(read_array(in, i));
  call->spatial = call->op->spatial != 0 ? call->op->spatial : call->types[0].rank - 2;
  ATR_REFUSE_UNLESS(call, call->spatial >= 0 && call->spatial <= ATR_MAX_SPATIAL,
                    "%s is %s, but it must have from 0 to %d spatial dimensions: %s", call->op->arrays[0].name, in->arrays[0],
                    ATR_MAX_SPATIAL, call->op->arrays[0].form);
  for (int i = 0; i < call->op->attribute_count; i++) ATR_TRY(read_attribute(in, i));
  return atr_call_complete(call);
}

atr_status atr_operator_import(atr_work *work, atr_module *module, const atr_import_request *request, atr_import_hints *hints) {
  const atr_operator *op = atr_operator_find(request->op);
  if (op == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "there is no operator '%.60s'; did you mean %s?", request->op,
                    atr_operator_nearest(work->arena, request->op));
  text_call in = {.call = {.work = work, .module = module, .op = op, .from_text = true}};
  in.call.options = atr_arena_alloc(work->arena, op->options_size);
  ATR_TRY(read_call(&in, request));
  for (int i = 0; i < op->array_count; i++) in.call.args[i] = make_array(&in, i);
  if (work->status != ATR_OK) return work->status;
  atr_id result = op->build(&in.call);
  ATR_TRY(atr_results_build(work, module, &result, 1));
  atr_call_take_hints(&in.call, hints);
  return ATR_OK;
}
