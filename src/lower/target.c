/* target.c - the table of CPUs (target.h) and the choice of a row.
 *
 * Figures: vector width, architectural registers, ports and latency of the arithmetic that a convolution lives from, as the
 * vendors' optimisation guides give them for the family; they steer the cost model and never affect a result. */
#include "lower/target.h"

#include <string.h>

#define SERVER_CACHES                                                                                                          \
  {32e3, 1e6, 16e6}, {3.2, 1.5, 14}, {64, 2048}, { 1, 12 }
#define SMALL_CACHES                                                                                                           \
  {32e3, 512e3, 4e6}, {3.2, 4, 20}, {48, 1024}, { 2, 25 }

/* Wider before narrower within an architecture. avx512half: units of 256 bits, which take an instruction of 512 bits in two
 * halves; it has twice as many registers as avx2 and half as many instructions. */
static const atr_target_row ROWS[] = {
    {"avx512", "x86_64", 512, 32, 2, 2, 4, true, true, true, SERVER_CACHES},
    {"avx512half", "x86_64", 512, 32, 1, 1, 4, true, true, true, SERVER_CACHES},
    {"avx2", "x86_64", 256, 16, 2, 2, 4, true, true, true, SERVER_CACHES},
    {"sse2", "x86_64", 128, 16, 1, 2, 8, false, false, false, SMALL_CACHES},
    {"neon", "aarch64", 128, 32, 2, 2, 4, true, true, false, SMALL_CACHES},
    {"vector128", "", 128, 16, 1, 1, 8, false, false, false, SMALL_CACHES},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* CPU names by what they bring; "-" separated lists would not be shorter. */
typedef struct cpu_name {
  const char *cpu, *row;
  bool vnni, bf16_dot;
} cpu_name;

static const cpu_name CPUS[] = {
    {"x86-64", "sse2", 0, 0},           {"x86-64-v2", "sse2", 0, 0},
    {"x86-64-v3", "avx2", 0, 0},        {"x86-64-v4", "avx512", 0, 0},
    {"nehalem", "sse2", 0, 0},          {"westmere", "sse2", 0, 0},
    {"sandybridge", "sse2", 0, 0},      {"ivybridge", "sse2", 0, 0},
    {"haswell", "avx2", 0, 0},          {"broadwell", "avx2", 0, 0},
    {"skylake", "avx2", 0, 0},          {"alderlake", "avx2", 0, 0},
    {"skylake-avx512", "avx512", 0, 0}, {"cascadelake", "avx512", 1, 0},
    {"cooperlake", "avx512", 1, 1},     {"icelake-client", "avx512", 1, 0},
    {"icelake-server", "avx512", 1, 0}, {"tigerlake", "avx512", 1, 0},
    {"sapphirerapids", "avx512", 1, 1}, {"emeraldrapids", "avx512", 1, 1},
    {"graniterapids", "avx512", 1, 1},  {"znver1", "avx2", 0, 0},
    {"znver2", "avx2", 0, 0},           {"znver3", "avx2", 0, 0},
    {"znver4", "avx512half", 1, 1},     {"znver5", "avx512", 1, 1},
    {"cortex-a53", "neon", 0, 0},       {"cortex-a72", "neon", 0, 0},
    {"cortex-a76", "neon", 0, 0},       {"neoverse-n1", "neon", 0, 0},
    {"neoverse-v1", "neon", 0, 1},      {"neoverse-n2", "neon", 0, 1},
    {"apple-m1", "neon", 0, 0},         {"generic", "", 0, 0},
};

int atr_target_row_count(void) { return ROW_COUNT; }

const atr_target_row *atr_target_row_at(int i) { return i >= 0 && i < ROW_COUNT ? &ROWS[i] : NULL; }

static const atr_target_row *row_named(const char *name) {
  for (int i = 0; i < ROW_COUNT; i++)
    if (strcmp(ROWS[i].name, name) == 0) return &ROWS[i];
  return NULL;
}

/* +1: the list says "+feature", -1: it says "-feature", 0: it is silent. */
static int feature_state(const char *features, const char *feature) {
  size_t len = strlen(feature);
  int state = 0;
  for (const char *p = features; *p != '\0';) {
    const char *end = strchr(p, ',');
    size_t n = end != NULL ? (size_t)(end - p) : strlen(p);
    if (n == len + 1 && memcmp(p + 1, feature, len) == 0) state = *p == '+' ? 1 : -1;
    p += n + (end != NULL);
  }
  return state;
}

static bool arch_is(const char *triple, const char *arch) { return strncmp(triple, arch, strlen(arch)) == 0; }

/* The row of an architecture's base line. */
static const atr_target_row *base_row(const char *triple) {
  if (arch_is(triple, "x86_64")) return row_named("sse2");
  if (arch_is(triple, "aarch64") || arch_is(triple, "arm64")) return row_named("neon");
  return row_named("vector128");
}

/* The CPU's own row if it is as wide as the plain one of this name. */
static const atr_target_row *own_or(const atr_target_row *own, const char *name) {
  const atr_target_row *plain = row_named(name);
  return own->vector_bits == plain->vector_bits ? own : plain;
}

/* Features named one by one override what the CPU's name implies. */
static void apply_features(const char *features, atr_target *target) {
  bool is_x86 = strcmp(target->row->arch, "x86_64") == 0;
  if (is_x86) {
    bool has_avx2 = target->row->vector_bits >= 256, has_avx512 = target->row->vector_bits >= 512;
    int avx2_state = feature_state(features, "avx2"), fma = feature_state(features, "fma"),
        wide = feature_state(features, "avx512f");
    if (avx2_state != 0) has_avx2 = avx2_state > 0;
    if (fma < 0) has_avx2 = false;
    if (avx2_state > 0 && fma == 0 && target->row->vector_bits < 256) has_avx2 = false; /* rows with 256 bits use FMA */
    if (wide != 0) has_avx512 = wide > 0;
    target->row = own_or(target->row, !has_avx2 ? "sse2" : has_avx512 ? "avx512" : "avx2");
  }
  int vnni = feature_state(features, "avx512vnni"), bf16 = feature_state(features, is_x86 ? "avx512bf16" : "bf16");
  if (vnni != 0) target->vnni = vnni > 0;
  if (bf16 != 0) target->bf16_dot = bf16 > 0;
  /* the narrower vectors of the instruction are AVX-512's too */
  if (is_x86 && (target->row->vector_bits < 512 || feature_state(features, "avx512vl") < 0)) target->bf16_dot = false;
}

atr_status atr_target_select(atr_work *work, const char *triple, const char *cpu, const char *features, atr_target *out) {
  *out = (atr_target){.row = base_row(triple), .triple = triple, .cpu = cpu, .features = features};
  const cpu_name *known = NULL;
  for (size_t i = 0; i < sizeof CPUS / sizeof CPUS[0]; i++)
    if (strcmp(CPUS[i].cpu, cpu) == 0) known = &CPUS[i];
  const atr_target_row *row = known != NULL ? row_named(known->row) : NULL;
  bool detected = strchr(features, '+') != NULL; /* a full list: the name adds nothing */
  if (known == NULL && !detected)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "unknown CPU \"%s\"; `atrousc targets` lists those that are known",
                    cpu);
  if (row != NULL) {
    if (strcmp(row->arch, out->row->arch) != 0)
      return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "CPU \"%s\" is not one of target %s", cpu, triple);
    out->row = row;
    out->vnni = known->vnni;
    out->bf16_dot = known->bf16_dot;
  }
  apply_features(features, out);
  return ATR_OK;
}
