/* test_hlo.c - reading and printing HLO text.
 *
 * In: rows of text. Out: a failure that names the row. Accepted texts are compared with the exact text that they print as,
 * which must read back and print as the same bytes; refused ones with status, line, column and a part of the message. Attributes and
 * spans are looked at once, since nothing printed shows them. The texts are small; sizes and depths are made by loops. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "arena_fixture.h"

static atr_work work;

static atr_status read_text(const char *text, atr_module **module) {
  work = work_on("t", text, strlen(text));
  return atr_hlo_read(&work, module);
}

static atr_module *must_read(const char *text) {
  atr_module *module = NULL;
  atr_status status = read_text(text, &module);
  ck_assert_msg(status == ATR_OK, "%s\n%s", work.message, text);
  return module;
}

static const char *print_module(const atr_module *module) {
  atr_text text = atr_text_make(&arena);
  atr_hlo_print(&text, module);
  return text.data;
}

/* `text` prints as `expected`, and so does what it prints as. */
static void expect_print(const char *text, const char *expected) {
  const char *printed = print_module(must_read(text));
  ck_assert_str_eq(printed, expected);
  ck_assert_str_eq(print_module(must_read(printed)), expected);
}

/* The instructions of an entry computation, wrapped. */
static const char *wrap(const char *body) { return atr_arena_printf(&arena, "HloModule m\n\nENTRY main {\n%s}\n", body); }

static void expect_body(const char *body, const char *expected) { expect_print(wrap(body), wrap(expected)); }

/* ---- what is read */

#define X "  x = f32[2,3,9,8] parameter(0)\n"
#define W "  w = f32[3,2,4,8] parameter(1)\n"
#define V "  v = f32[4,6] parameter(0)\n"
#define CONV "  ROOT y = f32[1,1] convolution(x, w), "

/* Instructions that print as they stand. */
static const char *const same_rows[] = {
    X W "  ROOT y = f32[2,3,9,8] convolution(x, w), window={size=3x2}, dim_labels=b01f_01io->b01f\n",
    X W "  ROOT y = f32[2,3,9,8] convolution(x, w), window={size=3x2 stride=2x1 pad=0_-1x-1_-1 lhs_dilate=1x2 rhs_dilate=1x2 "
        "rhs_reversal=0x1}, dim_labels=b01f_01io->b01f, feature_group_count=2, operand_precision={highest,default}\n",
    X W "  ROOT y = f32[2,3,9,8] convolution(x, w), window={size=3x2}, dim_labels=01bf_o1i0->fb10, batch_group_count=3\n",
    X W "  ROOT y = f32[2,3,9,8] convolution(x, w), window={size=3x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, "
        "edge_mode=reflectxcircular\n",
    X W "  ROOT y = f32[2,3,9,8] convolution(x, w), window={size=3x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, "
        "operand_precision={default,high}, edge_mode=replicatexzero\n",
    X W "  ROOT y = f32[2,3,9,8] custom-call(x, w), custom_call_target=\"atrous.local_convolution\", window={size=3x2}, "
        "dim_labels=b01f_01io->b01f, feature_group_count=2\n",
    X W "  ROOT y = f32[5,4,3,6] custom-call(x, w), custom_call_target=\"atrous.local_convolution_data_gradient\", "
        "window={size=3x2 stride=2x1}, dim_labels=b01f_01io->b01f\n",
    X W "  ROOT y = f32[9,9,3,6] custom-call(x, w), custom_call_target=\"atrous.local_convolution_weight_gradient\", "
        "window={size=3x2}, dim_labels=b01f_01io->b01f, edge_mode=zeroxcircular\n",
    "  a = f64[5,3] parameter(0)\n  b = f64[3,7] parameter(1)\n  ROOT y = f64[5,7] convolution(a, b), dim_labels=bf_io->bf\n",
    V "  z = f32[] constant(-1.5)\n  ROOT p = f32[6,11] pad(v, z), padding=1_1_0x0_-1_1\n",
    V "  z = f32[] constant(-1.5)\n  ROOT p = f32[6,5] pad(v, z), padding=1_1x0_-1\n",
    "  z = f32[] parameter(0)\n  ROOT p = f32[] pad(z, z)\n",
    V "  ROOT p = f32[4,6] reverse(v), dimensions={0,1}\n",
    V "  ROOT p = f32[4,2,6] broadcast(v), dimensions={0,2}\n",
    V "  ROOT p = f32[24] reshape(v)\n",
    V "  ROOT p = f32[6,4]{0,1} transpose(v), dimensions={1,0}\n",
    V "  ROOT p = f32[2,3] slice(v), slice={[0:4:2], [3:6:1]}\n",
    V "  ROOT p = f32[2,3] slice(v), slice={[0:2], [3:6]}\n",
    V "  ROOT p = f32[4,18] concatenate(v, v, v), dimensions={1}\n",
    V "  c = f32[4,6]{0,1} copy(v)\n  d = f32[4,6] add(v, c)\n  e = f32[4,6] subtract(d, c)\n  f = f32[4,6] multiply(e, v)\n"
      "  g = f32[4,6] divide(f, f)\n  h = f32[4,6] maximum(g, v)\n  ROOT i = f32[4,6] minimum(h, v)\n",
    V "  c = f32[4,6] negate(v)\n  d = f32[4,6] abs(c)\n  e = f32[4,6] exponential(d)\n  f = f32[4,6] tanh(e)\n"
      "  g = f32[4,6] logistic(f)\n  r = f32[4,6] round-nearest-even(g)\n  ROOT h = s8[4,6] convert(r)\n",
    V "  c = pred[4,6] compare(v, v), direction=EQ\n  d = pred[4,6] compare(v, v), direction=NE\n"
      "  e = pred[4,6] compare(v, v), direction=LT\n  f = pred[4,6] compare(v, v), direction=LE\n"
      "  g = pred[4,6] compare(v, v), direction=GT\n  h = pred[4,6] compare(v, v), direction=GE\n"
      "  i = f32[4,6] select(h, v, v)\n  ROOT j = f32[4,6] clamp(i, v, i)\n",
    "  i = s32[4,6] iota(), iota_dimension=1\n  p = pred[6] parameter(0)\n  j = s32[4,6] and(i, i)\n  k = s32[4,6] or(j, i)\n"
    "  l = s32[4,6] xor(k, i)\n  m = s32[4,6] not(l)\n  n = pred[6] not(p)\n  f = f64[6] iota(), iota_dimension=0\n"
    "  c = c128[6] complex(f, f)\n  r = f64[6] real(c)\n  ROOT s = f64[6] imag(c)\n",
    "  a = f32[2,2] constant({ { 1, 2.5 }, { -inf, nan } })\n  b = s8[3] constant({-128, 0, 127})\n"
    "  c = u64[] constant(18446744073709551615)\n  d = s64[] constant(-9223372036854775808)\n  e = c64[2] constant({(1, -2.5), "
    "(inf, 0)})\n"
    "  f = pred[2] constant({true, false})\n  g = f32[0,3] constant({})\n  h = f32[2,0] constant({ {}, {} })\n  i = f16[0] "
    "constant({})\n"
    "  j = bf16[1,1,2] constant({ { { 0.1, 3e+38 } } })\n  k = f8e4m3fn[2] constant({448, -0})\n  l = f64[] constant(5e-324)\n"
    "  ROOT tuple = (f32[2,2], s8[3]) tuple(a, b)\n",
    /* one result as a tuple, one that is not last, none, and names that look like something else */
    V "  ROOT tuple = (f32[4,6]) tuple(v)\n",
    V "  ROOT a = f32[4,6] negate(v)\n  b = f32[4,6] abs(v)\n",
    "  ROOT tuple = () tuple()\n",
    "  %f32 = f32[4] parameter(0)\n  %ROOT = f32[4] negate(%f32)\n  ROOT %true = f32[4] abs(%ROOT)\n",
    ("  tuple = f32[4] parameter(0)\n  tuple.2 = f32[4] negate(tuple)\n  tuple.01 = f32[4] abs(tuple)\n"
    "  ROOT tuple.1 = (f32[4], f32[4]) tuple(tuple.2, tuple)\n"),
};

