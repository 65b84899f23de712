/* test_target.c - the choice of a target's row, and the cost model's choice of a schedule.
 *
 * In: CPU names and feature strings; nests, a few by hand and many at random, on every row. Out: the row, or the message; a
 * schedule that is legal, the same each time, within the registers, and of the kind that is known to be good:
 *
 *     dense NHWC      vector over output channels        NCHW, one channel   vector over columns
 *     depthwise       vector over channels               groups of 4         vector over groups and channels at once */
#include "lower_fixture.h"

#include "../random/rng.h"
#include "base/checked.h"

#define X86 "x86_64-unknown-linux-gnu"
#define I686 "i686-unknown-linux-gnu"
#define ARM "aarch64-unknown-linux-gnu"
#define ARMV7 "armv7a-unknown-linux-gnueabihf"
#define RISCV "riscv64-unknown-linux-gnu"
#define WASM "wasm32-unknown-unknown"

typedef struct target_row {
  const char *triple, *cpu, *features, *row;
  bool vnni, bf16_dot;
} target_row;

static const target_row target_rows[] = {
    /* by name */
    {X86, "x86-64", "", "sse2", false, false},
    {X86, "x86-64-v2", "", "sse2", false, false},
    {X86, "x86-64-v3", "", "avx2", false, false},
    {X86, "x86-64-v4", "", "avx512", false, false},
    {X86, "nehalem", "", "sse2", false, false},
    {X86, "haswell", "", "avx2", false, false},
    {X86, "znver3", "", "avx2", false, false},
    {X86, "znver4", "", "avx512half", true, true},
    {X86, "znver5", "", "avx512zen5", true, true},
    {X86, "znver5", "-avx512f", "avx2", true, false},
    {X86, "znver5", "-avx512bf16", "avx512zen5", true, false},
    {X86, "skylake-avx512", "", "avx512", false, false},
    {X86, "cascadelake", "", "avx512", true, false},
    {X86, "sapphirerapids", "", "avx512", true, true},
    {ARM, "cortex-a72", "", "neon", false, false},
    {ARM, "neoverse-n1", "", "neon", false, false},
    {"arm64-apple-macosx", "apple-m1", "", "neon", false, false},
    {X86, "generic", "", "sse2", false, false},
    {ARM, "generic", "", "neon", false, false},
    {"arm64-apple-macosx", "generic", "", "neon", false, false},
    {RISCV, "generic", "", "rv64", false, false},
    {RISCV, "generic-rv64", "", "rv64", false, false},
    {RISCV, "sifive-u74", "", "rv64", false, false},
    {RISCV, "sifive-p670", "", "rvv128", false, false},
    {RISCV, "spacemit-x60", "", "rvv256", false, false},
    {RISCV, "sifive-x280", "", "rvv512", false, false},
    {ARMV7, "generic", "", "neon32", false, false},
    {"armv7-linux-gnueabihf", "cortex-a9", "", "neon32", false, false},
    {"thumbv7a-linux-gnueabihf", "cortex-a8", "", "neon32", false, false},
    {ARMV7, "cortex-a7", "", "neonfma", false, false},
    {ARMV7, "cortex-a15", "", "neonfma", false, false},
    {ARMV7, "cortex-a53", "", "neonfma", false, false}, /* one name, two architectures */
    {ARM, "cortex-a53", "", "neon", false, false},
    {I686, "generic", "", "sse2x8", false, false},
    {I686, "pentium4", "", "sse2x8", false, false},
    {"i386-linux-gnu", "prescott", "", "sse2x8", false, false},
    {I686, "haswell", "", "sse2x8", false, false}, /* a CPU of x86-64 is one of i686 too */
    {I686, "sapphirerapids", "", "sse2x8", true, false},
    {WASM, "generic", "", "simd128", false, false},
    {WASM, "bleeding-edge", "", "simd128", false, false},
    {WASM, "mvp", "", "wasm", false, false},
    {"powerpc64le-unknown-linux-gnu", "generic", "", "vector128", false, false},
    {"powerpc-unknown-linux-gnu", "generic", "", "vector128", false, false},
    {"s390x-unknown-linux-gnu", "generic", "", "vector128", false, false},
    {RISCV, "rocket-x", "+v", "rvv128", false, false}, /* a name that only LLVM knows */
    /* features on top of a name */
    {X86, "x86-64", "+avx2,+fma", "avx2", false, false},
    {X86, "x86-64", "+avx2", "sse2", false, false}, /* rows of 256 bits multiply and add in one */
    {X86, "x86-64", "+fma", "sse2", false, false},
    {X86, "x86-64", "+avx2,-fma", "sse2", false, false},
    {X86, "x86-64", "+avx2,+fma,+avx512f,+avx512bw", "avx512", false, false},
    {X86, "x86-64", "+avx512f", "sse2", false, false},
    {X86, "haswell", "-avx2", "sse2", false, false},
    {X86, "haswell", "-fma", "sse2", false, false},
    {X86, "haswell", "+avx512f,+avx512bw", "avx512", false, false},
    {X86, "haswell", "+avx512f", "avx2", false, false}, /* pairs of integers are AVX-512BW's */
    {X86, "x86-64-v4", "-avx512bw", "avx2", false, false},
    {X86, "x86-64-v4", "-f16c", "avx2", false, false},
    {X86, "haswell", "-avx", "sse2", false, false}, /* and what is built on it */
    {X86, "znver3", "-sse4.1", "sse2", false, false},
    {X86, "haswell", "+sse4.2", "avx2", false, false},
    {X86, "haswell", "-avx512f", "avx2", false, false},
    {X86, "skylake-avx512", "-avx512f", "avx2", false, false},
    {X86, "skylake-avx512", "-avx2", "sse2", false, false},
    {X86, "skylake-avx512", "+avx512vnni", "avx512", true, false},
    {X86, "cascadelake", "-avx512vnni", "avx512", false, false},
    {X86, "cascadelake", "+avx512bf16", "avx512", true, true},
    {X86, "cooperlake", "", "avx512", true, true},
    {X86, "sapphirerapids", "-avx512bf16", "avx512", true, false},
    {X86, "sapphirerapids", "-avx512vl", "avx512", true, false}, /* narrower vectors need them */
    {X86, "sapphirerapids", "-avx512f", "avx2", true, false},
    {X86, "znver4", "-avx512vl", "avx512half", true, false},
    {X86, "znver4", "-avx512f", "avx2", true, false},
    {X86, "znver4", "-avx2", "sse2", true, false},
    {X86, "znver3", "+avx512f,+avx512bw", "avx512", false, false},
    {X86, "haswell", "+avx512bf16", "avx2", false, false},
    {X86, "haswell", "-avx2,+avx2", "avx2", false, false}, /* the last word counts */
    {X86, "haswell", "+avx2,-avx2", "sse2", false, false},
    {X86, "haswell", "+avx2x,-av", "avx2", false, false}, /* whole words only */
    {ARM, "neoverse-v1", "", "sve256", false, true},
    {ARM, "neoverse-v1", "-sve", "neon", false, true},
    {ARM, "neoverse-v1", "-bf16", "sve256", false, false},
    {ARM, "a64fx", "", "sve512", false, false},
    {ARM, "a64fx", "-sve", "neon", false, false},
    {ARM, "generic", "+sve", "neon", false, false}, /* of unknown length */
    {ARM, "neoverse-n1", "+sve", "neon", false, false},
    {ARM, "neoverse-v2", "", "neon", false, true},
    {RISCV, "generic-rv64", "+v", "rvv128", false, false},
    {RISCV, "generic-rv64", "+v,+zvl256b", "rvv256", false, false},
    {RISCV, "generic-rv64", "+v,+zvl512b", "rvv512", false, false},
    {RISCV, "generic-rv64", "+zve64d,+zvl256b", "rv64", false, false},
    {RISCV, "sifive-u74", "+v", "rvv128", false, false},
    {RISCV, "sifive-x280", "-v", "rv64", false, false},
    {ARMV7, "generic", "+vfp4", "neonfma", false, false},
    {ARMV7, "cortex-a9", "+vfp4", "neonfma", false, false},
    {ARMV7, "cortex-a15", "-vfp4", "neon32", false, false},
    {WASM, "generic", "-simd128", "wasm", false, false},
    {WASM, "mvp", "+simd128", "simd128", false, false},
    {I686, "pentium4", "+avx2,+fma", "sse2x8", false, false},
    {ARM, "neoverse-n2", "-bf16", "neon", false, false},
    {ARM, "neoverse-n1", "+bf16", "neon", false, true},
    {ARM, "neoverse-n1", "+avx2,+fma", "neon", false, false},
    /* a detected machine: a name that the table does not know, with the list of all it has */
    {X86, "zen9", "+sse2,+avx2,+fma,-avx512f", "avx2", false, false},
    {X86, "zen9", "+sse2,+avx2,+fma,+avx512f,+avx512bw,+avx512vnni", "avx512", true, false},
    {X86, "zen9", "+sse2,+avx2,+fma,+avx512f,+avx512bw,+avx512vl,+avx512bf16", "avx512", false, true},
    {X86, "zen9", "+sse2,-avx2", "sse2", false, false},
    /* a name that it knows says how wide the units are, the list what may be used */
    {X86, "znver4", "+sse2,+avx2,+fma,+avx512f,+avx512bw,+avx512vl", "avx512half", true, true},
    {X86, "znver4", "+sse2,+avx2,+fma,-avx512f,-avx512vnni,-avx512bf16", "avx2", false, false},
    {ARM, "neoverse-x9", "+neon", "neon", false, false},
};

