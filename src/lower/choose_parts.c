/* choose_parts.c - whether a nest runs in parts, and which (parts.h).
 *
 * In: a canonical nest. Out: the split that the cost model thinks cheapest, with what it costs to copy and to continue sums, or
 * none. Three kinds are weighed, all only where the best schedule of the whole nest leaves the multipliers idle:
 *
 *     a panel of lhs        strided pixels, channels a page apart, elements that would be converted at every use, and those that can
 *                           be vectors where the weights would have to be packed, or where features fill few lanes
 *     parts of the sum      operands that no cache holds, both read again and again: gradients of weights; or weights of which what
 *                           tiles share is more than the second cache has
 *     parts of the weights  those that are packed in every run and take more scratch than there is
 *
 * Every one of them is a program of smaller nests, and those are estimated as any other nest. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/cost.h"
#include "lower/parts.h"

static const double IDLE = 1.15; /* cycles, as a multiple of what the arithmetic alone takes, from which on parts are weighed */
static const double GAIN = 0.98; /* of the whole nest's cycles that parts must stay below */
static const double NEST_GAIN = 0.02; /* and for each nest beside it less: every copy is code to compile */
static const double CONTINUED =
    0.06; /* part of its estimate that a nest has taken more that continues sums, where ends of tiles show */
static const double PANEL = 1.05;         /* what nests with a panel of lhs have taken, of their estimate */
static const double STRIPS = 1.02;        /* and once more those with strips, which are copied in short runs */
static const double PART_CYCLES = 1500;   /* to start a nest of a group, on several threads */
static const double LEAST_IDLE = 25e3;    /* cycles beside the arithmetic below which no split has paid */
static const double LEAST_CYCLES = 100e3; /* the arithmetic's, below which only empty lanes are worth one */

enum { MAX_WEIGHED = 16 };

typedef struct weighing {
  atr_arena *arena;
  const atr_program *program;
  const atr_nest *nest;
  const atr_schedule_setting *setting;
  double least; /* cycles so far, of the whole nest or of the best parts */
  double floor; /* cycles of the multiplications alone */
  atr_parts weighed[MAX_WEIGHED];
  int weighed_count;
  atr_parts *best;
  bool found;
} weighing;

/* Indices that one vector of the sum's dtype has. */
static int64_t lanes_of(const weighing *w) { return atr_target_lanes(w->setting->target, w->nest->acc_dtype); }

/* Loops over tasks that the nest is shared out in: one for all parts where it is alone in them and its tasks share nothing. */
static int64_t starts_of(const atr_nest *nest, const atr_choice *choice) {
  const atr_schedule *s = &choice->schedule;
  bool together = choice->alone;
  for (int p = 0; p < s->count; p++)
    together = together && (s->pieces[p].kind != ATR_DIM_PARALLEL || atr_nest_is_private(nest, s->pieces[p].dim));
  return together ? 1 : atr_nest_parts(nest);
}

/* Cycles of one nest of the split program; `limit`: from so many on it does not matter how many. */
static double cycles_of(const weighing *w, const atr_program *split, const atr_nest *nest, double limit) {
  atr_choice choice;
  atr_schedule_setting setting = *w->setting;
  setting.rough = true;
  setting.limit = limit;
  setting.occupied += atr_nest_temporaries(split, nest, w->program->buffer_count);
  setting.beside = atr_nest_beside(split, nest);
  setting.alone = atr_program_is_alone(split, nest);
  if (setting.occupied > ATR_NEST_SCRATCH) return HUGE_VAL;
  if (!nest->has_acc) setting.rhs_constant = false;
  if (nest->has_acc && w->floor >= limit) return HUGE_VAL;
  if (atr_schedule_rank(w->arena, nest, &setting, 1, &choice) == 0) return HUGE_VAL;
  double longer = nest->continues ? CONTINUED * w->setting->target->row->ends_exposed : 0;
  return (choice.cycles + choice.apart + PART_CYCLES * (double)starts_of(nest, &choice)) * (1 + longer);
}

static bool same_parts(const atr_parts *a, const atr_parts *b) {
  return memcmp(a->block, b->block, sizeof a->block) == 0 && memcmp(a->strip, b->strip, sizeof a->strip) == 0 &&
         memcmp(a->lhs, b->lhs, sizeof a->lhs) == 0 && a->lhs_count == b->lhs_count && a->lhs_dtype == b->lhs_dtype;
}