START_TEST(test_same) {
  expect_body(same_rows[_i], same_rows[_i]);
}
END_TEST

/* Instructions that print in another way: inferred types, defaults left out, names, nested operands, older spellings. */
static const char *const other_rows[][2] = {
    {"  x = bf16[1,16,20] parameter(0)\n  w = bf16[3,16,20] parameter(1)\n"
     "  ROOT c = convolution(x, w), window={size=3 pad=2_0}, dim_labels=b0f_0oi->bf0\n",
     "  x = bf16[1,16,20] parameter(0)\n  w = bf16[3,16,20] parameter(1)\n"
     "  ROOT c = bf16[1,16,16] convolution(x, w), window={size=3 pad=2_0}, dim_labels=b0f_0oi->bf0\n"},
    {"  %x = s8[6,4,32] parameter(0)\n  %w = s8[9,4,5] parameter(1)\n"
     "  %c = s32[2,9,32]{2,1,0} convolution(s8[6,4,32]{2,1,0} %x, s8[9,4,5]{2,1,0} %w), window={pad=2_2 size=5 stride=1 "
     "lhs_dilate=1 rhs_dilate=1 rhs_reversal=0}, batch_group_count=3, dim_labels=bf0_oi0->bf0, metadata={op_name=\"k\\\"}\"},"
     " conv_kind=fprop, feature_group_count=1, operand_precision={default,default}, edge_mode=zero\n",
     "  x = s8[6,4,32] parameter(0)\n  w = s8[9,4,5] parameter(1)\n"
     "  ROOT c = s32[2,9,32] convolution(x, w), window={size=5 pad=2_2}, dim_labels=bf0_oi0->bf0, batch_group_count=3\n"},
    {V "  c = complex(v, v)\n  r = real(c)\n  ROOT i = imag(c)\n",
     V "  c = c64[4,6] complex(v, v)\n  r = f32[4,6] real(c)\n  ROOT i = f32[4,6] imag(c)\n"},
    {V "  ROOT p = negate(f32[4,6] exponential(abs(v)))\n",
     V "  abs.2 = f32[4,6] abs(v)\n  exponential.3 = f32[4,6] exponential(abs.2)\n  ROOT p = f32[4,6] negate(exponential.3)\n"},
    {"  ROOT b = f32[2]{0:T(128)S(1)} parameter(0)\n", "  ROOT b = f32[2] parameter(0)\n"},
    {"  z = f32[]{} parameter(0)\n  ROOT b = f32[2] broadcast(z)\n",
     "  z = f32[] parameter(0)\n  ROOT b = f32[2] broadcast(z), dimensions={}\n"},
    {"  a = f32[2,2]{0,1} constant({{1 2}, /* two */ {3, 4,}}) // rest\n  ROOT b = pred[] constant(1), "
     "sharding={devices=[2,1]<=[2]}\n",
     "  a = f32[2,2]{0,1} constant({ { 1, 2 }, { 3, 4 } })\n  ROOT b = pred[] constant(true)\n"},
    {"  ROOT a = f32[4] constant({nan(0x7fc00001), -nan, 1e-50, 1.e1})\n", "  ROOT a = f32[4] constant({nan, nan, 0, 10})\n"},
    {V "  ROOT c = pred[4,6] compare(v, v), direction=LT, type=FLOAT\n",
     V "  ROOT c = pred[4,6] compare(v, v), direction=LT\n"},
    {V "  ROOT c = f32[4,6] tanh(v), result_accuracy={mode=highest}, frontend_attributes={a=\"b\"}, "
       "backend_config={\"k\":[1,{}]},"
       " statistics={a=1}, origin={{\"c\"}}, control-predecessors={v}\n",
     V "  ROOT c = f32[4,6] tanh(v)\n"},
    /* tuples */
    {V "  t = (f32[4,6], f32[4,6]) tuple(v, v)\n  u = f32[4,6] get-tuple-element((f32[4,6], f32[4,6]) t), index=1\n"
       "  ROOT n = f32[4,6] negate(u)\n",
     V "  ROOT n = f32[4,6] negate(v)\n"},
    /* bitcasts: reshape, transpose, both, nothing */
    {V "  ROOT b = f32[2,12] bitcast(v)\n", V "  ROOT b = f32[2,12] reshape(v)\n"},
    {V "  ROOT b = f32[6,4]{0,1} bitcast(v)\n", V "  ROOT b = f32[6,4]{0,1} transpose(v), dimensions={1,0}\n"},
    {V "  c = f32[4,6]{0,1} copy(v)\n  ROOT b = f32[6,4] bitcast(c)\n",
     V "  c = f32[4,6]{0,1} copy(v)\n  ROOT b = f32[6,4] transpose(c), dimensions={1,0}\n"},
    {V "  c = f32[4,6]{0,1} copy(v)\n  ROOT b = f32[2,2,6]{1,0,2} bitcast(c)\n",
     V "  c = f32[4,6]{0,1} copy(v)\n  transpose.3 = f32[6,4] transpose(c), dimensions={1,0}\n  reshape.4 = f32[6,2,2] "
       "reshape(transpose.3)\n"
       "  ROOT b = f32[2,2,6]{1,0,2} transpose(reshape.4), dimensions={1,2,0}\n"},
    {V "  b = f32[4,6] bitcast(v)\n  ROOT n = f32[4,6] negate(b)\n", V "  ROOT n = f32[4,6] negate(v)\n"},
    {"  x = f32[2,3,4]{0,2,1} parameter(0)\n  ROOT b = f32[4,3,2]{2,0,1} bitcast(x)\n",
     "  x = f32[2,3,4]{0,2,1} parameter(0)\n  ROOT b = f32[4,3,2]{2,0,1} transpose(x), dimensions={2,1,0}\n"},
};

START_TEST(test_other) {
  expect_body(other_rows[_i][0], other_rows[_i][1]);
}
END_TEST

