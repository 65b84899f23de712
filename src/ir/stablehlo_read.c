/* stablehlo_read.c - StableHLO text to a module: functions are found first, then the entry is read and calls are inlined.
 *
 * In: what jax.jit(f).lower(x).as_text() prints, or the generic form of MLIR:
 *
 *     module @jit_f attributes {mhlo.num_partitions = 1 : i32} {
 *       func.func public @main(%arg0: tensor<4xf32>) -> (tensor<4xf32> {jax.result_info = "result"}) {
 *         %0 = call @relu(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
 *         return %0 : tensor<4xf32>
 *       }
 *       func.func private @relu(%arg0: tensor<4xf32>) -> tensor<4xf32> { ... }
 *     }
 *
 * Out: the unverified module of @main (or of the only public function): parameter arg0, then the instructions of @relu in the
 * place of the call. A callee may stand behind its caller, so the first walk only notes where each function's parts are; a body
 * is read once per call, with a scope of its own. Recursion is refused, and so is text that would grow beyond measure by
 * inlining (f calls g twice, g calls h twice, ...). Functions that are never called are not read. */
#include <string.h>

#include "base/checked.h"
#include "ir/stablehlo_ops.h"

enum {
  MAX_CALL_DEPTH = 200,
  CALL_COST = 256 /* bytes of text that weigh as much as what every call takes */
};

typedef struct function {
  atr_mlir_word name;
  uint32_t args;                    /* at the '(' of the arguments; 0: none are listed */
  uint32_t results;                 /* behind "->"; 0: there is none */
  uint32_t body, end;               /* between the braces; 0: a declaration */
  uint32_t arg_attrs, result_attrs; /* at the lists of dictionaries of the generic form; 0: there is none */
  bool is_private, active;
} function;

typedef struct reader {
  atr_work *work;
  atr_module *module;
  function *functions;
  uint32_t count, capacity;
  atr_mlir_names names; /* of functions: one more than the index */
  atr_mlir_word module_name;
  bool has_module;
  int depth;      /* of calls under way */
  int64_t budget; /* bytes of functions that calls may still read */
} reader;

static int shown(const atr_mlir_word *word) { return word->len < 60 ? (int)word->len : 60; }

/* ---- the first walk: where functions are */

static atr_status function_add(reader *r, const function *f) {
  ATR_RESERVE(r->work->arena, r->functions, r->count, r->capacity);
  if (!atr_mlir_names_set(r->work->arena, &r->names, &f->name, r->count + 1)) {
    return atr_fail(r->work, f->name.span, ATR_PARSE_ERROR, "function '@%.*s' is defined twice", shown(&f->name), f->name.text);
  }
  r->functions[r->count++] = *f;
  return ATR_OK;
}

/* Notes the group of braces at the cursor as the body. */
static atr_status body_note(atr_mlir *m, function *f) {
  if (atr_mlir_peek(m) != '{') return atr_mlir_unexpected(m, "'{' and the body of a function");
  f->body = m->pos + 1;
  ATR_TRY(atr_mlir_skip_group(m));
  f->end = m->pos - 1;
  return ATR_OK;
}

/* "(type, ...)" or one type. */
static atr_status skip_results(atr_mlir *m) {
  atr_mlir_word name;
  if (atr_mlir_peek(m) == '(') return atr_mlir_skip_group(m);
  (void)atr_mlir_accept(m, "!");
  if (!atr_mlir_word_read(m, &name)) return atr_mlir_unexpected(m, "a type such as tensor<2x3xf32>");
  return atr_mlir_peek(m) == '<' ? atr_mlir_skip_group(m) : ATR_OK;
}

/* "public @main(args) -> results attributes {...} {body}"; "func.func" has been taken. */
static atr_status function_find(reader *r, atr_mlir *m) {
  function f = {0};
  f.is_private = atr_mlir_accept_word(m, "private") || atr_mlir_accept_word(m, "nested");
  if (!f.is_private) (void)atr_mlir_accept_word(m, "public");
  ATR_TRY(atr_mlir_symbol_read(m, &f.name));
  if (atr_mlir_peek(m) != '(') return atr_mlir_unexpected(m, "'(' and the arguments of the function");
  f.args = m->pos;
  ATR_TRY(atr_mlir_skip_group(m));
  if (atr_mlir_accept(m, "->")) {
    f.results = m->pos;
    ATR_TRY(skip_results(m));
  }
  if (atr_mlir_accept_word(m, "attributes")) ATR_TRY(atr_mlir_skip_group(m));
  if (atr_mlir_peek(m) == '{' || !f.is_private) ATR_TRY(body_note(m, &f));
  ATR_TRY(function_add(r, &f));
  return atr_mlir_skip_location(m);
}