static bool is_new(weighing *w, const atr_parts *parts) {
  for (int i = 0; i < w->weighed_count; i++)
    if (same_parts(&w->weighed[i], parts)) return false;
  if (w->weighed_count < MAX_WEIGHED) w->weighed[w->weighed_count++] = *parts;
  return true;
}

/* Takes the parts if the nests that they make are cheaper than the best so far. */
static void weigh(weighing *w, const atr_parts *parts) {
  atr_source none = {.name = "parts"};
  atr_work work = {.arena = w->arena, .source = &none};
  double cycles = 0;
  if (!is_new(w, parts)) return;
  if (atr_parts_check(&work, w->nest, parts) != ATR_OK) return;
  atr_program *split = atr_program_without_nests(w->arena, w->program);
  atr_nest_split_parts(w->arena, split, w->nest, parts);
  for (int n = 0; n < split->nest_count && cycles < w->least; n++)
    cycles += cycles_of(w, split, split->nests[n], w->least - cycles);
  for (int d = 0; d < w->nest->dim_count; d++)
    if (parts->strip[d] != 0) cycles *= STRIPS;
  if (parts->lhs_count > 0) cycles *= PANEL;
  if (cycles >= w->least) return;
  w->least = cycles;
  w->found = true;
  *w->best = *parts;
}

/* Indices of dim d in one part. */
static double indices(const atr_nest *nest, const atr_parts *parts, int d) {
  return (double)(parts->block[d] != 0 ? parts->block[d] : nest->dims[d].extent);
}

/* Positions along an index in one part, also those that do not exist. */
static double positions(const atr_nest *nest, const atr_index *index, const atr_parts *parts) {
  double count = 1;
  for (int d = 0; d < nest->dim_count; d++) count += (double)llabs(index->at.coef[d]) * (indices(nest, parts, d) - 1);
  return count;
}

/* Points of the dims that move an access, its indices left aside, in one part. */
static double points(const atr_nest *nest, const atr_access *access, const atr_parts *parts) {
  double count = 1;
  for (int d = 0; d < nest->dim_count; d++)
    if (access->at.coef[d] != 0) count *= indices(nest, parts, d);
  return count;
}

/* Bytes of an operand that one part reads: positions along each of its indices, and points of its other dims. */
static double bytes_of(const atr_nest *nest, const atr_access *access, atr_dtype dtype, const atr_parts *parts) {
  double bytes = (double)atr_dtype_size(dtype) * points(nest, access, parts);
  for (int i = 0; i < access->index_count; i++)
    bytes *= fmin(positions(nest, &access->index[i], parts), (double)access->index[i].bound);
  return bytes;
}

static atr_dtype dtype_in_panel(const atr_nest *nest, const atr_parts *parts) {
  return parts->lhs_dtype != ATR_DTYPE_NONE ? parts->lhs_dtype : nest->lhs_dtype;
}

/* The same of a panel of lhs, which has room for padding too. */
static double panel_bytes(const atr_nest *nest, const atr_parts *parts) {
  double bytes = (double)atr_dtype_size(dtype_in_panel(nest, parts)) * points(nest, &nest->lhs, parts);
  for (int i = 0; i < nest->lhs.index_count; i++) bytes *= positions(nest, &nest->lhs.index[i], parts);
  return bytes;
}

/* ---- parts of the sum */

static int64_t next_divisor(int64_t extent, int64_t below) {
  for (int64_t b = below - 1; b > 1; b--)
    if (extent % b == 0) return b;
  return 1;
}

/* What a part reads of lhs, elements of `dtype`, or of both operands, within `room` bytes, by splitting reduced dims that move both,
 * those with the largest steps through lhs first. false: there is nothing to split. */
static bool split_sums(const atr_nest *nest, atr_dtype dtype, bool both, double room, atr_parts *parts) {
  int64_t step[ATR_MAX_DIMS];
  int dims[ATR_MAX_DIMS], count = 0;
  bool split = false;
  atr_cost_steps(nest, &nest->lhs, step);
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].reduced && step[d] != 0 && atr_access_step(&nest->rhs, d) != 0)
      count = atr_dims_insert_by_step(step, dims, count, d);
  for (int i = 0; i < count; i++)
    for (int64_t block = nest->dims[dims[i]].extent; block > 1;) {
      double bytes = bytes_of(nest, &nest->lhs, dtype, parts) + (both ? bytes_of(nest, &nest->rhs, nest->rhs_dtype, parts) : 0);
      if (bytes <= room) break;
      parts->block[dims[i]] = block = next_divisor(nest->dims[dims[i]].extent, block);
      split = true;
    }
  return split;
}

