/* generate.h - random modules, and what is decided together with them.
 *
 * In: a seed and a number. Out: a module that the verifier must accept, through the public builder:
 *
 *     values   parameters and constants in random layouts, some behind pad, reverse, transpose, convert, slice, reshape,
 *              broadcast, concatenate or an elementwise operation (values.c)
 *     core     none, or one to three convolutions, shared or local, with every attribute (convs.c)
 *     tail     bias, residual, scale, clamp, activation, select, convert, views (tails.c)
 *
 * Everything draws from one generator in a fixed order, so (seed, number) gives the same module everywhere. */
#ifndef TESTS_RANDOM_GENERATE_H
#define TESTS_RANDOM_GENERATE_H

#include "atrous/atrous.h"
#include "rng.h"

enum { GEN_MAX_VALUES = 512 };

typedef struct gen {
  rng r;
  atr_builder *b;
  atr_value parameters[GEN_MAX_VALUES], made[GEN_MAX_VALUES];
  int parameter_count, made_count;
  int64_t elements; /* of all values so far: new ones become simple when there is much already */
  int only_dtype;   /* atr_dtype of the core; 0: any */
  int only_rank;    /* spatial rank; -1: any */
  bool linear;      /* only_dtype throughout, and nothing but linear operations beside convolutions */
  /* What the table at the end counts by. */
  atr_dtype dtype;
  int rank; /* spatial rank of the first convolution; -1: none */
} gen;

/* Builds values and names the results; returns their number. After it the builder may be finished. */
int gen_module(gen *g, atr_value *results, int max_results);

/* ---- shared by the parts */

atr_shape gen_shape(gen *g, atr_value v); /* zeroed when the builder has failed */
atr_value gen_keep(gen *g, atr_value v);  /* remembers v as one that can become a result */
atr_dtype gen_dtype(gen *g);
/* A dtype of the same class (PRED; integers of both signs; FLOAT; COMPLEX). */
atr_dtype gen_dtype_like(gen *g, atr_dtype dtype);
int64_t gen_extent(gen *g, int64_t max);
void gen_layout(gen *g, atr_shape *shape, int64_t a, int64_t b); /* a random one in a of b cases */

/* Mostly `usual`; else an infinity, a NaN or a large number, which scalars of integers make the ends of their range. */
double gen_number(gen *g, double usual);
atr_value gen_scalar(gen *g, atr_dtype dtype, double value);
atr_value gen_leaf(gen *g, const atr_shape *shape);
/* A value of exactly this dtype and these extents; `depth` bounds the operations in front of the leaves. */
atr_value gen_value(gen *g, const atr_shape *shape, int depth);
/* A value with some of its dims, repeated along the others. */
atr_value gen_broadcast(gen *g, const atr_shape *shape, int depth);
atr_value gen_broadcast_scalar(gen *g, atr_value scalar, const atr_shape *shape);
/* A convolution of `lhs` (0: of a new value); `roles` are the positions of batch, feature and the spatial dimensions, of lhs on
 * the way in (ignored where lhs is 0) and of the result on the way out. */
atr_value gen_conv(gen *g, atr_value lhs, int roles[ATR_MAX_RANK]);
/* `count` operations behind v, whose output features are dimension `feature` (-1: none in particular). */
atr_value gen_tail(gen *g, atr_value v, int feature, int count);

#endif
