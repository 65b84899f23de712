/* pipeline.c - the passes, in reading order.
 *
 * In: a verified module, a target row, perhaps a schedule. Out: a program whose nests have schedules and loop trees, and
 * whose buffers have places: what codegen prints line by line. Passes do not call passes; each gives a program that the
 * verifier accepts and that the nest interpreter runs to the same result. */
#include "lower/pipeline.h"

#include <string.h>

#include "base/checked.h"
#include "lower/canonical.h"
#include "lower/nest_bounds.h"
#include "lower/parts.h"
#include "lower/simplify.h"

enum { LEAST_ROOM = 4096 }; /* bytes of scratch below which a nest may as well do without */

typedef struct state {
  atr_work *work;
  const atr_module *module;
  const atr_lower_options *options;
  atr_schedule_lines *lines; /* the caller's schedules */
  atr_program *program;
  atr_widenings widened;  /* of the program that run_schedule makes */
  atr_packings packed;    /* the same */
  struct choice *choices; /* made so far */
  int choice_count, choice_capacity;
  int64_t room;     /* bytes of scratch that a nest may add */
  int buffer_count; /* before passes that add scratch of nests */
} state;

/* What the cost model chose for a nest serves all that are like it: residues of one convolution, mostly. */
typedef struct choice {
  const atr_nest *nest;
  bool weighed, split; /* into parts */
  atr_parts parts;
  atr_choice schedule; /* why is NULL: not chosen yet */
} choice;

/* The choice made for a nest like this one, or a new one, to be filled in. */
static choice *choice_for(state *s, const atr_nest *nest) {
  int c = 0;
  while (c < s->choice_count && !atr_nest_alike(s->choices[c].nest, nest)) c++;
  if (c < s->choice_count) return &s->choices[c];
  ATR_RESERVE(s->work->arena, s->choices, s->choice_count, s->choice_capacity);
  s->choices[s->choice_count++] = (choice){.nest = nest};
  return &s->choices[c];
}

typedef struct fit {
  const atr_nest *nest;
  int64_t limit;
  bool all;
} fit;

static void check_fit(void *user, atr_access *access) {
  fit *f = user;
  f->all = f->all && atr_access_fits(f->nest, access, f->limit);
}

/* Dilations and strides of 2^40 and more are legal, but their addresses are computed without a look at overflow. Iterations that
 * tasks share, and parts, are counted in integers as wide as addresses. */
static atr_status check_sizes(const state *s) {
  bool narrow = s->options->target->address_bits == 32;
  for (int n = 0; n < s->program->nest_count; n++) {
    const atr_nest *nest = s->program->nests[n];
    if (narrow && atr_max(atr_nest_parallel_total(nest), atr_nest_parts(nest)) > INT32_MAX)
      return atr_fail(s->work, ATR_NOWHERE, ATR_UNSUPPORTED,
                      "nest %s: 2^31 parallel iterations or parts, or more, which 32-bit addresses do not allow", nest->name);
    fit f = {nest, narrow ? ATR_NEST_LIMIT_32 : ATR_NEST_LIMIT, true};
    atr_nest_visit_access(s->program->nests[n], check_fit, &f);
    if (!f.all)
      return atr_fail(s->work, ATR_NOWHERE, ATR_UNSUPPORTED,
                      narrow
                          ? "nest %s: strides or dilations times steps through an array pass 2^28, which 32-bit addresses allow"
                          : "nest %s: strides or dilations times steps through an array pass 2^55",
                      f.nest->name);
  }
  return ATR_OK;
}

static atr_status run_canonical(state *s) {
  ATR_TRY(atr_lower_canonical(s->work, s->module, !s->options->keep_padding, &s->program));
  return check_sizes(s);
}

static atr_status run_phases(state *s) {
  atr_program *p = atr_program_without_nests(s->work->arena, s->program);
  for (int n = 0; n < s->program->nest_count; n++) atr_nest_split_residues(s->work->arena, s->program->nests[n], p);
  s->program = p;
  return ATR_OK;
}