static void weigh_sums(weighing *w, bool both, double room) {
  atr_parts parts = {.lhs_count = 0};
  if (split_sums(w->nest, w->nest->lhs_dtype, both, room, &parts)) weigh(w, &parts);
}

/* The same for what tiles of two vectors of a dim that all arrays have read: each task has some of its own, runs all parts, and so finds
 * what one tile has read in the nearest cache when the next one does. */
static void weigh_private_sums(weighing *w, double room) {
  const atr_nest *nest = w->nest;
  atr_parts parts = {.lhs_count = 0};
  bool found = false;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t tile = 2 * lanes_of(w);
    if (!atr_nest_is_private(nest, d) || nest->dims[d].extent <= tile) continue;
    parts.block[d] = tile;
    found = true;
  }
  if (!found || !split_sums(nest, nest->lhs_dtype, true, room, &parts)) return;
  for (int d = 0; d < nest->dim_count; d++)
    if (atr_nest_is_private(nest, d)) parts.block[d] = 0;
  weigh(w, &parts);
}

/* Sums of some channels after others, all taps each: the weights that tiles of one group of features share, four vectors of them, stay in
 * `room` bytes while the tiles pass. */
static void weigh_channels(weighing *w, double room) {
  const atr_nest *nest = w->nest;
  atr_parts parts = {.lhs_count = 0}, tile = {.lhs_count = 0};
  int channels = -1;
  for (int d = 0; d < nest->dim_count; d++) {
    bool features = nest->rhs.at.coef[d] != 0 && !nest->dims[d].reduced;
    if (features) tile.block[d] = atr_min(4 * lanes_of(w), nest->dims[d].extent);
    bool larger = channels < 0 || nest->dims[d].extent > nest->dims[channels].extent;
    if (nest->dims[d].reduced && larger && nest->rhs.at.coef[d] != 0 && nest->lhs.at.coef[d] != 0) channels = d;
  }
  if (channels < 0) return;
  int64_t block = nest->dims[channels].extent;
  while (block > 1 && bytes_of(nest, &nest->rhs, nest->rhs_dtype, &tile) > room)
    tile.block[channels] = block = next_divisor(nest->dims[channels].extent, block);
  parts.block[channels] = block;
  if (block < nest->dims[channels].extent) weigh(w, &parts);
}

/* ---- a panel of lhs */

/* Indices in each block, about `most`, whole pieces of `piece` where they have several, so that the last is as full as can be. */
static int64_t even_block(int64_t extent, int64_t most, int64_t piece) {
  int64_t best = most = atr_max(atr_min(most, extent), 1);
  if (most > piece) best = most = most / piece * piece;
  else piece = 1;
  for (int64_t block = most; block > most / 2; block -= piece)
    if (atr_ceil_div(extent, block) * block < atr_ceil_div(extent, best) * best) best = block;
  return best;
}

/* Terms of the sum that a lane takes at once. */
static int64_t most_at_once(const atr_nest *nest, const atr_target *target) {
  int64_t most = 1;
  for (int d = 0; d < nest->dim_count; d++) most = atr_max(most, atr_cost_dot_extent(nest, target, d));
  return most;
}

/* The type that the panel's elements are held in: that in which they are multiplied, where the next conversion is free of it. */
static atr_dtype panel_dtype(const atr_nest *nest, const atr_target *target) {
  bool pairs = nest->acc_dtype == ATR_F32 && nest->lhs_dtype == ATR_BF16 && target->bf16_dot;
  if (atr_nest_can_widen(nest, nest->lhs_dtype) && !pairs) return nest->acc_dtype;
  bool narrow = nest->acc_dtype == ATR_S32 && (nest->lhs_dtype == ATR_S8 || nest->lhs_dtype == ATR_U8);
  return narrow && most_at_once(nest, target) < 4 ? ATR_S16 : ATR_DTYPE_NONE;
}

