/* schedule.c - the schedule's text form and its legality (schedule.h).
 *
 * In: "parallel oc oy; loop ox; reduce ky kx ic; unroll ox:6 oc:2; vector oc:8; pack rhs" against a nest's dims. Out: pieces in
 * order of execution. Reading, completing and checking are separate, so that the cost model's schedules pass the same check. */
#include "lower/schedule.h"

#include <ctype.h>
#include <string.h>

#include "base/checked.h"
#include "lower/nest_bounds.h"
#include "lower/parts.h"

/* Sections in their order; a piece belongs to one by its kind and by whether its dim is reduced. */
typedef enum section {
  SECTION_PART,
  SECTION_PARALLEL,
  SECTION_LOOP,
  SECTION_REDUCE,
  SECTION_UNROLL,
  SECTION_VECTOR,
  SECTION_DOT,
  SECTION_COUNT
} section;
static const char *const SECTION_NAMES[SECTION_COUNT] = {"part", "parallel", "loop", "reduce", "unroll", "vector", "dot"};
static const atr_dim_kind SECTION_KINDS[SECTION_COUNT] = {ATR_DIM_PART,   ATR_DIM_PARALLEL, ATR_DIM_LOOP, ATR_DIM_LOOP,
                                                          ATR_DIM_UNROLL, ATR_DIM_VECTOR,   ATR_DIM_DOT};

static section section_of(const atr_nest *nest, const atr_piece *piece) {
  switch (piece->kind) {
  case ATR_DIM_PART: return SECTION_PART;
  case ATR_DIM_PARALLEL: return SECTION_PARALLEL;
  case ATR_DIM_LOOP: return nest->dims[piece->dim].reduced ? SECTION_REDUCE : SECTION_LOOP;
  case ATR_DIM_UNROLL: return SECTION_UNROLL;
  case ATR_DIM_VECTOR: return SECTION_VECTOR;
  case ATR_DIM_DOT: return SECTION_DOT;
  }
  return SECTION_LOOP;
}

/* A section of words, if there are any. */
static void print_words(atr_text *text, const char **between, const char *name, const char *first, const char *second) {
  if (first[0] == 0 && second[0] == 0) return;
  atr_text_printf(text, "%s%s%s%s", *between, name, first, second);
  *between = "; ";
}

void atr_schedule_print(atr_text *text, const atr_nest *nest, const atr_schedule *schedule) {
  int last = -1;
  if (nest->schedule != NULL) atr_text_printf(text, "%s; ", nest->schedule); /* its parts */
  for (int p = 0; p < schedule->count; p++) {
    const atr_piece *piece = &schedule->pieces[p];
    int s = (int)section_of(nest, piece);
    if (s == SECTION_PART) continue;
    if (s != last) atr_text_printf(text, "%s%s", last < 0 ? "" : "; ", SECTION_NAMES[s]);
    last = s;
    atr_text_printf(text, " %s", nest->dims[piece->dim].name);
    if (piece->extent != 0) atr_text_printf(text, ":%lld", (long long)piece->extent);
  }
  const char *between = last < 0 ? "" : "; ";
  print_words(text, &between, "widen", schedule->widen_lhs ? " lhs" : "", schedule->widen_rhs ? " rhs" : "");
  print_words(text, &between, "pack", "", schedule->pack_rhs ? " rhs" : "");
  print_words(text, &between, "prefetch", schedule->prefetch_lhs ? " lhs" : "", schedule->prefetch_out ? " out" : "");
}

/* ---- reading */

typedef struct reader {
  atr_work *work;
  const atr_nest *nest;
  atr_schedule *out;
  size_t at;
} reader;

static atr_span span_at(const reader *r, size_t start) {
  return (atr_span){(uint32_t)start + 1, (uint32_t)(r->at > start ? r->at - start : 1)};
}

