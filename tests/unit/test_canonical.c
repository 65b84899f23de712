/* test_canonical.c - what becomes a nest, what is fused, what is only a view; residue classes; merged dims.
 *
 * In: modules as text. Out of canonical.c, phases.c and collapse.c: which nests there are, which temporaries, and for the
 * foldings the very accesses, worked out by hand:
 *
 *     pad(x, 0) by 2 in front of a window padded by 1: x[(ox + kx - 3)], and no nest for the pad */
#include "lower_fixture.h"

#include "base/checked.h"

/* ---- which nests there are */

typedef struct decision {
  const char *name, *instructions, *nests, *temporaries; /* names, a blank behind each */
} decision;

#define XW "x = f32[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) "
#define SAME ", window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
#define BIAS "b = f32[8] parameter(2) bb = f32[1,9,8] broadcast(b), dimensions={2} "

static const decision decisions[] = {
    {"one convolution", XW "ROOT y = convolution(x, w)" SAME, "y ", ""},
    {"bias, residual, maximum, convert",
     XW BIAS "r = f32[1,9,8] parameter(3) zero = f32[] constant(0) z = f32[1,9,8] broadcast(zero), dimensions={} "
             "c = convolution(x, w)" SAME "s = add(c, bb) t = add(s, r) m = maximum(t, z) ROOT y = bf16[1,9,8] convert(m)",
     "y ", ""},
    {"used twice by one expression", XW "c = convolution(x, w)" SAME "n = negate(c) ROOT y = add(c, n)", "y ", ""},
    {"used by two expressions",
     XW "c = convolution(x, w)" SAME "a = negate(c) b = abs(c) ROOT t = (f32[1,9,8], f32[1,9,8]) tuple(a, b)", "c a b ", "c "},
    {"used, and a result", XW "c = convolution(x, w)" SAME "a = negate(c) ROOT t = (f32[1,9,8], f32[1,9,8]) tuple(c, a)",
     "c a ", ""},
    {"two convolutions in one expression: the later one is fused",
     XW "v = f32[3,4,8] parameter(2) c = convolution(x, w)" SAME "d = convolution(x, v)" SAME "ROOT y = add(c, d)", "c y ",
     "c "},
    {"a residual computed elementwise is fused",
     XW "r = f32[1,9,8] parameter(2) c = convolution(x, w)" SAME "s = abs(r) ROOT y = add(c, s)", "y ", ""},
    {"a chain", XW "v = f32[3,8,8] parameter(2) c = convolution(x, w)" SAME "n = negate(c) ROOT y = convolution(n, v)" SAME,
     "n y ", "n "},
    {"an expression before a convolution is stored", XW "n = negate(x) ROOT y = convolution(n, w)" SAME, "n y ", "n "},
    {"views in front",
     "x = f32[4,9,1] parameter(0) w = f32[8,3,4] parameter(1) t = transpose(x), dimensions={2,1,0} r = reverse(t), "
     "dimensions={1} "
     "s = f32[1,4,4] slice(r), slice={[0:1], [1:9:2], [0:4]} wt = transpose(w), dimensions={1,2,0} "
     "wr = reverse(wt), dimensions={0} ROOT y = convolution(s, wr)" SAME,
     "y ", ""},
    {"a broadcast in front",
     "x = f32[9] parameter(0) w = f32[3,4,8] parameter(1) b = f32[1,9,4] broadcast(x), dimensions={1} "
     "ROOT y = convolution(b, w)" SAME,
     "y ", ""},
    {"a reshape that names the same elements",
     "x = f32[3,3,4] parameter(0) w = f32[3,4,8] parameter(1) k = f32[1,9,4] reshape(x) "
     "ROOT y = convolution(k, w)" SAME,
     "y ", ""},
    {"a reshape that cuts up a transposed dim",
     "x = f32[4,9] parameter(0) w = f32[3,3,4,8] parameter(1) t = transpose(x), dimensions={1,0} k = f32[1,3,3,4] reshape(t) "
     "ROOT y = convolution(k, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
     "y ", ""},
    {"a reshape across a transpose",
     "x = f32[4,9] parameter(0) w = f32[3,4,8] parameter(1) t = transpose(x), dimensions={1,0} "
     "k = f32[1,12,3] reshape(t) v = f32[3,3,8] slice(w), slice={[0:3], [0:3], [0:8]} "
     "ROOT y = convolution(k, v)" SAME,
     "k y ", "k "},
    {"concatenate",
     "x = f32[1,4,4] parameter(0) z = f32[1,5,4] parameter(1) w = f32[3,4,8] parameter(2) "
     "c = f32[1,9,4] concatenate(x, z), dimensions={1} ROOT y = convolution(c, w)" SAME,
     "c.0 c.1 y ", "c "},
    {"converts in front",
     "x = s8[1,9,4] parameter(0) w = s8[3,4,8] parameter(1) a = f32[1,9,4] convert(x) b = f32[3,4,8] convert(w) "
     "ROOT y = convolution(a, b)" SAME,
     "y ", ""},
    {"a convert in front that is also a result",
     "x = s8[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) a = f32[1,9,4] convert(x) c = convolution(a, w)" SAME
     "ROOT t = (f32[1,9,8], f32[1,9,4]) tuple(c, a)",
     "a c ", ""},
    {"a transposed result", XW "c = convolution(x, w)" SAME "ROOT y = transpose(c), dimensions={2,0,1}", "c ", ""},
    {"a result in another layout", XW "c = convolution(x, w)" SAME "n = negate(c) ROOT y = f32[1,9,8]{0,1,2} copy(n)", "n ",
     ""},
    {"a transposed result of a value used twice",
     XW "c = convolution(x, w)" SAME
        "t = transpose(c), dimensions={2,0,1} n = negate(c) ROOT r = (f32[8,1,9], f32[1,9,8]) tuple(t, n)",
     "c n result.0 ", "c "},
    {"a sliced result", XW "c = convolution(x, w)" SAME "ROOT y = f32[1,4,8] slice(c), slice={[0:1], [2:6], [0:8]}",
     "c result.0 ", "c "},
    {"a value that is two results", XW "c = convolution(x, w)" SAME "ROOT t = (f32[1,9,8], f32[1,9,8]) tuple(c, c)",
     "c result.1 ", ""},
    {"a parameter and a constant as results",
     "x = f32[5] parameter(0) k = f32[2] constant({1,2}) ROOT t = (f32[5], f32[2]) tuple(x, k)", "result.0 result.1 ", ""},
    {"dead values",
     XW "c = convolution(x, w)" SAME "d = negate(c) p = f32[1,12,4] pad(x, k), padding=0_0x1_2x0_0 ROOT y = abs(x)", "y ", ""},
    {"a reduce with its neighbours behind it and a convert in front",
     "x = bf16[3,5] parameter(0) f = f32[3,5] convert(x) o = f32[] constant(0) s = f32[3] reduce(f, o), dimensions={1}, "
     "to_apply=add n = negate(s) ROOT y = bf16[3] convert(n)",
     "y ", ""},
    {"a convolution in front of a reduce",
     XW "c = convolution(x, w)" SAME "o = f32[] constant(0) ROOT y = f32[8] reduce(c, o), dimensions={0,1}, to_apply=add",
     "c y ", "c "},
    {"an iota is a list", "x = f32[3,5] parameter(0) i = f32[3,5] iota(), iota_dimension=1 ROOT y = add(x, i)", "y ", ""},
    {"no convolution", "x = f32[3,5] parameter(0) a = negate(x) b = abs(a) ROOT y = add(a, b)", "y ", ""},
};