START_TEST(test_select) {
  const target_row *r = &target_rows[_i];
  atr_target target;
  ck_assert_msg(atr_target_select(&work, r->triple, r->cpu, r->features, &target) == ATR_OK, "%s", work.message);
  ck_assert_msg(strcmp(target.row->name, r->row) == 0, "%s %s: %s", r->cpu, r->features, target.row->name);
  ck_assert_msg(target.vnni == r->vnni, "%s %s: vnni %d", r->cpu, r->features, target.vnni);
  ck_assert_msg(target.bf16_dot == r->bf16_dot, "%s %s: bf16 %d", r->cpu, r->features, target.bf16_dot);
  bool fours = target.vnni && target.row->vector_bits == 512 && strstr(r->features, "-avx512vl") == NULL;
  ck_assert_msg(target.s8_dot == fours, "%s %s: s8 %d", r->cpu, r->features, target.s8_dot);
  ck_assert_ptr_eq(target.triple, r->triple);
  ck_assert_ptr_eq(target.cpu, r->cpu);
  bool adds = strncmp(r->cpu, "generic", 7) == 0 || strcmp(r->cpu, "rocket-x") == 0 || strstr(r->triple, "v7") != NULL;
  if (!adds) ck_assert_ptr_eq(target.features, r->features);
  size_t added = strlen(target.features) - strlen(r->features);
  ck_assert_str_eq(target.features + added, r->features);
}
END_TEST

/* What each architecture starts with, and what LLVM is asked for beyond its oldest CPUs. */
START_TEST(test_architectures) {
  static const struct {
    const char *triple, *cpu, *features;
    int address_bits, integer_bits;
  } archs[] = {{X86, "x86-64", "", 64, 64},
               {"amd64-unknown-freebsd", "x86-64", "", 64, 64},
               {I686, "pentium4", "", 32, 32},
               {ARM, "generic", "", 64, 64},
               {"arm64-apple-macosx", "generic", "", 64, 64},
               {ARMV7, "generic", "+neon", 32, 32},
               {RISCV, "generic-rv64", "+m,+a,+f,+d,+c", 64, 64},
               {WASM, "generic", "+simd128", 32, 64},
               {"powerpc64le-linux-gnu", "generic", "", 64, 64},
               {"mipsel-linux-gnu", "generic", "", 32, 32}};
  for (int i = 0; i < COUNT(archs); i++) {
    atr_target target;
    const char *cpu = atr_target_default_cpu(archs[i].triple);
    ck_assert_str_eq(cpu, archs[i].cpu);
    ck_assert_msg(atr_target_select(&work, archs[i].triple, cpu, "", &target) == ATR_OK, "%s", work.message);
    ck_assert_str_eq(target.features, archs[i].features);
    ck_assert_int_eq(target.address_bits, archs[i].address_bits);
    ck_assert_int_eq(target.integer_bits, archs[i].integer_bits);
    ck_assert_int_eq(target.lacks_division, strncmp(archs[i].triple, "armv7", 5) == 0);
  }
  /* words of the caller's come behind ours, so they win */
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, WASM, "generic", "-simd128", &target), ATR_OK);
  ck_assert_str_eq(target.features, "+simd128,-simd128");
}
END_TEST

/* Of a word without a sign LLVM says nothing, and takes the feature away. */
START_TEST(test_signs) {
  static const char *const words[] = {"fma", "+avx2,fma", "fma,+avx2", "+", "+avx2,-", "=fma", " +fma"};
  for (int i = 0; i < COUNT(words); i++) {
    atr_target target;
    work.status = ATR_OK;
    ck_assert_int_eq(atr_target_select(&work, X86, "haswell", words[i], &target), ATR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(work.message, "\": expected +NAME or -NAME") != NULL, "%s: %s", words[i], work.message);
  }
}
END_TEST

static const struct {
  const char *triple, *cpu, *features, *message;
} refused_rows[] = {
    {X86, "pentium-mmx", "", "unknown CPU \"pentium-mmx\"; `atrousc targets` lists those that are known"},
    {X86, "", "", "unknown CPU \"\""},
    {X86, "Haswell", "", "unknown CPU \"Haswell\""},
    {X86, "zen9", "-avx2", "unknown CPU \"zen9\""},
    {ARM, "haswell", "", "CPU \"haswell\" is not one of target " ARM},
    {X86, "neoverse-n1", "", "CPU \"neoverse-n1\" is not one of target " X86},
    {X86, "apple-m1", "+avx2,+fma", "CPU \"apple-m1\" is not one of target " X86},
    {RISCV, "haswell", "", "CPU \"haswell\" is not one of target " RISCV},
    {X86, "pentium4", "", "CPU \"pentium4\" is not one of target " X86},
    {I686, "cortex-a9", "", "CPU \"cortex-a9\" is not one of target " I686},
    {ARM, "cortex-a9", "", "CPU \"cortex-a9\" is not one of target " ARM},
    {ARMV7, "neoverse-n1", "", "CPU \"neoverse-n1\" is not one of target " ARMV7},
    {ARM, "sifive-x280", "", "CPU \"sifive-x280\" is not one of target " ARM},
    {RISCV, "bleeding-edge", "", "CPU \"bleeding-edge\" is not one of target " RISCV},
    /* no floats in the base line, or nothing that could run it */
    {"riscv32-unknown-linux-gnu", "generic", "", "no code for target riscv32-unknown-linux-gnu; `atrousc targets` lists those"},
    {"arm-linux-gnueabihf", "generic", "", "no code for target arm-linux-gnueabihf"},
    {"thumbv7em-none-eabi", "generic", "", "no code for target thumbv7em-none-eabi"},
    {"wasm64-unknown-unknown", "generic", "", "no code for target wasm64-unknown-unknown"},
    {"nvptx64-nvidia-cuda", "generic", "", "no code for target nvptx64-nvidia-cuda"},
    {"", "generic", "", "no code for target "},
    {X86, "haswell", "-sse2", "code for " X86 " needs sse2"},
    {X86, "haswell", "-sse", "code for " X86 " needs sse"},
    {X86, "haswell", "+avx,-64bit", "code for " X86 " needs 64bit"},
    {X86, "haswell", "-64bit-mode", "code for " X86 " needs 64bit-mode"},
    {X86, "znver5", "-evex512", "code for " X86 " with AVX-512 needs evex512"},
    {X86, "haswell", "+avx512vnni,-evex512", "code for " X86 " with AVX-512 needs evex512"},
    {I686, "pentium4", "+avx,-sse2", "code for " I686 " needs sse2"},
    {ARM, "generic", "-neon", "code for " ARM " needs neon"},
    {ARM, "generic", "-fp-armv8", "code for " ARM " needs fp-armv8"},
    {ARMV7, "cortex-a9", "-neon", "code for " ARMV7 " needs neon"},
    {ARMV7, "cortex-a9", "-fpregs", "code for " ARMV7 " needs fpregs"},
    {RISCV, "generic-rv64", "+zvl256b", "features of vectors for " RISCV " need +v beside them"},
    {RISCV, "sifive-x280", "-v,+zvbb", "features of vectors for " RISCV " need +v beside them"},
    {RISCV, "generic-rv64", "-64bit", "code for " RISCV " needs 64bit"},
    {RISCV, "generic-rv64", "-zicsr", "code for " RISCV " needs zicsr"},
    {RISCV, "generic-rv64", "-d", "code for " RISCV " needs d"},
    {RISCV, "sifive-u74", "-f", "code for " RISCV " needs f"},
    /* LLVM would end the process, or encode for another mode */
    {X86, "haswell", "+fma,+soft-float", "code for " X86 " cannot be made with soft-float"},
    {I686, "pentium4", "+16bit-mode", "code for " I686 " cannot be made with 16bit-mode"},
    {ARMV7, "cortex-a9", "+soft-float", "code for " ARMV7 " cannot be made with soft-float"},
    {ARMV7, "cortex-a9", "+mve.fp", "code for " ARMV7 " cannot be made with mve.fp"},
    {RISCV, "generic-rv64", "+zfinx", "code for " RISCV " cannot be made with zfinx"},
    {WASM, "generic-rv64", "", "CPU \"generic-rv64\" is not one of target " WASM},
};

