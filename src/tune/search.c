/* search.c - which schedules are tried, and how they are compared (tune.h).
 *
 * The space is the cost model's: its whole ranking, of which the first and then ever sparser places are tried, and the
 * neighbours of the best one so far: one piece a step larger or smaller, or two loops exchanged. Every schedule passes the
 * same legality check as a person's. Those tried run by turns; the slower half drops out after each round, so that the last
 * few, the model's choice always among them, share most of the time.
 *
 * A selection tries less: the first few of the ranking whose tiles differ, as far as they form each sum in the model's order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tune/tune.h"

enum { RANKED = 600, FINALISTS = 6, MAX_TRIED = 512, SELECTED_FROM = 64, PLACES = 3 };

static const double FASTER = 0.97; /* time, as part of the model's choice's, from which on another is taken to be faster */

typedef struct variant {
  atr_schedule schedule;
  const char *text; /* of this nest alone */
  const char *why;  /* the model's words; NULL: not of its ranking */
  void *code;
  double ns; /* least so far */
} variant;

typedef struct search {
  atr_work *work;
  const atr_program *problem;
  const atr_nest *nest;
  atr_schedule_setting setting;
  const char *others; /* lines of the nests that are settled */
  const atr_tune_options *options;
  const atr_tune_bench *bench;
  atr_tuned *out;
  variant *variants; /* [0] is the model's choice, if code could be made of it */
  int count, tried;
  bool starved;      /* memory ran out while code was made */
  const char *model; /* text of the model's choice, which may have been refused */
} search;

static const char *text_of(const search *s, const atr_schedule *schedule) {
  atr_text text = atr_text_make(s->work->arena);
  atr_schedule_print(&text, s->nest, schedule);
  return text.data != NULL ? text.data : "";
}

/* With a line for every nest like the one that is tuned: residues of one convolution have one schedule. */
static const char *line_of(const search *s, const char *schedule) {
  const char *lines = s->others;
  for (int n = 0; n < s->problem->nest_count; n++) {
    const atr_nest *nest = s->problem->nests[n];
    if (nest == s->nest || (nest->has_acc && atr_nest_alike(nest, s->nest)))
      lines = atr_arena_printf(s->work->arena, "%s%s: %s\n", lines, nest->name, schedule);
  }
  return lines;
}

/* Makes one more variant and runs it, so that it is warm. */
static void try_schedule(search *s, const atr_schedule *schedule, const char *why) {
  atr_work checking = {.arena = s->work->arena};
  double spent = 0;
  if (s->tried >= s->options->most || s->starved) return;
  const char *text = text_of(s, schedule);
  for (int i = 0; i < s->count; i++)
    if (strcmp(s->variants[i].text, text) == 0) return;
  s->tried++;
  s->out->tried++;
  variant v = {.schedule = *schedule, .text = text, .why = why};
  atr_status status = atr_schedule_check(&checking, s->nest, schedule);
  if (status == ATR_OK) status = s->bench->make(s->bench->user, line_of(s, text), &v.code);
  s->starved |= status == ATR_OUT_OF_MEMORY;
  if (status != ATR_OK) {
    s->out->refused++;
    return;
  }
  v.ns = s->bench->run(s->bench->user, v.code, &spent);
  s->variants[s->count++] = v;
}

/* One turn. Returns the time that it took. */
static double run(search *s, variant *v) {
  double spent = 0, ns = s->bench->run(s->bench->user, v->code, &spent);
  if (ns < v->ns) v->ns = ns;
  return spent;
}

static bool has_model(const search *s) { return strcmp(s->variants[0].text, s->model) == 0; }

static void drop(search *s, int i) {
  const variant *v = &s->variants[i];
  if (s->options->tried != NULL) s->options->tried(s->options->user, s->nest->name, v->text, v->why, v->ns);
  s->bench->drop(s->bench->user, v->code);
  memmove(&s->variants[i], &s->variants[i + 1], sizeof(variant) * (size_t)(s->count - i - 1));
  s->count--;
}

