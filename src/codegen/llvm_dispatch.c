/* llvm_dispatch.c - which CPU's copy of a function is called.
 *
 * In: what each CPU's code asks of a machine (cpu_level.h). Out:
 *
 *     atrous.choose   (internal) reads cpuid and xgetbv, once, and keeps the number of the best CPU that the machine has
 *     NAME            calls NAME.CPU
 *
 * The number is the only thing that an object writes outside its caller's memory: 4 bytes that start as 0, "not yet chosen". They
 * go from there to a number once and for all by compare-and-exchange, so that NAME_prepack and NAME never disagree, whatever threads
 * call them and whatever becomes of the environment. */
#include <string.h>

#include "codegen/llvm_internal.h"

static LLVMValueRef number(atr_emitter *e, int64_t value) { return LLVMConstInt(e->i32, (unsigned long long)value, 1); }

/* ---- the machine's words */

enum { EAX, EBX, ECX, EDX };

/* As compilers do it: rbx is moved aside, since it may be in use. */
static LLVMValueRef cpuid(atr_emitter *e, uint32_t leaf, uint32_t subleaf) {
  static const char code[] = "xchgq %rbx, ${1:q}\n\tcpuid\n\txchgq %rbx, ${1:q}";
  static const char operands[] = "={ax},=r,={cx},={dx},0,2,~{dirflag},~{fpsr},~{flags}";
  LLVMTypeRef four = LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){e->i32, e->i32, e->i32, e->i32}, 4, 0);
  LLVMTypeRef type = LLVMFunctionType(four, (LLVMTypeRef[]){e->i32, e->i32}, 2, 0);
  return atr_llvm_assembly(e, type, code, operands, false, (LLVMValueRef[]){number(e, leaf), number(e, subleaf)});
}

static LLVMValueRef xgetbv(atr_emitter *e) {
  static const char code[] = "xgetbv", operands[] = "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}";
  LLVMTypeRef two = LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){e->i32, e->i32}, 2, 0);
  LLVMTypeRef type = LLVMFunctionType(two, &e->i32, 1, 0);
  LLVMValueRef zero = number(e, 0);
  return LLVMBuildExtractValue(e->b, atr_llvm_assembly(e, type, code, operands, false, &zero), EAX, "");
}

static LLVMValueRef at_least(atr_emitter *e, LLVMValueRef a, int64_t b) {
  return LLVMBuildICmp(e->b, LLVMIntUGE, a, number(e, b), "");
}

typedef struct words {
  LLVMValueRef slots; /* [ATR_WORD_COUNT x i32], zero at first */
} words;

static void set(atr_emitter *e, const words *w, int word, LLVMValueRef leaf, unsigned reg) {
  LLVMBuildStore(e->b, LLVMBuildExtractValue(e->b, leaf, reg, ""), atr_llvm_element(e, e->i32, w->slots, word));
}

static LLVMValueRef get(atr_emitter *e, const words *w, int word) {
  return LLVMBuildLoad2(e->b, e->i32, atr_llvm_element(e, e->i32, w->slots, word), "");
}

static void read_7_1(atr_emitter *e, void *user) { set(e, user, ATR_WORD_7_1_EAX, cpuid(e, 7, 1), EAX); }

static void read_7(atr_emitter *e, void *user) {
  LLVMValueRef leaf = cpuid(e, 7, 0);
  set(e, user, ATR_WORD_7_EBX, leaf, EBX);
  set(e, user, ATR_WORD_7_ECX, leaf, ECX);
  set(e, user, ATR_WORD_7_EDX, leaf, EDX);
  atr_llvm_if(e, at_least(e, LLVMBuildExtractValue(e->b, leaf, EAX, ""), 1), read_7_1, user);
}

static void read_extended(atr_emitter *e, void *user) { set(e, user, ATR_WORD_EXT_1_ECX, cpuid(e, 0x80000001, 0), ECX); }

static void read_xcr0(atr_emitter *e, void *user) {
  LLVMBuildStore(e->b, xgetbv(e), atr_llvm_element(e, e->i32, ((words *)user)->slots, ATR_WORD_XCR0));
}

