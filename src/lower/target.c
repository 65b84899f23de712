/* target.c - the tables of architectures, vector units and CPUs (target.h), and the choice of a row.
 *
 * Figures: vector width, architectural registers, ports and latency of the arithmetic that a convolution lives from, as the
 * vendors' optimisation guides give them for the family; they steer the cost model and never affect a result. */
#include "lower/target.h"

#include <string.h>

typedef struct arch {
  const char *name;
  const char *words;  /* first parts of its triples */
  const char *triple; /* an example */
  const char *cpu;    /* where none is named; NULL: there is no code for these */
  const char *adds;   /* what we ask for beyond LLVM's "generic" CPUs, which are older than what has vectors */
  bool adds_to_all;   /* and beyond named ones: LLVM takes NEON for an option of some */
  const char *needs;  /* features that must not be taken away: without them LLVM stops, or other floats come out */
  const char
      *bars; /* and those that must not be asked for: with them LLVM ends the process, or the code is for another machine */
  int address_bits, integer_bits;
  bool lacks_division;
} arch;

static const arch ARCHS[] = {
    {"x86_64", "x86_64 x86_64h amd64", "x86_64-linux-gnu", "x86-64", "", false, "64bit,64bit-mode,sse,sse2",
     "soft-float,16bit-mode,32bit-mode", 64, 64, false},
    {"i686", "i386 i486 i586 i686", "i686-linux-gnu", "pentium4", "+sse2", false, "sse,sse2",
     "soft-float,16bit-mode,64bit-mode,ndd,lvi-load-hardening", 32, 32, false},
    {"aarch64", "aarch64 aarch64_be arm64 arm64e", "aarch64-linux-gnu", "generic", "", false, "fp-armv8,neon", "", 64, 64,
     false},
    {"armv7", "armv7 armv7a armv7l armv7s armv7k armv8 armv8a armv8l thumbv7 thumbv7a", "armv7a-linux-gnueabihf", "generic",
     "+neon", true, "fpregs,neon", "soft-float,lob,mve,mve.fp,noarm", 32, 32, true},
    {"riscv64", "riscv64", "riscv64-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", false, "64bit,zicsr,f,d",
     "32bit,zfinx,zdinx,zhinx,zhinxmin,zce,zcf,zcmp,zcmt,xwchc,experimental-rvm23u32", 64, 64, false},
    {"wasm32", "wasm32", "wasm32-unknown-unknown", "generic", "+simd128", false, "", "", 32, 64, false},
    {"", "powerpc64 powerpc64le s390x mips64 mips64el sparcv9", "powerpc64le-linux-gnu", "generic", "", false, "", "soft-float",
     64, 64, false},
    {"", "powerpc powerpcle mips mipsel sparc", "powerpc-linux-gnu", "generic", "", false, "", "soft-float", 32, 32, false},
    {"", "", "", NULL, "", false, "", "", 64, 64, false}, /* any other: LLVM may know no floats there, and end the process */
};
enum { ARCH_COUNT = sizeof ARCHS / sizeof ARCHS[0] };

/* How caches are used where that was not told apart by the CPU. */
#define SHARES_OF_CACHES                                                                                                       \
  .room = {0.75, 0.75, 0.75}, .exposed = {0.12, 0.12, 0.12}, .near_rows = 1, .near_next = 1, .near_alone = 1, .short_runs = 3, \
  .lines_alone = 8, .streams = 3, .start_lines = 4

/* Walks of page tables on servers are those of virtual machines, through two tables: weights of 9.4 MB that pass for every eleven pixels
 * cost a layer of 512 channels and rate 2 in NCHW 75 ms instead of 61, on a busy machine 111 instead of 64. */
static const atr_caches SERVER_CACHES = {.bytes = {32e3, 1e6, 16e6},
                                         .line_cycles = {2.9, 1.5, 14},
                                         .prefetches = true,
                                         SHARES_OF_CACHES,
                                         .tlb_pages = {64, 2048},
                                         .page_cycles = {1, 60}};