START_TEST(test_refused) {
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, refused_rows[_i].triple, refused_rows[_i].cpu, refused_rows[_i].features, &target),
                   ATR_UNSUPPORTED);
  ck_assert_msg(strstr(work.message, refused_rows[_i].message) != NULL, "%s", work.message);
}
END_TEST

START_TEST(test_rows) {
  static const char *const names[ROW_COUNT] = {"avx512", "avx512zen5", "avx512half", "avx2",    "sse2",   "sse2x8",
                                               "sve512", "sve256",     "neon",       "neonfma", "neon32", "rvv512",
                                               "rvv256", "rvv128",     "rv64",       "simd128", "wasm",   "vector128"};
  ck_assert_int_eq(atr_target_row_count(), ROW_COUNT);
  for (int i = 0; i < ROW_COUNT; i++) {
    const atr_target_row *row = atr_target_row_at(i);
    ck_assert_str_eq(row->name, names[i]);
    ck_assert_int_ge(row->registers, strcmp(row->arch, "i686") == 0 ? 8 : 16);
    ck_assert(row->vector_bits >= 64 && (row->vector_bits & (row->vector_bits - 1)) == 0);
    /* the last of each architecture is there whatever the features, and its example is one of it */
    bool last = i + 1 == ROW_COUNT || strcmp(row->arch, atr_target_row_at(i + 1)->arch) != 0;
    ck_assert_int_eq(row->asks[0] == '\0', last);
    atr_target target;
    const char *triple = atr_target_example(row);
    ck_assert_int_eq(atr_target_select(&work, triple, atr_target_default_cpu(triple), "", &target), ATR_OK);
    ck_assert_str_eq(target.row->arch, row->arch);
    ck_assert(row->fma_per_cycle > 0 && row->loads_per_cycle > 0 && row->fma_latency > 0);
  }
  /* halves of 512 bits are done at the rate of 256 bits */
  const atr_target_row *half = atr_target_row_at(ROW_AVX512_HALF), *narrow = atr_target_row_at(ROW_AVX2);
  ck_assert_double_eq(half->fma_per_cycle * half->vector_bits, narrow->fma_per_cycle * narrow->vector_bits);
  ck_assert_double_eq(half->loads_per_cycle * half->vector_bits, narrow->loads_per_cycle * narrow->vector_bits);
  ck_assert_ptr_null(atr_target_row_at(-1));
  ck_assert_ptr_null(atr_target_row_at(ROW_COUNT));
}
END_TEST

/* ---- the cost model: known choices */

typedef struct choice_row {
  const char *instructions;
  uint32_t rows;      /* bit i: row i of the target table */
  const char *vector; /* by row from the first bit on, up to a blank line: what the schedule's text must hold */
} choice_row;

enum {
  ALL = (1 << ROW_COUNT) - 1,
  VECTORS = ALL & ~(1 << ROW_RV64 | 1 << ROW_WASM),
  WIDE = 1 << ROW_AVX512 | 1 << ROW_AVX512_ZEN5 | 1 << ROW_AVX512_HALF | 1 << ROW_AVX2
};
#define CONV(lhs, rhs, attributes) "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = convolution(x, w), " attributes

static const choice_row choice_rows[] = {
    /* %L is the number of f32 lanes of the row */
    {CONV("f32[1,28,28,128]", "f32[3,3,128,128]", "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"), ALL,
     "; vector oc:%L; pack rhs"},
    {CONV("f32[1,56,56,64]", "f32[1,1,64,256]", "window={size=1x1}, dim_labels=b01f_01io->b01f"), ALL,
     "; vector oc:%L; pack rhs"},
    {CONV("f32[1,32,32,128]", "f32[4,4,128,64]", "window={size=4x4 pad=2_2x2_2 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f"),
     ALL, "; vector oc:%L; pack rhs"},
    {CONV("f32[1,56,56,192]", "f32[3,3,1,192]",
          "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=192"),
     ALL, "; vector g:%L"},
    {CONV("f32[1,512,512,1]", "f32[5,5,1,1]", "window={size=5x5}, dim_labels=b01f_01io->b01f"), ALL, "; vector ox:%L"},
    {CONV("f32[1,512,512,1]", "f32[3,3,1,1]", "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"), ALL,
     "; vector ox:%L"},
    {CONV("f32[1,64,64,64]", "f32[64,64,3,3]", "window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01"), ALL, "vector o"},
    {CONV("f32[1,3,64,512]", "f32[2,3,3,3]", "window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01"), VECTORS,
     "; vector ox:%L"},
    {CONV("f32[1,56,56,128]", "f32[3,3,4,128]",
          "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=32"),
     WIDE, "; vector g:%G oc:4; pack rhs"},
    {"x = f32[1000] parameter(0) ROOT y = negate(x)", ALL, "vector d0:%L"},
};

/* %L and %G (lanes / 4) of the pattern as numbers. */
static const char *with_lanes(const char *pattern, int lanes) {
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "");
  for (const char *at = pattern; *at != '\0'; at++) {
    if (*at == '%') atr_text_printf(&text, "%d", *++at == 'L' ? lanes : lanes / 4);
    else atr_text_append(&text, at, 1);
  }
  return text.data;
}

START_TEST(test_known_choices) {
  const choice_row *r = &choice_rows[_i];
  const atr_program *program = collapsed_of(r->instructions);
  for (int i = 0; i < ROW_COUNT; i++) {
    if ((r->rows >> i & 1) == 0) continue;
    atr_target target = target_of_row(i, false);
    const char *wanted = with_lanes(r->vector, target.row->vector_bits / 32);
    for (int n = 0; n < program->nest_count; n++) {
      atr_schedule schedule;
      const char *why;
      atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
      atr_schedule_choose(&arena, program->nests[n], &setting, &schedule, &why);
      const char *text = schedule_text(program->nests[n], &schedule);
      ck_assert_msg(strstr(text, wanted) != NULL, "%s: '%s' is not in '%s' (%s)", target.row->name, wanted, text, why);
    }
  }
}
END_TEST

/* Code counts by the work of a convolution's nests: the strips around a large window are a small part of it, so theirs is shorter.
 * Convolutions beside each other have their own. */