static void check_names(const atr_program *program, const decision *d) {
  atr_text nests = atr_text_make(&arena), temporaries = atr_text_make(&arena);
  atr_text_puts(&nests, "");
  atr_text_puts(&temporaries, "");
  for (int n = 0; n < program->nest_count; n++) atr_text_printf(&nests, "%s ", program->nests[n]->name);
  for (int b = 0; b < program->buffer_count; b++)
    if (program->buffers[b].kind == ATR_BUFFER_TEMP) atr_text_printf(&temporaries, "%s ", program->buffers[b].name);
  ck_assert_msg(strcmp(nests.data, d->nests) == 0, "%s: nests %s\n%s", d->name, nests.data, program_text(program));
  ck_assert_msg(strcmp(temporaries.data, d->temporaries) == 0, "%s: temporaries %s\n%s", d->name, temporaries.data,
                program_text(program));
}

START_TEST(test_decisions) {
  const decision *d = &decisions[_i];
  const char *body = d->instructions;
  if (strstr(body, "pad(x, k)") != NULL) body = atr_arena_printf(&arena, "k = f32[] constant(0) %s", body);
  check_names(canonical_of(body), d);
}
END_TEST

/* ---- rule 4: a pad in front of a window */

typedef struct fold {
  const char *padding;       /* of the pad, for the spatial dimension */
  const char *window;        /* pad and dilation of the convolution */
  const char *others, *edge; /* padding of batch and features; attributes behind */
  const char *value;
  const char *lhs; /* the access, where it is folded; NULL: it is not */
} fold;

