/* llvm_target.c - target machines, optimisation and output.
 *
 * In: programs and targets. Out: IR text, assembly or an object, whose symbols are looked at. The pass list is short because the generator already emits
 * vectors and unrolled code: slots to registers, equal expressions once, loop-invariant code out; the rest is instruction
 * selection. instcombine stays out: it narrows a rounded llvm.maximum to f16, which LLVM 19 lowers on x86 so that a NaN is
 * lost. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Object.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>

#include "codegen/llvm_internal.h"

static const char PASSES[] = "function(sroa,loop-mssa(licm))";

/* Stands for the source file in every object, so that none says where it was made. */
static const char SOURCE_NAME[] = "atrous";

static void register_targets(void) {
  LLVMInitializeAllTargetInfos();
  LLVMInitializeAllTargets();
  LLVMInitializeAllTargetMCs();
  LLVMInitializeAllAsmPrinters();
  LLVMInitializeAllAsmParsers(); /* for the cpuid of llvm_dispatch.c */
}

/* LLVM's table of targets is the process's, and registering is not safe against a second thread. */
static void initialise(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_targets);
}

/* A text of LLVM's as one of the arena's. Nobody else has the text, so it goes before the guard hears that memory has run out. */
static const char *take(atr_arena *arena, char *text) {
  jmp_buf guard;
  const char *volatile copy = NULL;
  memcpy(guard, arena->guard, sizeof guard);
  if (setjmp(arena->guard) == 0) copy = atr_arena_string(arena, text, strlen(text));
  memcpy(arena->guard, guard, sizeof guard);
  LLVMDisposeMessage(text);
  if (copy == NULL) longjmp(arena->guard, 1);
  return copy;
}

void atr_llvm_host(atr_arena *arena, const char **triple, const char **cpu, const char **features) {
  initialise();
  *triple = take(arena, LLVMGetDefaultTargetTriple());
  *cpu = take(arena, LLVMGetHostCPUName());
  *features = take(arena, LLVMGetHostCPUFeatures());
}

bool atr_llvm_has_target(const char *triple) {
  LLVMTargetRef t;
  char *message = NULL;
  initialise();
  bool has = LLVMGetTargetFromTriple(triple, &t, &message) == 0;
  if (!has) LLVMDisposeMessage(message);
  return has;
}

void atr_llvm_release(atr_llvm_state *s) {
  if (s->binary != NULL) LLVMDisposeBinary(s->binary);
  if (s->buffer != NULL) LLVMDisposeMemoryBuffer(s->buffer);
  if (s->builder != NULL) LLVMDisposeBuilder(s->builder);
  if (s->module != NULL) LLVMDisposeModule(s->module);
  if (s->machine != NULL) LLVMDisposeTargetMachine(s->machine);
  if (s->context != NULL) LLVMContextDispose(s->context);
  *s = (atr_llvm_state){.context = NULL};
}

/* The target's features as this LLVM wants them: some versions have a word for the 512 bits of AVX-512 that none of its other words
 * implies, and end the process where it is missing. In front, so that the caller's own word counts. */
const char *atr_llvm_features(atr_arena *arena, const atr_target *target) {
#if LLVM_VERSION_MAJOR >= 18 && LLVM_VERSION_MAJOR <= 21
  if (strstr(target->features, "+avx512") != NULL) return atr_arena_printf(arena, "+evex512,%s", target->features);
#endif
  (void)arena;
  return target->features;
}

static atr_status make_machine(atr_work *work, const atr_target *target, atr_llvm_state *s) {
  LLVMTargetRef t;
  char *message = NULL;
  initialise();
  if (LLVMGetTargetFromTriple(target->triple, &t, &message) != 0)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "LLVM has no target %s: %s", target->triple,
                    take(work->arena, message));
  LLVMRelocMode mode = strncmp(target->triple, "wasm", 4) == 0 ? LLVMRelocDefault
                                                               : LLVMRelocPIC; /* PIC asks for a dynamic linker */
  s->machine = LLVMCreateTargetMachine(t, target->triple, target->cpu, atr_llvm_features(work->arena, target),
                                       LLVMCodeGenLevelDefault, mode, LLVMCodeModelDefault);
  if (s->machine == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "LLVM makes no target machine for %s", target->triple);
  return ATR_OK;
}

void atr_llvm_init_types(atr_emitter *e) {
  e->i1 = LLVMInt1TypeInContext(e->context);
  e->i8 = LLVMInt8TypeInContext(e->context);
  e->i16 = LLVMInt16TypeInContext(e->context);
  e->i32 = LLVMInt32TypeInContext(e->context);
  e->i64 = LLVMInt64TypeInContext(e->context);
  e->index = e->target->address_bits == 32 ? e->i32 : e->i64;
  e->f32 = LLVMFloatTypeInContext(e->context);
  e->f64 = LLVMDoubleTypeInContext(e->context);
  e->ptr = LLVMPointerTypeInContext(e->context, 0);
  e->void_type = LLVMVoidTypeInContext(e->context);
}

#ifdef ATR_CHECK_PASSES
static atr_status verify_module(atr_work *work, LLVMModuleRef module) {
  char *message = NULL;
  atr_status status = ATR_OK;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message) != 0)
    status = ATR_BUG(work, "generated LLVM IR is not valid: %.800s", message);
  LLVMDisposeMessage(message);
  return status;
}
#endif

static atr_status optimise(atr_work *work, LLVMModuleRef module, LLVMTargetMachineRef machine) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(module, PASSES, machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (error == NULL) return ATR_OK;
  char *message = LLVMGetErrorMessage(error);
  atr_status status = ATR_BUG(work, "LLVM passes failed: %.400s", message);
  LLVMDisposeErrorMessage(message);
  return status;
}

/* ---- what an object wants of others */

/* What code may call, and names that the linker supplies. */
static bool is_supplied(const char *name, bool environment) {
  static const char *const supplied[] = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_", ".TOC.", "_gp_disp"};
  for (size_t i = 0; i < sizeof supplied / sizeof supplied[0]; i++)
    if (strcmp(supplied[i], name) == 0) return true;
  return name[0] == '\0' || strcmp(name, SOURCE_NAME) == 0 || (environment && strcmp(name, "getenv") == 0);
}

/* The first undefined symbol that nobody promises; NULL when there is none. The source file is a symbol without a section too. */
static const char *find_foreign(atr_arena *arena, LLVMBinaryRef object, bool environment) {
  const char *found = NULL;
  LLVMSymbolIteratorRef symbol = LLVMObjectFileCopySymbolIterator(object);
  LLVMSectionIteratorRef section = LLVMObjectFileCopySectionIterator(object);
  for (; found == NULL && !LLVMObjectFileIsSymbolIteratorAtEnd(object, symbol); LLVMMoveToNextSymbol(symbol)) {
    const char *name = LLVMGetSymbolName(symbol);
    LLVMMoveToContainingSection(section, symbol);
    if (LLVMObjectFileIsSectionIteratorAtEnd(object, section) && !is_supplied(name, environment))
      found = atr_arena_string(arena, name, strlen(name));
  }
  LLVMDisposeSectionIterator(section);
  LLVMDisposeSymbolIterator(symbol);
  return found;
}

/* Names are not ended by a NUL in every format. */
static bool is_elf(LLVMBinaryType type) {
  return type == LLVMBinaryTypeELF32L || type == LLVMBinaryTypeELF32B || type == LLVMBinaryTypeELF64L ||
         type == LLVMBinaryTypeELF64B;
}

/* Where instructions are missing LLVM calls the compiler's runtime library (of a CPU without floats, say), which a kernel must
 * not. What is known to be missing is written out by the generator; this sees to the rest. */
static atr_status check_calls(atr_work *work, atr_llvm_state *s, const char *triple, bool environment) {
  char *message = NULL;
  s->binary = LLVMCreateBinary(s->buffer, s->context, &message);
  if (s->binary == NULL) return ATR_BUG(work, "LLVM cannot read its own object: %.400s", take(work->arena, message));
  const char *foreign = is_elf(LLVMBinaryGetType(s->binary)) ? find_foreign(work->arena, s->binary, environment) : NULL;
  if (foreign == NULL) return ATR_OK;
  return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "code for %s would call %s, a function of the compiler's runtime library",
                  triple, foreign);
}

