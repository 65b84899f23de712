/* test_jit.c - loading objects. The objects are made here with LLVM from a few lines of IR, so the test knows what is in them:
 * a function with data, one that calls memset, one that calls what a kernel must not, and one for another machine. */
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/jit.h"
#include "support.h"

static const char ir_sum[] =
  "@table = internal constant [4 x i32] [i32 1, i32 10, i32 100, i32 1000]\n"
  "@calls = internal global i32 0\n"
  "define i32 @entry(i32 %i) {\n"
  "  %n = load i32, ptr @calls\n"
  "  %m = add i32 %n, 1\n"
  "  store i32 %m, ptr @calls\n"
  "  %p = getelementptr [4 x i32], ptr @table, i32 0, i32 %i\n"
  "  %v = load i32, ptr %p\n"
  "  ret i32 %v\n"
  "}\n"
  "define i32 @calls_so_far() {\n"
  "  %n = load i32, ptr @calls\n"
  "  ret i32 %n\n"
  "}\n";
static const char ir_memset[] =
  "declare ptr @memset(ptr, i32, i64)\n"
  "declare ptr @memcpy(ptr, ptr, i64)\n"
  "define void @fill_and_copy(ptr %to, ptr %from, i64 %n) {\n"
  "  %a = call ptr @memset(ptr %from, i32 7, i64 %n)\n"
  "  %b = call ptr @memcpy(ptr %to, ptr %from, i64 %n)\n"
  "  ret void\n"
  "}\n";
static const char ir_getpid[] =
  "declare i32 @getpid()\n"
  "define i32 @entry(i32 %i) {\n"
  "  %a = call i32 @getpid()\n"
  "  ret i32 %a\n"
  "}\n";

static size_t allocated; /* by counting_realloc, bytes */

static void *counting_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  __atomic_fetch_add(&allocated, new_size - old_size, __ATOMIC_RELAXED);
  return atr_default_realloc(user, old, old_size, new_size);
}

static atr_arena arena;
static atr_work work;

static void setup(void) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  allocated = 0;
  atr_arena_init(&arena, counting_realloc, NULL);
  work = (atr_work){.arena = &arena};
}

static void teardown(void) {
  atr_arena_fini(&arena);
  ck_assert_uint_eq(allocated, 0);
}

/* A file of machine code for `ir`; the caller disposes of it. triple NULL: this machine. */
static LLVMMemoryBufferRef compile(const char *ir, const char *triple, LLVMCodeGenFileType type) {
  char *own = LLVMGetDefaultTargetTriple(), *message = NULL;
  LLVMTargetRef target;
  ck_assert_int_eq(LLVMGetTargetFromTriple(triple != NULL ? triple : own, &target, &message), 0);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachine(target, triple != NULL ? triple : own, "", "", LLVMCodeGenLevelDefault,
                                                         LLVMRelocPIC, LLVMCodeModelDefault);
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module;
  LLVMMemoryBufferRef text = LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "ir"), out;
  ck_assert_int_eq(LLVMParseIRInContext(context, text, &module, &message), 0);
  ck_assert_int_eq(LLVMTargetMachineEmitToMemoryBuffer(machine, module, type, &message, &out), 0);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  LLVMDisposeTargetMachine(machine);
  LLVMDisposeMessage(own);
  return out;
}

static LLVMMemoryBufferRef compile_object(const char *ir) { return compile(ir, NULL, LLVMObjectFile); }

static atr_status load(LLVMMemoryBufferRef object, unsigned listeners, const char *const *names, int count, void **addresses,
                       atr_jit **jit) {
  return atr_jit_load_watched(&work, listeners, LLVMGetBufferStart(object), LLVMGetBufferSize(object), names, count, addresses,
                              jit);
}

typedef int (*entry_fn)(int);
typedef int (*count_fn)(void);
typedef void (*fill_fn)(void *, void *, int64_t);

ATR_CALLS_JIT static int call_entry(void *address, int i) { return ((entry_fn)(uintptr_t)address)(i); }
ATR_CALLS_JIT static int call_count(void *address) { return ((count_fn)(uintptr_t)address)(); }
ATR_CALLS_JIT static void call_fill(void *address, void *to, void *from) { ((fill_fn)(uintptr_t)address)(to, from, 63); }