START_TEST(test_code_counts_by_work) {
  const atr_program *program = collapsed_of(
      CONV("f32[1,256,256,1]", "f32[31,31,1,1]", "window={size=31x31 pad=15_15x15_15}, dim_labels=b01f_01io->b01f"));
  const atr_target target = target_of_row(ROW_AVX2, false);
  ck_assert_int_eq(program->nest_count, 5);
  for (int n = 0; n < program->nest_count; n++) {
    atr_schedule_setting setting = atr_schedule_setting_of(program, program->nests[n], &target, 0);
    bool strip = n < 4; /* 15 of 256 rows, or of the rest */
    ck_assert_msg(strip ? setting.nests > 15 && setting.nests < 20 : setting.nests > 1.2 && setting.nests < 1.3, "%g",
                  setting.nests);
  }
  program = collapsed_of("x = f32[1,64,64,8] parameter(0) v = f32[3,3,8,8] parameter(1) w = f32[1,1,8,8] parameter(2) "
                         "z = f32[1,64,64,8] convolution(x, v), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f "
                         "ROOT y = f32[1,64,64,8] convolution(z, w), window={size=1x1}, dim_labels=b01f_01io->b01f");
  ck_assert_int_eq(program->nest_count, 2);
  for (int n = 0; n < program->nest_count; n++)
    ck_assert_double_eq(atr_schedule_setting_of(program, program->nests[n], &target, 0).nests, 1);
}
END_TEST

/* AVX2 CPUs have an instruction for fours of their own, AVX-VNNI. */
START_TEST(test_fours) {
  static const struct {
    const char *cpu, *features;
    bool has;
  } rows[] = {{"alderlake", "", true},       {"alderlake", "-avxvnni", false},
              {"haswell", "+avxvnni", true}, {"haswell", "+avx512vnni", false},
              {"znver4", "-avx512f", false}, {"sapphirerapids", "-avx512f,+avxvnni", true},
              {"nehalem", "+avxvnni", false}};
  for (int i = 0; i < COUNT(rows); i++) {
    atr_target target;
    ck_assert_int_eq(atr_target_select(&work, X86, rows[i].cpu, rows[i].features, &target), ATR_OK);
    ck_assert_msg(target.s8_dot == rows[i].has, "%s %s", rows[i].cpu, rows[i].features);
    ck_assert_msg(target.vnni || !target.s8_dot, "%s %s has no pairs", rows[i].cpu, rows[i].features);
  }
}
END_TEST

/* Pairs of narrow integers are multiplied at once on x86, and nowhere else; pairs of bf16 where there
 * is an instruction for them. */
START_TEST(test_dot_choice) {
  static const struct {
    const char *lhs, *rhs, *out;
    bool on_x86, elsewhere;
  } convs[] = {
      {"s8[1,28,28,64]", "s8[3,3,64,64]", "s32", true, false},     {"s8[1,28,28,63]", "s8[3,3,63,64]", "s32", true, false},
      {"s8[1,28,28,1]", "s8[3,3,1,64]", "s32", false, false},      {"s8[1,28,28,64]", "s8[3,3,64,64]", "s16", false, false},
      {"bf16[1,28,28,64]", "bf16[3,3,64,64]", "bf16", true, true}, {"bf16[1,28,28,63]", "bf16[3,3,63,64]", "bf16", true, true},
      {"bf16[1,28,28,1]", "bf16[3,3,1,64]", "bf16", false, false}};
  for (int c = 0; c < COUNT(convs); c++) {
    const atr_program *program = collapsed_of(
        atr_arena_printf(&arena,
                         "x = %s parameter(0) w = %s parameter(1) ROOT y = %s[1,28,28,64] convolution(x, w), "
                         "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
                         convs[c].lhs, convs[c].rhs, convs[c].out));
    for (int i = 0; i < 2 * ROW_COUNT; i++) {
      atr_target target = target_of_row(i / 2, i / 2 == ROW_AVX512);
      target.bf16_dot = i % 2 == 1;
      atr_schedule schedule;
      const char *why;
      atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
      atr_schedule_choose(&arena, program->nests[0], &setting, &schedule, &why);
      const char *text = schedule_text(program->nests[0], &schedule);
      bool dot = strstr(text, "; dot ic:2; pack rhs") != NULL,
           wanted = target.row->s16_dot ? convs[c].on_x86 : convs[c].elsewhere;
      if (convs[c].lhs[0] == 'b' && !(target.row->fma && target.bf16_dot)) continue;
      ck_assert_msg(dot == wanted, "%s, %s: %s", convs[c].lhs, target.row->name, text);
      ck_assert_msg(!dot || strstr(why, "pairs of ic at once") != NULL, "%s", why);
      bool flushes = dot && target.bf16_dot && convs[c].lhs[0] == 'b';
      ck_assert_msg((strstr(why, "subnormal") != NULL) == flushes, "%s", why);
    }
  }
}
END_TEST

/* Where there is an instruction for fours they are preferred, but for sums of two terms and for 16 bits. */
START_TEST(test_fours_choice) {
  static const struct {
    const char *lhs, *rhs, *wanted, *why;
  } convs[] = {{"s8[1,28,28,64]", "s8[3,3,64,64]", "; dot ic:4; pack rhs", "fours of ic at once"},
               {"u8[1,28,28,64]", "s8[3,3,64,64]", "; dot ic:4; pack rhs", "fours of ic at once"},
               {"u8[1,28,28,3]", "s8[3,3,3,64]", "; dot ic:4; pack rhs", "fours of ic at once"},
               {"s8[1,28,28,2]", "s8[3,3,2,64]", "; dot ic:2; pack rhs", "pairs of ic at once"},
               {"s16[1,28,28,64]", "s16[3,3,64,64]", "; dot ic:2; pack rhs", "pairs of ic at once"}};
  for (int c = 0; c < COUNT(convs); c++) {
    const atr_program *program = collapsed_of(
        atr_arena_printf(&arena,
                         "x = %s parameter(0) w = %s parameter(1) ROOT y = s32[1,28,28,64] convolution(x, w), "
                         "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
                         convs[c].lhs, convs[c].rhs));
    atr_target target = target_of_row(ROW_AVX512, true);
    target.s8_dot = true;
    atr_schedule schedule;
    const char *why;
    atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
    atr_schedule_choose(&arena, program->nests[0], &setting, &schedule, &why);
    const char *text = schedule_text(program->nests[0], &schedule);
    ck_assert_msg(strstr(text, convs[c].wanted) != NULL, "%s: %s", convs[c].lhs, text);
    ck_assert_msg(strstr(why, convs[c].why) != NULL, "%s: %s", convs[c].lhs, why);
  }
}
END_TEST

static void choose_for(const atr_nest *nest, const atr_target *target, atr_schedule *schedule) {
  const char *why;
  atr_schedule_choose(&arena, nest, &(atr_schedule_setting){.target = target, .rhs_constant = true, .nests = 1}, schedule, &why);
}

static void choose_on(const atr_nest *nest, int row, atr_schedule *schedule) {
  const atr_target target = target_of_row(row, false);
  choose_for(nest, &target, schedule);
}

static const char *text_chosen_on(const atr_nest *nest, int row) {
  atr_schedule schedule;
  choose_on(nest, row, &schedule);
  return schedule_text(nest, &schedule);
}

/* The same with the CPU's own caches. */
static const char *text_chosen_on_haswell(const atr_nest *nest) {
  atr_target haswell;
  atr_schedule schedule;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &haswell), ATR_OK);
  choose_for(nest, &haswell, &schedule);
  return schedule_text(nest, &schedule);
}

/* Operands that are used often enough are converted once; those of a few uses, or of an instruction for pairs, never. */
START_TEST(test_widen_choice) {
  static const struct {
    const char *dtype, *lhs, *rhs, *wanted;
    bool bf16_dot;
  } convs[] = {
      {"f16", "[1,28,28,128]", "[3,3,128,128]", "; widen lhs rhs; pack rhs", false},
      {"f16", "[1,56,56,64]", "[1,1,64,256]", "; widen lhs rhs; pack rhs", false},
      {"bf16", "[1,28,28,128]", "[3,3,128,128]", "; widen lhs rhs; pack rhs", false},
      {"bf16", "[1,28,28,128]", "[3,3,128,128]", "; dot kx_ic:2; pack rhs", true},
      {"f16", "[1,112,112,32]", "[3,3,1,32]", "; widen rhs; pack rhs", false},
      {"f32", "[1,28,28,128]", "[3,3,128,128]", "; pack rhs", false},
  };
  for (int c = 0; c < COUNT(convs); c++) {
    const atr_program *program = collapsed_of(
        atr_arena_printf(&arena,
                         "x = %s%s parameter(0) w = %s%s parameter(1) ROOT y = convolution(x, w), "
                         "window={size=%cx%c}, dim_labels=b01f_01io->b01f, feature_group_count=%d",
                         convs[c].dtype, convs[c].lhs, convs[c].dtype, convs[c].rhs, convs[c].rhs[1], convs[c].rhs[1],
                         strstr(convs[c].rhs, ",1,32]") != NULL ? 32 : 1));
    atr_target target = target_of_row(ROW_AVX512, false);
    target.bf16_dot = convs[c].bf16_dot;
    atr_schedule schedule;
    choose_for(program->nests[0], &target, &schedule);
    const char *text = schedule_text(program->nests[0], &schedule), *found = strstr(text, convs[c].wanted);
    ck_assert_msg(found != NULL && (strstr(text, "widen") != NULL) == (strstr(convs[c].wanted, "widen") != NULL), "%s: %s",
                  convs[c].lhs, text);
  }
}
END_TEST