/* ": (types) -> (types)" and a location. */
static atr_status skip_signature(atr_mlir *m) {
  ATR_TRY(atr_mlir_expect(m, ":"));
  ATR_TRY(atr_mlir_skip_group(m));
  ATR_TRY(atr_mlir_expect(m, "->"));
  ATR_TRY(atr_mlir_skip_group(m));
  return atr_mlir_skip_location(m);
}

static uint32_t attr_place(const atr_mlir_attrs *attrs, const char *key) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(attrs, key);
  return attr != NULL ? attr->pos : 0;
}

static atr_status string_attr(const atr_mlir *m, const atr_mlir_attrs *attrs, const char *key, atr_mlir_word *out) {
  const atr_mlir_attr *attr = atr_mlir_attr_find(attrs, key);
  if (attr == NULL) return ATR_OK;
  atr_mlir at = atr_mlir_attr_value(m, attr);
  return atr_mlir_string_read(&at, out);
}

/* "^bb0(args):" at the head of the body of a generic function. */
static atr_status block_label(atr_mlir *m, function *f) {
  atr_mlir at = atr_mlir_part(m, f->body, f->end);
  atr_mlir_word label;
  if (!atr_mlir_accept(&at, "^")) return ATR_OK;
  if (!atr_mlir_word_read(&at, &label)) return atr_mlir_unexpected(&at, "the name of a block");
  if (atr_mlir_peek(&at) == '(') {
    f->args = at.pos;
    ATR_TRY(atr_mlir_skip_group(&at));
  }
  ATR_TRY(atr_mlir_expect(&at, ":"));
  f->body = at.pos;
  return ATR_OK;
}

/* "() <{...}> ({ ^bb0(args): ... }) {...} : () -> ()"; '"func.func"' has been taken. */
static atr_status generic_function_find(reader *r, atr_mlir *m) {
  function f = {0};
  atr_mlir_attrs *attrs = ATR_NEW(r->work->arena, atr_mlir_attrs);
  atr_mlir_word visibility = {0};
  atr_span here = atr_mlir_here(m);
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(atr_mlir_expect(m, ")"));
  ATR_TRY(atr_mlir_properties_read(m, attrs));
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(body_note(m, &f));
  ATR_TRY(atr_mlir_expect(m, ")"));
  ATR_TRY(atr_mlir_properties_read(m, attrs));
  ATR_TRY(skip_signature(m));
  ATR_TRY(string_attr(m, attrs, "sym_name", &f.name));
  ATR_TRY(string_attr(m, attrs, "sym_visibility", &visibility));
  if (f.name.len == 0) return atr_fail(r->work, here, ATR_PARSE_ERROR, "this function has no sym_name");
  f.is_private = atr_mlir_word_is(&visibility, "private") || atr_mlir_word_is(&visibility, "nested");
  const atr_mlir_attr *type = atr_mlir_attr_find(attrs, "function_type");
  if (type != NULL) {
    atr_mlir at = atr_mlir_attr_value(m, type);
    ATR_TRY(atr_mlir_skip_group(&at));
    ATR_TRY(atr_mlir_expect(&at, "->"));
    f.results = at.pos;
  }
  f.arg_attrs = attr_place(attrs, "arg_attrs");
  f.result_attrs = attr_place(attrs, "res_attrs");
  ATR_TRY(block_label(m, &f));
  return function_add(r, &f);
}

/* The block of binary data behind a module: "{-# ... #-}". */
static atr_status skip_resources(atr_mlir *m) {
  for (; m->end - m->pos >= 3; m->pos++) {
    if (memcmp(m->text + m->pos, "#-}", 3) != 0) continue;
    m->pos += 3;
    return ATR_OK;
  }
  m->pos = m->end;
  return atr_mlir_unexpected(m, "'#-}'");
}

static atr_status other_item(atr_mlir *m) {
  atr_span here = atr_mlir_here(m);
  atr_mlir_word name;
  if (atr_mlir_peek(m) == '"') ATR_TRY(atr_mlir_string_read(m, &name));
  else if (!atr_mlir_word_read(m, &name)) return atr_mlir_unexpected(m, "a module or func.func");
  if (atr_mlir_word_is(&name, "sdy.mesh")) return atr_mlir_skip(m, "", true); /* one device computes what we compile */
  bool nested = atr_mlir_word_is(&name, "module") || atr_mlir_word_is(&name, "builtin.module");
  if (nested) return atr_fail(m->work, here, ATR_UNSUPPORTED, "more than one module in a text is not supported");
  if (memchr(name.text, '.', name.len) == NULL) {
    return atr_fail(m->work, here, ATR_PARSE_ERROR, "expected a module or func.func, found '%.*s'", shown(&name), name.text);
  }
  return atr_fail(m->work, here, ATR_UNSUPPORTED, "operation '%.*s' is not supported in a module", shown(&name), name.text);
}