/* A stream of loads takes 1.4 cycles a line from the second cache, 2.4 from the third and 4 to 8 from memory, and does so while others
 * are at work. With the figures of SERVER_CACHES tiles were chosen for what they bring in, not for what they do: depthwise layers took
 * 1.2 to 2.8 times as long. Lines from the third cache are here at less than a stream of loads alone takes, with more of them showing: a
 * depthwise layer of 384 channels, which copies as it multiplies, keeps up with 113000 of them in 202000 cycles, while 2.4 MB of weights
 * that pass for every eleven pixels cost a layer of rate 6 a tenth of its time. */
static const atr_caches ZEN5_CACHES = {.bytes = {48e3, 1e6, 16e6},
                                       .room = {0.75, 0.75, 0.75},
                                       .line_cycles = {1.7, 1.6, 9},
                                       .exposed = {0.06, 0.16, 0.12},
                                       .near_rows = 1,
                                       .near_next = 1,
                                       .near_alone = 1.9,
                                       .short_runs = 1.2,
                                       .lines_alone = 4,
                                       .streams = 1,
                                       .start_lines = 4,
                                       .tlb_pages = {96, 4096},
                                       .page_cycles = {1, 60}};
/* Xeons since Sapphire Rapids: streams of loads take 1.2 cycles a line from the second cache, 6.3 from the third, 12 to 14 from memory;
 * lines by themselves 3, 13 and 30, pairs of them 2, 8 and 18; copies 4.4 from the second and 13 from the third. A line of a depthwise
 * layer's row that the next tile goes on from comes hardly sooner than one by itself: 5x5 on 672 channels of 14 x 14 takes 38 us with 14
 * columns of one vector, 31 with 7 of two. Of 2 MB in pages of 4096 bytes some sets are full where 1.5 pass: a layer of rate 6 takes 54 ms,
 * not 50, with parts that need as much. */
static const atr_caches INTEL_CACHES = {.bytes = {48e3, 1.25e6, 32e6},
                                        .room = {0.75, 0.65, 0.75},
                                        .line_cycles = {1.2, 6.3, 14},
                                        .exposed = {0.12, 0.16, 0.12},
                                        .near_rows = 1.25,
                                        .near_next = 2,
                                        .near_alone = 2.75,
                                        .short_runs = 1.3,
                                        .lines_alone = 2,
                                        .wait_cycles = 0.65,
                                        .store_cycles = 8,
                                        .prefetches = true,
                                        .streams = 3,
                                        .start_lines = 1,
                                        .tlb_pages = {96, 2048},
                                        .page_cycles = {1, 60}};
static const atr_caches SMALL_CACHES = {.bytes = {32e3, 512e3, 4e6},
                                        .line_cycles = {3.2, 4, 20},
                                        SHARES_OF_CACHES,
                                        .tlb_pages = {48, 1024},
                                        .page_cycles = {2, 25}};
#define AVX512_WORDS "avx2,fma,avx512f,avx512bw"

/* Wider before narrower within an architecture; the last of each asks for nothing. avx512: as Intel's have it; loads of lines that
 * come from afar take further turns of the ports, so that 6 x 4 sums of a 1x1 layer beat 13 x 2; and what converts floats does so on
 * the ports that multiply. avx512zen5: what a tile has before and behind its products runs beside those of its neighbours, of which as
 * many instructions are at work as tiles have; and of four vector units two do not multiply: 1x1 on signed bytes, 128 to 512 channels,
 * takes 117 us with 5 x 4 sums, 105 with 12 x 2, whose signs are turned for two products each. avx512half: units of 256 bits, which
 * take an instruction of 512 bits in two halves; it has twice as many registers as avx2 and half as many instructions. sve256, sve512:
 * code for vectors of this length alone. No feature says how long a CPU's are, so these rows ask for words that only names of CPUs
 * imply. Pairs of integers in 512 bits are AVX-512BW's. rvv: at least this long. Rows of 64 bits have no vector unit: two numbers of
 * 32 bits at work for one instruction each. NEON of 32-bit Arm is not as IEEE 754 wants it. */
