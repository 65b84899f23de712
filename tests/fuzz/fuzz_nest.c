/* fuzz_nest.c - hostile nest text.
 *
 * In: bytes. Whatever they are, reading them ends with a program or a diagnostic; a program that was read prints as text
 * that reads back and prints as the same bytes; the verifier survives it. A program that the verifier accepts, and that is
 * small, is run: the interpreter must find every address inside its buffer, and must compute the same with the loop trees as
 * without them. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "lower/nest.h"
#include "plain.h"

/* The program, NULL when `text` is refused. */
static atr_program *read_text(atr_arena *arena, const char *text, size_t len) {
  atr_source *source = ATR_NEW(arena, atr_source);
  *source = (atr_source){.name = "fuzz", .text = text, .len = len};
  atr_work work = {.arena = arena, .source = source};
  atr_program *program;
  atr_status status = atr_program_read(&work, &program);
  if (status == ATR_OK) return program;
  if (work.message == NULL || status != ATR_PARSE_ERROR) abort();
  return NULL;
}

static char *printed(atr_arena *arena, const atr_program *program) {
  atr_text text = atr_text_make(arena);
  atr_program_print(&text, program);
  return text.data;
}

/* ---- running */

enum { MAX_POINTS = 3000, MAX_ELEMENTS = 4000, MAX_NUMBER = 8 };

static bool is_small(const atr_program *program) {
  int64_t elements = 0, points = 0;
  if (program->scratch_bytes > MAX_ELEMENTS || program->packed_bytes > MAX_ELEMENTS) return false;
  for (int b = 0; b < program->buffer_count; b++) {
    const atr_buffer *buffer = &program->buffers[b];
    if (buffer->elements > MAX_ELEMENTS || (elements += buffer->elements) > MAX_ELEMENTS) return false;
    bool numbered = buffer->kind == ATR_BUFFER_ARG || buffer->kind == ATR_BUFFER_RESULT;
    if (numbered && buffer->number >= MAX_NUMBER) return false;
  }
  for (int n = 0; n < program->nest_count; n++) {
    int64_t here = 1;
    for (int d = 0; d < program->nests[n]->dim_count; d++) {
      if (program->nests[n]->dims[d].extent > MAX_POINTS) return false;
      here *= program->nests[n]->dims[d].extent;
      if (here > MAX_POINTS) return false;
    }
    if ((points += here + 1) > MAX_POINTS) return false;
  }
  return true;
}

/* Small whole numbers: every sum of them is exact, in whatever order. */
static void fill(atr_dtype dtype, char *memory, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    atr_scalar value = {.re = (double)(i % 5 - 1), .im = (double)(i % 3), .i = i % 5 - 1};
    atr_scalar_store(dtype, memory + i * (int64_t)atr_dtype_size(dtype), value);
  }
}

/* Runs with memory of exact size; the results, one after the other. NULL when it cannot run: constants have no data. */
static char *run(atr_arena *arena, const atr_program *program, size_t *size) {
  const void *args[MAX_NUMBER] = {NULL};
  void *results[MAX_NUMBER] = {NULL}, *memory[2 * MAX_NUMBER];
  int memory_count = 0;
  atr_work work = {.arena = arena};
  for (int b = 0; b < program->buffer_count; b++) {
    const atr_buffer *buffer = &program->buffers[b];
    if (buffer->kind != ATR_BUFFER_ARG && buffer->kind != ATR_BUFFER_RESULT) continue;
    size_t bytes = (size_t)buffer->elements * atr_dtype_size(buffer->dtype);
    char *at = memory[memory_count++] = calloc(1, bytes > 0 ? bytes : 1);
    if (at == NULL) exit(77);
    if (buffer->kind == ATR_BUFFER_ARG) fill(buffer->dtype, at, buffer->elements);
    if (buffer->kind == ATR_BUFFER_ARG) args[buffer->number] = at;
    else results[buffer->number] = at;
  }
  atr_status status = atr_program_interpret(&work, program, args, results);
  if (status != ATR_OK && status != ATR_UNSUPPORTED) abort();
  atr_text all = atr_text_make(arena);
  atr_text_puts(&all, "");
  for (int b = 0; b < program->buffer_count; b++) {
    const atr_buffer *buffer = &program->buffers[b];
    if (buffer->kind != ATR_BUFFER_RESULT) continue;
    atr_text_append(&all, results[buffer->number], (size_t)buffer->elements * atr_dtype_size(buffer->dtype));
  }
  while (memory_count > 0) free(memory[--memory_count]);
  *size = all.len;
  return status == ATR_OK ? all.data : NULL;
}

/* A verified program means the same with its trees and without. Sums of other than small whole numbers may differ by their
 * order, so only programs without floats are compared. */
static void compare_runs(atr_arena *arena, const atr_program *program) {
  size_t size, plain_size;
  char *with_trees = run(arena, program, &size);
  if (with_trees == NULL) return;
  for (int n = 0; n < program->nest_count; n++) program->nests[n]->tree = NULL;
  char *plain = run(arena, program, &plain_size);
  for (int b = 0; b < program->buffer_count; b++)
    if (atr_dtype_class_of(program->buffers[b].dtype) >= ATR_CLASS_FLOAT) return;
  if (plain == NULL || size != plain_size || memcmp(with_trees, plain, size) != 0) abort();
}