static atr_status item_find(reader *r, atr_mlir *m) {
  int c = atr_mlir_peek(m);
  if (c == '#' || c == '!') return atr_mlir_skip(m, "", true); /* "#loc1 = loc(...)" */
  if (atr_mlir_accept(m, "{-#")) return skip_resources(m);
  if (atr_mlir_accept_word(m, "func.func") || atr_mlir_accept_word(m, "func")) return function_find(r, m);
  if (atr_mlir_accept(m, "\"func.func\"")) return generic_function_find(r, m);
  return other_item(m);
}

/* Up to the '}' of the module. */
static atr_status items_find(reader *r, atr_mlir *m) {
  while (!atr_mlir_accept(m, "}")) {
    if (atr_mlir_peek(m) < 0) return atr_mlir_unexpected(m, "'}' behind the functions");
    ATR_TRY(item_find(r, m));
  }
  return ATR_OK;
}

/* "@name attributes {...} { items }"; "module" has been taken. */
static atr_status module_find(reader *r, atr_mlir *m) {
  r->has_module = true;
  if (atr_mlir_peek(m) == '@') ATR_TRY(atr_mlir_symbol_read(m, &r->module_name));
  if (atr_mlir_accept_word(m, "attributes")) ATR_TRY(atr_mlir_skip_group(m));
  ATR_TRY(atr_mlir_expect(m, "{"));
  ATR_TRY(items_find(r, m));
  return atr_mlir_skip_location(m);
}

/* "() <{...}> ({ items }) {...} : () -> ()"; '"builtin.module"' has been taken. */
static atr_status generic_module_find(reader *r, atr_mlir *m) {
  atr_mlir_attrs *attrs = ATR_NEW(r->work->arena, atr_mlir_attrs);
  r->has_module = true;
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(atr_mlir_expect(m, ")"));
  ATR_TRY(atr_mlir_properties_read(m, attrs));
  ATR_TRY(atr_mlir_expect(m, "("));
  ATR_TRY(atr_mlir_expect(m, "{"));
  ATR_TRY(items_find(r, m));
  ATR_TRY(atr_mlir_expect(m, ")"));
  ATR_TRY(atr_mlir_properties_read(m, attrs));
  ATR_TRY(skip_signature(m));
  return string_attr(m, attrs, "sym_name", &r->module_name);
}

static atr_status functions_find(reader *r, atr_mlir *m) {
  while (atr_mlir_peek(m) >= 0) {
    bool may_open = !r->has_module && r->count == 0;
    if (may_open && (atr_mlir_accept_word(m, "module") || atr_mlir_accept_word(m, "builtin.module")))
      ATR_TRY(module_find(r, m));
    else if (may_open && atr_mlir_accept(m, "\"builtin.module\"")) ATR_TRY(generic_module_find(r, m));
    else ATR_TRY(item_find(r, m));
  }
  return ATR_OK;
}

/* @main, else the first public function; NULL: there is none. */
static function *default_entry(const reader *r) {
  atr_mlir_word main_word = {.text = "main", .len = 4};
  uint32_t entry = atr_mlir_names_get(&r->names, &main_word);
  for (uint32_t i = 0; i < r->count && entry == 0; i++) {
    if (!r->functions[i].is_private) entry = i + 1;
  }
  return entry != 0 ? &r->functions[entry - 1] : NULL;
}

/* The public function behind this one that makes the choice doubtful; NULL: none. */
static const function *second_public(const reader *r, const function *first) {
  if (atr_mlir_word_is(&first->name, "main")) return NULL;
  for (const function *f = first + 1; f < r->functions + r->count; f++)
    if (!f->is_private) return f;
  return NULL;
}

/* @main, else the only public function. */
static atr_status entry_find(reader *r, atr_mlir *m, function **out) {
  *out = default_entry(r);
  if (*out == NULL) return atr_fail(r->work, atr_mlir_here(m), ATR_PARSE_ERROR, "the text has no public function");
  const function *second = second_public(r, *out);
  if (second == NULL) return ATR_OK;
  return atr_fail(r->work, second->name.span, ATR_PARSE_ERROR, "this is the second public function, and none is '@main'");
}

