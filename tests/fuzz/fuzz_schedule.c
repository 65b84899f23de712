/* fuzz_schedule.c - hostile schedules.
 *
 * In: bytes, as the schedule of a module with a convolution of each kind of trouble: a border, a dim that no tile divides, an
 * edge mode, an input dilation, narrow operands. Lowering ends with a program or a diagnostic. A program satisfies the verifier,
 * and the schedules that it says were applied make the same program again. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "lower/pipeline.h"
#include "plain.h"

static const char module_text[] =
    "HloModule m\nENTRY e {\n"
    "  x = f32[1,5,13,4] parameter(0)\n  w = f32[3,3,4,12] parameter(1)\n  b = f32[1,5,13,12] parameter(2)\n"
    "  a = f32[1,5,13,12] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, "
    "edge_mode=zeroxreflect\n"
    "  s = f32[1,5,13,12] add(a, b)\n"
    "  v = bf16[1,12,6] parameter(3)\n  u = bf16[3,6,8] parameter(4)\n"
    "  c = bf16[1,23,8] convolution(v, u), window={size=3 pad=1_1 lhs_dilate=2}, dim_labels=b0f_0io->b0f\n"
    "  ROOT r = (f32[1,5,13,12], bf16[1,23,8]) tuple(s, c)\n}\n";

static const atr_module *read_module(atr_arena *arena) {
  atr_source source = {.name = "m", .text = module_text, .len = sizeof module_text - 1};
  atr_work work = {.arena = arena, .source = &source};
  atr_module *module;
  if (atr_hlo_read(&work, &module) != ATR_OK || atr_verify_module(&work, module) != ATR_OK) abort();
  return module;
}

/* The program's text, and the schedules of its nests; NULL when the schedule is refused. */
static const char *lower(atr_arena *arena, const atr_module *module, const char *schedule, atr_text *applied) {
  atr_target target = {.row = atr_target_row_at(1), .triple = "", .cpu = "", .features = ""};
  atr_lower_options options = {.target = &target, .schedule = schedule};
  atr_work work = {.arena = arena};
  atr_program *program;
  atr_status status = atr_lower(&work, module, &options, &program);
  if (status == ATR_INTERNAL || (status != ATR_OK && work.message == NULL)) abort();
  if (status != ATR_OK) return NULL;
  if (atr_program_verify(&work, program) != ATR_OK) abort();
  for (int n = 0; n < program->nest_count; n++)
    atr_text_printf(applied, "%s: %s\n", program->nests[n]->name, program->nests[n]->schedule);
  atr_text text = atr_text_make(arena);
  atr_program_print(&text, program);
  return text.data;
}

static bool try_input(const uint8_t *data, size_t size) {
  atr_arena arena;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  volatile bool accepted = false;
  if (setjmp(arena.guard) == 0) {
    const atr_module *module = read_module(&arena);
    atr_text applied = atr_text_make(&arena), again = atr_text_make(&arena);
    const char *first = lower(&arena, module, atr_arena_printf(&arena, "%.*s", (int)size, (const char *)data), &applied);
    const char *second = first != NULL ? lower(&arena, module, applied.data, &again) : NULL;
    if (first != NULL && (second == NULL || strcmp(first, second) != 0)) abort();
    accepted = first != NULL;
  }
  atr_arena_fini(&arena);
  return accepted;
}

static const char *const seeds[] = {
    "s: parallel oy; loop ox oc; reduce ky kx ic; unroll ox:6 oc:2; vector oc:4; pack rhs",
    "s: loop oc oy ox; reduce ic ky; unroll kx:3 ox:13; vector oc:8\nc.ox0: loop ox; vector oc:4; widen lhs rhs; pack rhs",
    "c.ox1: parallel ox oc; reduce ic; unroll kx:2 ox:4; vector oc:8; dot ic:2; pack rhs\ns: unroll oc:3; vector ox:16\n",
    "s: loop ox oy oc; reduce kx ky ic; unroll ox:2 oy:5; vector oc:12\n\n",
    "s: part oy:2 ic:2; lhs ic oy ox; parallel oc; loop ox; unroll kx:3; vector oc:8; pack rhs",
    "c.ox1: part kx:1 oc:3; lhs ox ic as f32; loop ox oc; vector ox:8\ns: lhs oy; unroll oc:2",
};

/* clang-format off */
static const char *const words[] = {
    "part ", "lhs ", "as ", "f32", "parallel ", "loop ", "reduce ", "unroll ", "vector ", "dot ", "widen ", "lhs", "rhs", "pack rhs", "; ", ";", ":", "\n",
    " ", "oc", "ox", "oy", "kx", "ky", "ic", "n", "g", "s: ", "c: ", "c.ox0: ", ":0", ":-1", ":9223372036854775807",
    ":9223372036854775808", ":64", ":1024", ":16777216", ":1099511627776", "ic:2", "ic:4", "z: ",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_schedule",
    .seeds = seeds,
    .seed_count = FUZZ_COUNT(seeds),
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};
