/* random_gradients.c - gradients of random modules against differences of the modules themselves.
 *
 *     random_gradients [--seed=N] [--count=N] [--only=K]
 *
 * Problem K of seed S is a convolution with every attribute, or none, of values that linear operations have moved about (generate.h
 * with `linear`), in f64 or c128, on small integers. Such a module f is of degree 2 at most in its parameters, so for any
 * direction v of one of them
 *
 *     f(p + v) - f(p - v) = 2 J v         exactly, and so, with any cotangent u,
 *     <f(p + v) - f(p - v), u> = 2 <v, J^T u>
 *
 * as integers: the left side is two runs of the interpreter on f, the right side one on its gradient, which must also do the same
 * as compiled code. Products of complex numbers are not conjugated.
 *
 * Exit: 0 all agree, 1 something is wrong, 2 the command line is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "fill.h"
#include "generate.h"

enum { DEFAULT_COUNT = 300, COMPILE_EVERY = 10 };

typedef struct problem {
  uint64_t seed;
  int64_t number;
  rng r; /* for everything but the module */
  atr_context *context;
  atr_module *module, *gradient;
  int32_t parameter, count; /* the one in question, and how many there are */
  void **args;              /* of the gradient: those of the module, and the cotangent behind them */
} problem;

static void *allocate(size_t size) {
  void *p = calloc(1, size > 0 ? size : 1);
  if (p == NULL) exit(2);
  return p;
}

static const atr_shape *shape_of(const problem *p, int32_t i) { return atr_module_parameter_shape(p->gradient, i); }

static void *filled(problem *p, const atr_shape *shape) {
  void *data = allocate((size_t)atr_shape_bytes(shape));
  fill_array(&p->r, FILL_SMALL, shape, data);
  return data;
}

/* ---- reports */

static void print_module(const problem *p, const atr_module *module) {
  char *text = NULL;
  if (module == NULL || atr_module_print(p->context, module, &text) != ATR_OK) return;
  puts(text);
  atr_string_free(p->context, text);
}

static bool fail(const problem *p, const char *what) {
  printf("problem %lld of seed %llu, parameter %d: %s\n", (long long)p->number, (unsigned long long)p->seed, (int)p->parameter,
         what);
  print_module(p, p->module);
  print_module(p, p->gradient);
  return false;
}

static bool succeeds(const problem *p, atr_status status) {
  return status == ATR_OK ? true : fail(p, atr_context_message(p->context));
}

/* ---- arithmetic on arrays of f64 and c128 */

static atr_scalar *numbers(const atr_shape *shape, const void *data) {
  int64_t n = atr_shape_elements(shape);
  atr_scalar *out = allocate((size_t)n * sizeof *out);
  for (int64_t i = 0; i < n; i++)
    out[i] = atr_scalar_load(shape->dtype, (const char *)data + (size_t)i * atr_dtype_size(shape->dtype));
  return out;
}

static atr_scalar inner_product(const atr_shape *shape, const void *a, const void *b) {
  atr_scalar *x = numbers(shape, a), *y = numbers(shape, b), sum = {0};
  for (int64_t i = 0; i < atr_shape_elements(shape); i++) {
    sum.re += x[i].re * y[i].re - x[i].im * y[i].im;
    sum.im += x[i].re * y[i].im + x[i].im * y[i].re;
  }
  free(x);
  free(y);
  return sum;
}

/* a + scale * b, in memory of its own. */
static void *sum_of(const atr_shape *shape, const void *a, double scale, const void *b) {
  size_t size = atr_dtype_size(shape->dtype);
  char *out = allocate((size_t)atr_shape_bytes(shape));
  atr_scalar *x = numbers(shape, a), *y = numbers(shape, b);
  for (int64_t i = 0; i < atr_shape_elements(shape); i++)
    atr_scalar_store(shape->dtype, out + (size_t)i * size,
                     (atr_scalar){.re = x[i].re + scale * y[i].re, .im = x[i].im + scale * y[i].im});
  free(x);
  free(y);
  return out;
}

static bool same_numbers(const atr_shape *shape, const void *a, const void *b) {
  atr_scalar *x = numbers(shape, a), *y = numbers(shape, b);
  bool same = true;
  for (int64_t i = 0; i < atr_shape_elements(shape); i++) same = same && x[i].re == y[i].re && x[i].im == y[i].im;
  free(x);
  free(y);
  return same;
}

/* ---- one problem */

/* f at p + scale * v. */
static void *shifted_result(problem *p, double scale, const void *v, bool *good) {
  const atr_shape *result = atr_module_result_shape(p->module, 0);
  void *y = allocate((size_t)atr_shape_bytes(result)), *usual = p->args[p->parameter];
  p->args[p->parameter] = sum_of(shape_of(p, p->parameter), usual, scale, v);
  *good = *good && succeeds(p, atr_module_interpret(p->context, p->module, (const void *const *)p->args, &y));
  free(p->args[p->parameter]);
  p->args[p->parameter] = usual;
  return y;
}