/* The public function of this name, or @main. */
static atr_status entry_named(reader *r, const char *name, function **out) {
  atr_mlir_word word = {.text = name, .len = (uint32_t)strlen(name)};
  uint32_t index = atr_mlir_names_get(&r->names, &word);
  *out = index != 0 ? &r->functions[index - 1] : NULL;
  if (*out != NULL && (!(*out)->is_private || *out == default_entry(r))) return ATR_OK;
  return atr_fail(r->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "there is no public function '@%.*s'", shown(&word), name);
}

/* ---- the second walk: bodies */

/* What HLO text would take for something other than a name. */
static bool is_reserved(const char *name) {
  size_t len = strlen(name);
  return atr_dtype_from_name(name, len) != ATR_DTYPE_NONE || atr_op_from_name(name, len) != ATR_OP_NONE ||
         strcmp(name, "ROOT") == 0 || strcmp(name, "ENTRY") == 0;
}

/* A name that HLO text can spell: "0" becomes "v0", "cst$1" "cst_1". */
static const char *name_make(atr_arena *arena, const atr_mlir_word *word) {
  char *name = ATR_NEW_ARRAY(arena, char, word->len + 2);
  name[0] = 'v';
  for (uint32_t i = 0; i < word->len; i++) {
    char c = word->text[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    name[i + 1] = plain ? c : '_';
  }
  bool starts_well = word->len > 0 && strchr("0123456789.-", name[1]) == NULL;
  return starts_well && !is_reserved(name + 1) ? name + 1 : name;
}

/* Row major is "{1,0}"; "default" leaves the layout and "auto" the choice to us. */
static bool is_row_major(const atr_mlir *m, const atr_mlir_word *layout, int rank) {
  if (atr_mlir_word_is(layout, "default") || atr_mlir_word_is(layout, "auto")) return true;
  atr_text text = atr_text_make(m->work->arena);
  atr_text_puts(&text, "{");
  for (int d = rank - 1; d >= 0; d--) atr_text_printf(&text, d > 0 ? "%d," : "%d", d);
  atr_text_puts(&text, "}");
  return atr_mlir_word_is(layout, text.data);
}

/* Attributes of an argument or a result say how arrays are placed, which is the caller's business, but for the layout. */
static atr_status value_attrs(atr_mlir *m, const atr_shape *shape) {
  if (!atr_mlir_accept(m, "{")) return ATR_OK;
  atr_mlir_attrs attrs = {.count = 0};
  atr_mlir_word layout = {0};
  ATR_TRY(atr_mlir_dict_read(m, &attrs));
  ATR_TRY(string_attr(m, &attrs, "mhlo.layout_mode", &layout));
  if (layout.len == 0 || is_row_major(m, &layout, shape->rank)) return ATR_OK;
  return atr_fail(m->work, layout.span, ATR_UNSUPPORTED,
                  "layouts in StableHLO are not supported; HLO text states them in the shape");
}

/* The same in the generic form: "[{...}, {}]" at `pos`, a dictionary for each value. */
static atr_status listed_attrs(const atr_mlir *text, uint32_t pos, const atr_module *module, const atr_id *ids, int count) {
  if (pos == 0) return ATR_OK;
  atr_mlir at = atr_mlir_part(text, pos, text->end);
  ATR_TRY(atr_mlir_expect(&at, "["));
  for (int i = 0; i < count; i++) {
    if (i > 0) ATR_TRY(atr_mlir_expect(&at, ","));
    if (atr_mlir_peek(&at) != '{') return atr_mlir_unexpected(&at, "'{' and the attributes of an argument or result");
    ATR_TRY(value_attrs(&at, &atr_inst_at(module, ids[i])->shape));
  }
  return atr_mlir_expect(&at, "]");
}

/* The results of a function or call: a type, or any number of types in parentheses, with dictionaries among them. */
static atr_status results_compare(atr_mlir *m, const atr_mlir_scope *scope, const atr_mlir_operands *values, const char *who) {
  bool list = atr_mlir_accept(m, "(");
  int count = 0;
  for (; !list || atr_mlir_peek(m) != ')'; count++) {
    if (count > 0) ATR_TRY(atr_mlir_expect(m, ","));
    if (count == values->count) break;
    ATR_TRY(atr_mlir_operand_type_read(m, scope, values, count));
    if (!list) {
      count++;
      break;
    }
    ATR_TRY(value_attrs(m, &atr_inst_at(scope->module, values->items[count].id)->shape));
    ATR_TRY(atr_mlir_skip_location(m));
  }
  if (count != values->count || (list && atr_mlir_peek(m) != ')')) {
    return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "%s has %d results, this states %s", who, values->count,
                    count < values->count ? "fewer" : "more");
  }
  return list ? atr_mlir_expect(m, ")") : ATR_OK;
}

