/* jit.c - see jit.h. One ORC LLJIT instance per loaded object, through LLVM's C API.
 *
 *     object -> dylib "kernels" { memcpy, memmove, memset: absolute;  the object's symbols } -> lookup -> addresses
 *
 * The dylib is a bare one: LLJIT's main dylib would resolve whatever else the object names in the process.
 *
 * Two kinds of memory must not meet. LLVM's objects have to be disposed of by hand, and atr_fail may jump out when the arena
 * is exhausted; so errors travel as text in `reason`, and atr_fail is called when nothing of LLVM's is held any more. Every
 * LLVMErrorRef ends in keep_reason, which consumes it. */
#include "runtime/jit.h"

#include <elf.h>
#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/OrcEE.h>
#include <llvm-c/TargetMachine.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { REASON_SIZE = 512 };

struct atr_jit {
  atr_realloc_fn realloc;
  void *user;
  LLVMOrcLLJITRef lljit;
  unsigned listeners;
  pthread_mutex_t mutex;   /* of the rest, while loading: LLVM may report from threads of its own */
  pthread_cond_t finished; /* the lookup has an answer */
  bool has_answer, found;
  char reason[REASON_SIZE];                     /* of the first error, "" if none */
  const LLVMOrcSymbolStringPoolEntryRef *names; /* being looked up, with the places of their addresses */
  void **addresses;
  int count;
};

/* ---- errors ------------------------------------------------------------------------------------ */

/* Consumes the error; the first one is the cause, later ones say that something could not be done because of it. */
static void keep_reason(atr_jit *jit, LLVMErrorRef error) {
  char *text = LLVMGetErrorMessage(error);
  pthread_mutex_lock(&jit->mutex);
  if (jit->reason[0] == '\0') snprintf(jit->reason, sizeof jit->reason, "%s", text);
  pthread_mutex_unlock(&jit->mutex);
  LLVMDisposeErrorMessage(text);
}

/* LLVMOrcErrorReporterFunction; without it the session prints to stderr. */
static void report(void *context, LLVMErrorRef error) { keep_reason(context, error); }

static bool succeeded(atr_jit *jit, LLVMErrorRef error) {
  if (error != LLVMErrorSuccess) keep_reason(jit, error);
  return error == LLVMErrorSuccess;
}

/* ---- what is an object of this machine --------------------------------------------------------- */

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { HOST_MACHINE = EM_RISCV };
#else
enum { HOST_MACHINE = EM_NONE };
#endif
enum { HOST_CLASS = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32 };
enum { HOST_ORDER = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB };

/* LLVM links an object of another machine without a word, and calling it would crash. The fields read here stand at the same
 * place in both classes. */
static atr_status check_object(atr_work *work, const void *object, size_t len) {
  Elf64_Ehdr header;
  if (len < sizeof header || memcmp(object, ELFMAG, SELFMAG) != 0)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "cannot load %zu bytes that are not an ELF object", len);
  memcpy(&header, object, sizeof header);
  if (header.e_ident[EI_CLASS] != HOST_CLASS || header.e_ident[EI_DATA] != HOST_ORDER || header.e_machine != HOST_MACHINE)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED,
                    "cannot load an object for another machine (ELF class %u, order %u, machine %u; this one has %d, %d, %d)",
                    header.e_ident[EI_CLASS], header.e_ident[EI_DATA], header.e_machine, HOST_CLASS, HOST_ORDER, HOST_MACHINE);
  if (header.e_type != ET_REL)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "cannot load an ELF file that is not relocatable (type %u)",
                    header.e_type);
  return ATR_OK;
}

/* ---- building the instance --------------------------------------------------------------------- */

/* LLVMOrcLLJITBuilderObjectLinkingLayerCreatorFunction: event listeners exist for this older linking layer only. Both listeners
 * are single objects that LLVM keeps. */