/* Dims of lhs, from the largest step to the smallest: the panel has its elements in the order of their array, which copies best. */
static void name_order(const atr_nest *nest, atr_parts *parts) {
  int64_t step[ATR_MAX_DIMS];
  atr_cost_steps(nest, &nest->lhs, step);
  for (int d = 0; d < nest->dim_count; d++)
    if (step[d] != 0) parts->lhs_count = atr_dims_insert_by_step(step, parts->lhs, parts->lhs_count, d);
}

/* The same with reduced dims behind all pixels but the nearest, so that the channels of a strip follow each other. */
static void name_strips(const atr_nest *nest, atr_parts *parts) {
  int count = 0, last = parts->lhs[parts->lhs_count - 1], named[ATR_MAX_DIMS];
  for (int reduced = 0; reduced < 2; reduced++)
    for (int i = 0; i < parts->lhs_count - 1; i++)
      if (nest->dims[parts->lhs[i]].reduced == (reduced == 1)) named[count++] = parts->lhs[i];
  named[count++] = last;
  memcpy(parts->lhs, named, sizeof named[0] * (size_t)count);
}

static void name_last(atr_parts *parts, int at) {
  int d = parts->lhs[at], last = parts->lhs_count - 1;
  memmove(&parts->lhs[at], &parts->lhs[at + 1], sizeof parts->lhs[0] * (size_t)(last - at));
  parts->lhs[last] = d;
}

/* The same with the reduced dim last that is multiplied in pairs, so that a pair is one element to read; where two could be, the
 * nearest. false: it is last already, or nothing is in pairs. */
static bool name_pairs(const atr_nest *nest, atr_parts *parts) {
  int last = parts->lhs_count - 1, at = last;
  while (at >= 0 && !(atr_nest_can_dot(nest, parts->lhs[at], 2) && nest->dims[parts->lhs[at]].extent > 1)) at--;
  if (at < 0 || at == last) return false;
  name_last(parts, at);
  return true;
}

/* Are the elements named one after the other in their array, so that a panel in the same order has nothing to add? */
static bool lies_in_order(const atr_nest *nest, const atr_parts *parts) {
  int64_t step[ATR_MAX_DIMS], next = 1;
  atr_cost_steps(nest, &nest->lhs, step);
  for (int i = parts->lhs_count - 1; i >= 0; next *= nest->dims[parts->lhs[i--]].extent)
    if (step[parts->lhs[i]] != next) return false;
  return true;
}

/* A panel of at most `room` bytes, by splitting dims of pixels, the farthest first, into blocks of whole pieces, all about as large; and where
 * the dim has many more indices than taps, not smaller than these reach: what they do is read anew for every block. */
static void split_pixels(const weighing *w, int64_t piece, double room, atr_parts *parts) {
  const atr_nest *nest = w->nest;
  for (int i = 0; i < parts->lhs_count; i++) {
    int d = parts->lhs[i];
    int64_t extent = nest->dims[d].extent;
    double bytes = panel_bytes(nest, parts);
    if (nest->dims[d].reduced || extent == 1 || bytes <= room) continue;
    parts->block[d] = 1;
    double least = panel_bytes(nest, parts), each = (bytes - least) / (double)(extent - 1), taps = least / each;
    double most = 1 + fmax((room - least) / each, 2 * taps < (double)extent ? taps : 0);
    parts->block[d] = even_block(extent, (int64_t)most, atr_max(parts->strip[d], piece));
    if (parts->block[d] == extent) parts->block[d] = 0;
  }
}

/* `pairs`: with pairs of elements side by side, where they are not as they lie. `strip` > 0: the nearest pixels, if there are more,
 * in strips of so many, and blocks of whole strips. */
static void weigh_panel(weighing *w, bool pairs, int64_t strip, double room) {
  const atr_nest *nest = w->nest;
  atr_parts parts = {.lhs_dtype = panel_dtype(nest, w->setting->target)};
  name_order(nest, &parts);
  if (pairs && !name_pairs(nest, &parts)) return;
  if (strip == 0 && parts.lhs_dtype == ATR_DTYPE_NONE && lies_in_order(nest, &parts)) return;
  if (strip > 0) {
    name_strips(nest, &parts);
    parts.strip[parts.lhs[parts.lhs_count - 1]] = strip;
  }
  split_pixels(w, strip == 0 ? 2 * lanes_of(w) : 1, room, &parts);
  weigh(w, &parts);
}

