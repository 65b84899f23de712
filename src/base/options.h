/* options.h - reading an options struct of any age.
 *
 * In: a caller's struct that opens with its own size, which may be shorter (an older caller) or longer (a newer one) than the
 * one this library knows. Out: true and a full copy with zeros, that is defaults, in what the caller did not have; false when
 * the size is impossible or the caller sets something that this library does not know.
 *
 *     atr_run_options o;
 *     if (!atr_options_read(&o, sizeof o, options)) return ATR_INVALID_ARGUMENT;      (options may be NULL) */
#ifndef ATR_BASE_OPTIONS_H
#define ATR_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool atr_options_read(void *out, size_t known, const void *options) {
  size_t size = known;
  memset(out, 0, known);
  if (options != NULL) {
    memcpy(&size, options, sizeof size);
    if (size < sizeof size) return false;
    for (size_t i = known; i < size; i++)
      if (((const char *)options)[i] != 0) return false;
    memcpy(out, options, size < known ? size : known);
  }
  memcpy(out, &known, sizeof known);
  return true;
}

#endif