#define INDEX(at) "lhs x[36*n + 4*g + ic] as f32 index (" at " of 9 by 4 else skip"
static const fold folds[] = {
    /* low and high side each: padding adds to padding, a crop to a crop; padding that is cropped again was only zeros */
    {"2_0", "1_1", "0_0", "", "0", INDEX("ox + kx - 3)")},
    {"0_3", "1_1", "0_0", "", "0", INDEX("ox + kx - 1)")},
    {"2_3", "0_0", "0_0", "", "0", INDEX("ox + kx - 2)")},
    {"2_2", "-1_-1", "0_0", "", "0", INDEX("ox + kx - 1)")},
    {"1_1", "-2_-3", "0_0", "", "0", "lhs x[36*n + 4*g + 4*ox + 4*kx + ic + 4] as f32\n"},
    {"-1_0", "0_1", "0_0", "", "0", INDEX("ox + kx + 1)")},
    {"-1_-2", "-1_0", "0_0", "", "0", "lhs x[36*n + 4*g + 4*ox + 4*kx + ic + 8] as f32\n"},
    /* a crop behind which there is padding again cut real elements off */
    {"-1_0", "1_0", "0_0", "", "0", NULL},
    {"0_-1", "0_1", "0_0", "", "0", NULL},
    {"-1_-1", "1_1", "0_0", "", "0", NULL},
    /* holes: a window's own come after its padding, a pad's before */
    {"0_0_1", "0_0", "0_0", "", "0", INDEX("ox + kx) / 2")},
    {"3_1_2", "1_1", "0_0", "", "0", INDEX("ox + kx - 4) / 3")},
    {"-1_0_1", "0_0", "0_0", "", "0", INDEX("ox + kx + 1) / 2")},
    {"1_0", "0_0 lhs_dilate=2", "0_0", "", "0", NULL},
    {"0_0_1", "0_0 lhs_dilate=2", "0_0", "", "0", NULL},
    /* what is not the window's */
    {"1_1", "1_1", "1_0", "", "0", NULL},
    {"1_1", "1_1", "0_0", ", edge_mode=replicate", "0", NULL},
    {"1_1", "1_1", "0_0", "", "1", NULL},
    {"1_1", "1_1", "0_0", "", "-0", INDEX("ox + kx - 2)")},
};

START_TEST(test_folded_padding) {
  const fold *f = &folds[_i];
  for (int keep = 0; keep < 2; keep++) {
    const char *text = atr_arena_printf(&arena,
                                        "x = f32[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) v = f32[] constant(%s) "
                                        "p = pad(x, v), padding=%sx%sx0_0 "
                                        "ROOT y = convolution(p, w), window={size=3 pad=%s}, dim_labels=b0f_0io->b0f%s",
                                        f->value, f->others, f->padding, f->window, f->edge);
    atr_program *program;
    ck_assert_int_eq(atr_lower_canonical(&work, module_of(text), keep == 0, &program), ATR_OK);
    bool folded = f->lhs != NULL && keep == 0;
    check_names(program, &(decision){text, text, folded ? "y " : "p y ", folded ? "" : "p "});
    const char *nest = nest_text(program, nest_named(program, "y"));
    if (folded) ck_assert_msg(strstr(nest, f->lhs) != NULL, "%s\nis not in\n%s", f->lhs, nest);
    else ck_assert_msg(strstr(nest, "lhs p[") != NULL, "%s", nest);
  }
}
END_TEST

/* A pad of which one dimension may be folded and the next may not leaves the window as it was. */
START_TEST(test_fold_all_or_nothing) {
  const atr_program *program = canonical_of(
      "x = f32[1,6,6,2] parameter(0) w = f32[3,3,2,8] parameter(1) v = f32[] constant(0) "
      "p = pad(x, v), padding=0_0x1_1x-1_0x0_0 "
      "ROOT y = convolution(p, w), window={size=3x3 pad=0_0x1_1}, dim_labels=b01f_01io->b01f");
  const char *nest = nest_text(program, nest_named(program, "y"));
  ck_assert_msg(strstr(nest, "lhs p[80*n + 2*g + 10*oy + 10*ky + ic] as f32 index (ox + kx - 1) of 5 by 2 else skip\n") != NULL,
                "%s", nest);
}
END_TEST

/* ---- accesses of a convolution */

typedef struct access_row {
  const char *instructions;
  const char *lines[3]; /* that stand in the nest's text */
} access_row;

