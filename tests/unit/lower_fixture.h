/* lower_fixture.h - what the unit tests of lowering share: an arena per test, modules from text, nests as text.
 *
 * In: the instructions of an HLO module, without the lines around them; result shapes may be left out where they follow:
 *
 *     "x = f32[1,8,2] parameter(0) w = f32[3,2,4] parameter(1) "
 *     "ROOT y = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"
 *
 * Out: the module, its program after each of the first passes, and the text of programs, nests and schedules. */
#ifndef TESTS_UNIT_LOWER_FIXTURE_H
#define TESTS_UNIT_LOWER_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "lower/canonical.h"
#include "lower/pipeline.h"
#include "lower/simplify.h"
#include "arena_fixture.h"

static atr_work work = {.arena = &arena};

/* A row of the target table as a target; the words for LLVM are not looked at by lowering. */
static inline atr_target target_of_row(int row, bool vnni) {
  return (atr_target){.row = atr_target_row_at(row), .vnni = vnni, .triple = "", .cpu = "", .features = ""};
}
/* ORDER rows: src/lower/target.c */
enum {
  ROW_AVX512,
  ROW_AVX512_ZEN5,
  ROW_AVX512_HALF,
  ROW_AVX2,
  ROW_SSE2,
  ROW_SSE2X8,
  ROW_SVE512,
  ROW_SVE256,
  ROW_NEON,
  ROW_NEONFMA,
  ROW_NEON32,
  ROW_RVV512,
  ROW_RVV256,
  ROW_RVV128,
  ROW_RV64,
  ROW_SIMD128,
  ROW_WASM,
  ROW_VECTOR128,
  ROW_COUNT
};

/* What a reduce of f32 applies: to_apply=add. */
#define ADD "add { a = f32[] parameter(0) b = f32[] parameter(1) ROOT c = f32[] add(a, b) }\n"

/* The module of these instructions, verified. */
static inline const atr_module *module_of(const char *instructions) {
  char *text = atr_arena_printf(&arena, "HloModule m\n\n" ADD "ENTRY main {\n  %s\n}\n", instructions);
  atr_work reading = work_on("m", text, strlen(text));
  atr_module *module = NULL;
  ck_assert_msg(atr_hlo_read(&reading, &module) == ATR_OK, "%s\n%s", reading.message, text);
  ck_assert_msg(atr_verify_module(&reading, module) == ATR_OK, "%s\n%s", reading.message, text);
  return module;
}

static inline atr_program *canonical_of(const char *instructions) {
  atr_program *program = NULL;
  ck_assert_msg(atr_lower_canonical(&work, module_of(instructions), true, &program) == ATR_OK, "%s", work.message);
  return program;
}

/* The same program with the nests that each nest becomes in its place. */
static inline atr_program *split_nests(const atr_program *program,
                                       void (*split)(atr_arena *, const atr_nest *, atr_program *)) {
  atr_program *p = atr_program_without_nests(&arena, program);
  for (int n = 0; n < program->nest_count; n++) split(&arena, program->nests[n], p);
  return p;
}

static inline atr_program *phases_of(const atr_program *program) { return split_nests(program, atr_nest_split_phases); }
static inline atr_program *residues_of(const atr_program *program) { return split_nests(program, atr_nest_split_residues); }
static inline atr_program *frames_for(const atr_program *program, int row) {
  const atr_target target = target_of_row(row, false);
  atr_program *p = atr_program_without_nests(&arena, program);
  for (int n = 0; n < program->nest_count; n++) atr_nest_split_frame(&arena, program->nests[n], &target, p);
  return p;
}
static inline atr_program *frames_of(const atr_program *program) { return frames_for(program, ROW_VECTOR128); }

/* Ready to be scheduled. */
static inline atr_program *collapsed_of(const char *instructions) {
  atr_program *program = frames_of(residues_of(canonical_of(instructions)));
  for (int n = 0; n < program->nest_count; n++) atr_nest_collapse(&arena, program->nests[n], NULL);
  return program;
}

static inline const atr_nest *nest_named(const atr_program *program, const char *name) {
  for (int n = 0; n < program->nest_count; n++)
    if (strcmp(program->nests[n]->name, name) == 0) return program->nests[n];
  ck_abort_msg("there is no nest %s", name);
  return NULL;
}

static inline const atr_buffer *buffer_named(const atr_program *program, const char *name) {
  for (int b = 0; b < program->buffer_count; b++)
    if (strcmp(program->buffers[b].name, name) == 0) return &program->buffers[b];
  ck_abort_msg("there is no buffer %s", name);
  return NULL;
}

static inline const char *program_text(const atr_program *program) {
  atr_text text = atr_text_make(&arena);
  atr_program_print(&text, program);
  return text.data;
}

static inline const char *nest_text(const atr_program *program, const atr_nest *nest) {
  atr_text text = atr_text_make(&arena);
  atr_nest_print(&text, program, nest, 0);
  return text.data;
}

static inline const char *schedule_text(const atr_nest *nest, const atr_schedule *schedule) {
  atr_text text = atr_text_make(&arena);
  atr_schedule_print(&text, nest, schedule);
  return text.data != NULL ? text.data : "";
}

/* Reads a schedule; on failure `reading` holds the message and its place. */
static inline atr_status read_schedule(const atr_nest *nest, const char *text, atr_work *reading, atr_schedule *out) {
  *reading = work_on("schedule", text, strlen(text));
  return atr_schedule_read(reading, 0, nest, out);
}

static inline atr_schedule schedule_of(const atr_nest *nest, const char *text) {
  atr_work reading;
  atr_schedule schedule;
  ck_assert_msg(read_schedule(nest, text, &reading, &schedule) == ATR_OK, "%s: %s", text, reading.message);
  return schedule;
}

#endif
