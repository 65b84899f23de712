/* llvm_module.c - entry points, one function per nest, constants.
 *
 * In: a program. Out: in e->module
 *     NAME            runs every nest that is not prepack, in order, each as tasks for the host's parallel_for
 *     NAME_prepack    runs those that are
 *     NAME.nest.task  (internal) iterations [t*total/tasks, (t+1)*total/tasks) of the nest's parallel dims
 * Tasks share one environment: four pointers, args, results, scratch, packed, and the number of the part. How iterations are cut into tasks is fixed
 * here and not by the number of threads, and tasks write different elements, so the bits are the same for any threads. */
#include <string.h>

#include <llvm/Config/llvm-config.h>

#include "base/checked.h"
#include "codegen/llvm_internal.h"

enum { ENV_ARGS, ENV_RESULTS, ENV_SCRATCH, ENV_PACKED, ENV_PART, ENV_FIELDS };

static LLVMTypeRef env_type(atr_emitter *e) {
  LLVMTypeRef fields[ENV_FIELDS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
  return LLVMStructTypeInContext(e->context, fields, ENV_FIELDS, 0);
}

LLVMValueRef atr_llvm_assembly(atr_emitter *e, LLVMTypeRef type, const char *code, const char *operands, bool effects,
                               LLVMValueRef *args) {
  char *text = (char *)(uintptr_t)code, *list = (char *)(uintptr_t)operands; /* only read */
  LLVMValueRef f = LLVMGetInlineAsm(type, text, strlen(text), list, strlen(list), effects, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(e->b, type, f, args, LLVMCountParamTypes(type), "");
}

LLVMValueRef atr_llvm_element(atr_emitter *e, LLVMTypeRef type, LLVMValueRef base, int64_t i) {
  LLVMValueRef index = atr_llvm_i64(e, i);
  return i == 0 ? base : LLVMBuildGEP2(e->b, type, base, &index, 1, "");
}

static LLVMValueRef load_pointer(atr_emitter *e, LLVMValueRef table, int64_t i, const char *name) {
  return LLVMBuildLoad2(e->b, e->ptr, atr_llvm_element(e, e->ptr, table, i), name);
}

LLVMValueRef atr_llvm_data(atr_emitter *e, const void *bytes, size_t size) {
  for (int i = 0; i < e->data->count; i++)
    if (e->data->items[i].size == size && memcmp(e->data->items[i].bytes, bytes, size) == 0) return e->data->items[i].global;
  LLVMValueRef data = LLVMConstStringInContext(e->context, bytes, (unsigned)size, 1);
  LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(data), "constant.data"); /* never a kernel's name */
  LLVMSetInitializer(global, data);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, ATR_SCRATCH_ALIGNMENT);
  ATR_RESERVE(e->work->arena, e->data->items, e->data->count, e->data->capacity);
  e->data->items[e->data->count++] = (atr_data){bytes, size, global};
  return global;
}

static LLVMValueRef global_constant(atr_emitter *e, const atr_buffer *buffer) {
  return atr_llvm_data(e, buffer->data, (size_t)buffer->elements * atr_dtype_size(buffer->dtype));
}

/* Address of a buffer in the current function. */
static LLVMValueRef buffer_base(atr_emitter *e, int number) {
  const atr_buffer *buffer = &e->program->buffers[number];
  switch (buffer->kind) {
  case ATR_BUFFER_ARG: return load_pointer(e, load_pointer(e, e->env, ENV_ARGS, "args"), buffer->number, buffer->name);
  case ATR_BUFFER_RESULT: return load_pointer(e, load_pointer(e, e->env, ENV_RESULTS, "results"), buffer->number, buffer->name);
  case ATR_BUFFER_TEMP: return atr_llvm_element(e, e->i8, load_pointer(e, e->env, ENV_SCRATCH, "scratch"), buffer->offset);
  case ATR_BUFFER_PACKED: return atr_llvm_element(e, e->i8, load_pointer(e, e->env, ENV_PACKED, "packed"), buffer->offset);
  case ATR_BUFFER_CONSTANT: break;
  }
  if (e->constants[number] == NULL) e->constants[number] = global_constant(e, buffer);
  return e->constants[number];
}