/* Binds one argument: to the caller's value, or in the entry to a new parameter. */
static atr_status argument_read(reader *r, atr_mlir *m, atr_mlir_scope *scope, const atr_mlir_operands *args, int number) {
  atr_mlir_word name;
  int64_t index;
  (void)atr_mlir_peek(m);
  uint32_t start = m->pos;
  ATR_TRY(atr_mlir_value_read(m, &name, &index));
  ATR_TRY(atr_mlir_expect(m, ":"));
  if (args != NULL) {
    ATR_TRY(atr_mlir_operand_type_read(m, scope, args, number));
    ATR_TRY(atr_mlir_scope_bind(r->work, scope, &name, &args->items[number].id, 1));
  } else {
    atr_inst inst = {.op = ATR_OP_PARAMETER, .name = name_make(r->work->arena, &name), .u.parameter = number};
    atr_span *spans = ATR_NEW_ARRAY(r->work->arena, atr_span, ATR_ATTR_COUNT);
    ATR_TRY(atr_mlir_type_read(m, &inst.shape, &spans[ATR_ATTR_SHAPE]));
    inst.span = atr_mlir_span(m, start);
    inst.spans = spans;
    atr_id id = atr_module_add(r->module, &inst);
    ATR_TRY(atr_mlir_scope_bind(r->work, scope, &name, &id, 1));
  }
  ATR_TRY(value_attrs(m, &atr_inst_at(r->module, *scope->values[number].ids)->shape));
  return atr_mlir_skip_location(m);
}

/* *count is the number of arguments; `args` NULL in the entry. */
static atr_status arguments_read(reader *r, atr_mlir *m, const function *f, atr_mlir_scope *scope,
                                 const atr_mlir_operands *args, int *count) {
  *count = 0;
  if (f->args == 0) return ATR_OK;
  atr_mlir at = atr_mlir_part(m, f->args + 1, f->end);
  while (!atr_mlir_accept(&at, ")")) {
    if (*count > 0) ATR_TRY(atr_mlir_expect(&at, ","));
    if (args != NULL && *count == args->count) {
      *count += 1; /* too many, and that is all the caller asks */
      return ATR_OK;
    }
    ATR_TRY(argument_read(r, &at, scope, args, *count));
    *count += 1;
  }
  return ATR_OK;
}

/* "%a, %b : type, type", or generic "(%a, %b) : (type, type) -> ()"; the word has been taken. */
static atr_status return_read(atr_mlir *m, const atr_mlir_scope *scope, bool generic, atr_mlir_operands *out) {
  if (generic) {
    ATR_TRY(atr_mlir_operand_list_read(m, scope, out));
    ATR_TRY(atr_mlir_expect(m, ":"));
    ATR_TRY(atr_mlir_operand_types_read(m, scope, out));
    ATR_TRY(atr_mlir_expect(m, "("));
    ATR_TRY(atr_mlir_expect(m, ")"));
  } else if (atr_mlir_peek(m) == '%') {
    do { ATR_TRY(atr_mlir_operand_read(m, scope, out)); } while (atr_mlir_accept(m, ","));
    for (int i = 0; i < out->count; i++) {
      ATR_TRY(atr_mlir_expect(m, i == 0 ? ":" : ","));
      ATR_TRY(atr_mlir_operand_type_read(m, scope, out, i));
    }
  }
  ATR_TRY(atr_mlir_skip_location(m));
  return atr_mlir_peek(m) < 0 ? ATR_OK : atr_mlir_unexpected(m, "'}' behind the return");
}

/* Names on the left of '=': "%0", "%0:2", "%a, %b". */
typedef struct bindings {
  struct binding {
    atr_mlir_word name;
    int64_t count;
  } * items;
  int count, capacity;
  int64_t total;
} bindings;

static atr_status bindings_read(atr_mlir *m, bindings *out) {
  int64_t index;
  if (atr_mlir_peek(m) != '%') return ATR_OK;
  do {
    struct binding binding = {.count = 1};
    ATR_TRY(atr_mlir_value_read(m, &binding.name, &index));
    atr_span here = atr_mlir_here(m);
    if (atr_mlir_accept(m, ":")) ATR_TRY(atr_mlir_int_read(m, &binding.count));
    if (binding.count < 1 || binding.count > INT32_MAX || out->total > INT32_MAX) {
      return atr_fail(m->work, here, ATR_PARSE_ERROR, "a value cannot stand for %lld results", (long long)binding.count);
    }
    ATR_RESERVE(m->work->arena, out->items, out->count, out->capacity);
    out->items[out->count++] = binding;
    out->total += binding.count;
  } while (atr_mlir_accept(m, ","));
  return atr_mlir_expect(m, "=");
}

