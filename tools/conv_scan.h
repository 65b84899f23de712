/* conv_scan.h - the size of a module's sums, seen in its printed text.
 *
 * In: HLO text as atr_module_print writes it. Out: how long its sums are, how coarse its floats, how much it multiplies. The
 * public interface hands out modules as text, so a client that wants such figures reads the text.
 *
 *     y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f   with x of 8x8, 2 channels
 *     -> sums of 3*3*2 terms; 1*8*8*4*18 products in all, of which 22*22*2*4 meet the input and not the padding
 *     s = f32[5] reduce(x, zero), dimensions={0,2}, to_apply=add_f32   with x of 4x5x6
 *     -> sums of 4*6 terms more, and no products */
#ifndef TOOLS_CONV_SCAN_H
#define TOOLS_CONV_SCAN_H

#include <stdbool.h>

#include "atrous/atrous.h"

typedef struct conv_stats {
  int steps;           /* instructions that compute: all but parameters and constants */
  double reduction;    /* terms of the longest sum of each convolution and reduce, added up over these */
  atr_dtype coarsest;  /* the float dtype with the fewest fraction bits that an instruction computes; NONE: no floats */
  double flops;        /* 2 (complex: 8) per product, padding and holes counted */
  double useful_flops; /* of products with an element of lhs */
} conv_stats;

/* False when memory runs out. Lines that are not understood count as steps. */
bool conv_scan(const char *hlo, conv_stats *out);

#endif
