/* peak.h - how many floating-point operations a second this machine can do at most, measured.
 *
 * In: f32 or f64, how wide vectors may be, how many threads. Out: multiply-adds in registers on the widest vectors there are,
 * counted as two operations each: what a convolution is compared with ("share of the peak"). Clocks change with load and
 * temperature, so it is measured beside what it is compared with, in the same process or at least the same minute.
 *
 *     peak p = peak_measure(false, 0, 1);   p.flops = 9.4e10, p.bits = 256 */
#ifndef TOOLS_PEAK_H
#define TOOLS_PEAK_H

#include <stdbool.h>

typedef struct peak {
  double flops; /* per second, of all threads together */
  int bits;     /* of the vectors used */
} peak;

/* Takes some twenty tries of a millisecond, short enough to fall between other programs that share the core. max_bits 0: as
 * wide as the machine has. threads: 1 and up; no more are started than there are cores that this process may use. */
peak peak_measure(bool is_double, int max_bits, int threads);

#endif