static const access_row access_rows[] = {
    /* a group's features lie side by side, in lhs, rhs and the result */
    {"x = f32[1,9,6] parameter(0) w = f32[3,2,12] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f, feature_group_count=3",
     {"dims loop n:1 loop g:3 loop oc:4 loop ox:7 reduce kx:3 reduce ic:2\n",
      "lhs x[54*n + 2*g + 6*ox + 6*kx + ic] as f32\n    rhs w[4*g + oc + 24*kx + 12*ic] as f32\n",
      "store y[84*n + 4*g + oc + 12*ox] %1\n"}},
    /* batch group g is the g-th run of batches */
    {"x = f32[6,9,4] parameter(0) w = f32[3,4,12] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f, batch_group_count=3",
     {"dims loop n:2 loop g:3 loop oc:4 loop ox:7 reduce kx:3 reduce ic:4\n",
      "lhs x[36*n + 72*g + 4*ox + 4*kx + ic] as f32\n    rhs w[4*g + oc + 48*kx + 12*ic] as f32\n",
      "store y[84*n + 4*g + oc + 12*ox] %1\n"}},
    /* stride, dilation, reversal; NCHW, OIHW */
    {"x = f32[2,3,9,8] parameter(0) w = f32[5,3,2,3] parameter(1) ROOT y = convolution(x, w), "
     "window={size=2x3 stride=2x1 pad=0_0x1_2 rhs_dilate=1x2 rhs_reversal=0x1}, dim_labels=bf01_oi01->bf01",
     {"dims loop n:2 loop g:1 loop oc:5 loop oy:4 loop ox:7 reduce ky:2 reduce kx:3 reduce ic:3\n",
      "lhs x[216*n + 216*g + 16*oy + 8*ky + 72*ic] as f32 index (ox + 2*kx - 1) of 8 by 1 else skip\n"
      "    rhs w[90*g + 18*oc + 3*ky - kx + 6*ic + 2] as f32\n",
      "store y[140*n + 140*g + 28*oc + 7*oy + ox] %1\n"}},
    /* rule 18: the input feature is slowest, then the window in the order of rhs's spatial dimensions (here x before y) */
    {"x = f32[1,4,5,2] parameter(0) u = f32[4,3,12,3] parameter(1) ROOT y = custom-call(x, u), "
     "custom_call_target=\"atrous.local_convolution\", window={size=2x3 pad=0_0x0_1}, dim_labels=b01f_10io->b01f",
     {"dims loop n:1 loop g:1 loop oc:3 loop oy:3 loop ox:4 reduce ky:2 reduce kx:3 reduce ic:2\n",
      "    rhs u[3*g + oc + 36*oy + 108*ox + 3*ky + 6*kx + 18*ic] as f32\n", "store y[36*n + 3*g + oc + 12*oy + 3*ox] %1\n"}},
    /* views are strides: element i of the reversed slice is 7 - 2*i of x */
    {"x = f32[4,9] parameter(0) w = f32[1,4,8] parameter(1) t = transpose(x), dimensions={1,0} s = f32[4,4] slice(t), "
     "slice={[1:9:2], [0:4]} "
     "r = reverse(s), dimensions={0} k = f32[1,4,4] reshape(r) "
     "ROOT y = convolution(k, w), window={size=1}, dim_labels=b0f_0io->b0f",
     {"lhs x[36*g - 2*ox - 2*kx + 9*ic + 7] as f32\n", "rhs w[8*g + oc + 32*kx + 8*ic] as f32\n",
      "store y[32*n + 8*g + oc + 8*ox] %1\n"}},
    /* a result that is a transpose is stored where the transpose wants it */
    {"x = f32[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) c = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f "
     "ROOT y = transpose(c), dimensions={2,0,1}",
     {"buffer c result 0 f32 56\n", "store c[7*n + 56*g + 7*oc + ox] %1\n", "%1 = acc f32\n"}},
    /* the types of the products are the convolution's, also where a convert was folded */
    {"x = s8[1,9,4] parameter(0) w = bf16[3,4,8] parameter(1) a = f16[1,9,4] convert(x) "
     "ROOT y = bf16[1,7,8] convolution(a, w), window={size=3}, dim_labels=b0f_0io->b0f",
     {"lhs x[36*n + 4*g + 4*ox + 4*kx + ic] as f16\n", "as bf16\n    acc f32\n", "%1 = acc bf16\n"}},
};

START_TEST(test_accesses) {
  const access_row *r = &access_rows[_i];
  const char *text = program_text(canonical_of(r->instructions));
  for (int i = 0; i < COUNT(r->lines); i++)
    ck_assert_msg(strstr(text, r->lines[i]) != NULL, "%s\nis not in\n%s", r->lines[i], text);
}
END_TEST

/* ---- phases */

static const atr_dim *dim_named(const atr_nest *nest, const char *name) {
  for (int d = 0; d < nest->dim_count; d++)
    if (strcmp(nest->dims[d].name, name) == 0) return &nest->dims[d];
  ck_abort_msg("nest %s has no dim %s", nest->name, name);
  return NULL;
}

static int64_t count_taps(int64_t r, int64_t S, int64_t D, int64_t L, int64_t pad, int64_t taps) {
  int64_t count = 0;
  for (int64_t k = 0; k < taps; k++) count += atr_mod(r * S + k * D - pad, L) == 0;
  return count;
}

/* P = L / gcd(S, L) classes of outputs, each with the taps that reach an element and no others. */
static void check_residues(int64_t S, int64_t D, int64_t L, int64_t taps, int64_t pad) {
  const atr_program *canonical = canonical_of(
      atr_arena_printf(&arena,
                       "x = f32[1,7,2] parameter(0) w = f32[%d,2,4] parameter(1) ROOT y = convolution(x, w), "
                       "window={size=%d stride=%d pad=%d_2 lhs_dilate=%d rhs_dilate=%d}, dim_labels=b0f_0io->b0f",
                       (int)taps, (int)taps, (int)S, (int)pad, (int)L, (int)D));
  const atr_program *program = phases_of(canonical);
  int64_t outputs = dim_named(canonical->nests[0], "ox")->extent, P = L / atr_gcd(S, L);
  if (outputs == 0) return;
  ck_assert_int_eq(program->nest_count, atr_min(P, outputs));
  for (int64_t r = 0; r < program->nest_count; r++) {
    const atr_nest *nest = program->nests[r];
    ck_assert_int_eq(dim_named(nest, "ox")->extent, atr_ceil_div(outputs - r, P));
    ck_assert_int_eq(dim_named(nest, "kx")->extent, count_taps(r, S, D, L, pad, taps));
    for (int i = 0; i < nest->lhs.index_count; i++) ck_assert_int_eq(nest->lhs.index[i].divisor, 1);
    ck_assert_str_eq(nest->name, P > 1 ? atr_arena_printf(&arena, "y.ox%d", (int)r) : "y");
  }
}

