/* conv_dims.c - see conv_dims.h. What is summed over depends on which array the result is:
 *
 *     convolution       n g oc oy ox | ky kx ic
 *     data gradient     n g ic iy ix | ky kx oc
 *     weight gradient   g oc ic oy ox ky kx | n */
#include "lower/conv_dims.h"

static const char *spatial_name(atr_arena *arena, char prefix, int i, int spatial) {
  if (spatial <= 3) return atr_arena_printf(arena, "%c%c", prefix, "zyx"[3 - spatial + i]);
  return atr_arena_printf(arena, "%c%d", prefix, i);
}

const int *atr_conv_positions(const atr_conv *c, atr_conv_array array) {
  return array == ATR_CONV_LHS ? c->lhs_spatial : array == ATR_CONV_RHS ? c->rhs_spatial : c->out_spatial;
}

atr_conv_dims atr_conv_add_dims(atr_arena *arena, atr_nest *nest, const atr_module *module, const atr_inst *inst) {
  const atr_conv *c = inst->u.conv;
  const atr_shape *lhs = atr_conv_shape(module, inst, ATR_CONV_LHS), *out = atr_conv_shape(module, inst, ATR_CONV_OUT);
  atr_conv_array result = atr_conv_array_at(inst->op, 2), places = result == ATR_CONV_LHS ? ATR_CONV_LHS : ATR_CONV_OUT;
  int64_t groups = c->feature_group_count * c->batch_group_count;
  int64_t n = out->dims[c->out_batch], oc = out->dims[c->out_feature] / groups;
  int64_t ic = lhs->dims[c->lhs_feature] / c->feature_group_count;
  atr_conv_dims d;
  if (result != ATR_CONV_RHS) d.n = atr_nest_add_dim(nest, "n", n, false);
  d.g = atr_nest_add_dim(nest, "g", groups, false);
  if (result != ATR_CONV_LHS) d.oc = atr_nest_add_dim(nest, "oc", oc, false);
  if (result != ATR_CONV_OUT) d.ic = atr_nest_add_dim(nest, "ic", ic, false);
  for (int s = 0; s < c->spatial; s++)
    d.place[s] = atr_nest_add_dim(nest, spatial_name(arena, places == ATR_CONV_LHS ? 'i' : 'o', s, c->spatial),
                                  atr_conv_shape(module, inst, places)->dims[atr_conv_positions(c, places)[s]], false);
  for (int s = 0; s < c->spatial; s++)
    d.k[s] = atr_nest_add_dim(nest, spatial_name(arena, 'k', s, c->spatial), c->window[s].size, result != ATR_CONV_RHS);
  if (result == ATR_CONV_OUT) d.ic = atr_nest_add_dim(nest, "ic", ic, true);
  if (result == ATR_CONV_LHS) d.oc = atr_nest_add_dim(nest, "oc", oc, true);
  if (result == ATR_CONV_RHS) d.n = atr_nest_add_dim(nest, "n", n, true);
  return d;
}

bool atr_conv_follows(atr_op op, atr_conv_array array) {
  if (op == ATR_OP_LOCAL_DATA_GRADIENT) return array != ATR_CONV_LHS;
  return array == ATR_CONV_LHS;
}

atr_index atr_conv_index(atr_op op, const atr_window_dim *w, const atr_conv_dims *d, int s) {
  bool input = op != ATR_OP_LOCAL_DATA_GRADIENT; /* an input place is looked for, not an output place */
  atr_index index = {.divisor = input ? w->lhs_dilation : w->stride, .edge = w->edge};
  index.at.offset = input ? -w->pad_lo : w->pad_lo;
  index.at.coef[d->place[s]] = input ? w->stride : w->lhs_dilation;
  index.at.coef[d->k[s]] = input ? w->rhs_dilation : -w->rhs_dilation;
  return index;
}

/* The tap of the window's dimension s, from the other end where it is reversed, times `scale`. */
static void add_tap(const atr_conv *c, const atr_conv_dims *d, int s, int64_t scale, atr_affine *to) {
  bool flip = c->window[s].reversal;
  to->coef[d->k[s]] += flip ? -scale : scale;
  if (flip) to->offset += (c->window[s].size - 1) * scale;
}

/* Weights are indexed by taps; unshared ones by output places, and by taps within the input features (rule 18). */
static void rhs_coords(const atr_inst *inst, const atr_conv_dims *d, atr_affine *coords) {
  const atr_conv *c = inst->u.conv;
  atr_affine *input = &coords[c->rhs_input_feature];
  int64_t taps = 1;
  for (int s = 0; s < c->spatial; s++) {
    int64_t faster = 1;
    for (int t = 0; t < c->spatial; t++)
      if (c->rhs_spatial[t] > c->rhs_spatial[s]) faster *= c->window[t].size;
    taps *= c->window[s].size;
    if (!atr_conv_is_local(inst->op)) {
      add_tap(c, d, s, 1, &coords[c->rhs_spatial[s]]);
      continue;
    }
    add_tap(c, d, s, faster, input);
    if (!atr_conv_follows(inst->op, ATR_CONV_RHS)) coords[c->rhs_spatial[s]].coef[d->place[s]] = 1;
  }
  input->coef[d->ic] = atr_conv_is_local(inst->op) ? taps : 1;
}

void atr_conv_coords(const atr_nest *nest, const atr_inst *inst, atr_conv_array array, const atr_conv_dims *d,
                     atr_affine coords[ATR_MAX_RANK]) {
  const atr_conv *c = inst->u.conv;
  if (array == ATR_CONV_LHS) {
    coords[c->lhs_batch].coef[d->n] = coords[c->lhs_feature].coef[d->ic] = 1;
    if (c->batch_group_count > 1) coords[c->lhs_batch].coef[d->g] = nest->dims[d->n].extent;
    else coords[c->lhs_feature].coef[d->g] = nest->dims[d->ic].extent;
  } else {
    atr_affine *feature = &coords[array == ATR_CONV_RHS ? c->rhs_output_feature : c->out_feature];
    feature->coef[d->oc] = 1;
    feature->coef[d->g] = nest->dims[d->oc].extent;
  }
  if (array == ATR_CONV_OUT) coords[c->out_batch].coef[d->n] = 1;
  if (array == ATR_CONV_RHS) {
    rhs_coords(inst, d, coords);
    return;
  }
  for (int s = 0; s < c->spatial && !atr_conv_follows(inst->op, array); s++)
    coords[atr_conv_positions(c, array)[s]].coef[d->place[s]] = 1;
}