static words read_words(atr_emitter *e) {
  enum { OSXSAVE = 1 << 27 };
  words w = {LLVMBuildArrayAlloca(e->b, e->i32, number(e, ATR_WORD_COUNT), "words")};
  for (int i = 0; i < ATR_WORD_COUNT; i++) LLVMBuildStore(e->b, number(e, 0), atr_llvm_element(e, e->i32, w.slots, i));
  LLVMValueRef basic = LLVMBuildExtractValue(e->b, cpuid(e, 0, 0), EAX, "");
  set(e, &w, ATR_WORD_1_ECX, cpuid(e, 1, 0), ECX);
  LLVMValueRef extended = LLVMBuildExtractValue(e->b, cpuid(e, 0x80000000, 0), EAX, "");
  atr_llvm_if(e, at_least(e, basic, 7), read_7, &w);
  atr_llvm_if(e, at_least(e, extended, 0x80000001), read_extended, &w);
  LLVMValueRef saves = LLVMBuildAnd(e->b, get(e, &w, ATR_WORD_1_ECX), number(e, OSXSAVE), "");
  atr_llvm_if(e, LLVMBuildICmp(e->b, LLVMIntNE, saves, number(e, 0), ""), read_xcr0, &w);
  return w;
}

/* i1: has the machine all that the code of this CPU uses? */
static LLVMValueRef meets(atr_emitter *e, const words *w, const atr_cpu_level *level) {
  LLVMValueRef all = LLVMConstInt(e->i1, 1, 0);
  for (int i = 0; i < ATR_WORD_COUNT; i++) {
    if (level->need[i] == 0) continue;
    LLVMValueRef mask = number(e, level->need[i]), have = LLVMBuildAnd(e->b, get(e, w, i), mask, "");
    all = LLVMBuildAnd(e->b, all, LLVMBuildICmp(e->b, LLVMIntEQ, have, mask, ""), "");
  }
  return all;
}

/* ---- the environment */

/* i1 atrous.equal(a, b): are the strings equal? */
static LLVMValueRef build_equal(atr_emitter *e) {
  LLVMTypeRef type = LLVMFunctionType(e->i1, (LLVMTypeRef[]){e->ptr, e->ptr}, 2, 0);
  LLVMValueRef f = e->function = atr_llvm_function(e, "atrous.equal", type), zero = LLVMConstInt(e->i8, 0, 0);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMBasicBlockRef entry = atr_llvm_block(e, "entry"), head = atr_llvm_block(e, "loop"), more = atr_llvm_block(e, "more"),
                    done = atr_llvm_block(e, "done");
  LLVMPositionBuilderAtEnd(e->b, entry);
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  LLVMValueRef i = LLVMBuildPhi(e->b, e->i64, "i");
  LLVMValueRef a = LLVMBuildLoad2(e->b, e->i8, LLVMBuildGEP2(e->b, e->i8, LLVMGetParam(f, 0), &i, 1, ""), ""),
               b = LLVMBuildLoad2(e->b, e->i8, LLVMBuildGEP2(e->b, e->i8, LLVMGetParam(f, 1), &i, 1, ""), "");
  LLVMValueRef same = LLVMBuildICmp(e->b, LLVMIntEQ, a, b, ""), end = LLVMBuildICmp(e->b, LLVMIntEQ, a, zero, "");
  LLVMBuildCondBr(e->b, LLVMBuildAnd(e->b, same, LLVMBuildNot(e->b, end, ""), ""), more, done);
  LLVMPositionBuilderAtEnd(e->b, more);
  LLVMValueRef next = LLVMBuildAdd(e->b, i, atr_llvm_i64(e, 1), "");
  LLVMBuildBr(e->b, head);
  LLVMAddIncoming(i, (LLVMValueRef[]){atr_llvm_i64(e, 0), next}, (LLVMBasicBlockRef[]){entry, more}, 2);
  LLVMPositionBuilderAtEnd(e->b, done);
  LLVMBuildRet(e->b, same);
  return f;
}

static LLVMValueRef string(atr_emitter *e, const char *text) { return atr_llvm_data(e, text, strlen(text) + 1); }

typedef struct wish {
  LLVMValueRef equal, value, *fits, best;
  const atr_llvm_object *object;
} wish;

static void grant(atr_emitter *e, void *user) {
  const wish *w = user;
  LLVMTypeRef type = LLVMFunctionType(e->i1, (LLVMTypeRef[]){e->ptr, e->ptr}, 2, 0);
  LLVMValueRef chosen = LLVMBuildLoad2(e->b, e->i32, w->best, "");
  for (int c = 0; c < w->object->cpu_count; c++) {
    LLVMValueRef args[2] = {w->value, string(e, w->object->cpus[c].name)};
    LLVMValueRef named = LLVMBuildAnd(e->b, LLVMBuildCall2(e->b, type, w->equal, args, 2, ""), w->fits[c], "");
    chosen = LLVMBuildSelect(e->b, named, number(e, c + 1), chosen, "");
  }
  LLVMBuildStore(e->b, chosen, w->best);
}