/* Modules of several computations. */
static const char *const module_rows[][2] = {
    /* called twice, before its definition, from another computation; parameters out of order */
    {"HloModule m, is_scheduled=true\nmid { a = f32[4] parameter(0)\n b = f32[4] call(a), to_apply=neg\n ROOT c = f32[4] "
     "call(b), to_apply=neg }\n"
     "ENTRY e {\n  y = f32[4] parameter(1)\n  x = f32[4] parameter(0)\n  ROOT z = f32[4] call(x), to_apply=mid\n}\n"
     "neg { x = f32[4] parameter(0)\n ROOT n = f32[4] negate(x) }\n",
     "HloModule m\n\nENTRY main {\n  y = f32[4] parameter(1)\n  x = f32[4] parameter(0)\n  n = f32[4] negate(x)\n"
     "  ROOT n.4 = f32[4] negate(n)\n}\n"},
    /* as the compiler prints it: signatures, '%', debug blocks, threads, fusions that return tuples; ROOT is not the last */
    {"HloModule jit_f, entry_computation_layout={(f32[2,3]{1,0})->(f32[2,3]{1,0}, f32[2,3]{1,0})}, num_partitions=1\n\n"
     "FileNames\n1 \"a.py\"\n2 \"b\\\"{.py\"\n\nFileLocations\n1 {file_name_id=1 line=2}\n\nStackFrames\n1 {file_location_id=1 "
     "parent_frame_id=1}\n\n\n"
     "%f (p.1: f32[2,3]) -> (f32[2,3], /*index=1*/f32[2,3]) {\n  %p.1 = f32[2,3]{1,0} parameter(0)\n"
     "  %n = f32[2,3]{1,0} negate(%p.1)\n  ROOT %t = (f32[2,3]{1,0}, f32[2,3]{1,0}) tuple(%n, %p.1)\n}, "
     "execution_thread=\"main\"\n\n"
     "ENTRY %main (x: f32[2,3]) -> (f32[2,3], f32[2,3]) {\n  %x = f32[2,3]{1,0} parameter(0)\n"
     "  ROOT %r = (f32[2,3]{1,0}, f32[2,3]{1,0}) fusion(%x), kind=kLoop, calls=%f, metadata={op_name=\"q\" "
     "stack_frame_id=1}\n}\n",
     "HloModule jit_f\n\nENTRY main {\n  x = f32[2,3] parameter(0)\n  n = f32[2,3] negate(x)\n"
     "  ROOT tuple = (f32[2,3], f32[2,3]) tuple(n, x)\n}\n"},
    /* without ENTRY and ROOT: the last ones */
    {"HloModule m a { x = f32[] constant(1) } b { y = f32[] constant(2) z = f32[] constant(3) }",
     "HloModule m\n\nENTRY main {\n  y = f32[] constant(2)\n  ROOT z = f32[] constant(3)\n}\n"},
    /* the caller's layouts, stated in the header, differ from those of the instructions */
    {"HloModule m, entry_computation_layout={(f32[2,3]{0,1}, f32[2])->f32[3,2]{1,0}}\nENTRY e {\n  x = f32[2,3]{1,0} "
     "parameter(0)\n"
     "  y = f32[2] parameter(1)\n  ROOT t = f32[3,2]{0,1} transpose(x), dimensions={1,0}\n}\n",
     "HloModule m\n\nENTRY main {\n  x = f32[2,3]{0,1} parameter(0)\n  copy.2 = f32[2,3] copy(x)\n  y = f32[2] parameter(1)\n"
     "  t = f32[3,2]{0,1} transpose(copy.2), dimensions={1,0}\n  ROOT copy.5 = f32[3,2] copy(t)\n}\n"},
    /* a call that states another layout than the called ROOT has: the caller of the module gets the stated one */
    {"HloModule m\nf { x = f32[2,3] parameter(0)\n ROOT t = f32[3,2]{0,1} transpose(x), dimensions={1,0} }\n"
     "ENTRY e { x = f32[2,3] parameter(0)\n ROOT c = f32[3,2]{1,0} call(x), to_apply=f }\n",
     "HloModule m\n\nENTRY main {\n  x = f32[2,3] parameter(0)\n  t = f32[3,2]{0,1} transpose(x), dimensions={1,0}\n"
     "  ROOT copy.3 = f32[3,2] copy(t)\n}\n"},
    /* a bitcast sees the bytes of the parameter's own layout */
    {"HloModule m\nf { p = f32[2,3]{1,0} parameter(0)\n ROOT b = f32[6] bitcast(p) }\n"
     "ENTRY e { x = f32[2,3]{0,1} parameter(0)\n ROOT c = f32[6] call(x), to_apply=f }\n",
     "HloModule m\n\nENTRY main {\n  x = f32[2,3]{0,1} parameter(0)\n  copy.2 = f32[2,3] copy(x)\n  ROOT b = f32[6] "
     "reshape(copy.2)\n}\n"},
    /* tuples go into and out of calls */
    {"HloModule m\nf { p = (f32[2], f32[3]) parameter(0)\n a = f32[3] get-tuple-element(p), index=1\n b = f32[2] "
     "get-tuple-element(p), index=0\n"
     " ROOT t = (f32[3], f32[2]) tuple(a, b) }\nENTRY e { x = f32[2] parameter(0)\n y = f32[3] parameter(1)\n t = (f32[2], "
     "f32[3]) tuple(x, y)\n"
     " u = (f32[3], f32[2]) call(t), to_apply=f\n ROOT r = f32[3] get-tuple-element(u), index=0 }\n",
     "HloModule m\n\nENTRY main {\n  x = f32[2] parameter(0)\n  ROOT y = f32[3] parameter(1)\n}\n"},
};

START_TEST(test_module) {
  expect_print(module_rows[_i][0], module_rows[_i][1]);
}
END_TEST

/* ---- what is refused */

typedef struct error_row {
  const char *text;
  atr_status status;
  const char *at; /* the first place of this in the text is where the error is; "" is the end */
  const char *message;
} error_row;

#define M "HloModule m\nENTRY e {\n"
#define PARSE ATR_PARSE_ERROR
#define VERIFY ATR_VERIFY_ERROR
#define UNSUPPORTED ATR_UNSUPPORTED
/* A module whose first computation is NAME; v is its f32[4,6], z its zero. */
#define R(name, dtype, sum)                                                                                                    \
  "HloModule m\n" name " { a = " dtype "[] parameter(0) b = " dtype "[] parameter(1) ROOT c = " dtype "[] " sum " }\n"         \
  "ENTRY e {\n" V "z = f32[] constant(0)\n"