/* Gives the results of an operation to the names on its left. */
static atr_status results_bind(reader *r, atr_mlir_scope *scope, const bindings *names, const atr_id *ids, int count) {
  if (names->total != count && names->total != 0) {
    return atr_fail(r->work, names->items[0].name.span, ATR_PARSE_ERROR, "the operation has %d results, %lld are named", count,
                    (long long)names->total);
  }
  for (int i = 0; i < names->count; i++) {
    ATR_TRY(atr_mlir_scope_bind(r->work, scope, &names->items[i].name, ids, (int)names->items[i].count));
    ids += names->items[i].count;
  }
  return ATR_OK;
}

static atr_status function_read(reader *r, atr_mlir *m, function *f, const atr_mlir_operands *args, atr_span at,
                                atr_mlir_operands *out);

/* The callee's name: "@f" in front of the operands, or the attribute of the generic form. */
static atr_status callee_read(reader *r, atr_mlir *m, const atr_mlir_scope *scope, bool generic, atr_mlir_operands *args,
                              function **out) {
  atr_mlir_attrs attrs = {.count = 0}; /* not in the arena: a call may be read very often */
  atr_span here = atr_mlir_here(m);
  atr_mlir_word name = {0};
  if (!generic) ATR_TRY(atr_mlir_symbol_read(m, &name));
  ATR_TRY(atr_mlir_operand_list_read(m, scope, args));
  ATR_TRY(atr_mlir_properties_read(m, &attrs));
  if (generic) {
    const atr_mlir_attr *attr = atr_mlir_attr_find(&attrs, "callee");
    if (attr == NULL) return atr_fail(r->work, here, ATR_PARSE_ERROR, "this call has no callee");
    atr_mlir at = atr_mlir_attr_value(m, attr);
    ATR_TRY(atr_mlir_symbol_read(&at, &name));
  }
  uint32_t index = atr_mlir_names_get(&r->names, &name);
  if (index == 0)
    return atr_fail(r->work, name.span, ATR_PARSE_ERROR, "function '@%.*s' is not defined", shown(&name), name.text);
  *out = &r->functions[index - 1];
  return ATR_OK;
}

static atr_status call_read(reader *r, atr_mlir *m, atr_mlir_scope *scope, bool generic, atr_span at, const bindings *names) {
  atr_mlir_operands args = {0}, results = {0};
  function *callee = NULL;
  ATR_TRY(callee_read(r, m, scope, generic, &args, &callee));
  ATR_TRY(atr_mlir_expect(m, ":"));
  ATR_TRY(atr_mlir_operand_types_read(m, scope, &args));
  uint32_t start = callee->args != 0 && callee->args < callee->body ? callee->args : callee->body;
  r->budget -= (int64_t)callee->end - start + CALL_COST;
  if (r->budget < 0) return atr_fail(r->work, at, ATR_UNSUPPORTED, "the module is too large with all calls inlined");
  ATR_TRY(function_read(r, m, callee, &args, at, &results));
  ATR_TRY(results_compare(m, scope, &results, "the function"));
  atr_id *ids = ATR_NEW_ARRAY(r->work->arena, atr_id, results.count);
  for (int i = 0; i < results.count; i++) ids[i] = results.items[i].id;
  return results_bind(r, scope, names, ids, results.count);
}

static bool is_return(const atr_mlir_word *name) {
  return atr_mlir_word_is(name, "return") || atr_mlir_word_is(name, "func.return");
}
static bool is_call(const atr_mlir_word *name) { return atr_mlir_word_is(name, "call") || atr_mlir_word_is(name, "func.call"); }