static LLVMOrcObjectLayerRef make_watched_layer(void *context, LLVMOrcExecutionSessionRef session, const char *triple) {
  (void)triple;
  const atr_jit *jit = context;
  LLVMOrcObjectLayerRef layer = LLVMOrcCreateRTDyldObjectLinkingLayerWithSectionMemoryManager(session);
  LLVMJITEventListenerRef gdb = (jit->listeners & ATR_JIT_GDB) != 0 ? LLVMCreateGDBRegistrationListener() : NULL;
  LLVMJITEventListenerRef perf = (jit->listeners & ATR_JIT_PERF) != 0 ? LLVMCreatePerfJITEventListener() : NULL;
  if (gdb != NULL) LLVMOrcRTDyldObjectLinkingLayerRegisterJITEventListener(layer, gdb);
  if (perf != NULL) LLVMOrcRTDyldObjectLinkingLayerRegisterJITEventListener(layer, perf);
  return layer;
}

/* LLJIT makes two target machines of its own, to compile IR, which it is not given here. So it need not look for the features of this
 * CPU and work out what they imply, which takes longer than the rest of making it. NULL: it does. */
static LLVMOrcJITTargetMachineBuilderRef any_cpu(void) {
  LLVMTargetRef target;
  char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
  LLVMTargetMachineRef machine = NULL;
  if (LLVMGetTargetFromTriple(triple, &target, &message) == 0)
    machine = LLVMCreateTargetMachine(target, triple, "", "", LLVMCodeGenLevelNone, LLVMRelocDefault, LLVMCodeModelJITDefault);
  else LLVMDisposeMessage(message);
  LLVMDisposeMessage(triple);
  return machine != NULL ? LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine) : NULL; /* takes the machine */
}

static bool make_instance(atr_jit *jit) {
  LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
  LLVMOrcJITTargetMachineBuilderRef machine = any_cpu();
  if (machine != NULL) LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, machine); /* takes it */
  if (jit->listeners != 0) LLVMOrcLLJITBuilderSetObjectLinkingLayerCreator(builder, make_watched_layer, jit);
  LLVMErrorRef error = LLVMOrcCreateLLJIT(&jit->lljit, builder); /* takes the builder in any case */
  if (error != LLVMErrorSuccess) jit->lljit = NULL;
  return succeeded(jit, error);
}

static bool define_functions(atr_jit *jit, LLVMOrcJITDylibRef dylib) {
  const struct {
    const char *name;
    uintptr_t address;
  } functions[] = {{"memcpy", (uintptr_t)memcpy}, {"memmove", (uintptr_t)memmove}, {"memset", (uintptr_t)memset}};
  enum { COUNT = sizeof functions / sizeof *functions };
  LLVMOrcCSymbolMapPair pairs[COUNT];
  for (int i = 0; i < COUNT; i++) {
    pairs[i].Name = LLVMOrcLLJITMangleAndIntern(jit->lljit, functions[i].name);
    pairs[i].Sym.Address = functions[i].address;
    pairs[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
    pairs[i].Sym.Flags.TargetFlags = 0;
  }
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, COUNT); /* takes the names */
  if (succeeded(jit, LLVMOrcJITDylibDefine(dylib, unit))) return true;
  LLVMOrcDisposeMaterializationUnit(unit);
  return false;
}

/* ---- lookup ------------------------------------------------------------------------------------ */

/* LLVMOrcExecutionSessionLookupHandleResultFunction. Pairs come in any order; names are equal when their pool entries are. */
static void receive(LLVMErrorRef error, LLVMOrcCSymbolMapPairs pairs, size_t pair_count, void *context) {
  atr_jit *jit = context;
  bool found = succeeded(jit, error);
  pthread_mutex_lock(&jit->mutex);
  for (int i = 0; found && i < jit->count; i++)
    for (size_t j = 0; j < pair_count; j++)
      if (pairs[j].Name == jit->names[i]) jit->addresses[i] = (void *)(uintptr_t)pairs[j].Sym.Address;
  jit->has_answer = true;
  jit->found = found;
  pthread_cond_signal(&jit->finished);
  pthread_mutex_unlock(&jit->mutex);
}