static const error_row error_rows[] = {
    {"", PARSE, "", "expected 'HloModule' but found the end of the text"},
    {"ENTRY e {}", PARSE, "ENTRY", "expected 'HloModule' but found 'ENTRY'"},
    {"HloModule", PARSE, "", "expected the name of the module"},
    {"HloModule m", PARSE, "", "expected a computation"},
    {"HloModule m, a", PARSE, "", "expected '='"},
    {"HloModule m, a={(]}", PARSE, "]", "expected ')' but found ']'"},
    {"HloModule m, a={{}", PARSE, "{{", "the bracket that opens here is not closed"},
    {"HloModule m, a=)", PARSE, ")", "expected a value but found ')'"},
    {"HloModule m /* x", PARSE, "/*", "the comment that begins here is not closed"},
    {"HloModule m, a=\"\\\"", PARSE, "\"", "the string that begins here is not closed"},
    {"HloModule m \x01", PARSE, "\x01", "unexpected byte 0x01"},
    {"HloModule m \xc3\xa9", PARSE, "\xc3", "unexpected byte 0xc3"},
    {"HloModule m e {}", PARSE, "e {", "the computation 'e' has no instructions"},
    {M "a = f32[] constant(1)", PARSE, "", "expected the name of an instruction but found the end"},
    {M "a = f32[] constant(1) } ENTRY f { b = f32[] constant(1) }", PARSE, "ENTRY f", "a second ENTRY"},
    {M "a = f32[] constant(1) } e { b = f32[] constant(1) }", PARSE, "e { b", "a second computation 'e'"},
    {M "a = f32[] constant(1) }, foo=1", PARSE, "foo", "expected execution_thread but found 'foo'"},
    {M "ROOT a = f32[] constant(1) ROOT b = f32[] constant(1) }", PARSE, "ROOT b", "a second ROOT"},
    {M "a = f32[] constant(1) a = f32[] constant(2) }", PARSE, "a = f32[] constant(2)", "a second instruction 'a'"},
    {M "1a = f32[] constant(1) }", PARSE, "1a", "expected the name of an instruction but found '1a'"},
    {M "a f32[] constant(1) }", PARSE, "f32", "expected '=' but found 'f32'"},
    /* types */
    {M "a = f33[] constant(1) }", PARSE, "f33", "expected a dtype but found 'f33'"},
    {M "a = s4[2] parameter(0) }", UNSUPPORTED, "s4", "the dtype s4 is not supported"},
    {M "a = token[] parameter(0) }", UNSUPPORTED, "token", "the dtype token is not supported"},
    {M "a = f32[2,<=3] parameter(0) }", UNSUPPORTED, "<=", "dynamic dimensions are not supported"},
    {M "a = f32[?] parameter(0) }", UNSUPPORTED, "?", "dynamic dimensions are not supported"},
    {M "a = f32[-1] parameter(0) }", PARSE, "-1", "the dimension -1 is negative"},
    {M "a = f32[9223372036854775808] parameter(0) }", PARSE, "9223372036854775808",
     "expected a dimension as an integer of 64 bits"},
    {M "a = f32[1 2] parameter(0) }", PARSE, "2]", "expected ',' but found '2'"},
    {M "a = f32[1,1,1,1,1,1,1,1,1,1,1,1,7] parameter(0) }", UNSUPPORTED, "7]", "a shape of more than 12 dimensions"},
    {M "a = f32[2,3]{0} parameter(0) }", PARSE, "{0}", "the layout has 1 entries, the rank is 2"},
    {M "a = f32[2,3]{0,1,0} parameter(0) }", PARSE, "0} p", "the layout has more entries than the rank 2"},
    {M "a = f32[2,3]{0,2} parameter(0) }", PARSE, "2} p", "the layout names dimension 2, the rank is 2"},
    {M "a = f32[2,3]{-1,0} parameter(0) }", PARSE, "-1", "the layout names dimension -1"},
    {M "a = f32[2,3]{1,1} parameter(0) }", PARSE, "1} p", "the layout names dimension 1 twice"},
    {M "a = (f32[2], (f32[3])) parameter(0) }", UNSUPPORTED, "(f32[3]", "nested tuples are not supported"},
    {M "a = (f32[2]) parameter(0) }", UNSUPPORTED, "(f32[2]", "a parameter that is a tuple is not supported"},
    {M V "b = (f32[2]) negate(v) }", PARSE, "(f32[2]", "the result of negate is not a tuple"},
    {M V "b = f32[2] tuple(v) }", PARSE, "f32[2]", "the result of tuple is a tuple"},
    /* operations and operands */
    {M "a = f32[8] rng(), distribution=rng_uniform }", UNSUPPORTED, "rng(", "the operation 'rng' is not supported"},
    {M V "a = f32[4,6] local-convolution(v, v) }", UNSUPPORTED, "local", "the operation 'local-convolution' is not supported"},
    {M V "a = f32[4,6] local-convolution-data-gradient(v, v) }", UNSUPPORTED, "local",
     "the operation 'local-convolution-data-gradient' is not supported"},
    {M V "a = custom-call(v, v), custom_call_target=\"atrous.local_convolution_data_gradient\", dim_labels=bf_io->bf }", PARSE,
     "custom", "the result type of custom-call must be stated"},
    {M V "a = custom-call(v, v), custom_call_target=\"atrous.local_convolution_weight_gradient\", dim_labels=bf_io->bf }", PARSE,
     "custom", "the result type of custom-call must be stated"},
    {M V "a = f32[4,6] custom-call(v, v), custom_call_target=\"atrous.local_convolution_gradient\", dim_labels=bf_io->bf }",
     UNSUPPORTED, "\"atrous", "custom-call to 'atrous.local_convolution_gradient' is not supported"},
    {M V "a = f32[4,6] custom-call(v), custom_call_target=\"foo\", bar=1 }", UNSUPPORTED, "\"foo",
     "custom-call to 'foo' is not supported"},
    {M V "a = f32[4,6] custom-call(v) }", PARSE, "custom", "custom-call needs the attribute 'custom_call_target'"},
    {M V "a = f32[4,6] custom-call(v, v), foo=1, custom_call_target=\"atrous.local_convolution\", dim_labels=bf_io->bf }",
     PARSE, "foo", "atrous.local_convolution has no attribute 'foo'"},
    {M V "a = f32[4,6] custom-call(v), custom_call_target=\"atrous.local_convolution\", dim_labels=bf_io->bf }", PARSE,
     "custom-call", "atrous.local_convolution takes 2 operands but has 1"},
    {M V "a = f32[4,6] custom-call(v, v), custom_call_target=\"atrous.local_convolution\" }", PARSE, "custom-call",
     "atrous.local_convolution needs the attribute 'dim_labels'"},
    {M V "a = f32[4,6] negate v }", PARSE, "negate",
     "expected an operation with its operands in parentheses but found 'negate'"},
    {M V "a = negate }", PARSE, "negate", "expected a type or an operation but found 'negate'"},
    {M V "a = f32[4,6] negate(v", PARSE, "", "expected ',' but found the end"},
    {M V "a = f32[4,6] negate(v,) }", PARSE, ") }", "expected an operand but found ')'"},
    {M V "a = f32[4,6] negate(b)\n b = f32[4,6] negate(v) }", PARSE, "b)", "no instruction 'b' stands before its use"},
    {M V "a = f32[4,6] negate(a) }", PARSE, "a)", "no instruction 'a' stands before its use"},
    {M V "a = f32[4,6] add(v) }", PARSE, "add", "add takes 2 operands but has 1"},
    {M V "a = f32[4,6] negate(v, v) }", PARSE, "negate", "negate takes 1 operand but has 2"},
    {M V "a = f32[4,6] negate(f32[4,5] v) }", VERIFY, "f32[4,5]", "the operand is f32[4,6] but f32[4,5] is stated"},
    {M V "t = tuple(v)\n a = f32[4,6] negate(t) }", VERIFY, "t) }", "an operand of negate is a tuple"},
    {M V "t = tuple(v)\n a = tuple(t) }", UNSUPPORTED, "t) }", "nested tuples are not supported"},
    {M V "t = (f32[4,6], f32[4,6]) tuple(v) }", VERIFY, "(f32[4,6], ", "the tuple is a tuple of 1 elements but 2 are stated"},
    {M V "t = tuple(v)\n a = get-tuple-element(t), index=1 }", VERIFY, "a = get", "element 1 of a tuple of 1 elements"},
    {M V "a = get-tuple-element(v), index=0 }", VERIFY, "v), index", "the operand of get-tuple-element is not a tuple"},
    {M V "t = tuple(v)\n a = get-tuple-element(t), index=-1 }", PARSE, "-1", "-1 is not the index of a tuple element"},
    {M V "t = tuple(v)\n a = get-tuple-element(t) }", PARSE, "get", "get-tuple-element needs the attribute 'index'"},
    {M "a = parameter(0) }", PARSE, "parameter", "the result type of parameter must be stated"},
    {M "a = constant(0) }", PARSE, "constant", "the result type of constant must be stated"},
    {M V "a = reshape(v) }", PARSE, "reshape", "the result type of reshape must be stated"},
    {M V "a = convert(v) }", PARSE, "convert", "the result type of convert must be stated"},
    {M "a = iota(), iota_dimension=0 }", PARSE, "iota()", "the result type of iota must be stated"},
    {M V "a = bitcast(v) }", PARSE, "bitcast", "the result type of bitcast must be stated"},
    {M V "a = bf16[4,12] bitcast(v) }", UNSUPPORTED, "bitcast", "bitcast from f32[4,6] to bf16[4,12] changes the dtype"},
    {M V "a = f32[25] bitcast(v) }", VERIFY, "bitcast", "bitcast from f32[4,6] to f32[25] changes the number of elements"},
    {M "a = f32[] parameter(1) }", PARSE, "1)", "parameter number 1 in a computation of 1 parameters"},
    {M "a = f32[] parameter(-1) }", PARSE, "-1)", "the number of the parameter is negative"},
    {M "a = f32[] parameter(0) b = f32[] parameter(0) }", PARSE, "0) }", "a second parameter 0"},
    /* attributes */
    {M V "a = f32[4,6] negate(v), foo={1} }", PARSE, "foo", "negate has no attribute 'foo'"},
    {M V "a = f32[4,6] negate(v), dimensions={1} }", PARSE, "dimensions", "negate has no attribute 'dimensions'"},
    {M V "a = f32[4,6] negate(v), metadata={}, metadata={} }", PARSE, "metadata={} }",
     "the attribute 'metadata' is stated twice"},
    {M V "a = f32[4,6] negate(v), }", PARSE, "}", "expected the name of an attribute"},
    {M V "a = f32[4,6] reverse(v) }", PARSE, "reverse", "reverse needs the attribute 'dimensions'"},
    {M V "a = f32[4,6] reverse(v), dimensions={1 0} }", PARSE, "0} }", "expected ',' but found '0'"},
    {M V "a = f32[4,6] reverse(v), dimensions={x} }", PARSE, "x}", "expected the number of a dimension but found 'x'"},
    {M V "a = f32[4,6] reverse(v), dimensions={0,0,0,0,0,0,0,0,0,0,0,0,1} }", UNSUPPORTED, "1} }", "more than 12 dimensions"},
    {M "a = f32[8] iota() }", PARSE, "iota", "iota needs the attribute 'iota_dimension'"},
    {M "a = f32[8] iota(), iota_dimension={0} }", PARSE, "{0}", "expected the number of a dimension but found '{'"},
    {M "a = f32[8] iota(), iota_dimension=9223372036854775808 }", PARSE, "9223", "expected the number of a dimension"},
    {M "a = f32[8] iota(), dimensions={0} }", PARSE, "dimensions", "iota has no attribute 'dimensions'"},
    {M V "a = f32[4,6] iota(v), iota_dimension=0 }", PARSE, "iota", "iota takes 0 operands but has 1"},
    {R("add", "f32", "add(a, b)") "ROOT y = f32[4] reduce(v, z), dimensions={1} }", PARSE, "reduce",
     "reduce needs the attribute 'to_apply'"},
    {R("add", "f32", "add(a, b)") "ROOT y = f32[4] reduce(v, z), to_apply=add }", PARSE, "reduce",
     "reduce needs the attribute 'dimensions'"},
    {R("add", "f32", "add(a, b)") "ROOT y = f32[4] reduce(v, z), dimensions={1}, to_apply=sum }", PARSE, "sum }",
     "there is no computation 'sum'"},
    {R("add", "f32", "add(a, b)") "ROOT y = f32[4] reduce(v, v, z, z), dimensions={1}, to_apply=add }", PARSE, "reduce",
     "reduce takes 2 operands but has 4"},
    {R("max", "f32", "maximum(a, b)") "ROOT y = f32[4] reduce(v, z), dimensions={1}, to_apply=max }", UNSUPPORTED, "max }",
     "reduce by 'maximum' is not supported: 'max' must add its parameters"},
    {R("dbl", "f32", "add(b, b)") "ROOT y = f32[4] reduce(v, z), dimensions={1}, to_apply=dbl }", UNSUPPORTED, "dbl }",
     "reduce by 'dbl' is not supported: it must add its two parameters"},
    {R("inc", "f32", "add(a, f32[] constant(1))") "ROOT y = f32[4] reduce(v, z), dimensions={1}, to_apply=inc }", UNSUPPORTED,
     "inc }", "reduce by 'inc' is not supported: it must add its two parameters"},
    {R("add", "f64", "add(a, b)") "ROOT y = f32[4] reduce(v, z), dimensions={1}, to_apply=add }", VERIFY, "add }",
     "parameter 0 of the computation 'add' must be f32[]"},
    {M V "a = f32[4,6] compare(v, v) }", PARSE, "compare", "compare needs the attribute 'direction'"},
    {M V "a = f32[4,6] compare(v, v), direction=XX }", PARSE, "XX", "expected the direction EQ, NE, LT, LE, GT or GE"},
    {M V "a = f32[4,6] compare(v, v), direction=LT, type=TOTALORDER }", UNSUPPORTED, "TOTAL", "total order"},
    {M V "a = f32[4,6] slice(v) }", PARSE, "slice", "slice needs the attribute 'slice'"},
    {M V "a = f32[4,6] slice(v), slice={[0:4]} }", VERIFY, "{[", "slice has 1 entries but the operand has rank 2"},
    {M V "a = f32[4,6] slice(v), slice={[0,4]} }", PARSE, ",4", "expected ':' but found ','"},
    {M V "a = f32[4,6] slice(v), slice={[0:x]} }", PARSE, "x]", "expected the limit of the slice but found 'x'"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z), padding=1_1 }", VERIFY, "1_1",
     "padding has 1 entries but the operand has rank 2"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z) }", VERIFY, "a = f32[4,6] pad",
     "padding has 0 entries but the operand has rank 2"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z), padding=1_1x1 }", PARSE, "1 }",
     "expected padding as 'low_high' or 'low_high_interior'"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z), padding=1_1x1_1_1_1 }", PARSE, "1_1_1_1", "expected padding as"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z), padding=1_1x1_y }", PARSE, "y }", "'y' is not an integer of 64 bits"},
    {M V "z = f32[] constant(0) a = f32[4,6] pad(v, z), padding=1_1x1_1_-1 }", PARSE, "-1 }", "-1 is negative"},
    /* convolutions */
    {M X W CONV "window={size=3x3} }", PARSE, "convolution", "convolution needs the attribute 'dim_labels'"},
    {M X W CONV "dim_labels=b01f_01io->b01f }", PARSE, "b01f_", "dim_labels names 2 spatial dimensions but there is no window"},
    {M X W CONV "window={stride=1x1}, dim_labels=b01f_01io->b01f }", PARSE, "{stride", "the window has no size"},
    {M X W CONV "window={size=3x3 size=3x3}, dim_labels=b01f_01io->b01f }", PARSE, "size=3x3}", "the window states size twice"},
    {M X W CONV "window={size=3x3 foo=3x3}, dim_labels=b01f_01io->b01f }", PARSE, "foo",
     "or '}' in the window but found 'foo'"},
    {M X W CONV "window={size=3x3 stride=2}, dim_labels=b01f_01io->b01f }", PARSE, "2}", "stride has 1 entries but size has 2"},
    {M X W CONV "window={size=3x-3}, dim_labels=b01f_01io->b01f }", PARSE, "-3}", "-3 is negative where a size is expected"},
    {M X W CONV "window={size=3x}, dim_labels=b01f_01io->b01f }", PARSE, "}, dim", "'' is not an integer of 64 bits"},
    {M X W CONV "window={size=3x9999999999999999999}, dim_labels=b01f_01io->b01f }", PARSE, "9999",
     "is not an integer of 64 bits"},
    {M X W CONV "window={size=3x3 pad=1_1x1}, dim_labels=b01f_01io->b01f }", PARSE, "1}", "expected padding as 'low_high'"},
    {M X W CONV "window={size=1x1x1x1x1x1x1x1x7}, dim_labels=b01f_01io->b01f }", UNSUPPORTED, "7}",
     "more than 8 spatial dimensions"},
    {M X W CONV "window={size=3x3x3}, dim_labels=b01f_01io->b01f }", PARSE, "3x3x3",
     "window has 3 dimensions but dim_labels names 2 spatial"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io; }", PARSE, ";", "expected '->' in dim_labels"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f->b01f }", PARSE, "b01f->", "expected dim_labels such as"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b0f }", PARSE, "b0f",
     "names 2 spatial dimensions of lhs, 2 of rhs and 1 of the result"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b02f }", PARSE, "b02f",
     "does not name spatial dimension 1 in 'b02f'"},
    {M X W CONV "window={size=3x3}, dim_labels=b00f_01io->b01f }", PARSE, "0f_", "names '0' twice in 'b00f'"},
    {M X W CONV "window={size=3x3}, dim_labels=b01_01io->b01f }", PARSE, "b01_", "does not name 'f' in 'b01'"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01ix->b01f }", PARSE, "x->", "has 'x' where 'i', 'o' or the number"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f?_01io->b01f }", UNSUPPORTED, "?", "a dimension without a role"},
    {M X W CONV "window={size=3x3}, dim_labels=b08f_01io->b01f }", UNSUPPORTED, "8f_", "more than 8 spatial dimensions"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b01f, feature_group_count=x }", PARSE, "x }",
     "expected feature_group_count"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b01f, operand_precision={high} }", PARSE, "} }", "expected ','"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b01f, operand_precision={low,high} }", PARSE, "low",
     "expected the precision"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b01f, edge_mode=reflect }", PARSE, "reflect",
     "edge_mode has 1 entries"},
    {M X W CONV "window={size=3x3}, dim_labels=b01f_01io->b01f, edge_mode=reflectxmirror }", PARSE, "mirror",
     "expected the edge modes"},
    /* literals */
    {M "a = f32[2] constant({...}) }", PARSE, "...", "the value of the constant is left out"},
    {M "a = f32[40,50] constant({...}) }", PARSE, "...", "the value of the constant is left out"},
    {M "a = f32[2] constant({1}) }", PARSE, "}) }", "the literal has 1 elements in dimension 0, its shape has 2"},
    {M "a = f32[2] constant({1, 2, 3}) }", PARSE, "3}", "the literal has more than 2 elements in dimension 0"},
    {M "a = f32[2,2] constant({{1, 2}, {3, 4}, {5, 6}}) }", PARSE, "{5", "more than 2 elements in dimension 0"},
    {M "a = f32[2,0] constant({{}}) }", PARSE, "}) }", "the literal has 1 elements in dimension 0, its shape has 2"},
    {M "a = f32[2] constant({{1, 2}}) }", PARSE, "{1", "nested deeper than the rank 1"},
    {M "a = f32[2,2] constant({1, 2}) }", PARSE, "1,", "the literal has a number at depth 1, its shape has rank 2"},
    {M "a = f32[2] constant(1) }", PARSE, "1)", "the literal has a number at depth 0, its shape has rank 1"},
    {M "a = f32[] constant({1}) }", PARSE, "{1", "nested deeper than the rank 0"},
    {M "a = f32[] constant(1", PARSE, "", "expected ')'"},
    {M "a = f32[2] constant({1,", PARSE, "", "expected a decimal number, inf or nan but found the end"},
    {M "a = f32[2] constant({,1,2}) }", PARSE, ",1", "expected a decimal number, inf or nan but found ','"},
    {M "a = f32[1000000000000] constant({1}) }", PARSE, "{1}", "more than the literal can hold"},
    {M "a = f64[4611686018427387904] constant({1}) }", UNSUPPORTED, "{1}", "more than 2^63 bytes"},
    {M "a = f32[] constant(.5) }", PARSE, ".5", "expected a decimal number"},
    {M "a = f32[] constant(0x10) }", PARSE, "0x10", "expected a decimal number"},
    {M "a = f32[] constant(1e) }", PARSE, "1e)", "expected a decimal number"},
    {M "a = f32[] constant(true) }", PARSE, "true", "expected a decimal number"},
    {M "a = f32[] constant(3.4028236e38) }", PARSE, "3.4", "the number 3.4028236e38 is out of range for f32"},
    {M "a = f64[] constant(-1e309) }", PARSE, "-1e309", "out of range for f64"},
    {M "a = f16[] constant(65520) }", PARSE, "65520", "out of range for f16"},
    {M "a = f8e4m3fn[] constant(1000) }", PARSE, "1000", "out of range for f8e4m3fn"},
    {M "a = f8e4m3fn[] constant(inf) }", PARSE, "inf", "f8e4m3fn has no infinity"},
    {M "a = f32[] constant(nan(7)) }", PARSE, "7)", "expected the payload of nan"},
    {M "a = f32[] constant(nan(0x7g)) }", PARSE, "0x7g", "expected the payload of nan"},
    {M "a = s8[] constant(128) }", PARSE, "128", "the number 128 is out of range for s8"},
    {M "a = s8[] constant(-129) }", PARSE, "-129", "out of range for s8"},
    {M "a = u8[] constant(256) }", PARSE, "256", "out of range for u8"},
    {M "a = u8[] constant(-1) }", PARSE, "-1", "out of range for u8"},
    {M "a = s64[] constant(9223372036854775808) }", PARSE, "9223372036854775808", "out of range for s64"},
    {M "a = u64[] constant(18446744073709551616) }", PARSE, "18446744073709551616", "out of range for u64"},
    {M "a = s32[] constant(1.5) }", PARSE, "1.5", "expected an integer"},
    {M "a = pred[] constant(2) }", PARSE, "2)", "expected true or false"},
    {M "a = c64[] constant(1) }", PARSE, "1)", "expected a complex number"},
    {M "a = c64[] constant((1, 1e39)) }", PARSE, "1e39", "out of range for f32"},
    {M "a = c64[] constant((1 2)) }", PARSE, "2))", "expected ','"},
    {M "a = (f32[]) constant(({1})) }", PARSE, "(f32[]", "the result of constant is not a tuple"},
    /* calls */
    {M V "a = f32[4,6] call(v) }", PARSE, "call", "call needs the attribute 'to_apply'"},
    {M V "a = f32[4,6] fusion(v), kind=kLoop }", PARSE, "fusion", "fusion needs the attribute 'calls'"},
    {M V "a = f32[4,6] call(v), to_apply=f }", PARSE, "f }", "there is no computation 'f'"},
    {M V "a = f32[4,6] call(v), to_apply=e }", VERIFY, "e }", "the computation 'e' calls itself"},
    {"HloModule m f { a = f32[] call(), to_apply=g } g { a = f32[] call(), to_apply=f }\n ENTRY e { a = f32[] call(), "
     "to_apply=f }",
     VERIFY, "f }\n", "the computation 'f' calls itself"},
    {"HloModule m f { a = f32[2] parameter(0) } ENTRY e { b = f32[2] call(), to_apply=f }", VERIFY, "call",
     "call passes 0 operands to a computation of 1"},
    {"HloModule m f { a = f32[2] parameter(0) } ENTRY e { b = f32[3] parameter(0) c = f32[3] call(b), to_apply=f }", VERIFY,
     "b),", "argument 0 of call is f32[3] but f32[2] is stated"},
    {"HloModule m f { a = f32[2] parameter(0) } ENTRY e { b = f32[2] parameter(0) c = f32[3] call(b), to_apply=f }", VERIFY,
     "f32[3]", "the result of call is f32[2] but f32[3] is stated"},
    {"HloModule m f { a = f32[2] parameter(0) } ENTRY e { b = f32[2] parameter(0) c = (f32[2]) call(b), to_apply=f }", VERIFY,
     "(f32[2])", "the result of call is no tuple but a tuple is stated"},
    /* entry_computation_layout */
    {"HloModule m, entry_computation_layout={()->f32[]}, entry_computation_layout ={()->f32[]}", PARSE,
     "entry_computation_layout =", "a second entry_computation_layout"},
    {"HloModule m, entry_computation_layout={()->f32[]} ENTRY e { a = f32[] parameter(0) }", VERIFY, "{()",
     "has 0 parameters but the entry computation has 1"},
    {"HloModule m, entry_computation_layout={(f32[2])->f32[]} ENTRY e { a = f32[] parameter(0) }", VERIFY, "f32[2]",
     "another type for parameter 0"},
    {"HloModule m, entry_computation_layout={(f32[])->f32[2]} ENTRY e { a = f32[] parameter(0) }", VERIFY, "f32[2]",
     "the result is f32[] but f32[2] is stated"},
};

