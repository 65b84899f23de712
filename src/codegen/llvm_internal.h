/* llvm_internal.h - what the files of the LLVM back end share.
 *
 *   llvm_module.c   entry points, kernels, constants             llvm_access.c  vectors out of memory, by lane pattern
 *   llvm_loops.c    the loop tree                                llvm_store.c   and into it
 *   llvm_tile.c     accumulators, multiply-accumulate, epilogue  llvm_value.c   arithmetic and conversions of every dtype
 *   llvm_target.c   target machines, optimisation, output        llvm_math.c    exp, tanh, logistic
 *   llvm_dispatch.c which CPU's copy is called                   llvm_math_complex.c   the same and abs, of complex numbers
 *   llvm_wide.c     integers on targets that lack instructions   llvm_selftest.c       NAME_selftest
 */
#ifndef ATR_CODEGEN_LLVM_INTERNAL_H
#define ATR_CODEGEN_LLVM_INTERNAL_H

#include <llvm-c/Core.h>

#include "codegen/llvm.h"
#include "lower/regions.h"
#include "lower/schedule.h"

/* A vector of `lanes` elements of some dtype in registers. How a dtype is held: pred as i8 0 or 1, integers as themselves,
 * f16 and bf16 as f32 (always a value that the narrow type has), fp8 as its i8 bits, complex as two vectors. */
typedef struct atr_vec {
  LLVMValueRef re, im; /* im NULL unless complex */
} atr_vec;

/* The elements of a DOT dim for every lane: as halves or quarters of i32, the first one lowest; or, for bf16 on targets without an
 * instruction for pairs, each in a vector of f32, with `word` NULL. */
typedef struct atr_dot_factor {
  LLVMValueRef word, low, high;
} atr_dot_factor;

/* Which element each lane of a vector wants, relative to a base address: the static half of an access. */
typedef struct atr_lanes {
  int64_t offset[ATR_MAX_LANES]; /* elements */
  bool valid[ATR_MAX_LANES];
  int count;
} atr_lanes;

/* A vector on its way to memory. */
typedef struct atr_stored {
  atr_lanes lanes;
  atr_vec value;
  int run; /* of so many lanes it consists that follow each other in memory; 0: it did before vectors were interleaved */
} atr_stored;

/* Numbers of a nest's accesses; the load of step n has ATR_ACCESS_LOADS + n. */
enum { ATR_ACCESS_LHS, ATR_ACCESS_RHS, ATR_ACCESS_OUT, ATR_ACCESS_LOADS };

typedef struct atr_loaded { /* a load already done in this block: equal lanes of one access are loaded once */
  int access;
  int64_t key[3]; /* first offset, span, hash */
  atr_lanes *lanes;
  atr_vec value;
} atr_loaded;

enum { ATR_MAX_PIECES = 16 };
typedef struct atr_run { /* neighbouring elements already loaded in this block: pieces of `width`, the last one up to the end */
  int access;
  int64_t first, count, width;
  LLVMValueRef piece[ATR_MAX_PIECES];
  int pieces;
} atr_run;

/* Lanes that have a term, bit l for lane l, as a mask whose bits LLVM does not know (llvm_tile.c). */
typedef struct atr_hidden_mask {
  uint64_t bits;
  LLVMValueRef mask; /* vector of i1 */
} atr_hidden_mask;

/* Constants of a module: equal bytes are there once, also where several copies use them. */
typedef struct atr_data {
  const void *bytes;
  size_t size;
  LLVMValueRef global;
} atr_data;

typedef struct atr_data_list {
  atr_data *items;
  int count, capacity;
} atr_data_list;

/* What is emitted for one program. */
typedef struct atr_entries_of {
  LLVMValueRef kernel, prepack; /* prepack NULL: nothing is packed */
} atr_entries_of;

typedef struct atr_emitter {
  atr_work *work;
  const atr_program *program;
  const atr_target *target;
  const char *cpu;  /* which of several CPUs, in names of what only it uses; NULL: there is one */
  const char *tune; /* CPU to tune for; NULL: the target's */
  bool unwind;      /* with unwind tables */
  atr_data_list *data;
  int parameter_count;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef b;
  LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, void_type;
  LLVMTypeRef index;       /* of what addresses are computed from, as wide as they are */
  LLVMValueRef *constants; /* by buffer: global array; NULL */
  /* the nest being emitted */
  const atr_nest *nest;
  LLVMValueRef function, env;
  LLVMValueRef *base;                   /* by buffer: address; NULL: unused */
  LLVMValueRef *at;                     /* by access number: address at the current place of the loop tree (llvm_access.c) */
  LLVMValueRef scope_read, scope_write; /* alias metadata: what is loaded is never what is stored */
  LLVMValueRef iv[ATR_MAX_DIMS];        /* looped dims */
  atr_box box;
  int lanes;                                        /* of every vector in this nest */
  int unrolled[2][ATR_MAX_DIMS], unrolled_count[2]; /* [reduced] */
  int vector[ATR_MAX_DIMS], vector_count;
  int64_t *place;    /* of each lane along each vector dim: [vector_count][lanes] */
  int filled;        /* lanes that the product of the vector dims' extents takes; the others fill the register up */
  int dot;           /* DOT dim; -1: none */
  int rolled;        /* reduced UNROLL dim that the tile being emitted loops over, so not in `unrolled`; -1: none */
  LLVMValueRef *acc; /* allocas: re, im of every unrolled independent point */
  /* Allocas of what sums of a biased lhs have too much, one for all points that read the same of rhs, at the first of them; NULL: lhs
   * is not biased. */
  LLVMValueRef *excess;
  atr_hidden_mask *masks; /* of this function */
  int mask_count, mask_capacity;
  int64_t lhs_first, lhs_last; /* elements of lhs that the block being emitted reads at least, from its base */
  atr_loaded *loaded;
  int loaded_count, loaded_capacity;
  atr_run *runs; /* spans loaded in this block */
  int run_count, run_capacity;
} atr_emitter;

/* ---- llvm_target.c */
const char *atr_llvm_features(atr_arena *arena, const atr_target *target); /* for LLVM */
void atr_llvm_init_types(atr_emitter *e); /* the types of its context */

/* ---- llvm_value.c: pure functions on vectors of `lanes` elements */
LLVMTypeRef atr_llvm_element_type(atr_emitter *e, atr_dtype dtype); /* of one held element (of the real part) */
LLVMTypeRef atr_llvm_vector_type(atr_emitter *e, atr_dtype dtype);
atr_vec atr_llvm_constant(atr_emitter *e, atr_dtype dtype, atr_scalar value);
LLVMValueRef atr_llvm_splat(atr_emitter *e, LLVMValueRef scalar);
atr_vec atr_llvm_convert(atr_emitter *e, atr_dtype from, atr_dtype to, atr_vec value);
/* acc + the products of the DOT dim's elements: of signed 16-bit or any 8-bit integers, or of bf16. */
atr_vec atr_llvm_dot_add(atr_emitter *e, atr_dot_factor lhs, atr_dot_factor rhs, atr_vec acc);
/* Has the target an instruction for pairs of bf16 in vectors of this nest's lanes? */
bool atr_llvm_has_bf16_dot(const atr_emitter *e);
/* The instruction for fours multiplies unsigned by signed integers. Where both operands are of one kind lhs is made the other, by
 * moving it half its range: is it? Then a sum has too much of what lhs elements of 0, so moved, add to it. */
bool atr_llvm_is_biased(const atr_emitter *e);
LLVMValueRef atr_llvm_biased(atr_emitter *e, LLVMValueRef lhs_word);
/* acc + a * b in dtype: fused where the target has it, OR of AND for pred, complex without conjugation (b may be real). */
atr_vec atr_llvm_multiply_add(atr_emitter *e, atr_dtype dtype, atr_vec a, atr_vec b, atr_vec acc);
/* An elementwise op of ops.def on operands of `operand_type`, rounded to `dtype` (compare: pred). */
atr_vec atr_llvm_elementwise(atr_emitter *e, const atr_expr *expr, atr_dtype operand_type, const atr_vec *args);
/* a where mask (vector of i1), else b */
atr_vec atr_llvm_select(atr_emitter *e, LLVMValueRef mask, atr_vec a, atr_vec b);
/* A constant vector of i1 from the first e->lanes entries. */
LLVMValueRef atr_llvm_mask(atr_emitter *e, const bool *valid);
/* Held form from what is in memory, and back: vectors of the memory type (i8, iN, half bits as i16, float, double). */
LLVMTypeRef atr_llvm_memory_type(atr_emitter *e, atr_dtype dtype);
LLVMValueRef atr_llvm_from_memory(atr_emitter *e, atr_dtype dtype, LLVMValueRef value);
LLVMValueRef atr_llvm_to_memory(atr_emitter *e, atr_dtype dtype, LLVMValueRef value);
LLVMValueRef atr_llvm_intrinsic(atr_emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned count);

/* ---- llvm_wide.c: what targets without division or 64-bit integers would call their compiler's library for; f is a vector of f64 */
bool atr_llvm_lacks_division(const atr_emitter *e, LLVMValueRef v);                                 /* of integers like v */
LLVMValueRef atr_llvm_plain_divide(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, bool is_signed); /* b != 0 */
bool atr_llvm_lacks_wide(const atr_emitter *e, LLVMValueRef v); /* is v of i64, and the target without them? */
LLVMValueRef atr_llvm_wide_to_f64(atr_emitter *e, LLVMValueRef v, bool is_signed);
LLVMValueRef atr_llvm_wide_from_f64(atr_emitter *e, LLVMValueRef f, bool is_signed); /* saturates, NaN is 0 */

/* ---- llvm_math.c: vectors of f32 or f64; within 0.85 ulp of the exact result, special values as the C library's */
LLVMValueRef atr_llvm_exp(atr_emitter *e, LLVMValueRef x);
LLVMValueRef atr_llvm_tanh(atr_emitter *e, LLVMValueRef x);
LLVMValueRef atr_llvm_logistic(atr_emitter *e, LLVMValueRef x);

/* ---- llvm_math_complex.c: abs (whose im is NULL), exponential, tanh and logistic of numbers held as c64 or c128; errors are in
 * doc/ir.md */
atr_vec atr_llvm_complex_function(atr_emitter *e, atr_op op, atr_vec z);

/* ---- llvm_access.c */
/* Lanes of an access for one unrolled point; absent elements are not valid. */
void atr_llvm_lanes(atr_emitter *e, const atr_access *access, const int64_t *point, atr_lanes *out);
/* Do vectors of an access come out of one load for all indices of unrolled reduced dim d? */
bool atr_llvm_comes_in_span(atr_emitter *e, const atr_access *access, const int64_t *point, int d);
bool atr_lanes_any(const atr_lanes *lanes);

/* Where the lanes that count all read one element the others may read it too: then it is one broadcast for every vector. */
void atr_lanes_share(atr_lanes *lanes);
/* The dynamic half: addresses from looped dims. begin: at the start of a nest; enter: inside the loop of dim, whose index is
 * set; base: where an access stands, with what has to be resolved or divided while running. */
void atr_llvm_begin_accesses(atr_emitter *e);
void atr_llvm_enter(atr_emitter *e, int dim, LLVMValueRef index);
LLVMValueRef atr_llvm_base(atr_emitter *e, int access_number, const atr_access *access);
int atr_llvm_access_count(const atr_emitter *e);
/* A base from which lanes can be loaded whatever the looped dims are: the lowest one then reads the buffer's first element. */
LLVMValueRef atr_llvm_safe_base(atr_emitter *e, const atr_access *access, const atr_lanes *lanes);
/* i1: the element exists as far as is left to run time, by divisors or (lhs) tests; NULL when nothing is. */
LLVMValueRef atr_llvm_exists(atr_emitter *e, const atr_access *access);
/* Absent lanes are zero. Converted from the buffer's dtype to `as` and then `to`. Equal loads of a block are done once. */
atr_vec atr_llvm_load(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base, const atr_lanes *lanes,
                      const int64_t *point, atr_dtype as, atr_dtype to);
/* The elements of the dot dim for every lane; `as` is their type in the product. */
atr_dot_factor atr_llvm_load_factor(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base,
                                    const int64_t *point, atr_dtype as);
void atr_llvm_forget_loads(atr_emitter *e);
/* Of a load or a store: a nest's function stores nothing that it loads, but for sums that it continues. */
void atr_llvm_mark(atr_emitter *e, LLVMValueRef instruction, bool store);
unsigned atr_llvm_alignment_of(const atr_emitter *e, const atr_access *access); /* bytes, of a real number */
/* Address of element `offset` (real numbers counted) past the base. */
LLVMValueRef atr_llvm_address(atr_emitter *e, const atr_access *access, LLVMValueRef base, int64_t offset);
/* Address p moved by an index, in elements of a buffer. */
LLVMValueRef atr_llvm_moved(atr_emitter *e, int buffer, LLVMValueRef p, LLVMValueRef elements);
/* Lane l is lane from[l] of a and b, which follow each other; negative: it may hold anything. */
LLVMValueRef atr_llvm_shuffled(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, const int64_t *from, int count);

/* ---- llvm_store.c */
/* The vectors of a tile, in any order; what `v` holds is used up. */
void atr_llvm_store(atr_emitter *e, const atr_access *access, LLVMValueRef base, atr_stored *v, int count);

/* ---- llvm_tile.c */
void atr_llvm_prepare_tile(atr_emitter *e); /* makes the accumulators, in the entry block */
void atr_llvm_tile_begin(atr_emitter *e);
void atr_llvm_mac(atr_emitter *e);
void atr_llvm_tile_end(atr_emitter *e);
void atr_llvm_list_unrolled(atr_emitter *e);                /* fills `unrolled`, without `rolled` */
int64_t atr_llvm_points(const atr_emitter *e, int reduced); /* number of unrolled points */

/* ---- llvm_loops.c */
void atr_llvm_tree(atr_emitter *e, const atr_node *first);
LLVMValueRef atr_llvm_i64(atr_emitter *e, int64_t value);
LLVMValueRef atr_llvm_index(atr_emitter *e, int64_t value); /* of e->index */
/* Value of the looped part of an affine form, without its offset. */
LLVMValueRef atr_llvm_affine(atr_emitter *e, const atr_affine *at);
LLVMValueRef atr_llvm_floor_div(atr_emitter *e, LLVMValueRef a, int64_t b);
LLVMBasicBlockRef atr_llvm_block(atr_emitter *e, const char *name);
/* Calls body between a loop's head and tail, with the index; lo and hi are of its type. */
typedef void (*atr_llvm_body)(atr_emitter *e, void *user, LLVMValueRef index);
void atr_llvm_loop(atr_emitter *e, LLVMValueRef lo, LLVMValueRef hi, atr_llvm_body body, void *user);
void atr_llvm_if(atr_emitter *e, LLVMValueRef condition, void (*then)(atr_emitter *e, void *user), void *user);

/* ---- llvm_module.c */
/* The functions of the emitter's program: symbol, symbol_prepack and what they call; hidden where `internal`. */
atr_entries_of atr_llvm_build_program(atr_emitter *e, const char *symbol, bool internal);
/* A function without a body, with what the target asks of all. */
LLVMValueRef atr_llvm_function(atr_emitter *e, const char *name, LLVMTypeRef type);
/* The same with its entry block; the builder stands there and e->function is set. All of `parameters` are pointers, and it returns
 * i32. */
LLVMValueRef atr_llvm_begin_entry(atr_emitter *e, const char *name, unsigned parameters);
LLVMTypeRef atr_llvm_entry_type(atr_emitter *e, unsigned parameters);
/* Bytes in read-only memory, aligned as scratch is. */
LLVMValueRef atr_llvm_data(atr_emitter *e, const void *bytes, size_t size);
LLVMValueRef atr_llvm_element(atr_emitter *e, LLVMTypeRef type, LLVMValueRef base, int64_t i);
/* What a piece of assembly of this type makes of `args`. Without code it is nothing at all that LLVM sees through; `effects`: nor moves or
 * drops. */
LLVMValueRef atr_llvm_assembly(atr_emitter *e, LLVMTypeRef type, const char *code, const char *operands, bool effects,
                               LLVMValueRef *args);

/* ---- llvm_dispatch.c */
/* i32 atrous.choose(): 1 and up, the number of the first CPU whose needs the machine meets; cpu_count + 1: there is none. The
 * choice is made once and kept in the only variable of the object. */
LLVMValueRef atr_llvm_build_choose(atr_emitter *e, const atr_llvm_object *object);
/* symbol(parameters) calls copies[chosen] with its own arguments and returns what that does. NULL copies return 0; `none` is
 * returned where the machine has none of the CPUs. */
void atr_llvm_build_dispatch(atr_emitter *e, const char *symbol, unsigned parameters, LLVMValueRef choose,
                             const LLVMValueRef *copies, int count, int none);

/* ---- llvm_selftest.c */
/* symbol(memory, host), for the programs of a copy and their functions. */
LLVMValueRef atr_llvm_build_selftest(atr_emitter *e, const char *symbol, const atr_module *module, const atr_llvm_copy *copy,
                                     const atr_entries_of *main, const atr_entries_of *reference);

#endif
