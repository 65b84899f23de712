/* memory.c - what a candidate's order of loops costs in traffic between the caches (cost.h).
 *
 * In: the loops around a tile, from the outside in. Out: cycles. For every array and every level of the loops the footprint
 * is counted: the cache lines that one pass of everything inside touches. A cache keeps what the outermost level whose
 * footprints fit in it touches; an array is brought in again for every iteration further out, but for loops just outside
 * that level that do not move it. Pages are counted by the same rule, with the translation buffers as their caches.
 *
 *     3x3, 64 channels, 56 columns, oc:16 outermost: the weights' panel of 36 KB is kept, the image passes 4 times. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/cost.h"

static const double LINE = ATR_CACHE_LINE, PAGE = 4096; /* bytes */

/* Weights that are used once, read with jumps instead of from the first to the last: DeepFace's unshared 7x7 layer took 1.7 ms
 * where the order in memory takes 0.8. */
static const double OUT_OF_ORDER = 2;
/* Part of tiles and translations that does not hide behind a longer time, and of lines into the nearest cache that take longer than tiles;
 * the target's row has that of others. Walks for translations hide behind nothing. */
static const double EXPOSED = 0.12;
/* Lines of short runs, far from each other, are not fetched ahead; still less single ones that a tile reads in long steps: the inner
 * features of a depthwise layer at one pixel after the other. */
static const double SHORT_RUN = 256, ALONE_STEP = 512;
/* What they cost a tile that reads them again and again from the second cache. A 6x2 tile over 512 channels takes 6.2 cycles a step
 * where these follow each other, and 8.5 where they lie 196 to 12544 bytes apart: two lines. */
static const double APART_RUN = 128, APART_CYCLES = 1.3;
/* Lines of longer runs, as far as tiles go on in them, are fetched ahead: nothing waits for them. */
static const double WAITING_RUN = 512;
/* Of the next tiles' lines a step of a tile asks for so many, at most. */
static const double MOST_PREFETCHES = 2;
/* Part of the time for lines that hides behind nothing where rows have thrown them out of the sets of the nearest cache, as those of 1024
 * columns (TILE_SHARE). */
static const double CROWDED_SHARE = 0.5;
/* From the second cache loads are fetched ahead that go on by the same step. In a depthwise layer of stride 2 and 576 channels a loop over
 * three rows of taps takes two steps and then none: 4.1 us. With all taps in the tile each load goes down the image: 2.9. */
static const double STEPS_FOLLOWED = 5, UNSTEADY = 1.15;
/* Where tiles go on in a run right behind the one before it is as long as all their pieces, but not where one tile has more runs than are
 * followed: a depthwise layer of 32 channels, a piece of 8 at a time, takes 0.56 ms with AVX2 where pixels of all 32 two rows at a time
 * take 1.1; unshared weights in 56 runs 1.05 where one run takes 0.58. */
static const double MOST_STREAMS = 48;
/* But rows of the result that tile after tile makes longer, by a line or more, to this length are streams, and several are fetched at
 * once: 12 to 48 channels of 200 x 200 pixels in NCHW took 2.5 ms with one row of the output or two at a time, 1.4 with three, 1.2 with
 * four or six. On Zen 5 one is fetched as fast: 64 channels of 570 x 570 pixels in NHWC took 2.1 ms with one row or two, 2.2 with three,
 * 2.9 with five. Shorter ones start like some lines more, where what is read stays the same. */
static const double LONG_RUN = 2048, STREAMS_SHARE = 0.5;
/* Of a store's part that loops may fill, what a tile may need and still leave lines for the next one: all of the store, about. Where rows
 * are a multiple of a cache's way apart it is soon full: a depthwise layer of rate 2 and 512 channels took 405 us with two rows of the
 * output at once; 3x3 on one channel of 1024 columns 370, 406 and 487 us where the rows of input and output are 6, 8 and 10, and 360 us
 * with 1040 columns. */
static const double TILE_SHARE = 1.35;
/* What a nest in front weighs at least: its code is compiled, and its threads are woken. */
static const double WIDENING_CYCLES = 5e3;
static const double PACK_CYCLES = 1; /* per element that is laid out anew */

typedef struct traffic {
  const atr_cost_model *m;
  const atr_candidate *c;
  const atr_cost_arrays *arrays;
  int near;                    /* the outermost level whose lines fit into the nearest cache, if no rows crowd each other */
  bool whole[ATR_COST_ARRAYS]; /* does the cache that was asked last keep all of the array? */
  int64_t inside[ATR_MAX_DIMS + 1]
                [ATR_MAX_DIMS]; /* [level][dim]: indices of the dim that the loops from `level` inwards cover */
} traffic;