/* The next word (letters, digits, _ . : -) or single character; empty at the end. */
static size_t next_word(reader *r, const char **word) {
  const atr_source *s = r->work->source;
  while (r->at < s->len && isspace((unsigned char)s->text[r->at])) r->at++;
  *word = s->text + r->at;
  size_t start = r->at;
  while (r->at < s->len && (isalnum((unsigned char)s->text[r->at]) || strchr("_.:-", s->text[r->at]) != NULL) &&
         s->text[r->at] != '\0')
    r->at++;
  if (r->at == start && r->at < s->len) r->at++;
  return r->at - start;
}

static bool word_is(const char *word, size_t len, const char *what) {
  return len == strlen(what) && memcmp(word, what, len) == 0;
}

static int find_dim(const atr_nest *nest, const char *name, size_t len) {
  for (int d = 0; d < nest->dim_count; d++)
    if (word_is(name, len, nest->dims[d].name)) return d;
  return -1;
}

/* The number in "name:extent", from character `at` on. */
static atr_status read_extent(reader *r, const char *word, size_t len, size_t at, int64_t *extent) {
  for (size_t i = at; i < len; i++) {
    if (!isdigit((unsigned char)word[i]) || *extent > (INT64_C(1) << 40)) break;
    *extent = *extent * 10 + (word[i] - '0');
    if (i + 1 == len && *extent > 0) return ATR_OK;
  }
  return atr_fail(r->work, span_at(r, r->at - len), ATR_PARSE_ERROR,
                  "extent of a schedule's piece must be a positive number, got \"%.*s\"", (int)len, word);
}

static atr_status no_dim(const reader *r, const char *name, size_t len, size_t start) {
  return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "schedule names dim \"%.*s\", which nest %s does not have",
                  (int)len, name, r->nest->name);
}

/* "name" or "name:extent" */
static atr_status read_piece(reader *r, const char *word, size_t len, section s) {
  size_t start = r->at - len, name_len = 0;
  while (name_len < len && word[name_len] != ':') name_len++;
  atr_piece piece = {.dim = find_dim(r->nest, word, name_len), .kind = SECTION_KINDS[s]};
  if (piece.dim < 0) return no_dim(r, word, name_len, start);
  if (name_len < len) ATR_TRY(read_extent(r, word, len, name_len + 1, &piece.extent));
  bool reduced = r->nest->dims[piece.dim].reduced;
  if (r->nest->dims[piece.dim].kind == ATR_DIM_PART)
    return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "dim %s counts parts and cannot stand in a schedule",
                    r->nest->dims[piece.dim].name);
  if ((s == SECTION_REDUCE || s == SECTION_DOT) != reduced && s != SECTION_UNROLL)
    return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "dim %s is %s and cannot stand in section %s",
                    r->nest->dims[piece.dim].name, reduced ? "reduced" : "independent", SECTION_NAMES[s]);
  if (r->out->count == ATR_MAX_DIMS)
    return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "a schedule has at most %d pieces", ATR_MAX_DIMS);
  r->out->pieces[r->out->count++] = piece;
  return ATR_OK;
}

/* Dims that count parts come first. Dims that the text left out: their whole extent goes to the end of the loops, or to the front of the reduction. */
static void complete(const atr_nest *nest, atr_schedule *schedule) {
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t covered = 1;
    bool rest = false;
    for (int p = 0; p < schedule->count; p++) {
      if (schedule->pieces[p].dim != d) continue;
      rest |= schedule->pieces[p].extent == 0;
      if (schedule->pieces[p].extent != 0 && !atr_checked_mul(covered, schedule->pieces[p].extent, &covered))
        covered = INT64_MAX;
    }
    bool part = nest->dims[d].kind == ATR_DIM_PART,
         whole = nest->dims[d].extent != 0 && covered >= nest->dims[d].extent; /* an empty dim's outermost piece says so */
    if (rest || whole || schedule->count == ATR_MAX_DIMS) continue;
    section mine = part ? SECTION_PART : nest->dims[d].reduced ? SECTION_REDUCE : SECTION_LOOP;
    int at = 0;
    while (at < schedule->count && schedule->pieces[at].dim != d &&
           section_of(nest, &schedule->pieces[at]) < (mine == SECTION_LOOP ? SECTION_REDUCE
                                                      : part               ? SECTION_PARALLEL
                                                                           : mine))
      at++;
    memmove(&schedule->pieces[at + 1], &schedule->pieces[at], sizeof(atr_piece) * (size_t)(schedule->count - at));
    /* in front of a numbered piece of its own it is executed as that is */
    bool parallel = at < schedule->count && schedule->pieces[at + 1].dim == d &&
                    schedule->pieces[at + 1].kind == ATR_DIM_PARALLEL;
    schedule->pieces[at] = (atr_piece){.dim = d, .kind = part ? ATR_DIM_PART : parallel ? ATR_DIM_PARALLEL : ATR_DIM_LOOP};
    schedule->count++;
  }
}

