/* layout.c - see layout.h. Sizes are those of verified shapes: the products of extents fit int64. */
#include "layout.h"

#include <string.h>

void layout_of_shape(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]) {
  int64_t stride = (int64_t)atr_dtype_size(shape->dtype);
  for (int i = 0; i < shape->rank; i++) {
    int dim = shape->minor_to_major[i];
    strides[dim] = stride;
    if (shape->dims[dim] > 1) stride *= shape->dims[dim];
  }
}

void layout_row_major(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]) {
  int64_t stride = (int64_t)atr_dtype_size(shape->dtype);
  for (int dim = shape->rank - 1; dim >= 0; dim--) {
    strides[dim] = stride;
    if (shape->dims[dim] > 1) stride *= shape->dims[dim];
  }
}

void layout_column_major(const atr_shape *shape, int64_t strides[ATR_MAX_RANK]) {
  int64_t stride = (int64_t)atr_dtype_size(shape->dtype);
  for (int dim = 0; dim < shape->rank; dim++) {
    strides[dim] = stride;
    if (shape->dims[dim] > 1) stride *= shape->dims[dim];
  }
}

int layout_next(const atr_shape *shape, const int64_t *strides, int64_t index[ATR_MAX_RANK], int64_t *offset) {
  for (int dim = shape->rank - 1; dim >= 0; dim--) {
    *offset += strides[dim];
    if (++index[dim] < shape->dims[dim]) return 1;
    *offset -= strides[dim] * shape->dims[dim];
    index[dim] = 0;
  }
  return 0;
}

/* One row: `n` elements of `size` bytes. memcpy with a constant size becomes one load and one store. */
static void copy_row(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n, size_t size) {
  if (to_stride == (int64_t)size && from_stride == (int64_t)size) {
    memcpy(to, from, (size_t)n * size);
    return;
  }
  for (int64_t i = 0; i < n; i++, to += to_stride, from += from_stride) {
    switch (size) {
      case 1: memcpy(to, from, 1); break;
      case 2: memcpy(to, from, 2); break;
      case 4: memcpy(to, from, 4); break;
      case 8: memcpy(to, from, 8); break;
      default: memcpy(to, from, size);
    }
  }
}

void layout_copy(const atr_shape *shape, void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides) {
  size_t size = atr_dtype_size(shape->dtype);
  int64_t elements = atr_shape_elements(shape);
  if (elements == 0) return;
  if (memcmp(to_strides, from_strides, (size_t)shape->rank * sizeof *to_strides) == 0) {
    memcpy(to, from, (size_t)elements * size); /* both are dense in one order (or a scalar) */
    return;
  }
  int last = shape->rank - 1;
  atr_shape rows = *shape;
  rows.rank = last;
  int64_t index[ATR_MAX_RANK] = {0}, to_offset = 0, from_offset = 0, other[ATR_MAX_RANK] = {0};
  do {
    copy_row((char *)to + to_offset, to_strides[last], (const char *)from + from_offset, from_strides[last],
             shape->dims[last], size);
    layout_next(&rows, from_strides, other, &from_offset);
  } while (layout_next(&rows, to_strides, index, &to_offset));
}