/* Names in the opposite order of the object's, so that an address given to the wrong name is seen. */
static void check_sum_object(unsigned listeners) {
  static const char *const names[] = {"calls_so_far", "entry"};
  void *addresses[2] = {NULL, NULL};
  atr_jit *jit = NULL;
  LLVMMemoryBufferRef object = compile_object(ir_sum);
  ck_assert_int_eq(load(object, listeners, names, 2, addresses, &jit), ATR_OK);
  LLVMDisposeMemoryBuffer(object); /* the code does not live in the caller's bytes */
  ck_assert_int_eq(call_count(addresses[0]), 0);
  ck_assert_int_eq(call_entry(addresses[1], 0), 1);
  ck_assert_int_eq(call_entry(addresses[1], 3), 1000);
  ck_assert_int_eq(call_count(addresses[0]), 2);
  atr_jit_destroy(jit);
}

START_TEST(test_load_and_call) { check_sum_object(0); }
END_TEST

START_TEST(test_two_instances_do_not_share_data) {
  static const char *const names[] = {"entry", "calls_so_far"};
  void *a[2], *b[2];
  atr_jit *first, *second;
  LLVMMemoryBufferRef object = compile_object(ir_sum);
  ck_assert_int_eq(atr_jit_load(&work, LLVMGetBufferStart(object), LLVMGetBufferSize(object), names, 2, a, &first), ATR_OK);
  ck_assert_int_eq(atr_jit_load(&work, LLVMGetBufferStart(object), LLVMGetBufferSize(object), names, 2, b, &second), ATR_OK);
  LLVMDisposeMemoryBuffer(object);
  ck_assert_int_eq(call_entry(a[0], 1), 10);
  ck_assert_int_eq(call_count(b[1]), 0);
  atr_jit_destroy(first);
  ck_assert_int_eq(call_entry(b[0], 2), 100);
  ck_assert_int_eq(call_count(b[1]), 1);
  atr_jit_destroy(second);
}
END_TEST

START_TEST(test_memset_and_memcpy) {
  static const char *const names[] = {"fill_and_copy"};
  void *address;
  atr_jit *jit;
  LLVMMemoryBufferRef object = compile_object(ir_memset);
  ck_assert_int_eq(load(object, 0, names, 1, &address, &jit), ATR_OK);
  char from[64] = {0}, to[64] = {0};
  call_fill(address, to, from);
  ck_assert_int_eq(to[0], 7);
  ck_assert_int_eq(to[62], 7);
  ck_assert_int_eq(to[63], 0);
  atr_jit_destroy(jit);
  LLVMDisposeMemoryBuffer(object);
}
END_TEST

static void expect_failure(LLVMMemoryBufferRef object, const char *name, atr_status status, const char *part) {
  void *address = &arena;
  atr_jit *jit = (atr_jit *)&arena;
  ck_assert_int_eq(load(object, 0, &name, 1, &address, &jit), status);
  ck_assert_ptr_nonnull(strstr(work.message, part));
  ck_assert_ptr_eq(address, &arena); /* outputs are written on success only */
  ck_assert_ptr_eq(jit, &arena);
  LLVMDisposeMemoryBuffer(object);
}

START_TEST(test_other_functions_are_not_found) { expect_failure(compile_object(ir_getpid), "entry", ATR_INTERNAL, "getpid"); }
END_TEST

START_TEST(test_missing_symbol) { expect_failure(compile_object(ir_sum), "no_such_kernel", ATR_INTERNAL, "no_such_kernel"); }
END_TEST

/* x86-64 and AArch64 are each other's foreign machine; elsewhere both are foreign. */
START_TEST(test_other_machine) {
#if defined(__aarch64__)
  const char *triple = "x86_64-unknown-linux-gnu";
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
#else
  const char *triple = "aarch64-unknown-linux-gnu";
#endif
  expect_failure(compile(ir_sum, triple, LLVMObjectFile), "entry", ATR_UNSUPPORTED, "another machine");
}
END_TEST