/* "lhs", `other` or both, behind a section's name. */
static atr_status read_operands(reader *r, const char *name, const char *other, bool *lhs, bool *is_other) {
  const char *word;
  for (bool any = false;; any = true) {
    size_t before = r->at, len = next_word(r, &word);
    bool first = word_is(word, len, "lhs"), second = word_is(word, len, other);
    *lhs |= first;
    *is_other |= second;
    if (first || second) continue;
    if (!any) return atr_fail(r->work, span_at(r, r->at - len), ATR_PARSE_ERROR, "expected lhs or %s behind %s", other, name);
    r->at = before;
    return ATR_OK;
  }
}

/* A section that speaks of parts, read before the nest was split. `begun`: another one stands in front of it. */
static atr_status skip_section(reader *r, size_t start, bool begun) {
  const char *word;
  size_t len;
  if (begun) return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "sections part and lhs must come before all others");
  if (r->nest->schedule == NULL)
    return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "nest %s is not in parts", r->nest->name);
  while ((len = next_word(r, &word)) != 0 && !word_is(word, len, ";")) {}
  return ATR_OK;
}

atr_status atr_schedule_read(atr_work *work, size_t from, const atr_nest *nest, atr_schedule *out) {
  *out = (atr_schedule){.count = 0};
  reader r = {.work = work, .nest = nest, .out = out, .at = from};
  int current = -1;
  bool begun = false;
  const char *word;
  for (size_t len; (len = next_word(&r, &word)) != 0;) {
    size_t start = r.at - len;
    if (word_is(word, len, ";")) {
      current = -1;
      continue;
    }
    bool parts = current < 0 && (word_is(word, len, "part") || word_is(word, len, "lhs"));
    begun |= !parts;
    if (parts) {
      ATR_TRY(skip_section(&r, start, begun));
    } else if (current >= 0) {
      ATR_TRY(read_piece(&r, word, len, (section)current));
    } else if (word_is(word, len, "widen")) {
      ATR_TRY(read_operands(&r, "widen", "rhs", &out->widen_lhs, &out->widen_rhs));
    } else if (word_is(word, len, "pack")) {
      len = next_word(&r, &word);
      if (!word_is(word, len, "rhs")) return atr_fail(work, span_at(&r, start), ATR_PARSE_ERROR, "only rhs can be packed");
      out->pack_rhs = true;
    } else if (word_is(word, len, "prefetch")) {
      ATR_TRY(read_operands(&r, "prefetch", "out", &out->prefetch_lhs, &out->prefetch_out));
    } else {
      for (int s = SECTION_PARALLEL; s < SECTION_COUNT; s++)
        if (word_is(word, len, SECTION_NAMES[s])) current = s;
      if (current < 0)
        return atr_fail(
            work, span_at(&r, start), ATR_PARSE_ERROR,
            "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"%.*s\"", (int)len,
            word);
    }
  }
  complete(nest, out);
  return atr_schedule_check(work, nest, out);
}

/* Has section part, or lhs, named dim d? */
static bool names_dim(const atr_parts *parts, bool lhs, int d) {
  for (int i = 0; i < parts->lhs_count; i++)
    if (lhs && parts->lhs[i] == d) return true;
  return !lhs && parts->block[d] != 0;
}