/* Weights that could be packed once: those that are near and read one by one stay where they are, others come as one stream. */
START_TEST(test_pack_choice) {
  static const struct {
    const char *lhs, *rhs;
    int size, groups;
    bool packed;
  } convs[] = {
      {"[1,64,56,56]", "[256,64,1,1]", 1, 1, true},
      {"[1,512,28,28]", "[256,512,1,1]", 1, 1, true},
      {"[1,16,56,56]", "[16,1,3,3]", 3, 16, false},
  };
  for (int c = 0; c < COUNT(convs); c++) {
    const atr_program *program = collapsed_of(
        atr_arena_printf(&arena,
                         "x = f32%s parameter(0) w = f32%s parameter(1) ROOT y = convolution(x, w), window={size=%dx%d}, "
                         "dim_labels=bf01_oi01->bf01, feature_group_count=%d",
                         convs[c].lhs, convs[c].rhs, convs[c].size, convs[c].size, convs[c].groups));
    atr_schedule schedule;
    choose_on(program->nests[0], ROW_AVX2, &schedule);
    ck_assert_msg(schedule.pack_rhs == convs[c].packed, "%s: %s", convs[c].rhs, schedule_text(program->nests[0], &schedule));
  }
}
END_TEST

/* For an image in NHWC, f32[lhs]. */
static const char *window_chosen_on(int row, const char *lhs, const char *rhs, const char *window, int groups) {
  const atr_program *program = collapsed_of(
      atr_arena_printf(&arena,
                       "x = f32[%s] parameter(0) w = f32[%s] parameter(1) ROOT y = convolution(x, w), "
                       "window={%s}, dim_labels=b01f_01io->b01f, feature_group_count=%d",
                       lhs, rhs, window, groups));
  return text_chosen_on(program->nests[0], row);
}

/* Rows of input and output that are a way of the first cache apart stand in the same sets of it: no more of them than it has ways. */
START_TEST(test_rows_in_one_set) {
  static const struct {
    const char *lhs, *rhs, *window, *many_rows;
    int groups;
    bool fit;
  } images[] = {
      {"1,1024,1024,1", "3,3,1,1", "size=3x3 pad=1_1x1_1", " oy:8", 1, false},
      /* 4 rows of the output and 6 of the input, each line of which two tiles read */
      {"1,1024,1024,1", "3,3,1,1", "size=3x3 pad=1_1x1_1", " oy:4 ox:2", 1, false},
      {"1,1024,1040,1", "3,3,1,1", "size=3x3 pad=1_1x1_1", " oy:8", 1, true},
      {"1,512,2048,1", "3,3,1,1", "size=3x3 pad=1_1x1_1", " oy:4 ox:2", 1, false},
      /* a pixel's neighbours of rate 2 are 4096 bytes apart, as the rows are: 9 with the output's, unless channels pass first */
      {"1,28,28,512", "3,3,1,512", "size=3x3 pad=2_2x2_2 rhs_dilate=2x2", "loop ox; ", 512, false},
      {"1,28,28,528", "3,3,1,528", "size=3x3 pad=2_2x2_2 rhs_dilate=2x2", "ox; ", 528, true},
  };
  for (int i = 0; i < COUNT(images); i++) {
    const char *text = window_chosen_on(ROW_AVX2, images[i].lhs, images[i].rhs, images[i].window, images[i].groups);
    ck_assert_msg((strstr(text, images[i].many_rows) != NULL) == images[i].fit, "%s: %s", images[i].lhs, text);
  }
}
END_TEST

/* Rows of the image throw each other out of the sets that they share, but not the packed weights of their channels, which stay while all
 * pixels pass. */
START_TEST(test_crowded_rows_leave_weights) {
  const char *text = window_chosen_on(ROW_AVX512_ZEN5, "1,7,7,768", "7,7,1,768", "size=7x7 pad=3_3x3_3", 768);
  ck_assert_msg(strncmp(text, "parallel g; loop oy; reduce ky;", 31) == 0, "%s", text);
}
END_TEST

/* Tiles of a part of a pixel's channels, the next one beside it, read and write as long runs as tiles of all channels, and may have more
 * rows at once. */
START_TEST(test_tiles_make_runs) {
  const char *text = window_chosen_on(ROW_AVX2, "8,112,112,32", "3,3,1,32", "size=3x3 pad=1_1x1_1", 32);
  ck_assert_msg(strstr(text, " g:4;") == NULL && strstr(text, " g") != NULL, "%s", text);
}
END_TEST

/* From the second cache loads are fetched ahead that step alike from tile to tile, not those in a loop over three rows of taps. From the
 * third the order of rows makes no difference, and tiles have as many sums as they can. */
START_TEST(test_steady_loads) {
  const char *text = window_chosen_on(ROW_AVX512_ZEN5, "1,14,14,576", "3,3,1,576", "size=3x3 stride=2x2 pad=0_1x0_1", 576);
  ck_assert_msg(strstr(text, "reduce") == NULL && strstr(text, "unroll ky:3 kx:3") != NULL, "%s", text);
  text = window_chosen_on(ROW_AVX512_ZEN5, "8,14,14,384", "3,3,1,384", "size=3x3 pad=1_1x1_1", 384);
  ck_assert_msg(strstr(text, "reduce ky;") != NULL && strstr(text, "ox:7 g:3") != NULL, "%s", text);
}
END_TEST

/* Weights that are used once come in one stream where the unrolled taps lie within the innermost loop: with AVX2 a layer of 7x7 and stride 2
 * takes 0.45 ms, and 0.57 with a loop over columns within unrolled rows. */
START_TEST(test_weights_in_order) {
  static const int rows[] = {ROW_AVX2, ROW_SSE2};
  const atr_program *program = collapsed_of(
      "x = f32[1,55,55,16] parameter(0) w = f32[25,25,784,16] parameter(1) ROOT y = custom-call(x, w), window={size=7x7 stride=2x2}, "
      "dim_labels=b01f_01io->b01f, custom_call_target=\"atrous.local_convolution\"");
  for (int i = 0; i < COUNT(rows); i++) {
    const char *text = text_chosen_on(program->nests[0], rows[i]);
    ck_assert_msg(strstr(text, "reduce ic ky; unroll kx:7") != NULL && strstr(text, "pack") == NULL, "%s", text);
  }
}
END_TEST

/* Half the features of a few pixels and then the other half are one stream of writes. */
START_TEST(test_joined_writes) {
  const char *text = window_chosen_on(ROW_AVX2, "1,572,572,1", "3,3,1,64", "size=3x3", 1);
  ck_assert_msg(strstr(text, "loop ox oc; reduce kx; unroll ky:3 ox:3 oc:4; vector oc:8") != NULL, "%s", text);
  text = window_chosen_on(ROW_AVX2, "8,112,112,16", "1,1,16,96", "size=1x1", 1);
  ck_assert_msg(strstr(text, "loop oc; unroll ic:16 n_oy_ox:2 oc:6; vector oc:8") != NULL, "%s", text);
}
END_TEST

/* Of 4x4 taps one exists. What taps leave out of packed weights are pages only where channels lie within the loop over taps. */
START_TEST(test_pages_of_absent_taps) {
  const char *text = window_chosen_on(ROW_AVX2, "1,1,1,100", "4,4,100,512", "size=4x4 pad=3_3x3_3 rhs_reversal=1x1", 1);
  ck_assert_msg(strstr(text, "reduce kx ic;") != NULL && strstr(text, "pack rhs") != NULL, "%s", text);
}
END_TEST