START_TEST(test_residues) {
  int64_t L = _i / 4 + 1, S = _i % 4 + 1;
  for (int64_t D = 1; D <= 4; D++)
    for (int64_t taps = 1; taps <= 5; taps++)
      for (int64_t pad = -1; pad <= 2; pad++) check_residues(S, D, L, taps, pad);
}
END_TEST

typedef struct phase_row {
  const char *window;
  int nests;
  const char *lines[3]; /* in the program's text; NULL: none */
} phase_row;

/* With o = P*o' + r and k = step*k' + k0, from t = S*o + D*k - pad. */
static const phase_row phase_rows[] = {
    {"size=4 pad=2_2 lhs_dilate=2",
     2,
     {"nest y.ox0 {\n    dims loop n:1 loop g:1 loop oc:4 loop ox:6 reduce kx:2 reduce ic:2\n"
      "    lhs x[12*n + 2*g + ic] as f32 index (ox + kx - 1) of 6 by 2 else skip\n"
      "    rhs w[4*g + oc + 16*kx + 4*ic] as f32\n",
      "nest y.ox1 {\n    dims loop n:1 loop g:1 loop oc:4 loop ox:6 reduce kx:2 reduce ic:2\n"
      "    lhs x[12*n + 2*g + ic] as f32 index (ox + kx) of 6 by 2 else skip\n"
      "    rhs w[4*g + oc + 16*kx + 4*ic + 8] as f32\n",
      "store y[48*n + 4*g + oc + 8*ox + 4] %1\n"}},
    /* S 3, L 2, D 2: taps move t by 2, so each residue has all or none; r 1 has t = 3*1 - 1 = 2: all */
    {"size=3 stride=3 pad=1_1 lhs_dilate=2 rhs_dilate=2",
     2,
     {"nest y.ox0 {\n    dims loop n:1 loop g:1 loop oc:4 loop ox:2 reduce kx:0 reduce ic:2\n",
      "nest y.ox1 {\n    dims loop n:1 loop g:1 loop oc:4 loop ox:1 reduce kx:3 reduce ic:2\n",
      "index (3*ox + kx + 1) of 6 by 2 else skip\n"}},
    /* S = L: every output is of residue 0; only tap 1 of 3 has k - 1 a multiple of 3 */
    {"size=3 stride=3 pad=1_1 lhs_dilate=3",
     1,
     {"nest y {\n    dims loop n:1 loop g:1 loop oc:4 loop ox:6 reduce kx:1 reduce ic:2\n",
      "index (ox + kx) of 6 by 2 else skip\n", "rhs w[4*g + oc + 24*kx + 4*ic + 8] as f32\n"}},
    {"size=3 pad=2_2 lhs_dilate=64", 64, {"nest y.ox63 {", NULL, NULL}},
    {"size=3 pad=2_2 lhs_dilate=65", 1, {"nest y {", "index (ox + kx - 2) / 65 of 6 by 2 else skip\n", NULL}},
};

START_TEST(test_phases) {
  const phase_row *r = &phase_rows[_i];
  const atr_program *program = phases_of(
      canonical_of(atr_arena_printf(&arena,
                                    "x = f32[1,6,2] parameter(0) w = f32[%c,2,4] parameter(1) "
                                    "ROOT y = convolution(x, w), window={%s}, dim_labels=b0f_0io->b0f",
                                    r->window[5], r->window)));
  const char *text = program_text(program);
  ck_assert_msg(program->nest_count == r->nests, "%d nests\n%s", program->nest_count, text);
  for (int i = 0; i < COUNT(r->lines) && r->lines[i] != NULL; i++)
    ck_assert_msg(strstr(text, r->lines[i]) != NULL, "%s\nis not in\n%s", r->lines[i], text);
}
END_TEST

/* Two dims: 9 * 7 = 63 nests; 9 * 8 = 72 are too many, so the second divisor stays to be tested while running. */
START_TEST(test_phase_limit) {
  for (int second = 7; second <= 8; second++) {
    const atr_program *program = phases_of(
        canonical_of(atr_arena_printf(&arena,
                                      "x = f32[1,4,4,2] parameter(0) w = f32[3,3,2,4] parameter(1) ROOT y = convolution(x, w), "
                                      "window={size=3x3 lhs_dilate=9x%d}, dim_labels=b01f_01io->b01f",
                                      second)));
    ck_assert_int_eq(program->nest_count, second == 7 ? 63 : 9);
    bool divided = strstr(program_text(program), ") / 8 of 4 by 2 else skip") != NULL;
    ck_assert_int_eq(divided, second == 8);
  }
}
END_TEST