static bool compiles_alike(problem *p, const void *want) {
  const atr_shape *shape = shape_of(p, p->parameter);
  void *got = allocate((size_t)atr_shape_bytes(shape));
  atr_executable *executable = NULL;
  bool good = succeeds(p, atr_compile(p->context, p->gradient, NULL, &executable)) &&
              succeeds(p, atr_executable_run(executable, (const void *const *)p->args, &got, NULL));
  if (good && !same_numbers(shape, got, want)) good = fail(p, "the compiled gradient is another than the interpreted one");
  if (executable != NULL) atr_executable_release(executable);
  free(got);
  return good;
}

static bool is_adjoint(problem *p) {
  const atr_shape *in = shape_of(p, p->parameter), *out = shape_of(p, p->count);
  void *v = filled(p, in), *vjp = allocate((size_t)atr_shape_bytes(in));
  bool good = succeeds(p, atr_module_interpret(p->context, p->gradient, (const void *const *)p->args, &vjp));
  void *above = shifted_result(p, 1, v, &good), *below = shifted_result(p, -1, v, &good);
  void *difference = sum_of(out, above, -1, below);
  atr_scalar left = inner_product(out, difference, p->args[p->count]), right = inner_product(in, v, vjp);
  if (good && (left.re != 2 * right.re || left.im != 2 * right.im)) {
    char message[200];
    snprintf(message, sizeof message, "<f(p + v) - f(p - v), u> is (%.17g, %.17g), 2 <v, J^T u> (%.17g, %.17g)", left.re,
             left.im, 2 * right.re, 2 * right.im);
    good = fail(p, message);
  }
  if (good && p->number % COMPILE_EVERY == 0) good = compiles_alike(p, vjp);
  free(v);
  free(vjp);
  free(above);
  free(below);
  free(difference);
  return good;
}

static atr_value draw_module(gen *g) {
  int roles[ATR_MAX_RANK] = {0};
  atr_value v = gen_conv(g, 0, roles);
  atr_shape shape = gen_shape(g, v);
  if (rng_chance(&g->r, 1, 3)) v = atr_build_elementwise(g->b, "add", (atr_value[]){v, gen_value(g, &shape, 2)}, 2);
  if (rng_chance(&g->r, 1, 4)) v = atr_build_reduce(g->b, v, (int64_t[]){roles[1], roles[0]}, 2);
  return v;
}

static bool make_module(problem *p) {
  gen g = {.r = rng_make(p->seed, (uint64_t)p->number), .only_rank = -1, .linear = true};
  g.only_dtype = rng_chance(&g.r, 1, 4) ? ATR_C128 : ATR_F64;
  if (!succeeds(p, atr_builder_create(p->context, "f", &g.b))) return false;
  atr_value y = draw_module(&g);
  bool good = succeeds(p, atr_builder_finish(g.b, &y, 1, &p->module));
  atr_builder_destroy(g.b);
  return good;
}

static bool check_problem(uint64_t seed, int64_t number) {
  problem p = {.seed = seed, .number = number, .r = rng_make(seed ^ 0x5eed, (uint64_t)number)};
  if (!succeeds(&p, atr_context_create(&(atr_context_options){.size = sizeof(atr_context_options), .threads = 1}, &p.context)))
    return false;
  bool good = make_module(&p);
  if (good) {
    p.count = atr_module_parameter_count(p.module);
    p.parameter = p.count > 0 ? (int32_t)rng_below(&p.r, p.count) : 0;
  }
  if (good && p.count > 0) {
    good = succeeds(&p, atr_module_gradient(p.context, p.module, p.parameter, &p.gradient));
    p.args = allocate(sizeof *p.args * (size_t)(p.count + 1));
    for (int32_t i = 0; i <= p.count && good; i++) p.args[i] = filled(&p, shape_of(&p, i));
    good = good && is_adjoint(&p);
    for (int32_t i = 0; i <= p.count; i++) free(p.args[i]);
    free(p.args);
  }
  atr_module_destroy(p.gradient);
  atr_module_destroy(p.module);
  atr_context_destroy(p.context);
  return good;
}

static bool number_option(const char *arg, const char *name, long long *value) {
  size_t len = strlen(name);
  char *end;
  if (strncmp(arg, name, len) != 0 || arg[len] != '=') return false;
  *value = strtoll(arg + len + 1, &end, 10);
  return arg[len + 1] != '\0' && *end == '\0';
}

int main(int argc, char **argv) {
  long long seed = 1, count = DEFAULT_COUNT, only = -1, wrong = 0;
  for (int i = 1; i < argc; i++) {
    if (number_option(argv[i], "--seed", &seed) || number_option(argv[i], "--count", &count) ||
        number_option(argv[i], "--only", &only))
      continue;
    fprintf(stderr, "usage: random_gradients [--seed=N] [--count=N] [--only=K]\n");
    return 2;
  }
  for (long long k = only >= 0 ? only : 0; k < (only >= 0 ? only + 1 : count); k++) wrong += !check_problem((uint64_t)seed, k);
  printf("%lld gradients, wrong %lld\n", only >= 0 ? 1 : count, wrong);
  return wrong > 0;
}
