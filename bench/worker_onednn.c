/* worker_onednn.c - oneDNN as a contender of the benchmark (worker.h has the protocol). Compiled by ./dev bench alone, where
 * oneDNN's headers are.
 *
 * In: a convolution in oneDNN's own terms, each array as dtype:extents:strides, in oneDNN's order of dimensions (src and dst
 * N C spatial, weights [groups] O I spatial):
 *
 *     prepare op=forward src=f32:1x64x56x56:200704x1x3584x64 wei=f32:64x64x3x3:1x64x12288x4096 dst=... stride=1x1 dilate=0x0
 *             lo=1x1 hi=1x1
 *
 * op is forward, deconvolution, backward_data (dst and weights in, src out) or backward_weights (src and dst in, weights
 * out). Arrays lie as the strides say; constant weights go through oneDNN's reorder once, outside the timing. Where that
 * leaves oneDNN only its reference code ("ref"), the other arrays may take any format too, with the reorders to and from the
 * plain ones inside the timing, if that has an optimized implementation. The reply names the implementation. */
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

typedef enum array_id { SRC, WEIGHTS, DST, ARRAYS } array_id;
typedef enum op_id { FORWARD, DECONVOLUTION, BACKWARD_DATA, BACKWARD_WEIGHTS, OPS } op_id;

static const char *const OP_NAMES[OPS] = {"forward", "deconvolution", "backward_data", "backward_weights"};
static const array_id RESULT_OF[OPS] = {DST, DST, SRC, WEIGHTS};
static const char *const ARRAY_NAMES[ARRAYS] = {"src", "wei", "dst"};

typedef struct geometry {
  op_id op;
  dnnl_dims_t stride, dilate, lo, hi;
} geometry;

/* One array: as bench.py has it (plain) and as the primitive wants it (used; the same memory if nothing is reordered). */
typedef struct array {
  char dtype[8];
  dnnl_memory_desc_t desc, any;
  int rank;
  size_t elements;
  void *data;
  dnnl_memory_t plain, used;
  dnnl_primitive_t reorder; /* in every run; NULL: none */
} array;

static struct {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  geometry g;
  array arrays[ARRAYS];
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
} state;

/* ---- reading the request */

static int read_numbers(const char *text, dnnl_dims_t out) {
  int count = 0;
  for (char *end; count < DNNL_MAX_NDIMS; text = end + 1) {
    out[count++] = strtoll(text, &end, 10);
    if (*end != 'x') break;
  }
  return count;
}

static dnnl_data_type_t data_type(const char *name) {
  static const struct {
    const char *name;
    dnnl_data_type_t type;
  } ROWS[] = {{"f32", dnnl_f32}, {"bf16", dnnl_bf16}, {"f16", dnnl_f16}, {"s8", dnnl_s8}, {"u8", dnnl_u8}, {"s32", dnnl_s32}};
  for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
    if (strcmp(ROWS[i].name, name) == 0) return ROWS[i].type;
  }
  return dnnl_data_type_undef;
}

static bool read_list(const char *request, const char *key, dnnl_dims_t out, worker_reply *reply) {
  char text[256];
  if (!worker_text(request, key, text, sizeof text)) return worker_fail(reply, "%s is missing", key);
  read_numbers(text, out);
  return true;
}

static bool read_array(const char *request, array_id id, worker_reply *reply) {
  array *a = &state.arrays[id];
  char text[512], *extents, *strides;
  dnnl_dims_t dims, steps;
  if (!worker_text(request, ARRAY_NAMES[id], text, sizeof text)) return worker_fail(reply, "%s is missing", ARRAY_NAMES[id]);
  extents = strchr(text, ':');
  strides = extents != NULL ? strchr(extents + 1, ':') : NULL;
  if (strides == NULL || extents - text >= (ptrdiff_t)sizeof a->dtype) return worker_fail(reply, "%s?", text);
  *extents = *strides = '\0';
  strcpy(a->dtype, text);
  dnnl_data_type_t type = data_type(a->dtype);
  if (type == dnnl_data_type_undef) return worker_refuse(reply, "oneDNN has no %s", a->dtype);
  a->rank = read_numbers(extents + 1, dims);
  if (read_numbers(strides + 1, steps) != a->rank) return worker_fail(reply, "%s: as many strides as extents", ARRAY_NAMES[id]);
  a->elements = 1;
  for (int i = 0; i < a->rank; i++) a->elements *= (size_t)dims[i];
  if (dnnl_memory_desc_create_with_strides(&a->desc, a->rank, dims, type, steps) != dnnl_success ||
      dnnl_memory_desc_create_with_tag(&a->any, a->rank, dims, type, dnnl_format_tag_any) != dnnl_success) {
    return worker_refuse(reply, "oneDNN has no such memory: %s", ARRAY_NAMES[id]);
  }
  return true;
}

static bool read_problem(const char *request, worker_reply *reply) {
  char op[32];
  if (!worker_text(request, "op", op, sizeof op)) return worker_fail(reply, "op is missing");
  for (state.g.op = FORWARD; state.g.op < OPS && strcmp(op, OP_NAMES[state.g.op]) != 0;) state.g.op++;
  if (state.g.op == OPS) return worker_refuse(reply, "oneDNN has no %s", op);
  for (array_id id = SRC; id < ARRAYS; id++) {
    if (!read_array(request, id, reply)) return false;
  }
  return read_list(request, "stride", state.g.stride, reply) && read_list(request, "dilate", state.g.dilate, reply) &&
         read_list(request, "lo", state.g.lo, reply) && read_list(request, "hi", state.g.hi, reply);
}

/* ---- the primitive */

static dnnl_status_t describe(const dnnl_memory_desc_t descs[ARRAYS], dnnl_primitive_desc_t *out) {
  const geometry *g = &state.g;
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = dnnl_success;
  if (g->op == BACKWARD_DATA || g->op == BACKWARD_WEIGHTS) {
    status = dnnl_convolution_forward_primitive_desc_create(&hint, state.engine, dnnl_forward_training, dnnl_convolution_direct,
                                                            descs[SRC], descs[WEIGHTS], NULL, descs[DST], g->stride, g->dilate,
                                                            g->lo, g->hi, NULL);
    if (status != dnnl_success) return status;
  }
  switch (g->op) {
  case FORWARD:
    return dnnl_convolution_forward_primitive_desc_create(out, state.engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          descs[SRC], descs[WEIGHTS], NULL, descs[DST], g->stride, g->dilate,
                                                          g->lo, g->hi, NULL);
  case DECONVOLUTION:
    return dnnl_deconvolution_forward_primitive_desc_create(out, state.engine, dnnl_forward_inference,
                                                            dnnl_deconvolution_direct, descs[SRC], descs[WEIGHTS], NULL,
                                                            descs[DST], g->stride, g->dilate, g->lo, g->hi, NULL);
  case BACKWARD_DATA:
    status = dnnl_convolution_backward_data_primitive_desc_create(out, state.engine, dnnl_convolution_direct, descs[SRC],
                                                                  descs[WEIGHTS], descs[DST], g->stride, g->dilate, g->lo,
                                                                  g->hi, hint, NULL);
    break;
  case BACKWARD_WEIGHTS:
    status = dnnl_convolution_backward_weights_primitive_desc_create(out, state.engine, dnnl_convolution_direct, descs[SRC],
                                                                     descs[WEIGHTS], NULL, descs[DST], g->stride, g->dilate,
                                                                     g->lo, g->hi, hint, NULL);
    break;
  case OPS: return dnnl_invalid_arguments;
  }
  dnnl_primitive_desc_destroy(hint);
  return status;
}

static const char *implementation(const_dnnl_primitive_desc_t desc) {
  const char *name = "";
  dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
  return name;
}

static bool is_reference(const_dnnl_primitive_desc_t desc) { return strstr(implementation(desc), "ref") != NULL; }

/* Plain arrays but for the weights; if that has reference code only, any format for all of them. */
static bool choose(worker_reply *reply) {
  array *a = state.arrays;
  const dnnl_memory_desc_t plain[ARRAYS] = {a[SRC].desc, a[WEIGHTS].any, a[DST].desc};
  const dnnl_memory_desc_t any[ARRAYS] = {a[SRC].any, a[WEIGHTS].any, a[DST].any};
  dnnl_primitive_desc_t other = NULL;
  dnnl_status_t status = describe(plain, &state.desc);
  if (status != dnnl_success) state.desc = NULL;
  if (state.desc != NULL && !is_reference(state.desc)) return true;
  if (describe(any, &other) == dnnl_success && (state.desc == NULL || !is_reference(other))) {
    if (state.desc != NULL) dnnl_primitive_desc_destroy(state.desc);
    state.desc = other;
  } else if (other != NULL) {
    dnnl_primitive_desc_destroy(other);
  }
  if (state.desc == NULL) return worker_refuse(reply, "oneDNN has no primitive: %s", dnnl_status2str(status));
  return true;
}

static bool make_reorder(dnnl_memory_t from, dnnl_memory_t to, dnnl_primitive_t *out) {
  const_dnnl_memory_desc_t a, b;
  dnnl_primitive_desc_t desc;
  if (dnnl_memory_get_memory_desc(from, &a) != dnnl_success || dnnl_memory_get_memory_desc(to, &b) != dnnl_success)
    return false;
  if (dnnl_reorder_primitive_desc_create(&desc, a, state.engine, b, state.engine, NULL) != dnnl_success) return false;
  bool made = dnnl_primitive_create(out, desc) == dnnl_success;
  dnnl_primitive_desc_destroy(desc);
  return made;
}

static bool run_reorder(dnnl_primitive_t reorder, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  return dnnl_primitive_execute(reorder, state.stream, 2, args) == dnnl_success;
}

static dnnl_query_t desc_query(array_id id) {
  bool data = state.g.op == BACKWARD_DATA, weights = state.g.op == BACKWARD_WEIGHTS;
  switch (id) {
  case SRC: return data ? dnnl_query_diff_src_md : dnnl_query_src_md;
  case WEIGHTS: return weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
  case DST: return data || weights ? dnnl_query_diff_dst_md : dnnl_query_dst_md;
  case ARRAYS: break;
  }
  return dnnl_query_undef;
}

/* Whether an array is the first or the second operand of the convolution as HLO has it. */
static uint32_t operand_number(array_id id) {
  if (id == DST) return state.g.op == BACKWARD_WEIGHTS;
  return id == WEIGHTS;
}

/* Memory for one array, filled; in another format where the primitive asks for one. Constant weights are reordered now. */
static bool bind_array(array_id id) {
  array *a = &state.arrays[id];
  const_dnnl_memory_desc_t wanted = dnnl_primitive_desc_query_md(state.desc, desc_query(id), 0);
  bool is_result = id == RESULT_OF[state.g.op];
  a->data = worker_allocate(dnnl_memory_desc_get_size(a->desc));
  if (a->data == NULL || dnnl_memory_create(&a->plain, a->desc, state.engine, a->data) != dnnl_success) return false;
  if (!is_result) worker_fill(a->dtype, operand_number(id), a->elements, a->data);
  a->used = a->plain;
  if (dnnl_memory_desc_equal(wanted, a->desc)) return true;
  if (dnnl_memory_create(&a->used, wanted, state.engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) return false;
  if (is_result) return make_reorder(a->used, a->plain, &a->reorder);
  if (!make_reorder(a->plain, a->used, &a->reorder) || !run_reorder(a->reorder, a->plain, a->used)) return false;
  if (id == WEIGHTS) {
    dnnl_stream_wait(state.stream);
    dnnl_primitive_destroy(a->reorder);
    a->reorder = NULL;
  }
  return true;
}

/* ---- the worker */

static void drop(void) {
  for (array_id id = SRC; id < ARRAYS; id++) {
    array *a = &state.arrays[id];
    if (a->reorder != NULL) dnnl_primitive_destroy(a->reorder);
    if (a->used != NULL && a->used != a->plain) dnnl_memory_destroy(a->used);
    if (a->plain != NULL) dnnl_memory_destroy(a->plain);
    if (a->desc != NULL) dnnl_memory_desc_destroy(a->desc);
    if (a->any != NULL) dnnl_memory_desc_destroy(a->any);
    free(a->data);
    *a = (array){.rank = 0};
  }
  if (state.primitive != NULL) dnnl_primitive_destroy(state.primitive);
  if (state.desc != NULL) dnnl_primitive_desc_destroy(state.desc);
  state.primitive = NULL, state.desc = NULL;
}

static bool prepare(const char *request, worker_reply *reply) {
  if (!read_problem(request, reply) || !choose(reply)) return false;
  if (dnnl_primitive_create(&state.primitive, state.desc) != dnnl_success) return worker_fail(reply, "no primitive");
  for (array_id id = SRC; id < ARRAYS; id++) {
    if (!bind_array(id)) return worker_fail(reply, "no memory or no reorder for %s", ARRAY_NAMES[id]);
  }
  const array *a = state.arrays;
  worker_say(reply, " implementation=%s reorders=%d", implementation(state.desc),
             (a[SRC].reorder != NULL) + (a[WEIGHTS].reorder != NULL) + (a[DST].reorder != NULL));
  return true;
}

static bool run(void) {
  array *a = state.arrays, *result = &a[RESULT_OF[state.g.op]];
  bool data = state.g.op == BACKWARD_DATA, weights = state.g.op == BACKWARD_WEIGHTS;
  if (state.primitive == NULL) return false;
  for (array_id id = SRC; id < ARRAYS; id++) {
    if (a[id].reorder != NULL && &a[id] != result && !run_reorder(a[id].reorder, a[id].plain, a[id].used)) return false;
  }
  const dnnl_exec_arg_t args[ARRAYS] = {{data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, a[SRC].used},
                                        {weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, a[WEIGHTS].used},
                                        {data || weights ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, a[DST].used}};
  if (dnnl_primitive_execute(state.primitive, state.stream, ARRAYS, args) != dnnl_success) return false;
  if (result->reorder != NULL && !run_reorder(result->reorder, result->used, result->plain)) return false;
  return dnnl_stream_wait(state.stream) == dnnl_success;
}

static const void *output(size_t *bytes) {
  const array *result = &state.arrays[RESULT_OF[state.g.op]];
  if (result->data == NULL) return NULL;
  *bytes = dnnl_memory_desc_get_size(result->desc);
  return result->data;
}

static bool other(const char *request, worker_reply *reply) {
  const dnnl_version_t *v = dnnl_version();
  if (strcmp(request, "version") != 0) return false;
  worker_say(reply, "ok version=%d.%d.%d", v->major, v->minor, v->patch);
  return true;
}

int main(void) {
  static const worker onednn = {.prepare = prepare, .run = run, .output = output, .drop = drop, .other = other};
  dnnl_set_primitive_cache_capacity(0); /* every creation costs what the first one costs */
  if (dnnl_engine_create(&state.engine, dnnl_cpu, 0) != dnnl_success) return 1;
  if (dnnl_stream_create(&state.stream, state.engine, dnnl_stream_default_flags) != dnnl_success) return 1;
  return worker_serve(&onednn);
}