/* Interior padding that stays a nest of its own is split like a window: the residue with an element copies, the others store
 * the value. */
START_TEST(test_phases_of_a_pad) {
  const atr_program *program = phases_of(
      canonical_of("x = f32[4] parameter(0) v = f32[] parameter(1) ROOT y = pad(x, v), padding=1_1_2"));
  ck_assert_int_eq(program->nest_count, 3);
  const char *text = program_text(program);
  ck_assert_msg(strstr(text, "nest y.d01 {\n    dims loop d0:4\n    %1 = load v[0] f32\n    %2 = load x[0] f32 index (d0) of 4 "
                             "by 1 else skip else %1\n    store y[3*d0 + 1] %2") != NULL,
                "%s", text);
  ck_assert_msg(
      strstr(text, "nest y.d00 {\n    dims loop d0:4\n    %1 = load v[0] f32\n    %2 = load v[0] f32\n    store y[3*d0] %2") !=
          NULL,
      "%s", text);
}
END_TEST

/* ---- frame */

typedef struct frame_row {
  const char *window; /* on 64 x 48 pixels, f channels */
  int channels;
  const char *parts; /* "NAME:oy x ox" of each nest */
} frame_row;

static const frame_row frame_rows[] = {
    {"size=15x11 pad=7_7x5_5", 1, "y.oy_low:7x48 y.oy_high:7x48 y.ox_low:50x5 y.ox_high:50x5 y:50x38"},
    {"size=15x11 pad=7_0x0_5", 1, "y.oy_low:7x43 y.ox_high:50x5 y:50x38"},
    {"size=5x3 pad=2_2x1_1", 1, "y.oy_low:2x48 y.oy_high:2x48 y:60x48"}, /* three taps are left out where they lie */
    {"size=5x3 pad=2_2x1_1", 2, "y:64x48"},                              /* and so are five where channels are summed */
    {"size=9x3 pad=4_4x1_1", 1, "y.oy_low:4x48 y.oy_high:4x48 y:56x48"},
    {"size=9x3 pad=4_4x1_1", 2, "y.oy_low:4x48 y.oy_high:4x48 y:56x48"},
    {"size=15x11 pad=7_7x5_5 rhs_reversal=1x1", 1, "y.oy_low:7x48 y.oy_high:7x48 y.ox_low:50x5 y.ox_high:50x5 y:50x38"},
    {"size=15x11 stride=2x2 pad=7_7x5_5", 1, "y.oy_low:4x24 y.oy_high:3x24 y.ox_low:25x3 y.ox_high:25x2 y:25x19"},
    {"size=15x11", 1, "y:50x38"},                 /* no tap is ever absent */
    {"size=33x33 pad=16_16x16_16", 1, "y:64x48"}, /* the inside is less than three quarters */
    {"size=15x11 pad=7_7x5_5", 16, "y:64x48"},    /* weights are too many to be packed for every part */
};

/* Where masks have registers strips must be narrow. */
START_TEST(test_frame_with_masks) {
  static const struct {
    int width;
    const char *inside;
  } rows[] = {{48, "loop ox:48"}, {255, "loop ox:255"}, {256, "loop ox:248"}};
  const atr_program *program = frames_for(
      phases_of(canonical_of(
          atr_arena_printf(&arena,
                           "x = f32[1,64,%d,1] parameter(0) w = f32[3,9,1,1] parameter(1) ROOT y = convolution(x, w), "
                           "window={size=3x9 pad=1_1x4_4}, dim_labels=b01f_01io->b01f",
                           rows[_i].width))),
      ROW_AVX512);
  const char *text = nest_text(program, nest_named(program, "y"));
  ck_assert_int_eq(program->nest_count, _i == 2 ? 3 : 1);
  ck_assert_msg(strstr(text, rows[_i].inside) != NULL, "%s", text);
}
END_TEST

