/* explicit_pad.h - a module in which implicit zeros are explicit. */
#ifndef ATR_IR_EXPLICIT_PAD_H
#define ATR_IR_EXPLICIT_PAD_H

#include "ir/ir.h"

/* Does any window read implicit zeros beside the input? */
bool atr_conv_pads_zeros(const atr_conv *conv);

/* The same module with the positive zero padding of every convolution as a pad operation in front of it, for those who want
 * the zeros multiplied (rule 26). ATR_UNSUPPORTED where a padded dimension also has lhs_dilation: holes stay unmultiplied,
 * and one pad cannot tell them from padding. Lives in work->arena; refers to the old module's attributes. */
ATR_CHECK_RESULT atr_status atr_module_explicit_padding(atr_work *work, const atr_module *module, atr_module **out);

#endif