/* Channels that lie apart, as in NCHW, need many lines and translations; in strips a tile's operands follow each other. These are as
 * wide as tiles are: of two vectors, or of so many pixels at most that their sums, for one vector of features or for two, leave three
 * registers for operands. */
static void weigh_strips(weighing *w, double room) {
  const atr_target *target = w->setting->target;
  atr_parts order = {.lhs_count = 0};
  name_order(w->nest, &order);
  if (order.lhs_count == 0 || w->nest->dims[order.lhs[order.lhs_count - 1]].reduced) return;
  int64_t pixels = w->nest->dims[order.lhs[order.lhs_count - 1]].extent, vectors = 2 * lanes_of(w),
          sums = target->row->registers - 3;
  if (pixels > vectors) weigh_panel(w, false, vectors, room);
  for (int features = 1; features <= 2; features++)
    if (pixels > sums / features) weigh_panel(w, false, atr_ceil_div(pixels, atr_ceil_div(pixels, sums / features)), room);
}

/* A panel of lhs that vectors over its independent dim d are loaded from, one or two, as tiles have them, where lhs has d's elements apart:
 * then it is lhs that is laid out anew in every run and not rhs, in parts of the sum that fit. In the gradient of weights both are
 * images, and the one with fewer features is copied sooner. A dim that walks its elements together with taps has no strips, and is
 * refused. */
static void weigh_turned(weighing *w, int d, double room) {
  const atr_nest *nest = w->nest;
  int64_t lanes = lanes_of(w), extent = nest->dims[d].extent;
  atr_parts parts = {.lhs_dtype = panel_dtype(nest, w->setting->target)};
  name_order(nest, &parts);
  int last = parts.lhs_count - 1, at = 0;
  while (at < last && parts.lhs[at] != d) at++;
  if (at == last || extent % lanes != 0) return; /* they are neighbours already, or do not fill vectors */
  name_last(&parts, at);
  parts.strip[d] = extent % (2 * lanes) == 0 ? 2 * lanes : lanes;
  split_sums(nest, dtype_in_panel(nest, &parts), false, room, &parts);
  weigh(w, &parts);
}

/* Features that leave lanes empty beside pixels that would fill them, but lie all their channels apart: a panel in which pixels of dim d
 * are neighbours, behind the channels, in parts of some rows. */
static void weigh_pixels(weighing *w, int d, double room) {
  const atr_nest *nest = w->nest;
  atr_parts order = {.lhs_count = 0}, parts = {.lhs_dtype = panel_dtype(nest, w->setting->target)};
  name_order(nest, &order);
  int nearest = order.lhs[order.lhs_count - 1];
  for (int p = 0; p < nest->dim_count; p++)
    if (atr_nest_is_pixel(nest, p) && (p == nearest || atr_nest_walk_together(nest, p, nearest)))
      return; /* they are neighbours already */
  for (int i = 0; i < order.lhs_count; i++)
    if (!atr_nest_walk_together(nest, order.lhs[i], d)) parts.lhs[parts.lhs_count++] = order.lhs[i];
  parts.lhs[parts.lhs_count++] = d;
  split_pixels(w, 1, room, &parts);
  weigh(w, &parts);
}

/* ---- parts of the weights */

/* Weights of at most `room` bytes in a part: blocks of whole vectors of their independent dims, and where these do not suffice of
 * reduced ones. */
static void weigh_weights(weighing *w, double room) {
  const atr_nest *nest = w->nest;
  atr_parts parts = {.lhs_count = 0};
  int64_t step[ATR_MAX_DIMS], vectors = 4 * lanes_of(w);
  int dims[ATR_MAX_DIMS], count = 0;
  atr_cost_steps(nest, &nest->rhs, step);
  for (int reduced = 0; reduced < 2; reduced++, count = 0) {
    for (int d = 0; d < nest->dim_count; d++)
      if (step[d] != 0 && nest->dims[d].reduced == (reduced == 1)) count = atr_dims_insert_by_step(step, dims, count, d);
    for (int i = 0; i < count; i++) {
      double bytes = bytes_of(nest, &nest->rhs, nest->rhs_dtype, &parts);
      int64_t extent = nest->dims[dims[i]].extent, block = (int64_t)((double)extent * room / bytes);
      if (bytes <= room) break;
      if (reduced) block = next_divisor(extent, atr_max(block, 1) + 1);
      else if (block > vectors) block = block / vectors * vectors;
      else block = atr_max(block, vectors);
      if (block < extent) parts.block[dims[i]] = block;
    }
  }
  if (bytes_of(nest, &nest->rhs, nest->rhs_dtype, &parts) <= room) weigh(w, &parts);
}