/* A small dim stands whole in the tile beside copies of another, where both share what is loaded: features of groups and pixels, taps of
 * both directions. */
START_TEST(test_whole_dims) {
  static const struct {
    const char *lhs, *rhs, *window, *unrolled;
  } convs[] = {
      {"1,28,28,96", "3,3,3,96", "size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=32", " oc:3 ox:4;"},
      {"1,56,56,128", "1,56,56,128", "size=56x56 pad=1_1x1_1}, dim_labels=f01b_i01o->01bf, batch_group_count=32", " ox:3 oc:4;"},
      /* the window is an image: a loop over its columns is no code for each of them */
      {"8,28,28,192", "8,28,28,192", "size=28x28 pad=1_1x1_1}, dim_labels=f01b_i01o->01bf, batch_group_count=192", " oy:3 ox:3 "},
  };
  for (int c = 0; c < COUNT(convs); c++) {
    const atr_program *program =
        collapsed_of(atr_arena_printf(&arena,
                                      "x = f32[%s] parameter(0) w = f32[%s] parameter(1) "
                                      "ROOT y = convolution(x, w), window={%s",
                                      convs[c].lhs, convs[c].rhs, convs[c].window));
    const char *text = text_chosen_on(program->nests[0], ROW_AVX512_ZEN5);
    ck_assert_msg(strstr(text, convs[c].unrolled) != NULL, "%s: %s", convs[c].rhs, text);
  }
}
END_TEST

/* Rows of both dims that a tile has copies of stand in the same sets of the nearest cache: three images, 32 KB each, of four columns with
 * their taps are 15 lines in two sets. */
START_TEST(test_rows_of_two_dims_in_one_set) {
  const atr_program *program =
      collapsed_of("x = f32[8,4,4,512] parameter(0) w = f32[4,4,512,256] parameter(1) ROOT y = convolution(x, w), "
                   "window={size=4x4 lhs_dilate=2x2 pad=2_2x2_2 rhs_reversal=1x1}, dim_labels=b01f_01io->b01f");
  const char *text = text_chosen_on_haswell(program->nests[0]);
  ck_assert_msg(strstr(text, "ox:4 n:3") == NULL && strstr(text, " oc:3; vector oc:8") != NULL, "%s", text);
}
END_TEST

/* Features that a vector holds are written as the groups are read, which go on from tile to tile: no short runs. */
START_TEST(test_written_groups) {
  const char *text = window_chosen_on(ROW_AVX512, "8,56,56,128", "3,3,4,128", "size=3x3 pad=1_1x1_1", 32);
  ck_assert_msg(strstr(text, "vector g:4 oc:4") != NULL, "%s", text);
}
END_TEST

/* ---- the cost model: random nests */

typedef struct random_window {
  int64_t size, stride, lo, hi, lhs_dilation, rhs_dilation;
} random_window;

static random_window draw_window(rng *r) {
  static const int64_t holes[] = {1, 1, 1, 2, 3, 9};
  return (random_window){rng_range(r, 1, 6), rng_range(r, 1, 3), rng_range(r, -1, 4),
                         rng_range(r, 0, 3), RNG_PICK(r, holes), rng_range(r, 1, 2)};
}

/* Rule 1. */
static int64_t output_extent(int64_t input, const random_window *w) {
  int64_t padded = w->lo + w->hi + (input - 1) * w->lhs_dilation + 1, window = (w->size - 1) * w->rhs_dilation + 1;
  return padded <= 0 || window > padded ? 0 : (padded - window) / w->stride + 1;
}

/* A convolution of two spatial dimensions: types, groups, both layouts, all of the window, now and then nothing to do. */
static const char *random_conv(rng *r) {
  static const struct {
    const char *in, *out;
  } types[] = {{"f32", "f32"}, {"f32", "f32"},  {"f64", "f64"}, {"s8", "s32"},    {"u8", "s32"},  {"s8", "s8"},
               {"f16", "f16"}, {"bf16", "f32"}, {"s64", "s64"}, {"pred", "pred"}, {"c64", "c64"}, {"c128", "c128"}};
  static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8, 13, 14, 16, 28, 33, 64, 100};
  static const int64_t features[] = {1, 2, 3, 4, 8, 12, 16, 31, 64, 128};
  int type = (int)rng_below(r, COUNT(types));
  bool grouped = rng_chance(r, 1, 3), nchw = rng_chance(r, 1, 3);
  int64_t groups = grouped ? RNG_PICK(r, features) : 1, n = rng_chance(r, 1, 3) ? 3 : 1;
  int64_t ic = grouped ? rng_range(r, 1, 4) : RNG_PICK(r, features), oc = grouped ? rng_range(r, 1, 4) : RNG_PICK(r, features);
  if (rng_chance(r, 1, 20)) ic = 0;
  int64_t h = RNG_PICK(r, extents), w = RNG_PICK(r, extents);
  random_window y = draw_window(r), x = draw_window(r);
  int64_t dims[3][4] = {
      {n, h, w, ic * groups}, {y.size, x.size, ic, oc * groups}, {n, output_extent(h, &y), output_extent(w, &x), oc * groups}};
  static const int nchw_order[3][4] = {{0, 3, 1, 2}, {3, 2, 0, 1}, {0, 3, 1, 2}}, plain[4] = {0, 1, 2, 3};
  const char *shapes[3];
  for (int s = 0; s < 3; s++) {
    const int *o = nchw ? nchw_order[s] : plain;
    shapes[s] = atr_arena_printf(&arena, "%s[%d,%d,%d,%d]", s == 2 ? types[type].out : types[type].in, (int)dims[s][o[0]],
                                 (int)dims[s][o[1]], (int)dims[s][o[2]], (int)dims[s][o[3]]);
  }
  return atr_arena_printf(
      &arena,
      "x = %s parameter(0) w = %s parameter(1) ROOT y = %s convolution(x, w), window={size=%dx%d stride=%dx%d "
      "pad=%d_%dx%d_%d lhs_dilate=%dx%d rhs_dilate=%dx%d}, dim_labels=%s, feature_group_count=%d",
      shapes[0], shapes[1], shapes[2], (int)y.size, (int)x.size, (int)y.stride, (int)x.stride, (int)y.lo, (int)y.hi, (int)x.lo,
      (int)x.hi, (int)y.lhs_dilation, (int)x.lhs_dilation, (int)y.rhs_dilation, (int)x.rhs_dilation,
      nchw ? "bf01_oi01->bf01" : "b01f_01io->b01f", (int)groups);
}

/* Vector registers that the sums of one tile take: unrolled independent copies times the registers of a vector. */
static int64_t accumulator_registers(const atr_nest *nest, const atr_schedule *schedule, const atr_target_row *row) {
  int64_t copies = 1, lanes = 1;
  for (int p = 0; p < schedule->count; p++) {
    const atr_piece *piece = &schedule->pieces[p];
    if (piece->kind == ATR_DIM_UNROLL && !nest->dims[piece->dim].reduced) copies *= piece->extent;
    if (piece->kind == ATR_DIM_VECTOR) lanes *= piece->extent;
  }
  int64_t bits = lanes * (int64_t)atr_dtype_size(atr_dtype_real(nest->acc_dtype)) * 8;
  int64_t parts = atr_dtype_class_of(nest->acc_dtype) == ATR_CLASS_COMPLEX ? 2 : 1;
  return copies * parts * atr_ceil_div(bits, row->vector_bits);
}

/* Two features of each channel: vectors over channels alone would be stored lane by lane. */
START_TEST(test_stores_of_features) {
  const atr_program *program = collapsed_of(
      "x = f32[1,28,28,32] parameter(0) w = f32[3,3,1,64] parameter(1) ROOT y = convolution(x, w), "
      "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=32");
  static const int rows[] = {ROW_AVX512, ROW_AVX512_ZEN5, ROW_AVX512_HALF, ROW_AVX2};
  const char *text = text_chosen_on(program->nests[0], rows[_i]);
  ck_assert_msg(strstr(text, " oc:2; pack rhs") != NULL || strstr(text, "vector ox") != NULL, "%s", text);
}
END_TEST