/* Channels that leave pairs or fours empty become one dim with the taps beside them, in the inside of the image. */
START_TEST(test_frame_of_few_channels) {
  static const struct {
    const char *dtype, *result, *lhs, *rhs, *window, *labels;
    int row, nests;
  } rows[] = {
      {"bf16", "", "64,48,3", "7,7,3,16", "size=7x7 pad=3_3x3_3", "b01f_01io->b01f", ROW_AVX512, 3},
      {"bf16", "", "64,48,3", "7,7,3,16", "size=7x7 pad=3_3x3_3", "b01f_01io->b01f", ROW_SSE2, 3},
      {"s8", "s32[1,64,48,16] ", "64,48,3", "3,3,3,16", "size=3x3 pad=1_1x1_1", "b01f_01io->b01f", ROW_SSE2, 3},
      {"f32", "", "64,48,3", "7,7,3,16", "size=7x7 pad=3_3x3_3", "b01f_01io->b01f", ROW_AVX512, 1},
      /* full pairs; strips that are wide; no padding beside the columns; five pairs for six are too few less */
      {"bf16", "", "64,48,4", "7,7,4,16", "size=7x7 pad=3_3x3_3", "b01f_01io->b01f", ROW_AVX512, 1},
      {"bf16", "", "64,32,3", "7,7,3,16", "size=7x7 pad=3_3x3_3", "b01f_01io->b01f", ROW_AVX512, 1},
      {"bf16", "", "64,48,3", "7,7,3,16", "size=7x7 pad=3_3x0_0", "b01f_01io->b01f", ROW_AVX512, 1},
      {"bf16", "", "64,48,11", "3,3,11,16", "size=3x3 pad=1_1x1_1", "b01f_01io->b01f", ROW_AVX512, 1},
      /* taps that do not follow the channels: dilated, reversed, weights in another order */
      {"bf16", "", "64,48,3", "5,5,3,16", "size=5x5 pad=3_3x3_3 rhs_dilate=1x2", "b01f_01io->b01f", ROW_AVX512, 1},
      {"bf16", "", "64,48,3", "7,7,3,16", "size=7x7 pad=3_3x3_3 rhs_reversal=1x1", "b01f_01io->b01f", ROW_AVX512, 1},
      {"bf16", "", "64,48,3", "16,3,7,7", "size=7x7 pad=3_3x3_3", "b01f_oi01->b01f", ROW_AVX512, 1},
  };
  for (int i = 0; i < COUNT(rows); i++) {
    const char *text = atr_arena_printf(&arena,
                                        "x = %s[1,%s] parameter(0) w = %s[%s] parameter(1) "
                                        "ROOT y = %sconvolution(x, w), window={%s}, dim_labels=%s",
                                        rows[i].dtype, rows[i].lhs, rows[i].dtype, rows[i].rhs, rows[i].result, rows[i].window,
                                        rows[i].labels);
    const atr_program *program = frames_for(phases_of(canonical_of(text)), rows[i].row);
    ck_assert_msg(program->nest_count == rows[i].nests, "%d: %d nests", i, program->nest_count);
    if (rows[i].nests > 1) ck_assert_ptr_nonnull(strstr(nest_text(program, nest_named(program, "y.ox_low")), "loop oy:64"));
  }
}
END_TEST

START_TEST(test_frame) {
  const frame_row *r = &frame_rows[_i];
  int taps[2];
  ck_assert_int_eq(sscanf(r->window, "size=%dx%d", &taps[0], &taps[1]), 2);
  const atr_program *program = frames_of(phases_of(canonical_of(
      atr_arena_printf(&arena,
                       "x = f32[1,64,48,%d] parameter(0) w = f32[%d,%d,%d,%d] parameter(1) ROOT y = convolution(x, w), "
                       "window={%s}, dim_labels=b01f_01io->b01f",
                       r->channels, taps[0], taps[1], r->channels, r->channels, r->window))));
  atr_text parts = atr_text_make(&arena);
  for (int n = 0; n < program->nest_count; n++) {
    const atr_nest *nest = program->nests[n];
    int64_t extents[2] = {0, 0};
    for (int d = 0; d < nest->dim_count; d++)
      for (int i = 0; i < 2; i++)
        if (strcmp(nest->dims[d].name, i == 0 ? "oy" : "ox") == 0) extents[i] = nest->dims[d].extent;
    atr_text_printf(&parts, "%s%s:%dx%d", n > 0 ? " " : "", nest->name, (int)extents[0], (int)extents[1]);
  }
  ck_assert_str_eq(parts.data, r->parts);
}
END_TEST

/* ---- collapse */

typedef struct dims_row {
  const char *instructions, *dims;
} dims_row;

