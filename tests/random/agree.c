/* agree.c - is a result within its bound? The last function of bound.h, in a file of its own because it runs on other machines
 * too (guest.c). In: two arrays of one dtype, a bound. Out: the first element that breaks it. */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "bound.h"

static bool agrees(double got, double want, const bound *allowed) {
  if (got == want || (isnan(got) && isnan(want))) return true;
  bool beyond = allowed->ceiling > 0 && fabs(got) >= allowed->ceiling && fabs(want) >= allowed->ceiling;
  if (beyond && signbit(got) == signbit(want)) return true;
  double difference = fabs(got - want);
  return difference <= allowed->absolute + allowed->relative * fabs(want);
}

int64_t bound_first_wrong(atr_dtype dtype, int64_t n, const void *got, const void *want, const bound *allowed) {
  size_t size = atr_dtype_size(dtype);
  atr_dtype_class class = atr_dtype_class_of(dtype);
  if (!allowed->known) return -1;
  for (int64_t i = 0; i < n; i++) {
    const char *a = (const char *)got + (size_t)i * size, *b = (const char *)want + (size_t)i * size;
    if (memcmp(a, b, size) == 0) continue;
    if (class < ATR_CLASS_FLOAT) return i;
    atr_scalar x = atr_scalar_load(dtype, a), y = atr_scalar_load(dtype, b);
    bound part = *allowed; /* an error of one part of a complex number is relative to the whole */
    if (class == ATR_CLASS_COMPLEX) part.absolute += part.relative * (isfinite(y.re) && isfinite(y.im) ? hypot(y.re, y.im) : 0);
    if (!agrees(x.re, y.re, &part) || !agrees(x.im, y.im, &part)) return i;
  }
  return -1;
}