static atr_status run_frame(state *s) {
  atr_program *p = atr_program_without_nests(s->work->arena, s->program);
  for (int n = 0; n < s->program->nest_count; n++)
    atr_nest_split_frame(s->work->arena, s->program->nests[n], s->options->target, p);
  s->program = p;
  return ATR_OK;
}

static atr_status run_collapse(state *s) {
  for (int n = 0; n < s->program->nest_count; n++) atr_nest_collapse(s->work->arena, s->program->nests[n], s->options->target);
  return ATR_OK;
}

static bool rhs_is_constant(const atr_program *program, const atr_nest *nest, uint64_t constant_parameters) {
  if (!nest->has_acc) return false;
  const atr_buffer *b = &program->buffers[nest->rhs.buffer];
  return b->kind == ATR_BUFFER_CONSTANT ||
         (b->kind == ATR_BUFFER_ARG && b->number < 64 && (constant_parameters >> b->number & 1) != 0);
}

atr_schedule_setting atr_schedule_setting_of(const atr_program *program, const atr_nest *nest, const atr_target *target,
                                             uint64_t constant_parameters) {
  atr_schedule_setting setting = {.target = target, .rhs_constant = rhs_is_constant(program, nest, constant_parameters)};
  double macs = atr_nest_macs(nest), all = 0;
  for (int n = 0; n < program->nest_count; n++)
    if (program->nests[n]->out.buffer == nest->out.buffer) all += atr_nest_macs(program->nests[n]);
  setting.nests = macs > 0 ? all / macs : 1;
  setting.beside = atr_nest_beside(program, nest);
  setting.alone = atr_program_is_alone(program, nest);
  return setting;
}

static atr_schedule_setting setting_of(const state *s, const atr_nest *nest) {
  atr_schedule_setting setting = atr_schedule_setting_of(s->program, nest, s->options->target, s->options->constant_parameters);
  setting.occupied = ATR_NEST_SCRATCH - s->room + atr_nest_temporaries(s->program, nest, s->buffer_count);
  return setting;
}

static void choose_once(state *s, const atr_nest *nest, const atr_schedule_setting *setting, atr_schedule *schedule,
                        const char **why) {
  choice *c = choice_for(s, nest);
  if (c->schedule.why == NULL) atr_schedule_choose(s->work->arena, nest, setting, &c->schedule.schedule, &c->schedule.why);
  *schedule = c->schedule.schedule;
  *why = c->schedule.why;
}

static bool has_piece(const atr_schedule *schedule, int dim) {
  for (int p = 0; p < schedule->count; p++)
    if (schedule->pieces[p].dim == dim) return true;
  return false;
}

/* One loop for each dim, reduced ones inside the others. */
static void make_plain(const atr_nest *nest, atr_schedule *schedule) {
  atr_schedule plain = {.count = 0};
  for (int p = 0; p < schedule->count; p++)
    if (schedule->pieces[p].kind == ATR_DIM_PART) plain.pieces[plain.count++] = schedule->pieces[p];
  for (int reduced = 0; reduced < 2; reduced++) {
    for (int p = 0; p < schedule->count; p++) {
      int dim = schedule->pieces[p].dim;
      if (nest->dims[dim].reduced != (reduced != 0) || has_piece(&plain, dim)) continue;
      plain.pieces[plain.count++] = (atr_piece){dim, ATR_DIM_LOOP, 0};
    }
  }
  *schedule = plain;
}

static atr_status choose_schedule(state *s, const atr_nest *nest, atr_schedule *schedule, const char **why) {
  const atr_schedule_line *line = atr_schedule_lines_take(s->lines, nest);
  if (line == NULL) {
    atr_schedule_setting setting = setting_of(s, nest);
    choose_once(s, nest, &setting, schedule, why);
    return atr_schedule_check(s->work, nest, schedule);
  }
  const atr_source *module_text = s->work->source;
  s->work->source = &line->text;
  atr_status status = atr_schedule_read(s->work, line->from, nest, schedule);
  s->work->source = module_text;
  *why = s->options->schedule_why != NULL ? s->options->schedule_why : "schedule given by the caller";
  return status;
}

static atr_status choose(state *s, const atr_nest *nest, atr_schedule *schedule, const char **why) {
  ATR_TRY(choose_schedule(s, nest, schedule, why));
  if (!s->options->plain) return ATR_OK;
  make_plain(nest, schedule);
  return atr_schedule_check(s->work, nest, schedule);
}