static int slowest(const search *s) {
  int worst = 1;
  for (int i = 2; i < s->count; i++)
    if (s->variants[i].ns > s->variants[worst].ns) worst = i;
  return worst;
}

static int fastest(const search *s) {
  int best = 0;
  for (int i = 1; i < s->count; i++)
    if (s->variants[i].ns < s->variants[best].ns) best = i;
  return best;
}

/* Rounds over all variants; after each the slower ones go, down to `keep` beside the model's choice. */
static void halve(search *s, int keep) {
  while (s->count > keep + 1) {
    for (int i = 0; i < s->count; i++) (void)run(s, &s->variants[i]);
    int next = (s->count + 1) / 2 > keep + 1 ? (s->count + 1) / 2 : keep + 1;
    while (s->count > next) drop(s, slowest(s));
  }
}

/* ---- the space */

/* Places of the model's ranking: all of the first eight, then every one that is an eighth further on. */
static void try_ranking(search *s, int most) {
  atr_choice *choices = ATR_NEW_ARRAY(s->work->arena, atr_choice, RANKED);
  int count = atr_schedule_rank(s->work->arena, s->nest, &s->setting, RANKED, choices);
  s->model = text_of(s, &choices[0].schedule);
  for (int i = 0; i < count && s->tried < most; i += 1 + i / 8) try_schedule(s, &choices[i].schedule, choices[i].why);
}

static void try_resized(search *s, const atr_schedule *from, int piece, int64_t extent) {
  atr_schedule changed = *from;
  if (extent < 1) return;
  changed.pieces[piece].extent = extent;
  if (extent == 1) {
    memmove(&changed.pieces[piece], &changed.pieces[piece + 1], sizeof(atr_piece) * (size_t)(changed.count - piece - 1));
    changed.count--;
  }
  try_schedule(s, &changed, NULL);
}

static void try_neighbours(search *s, const atr_schedule *from) {
  atr_schedule ahead = *from, stored = *from;
  ahead.prefetch_lhs = !from->prefetch_lhs;
  stored.prefetch_out = !from->prefetch_out;
  try_schedule(s, &ahead, NULL);
  try_schedule(s, &stored, NULL);
  for (int p = 0; p < from->count; p++) {
    const atr_piece *piece = &from->pieces[p];
    if (piece->extent != 0 && piece->kind != ATR_DIM_VECTOR && piece->kind != ATR_DIM_DOT) {
      try_resized(s, from, p, piece->extent - 1);
      try_resized(s, from, p, piece->extent + 1);
      try_resized(s, from, p, piece->extent * 2);
      try_resized(s, from, p, piece->extent / 2);
    }
    if (p + 1 < from->count && from->pieces[p + 1].dim != piece->dim && from->pieces[p + 1].kind == piece->kind) {
      atr_schedule changed = *from;
      changed.pieces[p] = from->pieces[p + 1];
      changed.pieces[p + 1] = *piece;
      try_schedule(s, &changed, NULL);
    }
  }
}

/* ---- one nest */

static atr_schedule_setting setting_of(const atr_program *problem, const atr_nest *nest, const atr_target *target,
                                       const atr_tune_options *options) {
  atr_schedule_setting setting = atr_schedule_setting_of(problem, nest, target, options->constant_parameters);
  setting.occupied = options->occupied;
  if (atr_nest_parts(nest) > 1) setting.occupied += atr_nest_temporaries(problem, nest, 0); /* its panel */
  return setting;
}

/* The same code in other memory, which is had before the old goes; where there is none for both, it stays. */
static void move(search *s, variant *v) {
  void *code;
  if (s->bench->make(s->bench->user, line_of(s, v->text), &code) != ATR_OK) return;
  s->bench->drop(s->bench->user, v->code);
  v->code = code;
}

/* The last few by turns, all of them anew: cores change their speed, and what was least until now may have run in better minutes. In several
 * places of memory, of which each takes the best: where packed weights share sets of the caches a layer with 9 MB of them takes a third more
 * time, and the best of many schedules would be the one with the luckiest place. */