/* "name:extent" of section part; "name", or "name:extent" for strips, of section lhs. */
static atr_status read_part(reader *r, const char *word, size_t len, bool lhs, atr_parts *out) {
  size_t start = r->at - len, name_len = 0;
  while (name_len < len && word[name_len] != ':') name_len++;
  int d = find_dim(r->nest, word, name_len);
  int64_t extent = 0;
  if (d < 0) return no_dim(r, word, name_len, start);
  if (name_len == len && !lhs)
    return atr_fail(r->work, span_at(r, start), ATR_PARSE_ERROR, "section part takes \"dim:indices\"");
  if (names_dim(out, lhs, d))
    return atr_fail(r->work, span_at(r, start), ATR_VERIFY_ERROR, "section %s names dim %s twice", lhs ? "lhs" : "part",
                    r->nest->dims[d].name);
  if (name_len < len) ATR_TRY(read_extent(r, word, len, name_len + 1, &extent));
  (lhs ? out->strip : out->block)[d] = extent;
  if (lhs) out->lhs[out->lhs_count++] = d;
  return ATR_OK;
}

/* Behind "as", to the end of the section. */
static atr_status read_dtype(reader *r, atr_dtype *out) {
  const char *word;
  size_t len = next_word(r, &word);
  *out = atr_dtype_from_name(word, len);
  if (*out == ATR_DTYPE_NONE)
    return atr_fail(r->work, span_at(r, r->at - len), ATR_PARSE_ERROR, "expected a dtype behind as, got \"%.*s\"", (int)len,
                    word);
  len = next_word(r, &word);
  if (len == 0 || word_is(word, len, ";")) return ATR_OK;
  return atr_fail(r->work, span_at(r, r->at - len), ATR_PARSE_ERROR, "section lhs ends with its dtype, got \"%.*s\"", (int)len,
                  word);
}

/* What stands behind "part" or "lhs". */
static atr_status read_part_section(reader *r, bool lhs, atr_parts *out) {
  const char *word;
  size_t start = r->at - strlen(lhs ? "lhs" : "part"), len;
  bool any = false;
  while ((len = next_word(r, &word)) != 0 && !word_is(word, len, ";")) {
    bool as = lhs && word_is(word, len, "as");
    if (as && any) return read_dtype(r, &out->lhs_dtype);
    if (as) break;
    ATR_TRY(read_part(r, word, len, lhs, out));
    any = true;
  }
  if (any) return ATR_OK;
  return atr_fail(r->work, span_at(r, start), ATR_PARSE_ERROR, "section %s names no dim", lhs ? "lhs" : "part");
}

atr_status atr_parts_read(atr_work *work, size_t from, const atr_nest *nest, atr_parts *out, bool *found) {
  reader r = {.work = work, .nest = nest, .at = from};
  const char *word;
  bool panel = false;
  *out = (atr_parts){.lhs_count = 0};
  *found = false;
  for (size_t len; (len = next_word(&r, &word)) != 0;) {
    bool lhs = word_is(word, len, "lhs");
    if (word_is(word, len, ";")) continue;
    if (!lhs && !word_is(word, len, "part")) break;
    if (panel || (*found && !lhs))
      return atr_fail(work, span_at(&r, r.at - len), ATR_VERIFY_ERROR,
                      "sections part and lhs stand once, part in front of lhs");
    ATR_TRY(read_part_section(&r, lhs, out));
    *found = true;
    panel = lhs;
  }
  return *found ? atr_parts_check(work, nest, out) : ATR_OK;
}

/* ---- legality */

