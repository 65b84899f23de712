/* test_operator_answers.c - calls of other systems' operators against the systems' answers.
 *
 * In: tests/data/operator-answers.txt, whose maker, scripts/make-operator-answers.py, describes the format:
 *
 *     case mxnet-target-shape
 *     call mxnet.Deconvolution
 *     pair data=f32[1,1,5]
 *     ...
 *     arg f32[1,1,5] 1 2 3 4 5
 *     out f32[1,1,10] ...
 *
 * Each case is imported, interpreted, compiled and run, and both results are compared exactly: the values are small integers.
 * So are the gradients, where a case has them. */
#include "atrous/operators.h"
#include "vector_fixture.h"

enum { PAIRS_MAX = 24, ARRAYS_MAX = 10, WORD_MAX = 256 };

typedef struct call {
  char op[WORD_MAX], words[PAIRS_MAX][WORD_MAX];
  const char *pairs[PAIRS_MAX];
  int pair_count;
  tensor args[ARRAYS_MAX], out, gradients[ARRAYS_MAX]; /* args: one more for the cotangent */
  int arg_count, gradient_count;
  bool has_cotangent;
} call;

static void read_word(const char **at, char *word) {
  size_t len = strcspn(*at, "\n");
  ck_assert_uint_lt(len, WORD_MAX);
  memcpy(word, *at, len);
  word[len] = '\0';
  *at += len;
}

static void read_line(const char **at, call *c) {
  if (skip(at, "call ")) read_word(at, c->op);
  else if (skip(at, "pair ")) {
    ck_assert_int_lt(c->pair_count, PAIRS_MAX);
    c->pairs[c->pair_count] = c->words[c->pair_count];
    read_word(at, c->words[c->pair_count++]);
  } else if (skip(at, "arg ")) c->args[c->arg_count++] = read_tensor(at);
  else if (skip(at, "out ")) c->out = read_tensor(at);
  else if (skip(at, "cotangent ")) {
    c->args[c->arg_count] = read_tensor(at);
    c->has_cotangent = true;
  } else if (skip(at, "gradient ")) c->gradients[c->gradient_count++] = read_tensor(at);
  else ck_abort_msg("unknown line at '%.40s'", *at);
}

/* Up to the next case or the end of the file. */
static void read_call(const char *at, call *c) {
  memset(c, 0, sizeof *c);
  at += strcspn(at, "\n");
  while (skip(&at, "\n") && *at != '\0' && strncmp(at, "case ", 5) != 0) {
    ck_assert_int_lt(c->arg_count, ARRAYS_MAX);
    read_line(&at, c);
  }
}

static void check_shape(const char *what, const atr_shape *got, const atr_shape *want) {
  ck_assert_ptr_nonnull(got);
  ck_assert_msg(got->dtype == want->dtype && got->rank == want->rank, "%s has another type", what);
  for (int i = 0; i < want->rank; i++) ck_assert_msg(got->dims[i] == want->dims[i], "%s has other extents", what);
}

/* Interprets the module and runs it compiled. */
static void check_module(atr_context *context, const atr_module *module, const tensor *args, int count, const tensor *want) {
  const void *inputs[ARRAYS_MAX];
  ck_assert_int_eq(atr_module_parameter_count(module), count);
  for (int i = 0; i < count; i++) {
    check_shape("a parameter", atr_module_parameter_shape(module, i), &args[i].shape);
    inputs[i] = args[i].memory;
  }
  ck_assert_int_eq(atr_module_result_count(module), 1);
  check_shape("the result", atr_module_result_shape(module, 0), &want->shape);
  void *got = atr_arena_alloc(&arena, (size_t)atr_shape_bytes(&want->shape));
  ck_assert_msg(atr_module_interpret(context, module, inputs, &got) == ATR_OK, "%s", atr_context_message(context));
  compare(want, got, 0);
  memset(got, 0xa5, (size_t)atr_shape_bytes(&want->shape));
  atr_executable *executable = NULL;
  ck_assert_msg(atr_compile(context, module, NULL, &executable) == ATR_OK, "%s", atr_context_message(context));
  ck_assert_int_eq(atr_executable_run(executable, inputs, &got, NULL), ATR_OK);
  compare(want, got, 0);
  atr_executable_release(executable);
}

static void check_gradients(atr_context *context, const atr_module *module, const call *c) {
  ck_assert_int_eq(c->gradient_count, c->arg_count);
  for (int i = 0; i < c->gradient_count; i++) {
    atr_module *gradient = NULL;
    ck_assert_msg(atr_module_gradient(context, module, i, &gradient) == ATR_OK, "%s", atr_context_message(context));
    check_module(context, gradient, c->args, c->arg_count + 1, &c->gradients[i]);
    atr_module_destroy(gradient);
  }
}

START_TEST(test_vector) {
  call c;
  read_call(blocks[_i], &c);
  atr_context_options options = {.size = sizeof options, .threads = 1};
  atr_context *context = NULL;
  atr_module *module = NULL;
  ck_assert_int_eq(atr_context_create(&options, &context), ATR_OK);
  ck_assert_msg(atr_import(context, c.op, c.pairs, c.pair_count, &module, NULL) == ATR_OK, "%s", atr_context_message(context));
  check_module(context, module, c.args, c.arg_count, &c.out);
  if (c.has_cotangent) check_gradients(context, module, &c);
  atr_module_destroy(module);
  atr_context_destroy(context);
}
END_TEST

START_TEST(test_vectors_present) {
  ck_assert_msg(block_count >= 120, "tests/data/operator-answers.txt has %d cases", block_count);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("operator answers");
  TCase *tc = tcase_create("operator answers");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_vectors_present);
  tcase_add_loop_test(tc, test_vector, 0, block_count);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_vectors("operator-answers.txt", suite); }