static const dims_row dims_rows[] = {
    /* pixels of a pointwise convolution, over the batches too */
    {"x = f32[2,5,7,9] parameter(0) w = f32[1,1,9,24] parameter(1) "
     "ROOT y = convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f",
     "dims loop oc:24 loop n_oy_ox:70 reduce ic:9\n"},
    /* NCHW: the batch does not continue the pixels */
    {"x = f32[2,9,5,7] parameter(0) w = f32[24,9,1,1] parameter(1) "
     "ROOT y = convolution(x, w), window={size=1x1}, dim_labels=bf01_oi01->bf01",
     "dims loop n:2 loop oc:24 loop oy_ox:35 reduce ic:9\n"},
    /* a stride of 2 in x only */
    {"x = f32[1,5,8,9] parameter(0) w = f32[1,1,9,24] parameter(1) "
     "ROOT y = convolution(x, w), window={size=1x1 stride=1x2}, dim_labels=b01f_01io->b01f",
     "dims loop oc:24 loop oy_ox:20 reduce ic:9\n"},
    /* a window: taps and features stay apart where columns may be absent, and are one where they may not */
    {"x = f32[1,5,7,9] parameter(0) w = f32[3,3,9,24] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
     "dims loop oc:24 loop oy:5 loop ox:7 reduce ky:3 reduce kx:3 reduce ic:9\n"},
    {"x = f32[1,5,7,9] parameter(0) w = f32[3,3,9,24] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3x3}, dim_labels=b01f_01io->b01f",
     "dims loop oc:24 loop oy:3 loop ox:5 reduce ky:3 reduce kx_ic:27\n"},
    {"x = f32[1,9,8] parameter(0) w = f32[3,1,8] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f, feature_group_count=8",
     "dims loop g:8 loop ox:7 reduce kx:3\n"},
    {"x = f32[3,5,7] parameter(0) z = f32[3,5,7] parameter(1) ROOT y = add(x, z)", "dims loop d0_d1_d2:105\n"},
    {"x = f32[3,5,7] parameter(0) b = f32[5] parameter(1) z = f32[3,5,7] broadcast(b), dimensions={1} ROOT y = add(x, z)",
     "dims loop d0:3 loop d1:5 loop d2:7\n"},
    {"x = f32[1,1] parameter(0) w = f32[1,1] parameter(1) ROOT y = convolution(x, w), dim_labels=bf_io->bf", "dims loop n:1\n"},
    /* an empty dim stays: it says that nothing is done */
    {"x = f32[2,9,0] parameter(0) w = f32[3,0,4] parameter(1) ROOT y = convolution(x, w), window={size=3}, "
     "dim_labels=b0f_0io->b0f",
     "reduce ic:0\n"},
};

START_TEST(test_collapse) {
  const atr_program *program = collapsed_of(dims_rows[_i].instructions);
  ck_assert_int_eq(program->nest_count, 1);
  const char *text = nest_text(program, program->nests[0]);
  ck_assert_msg(strstr(text, dims_rows[_i].dims) != NULL, "%s is not in\n%s", dims_rows[_i].dims, text);
}
END_TEST

/* Three features fill few lanes of eight, or of four: taps stay apart from channels, whose order a panel may change. Seven fill them, and four
 * of four. */
START_TEST(test_taps_apart) {
  static const struct {
    int features, row;
    const char *reduced;
  } rows[] = {{3, ROW_AVX2, "reduce ky:3 reduce kx:3 reduce ic:9\n"},
              {7, ROW_AVX2, "reduce ky:3 reduce kx_ic:27\n"},
              {3, ROW_SSE2, "reduce ky:3 reduce kx:3 reduce ic:9\n"},
              {4, ROW_SSE2, "reduce ky:3 reduce kx_ic:27\n"}};
  atr_program *program = phases_of(
      canonical_of(atr_arena_printf(&arena,
                                    "x = f32[1,5,7,9] parameter(0) w = f32[3,3,9,%d] parameter(1) ROOT y = convolution(x, w), "
                                    "window={size=3x3}, dim_labels=b01f_01io->b01f",
                                    rows[_i].features)));
  atr_target target = target_of_row(rows[_i].row, false);
  atr_nest_collapse(&arena, program->nests[0], &target);
  const char *text = nest_text(program, program->nests[0]);
  ck_assert_msg(strstr(text, rows[_i].reduced) != NULL, "%s is not in\n%s", rows[_i].reduced, text);
}
END_TEST

/* The list of an iota is data, so it has a limit: 2^28 bytes. */
START_TEST(test_iota_limit) {
  atr_program *program;
  const char *text = "i = u8[%d] iota(), iota_dimension=0 ROOT y = u8[2] slice(i), slice={[5:7]}";
  ck_assert_int_eq(atr_lower_canonical(&work, module_of(atr_arena_printf(&arena, text, (1 << 28) + 1)), true, &program),
                   ATR_UNSUPPORTED);
  ck_assert_msg(strstr(work.message, "iota over 268435457 elements of u8 would make 268435457 bytes of constants") != NULL,
                "%s", work.message);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("canonical");
  TCase *tc = tcase_create("canonical");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_decisions, 0, COUNT(decisions));
  tcase_add_loop_test(tc, test_folded_padding, 0, COUNT(folds));
  tcase_add_test(tc, test_fold_all_or_nothing);
  tcase_add_loop_test(tc, test_accesses, 0, COUNT(access_rows));
  tcase_add_loop_test(tc, test_residues, 0, 24);
  tcase_add_loop_test(tc, test_phases, 0, COUNT(phase_rows));
  tcase_add_test(tc, test_phase_limit);
  tcase_add_test(tc, test_phases_of_a_pad);
  tcase_add_loop_test(tc, test_frame, 0, COUNT(frame_rows));
  tcase_add_loop_test(tc, test_taps_apart, 0, 4);
  tcase_add_loop_test(tc, test_frame_with_masks, 0, 3);
  tcase_add_test(tc, test_frame_of_few_channels);
  tcase_add_loop_test(tc, test_collapse, 0, COUNT(dims_rows));
  tcase_add_test(tc, test_iota_limit);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }
