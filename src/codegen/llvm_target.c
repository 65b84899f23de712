/* llvm_target.c - target machines, optimisation and output.
 *
 * In: programs and targets. Out: IR text, assembly or an object, whose symbols are looked at. The pass list is short because the generator already emits
 * vectors and unrolled code: slots to registers, equal expressions once, loop-invariant code out; the rest is instruction
 * selection. instcombine stays out: it narrows a rounded llvm.maximum to f16, which LLVM 19 lowers on x86 so that a NaN is
 * lost. */
#include <pthread.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Object.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "codegen/llvm_internal.h"

static const char PASSES[] = "function(sroa,early-cse<memssa>,loop-mssa(licm),early-cse)";

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

static const char *take(atr_arena *arena, char *text) {
  const char *copy = atr_arena_string(arena, text, strlen(text));
  LLVMDisposeMessage(text);
  return copy;
}

void atr_llvm_host(atr_arena *arena, const char **triple, const char **cpu, const char **features) {
  initialise();
  *triple = take(arena, LLVMGetDefaultTargetTriple());
  *cpu = take(arena, LLVMGetHostCPUName());
  *features = take(arena, LLVMGetHostCPUFeatures());
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

static atr_status make_machine(atr_work *work, const atr_target *target, atr_llvm_state *s) {
  LLVMTargetRef t;
  char *message = NULL;
  initialise();
  if (LLVMGetTargetFromTriple(target->triple, &t, &message) != 0) {
    atr_status status = atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "LLVM has no target %s: %s", target->triple, message);
    LLVMDisposeMessage(message);
    return status;
  }
  s->machine = LLVMCreateTargetMachine(t, target->triple, target->cpu, target->features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                       LLVMCodeModelDefault);
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

static atr_status output_code(atr_work *work, atr_llvm_state *s, atr_llvm_output output, const char **bytes, size_t *len) {
  char *message = NULL;
  LLVMMemoryBufferRef buffer = NULL;
  if (output == ATR_LLVM_TEXT) {
    char *text = LLVMPrintModuleToString(s->module);
    *len = strlen(text);
    *bytes = take(work->arena, text);
    return ATR_OK;
  }
  LLVMCodeGenFileType kind = output == ATR_LLVM_OBJECT ? LLVMObjectFile : LLVMAssemblyFile;
  if (LLVMTargetMachineEmitToMemoryBuffer(s->machine, s->module, kind, &message, &buffer) != 0) {
    atr_status status = ATR_BUG(work, "LLVM could not emit code: %.400s", message);
    LLVMDisposeMessage(message);
    return status;
  }
  s->buffer = buffer;
  *bytes = LLVMGetBufferStart(buffer);
  *len = LLVMGetBufferSize(buffer);
  return ATR_OK;
}

/* ---- what an object needs */

/* By the linker, where code is position independent. */
static bool is_allowed(const char *name, const atr_llvm_object *object) {
  static const char *const allowed[] = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_", ".TOC."};
  for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
    if (strcmp(name, allowed[i]) == 0) return true;
  return object->cpu_variable != NULL && object->cpu_count > 1 && strcmp(name, "getenv") == 0;
}

/* Symbols of no section are those that the object does not define, but for the one that names its source. */
static atr_status check_symbols(atr_work *work, const atr_llvm_object *object, atr_llvm_state *s) {
  char *message = NULL;
  s->binary = LLVMCreateBinary(s->buffer, NULL, &message);
  if (s->binary == NULL) {
    atr_status status = ATR_BUG(work, "LLVM does not read its own object: %.400s", message);
    LLVMDisposeMessage(message);
    return status;
  }
  LLVMSymbolIteratorRef symbol = LLVMObjectFileCopySymbolIterator(s->binary);
  LLVMSectionIteratorRef section = LLVMObjectFileCopySectionIterator(s->binary);
  const char *extra = NULL;
  for (; !LLVMObjectFileIsSymbolIteratorAtEnd(s->binary, symbol) && extra == NULL; LLVMMoveToNextSymbol(symbol)) {
    const char *name = LLVMGetSymbolName(symbol);
    LLVMMoveToContainingSection(section, symbol);
    bool foreign = LLVMObjectFileIsSectionIteratorAtEnd(s->binary, section) && name[0] != '\0' && strcmp(name, SOURCE_NAME) != 0;
    if (foreign && !is_allowed(name, object)) extra = atr_arena_string(work->arena, name, strlen(name));
  }
  LLVMDisposeSectionIterator(section);
  LLVMDisposeSymbolIterator(symbol);
  if (extra == NULL) return ATR_OK;
  return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "code for %s calls %.100s, which an object must not need",
                  object->base->triple, extra);
}

/* ---- emission */

static atr_emitter *new_emitter(atr_work *work, const atr_llvm_state *s, atr_data_list *data, const atr_target *target) {
  atr_emitter *e = ATR_NEW(work->arena, atr_emitter);
  *e = (atr_emitter){.work = work, .target = target, .data = data, .context = s->context, .module = s->module, .b = s->builder};
  atr_llvm_init_types(e);
  return e;
}

static atr_status begin_module(atr_work *work, const atr_target *target, atr_llvm_state *s) {
  ATR_TRY(make_machine(work, target, s));
  s->context = LLVMContextCreate();
  s->module = LLVMModuleCreateWithNameInContext(SOURCE_NAME, s->context);
  s->builder = LLVMCreateBuilderInContext(s->context);
  LLVMSetTarget(s->module, target->triple);
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
  return output == ATR_LLVM_OBJECT ? check_symbols(work, object, s) : ATR_OK;
}

atr_status atr_llvm_emit(atr_work *work, const atr_program *program, const atr_target *target, const char *symbol,
                         int parameter_count, atr_llvm_output output, atr_llvm_state *s, const char **bytes, size_t *len) {
  atr_data_list data = {.count = 0};
  ATR_TRY(begin_module(work, target, s));
  atr_emitter *e = new_emitter(work, s, &data, target);
  e->program = program;
  e->parameter_count = parameter_count;
  (void)atr_llvm_build_program(e, symbol, false);
  return finish_module(work, s, output, bytes, len);
}