static const atr_target_row ROWS[] = {
    {"avx512",     "x86_64", 512,  32,           2,     2,    1,    0.15, 0.2, 4, 0.2, true, true, true, true, &INTEL_CACHES,
     AVX512_WORDS, true,     true, "avx512bf16", false, true, false},
    {"avx512zen5", "x86_64", 512,  32,           2,     2,    2,   0.1, 0.07, 4, 0.2, true, true, true, true, &ZEN5_CACHES,
     AVX512_WORDS, true,     true, "avx512bf16", false, true, true},
    {"avx512half", "x86_64", 512,  32,           1,     1,    1,    0.1, 0.07, 4, 1, true, true, true, true, &SERVER_CACHES,
     AVX512_WORDS, true,     true, "avx512bf16", false, true, false},
    {"avx2", "x86_64",       256,        16,   2,    2,  1,     0.1,   0.07, 4, 1, true, true, true,
     true,   &SERVER_CACHES, "avx2,fma", true, true, "", false, false, false},
    {"sse2", "x86_64", 128,           16, 1,    2,     1,  0.1,   0.07,  8,    1, false, false,
     false,  false,    &SMALL_CACHES, "", true, false, "", false, false, false},
    {"sse2x8", "i686", 128,           8,  1,    2,     1,  0.1,   0.07,  8,    1, false, false,
     false,    false,  &SMALL_CACHES, "", true, false, "", false, false, false},
    {"sve512", "aarch64",      512,          32,    2,     2,      1,     0.1,   0.07, 9, 1, true, true, false,
     true,     &SERVER_CACHES, "sve,sve512", false, false, "bf16", false, false, false},
    {"sve256", "aarch64",      256,          32,    2,     2,      1,     0.1,   0.07, 4, 1, true, true, false,
     true,     &SERVER_CACHES, "sve,sve256", false, false, "bf16", false, false, false},
    {"neon", "aarch64", 128,           32, 2,     2,     1,      0.1,   0.07,  4,    1, true, true,
     false,  true,      &SMALL_CACHES, "", false, false, "bf16", false, false, false},
    {"neonfma", "armv7", 128,           16,     1,     1,     1,  0.1,  0.07,  8,    1, true, true,
     false,     false,   &SMALL_CACHES, "vfp4", false, false, "", true, false, false},
    {"neon32", "armv7", 128,           16, 0.5,   0.5,   1,  0.1,  0.07,  9,    1, false, false,
     false,    false,   &SMALL_CACHES, "", false, false, "", true, false, false},
    {"rvv512", "riscv64", 512,           32,          0.5,   0.5,   1,  0.1,   0.07,  8,    1, true, false,
     false,    false,     &SMALL_CACHES, "v,zvl512b", false, false, "", false, false, false},
    {"rvv256", "riscv64", 256,           32,          1,     1,     1,  0.1,   0.07,  6,    1, true, false,
     false,    false,     &SMALL_CACHES, "v,zvl256b", false, false, "", false, false, false},
    {"rvv128", "riscv64", 128,           32,  1,     1,     1,  0.1,   0.07,  6,    1, true, false,
     false,    false,     &SMALL_CACHES, "v", false, false, "", false, false, false},
    {"rv64", "riscv64",     64, 16,    0.5,   0.5, 1,     0.1,   0.07, 5, 1, true, false, false,
     false,  &SMALL_CACHES, "", false, false, "",  false, false, false},
    {"simd128", "wasm32", 128,           16,        1,     2,     1,  0.1,   0.07,  8,    1, false, false,
     false,     false,    &SMALL_CACHES, "simd128", false, false, "", false, false, false},
    {"wasm", "wasm32",      64, 16,    0.5,   1,  1,     0.1,   0.07, 8, 1, false, false, false,
     false,  &SMALL_CACHES, "", false, false, "", false, false, false},
    {"vector128", "",    128,           16, 1,     1,     1,  0.1,   0.07,  8,    1, false, false,
     false,       false, &SMALL_CACHES, "", false, false, "", false, false, false},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* CPU names by what they bring; "-" separated lists would not be shorter. A name may stand for several architectures. */
typedef struct cpu_name {
  const char *cpu, *row;
  bool vnni, bf16_dot;
  int l1, l2; /* KiB of the first and second cache; 0: as the row says */
} cpu_name;

static const cpu_name CPUS[] = {
    {"x86-64", "sse2", 0, 0, 0, 0},
    {"x86-64-v2", "sse2", 0, 0, 0, 0},
    {"x86-64-v3", "avx2", 0, 0, 0, 512},
    {"x86-64-v4", "avx512", 0, 0, 0, 0},
    {"core2", "sse2", 0, 0, 0, 0},
    {"nehalem", "sse2", 0, 0, 0, 0},
    {"westmere", "sse2", 0, 0, 0, 0},
    {"sandybridge", "sse2", 0, 0, 0, 0},
    {"ivybridge", "sse2", 0, 0, 0, 0},
    {"haswell", "avx2", 0, 0, 0, 256},
    {"broadwell", "avx2", 0, 0, 0, 256},
    {"skylake", "avx2", 0, 0, 0, 256},
    {"alderlake", "avx2", 1, 0, 48, 1280},
    {"skylake-avx512", "avx512", 0, 0, 32, 1024},
    {"cascadelake", "avx512", 1, 0, 32, 1024},
    {"cooperlake", "avx512", 1, 1, 32, 1024},
    {"icelake-client", "avx512", 1, 0, 48, 512},
    {"icelake-server", "avx512", 1, 0, 48, 1280},
    {"tigerlake", "avx512", 1, 0, 48, 1280},
    {"sapphirerapids", "avx512", 1, 1, 48, 2048},
    {"emeraldrapids", "avx512", 1, 1, 48, 2048},
    {"graniterapids", "avx512", 1, 1, 48, 2048},
    {"znver1", "avx2", 0, 0, 0, 512},
    {"znver2", "avx2", 0, 0, 0, 512},
    {"znver3", "avx2", 0, 0, 0, 512},
    {"znver4", "avx512half", 1, 1, 0, 1024},
    {"znver5", "avx512zen5", 1, 1, 0, 1024},
    {"pentium4", "sse2x8", 0, 0, 0, 0},
    {"pentium-m", "sse2x8", 0, 0, 0, 0},
    {"prescott", "sse2x8", 0, 0, 0, 0},
    {"yonah", "sse2x8", 0, 0, 0, 0},
    {"cortex-a53", "neon", 0, 0, 0, 0},
    {"cortex-a55", "neon", 0, 0, 0, 0},
    {"cortex-a57", "neon", 0, 0, 0, 0},
    {"cortex-a72", "neon", 0, 0, 0, 0},
    {"cortex-a76", "neon", 0, 0, 0, 0},
    {"cortex-a78", "neon", 0, 0, 0, 0},
    {"neoverse-n1", "neon", 0, 0, 0, 1024},
    {"neoverse-v1", "sve256", 0, 1, 0, 1024},
    {"neoverse-n2", "neon", 0, 1, 0, 1024},
    {"neoverse-v2", "neon", 0, 1, 0, 1024},
    {"a64fx", "sve512", 0, 0, 0, 0},
    {"apple-m1", "neon", 0, 0, 0, 0},
    {"apple-m2", "neon", 0, 1, 0, 0},
    {"cortex-a7", "neonfma", 0, 0, 0, 0},
    {"cortex-a8", "neon32", 0, 0, 0, 0},
    {"cortex-a9", "neon32", 0, 0, 0, 0},
    {"cortex-a12", "neonfma", 0, 0, 0, 0},
    {"cortex-a15", "neonfma", 0, 0, 0, 0},
    {"cortex-a17", "neonfma", 0, 0, 0, 0},
    {"cortex-a53", "neonfma", 0, 0, 0, 0},
    {"cortex-a72", "neonfma", 0, 0, 0, 0},
    {"generic-rv64", "rv64", 0, 0, 0, 0},
    {"sifive-u54", "rv64", 0, 0, 0, 0},
    {"sifive-u74", "rv64", 0, 0, 0, 0},
    {"sifive-x280", "rvv512", 0, 0, 0, 0},
    {"sifive-p670", "rvv128", 0, 0, 0, 0},
    {"spacemit-x60", "rvv256", 0, 0, 0, 0},
    {"mvp", "wasm", 0, 0, 0, 0},
    {"bleeding-edge", "simd128", 0, 0, 0, 0},
    {"generic", "", 0, 0, 0, 0},
};

int64_t atr_target_lanes(const atr_target *target, atr_dtype dtype) {
  int64_t lanes = target->row->vector_bits / 8 / (int64_t)atr_dtype_size(dtype);
  return lanes > 0 ? lanes : 1;
}

double atr_target_cache(const atr_target *target, int level) {
  return level < 2 && target->near_bytes[level] > 0 ? target->near_bytes[level] : target->row->caches->bytes[level];
}

double atr_target_room(const atr_target *target, int level) {
  return atr_target_cache(target, level) * target->row->caches->room[level];
}

static bool fits_s16(atr_dtype dtype) { return dtype == ATR_S8 || dtype == ATR_U8 || dtype == ATR_S16; }

bool atr_target_multiplies_halves(const atr_target *target, atr_dtype lhs, atr_dtype rhs, atr_dtype acc) {
  return target->row->s16_dot && acc == ATR_S32 && fits_s16(lhs) && fits_s16(rhs);
}

int atr_target_row_count(void) { return ROW_COUNT; }

const atr_target_row *atr_target_row_at(int i) { return i >= 0 && i < ROW_COUNT ? &ROWS[i] : NULL; }

static const atr_target_row *row_named(const char *name) {
  for (int i = 0; i < ROW_COUNT; i++)
    if (strcmp(ROWS[i].name, name) == 0) return &ROWS[i];
  return NULL;
}

/* Is the word of `len` characters one of the list's? */
static bool has_word(const char *list, const char *word, size_t len, const char *separator) {
  while (*list != '\0') {
    size_t n = strcspn(list, separator);
    if (n == len && memcmp(list, word, len) == 0) return true;
    list += n + (list[n] != '\0');
  }
  return false;
}

static const arch *arch_of(const char *triple) {
  for (int i = 0; i < ARCH_COUNT; i++)
    if (has_word(ARCHS[i].words, triple, strcspn(triple, "-"), " ")) return &ARCHS[i];
  return &ARCHS[ARCH_COUNT - 1];
}

const char *atr_target_example(const atr_target_row *row) {
  int i = 0;
  while (strcmp(ARCHS[i].name, row->arch) != 0) i++;
  return ARCHS[i].triple;
}

const char *atr_target_default_cpu(const char *triple) {
  const char *cpu = arch_of(triple)->cpu;
  return cpu != NULL ? cpu : "generic";
}

/* +1: the list says "+feature", -1: it says "-feature", 0: it is silent. */
static int feature_state(const char *features, const char *feature, size_t len) {
  int state = 0;
  for (const char *p = features; *p != '\0';) {
    size_t n = strcspn(p, ",");
    if (n == len + 1 && memcmp(p + 1, feature, len) == 0) state = *p == '+' ? 1 : -1;
    p += n + (p[n] != '\0');
  }
  return state;
}

/* The first of these words, of *len characters, that is added (sign 1) or taken away (-1); NULL: none. */
static const char *find_feature(const char *features, const char *words, int sign, size_t *len) {
  for (const char *word = words; *word != '\0';) {
    *len = strcspn(word, ",");
    if (feature_state(features, word, *len) == sign) return word;
    word += *len + (word[*len] != '\0');
  }
  return NULL;
}

static bool takes_away(const char *features, const char *words) {
  size_t len;
  return find_feature(features, words, -1, &len) != NULL;
}

/* Is everything there that the row asks for: by the features, or where they are silent by the CPU's own row? What AVX2 and
 * AVX-512 are built on takes them along. */
static bool is_available(const atr_target_row *row, const atr_target_row *own, const char *features) {
  bool wide = strncmp(row->asks, "avx2", 4) == 0;
  if (wide && takes_away(features, "sse3,ssse3,sse4.1,sse4.2,avx")) return false;
  if (wide && row->vector_bits == 512 && takes_away(features, "f16c")) return false;
  for (const char *word = row->asks; *word != '\0';) {
    size_t len = strcspn(word, ",");
    int state = feature_state(features, word, len);
    if (state < 0 || (state == 0 && (own == NULL || !has_word(own->asks, word, len, ",")))) return false;
    word += len + (word[len] != '\0');
  }
  return true;
}

/* The widest row of the architecture; the CPU's own if it is one of the same instructions. */
static const atr_target_row *choose_row(const arch *a, const atr_target_row *own, const char *features) {
  const atr_target_row *best = NULL;
  for (int i = ROW_COUNT - 1; i >= 0; i--)
    if (strcmp(ROWS[i].arch, a->name) == 0 && is_available(&ROWS[i], own, features)) best = &ROWS[i];
  bool keeps = own != NULL && strcmp(own->asks, best->asks) == 0 && is_available(own, own, features);
  return keeps ? own : best;
}

/* What is known of a CPU by its name on an architecture. CPUs of x86-64 run the code of i686, of which there is one row. */
static const cpu_name *find_cpu(const char *cpu, const arch *a, bool *elsewhere) {
  const char *wide = strcmp(a->name, "i686") == 0 ? "x86_64" : a->name;
  *elsewhere = false;
  for (size_t i = 0; i < sizeof CPUS / sizeof CPUS[0]; i++) {
    if (strcmp(CPUS[i].cpu, cpu) != 0) continue;
    const char *its = CPUS[i].row[0] != '\0' ? row_named(CPUS[i].row)->arch : a->name;
    if (strcmp(its, a->name) == 0 || strcmp(its, wide) == 0) return &CPUS[i];
    *elsewhere = true;
  }
  return NULL;
}

/* Products of pairs and fours. A name stands for them, and features named one by one override it. */
static void choose_dots(const cpu_name *known, atr_target *out) {
  int vnni = feature_state(out->features, "avx512vnni", 10), narrow = feature_state(out->features, "avxvnni", 7),
      bf16 = feature_state(out->features, out->row->bf16_dot, strlen(out->row->bf16_dot));
  out->vnni = vnni != 0 ? vnni > 0 : known != NULL && known->vnni && out->row->s16_dot;
  out->bf16_dot = bf16 != 0 ? bf16 > 0 : known != NULL && known->bf16_dot;
  /* the narrower vectors of x86's instruction are AVX-512's too */
  bool any_length = feature_state(out->features, "avx512vl", 8) >= 0;
  if (out->row->bf16_dot[0] == '\0' || !any_length) out->bf16_dot = false;
  bool own = known != NULL && known->vnni && strcmp(known->row, out->row->name) == 0;
  if (!out->row->s8_dot) return;
  out->s8_dot = out->row->vector_bits == 512 ? out->vnni && any_length : narrow != 0 ? narrow > 0 : own;
  out->vnni = out->vnni || out->s8_dot;
}

/* Every word has its sign. LLVM takes a word without one for a feature to take away, and would not say so. */
static atr_status check_signs(atr_work *work, const char *features) {
  for (const char *p = features; *p != '\0';) {
    size_t len = strcspn(p, ",");
    if (len == 1 || (len > 0 && *p != '+' && *p != '-'))
      return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "feature \"%.*s\": expected +NAME or -NAME",
                      (int)(len < 60 ? len : 60), p);
    p += len + (p[len] != '\0');
  }
  return ATR_OK;
}