/* As the caller says, or the cost model. *split: the nest is not whole any more. */
static atr_status split_parts(state *s, const atr_nest *nest, atr_program *out, bool *split) {
  const atr_schedule_line *line = atr_schedule_lines_take(s->lines, nest);
  atr_parts parts;
  if (line == NULL) {
    atr_schedule_setting setting = setting_of(s, nest);
    choice *c = choice_for(s, nest);
    if (!c->weighed && nest->has_acc)
      c->split = atr_parts_choose(s->work->arena, s->program, nest, &setting, &c->parts, &c->schedule);
    c->weighed = true;
    *split = c->split;
    parts = c->parts;
  } else {
    const atr_source *module_text = s->work->source;
    s->work->source = &line->text;
    atr_status status = atr_parts_read(s->work, line->from, nest, &parts, split);
    s->work->source = module_text;
    ATR_TRY(status);
  }
  if (*split) atr_nest_split_parts(s->work->arena, out, nest, &parts);
  else atr_program_new_nest(s->work->arena, out, atr_nest_copy(s->work->arena, nest));
  return ATR_OK;
}

/* Where no nest is split, the schedules that were chosen on the way hold in the next pass. */
static atr_status run_parts(state *s) {
  bool any = false;
  s->choice_count = 0;
  s->buffer_count = s->program->buffer_count;
  atr_program *p = atr_program_without_nests(s->work->arena, s->program);
  for (int n = 0; n < s->program->nest_count; n++) {
    bool split;
    ATR_TRY(split_parts(s, s->program->nests[n], p, &split));
    any |= split;
  }
  if (any) s->choice_count = 0;
  s->program = p;
  return ATR_OK;
}

/* Puts the last nest, which has no parts, in front of the group that is being made. */
static void move_before_parts(atr_program *program, const atr_nest *member) {
  atr_nest *last = program->nests[program->nest_count - 1];
  int at = program->nest_count - 1;
  for (; at > 0 && atr_nest_same_parts(program->nests[at - 1], member); at--) program->nests[at] = program->nests[at - 1];
  program->nests[at] = last;
}

/* Schedules one nest; its widening and packing, if any, become nests in front of it with schedules of their own, which the
 * caller's lines are for by name: it must differ from those of all nests that are or will be scheduled. */
static atr_status schedule_nest(state *s, const atr_nest *nest, atr_program *out) {
  atr_schedule schedule;
  const char *why;
  ATR_TRY(choose(s, nest, &schedule, &why));
  atr_nest *tiled = atr_nest_tile(s->work->arena, nest, &schedule);
  tiled->why = nest->why != NULL ? atr_arena_printf(s->work->arena, "%s; %s", nest->why, why) : why;
  atr_nest *wide = schedule.widen_lhs ? atr_nest_widen_lhs(s->work->arena, out, &s->widened, tiled) : NULL;
  if (wide != NULL) {
    atr_nest_rename(s->work->arena, wide, s->program, out);
    ATR_TRY(schedule_nest(s, wide, out));
  }
  bool constant = rhs_is_constant(s->program, nest, s->options->constant_parameters);
  atr_nest *fill = schedule.pack_rhs ? atr_nest_pack_rhs(s->work->arena, out, &s->packed, tiled, schedule.widen_rhs, constant)
                                     : NULL;
  if (fill != NULL) {
    atr_nest_collapse(s->work->arena, fill, NULL);
    atr_nest_rename(s->work->arena, fill, s->program, out);
    ATR_TRY(schedule_nest(s, fill, out));
    if (atr_nest_parts(fill) == 1) move_before_parts(out, tiled);
  }
  atr_program_new_nest(s->work->arena, out, tiled);
  return ATR_OK;
}

static atr_status run_schedule(state *s) {
  atr_program *p = atr_program_without_nests(s->work->arena, s->program);
  for (int n = 0; n < s->program->nest_count; n++) ATR_TRY(schedule_nest(s, s->program->nests[n], p));
  s->program = p;
  return check_sizes(s); /* tiles may reach beyond the dims */
}