static void finish(search *s, int places) {
  for (int i = 0; i < s->count; i++) s->variants[i].ns = HUGE_VAL;
  for (int place = 0; place < places; place++) {
    double spent = 0;
    for (int i = 0; i < s->count && place > 0; i++) move(s, &s->variants[i]);
    for (int round = 0; round < 3 || spent < s->options->budget_ns / (double)places; round++)
      for (int i = 0; i < s->count; i++) spent += run(s, &s->variants[i]);
  }
}

/* Why there is nothing to choose from. */
static atr_status check_made(search *s) {
  if (s->starved) return atr_fail(s->work, ATR_NOWHERE, ATR_OUT_OF_MEMORY, "out of memory");
  if (s->count > 0) return ATR_OK;
  return atr_fail(s->work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s: no schedule could be made into code", s->nest->name);
}

static atr_status tune_nest(search *s) {
  int most = s->options->most < MAX_TRIED ? s->options->most : MAX_TRIED;
  s->variants = ATR_NEW_ARRAY(s->work->arena, variant, most);
  try_ranking(s, most / 2 + 1);
  ATR_TRY(check_made(s));
  halve(s, FINALISTS);
  for (int last = -1; s->tried < most && s->tried != last;) {
    last = s->tried;
    atr_schedule best = s->variants[fastest(s)].schedule;
    try_neighbours(s, &best);
    halve(s, FINALISTS);
  }
  finish(s, PLACES);
  const variant *best = &s->variants[fastest(s)];
  s->out->best_ns = best->ns;
  if (s->others[0] == '\0' && has_model(s)) s->out->model_ns = s->variants[0].ns; /* all nests by the model */
  s->others = line_of(s, best->text);
  while (s->count > 0) drop(s, s->count - 1);
  return ATR_OK;
}

static int compare_work(const void *a, const void *b) {
  double x = atr_nest_useful_macs(*(const atr_nest *const *)a), y = atr_nest_useful_macs(*(const atr_nest *const *)b);
  return (x < y) - (x > y);
}

atr_status atr_tune(atr_work *work, const atr_program *problem, const atr_target *target, const atr_tune_options *options,
                    const atr_tune_bench *bench, atr_tuned *out) {
  const atr_nest **nests = ATR_NEW_ARRAY(work->arena, const atr_nest *, problem->nest_count);
  int count = 0;
  *out = (atr_tuned){.schedule = ""};
  for (int n = 0; n < problem->nest_count; n++)
    if (problem->nests[n]->has_acc) nests[count++] = problem->nests[n];
  qsort(nests, (size_t)count, sizeof *nests, compare_work);
  for (int n = 0; n < count; n++) {
    bool settled = false;
    for (int m = 0; m < n; m++) settled |= atr_nest_alike(nests[m], nests[n]);
    if (settled) continue;
    search s = {.work = work,
                .problem = problem,
                .nest = nests[n],
                .others = out->schedule,
                .options = options,
                .bench = bench,
                .out = out};
    s.setting = setting_of(problem, nests[n], target, options);
    ATR_TRY(tune_nest(&s));
    out->schedule = s.others;
  }
  return ATR_OK;
}

/* ---- a selection */

/* The next reduced dim of a scheduled nest from *at on; dim_count: there is none. */
static int next_reduced(const atr_nest *nest, int *at) {
  while (*at < nest->dim_count && !nest->dims[*at].reduced) ++*at;
  return *at < nest->dim_count ? (*at)++ : nest->dim_count;
}

/* Do both add the terms of a sum in the same order? Enough for that is that they cut the reduction alike and take unrolled taps alike.
 * A scheduled nest has a dim for each piece. */
static bool same_order(const search *s, const atr_schedule *a, const atr_schedule *b) {
  const atr_nest *x = atr_nest_tile(s->work->arena, s->nest, a), *y = atr_nest_tile(s->work->arena, s->nest, b);
  int at_x = 0, at_y = 0;
  for (;;) {
    int d = next_reduced(x, &at_x), e = next_reduced(y, &at_y);
    if (d == x->dim_count || e == y->dim_count) return d == x->dim_count && e == y->dim_count;
    const atr_dim *dx = &x->dims[d], *dy = &y->dims[e];
    if (a->pieces[d].dim != b->pieces[e].dim || dx->kind != dy->kind || dx->extent != dy->extent) return false;
    if (dx->kind == ATR_DIM_UNROLL && atr_nest_shares_lhs(x, d) != atr_nest_shares_lhs(y, e)) return false;
  }
}

static bool same_tile(const atr_schedule *a, const atr_schedule *b) {
  int p = 0, q = 0;
  while (p < a->count && a->pieces[p].kind < ATR_DIM_UNROLL) p++;
  while (q < b->count && b->pieces[q].kind < ATR_DIM_UNROLL) q++;
  if (a->count - p != b->count - q || a->pack_rhs != b->pack_rhs || a->widen_lhs != b->widen_lhs) return false;
  return memcmp(&a->pieces[p], &b->pieces[q], sizeof(atr_piece) * (size_t)(a->count - p)) == 0;
}

/* Other tiles first, each with its best loops; then other loops. */
static void try_few(search *s, int most) {
  atr_choice *choices = ATR_NEW_ARRAY(s->work->arena, atr_choice, SELECTED_FROM);
  int count = atr_schedule_rank(s->work->arena, s->nest, &s->setting, SELECTED_FROM, choices);
  s->model = text_of(s, &choices[0].schedule);
  for (int loops = 0; loops < 2; loops++)
    for (int i = 0; i < count && s->count < most; i++) {
      bool known = false;
      for (int v = 0; v < s->count && loops == 0; v++) known |= same_tile(&choices[i].schedule, &s->variants[v].schedule);
      if (!known && same_order(s, &choices[0].schedule, &choices[i].schedule))
        try_schedule(s, &choices[i].schedule, choices[i].why);
    }
}

static const char *times_text(const search *s) {
  atr_text text = atr_text_make(s->work->arena);
  atr_text_printf(&text, "%d schedules of %s by turns, %s:", s->count, s->nest->name,
                  has_model(s) ? "the cost model's choice first"
                               : "without the cost model's choice, of which no code could be made");
  for (int i = 0; i < s->count; i++) atr_text_printf(&text, " %.4g", s->variants[i].ns / 1e3);
  atr_text_puts(&text, " us");
  return text.data;
}

atr_status atr_tune_select(atr_work *work, const atr_program *problem, const atr_target *target,
                           const atr_tune_options *options, const atr_tune_bench *bench, atr_selected *out) {
  const atr_nest *most = NULL;
  atr_tuned unused = {.schedule = ""};
  *out = (atr_selected){.report = "nothing: there is no sum"};
  for (int n = 0; n < problem->nest_count; n++) {
    const atr_nest *nest = problem->nests[n];
    if (nest->has_acc && (most == NULL || atr_nest_useful_macs(nest) > atr_nest_useful_macs(most))) most = nest;
  }
  if (most == NULL) return ATR_OK;
  search s = {.work = work, .problem = problem, .nest = most, .others = "", .options = options, .bench = bench, .out = &unused};
  s.setting = setting_of(problem, most, target, options);
  s.variants = ATR_NEW_ARRAY(work->arena, variant, options->most);
  try_few(&s, options->most);
  ATR_TRY(check_made(&s));
  if (s.count > 1) finish(&s, 1);
  int best = fastest(&s);
  out->report = times_text(&s);
  if (!has_model(&s) || s.variants[best].ns < FASTER * s.variants[0].ns) {
    out->schedule = line_of(&s, s.variants[best].text);
    out->why = s.variants[best].why;
  }
  while (s.count > 0) drop(&s, s.count - 1);
  return ATR_OK;
}