static atr_status output_code(atr_work *work, atr_llvm_state *s, atr_llvm_output output, const char **bytes, size_t *len) {
  char *message = NULL;
  LLVMMemoryBufferRef buffer = NULL;
  if (output == ATR_LLVM_TEXT) {
    *bytes = take(work->arena, LLVMPrintModuleToString(s->module));
    *len = strlen(*bytes);
    return ATR_OK;
  }
  LLVMCodeGenFileType kind = output == ATR_LLVM_OBJECT ? LLVMObjectFile : LLVMAssemblyFile;
  if (LLVMTargetMachineEmitToMemoryBuffer(s->machine, s->module, kind, &message, &buffer) != 0)
    return ATR_BUG(work, "LLVM could not emit code: %.400s", take(work->arena, message));
  if (s->error[0] != '\0') {
    LLVMDisposeMemoryBuffer(buffer);
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "LLVM makes no such code: %s", s->error);
  }
  s->buffer = buffer;
  *bytes = LLVMGetBufferStart(buffer);
  *len = LLVMGetBufferSize(buffer);
  return ATR_OK;
}

/* Linkers for Arm refuse objects whose functions take floats in other registers than those of the rest. Ours take none: both ways
 * are as good (tag 28 is 3), which LLVM does not know. */
static void set_attributes(const atr_target *target, LLVMModuleRef module) {
  static const char text[] = ".eabi_attribute 28, 3\n";
  bool is_arm = strncmp(target->triple, "arm", 3) == 0 || strncmp(target->triple, "thumb", 5) == 0;
  if (is_arm && strstr(target->triple, "eabi") != NULL) LLVMSetModuleInlineAsm2(module, text, sizeof text - 1);
}

/* ---- emission */

static atr_emitter *new_emitter(atr_work *work, const atr_llvm_state *s, atr_data_list *data, const atr_target *target) {
  atr_emitter *e = ATR_NEW(work->arena, atr_emitter);
  *e = (atr_emitter){.work = work, .target = target, .data = data, .context = s->context, .module = s->module, .b = s->builder};
  atr_llvm_init_types(e);
  return e;
}

/* LLVMDiagnosticHandler; without it LLVM prints errors and ends the process. No guard may be jumped to from here. */
static void keep_error(LLVMDiagnosticInfoRef info, void *user) {
  atr_llvm_state *s = user;
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || s->error[0] != '\0') return;
  char *text = LLVMGetDiagInfoDescription(info);
  snprintf(s->error, sizeof s->error, "%s", text);
  LLVMDisposeMessage(text);
}

static atr_status begin_module(atr_work *work, const atr_target *target, atr_llvm_state *s) {
  ATR_TRY(make_machine(work, target, s));
  s->context = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(s->context, keep_error, s);
  s->module = LLVMModuleCreateWithNameInContext(SOURCE_NAME, s->context);
  s->builder = LLVMCreateBuilderInContext(s->context);
  LLVMSetTarget(s->module, target->triple);
  set_attributes(target, s->module);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(s->machine);
  LLVMSetModuleDataLayout(s->module, layout);
  LLVMDisposeTargetData(layout);
  return ATR_OK;
}

static atr_status finish_module(atr_work *work, atr_llvm_state *s, atr_llvm_output output, const char **bytes, size_t *len) {
#ifdef ATR_CHECK_PASSES
  ATR_TRY(verify_module(work, s->module));
#endif
  ATR_TRY(optimise(work, s->module, s->machine));
  return output_code(work, s, output, bytes, len);
}

/* The functions of one kernel for one CPU. */
typedef struct copy_entries {
  atr_entries_of main;
  LLVMValueRef selftest;
} copy_entries;