static atr_status run_regions(state *s) {
  for (int n = 0; n < s->program->nest_count; n++) ATR_TRY(atr_nest_build_tree(s->work, s->program->nests[n]));
  return ATR_OK;
}

static atr_status run_plan(state *s) {
  ATR_TRY(atr_program_plan(s->work, s->program, s->options->constant_parameters));
  int64_t most = s->options->target->address_bits == 32 ? INT32_MAX : INT64_MAX;
  if (s->program->scratch_bytes <= most && s->program->packed_bytes <= most) return ATR_OK;
  return atr_fail(s->work, ATR_NOWHERE, ATR_UNSUPPORTED, "temporaries take more memory than 32-bit addresses reach");
}

typedef struct pass {
  const char *name;
  atr_status (*run)(state *s);
} pass;

static const pass PASSES[] = {
    {"canonical", run_canonical}, /* graph to nests; views, groups and foldings decided */
    {"phases", run_phases},       /* before collapse: residue classes are of the problem's own dims */
    {"frame", run_frame},         /* after phases, whose nests have edges of their own; before tiles */
    {"collapse", run_collapse},   /* before schedule: tiles are cut from as few and as long dims as there are */
    {"parts", run_parts},         /* before schedule: each part is scheduled as the smaller problem that it is */
    {"schedule", run_schedule},   /* tile and pack follow from the schedule at once */
    {"regions", run_regions},     /* after tiles: which copies are inside is a question about unrolled dims */
    {"plan", run_plan},           /* last: no pass after it adds a buffer */
};

static void dump(const state *s, const char *name, const char **last) {
  if (s->options->dump == NULL) return;
  atr_text text = atr_text_make(s->work->arena);
  atr_program_print(&text, s->program);
  if (*last == NULL || strcmp(*last, text.data) != 0) s->options->dump(s->options->dump_user, name, text.data);
  *last = text.data;
}

static atr_status run_passes(state *s, const char *before) {
  const char *last = NULL;
  for (size_t i = 0; i < sizeof PASSES / sizeof PASSES[0]; i++) {
    if (before != NULL && strcmp(PASSES[i].name, before) == 0) break;
    ATR_TRY(PASSES[i].run(s));
#ifdef ATR_CHECK_PASSES
    ATR_TRY(atr_program_verify(s->work, s->program));
#endif
    dump(s, PASSES[i].name, &last);
  }
  return ATR_OK;
}

static int64_t limit_of(const atr_lower_options *options) {
  return options->workspace == 0 ? INT64_MAX : options->workspace == ATR_WORKSPACE_NONE ? 0 : options->workspace;
}

int64_t atr_lower_room(const atr_lower_options *options) { return atr_min(limit_of(options), ATR_NEST_SCRATCH); }

/* Within a limit all is chosen as without one if it fits, else with ever less scratch for each nest. */
atr_status atr_lower(atr_work *work, const atr_module *module, const atr_lower_options *options, atr_program **out) {
  int64_t limit = limit_of(options);
  atr_schedule_lines own = atr_schedule_lines_make(work->arena, options->schedule);
  for (int64_t room = ATR_NEST_SCRATCH;; room = room > LEAST_ROOM ? room / 2 : 0) {
    state s = {.work = work, .module = module, .options = options, .room = room};
    s.lines = options->lines != NULL ? options->lines : &own;
    ATR_TRY(run_passes(&s, NULL));
    *out = s.program;
    if (s.program->scratch_bytes <= limit) break;
    if (room == 0)
      return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "%lld bytes of scratch are needed, and the workspace is %lld",
                      (long long)s.program->scratch_bytes, (long long)limit);
  }
  return options->lines != NULL ? ATR_OK : atr_schedule_lines_check(work, &own);
}

atr_status atr_lower_to_nests(atr_work *work, const atr_module *module, const atr_lower_options *options, atr_program **out) {
  atr_schedule_lines lines = atr_schedule_lines_make(work->arena, options->schedule);
  state s = {.work = work, .module = module, .options = options, .lines = &lines, .room = atr_lower_room(options)};
  ATR_TRY(run_passes(&s, "schedule"));
  *out = s.program;
  return ATR_OK;
}
