/* hello_conv.c - the smallest program: text and arrays in, arrays out.
 *
 * A convolution of 1..5 with (1, 10, 100), written as HLO. It is compiled at the first call; a second call with the same
 * text only runs it. Prints "321 432 543". */
#include <stdio.h>
#include <string.h>

#include "atrous/atrous.h"

static const char *const TEXT = "HloModule hello\n"
                                "ENTRY main {\n"
                                "  x = f32[1,1,5] parameter(0)\n"
                                "  w = f32[1,1,3] parameter(1)\n"
                                "  ROOT y = f32[1,1,3] convolution(x, w), window={size=3}, dim_labels=bf0_oi0->bf0\n"
                                "}\n";

int main(void) {
  const float x[5] = {1, 2, 3, 4, 5}, w[3] = {1, 10, 100}, expected[3] = {321, 432, 543};
  float y[3];
  if (atr_run_text(TEXT, -1, (const void *[]){x, w}, (void *[]){y}) != ATR_OK) {
    fprintf(stderr, "%s\n", atr_last_error());
    return 1;
  }
  printf("%g %g %g\n", (double)y[0], (double)y[1], (double)y[2]);
  return memcmp(y, expected, sizeof y) != 0;
}