static copy_entries build_copy(atr_work *work, const atr_llvm_object *object, const atr_llvm_kernel *kernel, int cpu,
                               atr_llvm_state *s, atr_data_list *data) {
  const atr_llvm_copy *copy = &kernel->copies[cpu];
  bool several = object->cpu_count > 1;
  const char *name = several ? atr_arena_printf(work->arena, "%s.%s", kernel->symbol, object->cpus[cpu].name) : kernel->symbol;
  atr_emitter *e = new_emitter(work, s, data, &object->cpus[cpu].target);
  e->cpu = several ? object->cpus[cpu].name : NULL;
  e->tune = object->cpus[cpu].tune;
  e->unwind = object->unwind;
  e->parameter_count = kernel->module->parameter_count;
  e->program = copy->program;
  copy_entries entries = {.main = atr_llvm_build_program(e, name, several)};
  if (!object->selftest) return entries;
  e->program = copy->reference;
  atr_entries_of reference = atr_llvm_build_program(e, atr_arena_printf(work->arena, "%s.reference", name), true);
  const char *test = atr_arena_printf(work->arena, several ? "%s.selftest" : "%s_selftest", name);
  entries.selftest = atr_llvm_build_selftest(e, test, kernel->module, copy, &entries.main, &reference);
  if (several) LLVMSetLinkage(entries.selftest, LLVMInternalLinkage);
  return entries;
}

static void build_kernel(atr_work *work, const atr_llvm_object *object, const atr_llvm_kernel *kernel, atr_llvm_state *s,
                         atr_data_list *data, LLVMValueRef choose, atr_emitter *base) {
  LLVMValueRef *copies[3];
  bool any[3] = {false};
  for (int i = 0; i < 3; i++) copies[i] = ATR_NEW_ARRAY(work->arena, LLVMValueRef, object->cpu_count);
  for (int c = 0; c < object->cpu_count; c++) {
    copy_entries entries = build_copy(work, object, kernel, c, s, data);
    copies[0][c] = entries.main.kernel, copies[1][c] = entries.main.prepack, copies[2][c] = entries.selftest;
    for (int i = 0; i < 3; i++) any[i] = any[i] || copies[i][c] != NULL;
  }
  if (object->cpu_count == 1) return;
  static const char *const suffixes[] = {"", "_prepack", "_selftest"};
  static const unsigned parameters[] = {4, 3, 2};
  static const int none[] = {ATR_UNSUPPORTED, ATR_UNSUPPORTED, -ATR_UNSUPPORTED};
  for (int i = 0; i < 3; i++)
    if (any[i])
      atr_llvm_build_dispatch(base, atr_arena_printf(work->arena, "%s%s", kernel->symbol, suffixes[i]), parameters[i], choose,
                              copies[i], object->cpu_count, none[i]);
}

atr_status atr_llvm_emit_object(atr_work *work, const atr_llvm_object *object, atr_llvm_output output, atr_llvm_state *s,
                                const char **bytes, size_t *len) {
  atr_data_list data = {.count = 0};
  ATR_TRY(begin_module(work, object->base, s));
  atr_emitter *base = new_emitter(work, s, &data, object->base);
  base->unwind = object->unwind;
  LLVMValueRef choose = object->cpu_count > 1 ? atr_llvm_build_choose(base, object) : NULL;
  for (int k = 0; k < object->kernel_count; k++) build_kernel(work, object, &object->kernels[k], s, &data, choose, base);
  ATR_TRY(finish_module(work, s, output, bytes, len));
  bool environment = object->cpu_variable != NULL && object->cpu_count > 1;
  return output == ATR_LLVM_OBJECT ? check_calls(work, s, object->base->triple, environment) : ATR_OK;
}

atr_status atr_llvm_emit(atr_work *work, const atr_program *program, const atr_target *target, const char *symbol,
                         int parameter_count, atr_llvm_output output, atr_llvm_state *s, const char **bytes, size_t *len) {
  atr_data_list data = {.count = 0};
  ATR_TRY(begin_module(work, target, s));
  atr_emitter *e = new_emitter(work, s, &data, target);
  e->program = program;
  e->parameter_count = parameter_count;
  (void)atr_llvm_build_program(e, symbol, false);
  ATR_TRY(finish_module(work, s, output, bytes, len));
  return output == ATR_LLVM_OBJECT ? check_calls(work, s, target->triple, false) : ATR_OK;
}