/* Nothing is taken away that code for the architecture cannot do without, and nothing added that it cannot be made with. */
static atr_status check_features(atr_work *work, const arch *a, const char *triple, const char *features) {
  size_t len;
  const char *word = find_feature(features, a->needs, -1, &len);
  if (word != NULL) return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "code for %s needs %.*s", triple, (int)len, word);
  word = find_feature(features, a->bars, 1, &len);
  if (word == NULL) return ATR_OK;
  return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "code for %s cannot be made with %.*s", triple, (int)len, word);
}

/* AVX-512 comes with its 512 bits, and what RISC-V says of vectors with these: LLVM ends the process where it has the one without the
 * other. */
static atr_status check_vectors(atr_work *work, const atr_target *target) {
  bool riscv = strcmp(target->row->arch, "riscv64") == 0 && target->row->asks[0] == '\0';
  if (riscv && strstr(target->features, "+zv") != NULL && strstr(target->features, "+zve") == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "features of vectors for %s need +v beside them", target->triple);
  bool wide = strstr(target->features, "+avx512") != NULL || strstr(target->row->asks, "avx512f") != NULL;
  if (wide && takes_away(target->features, "evex512"))
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "code for %s with AVX-512 needs evex512", target->triple);
  return ATR_OK;
}

atr_status atr_target_select(atr_work *work, const char *triple, const char *cpu, const char *features, atr_target *out) {
  const arch *a = arch_of(triple);
  if (a->cpu == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED,
                    "no code for target %s; `atrousc targets` lists those that there is for", triple);
  ATR_TRY(check_signs(work, features));
  bool elsewhere, detected = strchr(features, '+') != NULL; /* a full list: the name adds nothing */
  const cpu_name *known = find_cpu(cpu, a, &elsewhere);
  if (elsewhere && known == NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "CPU \"%s\" is not one of target %s", cpu, triple);
  if (known == NULL && !detected)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "unknown CPU \"%s\"; `atrousc targets` lists those that are known",
                    cpu);
  ATR_TRY(check_features(work, a, triple, features));
  if ((known == NULL || a->adds_to_all || strncmp(cpu, "generic", 7) == 0) && a->adds[0] != '\0')
    features = atr_arena_printf(work->arena, "%s%s%s", a->adds, features[0] != '\0' ? "," : "", features);
  *out = (atr_target){.address_bits = a->address_bits,
                      .integer_bits = a->integer_bits,
                      .lacks_division = a->lacks_division,
                      .triple = triple,
                      .cpu = cpu,
                      .features = features};
  const atr_target_row *own = known != NULL ? row_named(known->row) : NULL;
  if (own != NULL && strcmp(own->arch, a->name) != 0) own = NULL;
  out->row = choose_row(a, own, features);
  choose_dots(known, out);
  ATR_TRY(check_vectors(work, out));
  if (known != NULL) out->near_bytes[0] = 1024.0 * known->l1, out->near_bytes[1] = 1024.0 * known->l2;
  return ATR_OK;
}

/* ---- the table as text */

static void print_row(atr_text *text, const atr_target_row *row, bool marked, bool has) {
  const char *dots = row->s16_dot ? row->bf16_dot[0] != '\0' ? "s16 bf16" : "s16" : row->bf16_dot[0] != '\0' ? "bf16" : "-";
  atr_text_printf(text, "%s %-10s  %-7s  %-22s  %11d  %9d  %-5s  %-3s  %-8s  %-10s  %s\n", marked ? "*" : " ", row->name,
                  row->arch[0] != '\0' ? row->arch : "other", atr_target_example(row), row->vector_bits, row->registers,
                  row->fma ? "yes" : "no", row->f16_convert ? "yes" : "no", dots, row->flushes ? "zero" : "kept",
                  has ? "yes" : "no");
}

static void print_cpus(atr_text *text, const arch *a) {
  atr_text_printf(text, "%s:", a->name);
  for (size_t i = 0; i < sizeof CPUS / sizeof CPUS[0]; i++)
    if (CPUS[i].row[0] == '\0' || strcmp(row_named(CPUS[i].row)->arch, a->name) == 0)
      atr_text_printf(text, " %s%s", CPUS[i].cpu, strcmp(CPUS[i].cpu, a->cpu) == 0 ? "*" : "");
  atr_text_puts(text, "\n");
}

void atr_target_print(atr_text *text, const atr_target *selected, bool (*has)(const char *triple)) {
  atr_text_puts(
      text, "  row         arch     example of a triple     vector bits  registers  fused  f16  pairs     subnormals  LLVM\n");
  for (int i = 0; i < ROW_COUNT; i++) print_row(text, &ROWS[i], &ROWS[i] == selected->row, has(atr_target_example(&ROWS[i])));
  atr_text_printf(text, "selected: %s on %s%s%s\n", selected->cpu, selected->triple,
                  selected->vnni ? ", integer dot products" : "", selected->bf16_dot ? ", bf16 dot products" : "");
  atr_text_puts(text, "CPUs, * where none is named:\n");
  for (int i = 0; i < ARCH_COUNT; i++)
    if (ARCHS[i].name[0] != '\0') print_cpus(text, &ARCHS[i]);
}