/* ---- */

static double arithmetic_cycles(const atr_nest *nest, const atr_target *target) {
  double lanes = (double)atr_target_lanes(target, nest->acc_dtype);
  double at_once = nest->acc_dtype != ATR_F32 ? (double)most_at_once(nest, target) : 1;
  return atr_nest_useful_macs(nest) / (at_once * lanes * target->row->fma_per_cycle);
}

/* Those for features that fill no vectors, also of nests with little arithmetic, of which they do many times as much. Pixels from the nearest
 * on, to the first that fill vectors: farther ones come in no fewer lines. */
static void weigh_empty_lanes(weighing *w, double cache, double room) {
  const atr_nest *nest = w->nest;
  int64_t step[ATR_MAX_DIMS];
  int pixels[ATR_MAX_DIMS], count = 0;
  bool filled = false;
  if (room <= 0 || atr_nest_features_fill(nest, lanes_of(w))) return;
  atr_cost_steps(nest, &nest->lhs, step);
  for (int d = 0; d < nest->dim_count; d++)
    if (atr_nest_is_pixel(nest, d)) count = atr_dims_insert_by_step(step, pixels, count, d);
  for (int i = count - 1; i >= 0 && !filled; i--) {
    weigh_pixels(w, pixels[i], fmin(cache, room) / 2);
    weigh_pixels(w, pixels[i], room);
    filled = nest->dims[pixels[i]].extent >= lanes_of(w);
  }
}

static void weigh_panels(weighing *w, double room) {
  for (int pairs = 1; pairs >= 0; pairs--) {
    weigh_panel(w, pairs == 1, 0, room);
    weigh_panel(w, pairs == 1, 0, room / 2);
  }
  weigh_strips(w, room);
  weigh_strips(w, room / 2);
}

/* `cache`: bytes of the second; `room` of scratch. */
static void weigh_all(weighing *w, double cache, double room) {
  const atr_nest *nest = w->nest;
  const atr_parts none = {.lhs_count = 0};
  bool constant = w->setting->rhs_constant;
  if (room > 0) weigh_panels(w, fmin(cache, room));
  if (room > 0 && !constant && bytes_of(nest, &nest->rhs, nest->rhs_dtype, &none) > room / 2) {
    weigh_weights(w, room * 0.9);
    weigh_weights(w, room / 3);
  }
  for (int d = 0; d < nest->dim_count && room > 0 && !constant; d++)
    if (!nest->dims[d].reduced && nest->lhs.at.coef[d] != 0) weigh_turned(w, d, fmin(cache, room));
  weigh_channels(w, cache / 2);
  weigh_sums(w, false, cache / 2);
  weigh_sums(w, true, cache / 2);
  weigh_sums(w, true, cache / 4);
  weigh_private_sums(w, atr_target_cache(w->setting->target, 0) / 2);
}

bool atr_parts_choose(atr_arena *arena, const atr_program *program, const atr_nest *nest, const atr_schedule_setting *setting,
                      atr_parts *out, atr_choice *whole) {
  if (!atr_nest_has_points(nest)) return false;
  double room = (double)(ATR_NEST_SCRATCH - setting->occupied), cache = atr_target_cache(setting->target, 1);
  weighing w = {.arena = arena, .program = program, .nest = nest, .setting = setting, .best = out};
  w.floor = arithmetic_cycles(nest, setting->target);
  atr_schedule_rank(arena, nest, setting, 1, whole);
  double cycles = whole->cycles + whole->apart;
  if (cycles < w.floor * IDLE || cycles - w.floor < LEAST_IDLE) return false;
  w.least = cycles * (GAIN - NEST_GAIN * (setting->nests - 1));
  weigh_empty_lanes(&w, cache, room);
  if (w.floor >= LEAST_CYCLES) weigh_all(&w, cache, room);
  if (w.found)
    out->why = atr_arena_printf(arena, "in parts: estimate %.5g cycles with copies and sums, %.5g whole", w.least, cycles);
  return w.found;
}
