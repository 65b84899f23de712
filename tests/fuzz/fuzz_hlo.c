/* fuzz_hlo.c - hostile HLO text.
 *
 * In: bytes. Whatever they are, reading them ends with a module or a diagnostic; a module that was read prints as text that
 * reads back and prints as the same bytes; the verifier survives it. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "plain.h"

/* The module's text, NULL when `text` is refused. */
static char *print_read(atr_arena *arena, const char *text, size_t len) {
  atr_source *source = ATR_NEW(arena, atr_source);
  *source = (atr_source){.name = "fuzz", .text = text, .len = len};
  atr_work work = {.arena = arena, .source = source};
  atr_module *module;
  atr_status status = atr_hlo_read(&work, &module);
  if (status != ATR_OK) {
    if (work.message == NULL || status == ATR_INTERNAL) abort();
    return NULL;
  }
  atr_text out = atr_text_make(arena);
  atr_hlo_print(&out, module);
  if (atr_verify_module(&work, module) == ATR_INTERNAL) abort();
  return out.data;
}

static bool try_input(const uint8_t *data, size_t size) {
  atr_arena arena;
  volatile bool accepted = false;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  if (setjmp(arena.guard) == 0) {
    char *first = print_read(&arena, (const char *)data, size);
    char *second = first != NULL ? print_read(&arena, first, strlen(first)) : NULL;
    if (first != NULL && (second == NULL || strcmp(first, second) != 0)) abort();
    accepted = first != NULL;
  }
  atr_arena_fini(&arena);
  return accepted;
}

