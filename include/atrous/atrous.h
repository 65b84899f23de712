/* atrous.h - the public interface of Atrous, a compiler for convolutions.
 *
 * A module (HLO or StableHLO text, or built call by call) goes in; machine code made for exactly its
 * shapes, dtypes and layouts comes out, to be run any number of times from any number of threads.
 *
 * Learning order:
 *   1. atr_run_text            one call: text and arrays in, arrays out
 *   2. atr_context, atr_module, atr_executable, atr_executable_run
 *   3. atr_builder             a module without text
 *   4. schedules, targets, emission of objects and listings
 *   5. atr_executable_run_dlpack
 *
 * Conventions. Every fallible call returns an atr_status; outputs are written on ATR_OK only. Options
 * structs start with their own size, set by the caller to sizeof; a zeroed rest means the defaults.
 * Arrays are dense in the layout that the module's text states (row major where it states none), aligned
 * to their element at least; elements of pred are bytes 0 or 1. The library never prints, never exits and keeps no global state that two
 * contexts share; the exceptions are the cache and the error text behind atr_run_text.
 */
#ifndef ATROUS_ATROUS_H
#define ATROUS_ATROUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_VERSION_MAJOR 0
#define ATR_VERSION_MINOR 1
#define ATR_VERSION_PATCH 0

#if defined(__GNUC__)
#define ATR_API __attribute__((visibility("default")))
#define ATR_CHECK_RESULT __attribute__((warn_unused_result))
#else
#define ATR_API
#define ATR_CHECK_RESULT
#endif

/* ---- status ------------------------------------------------------------------------------------ */

/* The numbers are part of the interface and never change meaning. */
typedef enum atr_status {
  ATR_OK = 0,
  ATR_INVALID_ARGUMENT = 1, /* a call was made wrongly: NULL, misaligned, wrong size or index      */
  ATR_PARSE_ERROR = 2,      /* text that does not follow its grammar                               */
  ATR_VERIFY_ERROR = 3,     /* well-formed, but it breaks a rule of the IR or a schedule's legality */
  ATR_UNSUPPORTED = 4,      /* legal, but this back end or machine cannot do it; the message says why */
  ATR_OUT_OF_MEMORY = 5,
  ATR_IO_ERROR = 6,
  ATR_INTERNAL = 7 /* a defect of Atrous: please report it with the message */
} atr_status;

/* A short English name of a status ("ok", "parse error", ...); never NULL. */
ATR_API const char *atr_status_name(atr_status status);

/* "major.minor.patch" of the library in use. */
ATR_API const char *atr_version(void);

/* ---- 1. one call ------------------------------------------------------------------------------- */

/* Compiles `text` (HLO or StableHLO; `len` bytes, or -1 for a NUL-terminated string) unless an equal text was
 * compiled before, and runs it: args[i] is parameter i, results[i] element i of the result. Compiled
 * texts are kept in a bounded cache (least recently used leaves first). Any thread may call.
 * Returns 0 or an atr_status; atr_last_error() then holds the message. */
ATR_API int atr_run_text(const char *text, int64_t len, const void *const *args, void *const *results);

/* The same for hosts that pass everything by pointer (R's .C, Fortran): *rc receives the status. */
ATR_API void atr_run_text_p(char **text, const void **args, void **results, int *rc);

/* The same for IDL-like hosts: argv[0] is the NUL-terminated text, then the arguments, then the results. */
ATR_API int atr_run_text_argv(int argc, void **argv);

/* Message of the last failing atr_run_text* call of this thread, "" if none. Valid until the next one. */
ATR_API const char *atr_last_error(void);

/* ---- types ------------------------------------------------------------------------------------- */

/* ORDER dtype: src/base/dtype.def */
typedef enum atr_dtype {
  ATR_DTYPE_NONE = 0,
  ATR_PRED,
  ATR_S8, ATR_S16, ATR_S32, ATR_S64,
  ATR_U8, ATR_U16, ATR_U32, ATR_U64,
  ATR_F8E4M3FN, ATR_F8E5M2,
  ATR_F16, ATR_BF16, ATR_F32, ATR_F64,
  ATR_C64, ATR_C128
} atr_dtype;

