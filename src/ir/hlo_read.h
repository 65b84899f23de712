/* hlo_read.h - what the parts of the HLO reader share.
 *
 * The text is read in two steps. hlo_read.c (with hlo_attrs.c and hlo_literal.c) turns it into computations, each a list of
 * nodes in the order of the text:
 *
 *     relu { a = f32[4] parameter(0)  z = f32[4] constant({0,0,0,0})  ROOT m = f32[4] maximum(a, z) }
 *     ENTRY e { x = f32[4] parameter(0)  ROOT y = f32[4] call(x), to_apply=relu }
 *
 * and hlo_inline.c turns these into the module: it walks the entry computation, enters the called ones, and resolves tuples.
 * Everything is in the work's arena. */
#ifndef ATR_IR_HLO_READ_H
#define ATR_IR_HLO_READ_H

#include "ir/hlo_lex.h"
#include "ir/ir.h"

typedef struct atr_hlo_shape {
  atr_shape shape;
  bool has_layout; /* the text states it */
  atr_span span;
} atr_hlo_shape;

/* An array type or a flat tuple of them. */
typedef struct atr_hlo_type {
  bool stated, is_tuple;
  int count; /* 1 if not a tuple */
  atr_hlo_shape *elements;
  atr_span span;
} atr_hlo_type;

typedef enum atr_hlo_kind {
  ATR_HLO_OP,      /* inst.op says which */
  ATR_HLO_TUPLE,
  ATR_HLO_ELEMENT, /* get-tuple-element */
  ATR_HLO_CALL,    /* call and fusion */
  ATR_HLO_BITCAST
} atr_hlo_kind;

typedef struct atr_hlo_operand {
  uint32_t node; /* in the same computation, and before it */
  atr_span span;
  const atr_hlo_type *stated; /* older texts repeat the operand's type; NULL: not stated */
} atr_hlo_operand;

typedef struct atr_hlo_node {
  atr_hlo_kind kind;
  int uses;               /* which attributes it takes; hlo_attrs.c */
  const char *opcode;     /* as the text has it */
  atr_inst inst;          /* name, span, spans and attributes; op for ATR_HLO_OP. Its shape is in `type`. */
  atr_span *spans;        /* inst.spans, to be filled */
  atr_hlo_type type;
  atr_hlo_operand *operands;
  int operand_count, operand_capacity;
  int attr_count;         /* pad, slice: entries of the attribute */
  int window_count;       /* convolution: entries of window, 0 if absent */
  int label_count;        /* convolution: spatial dimensions of dim_labels */
  atr_span window_size;   /* of the value of size= */
  int edge_count;
  uint32_t index;         /* get-tuple-element */
  atr_token target;       /* call, fusion, reduce: name of the computation; custom-call: its target */
  uint32_t callee;        /* call, fusion, reduce: index of the computation */
} atr_hlo_node;

/* Names of one scope, by hashing. */
typedef struct atr_hlo_names {
  struct { const char *name; size_t len; uint32_t hash, value; } *slots; /* name NULL: free */
  uint32_t count, slot_count;
} atr_hlo_names;

typedef struct atr_hlo_comp {
  const char *name;
  atr_span span; /* of the name */
  atr_hlo_node *nodes;
  uint32_t count, capacity, root;
  uint32_t *parameters; /* nodes by parameter number */
  uint32_t parameter_count;
  bool has_bitcast;
} atr_hlo_comp;

typedef struct atr_hlo_reader {
  atr_work *work;
  atr_lexer lexer;
  const char *module_name;
  atr_plan_hints hints;
  atr_hlo_comp *comps;
  uint32_t comp_count, comp_capacity, entry;
  bool has_entry;
  atr_hlo_names comp_names;
  atr_hlo_names names; /* of the computation being read */
  /* entry_computation_layout: the layouts that the caller's arrays have */
  bool has_entry_layout;
  atr_span entry_layout_span;
  atr_hlo_type *entry_parameters;
  uint32_t entry_parameter_count, entry_parameter_capacity;
  atr_hlo_type entry_result;
} atr_hlo_reader;

/* ---- hlo_read.c */
/* Fails with "expected WHAT but found TOKEN" at the current token. */
atr_status atr_hlo_expected(atr_hlo_reader *r, const char *what);
static inline const atr_token *atr_hlo_token(const atr_hlo_reader *r) { return &r->lexer.token; }
ATR_CHECK_RESULT static inline atr_status atr_hlo_next(atr_hlo_reader *r) { return atr_lexer_next(r->work, &r->lexer); }
/* Takes the punctuation, or fails. */
ATR_CHECK_RESULT atr_status atr_hlo_take(atr_hlo_reader *r, char punct);
/* Takes a word that is a decimal int64, or fails calling it `what`. */
ATR_CHECK_RESULT atr_status atr_hlo_take_int(atr_hlo_reader *r, const char *what, int64_t *out);
/* Takes "{1,0,...}" of at most ATR_MAX_RANK numbers. */
ATR_CHECK_RESULT atr_status atr_hlo_take_int_list(atr_hlo_reader *r, const char *what, int64_t out[ATR_MAX_RANK], int *count);
/* Where the name's value is, or NULL; a name may be added once. */
const uint32_t *atr_hlo_names_find(const atr_hlo_names *names, const char *name, size_t len);
void atr_hlo_names_add(atr_arena *arena, atr_hlo_names *names, const char *name, size_t len, uint32_t value);

/* ---- hlo_attrs.c */
/* Which attributes an opcode takes: a set of bits for atr_hlo_node.uses. */
int atr_hlo_attr_uses(const atr_hlo_node *node);
/* Reads ", name=value" as often as it comes (not at all when `nested`), and checks that what the opcode needs was there. */
ATR_CHECK_RESULT atr_status atr_hlo_attrs_read(atr_hlo_reader *r, atr_hlo_node *node, bool nested);

/* ---- hlo_literal.c */
/* Reads the value of a constant of this shape, up to the closing parenthesis. */
ATR_CHECK_RESULT atr_status atr_hlo_literal_read(atr_hlo_reader *r, const atr_shape *shape, const void **out);

/* ---- hlo_inline.c */
ATR_CHECK_RESULT atr_status atr_hlo_inline(atr_hlo_reader *r, atr_module **out);

#endif