/* ResNet's 3x3 with stride 2: a small tile is a little quicker where all is near, but brings the weights in more often. */
START_TEST(test_large_tiles) {
  const atr_program *program = collapsed_of(
      "x = f32[1,56,56,128] parameter(0) w = f32[3,3,128,128] parameter(1) ROOT y = convolution(x, w), "
      "window={size=3x3 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f");
  atr_schedule schedule;
  choose_on(program->nests[0], ROW_AVX512_ZEN5, &schedule);
  int64_t sums = accumulator_registers(program->nests[0], &schedule, atr_target_row_at(ROW_AVX512_ZEN5));
  ck_assert_msg(sums >= 16, "%s", schedule_text(program->nests[0], &schedule));
}
END_TEST

/* The signs of signed bytes are turned for each pixel, which takes the time of products only where both have the same units; sums of weights
 * are taken for each vector of these. */
START_TEST(test_turned_signs) {
  static const struct {
    int row;
    bool many_pixels;
  } cases[] = {{ROW_AVX512_ZEN5, true}, {ROW_AVX512, false}};
  const atr_program *program = collapsed_of("x = s8[1,56,56,256] parameter(0) w = s8[1,1,256,64] parameter(1) "
                                            "ROOT y = s32[1,56,56,64] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f");
  atr_schedule schedule;
  atr_target target = target_of_row(cases[_i].row, true);
  target.s8_dot = true;
  choose_for(program->nests[0], &target, &schedule);
  const char *text = schedule_text(program->nests[0], &schedule);
  ck_assert_msg((strstr(text, ":12 oc:2;") != NULL) == cases[_i].many_pixels && strstr(text, "dot ic:4") != NULL, "%s", text);
}
END_TEST

/* Sums, elements for all lanes and one vector of weights may fill 16 registers: fewer sums wait for each other. */
START_TEST(test_full_register_file) {
  static const char *const layers[] = {
      "x = f32[8,224,224,3] parameter(0) w = f32[7,7,3,64] parameter(1) ROOT y = convolution(x, w), "
      "window={size=7x7 stride=2x2 pad=3_3x3_3}, dim_labels=b01f_01io->b01f",
      "x = f32[1,224,224,3] parameter(0) w = f32[4,4,3,96] parameter(1) ROOT y = convolution(x, w), "
      "window={size=4x4 stride=4x4}, dim_labels=b01f_01io->b01f"};
  const atr_program *program = collapsed_of(layers[_i]);
  atr_schedule schedule;
  choose_on(program->nests[0], ROW_AVX2, &schedule);
  int64_t sums = accumulator_registers(program->nests[0], &schedule, atr_target_row_at(ROW_AVX2));
  ck_assert_msg(sums == 12, "%s", schedule_text(program->nests[0], &schedule));
}
END_TEST

/* For an image in NCHW. */
static const char *planes_chosen_on_haswell(const char *lhs, const char *rhs, const char *window) {
  const atr_program *program = collapsed_of(
      atr_arena_printf(&arena,
                       "x = %s parameter(0) w = %s parameter(1) ROOT y = convolution(x, w), window={%s}, "
                       "dim_labels=bf01_oi01->bf01",
                       lhs, rhs, window));
  return text_chosen_on_haswell(program->nests[0]);
}

/* Where there are 16 registers: loops over taps cost little beside steps of many products; taps of one element that follow each other want
 * more sums; and elements that are used once take no last register of tiles of several taps. */
START_TEST(test_products_in_few_registers) {
  const char *stem = window_chosen_on(ROW_AVX2, "1,224,224,3", "3,3,3,32", "size=3x3 stride=2x2 pad=0_1x0_1", 1);
  ck_assert_msg(strstr(stem, "reduce ky kx; unroll ic:3") != NULL, "%s", stem);
  const char *dense = window_chosen_on(ROW_AVX2, "1,28,28,128", "3,3,128,128", "size=3x3 pad=1_1x1_1", 1);
  ck_assert_msg(strstr(dense, " ox:6 oc:2;") != NULL || strstr(dense, " oy:6 oc:2;") != NULL, "%s", dense);
  const char *apart = window_chosen_on(ROW_SSE2, "1,28,28,128", "3,3,128,128", "size=3x3 pad=1_1x1_1", 1); /* multiplies, then adds */
  ck_assert_msg(strstr(apart, "unroll kx:3 ox:10;") != NULL || strstr(apart, "unroll ky:3 oy:10;") != NULL, "%s", apart);
  const char *planes = planes_chosen_on_haswell("f32[1,256,28,28]", "f32[256,256,3,3]", "size=3x3 stride=2x2 pad=1_1x1_1");
  ck_assert_msg(strstr(planes, " ox:14;") == NULL, "%s", planes);
}
END_TEST

/* 10 or 12 sums rather than 7, or than 14, some of which LLVM spills; and no lanes for columns of an image that two vectors cover: a third of
 * the products would be blended into their sums. */
START_TEST(test_sums_in_few_registers) {
  const char *dense = planes_chosen_on_haswell("f32[1,256,14,14]", "f32[256,256,3,3]", "size=3x3 pad=1_1x1_1");
  ck_assert_msg(strstr(dense, "vector oc:8") != NULL && strstr(dense, " oc:2;") != NULL, "%s", dense);
  const char *strided = planes_chosen_on_haswell("f32[1,512,14,14]", "f32[512,512,3,3]", "size=3x3 stride=2x2 pad=1_1x1_1");
  ck_assert_msg(strstr(strided, "vector oc:8") != NULL && strstr(strided, " ox:4 oc:3;") != NULL, "%s", strided);
}
END_TEST

/* DCGAN's 4x4 with stride 2, planes of channels one after the other. Vectors over features are stored lane by lane, in lines as far
 * apart as planes are: where these fill 4 KB they all fall into one set of the nearest cache, which has fewer ways. */
START_TEST(test_stores_in_one_set) {
  static const char *const planes[] = {
      "x = f32[8,128,16,18] parameter(0) w = f32[64,128,4,4] parameter(1) ROOT y = f32[8,64,32,36] convolution(x, w), "
      "window={size=4x4 lhs_dilate=2x2 pad=2_2x2_2 rhs_reversal=1x1}, dim_labels=bf01_oi01->bf01",
      "x = f32[8,128,16,16] parameter(0) w = f32[64,128,4,4] parameter(1) ROOT y = f32[8,64,32,32] convolution(x, w), "
      "window={size=4x4 lhs_dilate=2x2 pad=2_2x2_2 rhs_reversal=1x1}, dim_labels=bf01_oi01->bf01"};
  const atr_program *program = phases_of(canonical_of(planes[_i]));
  const char *text = text_chosen_on(program->nests[0], ROW_AVX512_ZEN5);
  ck_assert_msg(strstr(text, _i == 0 ? "vector oc" : "vector ox") != NULL, "%s", text);
}
END_TEST

/* One feature of 256 channels: lanes over pixels read elements 1 KB apart, in lines of four sets of the nearest cache, which has 12 ways.
 * With 64 channels sixteen sets hold more of them. */
START_TEST(test_loads_in_few_sets) {
  static const struct {
    const char *instructions;
    int most;
  } rows[] = {{"x = f32[1,56,56,256] parameter(0) w = f32[1,1,256,1] parameter(1) ROOT y = convolution(x, w), "
               "window={size=1x1}, dim_labels=b01f_01io->b01f",
               48},
              {"x = f32[1,56,56,64] parameter(0) w = f32[1,1,64,1] parameter(1) ROOT y = convolution(x, w), "
               "window={size=1x1}, dim_labels=b01f_01io->b01f",
               192}};
  atr_schedule schedule;
  const atr_nest *nest = collapsed_of(rows[_i].instructions)->nests[0];
  choose_on(nest, ROW_AVX512_ZEN5, &schedule);
  int64_t lanes = 16 * accumulator_registers(nest, &schedule, atr_target_row_at(ROW_AVX512_ZEN5));
  ck_assert_msg(lanes <= rows[_i].most && 2 * lanes > rows[_i].most / 2, "%s", schedule_text(nest, &schedule));
}
END_TEST

