/* stablehlo_ops.h - values of a function body, and reading one operation of it.
 *
 * In: the cursor behind an operation's name. Out: instructions in the module. Calls, functions and modules are
 * stablehlo_read.c's. */
#ifndef ATR_IR_STABLEHLO_OPS_H
#define ATR_IR_STABLEHLO_OPS_H

#include "ir/stablehlo_attrs.h"

/* A table from names to numbers above 0, by hashing; texts with 100,000 values exist. Zeroed: empty. */
typedef struct atr_mlir_names {
  struct atr_mlir_name {
    const char *text;
    uint32_t len, value;
  } * slots;
  uint32_t count, capacity;
} atr_mlir_names;

/* 0: not there. */
uint32_t atr_mlir_names_get(const atr_mlir_names *names, const atr_mlir_word *word);
/* False: there already. */
bool atr_mlir_names_set(atr_arena *arena, atr_mlir_names *names, const atr_mlir_word *word, uint32_t value);

/* What one %name stands for: an instruction, or the several results of a call. */
typedef struct atr_mlir_value {
  const atr_id *ids;
  int count;
} atr_mlir_value;

/* The values of one function body and the module that instructions go to. names holds one more than a value's index. */
typedef struct atr_mlir_scope {
  atr_module *module;
  atr_mlir_names names;
  atr_mlir_value *values;
  uint32_t count, capacity;
} atr_mlir_scope;

ATR_CHECK_RESULT atr_status atr_mlir_scope_bind(atr_work *work, atr_mlir_scope *scope, const atr_mlir_word *name,
                                                const atr_id *ids, int count);

typedef struct atr_mlir_operand {
  atr_id id;
  atr_span span;
} atr_mlir_operand;

typedef struct atr_mlir_operands {
  atr_mlir_operand *items;
  int count, capacity;
} atr_mlir_operands;

/* Reads one %value and adds what it stands for. */
ATR_CHECK_RESULT atr_status atr_mlir_operand_read(atr_mlir *m, const atr_mlir_scope *scope, atr_mlir_operands *out);
/* "(%a, %b)" */
ATR_CHECK_RESULT atr_status atr_mlir_operand_list_read(atr_mlir *m, const atr_mlir_scope *scope, atr_mlir_operands *out);
/* Reads a type and compares it with that of operand `i`. */
ATR_CHECK_RESULT atr_status atr_mlir_operand_type_read(atr_mlir *m, const atr_mlir_scope *scope,
                                                       const atr_mlir_operands *operands, int i);
/* "(type, type) ->": one type for each operand. */
ATR_CHECK_RESULT atr_status atr_mlir_operand_types_read(atr_mlir *m, const atr_mlir_scope *scope,
                                                        const atr_mlir_operands *operands);
/* "<{...}>" and "{...}" of the generic form, each where it follows. */
ATR_CHECK_RESULT atr_status atr_mlir_properties_read(atr_mlir *m, atr_mlir_attrs *attrs);

/* Reads the rest of a stablehlo operation, whose name has been taken; `generic` when the name was quoted. `start` is the byte
 * at which the operation begins and `result` the name of its value (NULL: none). */
ATR_CHECK_RESULT atr_status atr_mlir_op_read(atr_mlir *m, const atr_mlir_scope *scope, uint32_t start,
                                             const atr_mlir_word *name, bool generic, const char *result, atr_id *out);

#endif
