/* stablehlo_attrs.h - attributes of StableHLO operations: found first, read when the operation knows what it wants.
 *
 * In: "{key = value, ...}" or the keyed tail of a pretty form. Out: a list of keys with the places of their values, and readers
 * for the values: integers, lists of integers in their four spellings, words of enums, dense literals, and the whole
 * attributes of a convolution. */
#ifndef ATR_IR_STABLEHLO_ATTRS_H
#define ATR_IR_STABLEHLO_ATTRS_H

#include "ir/stablehlo_lex.h"

enum { ATR_MLIR_MAX_ATTRS = 48 };

typedef struct atr_mlir_attr {
  atr_mlir_word key;
  uint32_t pos, end; /* the value's text; empty for an attribute without a value */
} atr_mlir_attr;

typedef struct atr_mlir_attrs {
  atr_mlir_attr items[ATR_MLIR_MAX_ATTRS];
  int count;
} atr_mlir_attrs;

/* Adds the attribute whose value starts at the cursor and reaches to one of `stops`; the same key twice is an error. */
ATR_CHECK_RESULT atr_status atr_mlir_attr_add(atr_mlir *m, const atr_mlir_word *key, const char *stops, atr_mlir_attrs *attrs);
/* "{key = value, ...}"; the cursor is behind the opening brace. */
ATR_CHECK_RESULT atr_status atr_mlir_dict_read(atr_mlir *m, atr_mlir_attrs *attrs);
/* NULL: absent. */
const atr_mlir_attr *atr_mlir_attr_find(const atr_mlir_attrs *attrs, const char *key);
atr_span atr_mlir_attr_span(const atr_mlir_attr *attr);
/* A cursor over the value. */
atr_mlir atr_mlir_attr_value(const atr_mlir *m, const atr_mlir_attr *attr);

/* "1 : i64" */
ATR_CHECK_RESULT atr_status atr_mlir_attr_int(const atr_mlir *m, const atr_mlir_attr *attr, int64_t *out);

/* Room for a number or a pair of numbers for every dimension; longer lists are refused. */
typedef struct atr_mlir_ints {
  int64_t items[2 * ATR_MAX_RANK];
  int count;
  bool pairs; /* spelled as [[1, 2], ...] or as a dense literal of n x 2; items holds both numbers of each */
} atr_mlir_ints;

/* "[1, 2]", "[[1, 2], [3, 4]]", "array<i64: 1, 2>" or "dense<...> : tensor<...>"; true and false are 1 and 0. */
ATR_CHECK_RESULT atr_status atr_mlir_attr_ints(const atr_mlir *m, const atr_mlir_attr *attr, atr_mlir_ints *out);

/* "WORD" or "#stablehlo<kind WORD>" at the cursor; `what` is for the message ("a comparison direction"). */
ATR_CHECK_RESULT atr_status atr_mlir_enum_read(atr_mlir *m, const char *what, atr_mlir_word *out);

/* "dense<...> : type" at the cursor. *data holds the elements in row-major order, or the single one of a splat. */
ATR_CHECK_RESULT atr_status atr_mlir_literal_read(atr_mlir *m, atr_shape *shape, atr_span *type, const void **data,
                                                  bool *splat);

/* The attributes of a convolution with an rhs of this shape; sets the spans that belong to them. `op`: the name's place. */
ATR_CHECK_RESULT atr_status atr_mlir_conv_read(const atr_mlir *m, const atr_mlir_attrs *attrs, const atr_shape *rhs,
                                               atr_span op, atr_span *spans, atr_conv **out);

#endif