/* Links the object and waits for the addresses. `set` has jit->count places. */
static bool look_up(atr_jit *jit, LLVMOrcJITDylibRef dylib, LLVMOrcCLookupSetElement *set) {
  LLVMOrcCJITDylibSearchOrderElement order = {dylib, LLVMOrcJITDylibLookupFlagsMatchAllSymbols};
  for (int i = 0; i < jit->count; i++)
    set[i] = (LLVMOrcCLookupSetElement){jit->names[i], LLVMOrcSymbolLookupFlagsRequiredSymbol};
  LLVMOrcExecutionSessionLookup(LLVMOrcLLJITGetExecutionSession(jit->lljit), LLVMOrcLookupKindStatic, &order, 1, set,
                                (size_t)jit->count, receive, jit); /* takes the names */
  pthread_mutex_lock(&jit->mutex);
  while (!jit->has_answer) pthread_cond_wait(&jit->finished, &jit->mutex);
  pthread_mutex_unlock(&jit->mutex);
  return jit->found;
}

static bool link_object(atr_jit *jit, const void *object, size_t len, const char *const *symbols,
                        LLVMOrcSymbolStringPoolEntryRef *names, LLVMOrcCLookupSetElement *set) {
  if (!make_instance(jit)) return false;
  LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(jit->lljit);
  LLVMOrcExecutionSessionSetErrorReporter(session, report, jit);
  LLVMOrcJITDylibRef dylib = LLVMOrcExecutionSessionCreateBareJITDylib(session, "kernels");
  if (!define_functions(jit, dylib)) return false;
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(object, len, "kernel");
  if (!succeeded(jit, LLVMOrcLLJITAddObjectFile(jit->lljit, dylib, buffer))) return false; /* takes the buffer */
  for (int i = 0; i < jit->count; i++) names[i] = LLVMOrcLLJITMangleAndIntern(jit->lljit, symbols[i]);
  jit->names = names;
  return look_up(jit, dylib, set);
}

/* ---- load and destroy -------------------------------------------------------------------------- */

static atr_jit *jit_new(const atr_arena *arena, unsigned listeners) {
  atr_jit *jit = arena->realloc(arena->user, NULL, 0, sizeof *jit);
  if (jit == NULL) return NULL;
  *jit = (atr_jit){.realloc = arena->realloc, .user = arena->user, .listeners = listeners};
  pthread_mutex_init(&jit->mutex, NULL);
  pthread_cond_init(&jit->finished, NULL);
  return jit;
}

atr_status atr_jit_load_watched(atr_work *work, unsigned listeners, const void *object, size_t len, const char *const *symbols,
                                int count, void **addresses, atr_jit **out) {
  ATR_TRY(check_object(work, object, len));
  LLVMOrcSymbolStringPoolEntryRef *names = ATR_NEW_ARRAY(work->arena, LLVMOrcSymbolStringPoolEntryRef, count);
  LLVMOrcCLookupSetElement *set = ATR_NEW_ARRAY(work->arena, LLVMOrcCLookupSetElement, count);
  void **found = ATR_NEW_ARRAY(work->arena, void *, count);
  atr_jit *jit = jit_new(work->arena, listeners);
  if (jit == NULL) return atr_fail(work, ATR_NOWHERE, ATR_OUT_OF_MEMORY, "out of memory");
  jit->addresses = found;
  jit->count = count;
  if (!link_object(jit, object, len, symbols, names, set)) {
    char reason[REASON_SIZE];
    memcpy(reason, jit->reason, sizeof reason);
    atr_jit_destroy(jit);
    return atr_fail(work, ATR_NOWHERE, ATR_INTERNAL, "cannot load the compiled code: %s", reason);
  }
  memcpy(addresses, found, sizeof *found * (size_t)count);
  *out = jit;
  return ATR_OK;
}

atr_status atr_jit_load(atr_work *work, const void *object, size_t len, const char *const *symbols, int count, void **addresses,
                        atr_jit **out) {
  return atr_jit_load_watched(work, 0, object, len, symbols, count, addresses, out);
}

void atr_jit_destroy(atr_jit *jit) {
  if (jit == NULL) return;
  if (jit->lljit != NULL) LLVMConsumeError(LLVMOrcDisposeLLJIT(jit->lljit));
  pthread_cond_destroy(&jit->finished);
  pthread_mutex_destroy(&jit->mutex);
  jit->realloc(jit->user, jit, sizeof *jit, 0);
}