START_TEST(test_text_is_not_an_object) {
  expect_failure(compile(ir_sum, NULL, LLVMAssemblyFile), "entry", ATR_INVALID_ARGUMENT, "not an ELF object");
}
END_TEST

/* Every prefix of an object is refused: the section table, which stands at the end, is cut. */
START_TEST(test_truncated) {
  static const char *const names[] = {"entry"};
  LLVMMemoryBufferRef object = compile_object(ir_sum);
  size_t size = LLVMGetBufferSize(object);
  for (size_t len = 0; len < size; len += len < 80 ? 1 : 37) {
    void *address;
    atr_jit *jit;
    char *prefix = malloc(len + 1); /* of its exact size: a sanitizer sees reads behind it */
    memcpy(prefix, LLVMGetBufferStart(object), len);
    work = (atr_work){.arena = &arena};
    ck_assert_int_ne(atr_jit_load(&work, prefix, len, names, 1, &address, &jit), ATR_OK);
    ck_assert_int_gt((int)strlen(work.message), 0);
    free(prefix);
  }
  LLVMDisposeMemoryBuffer(object);
}
END_TEST

START_TEST(test_not_relocatable) {
  LLVMMemoryBufferRef object = compile_object(ir_sum);
  size_t size = LLVMGetBufferSize(object);
  char *bytes = malloc(size);
  memcpy(bytes, LLVMGetBufferStart(object), size);
  bytes[16] = 2; /* e_type: executable */
  LLVMMemoryBufferRef changed = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes, size, "changed");
  expect_failure(changed, "entry", ATR_INVALID_ARGUMENT, "not relocatable");
  free(bytes);
  LLVMDisposeMemoryBuffer(object);
}
END_TEST

START_TEST(test_gdb_listener) { check_sum_object(ATR_JIT_GDB); }
END_TEST

/* perf's listener writes below $JITDUMPDIR. */
START_TEST(test_perf_listener) {
  char dir[] = "/tmp/atr-test-jit-XXXXXX", command[64];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  setenv("JITDUMPDIR", dir, 1);
  check_sum_object(ATR_JIT_PERF | ATR_JIT_GDB);
  snprintf(command, sizeof command, "rm -r %s", dir);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

static void *load_many(void *argument) {
  LLVMMemoryBufferRef object = argument;
  static const char *const names[] = {"entry"};
  atr_arena own;
  atr_arena_init(&own, counting_realloc, NULL);
  if (setjmp(own.guard) != 0) return argument;
  void *failed = NULL;
  for (int i = 0; i < 8; i++) {
    atr_work w = {.arena = &own};
    void *address;
    atr_jit *jit;
    size_t size = LLVMGetBufferSize(object);
    if (atr_jit_load(&w, LLVMGetBufferStart(object), size, names, 1, &address, &jit) != ATR_OK) {
      failed = argument;
    } else {
      if (call_entry(address, i & 3) == 0) failed = argument;
      atr_jit_destroy(jit);
    }
  }
  atr_arena_fini(&own);
  return failed;
}

START_TEST(test_concurrent_loads) {
  LLVMMemoryBufferRef object = compile_object(ir_sum);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, load_many, object), 0);
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    ck_assert_ptr_null(failed);
  }
  LLVMDisposeMemoryBuffer(object);
}
END_TEST

START_TEST(test_destroy_null) { atr_jit_destroy(NULL); }
END_TEST

int main(void) {
  Suite *suite = suite_create("jit");
  TCase *tcase = tcase_create("load");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_load_and_call);
  tcase_add_test(tcase, test_two_instances_do_not_share_data);
  tcase_add_test(tcase, test_memset_and_memcpy);
  tcase_add_test(tcase, test_other_functions_are_not_found);
  tcase_add_test(tcase, test_missing_symbol);
  tcase_add_test(tcase, test_other_machine);
  tcase_add_test(tcase, test_text_is_not_an_object);
  tcase_add_test(tcase, test_truncated);
  tcase_add_test(tcase, test_not_relocatable);
  tcase_add_test(tcase, test_gdb_listener);
  tcase_add_test(tcase, test_perf_listener);
  tcase_add_test(tcase, test_concurrent_loads);
  tcase_add_test(tcase, test_destroy_null);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