/* Line and column of a byte, counted here and not by the library. */
static void position(const char *text, size_t offset, unsigned *line, unsigned *column) {
  *line = *column = 1;
  for (size_t i = 0; i < offset; i++) {
    *column = text[i] == '\n' ? 1 : *column + 1;
    *line += text[i] == '\n';
  }
}

START_TEST(test_error) {
  const error_row *row = &error_rows[_i];
  atr_module *module = NULL;
  atr_status status = read_text(row->text, &module);
  ck_assert_msg(status != ATR_OK, "accepted: %s", row->text);
  ck_assert_msg(strstr(work.message, row->message) != NULL, "%s\nexpected: %s", work.message, row->message);
  ck_assert_msg(status == row->status, "status %d: %s", (int)status, work.message);
  const char *at = row->at[0] == '\0' ? row->text + strlen(row->text) : strstr(row->text, row->at);
  ck_assert_msg(at != NULL, "the row's place is not in its text");
  unsigned line, column;
  position(row->text, (size_t)(at - row->text), &line, &column);
  ck_assert_msg(work.line == line && work.column == column, "at %u:%u instead of %u:%u: %s", work.line, work.column, line,
                column, work.message);
}
END_TEST

/* No beginning of a computation is one. */
START_TEST(test_truncated) {
  const char *whole = wrap(same_rows[1]);
  for (size_t len = 0; len + 1 < strlen(whole); len++) {
    char *text = malloc(len + 1); /* of the exact size, so that a sanitizer sees a byte too many */
    memcpy(text, whole, len);
    work = work_on("t", text, len);
    atr_module *module;
    ck_assert_int_ne(atr_hlo_read(&work, &module), ATR_OK);
    ck_assert_ptr_nonnull(work.message);
    free(text);
  }
}
END_TEST

