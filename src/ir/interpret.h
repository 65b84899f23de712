/* interpret.h - what the files of the interpreter share; nothing outside src/ir/interpret*.c includes it.
 *
 * While a module runs, every value is a dense block in row-major order of its logical dimensions, in its own dtype, whatever
 * layout its shape states: layouts exist only where arguments come in and results go out. Moving elements about, which is
 * all that pad, reverse, broadcast, transpose, slice, concatenate and a change of layout do, is one function over one
 * description: a box of extents with a step per dimension on either side.
 *
 *     reverse of f32[4]:  extent 4, dst_step 1, src_step -1, src_first 3 */
#ifndef ATR_IR_INTERPRET_H
#define ATR_IR_INTERPRET_H

#include "ir/ir.h"

typedef struct atr_interpreter {
  atr_work *work;
  const atr_module *module;
  bool multiply_padding;
  const void *const *args;
  const void **values; /* by atr_id: dense, row major */
} atr_interpreter;

/* An array of a local convolution has the output's and the window's spatial dimensions and two features. */
enum { ATR_BOX_RANK = 2 * ATR_MAX_SPATIAL + 2 };

/* Extents, and for both sides the element where the box starts and the distance between neighbours, in elements. The step of
 * an extent of at most 1 is not looked at. */
typedef struct atr_box {
  int rank;
  int64_t extents[ATR_BOX_RANK];
  int64_t dst_steps[ATR_BOX_RANK], src_steps[ATR_BOX_RANK];
  int64_t dst_first, src_first;
} atr_box;

/* Copies the elements of a box, each of `size` bytes. Reads and writes nothing when an extent is 0. */
void atr_box_copy(const atr_box *box, size_t size, void *dst, const void *src);
/* Steps of a dense row-major array; all 0 when it is empty (their products might not fit then). */
void atr_box_dense_steps(int rank, const int64_t *extents, int64_t *steps);

static inline const void *atr_interpreter_operand(const atr_interpreter *in, const atr_inst *inst, int i) {
  return in->values[inst->operands[i]];
}

/* All fill `out`, which is zeroed and dense. */
void atr_interpreter_convolve(const atr_interpreter *in, const atr_inst *inst, void *out);
void atr_interpreter_differentiate(const atr_interpreter *in, const atr_inst *inst,
                                   void *out); /* gradients of LOCAL_CONVOLUTION */
ATR_CHECK_RESULT atr_status atr_interpreter_map(const atr_interpreter *in, const atr_inst *inst, void *out);

#endif