static atr_cost_array *add_array(const atr_cost_model *m, atr_cost_arrays *out, const int64_t *step, atr_dtype dtype,
                                 double weight) {
  atr_cost_array *a = &out->list[out->count++];
  *a = (atr_cost_array){.size = (int64_t)atr_dtype_size(dtype), .taps = 1, .weight = weight, .far_weight = weight};
  for (int d = 0; d < m->nest->dim_count; d++) {
    a->step[d] = llabs(step[d]);
    if (step[d] == 0) continue;
    int at = a->moving++;
    for (; at > 0 && a->step[a->by_step[at - 1]] > a->step[d]; at--) a->by_step[at] = a->by_step[at - 1];
    a->by_step[at] = d;
  }
  return a;
}

/* Writes to memory in short runs, a pixel's few channels and then the next pixel's, took longer for the same lines: a 3x3 layer from
 * 1 to 64 channels 11.1, 6.2 and 4.9 ms with runs of 32, 64 and 128 bytes. Depthwise layers, which read as they write, did not. */
static double scattered_writes(const atr_cost_model *m, const atr_candidate *c, atr_dtype stored) {
  int d = c->vector.dims[1];
  int64_t run = m->out[d] == 1 ? c->vector.lanes[1] * c->vectors * (int64_t)atr_dtype_size(stored) : 0;
  bool whole = run == 0 || m->lhs[d] != 0 || c->vector.lanes[1] * c->vectors >= m->nest->dims[d].extent;
  return whole || run >= 128 ? 1 : run >= 64 ? 1.4 : 2.2;
}

/* A packed array is padded to whole pieces; and where elements are read seldom, it must be better than their own order. */
static double packed_weight(const atr_cost_model *m, const atr_candidate *c) {
  double padding = m->reused ? 1 : 1.02;
  for (int d = 0; d < m->nest->dim_count; d++) {
    int64_t extent = m->nest->dims[d].extent, inner = atr_cost_inner_extent(m, c, d);
    if (m->rhs[d] != 0 && extent > 0) padding *= (double)(atr_ceil_div(extent, inner) * inner) / (double)extent;
  }
  return padding;
}

void atr_cost_find_arrays(const atr_cost_model *m, const atr_candidate *c, atr_cost_arrays *out) {
  const atr_nest *nest = m->nest;
  atr_dtype stored = nest->exprs[nest->root].dtype;
  out->count = 0;
  if (nest->has_acc) {
    add_array(m, out, m->lhs, atr_cost_lhs_dtype(m, c), 1)->taps = c->taps;
    atr_cost_array *rhs = add_array(m, out, m->rhs, atr_cost_rhs_dtype(m, c), 1);
    rhs->packed = c->pack;
    rhs->weights = true;
    if (c->pack) rhs->weight = rhs->far_weight = packed_weight(m, c);
    rhs->taps = c->taps;
  }
  atr_cost_array *result = add_array(m, out, m->out, stored, 2);
  result->written = result->after_sum = true;
  result->far_weight *= scattered_writes(m, c, stored);
  for (int e = 1; e <= nest->expr_count; e++) {
    if (nest->exprs[e].kind != ATR_EXPR_LOAD || out->count == ATR_COST_ARRAYS) continue;
    int64_t step[ATR_MAX_DIMS];
    atr_cost_steps(nest, &nest->exprs[e].access, step);
    add_array(m, out, step, nest->exprs[e].dtype, 1)->after_sum = true;
  }
}

static void find_insides(traffic *t) {
  const atr_nest *nest = t->m->nest;
  for (int d = 0; d < nest->dim_count; d++)
    t->inside[t->c->loop_count][d] = atr_min(atr_cost_inner_extent(t->m, t->c, d), atr_max(nest->dims[d].extent, 1));
  for (int l = t->c->loop_count - 1; l >= 0; l--) {
    int d = t->c->loops[l].dim;
    memcpy(t->inside[l], t->inside[l + 1], sizeof t->inside[l]);
    t->inside[l][d] = atr_min(t->inside[l][d] * t->c->loops[l].trips, atr_max(nest->dims[d].extent, 1));
  }
}

/* Blocks that a run of so many bytes lies in, which begins where blocks do if it is aligned. */
static double blocks_of_run(double bytes, double block, bool aligned) {
  double blocks = (double)(int64_t)((bytes + block - 1) / block);
  bool inside = bytes < block || (aligned && (int64_t)bytes % (int64_t)block == 0);
  return blocks + (inside ? 0 : 0.25);
}

/* Blocks of `block` bytes that an array's elements lie in when dim d covers inside[d] indices. Dims by their steps: a run grows
 * while steps do not leave a gap of a block; then come rows of runs, and rows that interleave (taps and pixels) are merged. Runs that
 * begin and end where blocks do, if the array does, reach into no block more. */
static double blocks_touched(const atr_cost_array *a, const int64_t *inside, double block) {
  double size = (double)a->size, run = 1, rows = 1, row_step = 0, others = 1;
  bool aligned = true;
  for (int i = 0; i < a->moving; i++) {
    double step = (double)a->step[a->by_step[i]], extent = (double)inside[a->by_step[i]];
    bool joins = a->packed || (rows <= 1 && step <= run + block / size);
    if (extent <= 1) continue;
    aligned = aligned && (joins || (int64_t)(step * size) % (int64_t)block == 0);
    if (a->packed) run *= extent;
    else if (joins) run += step * (extent - 1);
    else if (rows > 1 && step <= row_step * rows) rows += (double)(int64_t)(step / row_step) * (extent - 1);
    else {
      others *= rows;
      rows = extent;
      row_step = step;
    }
  }
  return others * rows * blocks_of_run(run * size, block, aligned);
}

/* Bytes that an array's elements lie next to each other in, as a tile walks them. */
static double run_of(const atr_cost_array *a, const int64_t *inside) {
  double run = 1;
  for (int i = 0; i < a->moving; i++) {
    int64_t step = a->step[a->by_step[i]], extent = inside[a->by_step[i]];
    if (extent > 1 && (double)step > run) break;
    if (extent > 1) run += (double)(step * (extent - 1));
  }
  return run * (double)a->size;
}

/* Runs, of so many bytes, that a tile has. */
static double rows_of(const atr_cost_array *a, const int64_t *inside, double run) {
  double bytes = (double)a->size;
  for (int i = 0; i < a->moving; i++) bytes *= (double)inside[a->by_step[i]];
  return bytes / run;
}

/* A cache, or the translation buffers. */
typedef struct store {
  double capacity, block; /* bytes */
  double line_cycles;     /* 0: of translation buffers */
  int64_t sets;           /* 1: any block may lie anywhere */
  bool behind, far;       /* not the nearest cache; behind it is memory */
} store;

/* Rows a multiple of a cache's way apart fall into few of its sets: the part of the cache that they cannot use, as a factor
 * on their footprint. Each row reaches into one set more than it needs, where it lies by chance; exact: it does not, and as many fit as
 * there are ways. Behind the nearest cache rows are never counted as more than they are: pieces of 256 bytes of every second pixel of 128
 * features need four times the room that they fill, with what else passes all of 2 MB, and a weight gradient takes 4.1 ms where images
 * four at a time take 2.8. */
static double crowding(const atr_cost_array *a, const int64_t *inside, const store *s, bool exact) {
  double run = 1;
  for (int i = 0; i < a->moving && !a->packed && s->sets > 1; i++) {
    int64_t step = a->step[a->by_step[i]], extent = inside[a->by_step[i]], lines = step * a->size / (int64_t)s->block;
    if (extent <= 1) continue;
    if ((double)step <= run + s->block / (double)a->size) {
      run += (double)(step * (extent - 1));
      continue;
    }
    if (step * a->size % (int64_t)s->block != 0) return 1;
    double apart = (double)atr_gcd(lines, s->sets), bytes = run * (double)a->size,
           covered = exact ? blocks_of_run(bytes, s->block, true) : (double)(int64_t)(bytes / s->block) + 1;
    return apart > covered ? apart / covered : 1;
  }
  return 1;
}

/* Blocks of one size that each array has at each level of the loops. */
typedef double footprints[ATR_COST_ARRAYS][ATR_MAX_DIMS + 1];

static void find_footprints(const traffic *t, double block, footprints out) {
  for (int i = 0; i < t->arrays->count; i++)
    for (int l = 0; l <= t->c->loop_count; l++) out[i][l] = blocks_touched(&t->arrays->list[i], t->inside[l], block);
}

/* Bytes from one pass of loop l to the next along an array. */
static double stride(const traffic *t, const atr_cost_array *a, int l) {
  int d = t->c->loops[l].dim;
  return (double)a->step[d] * (double)t->inside[l + 1][d] * (double)a->size;
}

/* Bytes of a run that loops `outer` to `inner`, from the inside out, go on in as long as each steps no farther than the run is long. */
static double extended(const traffic *t, const atr_cost_array *a, double run, int inner, int outer) {
  for (int l = inner; l >= outer && stride(t, a, l) <= run; l--) run += stride(t, a, l) * (double)(t->c->loops[l].trips - 1);
  return run;
}

/* Bytes of the run that tiles one after the other make of their own, of `run` bytes; soon after each other, the nearest cache having room for
 * all that is read and written in between. */
static double continued(const traffic *t, const atr_cost_array *a, double run) {
  return extended(t, a, run, t->c->reduced_from - 1, (int)atr_max(t->near - 1, t->c->part_count));
}

/* The same as what follows streams sees it, which follows so many. */
static double followed(const traffic *t, const atr_cost_array *a, double run) {
  return rows_of(a, t->inside[t->c->reduced_from], run) > MOST_STREAMS ? run : continued(t, a, run);
}

/* Tiles of the innermost loop that go on writing where the one before stopped, however much they read in between; 1: they do not. */
static double next_tiles(const traffic *t, const atr_cost_array *a, double run) {
  int last = t->c->reduced_from - 1; /* the innermost loop over tiles */
  if (last < 0) return 1;
  int64_t step = a->step[t->c->loops[last].dim];
  return step != 0 && (double)(step * a->size) <= run ? (double)t->c->loops[last].trips : 1;
}

/* Are there results that differ in weights alone, beyond those of one vector? Others are written as lhs is read: of small groups too, whose
 * features the lanes hold. 32 groups of 4 channels, batch 8, with AVX-512 of servers: 1.4 ms, not 3.9 for vectors of pieces of many groups. */
static bool writes_alone(const traffic *t) {
  const atr_vector_choice *v = &t->c->vector;
  for (int d = 0; d < t->m->nest->dim_count; d++) {
    int64_t lanes = d == v->dims[1] ? v->lanes[1] : d == v->dims[0] ? v->lanes[0] : 1;
    if (t->m->out[d] != 0 && t->m->lhs[d] == 0 && t->m->nest->dims[d].extent > lanes) return t->m->nest->has_acc;
  }
  return false;
}

/* Bytes of the one run that pieces of pixels' features make up, which the nearest cache holds together, and that the next tiles go on in;
 * 0: of several. 3x3 from 1 to 64 channels, 570 x 570, with AVX2: 3.07 ms with half the features of three pixels in a tile, 3.56 with all of
 * one. */
static double joined(const traffic *t, const atr_cost_array *a) {
  int l = (int)atr_max(t->near, t->c->part_count);
  double run = run_of(a, t->inside[l]);
  bool features = t->m->lhs[t->c->vector.dims[1]] == 0;
  if (!features || l > t->c->reduced_from || rows_of(a, t->inside[l], run) > 1) return 0;
  return extended(t, a, run, l - 1, t->c->part_count);
}

/* How much longer than in a stream lines take that are written in runs. */
static double exposed_writes(const traffic *t, const atr_cost_array *a, double run) {
  double near = writes_alone(t) ? run : followed(t, a, run),
         longer = fmax(near, run >= LINE ? run * next_tiles(t, a, run) : run);
  if (longer >= LONG_RUN)
    return rows_of(a, t->inside[t->c->reduced_from], run) >= t->m->row->caches->streams ? STREAMS_SHARE : 1;
  if (near < SHORT_RUN) return run >= 2 * LINE && joined(t, a) >= LONG_RUN ? 1 : t->m->row->caches->short_runs;
  return writes_alone(t) ? 1 + t->m->row->caches->start_lines * LINE / longer : 1;
}

/* Bytes that the passes of loop l walk along an array. */
static double walked(const traffic *t, const atr_cost_array *a, int l) {
  int d = t->c->loops[l].dim;
  return (double)a->step[d] * (double)t->inside[l][d] * (double)a->size;
}

/* The same of reads. */
static double exposed_reads(const traffic *t, const atr_cost_array *a, double run) {
  int inner = t->c->loop_count - 1; /* the innermost loop that moves the array, farther than over a few taps */
  while (inner >= 0 && walked(t, a, inner) < SHORT_RUN) inner--;
  double apart = inner < 0 ? 0 : (double)(a->step[t->c->loops[inner].dim] * a->size);
  if (run <= LINE && apart > ALONE_STEP) return t->m->row->caches->lines_alone;
  return followed(t, a, run) < SHORT_RUN ? t->m->row->caches->short_runs : 1;
}

/* Do a sum's loads of an array go on by the same step for long enough to be followed? */
static bool steady(const traffic *t, const atr_cost_array *a) {
  int l = t->c->loop_count - 1; /* the innermost loop that moves the array */
  while (l >= 0 && a->step[t->c->loops[l].dim] == 0) l--;
  if (l < 0 || a->packed || !t->m->nest->has_acc) return true;
  double step = stride(t, a, l), steps = (double)t->c->loops[l].trips;
  while (l-- > 0 && stride(t, a, l) == step * steps) steps *= (double)t->c->loops[l].trips;
  return steps >= STEPS_FOLLOWED;
}

/* The same of both, from behind a store; near: from the second cache, which keeps all of the array. */
static double exposed(const traffic *t, const store *s, const atr_cost_array *a, double run, bool near) {
  if (s->behind) return a->written ? exposed_writes(t, a, run) : exposed_reads(t, a, run);
  if (a->packed) return 1;
  const atr_caches *caches = t->m->row->caches;
  double longer = run > LINE ? caches->near_rows : continued(t, a, run) > LINE ? caches->near_next : caches->near_alone;
  return near && !a->written && !steady(t, a) ? longer * UNSTEADY : longer;
}

/* Reads of what has been in a store before: of short runs, and of rows that have thrown each other out of its sets. Cycles that tiles
 * wait for lines which nothing fetches ahead, and for their stores. */
typedef struct reads_again {
  double lhs, rhs, crowded, waiting;
  bool ahead; /* the next tiles' lhs can be asked for, and nothing waits for it */
} reads_again;

/* Cycles that steps wait for an array's lines, `count` in all and `lines` a step, where every step of the sum reads others that lie apart: no
 * more of these are under way than the instructions at work at once ask for. 1x1 over 256 channels of 112 x 112 pixels in NCHW, each read once,
 * on Sapphire Rapids: 12 or 13 x 2 sums take 30 cycles a step, 8 x 3 29, 6 x 4 31; it is 25, 25 and 28 with 192 to 3072 pixels. Seen with pixels
 * in the lanes, and of an lhs that is more than the second cache. */
static double waiting(const traffic *t, const atr_cost_array *a, double lines, double count, double line_cycles) {
  int inner = t->c->loop_count - 1, lanes = t->c->vector.dims[1];
  bool pixels = a->step[lanes] != 0 && t->m->rhs[lanes] == 0 && !a->weights; /* in the lanes */
  if (t->m->row->caches->wait_cycles == 0 || !pixels || a->after_sum) return 0;
  if (inner < t->c->reduced_from || stride(t, a, inner) < LINE) return 0;
  if (t->m->lhs_elements * (double)a->size <= atr_target_cache(t->m->target, 1)) return 0;
  double arrival = fmax(t->m->row->caches->wait_cycles * t->c->instructions, lines * line_cycles);
  return count / lines * fmax(arrival - t->c->step_cycles, 0);
}

/* Cycles that each line of results takes more which go to memory in short runs of pixels. 1x1 from 64 to 256 channels, batch 8, in NCHW: 5.4 ms
 * with 4 vectors of pixels in a tile, 5.9 with 3, 6.3 with 2, as many sums each; results that stay in a cache take as long either way. */
static double waiting_stores(const traffic *t, const atr_cost_array *a, double run) {
  if (!a->written || a->moving == 0 || run >= SHORT_RUN || !t->m->nest->has_acc || t->m->nest->continues) return 0;
  int nearest = a->by_step[0];
  bool pixels = t->m->lhs[nearest] != 0 && t->m->rhs[nearest] == 0;
  return pixels ? t->m->row->caches->store_cycles * (SHORT_RUN / run - 1) : 0;
}

/* Are there tiles that read the same of lhs, one after the other, to ask for what the next ones read: one of `lines` each, or few? */
static bool asks_ahead(const traffic *t, const atr_cost_array *a, double lines) {
  double tiles = 1;
  int l = t->c->reduced_from - 1;
  for (; l >= t->c->part_count && a->step[t->c->loops[l].dim] == 0; l--) tiles *= (double)t->c->loops[l].trips;
  return t->m->row->caches->prefetches && l >= t->c->part_count && lines <= MOST_PREFETCHES * tiles;
}

/* Blocks of each array that the loops from a level inwards touch: as they are, and with those that rows crowded into few sets leave unused. */
typedef struct needs {
  footprints plain, crowded;
} needs;

/* A tile within a sum touches the operands alone; it comes back to its rows of pixels, but goes on in the weights. */
static void find_needs(const traffic *t, const store *s, footprints lines, needs *out) {
  int levels = t->c->loop_count;
  for (int i = 0; i < t->arrays->count; i++)
    for (int l = 0; l <= levels; l++) {
      const atr_cost_array *a = &t->arrays->list[i];
      bool tile = l == levels, touched = !(tile && l > t->c->reduced_from && a->after_sum);
      out->plain[i][l] = touched ? lines[i][l] : 0;
      out->crowded[i][l] = out->plain[i][l] * crowding(a, t->inside[l], s, s->behind || (tile && !a->weights));
    }
}

/* Bytes of a store that the loops from level l inwards need to keep array i. Rows of others that are crowded throw each other out, and
 * those of i if these are crowded too: the rest of the store is as free as if they were not. */
static double bytes_to_keep(const traffic *t, const store *s, const needs *n, int i, int l) {
  double blocks = n->crowded[i][l];
  bool crowded = n->crowded[i][l] > n->plain[i][l];
  for (int j = 0; j < t->arrays->count; j++)
    if (j != i) blocks += crowded ? n->crowded[j][l] : n->plain[j][l];
  return blocks * s->block + (l == 0 ? t->m->beside : 0);
}

/* The outermost level whose blocks of array i the store keeps; that of a tile plus one: it keeps none. */
static int level_kept(const traffic *t, const store *s, const needs *n, int i) {
  int levels = t->c->loop_count, kept = levels + 1;
  for (int l = levels; l >= 0 && kept == l + 1; l--)
    if (bytes_to_keep(t, s, n, i, l) <= s->capacity * (l == levels ? TILE_SHARE : 1)) kept = l;
  return kept;
}

/* Do rows that crowd each other throw out what a tile reads of array i, which would be kept otherwise? */
static bool crowded_out(const traffic *t, const store *s, const needs *n, int i, int kept) {
  int tile = t->c->loop_count;
  double blocks = 0;
  if (kept <= tile || t->arrays->list[i].written) return false;
  for (int j = 0; j < t->arrays->count; j++) blocks += n->plain[j][tile];
  return blocks * s->block <= s->capacity * TILE_SHARE;
}

static int level_near(const traffic *t, footprints lines) {
  double capacity = atr_target_cache(t->m->target, 0);
  int near = t->c->loop_count + 1;
  for (int l = near - 1; l >= 0 && near == l + 1; l--) {
    double blocks = 0;
    for (int i = 0; i < t->arrays->count; i++) blocks += lines[i][l];
    if (blocks * LINE <= capacity) near = l;
  }
  return near;
}

/* Bytes of a packed array that one index of reduced dim d has next to each other: what lies inside its loop, or a tile's vectors. */
static double bytes_of_index(const traffic *t, const atr_cost_array *a, int d) {
  int levels = t->c->loop_count, l = levels - 1;
  double bytes = (double)a->size;
  while (l >= 0 && t->c->loops[l].dim != d) l--;
  for (int i = 0; i < a->moving; i++) {
    int moved = a->by_step[i];
    if (l >= 0 || !t->m->nest->dims[moved].reduced) bytes *= (double)t->inside[l >= 0 ? l + 1 : levels][moved];
  }
  return bytes;
}

/* Part of the blocks that the taps reach. A packed array's blocks that hold several taps are all reached where some of these are; of the
 * others each tap dim leaves out about as many. DCGAN's first layer, where one of 4 x 4 taps exists, takes 31 us with the channels inside
 * the loop over taps and 40 with the taps inside, which reaches every page. */
static double reached(const traffic *t, const atr_cost_array *a, double block) {
  const atr_nest *nest = t->m->nest;
  double taps = 0, apart = 0;
  if (!a->packed || a->taps >= 1) return a->taps;
  for (int i = 0; i < nest->lhs.index_count; i++)
    for (int d = 0; d < nest->dim_count; d++) {
      if (!nest->dims[d].reduced || nest->dims[d].extent <= 1 || nest->lhs.index[i].at.coef[d] == 0) continue;
      taps++;
      apart += bytes_of_index(t, a, d) >= block ? 1 : 0;
    }
  return apart == taps ? a->taps : pow(a->taps, apart / taps);
}

/* Transfers into a store; none of what it can keep whole, which is then there from before. */
static double transfers(traffic *t, const store *s, footprints lines, reads_again *again) {
  double total = 0;
  needs n;
  int levels = t->c->loop_count;
  *again = (reads_again){0};
  find_needs(t, s, lines, &n);
  for (int i = 0; i < t->arrays->count; i++) {
    const atr_cost_array *a = &t->arrays->list[i];
    int kept = level_kept(t, s, &n, i),
        moved = kept - 1; /* the first loop outside that moves the array, which keeps what it moves on from */
    bool near = t->whole[i];
    t->whole[i] = kept == 0;
    if (kept == 0) continue;
    while (moved >= 0 && moved < levels && a->step[t->c->loops[moved].dim] == 0) moved--;
    double count = lines[i][moved < 0 ? 0 : moved];
    for (int l = moved - 1; l >= 0; l--) {
      bool accumulates = a->written && l >= t->c->reduced_from;
      if (!accumulates) count *= (double)t->c->loops[l].trips;
    }
    double run = a->packed ? SHORT_RUN : run_of(a, t->inside[t->c->reduced_from]);
    double longer = exposed(t, s, a, run, near), passed = count * reached(t, a, s->block);
    total += passed * (s->far ? a->far_weight : a->weight) * longer;
    if (s->behind && !s->far && followed(t, a, run) < WAITING_RUN) {
      double wait = waiting(t, a, lines[i][levels], passed, s->line_cycles * longer);
      bool ahead = wait > 0 && asks_ahead(t, a, lines[i][levels]);
      again->ahead |= ahead;
      again->waiting += ahead ? 0 : wait;
    }
    if (s->far) again->waiting += passed * waiting_stores(t, a, run);
    if (crowded_out(t, s, &n, i, kept)) again->crowded += count * a->taps;
    if (run < APART_RUN && !a->written && count > lines[i][0])
      *(a->weights ? &again->rhs : &again->lhs) += (count - lines[i][0]) * a->taps;
  }
  return total;
}

/* Do results go to memory, past the cache that was asked last? Their stores follow each other one tile at a time, and each tile's wait for
 * those of the one before it. 3x3 from 1 to 64 channels, 570 x 570 pixels, on Sapphire Rapids: 9.6 ms, and 5.2 with the lines asked for when
 * the tile begins (NCHW 11.6 and 7.5); 1x1 from 64 to 256 channels, batch 8, in NCHW 6.6 and 5.5. Of results that stay in the third cache,
 * 4 MB of one channel 0.45 and 0.51 with 5x5 taps: the tile's own loads find what is under way full. */
static bool results_to_memory(const traffic *t) {
  const atr_nest *nest = t->m->nest;
  bool memory = false;
  for (int i = 0; i < t->arrays->count; i++) memory |= t->arrays->list[i].written && !t->whole[i];
  return memory && nest->has_acc && !nest->continues;
}

/* Is rhs read where it lies, each element once, as unshared weights are? */
static bool single_use(const traffic *t) {
  if (!t->m->nest->has_acc || t->c->pack) return false;
  for (int d = 0; d < t->m->nest->dim_count; d++)
    if (!t->m->nest->dims[d].reduced && t->m->rhs[d] == 0 && t->m->nest->dims[d].extent > 1) return false;
  return true;
}

/* Does the innermost loop go on in rhs where the tile's terms end, so that each result's part of it comes in one stream, or two? */
static bool in_order(const traffic *t) {
  const int64_t *rhs = t->m->rhs, *inside = t->inside[t->c->loop_count];
  if (t->c->loop_count == 0) return true;
  int64_t step = llabs(rhs[t->c->loops[t->c->loop_count - 1].dim]), run = 1, streams = 1;
  for (int d = 0; d < t->m->nest->dim_count; d++) {
    if (rhs[d] != 0 && llabs(rhs[d]) < step) run *= inside[d];
    if (t->m->nest->dims[d].reduced && llabs(rhs[d]) > step) streams *= inside[d];
  }
  return step <= run && streams <= 2;
}

void atr_cost_traffic(const atr_cost_model *m, const atr_cost_arrays *arrays, atr_candidate *c) {
  static const int64_t sets[ATR_CACHE_LEVELS] = {64, 2048, 1}; /* of every CPU of the table, or near it */
  traffic t; /* filled as far as there are loops and dims: this runs thousands of times */
  footprints blocks;
  reads_again again;
  double late = 0; /* lines that hide behind nothing */
  bool ahead = false;
  t.m = m;
  t.c = c;
  t.arrays = arrays;
  find_insides(&t);
  find_footprints(&t, LINE, blocks);
  t.near = level_near(&t, blocks);
  memset(t.whole, 0, sizeof t.whole);
  for (int i = ATR_CACHE_LEVELS - 1; i >= 0; i--) {
    double line_cycles = m->row->caches->line_cycles[i];
    store cache = {atr_target_room(m->target, i), LINE, line_cycles, sets[i], i > 0, i == ATR_CACHE_LEVELS - 1};
    c->traffic[i] = transfers(&t, &cache, blocks, &again) * line_cycles;
    if (i == ATR_CACHE_LEVELS - 1) c->prefetch_out = m->row->caches->prefetches && results_to_memory(&t);
    ahead |= again.ahead;
    late += again.waiting;
    if (i > 0) continue;
    c->apart = APART_CYCLES * again.lhs;
    late += APART_CYCLES * again.rhs + CROWDED_SHARE * again.crowded * m->row->caches->line_cycles[0];
  }
  find_footprints(&t, PAGE, blocks);
  memset(t.whole, 0, sizeof t.whole);
  for (int i = 0; i < 2; i++) {
    store buffer = {m->row->caches->tlb_pages[i] * PAGE, PAGE, 0, 1, false, false};
    c->traffic[ATR_CACHE_LEVELS + i] = transfers(&t, &buffer, blocks, &again) * m->row->caches->page_cycles[i];
  }
  if (single_use(&t) && !in_order(&t))
    for (int i = 1; i < ATR_CACHE_LEVELS; i++) c->traffic[i] *= OUT_OF_ORDER;
  double times[ATR_TRAFFIC_TERMS] = {c->tile_cycles}, walks = c->traffic[ATR_TRAFFIC_TERMS - 1];
  memcpy(&times[1], c->traffic, sizeof times - sizeof times[0]);
  double exposed[ATR_TRAFFIC_TERMS] = {EXPOSED, times[0] >= times[1] ? m->row->caches->exposed[0] : EXPOSED,
                                       m->row->caches->exposed[1], m->row->caches->exposed[2], EXPOSED};
  c->late = late;
  c->prefetch_lhs = ahead;
  c->cycles = atr_cost_overlapped(times, exposed, ATR_TRAFFIC_TERMS) + walks + late;
}

double atr_cost_widened_bytes(const atr_cost_model *m) { return m->lhs_elements * (double)atr_dtype_size(m->nest->acc_dtype); }

/* Bytes next to each other that one part has of the weights. */
static double run_of_weights(const atr_cost_model *m) {
  atr_cost_arrays arrays = {.count = 0};
  int64_t inside[ATR_MAX_DIMS];
  for (int d = 0; d < m->nest->dim_count; d++) inside[d] = m->nest->dims[d].kind == ATR_DIM_PART ? 1 : m->nest->dims[d].extent;
  return run_of(add_array(m, &arrays, m->rhs, m->nest->rhs_dtype, 1), inside);
}

/* The weights are read once where they lie, and written in parts each of which is used before the next. */
double atr_cost_packing(const atr_cost_model *m) {
  double bytes = m->weights * (double)atr_dtype_size(m->nest->rhs_dtype), parts = 1, memory = 0;
  double compute = m->weights * PACK_CYCLES, lines = bytes / LINE,
         exposed = run_of_weights(m) < SHORT_RUN ? m->row->caches->short_runs : 1;
  for (int d = 0; d < m->nest->dim_count; d++)
    if (m->nest->dims[d].kind == ATR_DIM_PART && m->rhs[d] != 0) parts *= (double)m->nest->dims[d].extent;
  for (int i = 0; i < ATR_CACHE_LEVELS; i++) {
    double room = atr_target_room(m->target, i);
    if (bytes + bytes / parts > room) memory += lines * m->row->caches->line_cycles[i] * (i > 0 ? exposed : 1);
    if (bytes / parts > room) memory += 2 * lines * m->row->caches->line_cycles[i];
  }
  return compute > memory ? compute : memory;
}

double atr_cost_widening(const atr_cost_model *m, const atr_candidate *c) {
  if (!c->widen_lhs) return 0;
  double elements = m->lhs_elements, narrow = elements * (double)atr_dtype_size(m->nest->lhs_dtype),
         wide = elements * (double)atr_dtype_size(m->nest->acc_dtype);
  double compute = elements / (double)m->width * 1.5, memory = 0;
  for (int i = 0; i < ATR_CACHE_LEVELS; i++)
    if (narrow + wide > atr_target_room(m->target, i)) memory += (narrow + wide) / LINE * m->row->caches->line_cycles[i];
  return WIDENING_CYCLES + (compute > memory ? compute : memory);
}