/* ---- attributes and spans */

START_TEST(test_conv_attributes) {
  const atr_module *m = must_read(wrap(
      X W
      "  ROOT y = f32[1,1,1,1] convolution(x, w), window={size=3x2 stride=4x5 pad=6_-7x-8_9 lhs_dilate=10x11 rhs_dilate=12x13 "
      "rhs_reversal=0x1}, dim_labels=1bf0_o1i0->f10b, feature_group_count=14, batch_group_count=15, "
      "operand_precision={high,highest}, edge_mode=replicatexcircular\n"));
  const atr_inst *y = atr_inst_at(m, m->results[0]);
  const atr_conv *c = y->u.conv;
  ck_assert_int_eq(y->op, ATR_OP_CONVOLUTION);
  ck_assert_int_eq(c->spatial, 2);
  const atr_window_dim expected[2] = {{3, 4, 6, -7, 10, 12, false, ATR_EDGE_REPLICATE},
                                      {2, 5, -8, 9, 11, 13, true, ATR_EDGE_CIRCULAR}};
  for (int i = 0; i < 2; i++) {
    const atr_window_dim *a = &c->window[i], *e = &expected[i];
    ck_assert(a->size == e->size && a->stride == e->stride && a->pad_lo == e->pad_lo && a->pad_hi == e->pad_hi);
    ck_assert(a->lhs_dilation == e->lhs_dilation && a->rhs_dilation == e->rhs_dilation);
    ck_assert(a->reversal == e->reversal && a->edge == e->edge);
  }
  ck_assert(c->lhs_batch == 1 && c->lhs_feature == 2 && c->lhs_spatial[0] == 3 && c->lhs_spatial[1] == 0);
  ck_assert(c->rhs_output_feature == 0 && c->rhs_input_feature == 2 && c->rhs_spatial[0] == 3 && c->rhs_spatial[1] == 1);
  ck_assert(c->out_feature == 0 && c->out_batch == 3 && c->out_spatial[0] == 2 && c->out_spatial[1] == 1);
  ck_assert(c->feature_group_count == 14 && c->batch_group_count == 15);
  ck_assert(c->precision[0] == ATR_PRECISION_HIGH && c->precision[1] == ATR_PRECISION_HIGHEST);
}
END_TEST

