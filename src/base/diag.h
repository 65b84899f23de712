/* diag.h - errors with a place in the source.
 *
 * In: a span of the text being compiled, a status, a printf format. Out: the status, and in the work's diag one message
 *
 *     deeplab.hlo:4:61: error: window has 2 dimensions but dim_labels names 3 spatial dimensions
 *       ROOT c = f32[1,33,33,256] convolution(x, w), window={size=3x3 rhs_dilate=12x12}, dim_labels=b012f_012io->b012f
 *                                                                 ^
 *
 * The first error of a work is kept; later ones are consequences. */
#ifndef ATR_BASE_DIAG_H
#define ATR_BASE_DIAG_H

#include "base/arena.h"

/* Text that spans point into. NULL text: there is none (a module made by the builder). */
typedef struct atr_source {
  const char *name; /* NULL: "<text>" */
  const char *text;
  size_t len;
} atr_source;

/* offset is one more than the byte's index, so that a zeroed span means "nowhere". */
typedef struct atr_span {
  uint32_t offset, len;
} atr_span;

/* What every step of a compilation receives. */
typedef struct atr_work {
  atr_arena *arena;
  const atr_source *source; /* may be NULL */
  atr_status status;        /* of the first error */
  const char *message;      /* in the arena; NULL: no error */
  uint32_t line, column;    /* of the first error, 1-based; 0: nowhere. The column counts bytes. */
} atr_work;

atr_status atr_fail(atr_work *work, atr_span span, atr_status status, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Line and column (1-based, bytes) of a span; 0, 0 when it is nowhere. */
void atr_source_position(const atr_source *source, atr_span span, uint32_t *line, uint32_t *column);

#define ATR_NOWHERE ((atr_span){0, 0})
#define ATR_TRY(expression)                                 \
  do {                                                      \
    atr_status atr_try_status = (expression);               \
    if (atr_try_status != ATR_OK) return atr_try_status;    \
  } while (0)
/* A defect of ours, reported and not aborted on. */
#define ATR_BUG(work, ...) atr_fail((work), ATR_NOWHERE, ATR_INTERNAL, __VA_ARGS__)

#endif
