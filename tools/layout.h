/* layout.h - where the elements of an array lie in memory.
 *
 * In: a shape, or extents with a memory order. Out: byte strides, and copies between two orders of one logical array.
 *
 *     f32[2,3]{0,1} (column major) -> strides {4, 8};  its row-major copy has strides {12, 4} */
#ifndef TOOLS_LAYOUT_H
#define TOOLS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "atrous/atrous.h"

/* Byte strides of each dimension in the shape's own layout, and in row-major and column-major order. */
void layout_of_shape(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]);
void layout_row_major(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]);
void layout_column_major(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]);
/* Copies every element of the logical array; the two blocks must not overlap. */
void layout_copy(const atr_shape *shape, void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides);

/* Steps a logical index in row-major order and keeps the byte offset in `strides`; false after the last one. For an array
 * without elements the first index is not valid either: look at atr_shape_elements first. */
int layout_next(const atr_shape *shape, const int64_t *strides, int64_t index[ATR_MAX_RANK], int64_t *offset);

#endif