/* One operation of a body; *done at the return. */
static atr_status statement_read(reader *r, atr_mlir *m, atr_mlir_scope *scope, atr_mlir_operands *returned, bool *done) {
  bindings names = {0};
  atr_mlir_word name;
  int c = atr_mlir_peek(m);
  uint32_t start = m->pos;
  if (c == '^')
    return atr_fail(r->work, atr_mlir_here(m), ATR_UNSUPPORTED, "a function of more than one block is not supported");
  ATR_TRY(bindings_read(m, &names));
  bool generic = atr_mlir_peek(m) == '"';
  if (generic) ATR_TRY(atr_mlir_string_read(m, &name));
  else if (!atr_mlir_word_read(m, &name)) return atr_mlir_unexpected(m, "an operation or the return of the function");
  *done = is_return(&name) && names.count == 0;
  if (*done) return return_read(m, scope, generic, returned);
  if (is_call(&name)) {
    ATR_TRY(call_read(r, m, scope, generic, name.span, &names));
  } else {
    atr_id id;
    const char *result = names.count > 0 ? name_make(r->work->arena, &names.items[0].name) : NULL;
    ATR_TRY(atr_mlir_op_read(m, scope, start, &name, generic, result, &id));
    ATR_TRY(results_bind(r, scope, &names, &id, 1));
  }
  return atr_mlir_skip_location(m);
}

/* The lists of the generic form, when the arguments are bound and the results known. */
static atr_status function_attrs(reader *r, const function *f, const atr_mlir_scope *scope, const atr_mlir_operands *results,
                                 int args) {
  if (f->arg_attrs == 0 && f->result_attrs == 0) return ATR_OK; /* and nothing in the arena: a call may be read very often */
  atr_mlir text = atr_mlir_make(r->work);
  atr_id *ids = ATR_NEW_ARRAY(r->work->arena, atr_id, atr_max(args, results->count));
  for (int i = 0; i < args; i++) ids[i] = *scope->values[i].ids;
  ATR_TRY(listed_attrs(&text, f->arg_attrs, r->module, ids, args));
  for (int i = 0; i < results->count; i++) ids[i] = results->items[i].id;
  return listed_attrs(&text, f->result_attrs, r->module, ids, results->count);
}

static atr_status body_read(reader *r, atr_mlir *m, const function *f, const atr_mlir_operands *args, atr_span at,
                            atr_mlir_operands *out) {
  atr_mlir_scope scope = {.module = r->module};
  atr_mlir body = atr_mlir_part(m, f->body, f->end);
  int count;
  ATR_TRY(arguments_read(r, m, f, &scope, args, &count));
  if (args != NULL && count != args->count) {
    return atr_fail(r->work, at, ATR_PARSE_ERROR, "'@%.*s' takes %s arguments than the %d of this call", shown(&f->name),
                    f->name.text, count > args->count ? "more" : "fewer", args->count);
  }
  for (bool done = false; !done;) ATR_TRY(statement_read(r, &body, &scope, out, &done));
  ATR_TRY(function_attrs(r, f, &scope, out, count));
  if (f->results == 0) return ATR_OK;
  atr_mlir results = atr_mlir_part(m, f->results, (uint32_t)r->work->source->len); /* `m` may end before: a caller's body */
  return results_compare(&results, &scope, out, "the return");
}

/* Reads a body into the module. `args` are the values of a call at `at`; NULL in the entry: its arguments become parameters. */
static atr_status function_read(reader *r, atr_mlir *m, function *f, const atr_mlir_operands *args, atr_span at,
                                atr_mlir_operands *out) {
  const char *name = f->name.text;
  if (f->body == 0) return atr_fail(r->work, at, ATR_UNSUPPORTED, "function '@%.*s' has no body", shown(&f->name), name);
  if (f->active)
    return atr_fail(r->work, at, ATR_UNSUPPORTED, "function '@%.*s' calls itself, which is not supported", shown(&f->name),
                    name);
  if (r->depth == MAX_CALL_DEPTH)
    return atr_fail(r->work, at, ATR_UNSUPPORTED, "calls are nested more than %d deep", MAX_CALL_DEPTH);
  f->active = true;
  r->depth++;
  ATR_TRY(body_read(r, m, f, args, at, out));
  r->depth--;
  f->active = false;
  return ATR_OK;
}

/* ---- the module */

static void module_finish(atr_module *module, const atr_mlir_operands *results) {
  atr_arena *arena = module->arena;
  module->parameters = ATR_NEW_ARRAY(arena, atr_id, module->count);
  for (atr_id id = 1; id <= module->count; id++) {
    if (module->insts[id].op == ATR_OP_PARAMETER) module->parameters[module->parameter_count++] = id;
  }
  module->results = ATR_NEW_ARRAY(arena, atr_id, results->count);
  module->result_count = results->count;
  for (int i = 0; i < results->count; i++) module->results[i] = results->items[i].id;
  module->returns_tuple = results->count != 1;
}