/* Channels are moved apart, three to a pixel: a vector is picked from three, not lane by lane. */
START_TEST(test_every_third) {
  const atr_program *program = collapsed_of(
      "x = f32[224,224,3] parameter(0) ROOT y = f32[3,224,224] transpose(x), dimensions={2,0,1}");
  const char *text = text_chosen_on(program->nests[0], ROW_AVX512_ZEN5);
  ck_assert_msg(strstr(text, "vector d1_d2:16") != NULL, "%s", text);
}
END_TEST

/* One channel to 64 of 570 x 570 pixels: 83 MB are written. Zen 5 fetches lines of one row as fast as of several. */
START_TEST(test_streams) {
  const atr_nest *nest = collapsed_of("x = f32[1,572,572,1] parameter(0) w = f32[3,3,1,64] parameter(1) "
                                      "ROOT y = convolution(x, w), window={size=3x3}, dim_labels=b01f_01io->b01f")
                             ->nests[0];
  const char *zen5 = text_chosen_on(nest, ROW_AVX512_ZEN5), *server = text_chosen_on(nest, ROW_AVX512);
  ck_assert_msg(strstr(zen5, " oy:") == NULL, "%s", zen5);
  ck_assert_msg(strstr(server, " oy:") != NULL, "%s", server);
}
END_TEST

/* Depthwise 7x7 on 7x7 pixels of planes: a tile over all columns loads the seven that there are, not the thirteen that its taps reach. */
START_TEST(test_columns_that_exist) {
  const atr_program *program = collapsed_of(
      "x = f32[1,768,7,7] parameter(0) w = f32[768,1,7,7] parameter(1) ROOT y = convolution(x, w), "
      "window={size=7x7 pad=3_3x3_3}, dim_labels=bf01_oi01->bf01, feature_group_count=768");
  const char *text = text_chosen_on(program->nests[0], ROW_AVX512_ZEN5);
  ck_assert_msg(strstr(text, "kx:7 ox:7") != NULL && strstr(text, "vector g:16") != NULL, "%s", text);
}
END_TEST

/* A limit well above the best schedule's cycles changes nothing, and one below leaves none. */
static void check_limit(const atr_nest *nest, atr_schedule_setting setting) {
  atr_choice best, limited;
  ck_assert_int_eq(atr_schedule_rank(&arena, nest, &setting, 1, &best), 1);
  if (best.cycles <= 0) return;
  setting.limit = best.cycles * 2;
  ck_assert_int_eq(atr_schedule_rank(&arena, nest, &setting, 1, &limited), 1);
  ck_assert_str_eq(limited.why, best.why);
  setting.limit = best.cycles * 0.999;
  ck_assert_int_eq(atr_schedule_rank(&arena, nest, &setting, 1, &limited), 0);
}

/* What the model sees is the nest and the target: asked again, after other questions and with other memory, it answers the
 * same. */
static void check_choice(const atr_program *program, const atr_nest *nest, int row, bool twice) {
  atr_target target = target_of_row(row, false);
  atr_schedule schedule, again;
  const char *why, *why_again;
  atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
  atr_schedule_choose(&arena, nest, &setting, &schedule, &why);
  const char *text = schedule_text(nest, &schedule);
  atr_work checking = {.arena = &arena};
  ck_assert_msg(atr_schedule_check(&checking, nest, &schedule) == ATR_OK, "%s: %s\n%s", text, checking.message,
                nest_text(program, nest));
  if (atr_nest_macs(nest) > 0) {
    int64_t registers = accumulator_registers(nest, &schedule, target.row);
    ck_assert_msg(registers <= target.row->registers, "%d registers on %s: %s\n%s", (int)registers, target.row->name, text,
                  nest_text(program, nest));
  }
  if (twice) {
    memset(&again, 0x5a, sizeof again);
    atr_schedule_choose(&arena, atr_nest_copy(&arena, nest), &setting, &again, &why_again);
    ck_assert_str_eq(schedule_text(nest, &again), text);
    ck_assert_str_eq(why_again, why);
    check_limit(nest, setting);
  }
  atr_nest *tiled = atr_nest_tile(&arena, nest, &schedule);
  atr_work building = {.arena = &arena};
  atr_status built = atr_nest_build_tree(&building, tiled);
  ck_assert_msg(built == ATR_OK, "%s: %s\n%s", text, building.message, nest_text(program, nest));
}

enum { RANDOM_BATCHES = 24, RANDOM_CONVS = 10 };

START_TEST(test_random_choices) {
  rng r = rng_make(14, (uint64_t)_i);
  for (int c = 0; c < RANDOM_CONVS; c++) {
    const atr_program *program = collapsed_of(random_conv(&r));
    /* Phases are alike: the first few stand for all. Every row has its turn with each third convolution. */
    for (int n = 0; n < program->nest_count && n < 4; n++)
      for (int row = c % 3; row < ROW_COUNT; row += 3) check_choice(program, program->nests[n], row, row == c % ROW_COUNT);
  }
}
END_TEST

/* The first and second cache are the CPU's own where they are known. */
START_TEST(test_caches) {
  static const struct {
    const char *cpu;
    double first, second;
  } caches[] = {{"haswell", 32e3, 256 << 10}, {"znver3", 32e3, 512 << 10}, {"icelake-server", 48 << 10, 1280 << 10},
                {"sapphirerapids", 48 << 10, 2 << 20}, {"x86-64-v4", 48e3, 1.25e6},    {"cascadelake", 32 << 10, 1 << 20}};
  for (int i = 0; i < COUNT(caches); i++) {
    atr_target target;
    ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", caches[i].cpu, "", &target), ATR_OK);
    ck_assert(atr_target_cache(&target, 0) == caches[i].first);
    ck_assert(atr_target_cache(&target, 1) == caches[i].second);
    ck_assert(atr_target_cache(&target, 2) == target.row->caches->bytes[2]);
    for (int level = 0; level < ATR_CACHE_LEVELS; level++) {
      double room = atr_target_room(&target, level) / atr_target_cache(&target, level);
      ck_assert(room > 0.99 * target.row->caches->room[level] && room < 1.01 * target.row->caches->room[level] && room < 1);
    }
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("target");
  TCase *tc = tcase_create("target");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_select, 0, COUNT(target_rows));
  tcase_add_test(tc, test_signs);
  tcase_add_loop_test(tc, test_refused, 0, COUNT(refused_rows));
  tcase_add_test(tc, test_architectures);
  tcase_add_test(tc, test_rows);
  tcase_add_loop_test(tc, test_known_choices, 0, COUNT(choice_rows));
  tcase_add_test(tc, test_code_counts_by_work);
  tcase_add_test(tc, test_dot_choice);
  tcase_add_test(tc, test_fours);
  tcase_add_test(tc, test_fours_choice);
  tcase_add_loop_test(tc, test_stores_of_features, 0, 4);
  tcase_add_test(tc, test_large_tiles);
  tcase_add_loop_test(tc, test_full_register_file, 0, 2);
  tcase_add_test(tc, test_products_in_few_registers);
  tcase_add_test(tc, test_sums_in_few_registers);
  tcase_add_loop_test(tc, test_turned_signs, 0, 2);
  tcase_add_loop_test(tc, test_stores_in_one_set, 0, 2);
  tcase_add_test(tc, test_columns_that_exist);
  tcase_add_loop_test(tc, test_loads_in_few_sets, 0, 2);
  tcase_add_test(tc, test_every_third);
  tcase_add_test(tc, test_streams);
  tcase_add_test(tc, test_widen_choice);
  tcase_add_test(tc, test_pack_choice);
  tcase_add_test(tc, test_rows_in_one_set);
  tcase_add_test(tc, test_crowded_rows_leave_weights);
  tcase_add_test(tc, test_tiles_make_runs);
  tcase_add_test(tc, test_steady_loads);
  tcase_add_test(tc, test_weights_in_order);
  tcase_add_test(tc, test_joined_writes);
  tcase_add_test(tc, test_pages_of_absent_taps);
  tcase_add_test(tc, test_whole_dims);
  tcase_add_test(tc, test_rows_of_two_dims_in_one_set);
  tcase_add_test(tc, test_written_groups);
  tcase_add_test(tc, test_caches);
  tcase_add_loop_test(tc, test_random_choices, 0, RANDOM_BATCHES);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }
