/* bound.c - see bound.h. Bounds are kept per array, not per element: with `largest` the greatest finite magnitude of its values. */
#include "bound.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "ir/ir.h"

/* What is known about the values of one instruction. */
typedef struct facts {
  double largest, least; /* magnitudes, of each part; of finite values; 0 and infinity when there are none */
  bool integral;         /* every finite part is an integer */
  bool finite;
} facts;

/* Half a last digit, the least subnormal and the greatest number. */
typedef struct format {
  double epsilon, smallest, greatest;
} format;

static format format_of(atr_dtype dtype) {
  switch (atr_dtype_real(dtype)) {
  case ATR_F8E4M3FN: return (format){0x1p-4, 0x1p-9, 448};
  case ATR_F8E5M2: return (format){0x1p-3, 0x1p-16, 57344};
  case ATR_F16: return (format){0x1p-11, 0x1p-24, 65504};
  case ATR_BF16: return (format){0x1p-8, 0x1p-133, 0x1.fep127};
  case ATR_F32: return (format){0x1p-24, 0x1p-149, 0x1.fffffep127};
  default: return (format){0x1p-53, 0x1p-1074, 0x1.fffffffffffffp1023};
  }
}
static double epsilon(atr_dtype dtype) { return format_of(dtype).epsilon; }
static double greatest(atr_dtype dtype) { return format_of(dtype).greatest; }

static const double NEAR = 0.98; /* share of the largest number from which an error may overflow */

static bool is_floating(atr_dtype dtype) { return atr_dtype_class_of(dtype) >= ATR_CLASS_FLOAT; }
static bool is_complex(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX; }

static void look_at(facts *f, double x) {
  if (!isfinite(x)) {
    f->finite = false;
    return;
  }
  f->largest = fmax(f->largest, fabs(x));
  f->least = fmin(f->least, fabs(x));
  if (x != floor(x)) f->integral = false;
}

static facts facts_of(const atr_shape *shape, const void *data) {
  facts f = {.least = INFINITY, .integral = true, .finite = true};
  int64_t n = atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  for (int64_t i = 0; i < n; i++) {
    atr_scalar x = atr_scalar_load(shape->dtype, (const char *)data + (size_t)i * size);
    if (!is_floating(shape->dtype))
      x.re = atr_dtype_class_of(shape->dtype) == ATR_CLASS_UINT ? (double)(uint64_t)x.i : (double)x.i;
    look_at(&f, x.re);
    if (is_complex(shape->dtype)) look_at(&f, x.im);
  }
  return f;
}

/* ---- one instruction */

typedef struct step {
  const atr_inst *inst;
  const atr_inst *operand[3];
  facts in[3], out;
  double error[3]; /* of operands, absolute */
  bool exact;      /* all operands are */
  bool flushes;
  bound worst; /* of operands: what an operation that chooses among them passes on */
} step;

/* What may be lost in a result close to zero. */
static double smallest(const step *s, atr_dtype dtype) {
  double least = format_of(dtype).smallest;
  return s->flushes && (atr_dtype_real(dtype) == ATR_F32 || dtype == ATR_BF16) ? 0x1p-126 : least;
}

static const bound EXACT = {.known = true}, UNKNOWN = {.known = false};

static bound within(double absolute, double relative) { return (bound){true, absolute, relative, 0}; }

/* Products in a sum. */
static double terms_of(const step *s) {
  const atr_conv *conv = s->inst->u.conv;
  const atr_shape *first = &s->operand[0]->shape;
  if (s->inst->op == ATR_OP_LOCAL_WEIGHT_GRADIENT) return (double)first->dims[conv->lhs_batch];
  int feature = s->inst->op == ATR_OP_LOCAL_DATA_GRADIENT ? conv->out_feature : conv->lhs_feature;
  double n = (double)first->dims[feature] / (double)conv->feature_group_count;
  for (int d = 0; d < conv->spatial; d++) n *= (double)conv->window[d].size;
  return n;
}

/* A reduce is a convolution with weights of 1. */
static double reduce_terms(const atr_inst *inst, const atr_shape *operand) {
  double n = 1;
  for (int i = 0; i < inst->u.dims.count; i++) n *= (double)operand->dims[inst->u.dims.dims[i]];
  return n;
}

/* Pairs of bf16 may be added by an instruction that takes subnormal numbers as zero (doc/ir.md, section 4): each of n terms then
 * loses less than 2^-126 of either factor, of the product and of the sum. */
static double flushed(const step *s, double n) {
  if (s->operand[0]->shape.dtype != ATR_BF16 || s->operand[1]->shape.dtype != ATR_BF16) return 0;
  return n * 0x1p-126 * (s->in[0].largest + s->in[1].largest + 2);
}

static bound of_conv(const step *s) {
  const atr_shape *lhs = &s->operand[0]->shape, *rhs = &s->operand[1]->shape;
  atr_dtype result = s->inst->shape.dtype;
  if (s->operand[0]->op == ATR_OP_PAD && !s->in[1].finite) return UNKNOWN; /* its zeros may be taken as padding (doc/ir.md) */
  if (!is_floating(result)) return s->exact ? EXACT : UNKNOWN;
  atr_dtype sum = atr_dtype_accumulator(lhs->dtype, rhs->dtype, result);
  double n = terms_of(s) * (is_complex(sum) ? 2 : 1), total = n * s->in[0].largest * s->in[1].largest;
  bool integral = s->in[0].integral && s->in[1].integral;
  if (s->exact && integral && total * epsilon(sum) < 1) return EXACT;
  double passed = n * (s->in[0].largest * s->error[1] + s->error[0] * s->in[1].largest + s->error[0] * s->error[1]);
  passed += flushed(s, n);
  return within(2 * (n + 4) * (epsilon(sum) * total + smallest(s, sum)) + passed + smallest(s, result), epsilon(result) * 2);
}

static bound of_reduce(const step *s) {
  atr_dtype dtype = s->inst->shape.dtype, sum = atr_dtype_accumulator(dtype, dtype, dtype);
  if (!is_floating(dtype)) return s->exact ? EXACT : UNKNOWN;
  double n = reduce_terms(s->inst, &s->operand[0]->shape), total = n * s->in[0].largest;
  if (s->exact && s->in[0].integral && total * epsilon(sum) < 1) return EXACT;
  return within(2 * n * epsilon(sum) * total + n * s->error[0] + smallest(s, dtype), epsilon(dtype) * 2);
}

/* An operation that rounds once: exact of exact operands, else `error` and the rounding. */
static bound rounded(const step *s, double error) {
  if (s->exact) return EXACT;
  return within(error + smallest(s, s->inst->shape.dtype), 2 * epsilon(s->inst->shape.dtype));
}

static bound of_multiply(const step *s) {
  double error = s->in[0].largest * s->error[1] + s->error[0] * s->in[1].largest + s->error[0] * s->error[1];
  atr_dtype dtype = s->inst->shape.dtype;
  if (!is_complex(dtype)) return rounded(s, error);
  double size = 2 * s->in[0].largest * s->in[1].largest;
  if (s->exact && s->in[0].integral && s->in[1].integral && size * epsilon(dtype) < 1) return EXACT;
  return within(2 * error + 4 * epsilon(dtype) * size + smallest(s, dtype), 0);
}

static bound of_divide(const step *s) {
  atr_dtype dtype = s->inst->shape.dtype;
  double least = s->in[1].least - s->error[1];
  if (s->exact && !is_complex(dtype)) return EXACT;
  if (!(least > 0) || !s->in[1].finite) return UNKNOWN;
  double error = (s->error[0] + s->out.largest * s->error[1]) / least;
  if (!is_complex(dtype)) return rounded(s, error);
  if (!s->in[0].finite) return UNKNOWN;
  return within(4 * error + 16 * epsilon(dtype) * s->in[0].largest / least, 0);
}

static bound of_function(const step *s, double slope_absolute, double slope_relative) {
  atr_dtype dtype = s->inst->shape.dtype;
  bound b = within(slope_absolute * s->error[0] + 4 * smallest(s, dtype), 16 * epsilon(dtype) + slope_relative);
  if (s->exact && !is_complex(dtype)) b.ceiling = greatest(dtype) * NEAR;
  return b;
}

/* With t = tanh(d): tanh(z + d) - tanh(z) = t (1 - tanh(z)^2) / (1 + t tanh(z)), which is large near the poles of a complex
 * tanh; |t| <= 1.1 |d|, and of half as much logistic(z) = (1 + tanh(z / 2)) / 2. */
static bound of_tanh(const step *s, bool is_logistic) {
  if (!is_complex(s->inst->shape.dtype)) return of_function(s, 1, 0);
  double error = 1.5 * s->error[0], largest = 1.5 * s->out.largest; /* of the whole number, from parts */
  double tanh_error = is_logistic ? error / 2 : error, tanh_largest = is_logistic ? 1 + 2 * largest : largest;
  if (!(1.1 * tanh_error * tanh_largest < 0.5)) return UNKNOWN;
  return of_function(s, 4 * (1 + tanh_largest * tanh_largest), 0);
}

static bound of_abs(const step *s) {
  atr_dtype dtype = s->inst->shape.dtype;
  if (!is_complex(s->operand[0]->shape.dtype)) return s->worst;
  return s->in[0].finite ? within(2 * s->error[0] + smallest(s, dtype), 8 * epsilon(dtype)) : UNKNOWN;
}

/* Its result has the bits of an operand's element, but for a sign. */
static bool passes_on(atr_op op) {
  return atr_op_kind_of(op) == ATR_KIND_SHAPE || op == ATR_OP_MAXIMUM || op == ATR_OP_MINIMUM || op == ATR_OP_CLAMP ||
         op == ATR_OP_SELECT || op == ATR_OP_NEGATE;
}

static bound of_op(const step *s) {
  atr_op op = s->inst->op;
  if (atr_op_kind_of(op) == ATR_KIND_LEAF) return EXACT;
  if (atr_op_kind_of(op) == ATR_KIND_CONV) return of_conv(s);
  if (op == ATR_OP_REDUCE) return of_reduce(s);
  if (passes_on(op)) return s->worst;
  if (!is_floating(s->inst->shape.dtype)) return s->exact ? EXACT : UNKNOWN; /* and what compares or converts to it */
  switch ((int)op) {
  case ATR_OP_ADD:
  case ATR_OP_SUBTRACT: return rounded(s, s->error[0] + s->error[1]);
  case ATR_OP_MULTIPLY: return of_multiply(s);
  case ATR_OP_DIVIDE: return of_divide(s);
  case ATR_OP_EXPONENTIAL: return of_function(s, 0, exp(1.5 * s->error[0]) - 1);
  case ATR_OP_TANH: return of_tanh(s, false);
  case ATR_OP_LOGISTIC: return of_tanh(s, true);
  case ATR_OP_CONVERT: return rounded(s, s->error[0]);
  case ATR_OP_ROUND_NEAREST_EVEN: return s->exact ? EXACT : within(s->error[0] + 1, 0);
  case ATR_OP_COMPLEX:
  case ATR_OP_REAL:
  case ATR_OP_IMAG: return s->exact ? EXACT : within(2 * (s->error[0] + s->error[1]), 0);
  case ATR_OP_ABS: return of_abs(s);
  }
  return UNKNOWN;
}

/* Close to the largest number of a dtype an error can decide whether there is an infinity. */
static bool near_overflow(const step *s, const bound *b) {
  atr_dtype dtype = s->inst->shape.dtype;
  if (!is_floating(dtype) || (b->absolute == 0 && b->relative == 0) || passes_on(s->inst->op) || b->ceiling > 0) return false;
  if (atr_op_kind_of(s->inst->op) == ATR_KIND_CONV)
    if (terms_of(s) * s->in[0].largest * s->in[1].largest > greatest(ATR_F32) / 4) return true;
  if (s->inst->op == ATR_OP_REDUCE && reduce_terms(s->inst, &s->operand[0]->shape) * s->in[0].largest > greatest(ATR_F32) / 4)
    return true;
  return s->out.largest + b->absolute > greatest(dtype) * NEAR || !s->out.finite;
}

static double error_of(const bound *b, const facts *f) { return b->absolute + b->relative * f->largest; }

void bound_values(const atr_module *module, const void *const *values, bool flushes, bound *bounds) {
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    step s = {.inst = inst, .out = facts_of(&inst->shape, values[id]), .exact = true, .worst = EXACT, .flushes = flushes};
    for (int i = 0; i < inst->operand_count; i++) {
      const bound *b = &bounds[inst->operands[i]];
      s.worst.known = s.worst.known && b->known;
      s.worst.absolute = fmax(s.worst.absolute, b->absolute);
      s.worst.relative = fmax(s.worst.relative, b->relative);
      if (b->ceiling > 0) s.worst.ceiling = s.worst.ceiling > 0 ? fmin(s.worst.ceiling, b->ceiling) : b->ceiling;
      s.exact = s.exact && b->absolute == 0 && b->relative == 0;
      if (i >= 3) continue;
      s.operand[i] = atr_operand(module, inst, i);
      s.in[i] = facts_of(&s.operand[i]->shape, values[inst->operands[i]]);
      s.error[i] = error_of(b, &s.in[i]);
    }
    bounds[id] = s.worst.known ? of_op(&s) : UNKNOWN;
    if (near_overflow(&s, &bounds[id])) bounds[id] = UNKNOWN;
  }
}