static const char *const seeds[] = {
    "HloModule m\nENTRY e {\n  img = f32[2,3,9,8]{3,2,1,0} parameter(0)\n  ker = f32[3,2,4,8] parameter(1)\n"
    "  ROOT cv = f32[2,3,9,8] convolution(img, ker), window={size=3x2 stride=2x1 pad=0_-1x-1_-1 lhs_dilate=1x2 "
    "rhs_dilate=1x2 rhs_reversal=0x1}, dim_labels=b01f_01io->b01f, feature_group_count=2, "
    "operand_precision={highest,default}\n}\n",
    "HloModule m\nENTRY e {\n  %x = s8[6,4,32] parameter(0)\n  %w = s8[9,4,5] parameter(1)\n"
    "  %c = s32[2,9,32]{2,1,0} convolution(s8[6,4,32]{2,1,0} %x, s8[9,4,5]{2,1,0} %w), window={size=5 pad=2_2}, "
    "dim_labels=bf0_oi0->bf0, batch_group_count=3, metadata={op_name=\"k\"}\n}\n",
    "HloModule m\nENTRY e {\n  x = bf16[1,16,20] parameter(0)\n  w = bf16[3,16,20] parameter(1)\n"
    "  ROOT c = convolution(x, w), window={size=3 pad=2_0}, dim_labels=b0f_0oi->b0f, edge_mode=circular\n}\n",
    "HloModule jit_f, is_scheduled=true, "
    "entry_computation_layout={(f32[2,3]{1,0}, /*index=1*/f32[3]{0})->(f32[3,2]{1,0}, f32[6]{0})}\n"
    "\nFileNames\n1 \"a.py\"\n\nStackFrames\n1 {file_location_id=1 parent_frame_id=1}\n\n"
    "%fused (p: f32[2,3]) -> f32[3,2] {\n  %p = f32[2,3]{1,0} parameter(0)\n"
    "  ROOT %t = f32[3,2]{0,1} transpose(%p), dimensions={1,0}, metadata={op_name=\"a/b\" stack_frame_id=1}\n}\n\n"
    "ENTRY %main (x: f32[2,3], y: f32[3]) -> (f32[3,2], f32[6]) {\n"
    "  %x = f32[2,3]{1,0} parameter(0), sharding={replicated}\n  %y = f32[3]{0} parameter(1)\n"
    "  %f = f32[3,2]{0,1} fusion(%x), kind=kLoop, calls=%fused, backend_config={\"outer\":[\"2\"]}\n"
    "  %c = f32[3,2]{1,0} copy(%f)\n  %b = f32[6]{0:T(128)} bitcast(%c)\n"
    "  ROOT %r = (f32[3,2]{1,0}, f32[6]{0}) tuple(%c, %b)\n}\n",
    "HloModule n\nrelu.1 {\n  a = f32[4] parameter(0)\n  z = f32[] constant(0)\n  b = f32[4] broadcast(z), dimensions={}\n"
    "  ROOT m = f32[4] maximum(a, b)\n}\nENTRY e {\n  x = f32[4] parameter(0)\n  y = f32[4] call(x), to_apply=relu.1\n"
    "  t = (f32[4], f32[4]) tuple(x, y)\n  g = f32[4] get-tuple-element(t), index=1\n"
    "  ROOT r = f32[4] call(g), to_apply=relu.1\n}\n",
    "HloModule c\nENTRY e {\n  a = f32[2,2]{0,1} constant({ { 1.5, -inf }, { /*i=1*/ 1e-40, nan(0x7fc00001) } })\n"
    "  b = s8[3] constant({-128, 0, 127})\n  c = u64[] constant(18446744073709551615)\n"
    "  d = c64[2] constant({(1, -2.5), (inf, nan)})\n"
    "  f = pred[2] constant({true, 0})\n  g = f16[0,3] constant({})\n  h = bf16[3,0] constant({{}, {}, {}})\n"
    "  ROOT t = (f32[2,2], s8[3], u64[], c64[2], pred[2], f16[0,3], bf16[3,0]) tuple(a, b, c, d, f, g, h)\n}\n",
    "HloModule o\nENTRY e {\n  x = f32[4,5] parameter(0)\n  y = f32[4,5] parameter(1)\n  z = f32[] constant(3.5)\n"
    "  p = pred[4,5] compare(x, y), direction=GE, type=FLOAT\n  s = f32[4,5] select(p, x, exponential(y))\n"
    "  l = f32[2,5] slice(s), slice={[1:4:2], [0:5:1]}\n  q = f32[4,9] pad(l, z), padding=1_1x0_0_1\n"
    "  v = f32[4,9] reverse(q), dimensions={1}\n  k = f32[8,9] concatenate(v, q), dimensions={0}\n"
    "  w = bf16[72] convert(f32[72] reshape(k))\n  ROOT u = bf16[72] clamp(w, w, w)\n}\n",
    "HloModule r\nadd {\n  a = f32[] parameter(0)\n  b = f32[] parameter(1)\n  ROOT c = f32[] add(a, b)\n}\n"
    "ENTRY e {\n  x = f32[4,3] parameter(0)\n  z = f32[] constant(0)\n"
    "  ROOT y = f32[3] reduce(x, z), dimensions={0}, to_apply=add\n}\n",
    "HloModule l\nENTRY e {\n  x = f32[1,5,5,2] parameter(0)\n  w = f32[5,5,18,4] parameter(1)\n"
    "  ROOT y = f32[1,5,5,4] custom-call(x, w), custom_call_target=\"atrous.local_convolution\", "
    "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, edge_mode=reflectxzero\n}\n",
    "HloModule d\nENTRY e {\n  g = f32[1,5,4] parameter(0)\n  w = f32[5,6,4] parameter(1)\n"
    "  x = f32[1,9,2] custom-call(g, w), custom_call_target=\"atrous.local_convolution_data_gradient\", "
    "window={size=3 stride=2 pad=1_1}, dim_labels=b0f_0io->b0f\n"
    "  ROOT v = f32[5,6,4] custom-call(x, g), custom_call_target=\"atrous.local_convolution_weight_gradient\", "
    "window={size=3 stride=2 pad=1_1}, dim_labels=b0f_0io->b0f, edge_mode=circular\n}\n",
};

/* clang-format off */
static const char *const words[] = {
    "9223372036854775807", "-9223372036854775808", "18446744073709551616", "-1", "0", "(", ")", "{", "}", "[", "]", ",", "=",
    "%", "\"", "/*", "//", "->", "-", "_", "x", "?", "...", "nan", "inf", "1e999", "f64[2,2]{0,1}", "(f32[4])", "ROOT ",
    "tuple", "bitcast", "negate(", "f32", "true",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_hlo",
    .seeds = seeds,
    .seed_count = FUZZ_COUNT(seeds),
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};
