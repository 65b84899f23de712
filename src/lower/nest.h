/* nest.h - the nest IR: a convolution, or any other operation, as one perfect loop nest with affine accesses.
 *
 * In: made from the graph IR by canonical.c. Out: what codegen prints as LLVM IR. In between every pass takes nests and gives
 * nests, in this one form with one text form (nest_print.c, nest_read.c), one verifier and one interpreter:
 *
 *     program conv {
 *       buffer x arg 0 f32 100352
 *       buffer w arg 1 f32 147456
 *       buffer y result 0 f32 100352
 *       nest y {
 *         dims loop oc:128 loop oy:28 loop ox:28 reduce ky:3 reduce kx:3 reduce ic:128
 *         lhs x[128*ox + 128*kx + ic - 128] as f32 index (oy + ky - 1) of 28 by 3584 else skip index (ox + kx - 1) of 28 by 128 else skip
 *         rhs w[oc + 49152*ky + 16384*kx + 128*ic] as f32
 *         acc f32
 *         %1 = acc f32
 *         store y[oc + 3584*oy + 128*ox] %1
 *       }
 *     }
 *
 * Meaning of a nest: for every point of the independent dims that passes the guards, the sum over every point of the reduced
 * dims of lhs * rhs (a term whose access is absent contributes nothing), from zero or from what an earlier part has left at the
 * place of the store, then the expression list, then the store. So the
 * order and the kind of the dims never change a result, but for the order of floating-point sums; that is what lets every
 * pass be tested by running the interpreter before and after. */
#ifndef ATR_LOWER_NEST_H
#define ATR_LOWER_NEST_H

#include "ir/ir.h"

enum { ATR_MAX_DIMS = 48 };

/* How a dim is executed. Order in a scheduled nest: PART, PARALLEL, LOOP, then (for reduced dims) LOOP, then UNROLL, VECTOR, DOT.
 * PART is an independent dim whose iterations run one after the other around all nests of a group (below).
 * DOT is a reduced dim of two 16-bit or four 8-bit elements that are multiplied and added within a 32-bit lane. */
typedef enum atr_dim_kind {
  ATR_DIM_LOOP,
  ATR_DIM_PART,
  ATR_DIM_PARALLEL,
  ATR_DIM_UNROLL,
  ATR_DIM_VECTOR,
  ATR_DIM_DOT
} atr_dim_kind;

typedef struct atr_dim {
  const char *name; /* "oy", and after tiling "oy.1", "oy.0" from the outside in */
  int64_t extent;   /* >= 0; the index runs over [0, extent) */
  bool reduced;
  atr_dim_kind kind;
} atr_dim;

/* offset + sum of coef[d] * index of dim d */
typedef struct atr_affine {
  int64_t offset;
  int64_t coef[ATR_MAX_DIMS];
} atr_affine;

/* One array dimension whose index may need resolving. With t the value of `at`: if t is not a multiple of divisor the element
 * is absent; else i = t / divisor, and if i is outside [0, bound) the edge mode says which element is meant (ZERO: absent).
 * The element's address gains i * stride. */
typedef struct atr_index {
  atr_affine at;
  int64_t bound, divisor, stride; /* stride in elements */
  atr_edge_mode edge;
} atr_index;

/* An element of a buffer as a function of the dims. */
typedef struct atr_access {
  int buffer;
  atr_affine at; /* in elements */
  atr_index *index;
  int index_count;
  /* Elements exist for every point of the dims' box, also where a guard fails (packed buffers): whole vectors may be read. */
  bool padded;
} atr_access;

/* 0 <= at < bound must hold for a point to be computed. */
typedef struct atr_guard {
  atr_affine at;
  int64_t bound;
} atr_guard;

/* One step of the expression that makes the stored value; operands are numbers of earlier steps. */
typedef enum atr_expr_kind {
  ATR_EXPR_ACC, /* the sum, rounded to dtype */
  ATR_EXPR_LOAD, /* access, converted from the buffer's dtype to dtype; args[0] is the value where it is absent (0: never absent) */
  ATR_EXPR_CONST, /* constant */
  ATR_EXPR_OP     /* an elementwise op of ops.def, rounded to dtype */
} atr_expr_kind;

typedef struct atr_expr {
  atr_expr_kind kind;
  atr_dtype dtype;
  atr_op op;               /* OP */
  atr_direction direction; /* OP COMPARE */
  int args[3];             /* 1-based steps; 0: none */
  atr_access access;       /* LOAD */
  atr_scalar constant;     /* CONST */
} atr_expr;

/* A looped dim may go on in loops around it, as the pieces of one dim do: an iteration of such a loop is a whole range of the dim, in
 * every bounds question (of an index or a guard). Then their iterations can be counted together. */
typedef struct atr_across {
  atr_affine first; /* where the dim's own iterations begin: a form of the loops that it goes on in */
  int64_t total;    /* how many there are of all together; 0: it goes on in none */
} atr_across;

/* The loop tree that the regions pass makes of a scheduled nest: siblings run one after the other and cover the dim's range
 * without overlap; a missing part contributes nothing. Below the PARALLEL and LOOP dims of independent kind comes one TILE
 * node: the accumulators of the unrolled and vector dims start at zero there and are stored when its children (reduced LOOP
 * dims) are done. The lowest node of a nest with a sum is MAC: multiply-accumulate over all unrolled and vector dims. */
enum { ATR_NODE_TILE = -1, ATR_NODE_MAC = -2 };
typedef struct atr_node {
  int dim; /* or TILE, MAC */
  int64_t lo, hi;
  bool across; /* lo and hi count the iterations of the loops that dim goes on in and its own together */
  bool clip;   /* the range is further clipped to where lhs indices that depend on looped dims alone are inside their bounds */
  struct atr_node *child, *next;
} atr_node;

typedef struct atr_nest {
  const char *name;
  atr_dim dims[ATR_MAX_DIMS];
  int dim_count;
  atr_guard *guards;
  int guard_count;
  /* The sum; has_acc false: no lhs, rhs and no reduced dims. */
  bool has_acc;
  atr_access lhs, rhs;
  atr_dtype lhs_dtype,
      rhs_dtype; /* what the operands are converted to before the product (the convolution's own operand types); a real rhs
                    may scale a complex lhs */
  atr_dtype acc_dtype;
  /* Lines are asked for before they are needed, and come meanwhile. Of lhs: those that tiles read one step further in the innermost loop
   * that goes from tile to tile of it, and the tiles before that share them out. Of the result: those that a tile stores to, when it
   * begins. */
  bool prefetch_lhs, prefetch_out;
  bool continues;  /* the sum starts from the element that will be stored over, which is of acc_dtype, instead of zero */
  atr_expr *exprs; /* [1 .. expr_count] */
  int expr_count, expr_capacity;
  int root; /* step that is stored */
  atr_access out;
  atr_node *tree;           /* NULL before regions */
  const atr_across *across; /* by dim, with the tree */
  bool prepack;             /* depends on constants and constant parameters only: runs in NAME_prepack */
  const char *why;          /* choices made for it, lines of text for explain; NULL: none */
  const char *schedule;     /* text of the schedule applied; NULL: none yet */
} atr_nest;

typedef enum atr_buffer_kind {
  ATR_BUFFER_ARG,
  ATR_BUFFER_RESULT,
  ATR_BUFFER_CONSTANT,
  ATR_BUFFER_TEMP,
  ATR_BUFFER_PACKED
} atr_buffer_kind;

typedef struct atr_buffer {
  const char *name;
  atr_buffer_kind kind;
  int number; /* ARG, RESULT: which */
  atr_dtype dtype;
  int64_t elements;
  int64_t offset;   /* TEMP: bytes into scratch; PACKED: bytes into the packed block; set by plan.c */
  const void *data; /* CONSTANT */
} atr_buffer;

static inline int64_t atr_buffer_bytes(const atr_buffer *buffer) {
  return buffer->elements * (int64_t)atr_dtype_size(buffer->dtype);
}

/* Nests run in order, each whole; but neighbours that have the same PART dims, by name and extent, are a group: for every point
 * of those dims each of them runs at this point. So one can fill a panel that the next reads and that the next part fills anew. A
 * nest may read the element that it is about to write: sums that are continued from part to part. Where no other nest has its PART dims
 * and no two tasks read the same, each task runs all parts of its iterations: one wait for all of them instead of one for each. */
typedef struct atr_program {
  const char *name;
  atr_buffer *buffers; /* [0 .. buffer_count) */
  int buffer_count, buffer_capacity;
  atr_nest **nests; /* in order of execution */
  int nest_count, nest_capacity;
  int64_t scratch_bytes, packed_bytes; /* set by plan.c */
} atr_program;

enum {
  ATR_SCRATCH_ALIGNMENT = 64,
  ATR_MAX_TASKS = 64 /* enough for threads of unequal speed; more cost more calls than they level out */
};

/* ---- nest.c */
int atr_program_add_buffer(atr_arena *arena, atr_program *program, const atr_buffer *buffer); /* returns its number */
void atr_program_add_nest(atr_arena *arena, atr_program *program, atr_nest *nest);
/* The same program without its nests, to be filled again; what is added to one of the two the other does not see. */
atr_program *atr_program_without_nests(atr_arena *arena, const atr_program *program);
/* The same with a name that is new in the program: a number behind it if need be. */
int atr_program_new_buffer(atr_arena *arena, atr_program *program, const atr_buffer *buffer);
void atr_program_new_nest(atr_arena *arena, atr_program *program, atr_nest *nest);
/* Puts a number behind the nest's name if one of a or b has that name. */
void atr_nest_rename(atr_arena *arena, atr_nest *nest, const atr_program *a, const atr_program *b);
atr_nest *atr_nest_copy(atr_arena *arena, const atr_nest *nest); /* deep, but for the tree (NULL in the copy) */
int atr_nest_add_dim(atr_nest *nest, const char *name, int64_t extent, bool reduced); /* returns its number */
int atr_nest_add_expr(atr_arena *arena, atr_nest *nest, const atr_expr *expr);
/* to += from * scale */
void atr_affine_add_scaled(atr_affine *to, const atr_affine *from, int64_t scale);
int64_t atr_affine_at(const atr_affine *affine, const int64_t *point, int dim_count);
/* Smallest and largest value over the box lo[d] <= index < hi[d]; lo < hi for every d with a coefficient. */
void atr_affine_range(const atr_affine *affine, const int64_t *lo, const int64_t *hi, int dim_count, int64_t *min,
                      int64_t *max);
/* The element index that `t` (value of index->at) means, or -1 when the element is absent. */
int64_t atr_index_resolve(const atr_index *index, int64_t t);
/* Same for an index already divided: i outside [0, bound) under an edge mode; -1: absent. */
int64_t atr_edge_resolve(atr_edge_mode edge, int64_t i, int64_t bound);
/* Calls visit on every affine form of the nest (accesses, indices, guards, loads); passes that rewrite dims use it. */
typedef void (*atr_affine_visitor)(void *user, atr_affine *affine);
void atr_nest_visit_affine(atr_nest *nest, atr_affine_visitor visit, void *user);
/* Every access: lhs, rhs, out and loads. */
typedef void (*atr_access_visitor)(void *user, atr_access *access);
void atr_nest_visit_access(atr_nest *nest, atr_access_visitor visit, void *user);
/* Elements by which one step of dim d moves an access, its indices included (as far as they stay inside their bounds). */
int64_t atr_access_step(const atr_access *access, int d);
/* Does it depend on dim d whether, or as what, an element of the access exists? */
bool atr_access_asks(const atr_access *access, int d);
/* The only dim that moves an affine form, of those that the sum is over, also those of its parts, or of the others, which move the
 * output; -1: none, or several. */
int atr_affine_only_dim(const atr_nest *nest, const atr_affine *at, bool summed);
/* Does dim d move lhs and the result but not rhs? */
bool atr_nest_is_pixel(const atr_nest *nest, int d);
/* Do two dims walk the same elements of lhs, as pixels and taps do? */
bool atr_nest_walk_together(const atr_nest *nest, int a, int b);
/* Do features, the dims that move rhs and the result but not lhs, leave few of the lanes of their vectors empty? */
bool atr_nest_features_fill(const atr_nest *nest, int64_t lanes);
/* Points of the dims that move rhs: its elements, where no two of them meet. */
double atr_nest_rhs_points(const atr_nest *nest);
/* Puts d among dims ordered from the largest step to the smallest, behind equal ones; returns how many there are then. */
int atr_dims_insert_by_step(const int64_t *step, int *dims, int count, int d);
/* Two dims step through one array, both in steps other than 0: is an element reached in two ways, a * i + b * j of different
 * pairs 0 <= i < a_extent, 0 <= j < b_extent? */
bool atr_steps_meet(int64_t a, int64_t a_extent, int64_t b, int64_t b_extent);
/* Of a scheduled nest: do unrolled copies of independent dims and of reduced dim d read the same lhs elements? Then these terms of a sum
 * stand inside the others, in the order in which the elements lie; cost.c counts on it, and a selection keeps it (tune.h). */
bool atr_nest_shares_lhs(const atr_nest *nest, int d);
/* Has every dim an index, so that something is computed? */
bool atr_nest_has_points(const atr_nest *nest);
/* Moves indices that can never leave their bounds over the dims' box into the affine part. */
void atr_nest_fold_indices(atr_nest *nest);
/* May reduced dim d be a DOT dim of this extent? 2: the sum must be of 32-bit integers over factors that fit in 16 bits, or of f32 over
 * bf16; 4: of 32-bit integers over factors of 8 bits. Whether an element exists must not depend on d, but for the end of an extent
 * that they do not divide, along which rhs must move. */
bool atr_nest_can_dot(const atr_nest *nest, int d, int64_t extent);
/* May an operand of this dtype be converted to the sum's before its elements are used? Floats, to a wider one. */
bool atr_nest_can_widen(const atr_nest *nest, atr_dtype operand);
/* The affine forms of a nest in the order of atr_nest_visit_affine, the first ATR_MOST_FORMS of them; returns how many it has. */
enum { ATR_MOST_FORMS = 64 };
int atr_nest_forms(const atr_nest *nest, const atr_affine **out);
/* Do the nests differ in names, offsets and where they store alone, as the residues of a transposed convolution do? Not where they
 * have more than ATR_MOST_FORMS forms. */
bool atr_nest_alike(const atr_nest *a, const atr_nest *b);
/* Moves point[dims[..]] to the next point of the box of these dims, the last fastest; false, with all of them at 0, behind the
 * last one. No extent is 0. */
bool atr_nest_next_point(const atr_nest *nest, const int *dims, int count, int64_t *point);
/* Multiply-accumulates over the whole box, and those whose lhs term exists (counted exactly, per dimension). */
double atr_nest_macs(const atr_nest *nest);
double atr_nest_useful_macs(const atr_nest *nest);

/* By dim; in the arena. A loop belongs to one dim, the innermost that goes on in it: steps may be alike by chance. */
const atr_across *atr_nest_across(atr_arena *arena, const atr_nest *nest);

/* Is the dim a loop of the tree: PART, PARALLEL or LOOP? */
static inline bool atr_dim_is_looped(const atr_dim *dim) {
  return dim->kind == ATR_DIM_LOOP || dim->kind == ATR_DIM_PART || dim->kind == ATR_DIM_PARALLEL;
}

/* Points of the PART dims; 1 where there are none. */
int64_t atr_nest_parts(const atr_nest *nest);
/* Have both PART dims, and the same? */
bool atr_nest_same_parts(const atr_nest *a, const atr_nest *b);
/* Is the buffer read or written by it? */
bool atr_nest_touches(const atr_nest *nest, int buffer);
/* Bytes of the temporaries from buffer number `first` on that the nest reads or writes, as they are placed. */
int64_t atr_nest_temporaries(const atr_program *program, const atr_nest *nest, int first);
/* Number of the last nest of the group that nest n is the first of; n where it stands alone. */
int atr_program_group_end(const atr_program *program, int n);
/* Is the nest a group of its own? */
bool atr_program_is_alone(const atr_program *program, const atr_nest *nest);
/* Does a dim move all that a nest with a sum reads for it and writes, so that two of its indices share nothing? */
bool atr_nest_is_private(const atr_nest *nest, int d);
/* Does each task run all parts of its iterations? The PARALLEL dims of a nest that is alone are all private. */
bool atr_program_tasks_run_parts(const atr_program *program, const atr_nest *nest);
/* Bytes of the buffers that the other nests of its group touch and this one does not: the caches hold these as well. */
int64_t atr_nest_beside(const atr_program *program, const atr_nest *nest);
/* First and last nest that touch a buffer -> those between which it must be kept: what a group reads from outside, or leaves
 * for those behind it, is needed in all parts. */
void atr_program_extend_life(const atr_program *program, int *first, int *last);

/* Iterations of the PARALLEL dims, and the tasks that they are dealt out in: neighbouring iterations, about as many to each. */
int64_t atr_nest_parallel_total(const atr_nest *nest);
int64_t atr_nest_tasks(const atr_nest *nest);

/* ---- nest_print.c, nest_read.c */
void atr_program_print(atr_text *text, const atr_program *program);
void atr_nest_print(atr_text *text, const atr_program *program, const atr_nest *nest, int indent);
/* Reads work->source. print(read(print(p))) == print(p). Constants are printed as their buffer's line only, without data: a
 * program with constants that was read back verifies, but the interpreter refuses it. */
ATR_CHECK_RESULT atr_status atr_program_read(atr_work *work, atr_program **out);
/* The same for a text of several: reads the one at byte *at and moves *at behind it; NULL behind the last one. */
ATR_CHECK_RESULT atr_status atr_program_read_next(atr_work *work, size_t *at, atr_program **out);

/* ---- nest_verify.c: every access inside its buffer for every point that is computed; names unique; dims in a legal order of
 * kinds; exprs well-typed; the tree covers every independent point exactly once and every reduced point at most once, and
 * leaves out only points whose lhs is absent. */
ATR_CHECK_RESULT atr_status atr_program_verify(atr_work *work, const atr_program *program);

/* ---- nest_interpret.c: runs a program at any stage, following the tree where there is one. `packed` and TEMP memory are its
 * own. */
ATR_CHECK_RESULT atr_status atr_program_interpret(atr_work *work, const atr_program *program, const void *const *args,
                                                  void *const *results);

#endif