static void expect_span(const atr_inst *inst, atr_attr attr, const char *expected) {
  atr_span span = inst->spans[attr];
  ck_assert_msg(span.offset != 0, "no span for '%s'", expected);
  ck_assert_msg(strlen(expected) == span.len && memcmp(work.source->text + span.offset - 1, expected, span.len) == 0,
                "span '%.*s', expected '%s'", (int)span.len, work.source->text + span.offset - 1, expected);
}

START_TEST(test_spans) {
  const atr_module *m = must_read(wrap(X W "  z = f32[] constant( -1.5 )\n  y = f32[1,1]{1,0} convolution(x, w), "
                                           "window={size=3x2  pad=1_1x2_2}, dim_labels=b01f_01io->b01f, "
                                           "feature_group_count=2, batch_group_count=3, edge_mode=zeroxreflect, metadata={}\n  "
                                           "p = f32[1,1] pad(y, z), padding=1_2x3_4\n"
                                           "  s = f32[1,1] slice(p), slice={[0:1], [0:1]}\n  c = pred[1,1] compare(s, s), "
                                           "direction=LT\n  r = f32[1,1] reverse(s), dimensions={ 0 }\n"));
  expect_span(atr_inst_at(m, 3), ATR_ATTR_LITERAL, "-1.5");
  const atr_inst *y = atr_inst_at(m, 4);
  expect_span(y, ATR_ATTR_SHAPE, "f32[1,1]{1,0}");
  expect_span(y, ATR_ATTR_OPCODE, "convolution");
  expect_span(y, ATR_ATTR_WINDOW, "{size=3x2  pad=1_1x2_2}");
  expect_span(y, ATR_ATTR_DIM_LABELS, "b01f_01io->b01f");
  expect_span(y, ATR_ATTR_FEATURE_GROUP_COUNT, "2");
  expect_span(y, ATR_ATTR_BATCH_GROUP_COUNT, "3");
  expect_span(y, ATR_ATTR_EDGE_MODE, "zeroxreflect");
  ck_assert_int_eq(y->spans[ATR_ATTR_PADDING].offset, 0);
  expect_span(atr_inst_at(m, 5), ATR_ATTR_PADDING, "1_2x3_4");
  expect_span(atr_inst_at(m, 6), ATR_ATTR_SLICE, "{[0:1], [0:1]}");
  expect_span(atr_inst_at(m, 7), ATR_ATTR_DIRECTION, "LT");
  expect_span(atr_inst_at(m, 8), ATR_ATTR_DIMENSIONS, "{ 0 }");
  ck_assert_uint_eq(y->span.offset, (uint32_t)(strstr(work.source->text, "y = ") - work.source->text) + 1);
  ck_assert_uint_eq(y->span.len, (uint32_t)(strstr(work.source->text, "metadata={}") + 11 - strstr(work.source->text, "y = ")));
}
END_TEST