static void prepare_base(void *user, atr_access *access) {
  atr_emitter *e = user;
  if (e->base[access->buffer] == NULL) e->base[access->buffer] = buffer_base(e, access->buffer);
}

/* ---- metadata: what is loaded is never what is stored */

static LLVMValueRef metadata_node(atr_emitter *e, LLVMMetadataRef *operands, size_t count) {
  return LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, operands, count));
}

static LLVMMetadataRef named_node(atr_emitter *e, const char *name, LLVMMetadataRef parent) {
  LLVMMetadataRef operands[2] = {LLVMMDStringInContext2(e->context, name, strlen(name)), parent};
  return LLVMMDNodeInContext2(e->context, operands, parent != NULL ? 2 : 1);
}

static void make_scopes(atr_emitter *e) {
  LLVMMetadataRef domain = named_node(e, "atrous", NULL), read = named_node(e, "read", domain),
                  write = named_node(e, "write", domain);
  e->scope_read = metadata_node(e, &read, 1);
  e->scope_write = metadata_node(e, &write, 1);
}

/* ---- one nest */

static void describe_dims(atr_emitter *e) {
  e->vector_count = 0;
  e->dot = e->rolled = -1;
  atr_llvm_list_unrolled(e);
  int64_t lanes = 1;
  for (int d = 0; d < e->nest->dim_count; d++) {
    const atr_dim *dim = &e->nest->dims[d];
    e->iv[d] = NULL;
    if (dim->kind == ATR_DIM_DOT) e->dot = d;
    if (dim->kind != ATR_DIM_VECTOR) continue;
    e->vector[e->vector_count++] = d;
    lanes *= dim->extent;
  }
  for (e->lanes = 1; e->lanes < lanes; e->lanes *= 2) {}
}

/* Sets the dims of one kind from the index of their flattened points, the last dim fastest. */
static void set_dims(atr_emitter *e, atr_dim_kind kind, LLVMValueRef index) {
  for (int d = e->nest->dim_count - 1; d >= 0; d--) {
    if (e->nest->dims[d].kind != kind) continue;
    LLVMValueRef extent = atr_llvm_index(e, e->nest->dims[d].extent);
    e->iv[d] = LLVMBuildURem(e->b, index, extent, e->nest->dims[d].name);
    index = LLVMBuildUDiv(e->b, index, extent, "");
  }
}

static void task_body(atr_emitter *e, void *user, LLVMValueRef index) {
  (void)user;
  set_dims(e, ATR_DIM_PARALLEL, index);
  atr_llvm_tree(e, e->nest->tree);
}

/* Callers built with clang's -fsanitize=function look for a signature in front of what they call: a function that comes first in its
 * pages must have something there. */
static void set_prefix(atr_emitter *e, LLVMValueRef function) {
#if LLVM_VERSION_MAJOR >= 19
  if (strncmp(e->target->triple, "wasm", 4) == 0)
    return; /* functions there have no addresses, so nothing is in front of them */
  LLVMSetPrefixData(function, LLVMConstInt(e->i64, 0, 0));
#else
  (void)e, (void)function;
#endif
}

static void add_flag(atr_emitter *e, LLVMValueRef function, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(e->context, kind, value));
}

static void add_word(atr_emitter *e, LLVMValueRef function, const char *name, const char *value) {
  LLVMAttributeRef word = LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, word);
}

enum { UNWIND_ANYWHERE = 2 }; /* uwtable's value for tables that hold at every instruction */

/* Vectors of SVE have this length: a multiple of 128 bits, as least and most in the halves of a word. */
static void set_vscale(atr_emitter *e, LLVMValueRef function) {
  const atr_target_row *row = e->target->row;
  if (strcmp(row->arch, "aarch64") != 0 || row->vector_bits == 128) return;
  uint64_t times = (uint64_t)row->vector_bits / 128;
  LLVMAttributeRef range = LLVMCreateEnumAttribute(e->context, LLVMGetEnumAttributeKindForName("vscale_range", 12),
                                                   times << 32 | times);
  LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, range);
}

/* The stack of x86 is aligned to 16 bytes. LLVM aligns wider vectors that it spills, with the frame pointer, where nobody has taken that
 * register before it comes to spill; else every spill of 64 bytes lies in two lines. */
static void keep_spills_aligned(atr_emitter *e, LLVMValueRef function) {
  const atr_target_row *row = e->target->row;
  bool x86 = strcmp(row->arch, "x86_64") == 0; /* the rows of wide vectors are i686's too */
  if (x86 && row->vector_bits > 128) add_word(e, function, "frame-pointer", "all");
}

LLVMValueRef atr_llvm_function(atr_emitter *e, const char *name, LLVMTypeRef type) {
  LLVMValueRef f = LLVMAddFunction(e->module, name, type);
  set_prefix(e, f);
  add_flag(e, f, "nounwind", 0);
  if (e->unwind) add_flag(e, f, "uwtable", UNWIND_ANYWHERE);
  add_word(e, f, "target-cpu", e->target->cpu);
  if (e->tune != NULL) add_word(e, f, "tune-cpu", e->tune);
  if (e->target->features[0] != '\0') add_word(e, f, "target-features", atr_llvm_features(e->work->arena, e->target));
  /* wide vectors where the row says so: LLVM prefers 256 bits on some CPUs with 512 */
  add_word(e, f, "prefer-vector-width", atr_arena_printf(e->work->arena, "%d", e->target->row->vector_bits));
  set_vscale(e, f);
  keep_spills_aligned(e, f);
  return f;
}

/* A number that comes as i64. */
static LLVMValueRef to_index(atr_emitter *e, LLVMValueRef number) {
  return e->index == e->i64 ? number : LLVMBuildTrunc(e->b, number, e->index, "");
}

/* floor(task * total / tasks), in products that are not much larger than the total. */
static LLVMValueRef first_of_task(atr_emitter *e, LLVMValueRef task, int64_t total, int64_t tasks) {
  if (total == tasks) return task;
  LLVMValueRef whole = LLVMBuildMul(e->b, task, atr_llvm_index(e, total / tasks), "");
  if (total % tasks == 0) return whole;
  LLVMValueRef rest = LLVMBuildMul(e->b, task, atr_llvm_index(e, total % tasks), "");
  return LLVMBuildAdd(e->b, whole, LLVMBuildUDiv(e->b, rest, atr_llvm_index(e, tasks), ""), "");
}

static LLVMTypeRef task_type(atr_emitter *e) { return LLVMFunctionType(e->void_type, (LLVMTypeRef[]){e->ptr, e->i64}, 2, 0); }

/* Iterations of the PARALLEL dims that a task runs. */
typedef struct task_range {
  LLVMValueRef first, end;
} task_range;

static void part_body(atr_emitter *e, void *user, LLVMValueRef part) {
  const task_range *r = user;
  set_dims(e, ATR_DIM_PART, part);
  if (atr_nest_parallel_total(e->nest) == 1) task_body(e, NULL, atr_llvm_index(e, 0));
  else atr_llvm_loop(e, r->first, r->end, task_body, NULL);
}

/* Which part it is where the entry point loops over them. */
static LLVMValueRef part_in_group(atr_emitter *e) {
  return to_index(e, LLVMBuildLoad2(e->b, e->i64, LLVMBuildStructGEP2(e->b, env_type(e), e->env, ENV_PART, ""), "part"));
}

static LLVMValueRef emit_nest(atr_emitter *e, const atr_nest *nest, const char *symbol) {
  e->nest = nest;
  describe_dims(e);
  e->function = atr_llvm_function(e, atr_arena_printf(e->work->arena, "%s.%s.task", symbol, nest->name), task_type(e));
  LLVMSetLinkage(e->function, LLVMInternalLinkage);
  add_flag(e, e->function, "noinline", 0);
  e->env = LLVMGetParam(e->function, 0);
  LLVMPositionBuilderAtEnd(e->b, atr_llvm_block(e, "entry"));
  memset(e->base, 0, sizeof *e->base * (size_t)e->program->buffer_count);
  atr_nest_visit_access((atr_nest *)nest, prepare_base, e);
  atr_llvm_begin_accesses(e);
  atr_llvm_prepare_tile(e);
  e->box = atr_nest_box(nest);
  int64_t total = atr_nest_parallel_total(nest), tasks = atr_nest_tasks(nest), parts = atr_nest_parts(nest);
  LLVMValueRef task = to_index(e, LLVMGetParam(e->function, 1)), next = LLVMBuildAdd(e->b, task, atr_llvm_index(e, 1), "");
  task_range range = {first_of_task(e, task, total, tasks), first_of_task(e, next, total, tasks)};
  if (parts == 1) part_body(e, &range, atr_llvm_index(e, 0));
  else if (!atr_program_tasks_run_parts(e->program, nest)) part_body(e, &range, part_in_group(e));
  else atr_llvm_loop(e, atr_llvm_index(e, 0), atr_llvm_index(e, parts), part_body, &range);
  LLVMBuildRetVoid(e->b);
  return e->function;
}

/* ---- entry points */

typedef struct task_call {
  LLVMValueRef task, env;
} task_call;

static void call_task(atr_emitter *e, void *user, LLVMValueRef index) {
  const task_call *c = user;
  LLVMBuildCall2(e->b, task_type(e), c->task, (LLVMValueRef[]){c->env, index}, 2, "");
}

/* for every task: the host's parallel_for when there is one, else a loop. host is {user, parallel_for}. */
static void call_nest(atr_emitter *e, task_call *c, LLVMValueRef host_user, LLVMValueRef host_for, int64_t tasks) {
  if (tasks == 1) {
    call_task(e, c, atr_llvm_i64(e, 0));
    return;
  }
  LLVMBasicBlockRef shared = atr_llvm_block(e, "shared"), serial = atr_llvm_block(e, "serial"),
                    after = atr_llvm_block(e, "after");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, host_for, LLVMConstNull(e->ptr), ""), serial, shared);
  LLVMPositionBuilderAtEnd(e->b, shared);
  LLVMTypeRef type = LLVMFunctionType(e->void_type, (LLVMTypeRef[]){e->ptr, e->i64, e->ptr, e->ptr}, 4, 0);
  LLVMBuildCall2(e->b, type, host_for, (LLVMValueRef[]){host_user, atr_llvm_i64(e, tasks), c->task, c->env}, 4, "");
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, serial);
  atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, tasks), call_task, c);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
}

/* host->user and host->parallel_for, NULL both when host is NULL. */
static void load_host(atr_emitter *e, LLVMValueRef host, LLVMValueRef *user, LLVMValueRef *parallel_for) {
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), some = atr_llvm_block(e, "host"), after = atr_llvm_block(e, "ready");
  LLVMValueRef null = LLVMConstNull(e->ptr);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, host, null, ""), after, some);
  LLVMPositionBuilderAtEnd(e->b, some);
  LLVMValueRef u = load_pointer(e, host, 0, "user"), f = load_pointer(e, host, 1, "parallel_for");
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
  *user = LLVMBuildPhi(e->b, e->ptr, "");
  *parallel_for = LLVMBuildPhi(e->b, e->ptr, "");
  LLVMAddIncoming(*user, (LLVMValueRef[]){null, u}, (LLVMBasicBlockRef[]){before, some}, 2);
  LLVMAddIncoming(*parallel_for, (LLVMValueRef[]){null, f}, (LLVMBasicBlockRef[]){before, some}, 2);
}

/* What an entry point calls nests with, and which of them: [first, last]. */
typedef struct entry {
  LLVMValueRef *tasks, env, user, parallel_for;
  bool prepack;
  int first, last;
} entry;

static void call_group(atr_emitter *e, void *user, LLVMValueRef part) {
  const entry *to = user;
  LLVMBuildStore(e->b, part, LLVMBuildStructGEP2(e->b, env_type(e), to->env, ENV_PART, ""));
  for (int n = to->first; n <= to->last; n++) {
    const atr_nest *nest = e->program->nests[n];
    task_call call = {to->tasks[n], to->env};
    if (nest->prepack == to->prepack && to->tasks[n] != NULL)
      call_nest(e, &call, to->user, to->parallel_for, atr_nest_tasks(nest));
  }
}

/* pointers: values of ENV_ARGS .. ENV_PACKED in order. */
static void emit_entry(atr_emitter *e, bool prepack, LLVMValueRef function, LLVMValueRef *pointers, LLVMValueRef host,
                       LLVMValueRef *tasks) {
  entry to = {.tasks = tasks, .env = LLVMBuildAlloca(e->b, env_type(e), "env"), .prepack = prepack};
  for (int i = 0; i < ENV_PART; i++) LLVMBuildStore(e->b, pointers[i], atr_llvm_element(e, e->ptr, to.env, i));
  e->function = function;
  load_host(e, host, &to.user, &to.parallel_for);
  for (to.first = 0; to.first < e->program->nest_count; to.first = to.last + 1) {
    to.last = atr_program_group_end(e->program, to.first);
    int64_t parts = atr_nest_parts(e->program->nests[to.first]);
    if (parts == 1 || atr_program_tasks_run_parts(e->program, e->program->nests[to.first]))
      call_group(e, &to, atr_llvm_i64(e, 0));
    else atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, parts), call_group, &to);
  }
  LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, 0));
}

LLVMTypeRef atr_llvm_entry_type(atr_emitter *e, unsigned parameters) {
  return LLVMFunctionType(e->i32, (LLVMTypeRef[]){e->ptr, e->ptr, e->ptr, e->ptr}, parameters, 0);
}

LLVMValueRef atr_llvm_begin_entry(atr_emitter *e, const char *name, unsigned parameters) {
  e->function = atr_llvm_function(e, name, atr_llvm_entry_type(e, parameters));
  LLVMPositionBuilderAtEnd(e->b, atr_llvm_block(e, "entry"));
  return e->function;
}

static LLVMValueRef begin_entry(atr_emitter *e, const char *name, unsigned parameters, bool internal) {
  LLVMValueRef f = atr_llvm_begin_entry(e, name, parameters);
  if (internal) LLVMSetLinkage(f, LLVMInternalLinkage);
  return f;
}

atr_entries_of atr_llvm_build_program(atr_emitter *e, const char *symbol, bool internal) {
  LLVMValueRef *tasks = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, e->program->nest_count + 1), null = LLVMConstNull(e->ptr);
  e->constants = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, e->program->buffer_count + 1);
  e->base = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, e->program->buffer_count + 1);
  make_scopes(e);
  for (int n = 0; n < e->program->nest_count; n++)
    if (e->program->nests[n]->tree != NULL) tasks[n] = emit_nest(e, e->program->nests[n], symbol);
  LLVMValueRef f = begin_entry(e, symbol, 4, internal), packed = null;
  atr_entries_of entries = {.kernel = f};
  if (e->program->packed_bytes > 0) packed = load_pointer(e, LLVMGetParam(f, 0), e->parameter_count, "packed");
  emit_entry(e, false, f, (LLVMValueRef[]){LLVMGetParam(f, 0), LLVMGetParam(f, 1), LLVMGetParam(f, 2), packed},
             LLVMGetParam(f, 3), tasks);
  if (e->program->packed_bytes == 0) return entries;
  entries.prepack = f = begin_entry(e, atr_arena_printf(e->work->arena, "%s_prepack", symbol), 3, internal);
  emit_entry(e, true, f, (LLVMValueRef[]){LLVMGetParam(f, 0), null, null, LLVMGetParam(f, 1)}, LLVMGetParam(f, 2), tasks);
  return entries;
}
