/* cpu_level.c - see cpu_level.h. Bits as Intel's and AMD's manuals number them; the levels are those of the x86-64 psABI. */
#include "codegen/cpu_level.h"

#include <string.h>

#include "base/text.h"

/* level: that it belongs to, which need not be named; 0: none. */
typedef struct feature {
  const char *name;
  int level, word, bit;
} feature;

static const feature FEATURES[] = {
    {"cx16", 2, ATR_WORD_1_ECX, 13},         {"sahf", 2, ATR_WORD_EXT_1_ECX, 0},
    {"popcnt", 2, ATR_WORD_1_ECX, 23},       {"sse3", 2, ATR_WORD_1_ECX, 0},
    {"ssse3", 2, ATR_WORD_1_ECX, 9},         {"sse4.1", 2, ATR_WORD_1_ECX, 19},
    {"sse4.2", 2, ATR_WORD_1_ECX, 20},       {"avx", 3, ATR_WORD_1_ECX, 28},
    {"avx2", 3, ATR_WORD_7_EBX, 5},          {"bmi", 3, ATR_WORD_7_EBX, 3},
    {"bmi2", 3, ATR_WORD_7_EBX, 8},          {"f16c", 3, ATR_WORD_1_ECX, 29},
    {"fma", 3, ATR_WORD_1_ECX, 12},          {"lzcnt", 3, ATR_WORD_EXT_1_ECX, 5},
    {"movbe", 3, ATR_WORD_1_ECX, 22},        {"avx512f", 4, ATR_WORD_7_EBX, 16},
    {"avx512dq", 4, ATR_WORD_7_EBX, 17},     {"avx512cd", 4, ATR_WORD_7_EBX, 28},
    {"avx512bw", 4, ATR_WORD_7_EBX, 30},     {"avx512vl", 4, ATR_WORD_7_EBX, 31},
    {"avx512vnni", 0, ATR_WORD_7_ECX, 11},   {"avx512bf16", 0, ATR_WORD_7_1_EAX, 5},
    {"avx512vbmi", 0, ATR_WORD_7_ECX, 1},    {"avx512vbmi2", 0, ATR_WORD_7_ECX, 6},
    {"avx512bitalg", 0, ATR_WORD_7_ECX, 12}, {"avx512vpopcntdq", 0, ATR_WORD_7_ECX, 14},
    {"avx512ifma", 0, ATR_WORD_7_EBX, 21},   {"avx512fp16", 0, ATR_WORD_7_EDX, 23},
    {"avxvnni", 0, ATR_WORD_7_1_EAX, 4},     {"gfni", 0, ATR_WORD_7_ECX, 8},
};
enum { FEATURE_COUNT = sizeof FEATURES / sizeof FEATURES[0] };

enum { OSXSAVE = 1 << 27, YMM_STATE = 0x6, ZMM_STATE = 0xe6 };

static const char *const LEVELS[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};

/* 1 to 4: the lowest level that has the row's instructions and that every CPU of the row has. */
static int level_of(const atr_target *target) {
  if (target->row->vector_bits >= 512) return 4;
  if (target->row->vector_bits >= 256) return 3;
  return strcmp(target->cpu, "x86-64") == 0 || strcmp(target->cpu, "generic") == 0 ? 1 : 2;
}

static void need_bit(atr_cpu_level *out, const feature *f) { out->need[f->word] |= 1u << f->bit; }

static void need_level(atr_cpu_level *out, int level) {
  for (int i = 0; i < FEATURE_COUNT; i++)
    if (FEATURES[i].level > 0 && FEATURES[i].level <= level) need_bit(out, &FEATURES[i]);
  if (level >= 3) out->need[ATR_WORD_1_ECX] |= OSXSAVE;
  if (level >= 3) out->need[ATR_WORD_XCR0] |= level >= 4 ? ZMM_STATE : YMM_STATE;
}

/* A feature by its name, and the level whose instructions it brings with it. */
static void need_feature(atr_cpu_level *out, const feature *f) {
  bool wide = strncmp(f->name, "avx512", 6) == 0, vectors = strncmp(f->name, "avx", 3) == 0;
  need_bit(out, f);
  need_level(out, wide ? 4 : vectors || f->level == 3 ? 3 : f->level);
}

static const feature *find(const char *name, size_t len) {
  for (int i = 0; i < FEATURE_COUNT; i++)
    if (strlen(FEATURES[i].name) == len && memcmp(FEATURES[i].name, name, len) == 0) return &FEATURES[i];
  return NULL;
}

/* "+name" of the caller's list; what is taken away need not be there. */
static atr_status need_named(atr_work *work, const char *features, atr_cpu_level *out) {
  for (const char *p = features; *p != '\0';) {
    size_t len = strcspn(p, ",");
    const feature *f = len > 1 && *p == '+' ? find(p + 1, len - 1) : NULL;
    if (len > 0 && *p != '-' && f == NULL)
      return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "feature \"%.*s\" cannot be tested for, so not beside several CPUs",
                      (int)(len < 60 ? len : 60), p);
    if (f != NULL) need_feature(out, f);
    p += len + (p[len] == ',');
  }
  return ATR_OK;
}

atr_status atr_cpu_level_of(atr_work *work, const atr_target *target, atr_cpu_level *out) {
  *out = (atr_cpu_level){.cpu = NULL};
  if (strncmp(target->triple, "x86_64", 6) != 0)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "several CPUs in one object: only x86-64 has a test for them, not %s",
                    target->triple);
  int level = level_of(target);
  atr_text extra = atr_text_make(work->arena);
  atr_text_puts(&extra, target->features);
  need_level(out, level);
  if (target->vnni && level == 4) atr_text_printf(&extra, "%s+avx512vnni", extra.len > 0 ? "," : "");
  if (target->s8_dot && level == 3) atr_text_printf(&extra, "%s+avxvnni", extra.len > 0 ? "," : "");
  if (target->bf16_dot) atr_text_printf(&extra, "%s+avx512bf16", extra.len > 0 ? "," : "");
  out->cpu = LEVELS[level - 1];
  out->features = extra.data;
  out->rank = 4 * level + 2 * target->bf16_dot + target->vnni;
  return need_named(work, extra.data, out);
}