/* True when the input is a program that the verifier accepts. */
static bool try_input(const uint8_t *data, size_t size) {
  atr_arena arena;
  volatile bool accepted = false;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  if (setjmp(arena.guard) == 0) {
    atr_program *program = read_text(&arena, (const char *)data, size);
    if (program != NULL) {
      const char *first = printed(&arena, program);
      atr_program *again = read_text(&arena, first, strlen(first));
      if (again == NULL || strcmp(first, printed(&arena, again)) != 0) abort();
      atr_work work = {.arena = &arena};
      accepted = atr_program_verify(&work, program) == ATR_OK;
      if (accepted && is_small(program)) compare_runs(&arena, program);
    }
  }
  atr_arena_fini(&arena);
  return accepted;
}

static const char *const seeds[] = {
    "program m { scratch 192 packed 192 buffer x arg 0 s32 100 buffer w arg 1 s32 18 buffer y result 0 s32 200 buffer b arg 2 "
    "s32 2\n"
    " buffer w.p packed s32 18 at 64 buffer t temp s32 2 at 128\n"
    " nest w.pack prepack { dims loop oc:2 loop ky:3 loop kx:3 %1 = load w[oc + 6*ky + 2*kx] s32 store w.p[oc + 6*ky + 2*kx] "
    "%1 }\n"
    " nest t { dims loop oc:2 %1 = load b[-oc + 1] s32 store t[oc] %1 }\n"
    " nest y { schedule \"parallel oy\" dims parallel oy:10 loop ox.1:3 reduce ky:3 reduce unroll kx:3 unroll ox.0:4 vector "
    "oc:2\n"
    "  guard 4*ox.1 + ox.0 < 10\n"
    "  lhs x[0] as s32 index (oy + ky - 1) of 10 by 10 else skip index (4*ox.1 + kx + ox.0 - 1) of 10 by 1 else skip\n"
    "  rhs w.p[6*ky + 2*kx + oc] padded as s32 acc s32\n"
    "  %1 = acc s32 %2 = load t[oc] s32 %3 = add s32 %1 %2 %4 = const s32 0 %5 = maximum s32 %3 %4\n"
    "  store y[20*oy + 8*ox.1 + 2*ox.0 + oc] %5\n"
    "  parallel oy 0..10 { loop ox.1 0..1 { tile { reduce ky 0..3 clip { mac } } }\n"
    "   loop ox.1 1..3 { tile { reduce ky 0..1 clip { mac } reduce ky 1..3 clip { mac } } } } } }\n",
    "program s { buffer x arg 0 f32 12 buffer y result 0 pred 8 nest y { dims loop a:8 %1 = const f32 -0\n"
    " %2 = load x[0] f32 index (a - 3) / 2 of 4 by -3 else skip index (3) of 12 by 3 else reflect else %1\n"
    " %3 = load x[0] f32 index (a - 2) of 4 by 3 else replicate %4 = load x[2] f32 index (-a) of 4 by 3 else circular\n"
    " %5 = clamp f32 %2 %3 %4 %6 = compare LT pred %5 %3 %7 = select f32 %6 %2 %3 %8 = convert bf16 %7 %9 = const bf16 3.14\n"
    " %10 = compare NE pred %8 %9 %11 = const c64 (1.5, -inf) %12 = const s8 -128 %13 = const u64 18446744073709551615\n"
    " %14 = exponential c64 %11 %15 = abs f32 %14 %16 = divide s8 %12 %12 %17 = tanh f32 %15 store y[a] %10 } }\n",
    "program g { buffer x arg 0 s8 16 buffer w constant s8 0 buffer y result 0 s16 12\n"
    " nest \"y\\x20\" { dims loop o:12 reduce k:3 lhs x[0] as s8 index (2*o + 3*k - 4) / 2 of 16 by 1 else skip\n"
    "  rhs x[5*k] as s8 acc s32 %1 = acc s32 %2 = convert s16 %1 store y[o] %2\n"
    "  loop o 0..2 { tile { reduce k 2..3 { mac } } } loop o 2..12 { tile { reduce k 0..3 { mac } } } } }\n",
    "program e { buffer x arg 0 u8 9 buffer y result 0 u8 9 buffer z result 1 pred 9\n"
    " nest y { dims parallel i.1:2 unroll i.0:3 vector v:2 guard 6*i.1 + 2*i.0 + v < 9 lhs x[0] as u8 index (-6*i.1 - 2*i.0 - "
    "v)"
    " of 9 by 1 else circular rhs x[v] as u8 acc u8 %1 = acc u8 store y[6*i.1 + 2*i.0 + v] %1"
    " parallel i.1 0..1 { tile { mac } } parallel i.1 1..2 { tile { mac } } }\n"
    " nest z { dims loop i:9 %1 = load y[i] u8 %2 = load x[i] u8 %3 = compare GE pred %1 %2 store z[-i + 8] %3 } }\n",
};

/* clang-format off */
static const char *const words[] = {
    "reduce ", "loop ", "parallel ", "unroll ", "vector ", "tile {", "mac ", "}", "{", "clip ", "padded ", "else skip ",
    "else circular ", "else reflect ", "guard ", "index (", ") of 4 by 1 else skip ", "/ 2 ", "-", "+ ", "*", "%1 ", "temp",
    "packed", "prepack ", "constant", "s8 ", "u64 ", "pred ", "c64 ", "f16 ", "\"", "0..1 { mac } ", "store ",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_nest",
    .seeds = seeds,
    .seed_count = FUZZ_COUNT(seeds),
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};