static atr_status check_widening(atr_work *work, const atr_nest *nest, const atr_schedule *schedule, bool dot) {
  bool lhs = schedule->widen_lhs, rhs = schedule->widen_rhs;
  if ((lhs || rhs) && dot)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "dot takes operands as they are, and cannot stand beside widen");
  if (lhs && nest->schedule != NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "in parts lhs is widened as it is copied: lhs ... as %s",
                    atr_dtype_name(nest->acc_dtype));
  if ((lhs && !atr_nest_can_widen(nest, nest->lhs_dtype)) || (rhs && !atr_nest_can_widen(nest, nest->rhs_dtype)))
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has no %s of floats narrower than its sum to widen",
                    nest->name, lhs && !atr_nest_can_widen(nest, nest->lhs_dtype) ? "lhs" : "rhs");
  if (rhs && !schedule->pack_rhs)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "rhs is widened while it is packed: widen rhs needs pack rhs");
  return ATR_OK;
}

/* The numbers in the pieces of one dim multiplied, and whether that times a step of the dim is a number that tiles can have. */
typedef struct stride {
  int dim;
  int64_t covered;
  bool fits;
} stride;

static void check_stride(void *user, atr_affine *affine) {
  stride *s = user;
  int64_t step;
  s->fits = s->fits && atr_checked_mul(affine->coef[s->dim], s->covered, &step) && step > -ATR_NEST_LIMIT &&
            step < ATR_NEST_LIMIT;
}

static atr_status check_dim(atr_work *work, const atr_nest *nest, const atr_schedule *schedule, int d, bool dot) {
  const atr_dim *dim = &nest->dims[d];
  int64_t covered = 1;
  int rest = 0, pieces = 0;
  for (int p = 0; p < schedule->count; p++) {
    const atr_piece *piece = &schedule->pieces[p];
    if (piece->dim != d) continue;
    if (piece->extent == 0 && pieces > 0)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "only the outermost piece of dim %s may be without a number",
                      dim->name);
    rest += piece->extent == 0;
    pieces++;
    if (piece->extent != 0 && (!atr_checked_mul(covered, piece->extent, &covered) || covered > (INT64_C(1) << 40)))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "pieces of dim %s are too large", dim->name);
  }
  if (pieces == 0 && dim->extent != 1)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "the schedule has no room left for dim %s", dim->name);
  if (rest == 0 && covered < dim->extent)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "pieces of dim %s cover %lld of its %lld", dim->name,
                    (long long)covered, (long long)dim->extent);
  if (dot && !schedule->pack_rhs && dim->reduced && pieces > 0 && covered > 0 && dim->extent % covered != 0)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR,
                    "beside dot and without pack rhs, pieces of the reduced dim %s must divide its extent %lld, got %lld",
                    dim->name, (long long)dim->extent, (long long)covered);
  stride s = {d, covered, true};
  atr_nest_visit_affine((atr_nest *)nest, check_stride, &s);
  if (!s.fits)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s: pieces of dim %s times its steps through an array pass 2^55",
                    nest->name, dim->name);
  return ATR_OK;
}

/* Iterations of a piece; of one without a number as many as the dim's others leave. */
static int64_t extent_of(const atr_nest *nest, const atr_schedule *schedule, const atr_piece *piece) {
  int64_t inner = 1;
  if (piece->extent != 0) return piece->extent;
  for (int p = 0; p < schedule->count; p++) {
    const atr_piece *other = &schedule->pieces[p];
    if (other->dim == piece->dim && other->extent != 0 && !atr_checked_mul(inner, other->extent, &inner)) return 1;
  }
  return atr_ceil_div(nest->dims[piece->dim].extent, inner);
}