ATR_API const char *atr_dtype_name(atr_dtype dtype); /* "f32", ... as HLO spells it; "?" if unknown */
ATR_API size_t atr_dtype_size(atr_dtype dtype);      /* bytes of one element; 0 if unknown */

enum { ATR_MAX_RANK = 12, ATR_MAX_SPATIAL = 8 };

/* An array type. minor_to_major lists dimensions from the fastest varying on ({rank-1, ..., 0} is row
 * major), as HLO layouts do. */
typedef struct atr_shape {
  atr_dtype dtype;
  int32_t rank;
  int64_t dims[ATR_MAX_RANK];
  int8_t minor_to_major[ATR_MAX_RANK];
} atr_shape;

/* A row-major shape; `dims` may be NULL when rank is 0. A rank out of range gives the zeroed shape (ATR_DTYPE_NONE). */
ATR_API atr_shape atr_shape_make(atr_dtype dtype, int rank, const int64_t *dims);
/* -1 when an extent is negative or int64 overflows. */
ATR_API int64_t atr_shape_elements(const atr_shape *shape);
ATR_API int64_t atr_shape_bytes(const atr_shape *shape);

/* ---- 2. context -------------------------------------------------------------------------------- */

/* Where a context takes memory from; realloc semantics: size 0 frees, old NULL allocates. May return
 * NULL (the call then reports ATR_OUT_OF_MEMORY). Must be callable from any thread that uses objects of
 * the context. LLVM, which does the code generation, has its own memory. */
typedef void *(*atr_realloc_fn)(void *user, void *old, size_t old_size, size_t new_size);

/* The next two are in the headers of ahead-of-time objects as well, so the layout is fixed. */
#ifndef ATR_HOST_DEFINED
#define ATR_HOST_DEFINED
/* Runs body(arg, i) for every i in [0, n), in any order and on any threads, and returns when all are done. */
typedef void (*atr_parallel_for_fn)(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg);

/* What a compiled kernel gets from its caller. */
typedef struct atr_host {
  void *user;
  atr_parallel_for_fn parallel_for; /* NULL: serial */
} atr_host;
#endif

typedef struct atr_context_options {
  size_t size;
  atr_realloc_fn realloc; /* NULL: the C library's */
  void *realloc_user;
  const atr_host *host; /* the caller's threads; NULL: a pool of our own, made at first use. Copied. */
  int32_t threads;      /* threads of our own pool; 0: one per available core; 1: no pool */
  const char *dump_dir; /* write every stage of every compilation there as files; NULL: ATROUS_DUMP of the environment */
} atr_context_options;

typedef struct atr_context atr_context;

/* A context may be used by one thread at a time, except that executables made from it run from any.
 * Destroy it after its modules and executables. */
ATR_API ATR_CHECK_RESULT atr_status atr_context_create(const atr_context_options *options, atr_context **out);
ATR_API void atr_context_destroy(atr_context *context);

/* The diagnostic of the last failing call on this context: "file:line:col: error: ...", the source line
 * and a caret where there is text. "" if none. Valid until the next call on the context. */
ATR_API const char *atr_context_message(const atr_context *context);

/* ---- modules ----------------------------------------------------------------------------------- */

typedef struct atr_module atr_module;

/* Reads and verifies HLO or StableHLO (which of them is seen from the text). `name` appears in diagnostics and may be
 * NULL. len -1: NUL-terminated. The module keeps its own copy of the text. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_parse(atr_context *context, const char *name, const char *text, int64_t len, atr_module **out);
ATR_API void atr_module_destroy(atr_module *module);

/* A text may hold several computations that can be compiled by themselves: HLO's ENTRY and every computation that no other one
 * calls; StableHLO's @main and other public functions. *out: their names, one a line; the one that atr_module_parse takes comes
 * first (StableHLO with several public functions and no @main has none). */
ATR_API ATR_CHECK_RESULT atr_status atr_module_entries(atr_context *context, const char *name, const char *text, int64_t len, char **out);
/* The module of one of them. It has the name of its computation, or that of the text's module if atr_module_parse takes it too. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_parse_entry(atr_context *context, const char *name, const char *text, int64_t len, const char *entry, atr_module **out);

/* A copy of the module in which `parameter` is a constant with these elements, which lie in the layout of its shape; the parameters
 * behind it move down by one. What depends on it alone is then done when compiling, such as packing weights. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_bind(atr_context *context, const atr_module *module, int32_t parameter, const void *data, atr_module **out);

ATR_API int32_t atr_module_parameter_count(const atr_module *module);
ATR_API int32_t atr_module_result_count(const atr_module *module);
/* Index out of range: NULL. Valid as long as the module. */
ATR_API const atr_shape *atr_module_parameter_shape(const atr_module *module, int32_t index);
ATR_API const char *atr_module_parameter_name(const atr_module *module, int32_t index);
ATR_API const atr_shape *atr_module_result_shape(const atr_module *module, int32_t index);

/* Text handed out by the library; free it with atr_string_free on the same context. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_print(atr_context *context, const atr_module *module, char **out);
ATR_API void atr_string_free(atr_context *context, char *string);

/* The gradient of a module with one result y = f(p0, p1, ...) as a module: the same parameters in order, behind them the
 * cotangent of y (of y's shape and layout), and as result the vector-Jacobian product for `parameter`, which has that parameter's
 * shape and layout. Both must be floats or complex numbers. The result is what jax.vjp gives: operands that are equal share the
 * gradient of a maximum or minimum, a clamp passes none on at its bounds, and of complex numbers the plain transpose is taken,
 * without conjugation (a cotangent t means the form dz -> Re(t dz)). Values that are no floats carry no gradient. *out is a module
 * of its own; what it does not need of f is not in it. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_gradient(atr_context *context, const atr_module *module, int32_t parameter, atr_module **out);

/* Runs the module in the reference interpreter: slow, exact to one rounding per operation. */
ATR_API ATR_CHECK_RESULT atr_status atr_module_interpret(atr_context *context, const atr_module *module, const void *const *args, void *const *results);

/* ---- executables ------------------------------------------------------------------------------- */

/* In place of a size in bytes or MiB: none at all. */
enum { ATR_WORKSPACE_NONE = -1 };

typedef struct atr_compile_options {
  size_t size;
  const char *cpu;       /* LLVM CPU name; NULL: this machine's */
  /* LLVM feature string added to the CPU's ("+avx512f,-fma"); NULL: none, or the host's when cpu is NULL. Words are LLVM's, not ours:
   * it prints a line about one that it does not know, and may end the process over ones that contradict the target. */
  const char *features;
  const char *triple;    /* NULL: this machine's */
  /* Schedule text for every nest it names (doc/ir.md); NULL: the cost model's choice. ATR_VERIFY_ERROR at a line for a nest that
   * there is not; of an object, when it is emitted, for a nest of none of its CPUs and functions with this text. */
  const char *schedule;
  uint64_t constant_parameters; /* bit i: parameter i keeps its value between runs; see atr_executable_prepack */
  int32_t multiply_padding; /* 1: implicit zeros are multiplied as XLA:CPU does, so 0*Inf at a border is NaN; 0: skipped */
  const char *name;      /* symbol of the kernel in emitted code; NULL: the module's name */
  /* Bytes of scratch that a run may take; ATR_WORKSPACE_NONE: none. 0: as the module says (atr_import), else no limit. A limit that
   * leaves 1 MiB beside the values between operations changes no bit of a result. ATR_UNSUPPORTED where a plan needs more. */
  int64_t workspace;
  /* 1: the cost model's best few schedules, as far as they add terms in the same order, are timed on this machine and the fastest
   * is taken; -1: the cost model alone decides; 0: as the module says (atr_import), else -1. Code for another machine is never
   * timed, and `schedule` decides alone. */
  int32_t measure;
} atr_compile_options;

typedef struct atr_executable atr_executable;

/* options may be NULL. The module may be destroyed afterwards. */
ATR_API ATR_CHECK_RESULT atr_status atr_compile(atr_context *context, const atr_module *module, const atr_compile_options *options, atr_executable **out);
/* Executables are reference counted and immutable; both calls may come from any thread. */
ATR_API atr_executable *atr_executable_retain(atr_executable *executable);
ATR_API void atr_executable_release(atr_executable *executable);

/* Bytes and alignment of the scratch block that one run needs; 0 bytes: none. */
ATR_API size_t atr_executable_scratch_size(const atr_executable *executable);
ATR_API size_t atr_executable_scratch_alignment(const atr_executable *executable);

/* For parameters marked constant: bytes of the packed block, and the call that fills it from args (only the constant
 * parameters are read). 0 bytes: nothing was worth packing. Pass the block as run's `packed`; NULL there packs anew in
 * every run. The block must be aligned as scratch is. */
ATR_API size_t atr_executable_packed_size(const atr_executable *executable);
ATR_API ATR_CHECK_RESULT atr_status atr_executable_prepack(const atr_executable *executable, const void *const *args, void *packed);

typedef struct atr_run_options {
  size_t size;
  const void *packed;   /* from atr_executable_prepack */
  void *scratch;        /* scratch_size bytes at scratch_alignment; NULL: taken from the context's allocator */
  const atr_host *host; /* threads for this run; NULL: the context's */
  int32_t threads;      /* at most so many of the context's own threads; 0: all; 1: this thread only */
} atr_run_options;

/* Allocation-free when scratch is given (or not needed) and so is what was packed, but for the interpreter, and for more than 64
 * parameters beside a packed block. Any number of runs may be under way at once, each with
 * its own scratch. Arguments and results must not overlap. The bits of the results do not depend on threads. */
ATR_API ATR_CHECK_RESULT atr_status atr_executable_run(const atr_executable *executable, const void *const *args, void *const *results, const atr_run_options *options);

/* Text about the executable: problem, work done and skipped, traffic, bound, schedule, nests, and why each was chosen. */
ATR_API ATR_CHECK_RESULT atr_status atr_executable_explain(atr_context *context, const atr_executable *executable, char **out);

/* ---- 3. builder -------------------------------------------------------------------------------- */

/* Builds a module instruction by instruction. The builder is sticky: after the first error further calls do nothing
 * and return 0, and atr_builder_finish reports that first error. Values are numbers of this builder. */
typedef struct atr_builder atr_builder;
typedef uint32_t atr_value; /* 0: none */

ATR_API ATR_CHECK_RESULT atr_status atr_builder_create(atr_context *context, const char *module_name, atr_builder **out);
ATR_API void atr_builder_destroy(atr_builder *builder);
/* Makes the verified module whose results are the given values. The builder is spent; destroy it. */
ATR_API ATR_CHECK_RESULT atr_status atr_builder_finish(atr_builder *builder, const atr_value *results, int32_t count, atr_module **out);

/* Parameters are numbered in the order of these calls. name may be NULL. */
ATR_API atr_value atr_build_parameter(atr_builder *builder, const char *name, const atr_shape *shape);
/* `data` is row major in shape's logical order, whatever its layout, and is copied. Of pred any byte but 0 is true. */
ATR_API atr_value atr_build_constant(atr_builder *builder, const atr_shape *shape, const void *data);

typedef enum atr_padding_kind { ATR_PADDING_EXPLICIT = 0, ATR_PADDING_VALID, ATR_PADDING_SAME, ATR_PADDING_SAME_LOWER } atr_padding_kind;
typedef enum atr_precision { ATR_PRECISION_DEFAULT = 0, ATR_PRECISION_HIGH, ATR_PRECISION_HIGHEST } atr_precision;
/* What an index outside the input means. REFLECT leaves the edge element out (d c b | a b c d | c b a), REPLICATE repeats it,
 * CIRCULAR wraps around. */
typedef enum atr_edge_mode { ATR_EDGE_ZERO = 0, ATR_EDGE_REFLECT, ATR_EDGE_REPLICATE, ATR_EDGE_CIRCULAR } atr_edge_mode;

/* conv_general_dilated's own vocabulary. Every per-dimension list has one entry per spatial dimension, in the order in which
 * rhs_spec names them; NULL means all ones (all false, all zero). */
typedef struct atr_conv_options {
  size_t size;
  /* "NHWC", "HWIO", "NHWC": N C in lhs and out, I O in rhs, any other distinct characters are spatial. All NULL: NC...,
   * OI..., NC... */
  const char *lhs_spec, *rhs_spec, *out_spec;
  /* Instead of the strings: per array batch (rhs: output feature), feature (rhs: input feature), then the spatial dimensions'
   * positions, as ConvDimensionNumbers lists them. All or none. */
  const int64_t *lhs_dims, *rhs_dims, *out_dims;
  const int64_t *window_strides;
  atr_padding_kind padding_kind;
  const int64_t (*padding)[2]; /* EXPLICIT only; may be negative (crop) */
  const int64_t *lhs_dilation, *rhs_dilation;
  const int32_t *window_reversal;
  int64_t feature_group_count, batch_group_count; /* 0 means 1 */
  atr_precision lhs_precision, rhs_precision;
  atr_dtype preferred_element_type; /* ATR_DTYPE_NONE: that of lhs, of rhs if it is wider */
  const atr_edge_mode *edge_mode;
  const int64_t *filter_shape; /* atr_build_conv_local and its gradients only */
} atr_conv_options;

ATR_API atr_value atr_build_conv(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_conv_options *options);
/* Unshared weights, as jax.lax.conv_general_dilated_local: rhs's spatial dimensions are the output's and its I dimension is
 * C/groups times the filter's extents, channel slowest. */
ATR_API atr_value atr_build_conv_local(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_conv_options *options);
/* The gradients of atr_build_conv_local(lhs, rhs, options) for a cotangent, which has the extents of its result: with respect
 * to lhs, and to rhs. `shape` is the type of the result, with the extents of lhs or of rhs; any dtype that a convolution of the
 * two operands may give. The options are the convolution's own, but for preferred_element_type, which is not looked at; the data
 * gradient takes no edge_mode but ATR_EDGE_ZERO. */
ATR_API atr_value atr_build_conv_local_data_gradient(atr_builder *builder, atr_value cotangent, atr_value rhs, const atr_shape *shape, const atr_conv_options *options);
ATR_API atr_value atr_build_conv_local_weight_gradient(atr_builder *builder, atr_value lhs, atr_value cotangent, const atr_shape *shape, const atr_conv_options *options);

/* HLO's opcode names: "add", "maximum", "tanh", "select", "clamp", ... Operands of equal shape. */
ATR_API atr_value atr_build_elementwise(atr_builder *builder, const char *opcode, const atr_value *operands, int32_t count);
/* direction: "EQ" "NE" "LT" "LE" "GT" "GE" */
ATR_API atr_value atr_build_compare(atr_builder *builder, const char *direction, atr_value a, atr_value b);
ATR_API atr_value atr_build_convert(atr_builder *builder, atr_value operand, atr_dtype dtype);
/* low_high_interior: three numbers per dimension */
ATR_API atr_value atr_build_pad(atr_builder *builder, atr_value operand, atr_value padding_value, const int64_t (*low_high_interior)[3]);
ATR_API atr_value atr_build_reverse(atr_builder *builder, atr_value operand, const int64_t *dims, int32_t count);
/* The sum over these dimensions, which the result does not have. */
ATR_API atr_value atr_build_reduce(atr_builder *builder, atr_value operand, const int64_t *dims, int32_t count);
/* dims[i]: the output dimension that operand dimension i becomes */
ATR_API atr_value atr_build_broadcast(atr_builder *builder, atr_value operand, const atr_shape *shape, const int64_t *dims, int32_t count);
ATR_API atr_value atr_build_reshape(atr_builder *builder, atr_value operand, const atr_shape *shape);
/* output dimension i is operand dimension permutation[i] */
ATR_API atr_value atr_build_transpose(atr_builder *builder, atr_value operand, const int64_t *permutation, int32_t count);
/* start, limit, stride per dimension */
ATR_API atr_value atr_build_slice(atr_builder *builder, atr_value operand, const int64_t (*start_limit_stride)[3]);
ATR_API atr_value atr_build_concatenate(atr_builder *builder, const atr_value *operands, int32_t count, int64_t dimension);

/* The inferred type of a value; NULL after an error. Valid until the next call on the builder. */
ATR_API const atr_shape *atr_builder_shape(const atr_builder *builder, atr_value value);

/* ---- 4. emission and targets ------------------------------------------------------------------- */

typedef enum atr_emit_kind { ATR_EMIT_NEST = 0, ATR_EMIT_LLVM, ATR_EMIT_ASM, ATR_EMIT_OBJ, ATR_EMIT_HEADER } atr_emit_kind;

/* Compiles one function without loading it, for one CPU. *out holds *len bytes (a NUL follows); free it with atr_string_free.
 * What depends on literals alone is worked out now and becomes data. */
ATR_API ATR_CHECK_RESULT atr_status atr_emit(atr_context *context, const atr_module *module, const atr_compile_options *options, atr_emit_kind kind, char **out, size_t *len);

/* Several functions for several CPUs as one object, which depends on nothing but memcpy, memmove and memset (doc/aot.md):
 *
 *     int NAME(const void *const *args, void *const *results, void *scratch, const atr_host *host);
 *     int NAME_prepack(const void *const *args, void *packed, const atr_host *host);      where constant parameters are packed
 *     int NAME_selftest(void *memory, const atr_host *host);                              where asked for
 *
 * The bytes depend on modules, options and the version of the library alone, unless cpus is "native". */
typedef struct atr_object_options {
  size_t size;
  const char *triple;   /* LLVM target triple; NULL: this machine's */
  /* Names of CPUs, as "x86-64-v3,sapphirerapids". With more than one, which x86-64 alone can have, the best that the machine has is
   * picked at the first call, and ATR_UNSUPPORTED's number is returned where it has none. NULL: x86-64-v2,x86-64-v3,x86-64-v4 on
   * x86-64, elsewhere the architecture's base. "native": this machine alone. */
  const char *cpus;
  const char *features; /* added to each CPU's: "+avx512vnni,-fma" */
  const char *prefix;   /* in front of every function's name */
  /* Environment variable that names one of several CPUs to be used, if the machine has it; the object then calls getenv too.
   * NULL: none. */
  const char *cpu_variable;
  int32_t selftest; /* 1: with NAME_selftest, which compares with plain loops */
  int32_t unwind;   /* 1: with unwind tables */
} atr_object_options;

typedef struct atr_object atr_object;

/* options may be NULL. Destroy the object before its context. */
ATR_API ATR_CHECK_RESULT atr_status atr_object_create(atr_context *context, const atr_object_options *options, atr_object **out);
ATR_API void atr_object_destroy(atr_object *object);
/* Compiles the module into a function of the object; it may be destroyed afterwards. cpu, features and triple of the options must be
 * NULL. Names that collide with those of an earlier function are ATR_INVALID_ARGUMENT. After an error the object is as before. */
ATR_API ATR_CHECK_RESULT atr_status atr_object_add(atr_object *object, const atr_module *module, const atr_compile_options *options);
/* The functions so far as one object, listing or C header (for C99 and C++11). As atr_emit's, *out is freed by atr_string_free. An
 * object that would need more than it may is ATR_UNSUPPORTED, naming the symbol. */
ATR_API ATR_CHECK_RESULT atr_status atr_object_emit(atr_object *object, atr_emit_kind kind, char **out, size_t *len);

/* Reads programs in nest form (as --emit=nest and dumps write them), verifies them and prints them again: the identity for what
 * we printed. */
ATR_API ATR_CHECK_RESULT atr_status atr_nest_check(atr_context *context, const char *name, const char *text, int64_t len, char **out);

/* A table of the target rows (vector width, registers, native dot products, whether this LLVM has the target) and of CPU names; the
 * row that `options` selects is marked. */
ATR_API ATR_CHECK_RESULT atr_status atr_targets(atr_context *context, const atr_compile_options *options, char **out);

/* ---- 5. DLPack --------------------------------------------------------------------------------- */

struct DLTensor;

/* As atr_executable_run with views: dtype, shape, strides and byte_offset of each tensor are checked against the module's
 * (kDLCPU only). args and results have one entry per parameter and result. */
ATR_API ATR_CHECK_RESULT atr_status atr_executable_run_dlpack(const atr_executable *executable, const struct DLTensor *const *args, const struct DLTensor *const *results, const atr_run_options *options);

#ifdef __cplusplus
}
#endif
#endif