static atr_status text_find(atr_work *work, reader *r, atr_mlir *m) {
  if (work->source == NULL || work->source->text == NULL) return ATR_BUG(work, "no text to read");
  size_t len = work->source->len;
  if (len >= UINT32_MAX) return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "a text of 4 GiB or more is not supported");
  *r = (reader){.work = work, .budget = 16 * (int64_t)len + ((int64_t)64 << 20)};
  *m = atr_mlir_make(work);
  return functions_find(r, m);
}

static atr_status module_read(reader *r, atr_mlir *m, function *entry, const char *name, atr_module **out) {
  atr_mlir_operands results = {0};
  r->module = atr_module_new(r->work->arena, name);
  r->module->source = *r->work->source;
  ATR_TRY(function_read(r, m, entry, NULL, entry->name.span, &results));
  module_finish(r->module, &results);
  *out = r->module;
  return ATR_OK;
}

static const char *text_name(const reader *r) {
  return r->module_name.len > 0 ? name_make(r->work->arena, &r->module_name) : "module";
}

atr_status atr_stablehlo_read(atr_work *work, atr_module **out) {
  reader r;
  atr_mlir m;
  function *entry = NULL;
  ATR_TRY(text_find(work, &r, &m));
  ATR_TRY(entry_find(&r, &m, &entry));
  return module_read(&r, &m, entry, text_name(&r), out);
}

atr_status atr_stablehlo_read_entry(atr_work *work, const char *name, atr_module **out) {
  reader r;
  atr_mlir m;
  function *entry = NULL;
  ATR_TRY(text_find(work, &r, &m));
  ATR_TRY(entry_named(&r, name, &entry));
  bool is_default = entry == default_entry(&r) && second_public(&r, entry) == NULL;
  return module_read(&r, &m, entry, is_default ? text_name(&r) : name_make(work->arena, &entry->name), out);
}

atr_status atr_stablehlo_entries(atr_work *work, atr_entries *out) {
  reader r;
  atr_mlir m;
  ATR_TRY(text_find(work, &r, &m));
  function *first = default_entry(&r);
  if (first == NULL) return atr_fail(work, atr_mlir_here(&m), ATR_PARSE_ERROR, "the text has no public function");
  *out = (atr_entries){.has_default = second_public(&r, first) == NULL};
  for (uint32_t i = 0; i <= r.count; i++) { /* the first one once more in front of the others */
    const function *f = i == 0 ? first : &r.functions[i - 1];
    if (i > 0 && (f->is_private || f == first)) continue;
    ATR_RESERVE(work->arena, out->names, out->count, out->capacity);
    out->names[out->count++] = atr_arena_string(work->arena, f->name.text, f->name.len);
  }
  return ATR_OK;
}

/* ---- HLO or StableHLO */

/* The first byte that is neither white space nor comment (of either language). */
static size_t first_byte(const char *text, size_t len) {
  size_t pos = 0;
  while (pos < len) {
    bool comment = text[pos] == '/' && pos + 1 < len;
    if (strchr(" \t\r\n", text[pos]) != NULL && text[pos] != '\0') {
      pos++;
    } else if (comment && text[pos + 1] == '/') {
      while (pos < len && text[pos] != '\n') pos++;
    } else if (comment && text[pos + 1] == '*') {
      for (pos += 2; pos + 1 < len && (text[pos] != '*' || text[pos + 1] != '/');) pos++;
      pos = pos + 1 < len ? pos + 2 : len;
    } else {
      break;
    }
  }
  return pos;
}

bool atr_text_is_stablehlo(const char *text, size_t len) {
  static const char *const starts[] = {"module", "builtin.module", "\"builtin.module\"", "func", "\"func.func\"", "#", "!",
                                       "{-#",    "\"stablehlo.",   "stablehlo."};
  size_t pos = first_byte(text, len), line = pos;
  if (len - pos >= 9 && memcmp(text + pos, "HloModule", 9) == 0) return false; /* whatever the module is called */
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
    size_t size = strlen(starts[i]);
    if (len - pos < size || memcmp(text + pos, starts[i], size) != 0) continue;
    bool is_word = starts[i][0] == 'm' || starts[i][0] == 'f'; /* "module" must not be the "module1" of an HLO computation */
    char next = len - pos > size ? text[pos + size] : ' ';
    if (!is_word || strchr(" \t\r\n{@.", next) != NULL) return true;
  }
  while (line < len && text[line] != '\n') line++;
  for (; pos < line && text[pos] != '"'; pos++) { /* an operation without a function around it */
    if (line - pos >= 10 && memcmp(text + pos, "stablehlo.", 10) == 0) return true;
  }
  return false;
}