/* Of code, and of what is counted as one number. */
static atr_status check_counts(atr_work *work, const atr_nest *nest, const atr_schedule *schedule) {
  int64_t unroll = 1, lanes = 1, parallel = 1, packed = 1;
  bool counted = true, packs = true;
  for (int p = 0; p < schedule->count; p++) {
    int64_t extent = extent_of(nest, schedule, &schedule->pieces[p]);
    atr_dim_kind kind = schedule->pieces[p].kind;
    if (kind == ATR_DIM_UNROLL)
      unroll = extent > ATR_MAX_UNROLL ? ATR_MAX_UNROLL + 1 : atr_min(unroll * extent, ATR_MAX_UNROLL + 1);
    if (kind == ATR_DIM_VECTOR) lanes = extent > ATR_MAX_LANES ? ATR_MAX_LANES + 1 : atr_min(lanes * extent, ATR_MAX_LANES + 1);
    if (kind == ATR_DIM_PARALLEL) counted = counted && atr_checked_mul(parallel, extent, &parallel);
    if (nest->has_acc && nest->rhs.at.coef[schedule->pieces[p].dim] != 0)
      packs = packs && atr_checked_mul(packed, atr_max(extent, 1), &packed) && packed < ATR_NEST_LIMIT;
  }
  if (unroll > ATR_MAX_UNROLL)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "more than %d unrolled iterations", ATR_MAX_UNROLL);
  if (lanes > ATR_MAX_LANES) return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "more than %d vector lanes", ATR_MAX_LANES);
  if (!counted) return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "2^63 parallel iterations, or more");
  if (schedule->pack_rhs && !packs)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s: packed rhs has 2^55 elements, or more", nest->name);
  return ATR_OK;
}

/* Results that are not read when a tile begins; an lhs that tiles go on in. */
static atr_status check_prefetches(atr_work *work, const atr_nest *nest, const atr_schedule *schedule) {
  if ((schedule->prefetch_lhs || schedule->prefetch_out) && !nest->has_acc)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has no sum: nothing would be fetched ahead", nest->name);
  if (schedule->prefetch_out && nest->continues)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR,
                    "nest %s reads its results before it sums up: nothing would be fetched ahead", nest->name);
  bool moves = !schedule->prefetch_lhs;
  for (int p = 0; p < schedule->count; p++) {
    section s = section_of(nest, &schedule->pieces[p]);
    moves |= (s == SECTION_PARALLEL || s == SECTION_LOOP) && atr_access_step(&nest->lhs, schedule->pieces[p].dim) != 0;
  }
  if (!moves)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has one tile of lhs: nothing would be fetched ahead",
                    nest->name);
  return ATR_OK;
}

atr_status atr_schedule_check(atr_work *work, const atr_nest *nest, const atr_schedule *schedule) {
  int last = 0, dots = 0;
  for (int p = 0; p < schedule->count; p++) {
    const atr_piece *piece = &schedule->pieces[p];
    const atr_dim *dim = &nest->dims[piece->dim];
    int s = (int)section_of(nest, piece);
    if ((piece->kind == ATR_DIM_PART) != (dim->kind == ATR_DIM_PART))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "dim %s %s", dim->name,
                      piece->kind == ATR_DIM_PART ? "does not count parts" : "counts parts and cannot stand in a schedule");
    if (s < last)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "section %s must come before %s", SECTION_NAMES[s],
                      SECTION_NAMES[last]);
    last = s;
    if (dim->reduced && (piece->kind == ATR_DIM_PARALLEL || piece->kind == ATR_DIM_VECTOR))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "dim %s is reduced and cannot be %s", dim->name, SECTION_NAMES[s]);
    if (s == SECTION_DOT && (dots++ > 0 || !atr_nest_can_dot(nest, piece->dim, piece->extent)))
      return atr_fail(
          work, ATR_NOWHERE, ATR_VERIFY_ERROR,
          "dot takes one piece of extent 2, of a sum in s32 or u32 over s8, u8 or s16, or in f32 over bf16, or of "
          "extent 4, over s8 or u8, in which %s is in no bounds question, and divides it where rhs is repeated along it",
          dim->name);
  }
  ATR_TRY(check_counts(work, nest, schedule));
  for (int d = 0; d < nest->dim_count; d++) ATR_TRY(check_dim(work, nest, schedule, d, dots > 0));
  ATR_TRY(check_widening(work, nest, schedule, dots > 0));
  if (schedule->pack_rhs && !nest->has_acc)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has no rhs to pack", nest->name);
  return check_prefetches(work, nest, schedule);
}