/* The CPU that the variable names, if the machine has it. */
static void look_at_environment(atr_emitter *e, wish *w) {
  LLVMTypeRef type = LLVMFunctionType(e->ptr, &e->ptr, 1, 0);
  LLVMValueRef variable = string(e, w->object->cpu_variable), getenv = LLVMAddFunction(e->module, "getenv", type);
  w->value = LLVMBuildCall2(e->b, type, getenv, &variable, 1, "");
  atr_llvm_if(e, LLVMBuildICmp(e->b, LLVMIntNE, w->value, LLVMConstNull(e->ptr), ""), grant, w);
}

/* ---- the choice */

static LLVMValueRef variable(atr_emitter *e) {
  static const char name[] = "atrous.cpu";
  LLVMValueRef global = LLVMGetNamedGlobal(e->module, name);
  if (global != NULL) return global;
  global = LLVMAddGlobal(e->module, e->i32, name);
  LLVMSetInitializer(global, number(e, 0));
  LLVMSetLinkage(global, LLVMInternalLinkage);
  LLVMSetAlignment(global, 4);
  return global;
}

LLVMValueRef atr_llvm_build_choose(atr_emitter *e, const atr_llvm_object *object) {
  wish w = {.object = object, .fits = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, object->cpu_count)};
  if (object->cpu_variable != NULL) w.equal = build_equal(e);
  LLVMValueRef f = atr_llvm_begin_entry(e, "atrous.choose", 0);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  w.best = LLVMBuildAlloca(e->b, e->i32, "best");
  words have = read_words(e);
  LLVMValueRef best = number(e, object->cpu_count + 1);
  for (int c = object->cpu_count - 1; c >= 0; c--) {
    w.fits[c] = meets(e, &have, &object->cpus[c].level);
    best = LLVMBuildSelect(e->b, w.fits[c], number(e, c + 1), best, "");
  }
  LLVMBuildStore(e->b, best, w.best);
  if (object->cpu_variable != NULL) look_at_environment(e, &w);
  best = LLVMBuildLoad2(e->b, e->i32, w.best, "");
  LLVMValueRef swapped = LLVMBuildAtomicCmpXchg(e->b, variable(e), number(e, 0), best, LLVMAtomicOrderingMonotonic,
                                                LLVMAtomicOrderingMonotonic, 0);
  LLVMValueRef first = LLVMBuildExtractValue(e->b, swapped, 1, ""), other = LLVMBuildExtractValue(e->b, swapped, 0, "");
  LLVMBuildRet(e->b, LLVMBuildSelect(e->b, first, best, other, ""));
  return f;
}

/* The number kept, or chosen now. */
static LLVMValueRef chosen(atr_emitter *e, LLVMValueRef choose) {
  LLVMValueRef kept = LLVMBuildLoad2(e->b, e->i32, variable(e), "kept");
  LLVMSetOrdering(kept, LLVMAtomicOrderingMonotonic);
  LLVMSetAlignment(kept, 4);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), first = atr_llvm_block(e, "first"), ready = atr_llvm_block(e, "ready");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, kept, number(e, 0), ""), first, ready);
  LLVMPositionBuilderAtEnd(e->b, first);
  LLVMValueRef made = LLVMBuildCall2(e->b, atr_llvm_entry_type(e, 0), choose, NULL, 0, "");
  LLVMBuildBr(e->b, ready);
  LLVMPositionBuilderAtEnd(e->b, ready);
  LLVMValueRef phi = LLVMBuildPhi(e->b, e->i32, "cpu");
  LLVMAddIncoming(phi, (LLVMValueRef[]){kept, made}, (LLVMBasicBlockRef[]){before, first}, 2);
  return phi;
}

void atr_llvm_build_dispatch(atr_emitter *e, const char *symbol, unsigned parameters, LLVMValueRef choose,
                             const LLVMValueRef *copies, int count, int none) {
  LLVMValueRef f = atr_llvm_begin_entry(e, symbol, parameters), args[4], cpu = chosen(e, choose);
  for (unsigned i = 0; i < parameters; i++) args[i] = LLVMGetParam(f, i);
  for (int c = 0; c < count; c++) {
    LLVMBasicBlockRef mine = atr_llvm_block(e, "mine"), next = atr_llvm_block(e, "next");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, cpu, number(e, c + 1), ""), mine, next);
    LLVMPositionBuilderAtEnd(e->b, mine);
    LLVMValueRef result = number(e, 0);
    if (copies[c] != NULL) {
      result = LLVMBuildCall2(e->b, atr_llvm_entry_type(e, parameters), copies[c], args, parameters, "");
      LLVMSetTailCall(result, 1);
    }
    LLVMBuildRet(e->b, result);
    LLVMPositionBuilderAtEnd(e->b, next);
  }
  LLVMBuildRet(e->b, number(e, none));
}