/* Elements are stored row major in logical order, whatever the layout. */
START_TEST(test_literal) {
  const atr_module *m = must_read(
      wrap("  a = f32[2,3]{0,1} constant({{1, 2, 3}, {-4.5, 1e-3, inf}})\n  b = s16[2] constant({-32768, 32767})\n"
           "  c = c128[1] constant({(1.25, -2)})\n  d = f32[] constant(0.1000000014901161193847656250000000000001)\n"
           "  e = f64[2] constant({1e23, 123456789012345678901234567890})\n"));
  const float a[] = {1, 2, 3, -4.5f, 1e-3f, __builtin_inff()};
  const int16_t b[] = {-32768, 32767};
  const double c[] = {1.25, -2}, e[] = {1e23, 123456789012345678901234567890.0};
  const float d = 0.1f;
  ck_assert_mem_eq(atr_inst_at(m, 1)->u.literal, a, sizeof a);
  ck_assert_mem_eq(atr_inst_at(m, 2)->u.literal, b, sizeof b);
  ck_assert_mem_eq(atr_inst_at(m, 3)->u.literal, c, sizeof c);
  ck_assert_mem_eq(atr_inst_at(m, 4)->u.literal, &d, sizeof d);
  ck_assert_mem_eq(atr_inst_at(m, 5)->u.literal, e, sizeof e);
}
END_TEST

/* ---- depth and length */

static const char *repeat(const char *piece, int count) {
  atr_text text = atr_text_make(&arena);
  for (int i = 0; i < count; i++) atr_text_puts(&text, piece);
  return text.data;
}

static void expect_failure(const char *text, atr_status expected, const char *message) {
  atr_module *module;
  ck_assert_int_eq(read_text(text, &module), expected);
  ck_assert_msg(strstr(work.message, message) != NULL, "%.200s", work.message);
}

START_TEST(test_deep) {
  const int deep = 300000;
  expect_failure(wrap(atr_arena_printf(&arena, V "  a = %s", repeat("negate(", deep))), ATR_UNSUPPORTED,
                 "nested more than 64 deep");
  expect_failure(wrap(atr_arena_printf(&arena, V "  a = %s", repeat("(", deep))), ATR_UNSUPPORTED, "nested tuples");
  expect_failure(wrap(atr_arena_printf(&arena, V "  a = f32[2] constant(%s", repeat("{", deep))), ATR_PARSE_ERROR,
                 "nested deeper");
  expect_failure(atr_arena_printf(&arena, "HloModule m, a=%s", repeat("{", deep)), ATR_PARSE_ERROR, "not closed");
  const char *open = repeat("{[", deep), *close = repeat("]}", deep);
  must_read(wrap(atr_arena_printf(&arena, V "  a = f32[4,6] negate(v), backend_config=%s%s\n", open, close)));
}
END_TEST

START_TEST(test_chain_of_calls) {
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "HloModule m\nf0 { a = f32[] parameter(0) ROOT b = f32[] negate(a) }\n");
  const int links = 20000;
  for (int i = 1; i <= links; i++) {
    atr_text_printf(&text, "f%d { a = f32[] parameter(0) ROOT b = f32[] call(a), to_apply=f%d }\n", i, i - 1);
  }
  const atr_module *m = must_read(text.data); /* the last one is the entry */
  ck_assert_uint_eq(m->count, 2);
}
END_TEST

/* Each computation calls the one before it twice: 2^40 instructions, with and without any that would be kept. */
START_TEST(test_calls_that_double) {
  for (int kept = 0; kept < 2; kept++) {
    atr_text text = atr_text_make(&arena);
    atr_text_printf(&text, "HloModule m\nf0 { a = f32[] parameter(0) %s }\n", kept ? "ROOT b = f32[] negate(a)" : "");
    for (int i = 1; i <= 40; i++) {
      atr_text_printf(&text,
                      "f%d { a = f32[] parameter(0) b = f32[] call(a), to_apply=f%d ROOT c = f32[] call(b), to_apply=f%d }\n",
                      i, i - 1, i - 1);
    }
    expect_failure(text.data, ATR_UNSUPPORTED, "make it longer than");
  }
}
END_TEST

/* 50,000 instructions with one long list of operands and one long constant: quadratic work would not end in the time limit. */
START_TEST(test_long) {
  const int count = 50000;
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "HloModule m\nENTRY e {\nv0 = f32[1] parameter(0)\n");
  for (int i = 1; i < count; i++) atr_text_printf(&text, "v%d = f32[1] negate(v%d)\n", i, i - 1);
  atr_text_printf(&text, "c = s32[%d] constant({0%s})\nROOT k = f32[%d] concatenate(v0", count, repeat(", 7", count - 1),
                  count);
  for (int i = 1; i < count; i++) atr_text_printf(&text, ", v%d", i);
  atr_text_puts(&text, "), dimensions={0}\n}\n");
  const atr_module *m = must_read(text.data);
  ck_assert_uint_eq(m->count, (uint32_t)count + 2);
  const char *printed = print_module(m);
  ck_assert_str_eq(print_module(must_read(printed)), printed);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("hlo");
  TCase *tc = tcase_create("hlo");
  tcase_set_timeout(tc, 30);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_same, 0, COUNT(same_rows));
  tcase_add_loop_test(tc, test_other, 0, COUNT(other_rows));
  tcase_add_loop_test(tc, test_module, 0, COUNT(module_rows));
  tcase_add_loop_test(tc, test_error, 0, COUNT(error_rows));
  tcase_add_test(tc, test_truncated);
  tcase_add_test(tc, test_conv_attributes);
  tcase_add_test(tc, test_spans);
  tcase_add_test(tc, test_literal);
  tcase_add_test(tc, test_deep);
  tcase_add_test(tc, test_chain_of_calls);
  tcase_add_test(tc, test_calls_that_double);
  tcase_add_test(tc, test_long);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }
