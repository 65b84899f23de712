/* cost.h - the parts of the cost model: a candidate schedule in the model's own terms, and what it costs.
 *
 * cost.c    cycles of a tile's arithmetic and loads, when all its data is in the nearest cache
 * taps.c    which of the sum's terms exist, and run
 * memory.c  cycles of bringing data into each cache, for one order of the loops around the tile
 * choose.c  which candidates there are, and the best of them as schedules */
#ifndef ATR_LOWER_COST_H
#define ATR_LOWER_COST_H

#include "lower/schedule.h"

typedef struct atr_vector_choice {
  int dims[2]; /* outer, inner; dims[0] -1 when there is one */
  int64_t lanes[2];
  double cut; /* part of its products of which some lanes' taps exist and others' do not */
} atr_vector_choice;

enum { ATR_TRAFFIC_TERMS = ATR_CACHE_LEVELS + 2, ATR_COST_COPIES = 12 }; /* dims that a candidate may unroll */

/* A loop around the tile: `trips` iterations over a piece of dim. */
typedef struct atr_loop {
  int dim;
  int64_t trips;
} atr_loop;

typedef struct atr_candidate {
  atr_vector_choice vector;
  int64_t vectors;                          /* R: copies of the inner vector dim */
  int copies_dim;                           /* -1: none */
  int64_t copies;                           /* U */
  int whole_dim;                            /* a small independent dim that is unrolled whole beside these; -1: none */
  uint64_t unrolled;                        /* bit d: reduced dim d is unrolled whole */
  int step_dim;                             /* looped reduced dim of which a piece is unrolled; -1: none */
  int64_t inner_steps;                      /* extent of the piece */
  int dot;                                  /* reduced dim of which several elements are multiplied at once; -1: none */
  int64_t dot_extent;                       /* so many of them */
  bool pack;                                /* rhs is laid out anew */
  bool prefetch_lhs, prefetch_out;          /* its lines are asked for ahead: nothing else does; results go to memory */
  bool widen_lhs, widen_rhs;                /* operands are converted to the sum's dtype beforehand */
  double taps;                              /* part of the sum's terms that run: most of those in the padding are left out */
  double tile_cycles;                       /* of all tiles, data in the nearest cache */
  double step_cycles, instructions;         /* of one step of a whole tile */
  atr_loop loops[ATR_MAX_DIMS];             /* from the outside in; those of reduced dims from `reduced_from` on */
  int loop_count, part_count, reduced_from; /* the first are those of PART dims */
  double traffic[ATR_TRAFFIC_TERMS];        /* cycles for each cache's misses, then for translations */
  double late;                              /* cycles of waiting for lines, which hide behind nothing */
  double cycles;                            /* of all, as far as they do not overlap */
  double apart;                             /* that lines far apart may add: what a panel of them can save */
} atr_candidate;

/* An array that tiles read or write: what decides how many lines of it the caches bring in for an order of loops. */
typedef struct atr_cost_array {
  int64_t step[ATR_MAX_DIMS];        /* elements per step of each dim; a packed array has steps 1 wherever it moves */
  int by_step[ATR_MAX_DIMS], moving; /* the dims that move it, by their steps */
  int64_t size;                      /* bytes of an element */
  double taps;                       /* part of it that is read, of all that the loops pass */
  bool written, weights, after_sum;  /* after_sum: touched where the sum is done, not within its loops */
  bool packed;                       /* laid out in the order of the loops: every footprint is one run */
  double weight;                     /* transfers per line: 2 where lines are also written back */
  double far_weight;                 /* the same for lines that come from memory and go there */
} atr_cost_array;

enum { ATR_COST_ARRAYS = 8 };

typedef struct atr_cost_arrays {
  atr_cost_array list[ATR_COST_ARRAYS];
  int count;
} atr_cost_arrays;

typedef struct atr_cost_model {
  const atr_nest *nest;
  const atr_target *target;
  const atr_target_row *row;
  int64_t lhs[ATR_MAX_DIMS], rhs[ATR_MAX_DIMS], out[ATR_MAX_DIMS]; /* elements moved per step of each dim, indices included */
  int reduce_order[ATR_MAX_DIMS], reduce_count;
  int64_t width;         /* lanes of the accumulator's type in one vector register */
  double mac_uops;       /* instructions per vector multiply-accumulate */
  double acc_registers;  /* registers per accumulator of `width` lanes */
  double convert_uops;   /* extra instructions per loaded vector, but for floats of another dtype */
  double step_uops;      /* instructions per vector of the epilogue */
  double nests;          /* atr_schedule_setting's */
  bool alone;            /* atr_schedule_setting's */
  bool rhs_constant;     /* packing it costs nothing while running */
  double useful;         /* part of the sum's terms that exist */
  double weights;        /* points of the dims that move rhs */
  double lhs_elements;   /* that lhs reads */
  bool reused;           /* weights are used by many outputs */
  bool may_pack;         /* weights are used often enough to be laid out anew, or it is done once and for all */
  double packing_cycles; /* of laying rhs out anew in every run; 0: it is constant */
  double room;           /* bytes of scratch for what is laid out anew and converted */
  double beside;         /* bytes of other arrays that pass through the caches while it runs */
} atr_cost_model;

/* ---- cost.c */
atr_cost_model atr_cost_model_make(const atr_nest *nest, const atr_schedule_setting *setting);
/* What the tiles read of lhs and rhs. */
atr_dtype atr_cost_lhs_dtype(const atr_cost_model *m, const atr_candidate *c);
atr_dtype atr_cost_rhs_dtype(const atr_cost_model *m, const atr_candidate *c);
/* Elements by which an access moves per step of each dim. */
void atr_cost_steps(const atr_nest *nest, const atr_access *access, int64_t *out);
/* Times that overlap: the longest, and of each of the others the part that does not hide behind it. */
double atr_cost_overlapped(const double *times, const double *exposed, int count);
/* The innermost looped reduced dim; -1: none. */
int atr_cost_innermost_loop(const atr_cost_model *m, uint64_t unrolled);
/* How many elements of reduced dim d the target multiplies at once in a lane; 1: no more. */
int64_t atr_cost_dot_extent(const atr_nest *nest, const atr_target *target, int d);
/* Iterations of a reduced dim that is unrolled or walked: of several of its indices where these are multiplied at once. */
int64_t atr_cost_iterations(const atr_cost_model *m, const atr_candidate *c, int d);
/* Copies of the dim that is unrolled whole; 1: none is. */
int64_t atr_cost_whole(const atr_cost_model *m, const atr_candidate *c);
/* Taps, for each sum, of one step of a tile. */
double atr_cost_taps_at_once(const atr_cost_model *m, const atr_candidate *c);
/* Indices of dim d that one tile covers at one step of its reduction. */
int64_t atr_cost_inner_extent(const atr_cost_model *m, const atr_candidate *c, int d);
/* Vectors of sums at work that keep the multipliers busy. */
double atr_cost_sums_wanted(const atr_cost_model *m);
/* Do sums in half of the registers keep the multipliers busy, so that smaller tiles have their uses? */
bool atr_cost_small_tiles(const atr_cost_model *m);
/* Cycles of one pass of the innermost step with `copies` x `vectors` accumulators; *body: its instructions. */
double atr_cost_step(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors, double *body);
/* Do the lanes of vectors lie apart in the output, and those of the tile's copies beside each other? Then they are interleaved. */
bool atr_cost_joins_stores(const atr_cost_model *m, const atr_candidate *c);
/* Cycles of all tiles, whole and partial; fills in c->taps. From `limit` on it does not matter how many. */
double atr_cost_tiles(const atr_cost_model *m, atr_candidate *c, double limit);
/* Less than that, by the chain of additions of one accumulator alone, but quick to find. */
double atr_cost_tiles_floor(const atr_cost_model *m, const atr_candidate *c);
/* Instructions of all the variants of the body that edges need. */
double atr_cost_code(const atr_cost_model *m, const atr_candidate *c);

/* ---- taps.c */
/* Part of a sum's terms that exist, those of parts and strips that are not full included. */
double atr_cost_useful(const atr_nest *nest);
/* Part of the points of its dims that a nest computes: the others are beyond its guards. */
double atr_cost_computed(const atr_nest *nest);
/* Part of the terms that run in tiles of the candidate's size. */
double atr_cost_taps(const atr_cost_model *m, const atr_candidate *c);
/* What a vector choice's `cut` is. */
double atr_cost_cut(const atr_cost_model *m, const atr_vector_choice *v);

/* ---- memory.c */
/* The arrays of a candidate's tile, whatever its loops. */
void atr_cost_find_arrays(const atr_cost_model *m, const atr_candidate *c, atr_cost_arrays *out);
/* Fills in traffic and cycles of a candidate with loops and tile_cycles. */
void atr_cost_traffic(const atr_cost_model *m, const atr_cost_arrays *arrays, atr_candidate *c);
/* Cycles of converting lhs beforehand; 0 where the candidate does not. */
double atr_cost_widening(const atr_cost_model *m, const atr_candidate *c);

/* Cycles of laying rhs out anew in every run. */
double atr_cost_packing(const atr_cost_model *m);

/* Bytes of scratch that lhs takes when it is converted to the sum's dtype. */
double atr_cost_widened_bytes(const atr_cost_model *m);

#endif
