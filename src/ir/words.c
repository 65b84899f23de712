/* words.c - the words that HLO has for the values of enumerations, for readers and printers alike.
 *
 *     compare(a, b), direction=GE      edge_mode=reflectxzero      operand_precision={highest,default} */
#include "ir/ir.h"

#include <string.h>

static const char *const DIRECTIONS[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};    /* ORDER atr_direction */
static const char *const EDGES[] = {"zero", "reflect", "replicate", "circular"}; /* ORDER atr_edge_mode */
static const char *const PRECISIONS[] = {"default", "high", "highest"};          /* ORDER atr_precision */
enum { DIRECTION_COUNT = ATR_GE + 1, EDGE_COUNT = ATR_EDGE_CIRCULAR + 1, PRECISION_COUNT = ATR_PRECISION_HIGHEST + 1 };
_Static_assert(sizeof DIRECTIONS / sizeof *DIRECTIONS == DIRECTION_COUNT, "a word for each direction");
_Static_assert(sizeof EDGES / sizeof *EDGES == EDGE_COUNT, "a word for each edge mode");
_Static_assert(sizeof PRECISIONS / sizeof *PRECISIONS == PRECISION_COUNT, "a word for each precision");

static const char *name_of(const char *const *words, int count, unsigned value) {
  return value < (unsigned)count ? words[value] : "?";
}

static int value_of(const char *const *words, int count, const char *word, size_t len) {
  for (int i = 0; i < count; i++)
    if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0) return i;
  return -1;
}

const char *atr_direction_name(atr_direction direction) { return name_of(DIRECTIONS, DIRECTION_COUNT, (unsigned)direction); }
const char *atr_edge_name(atr_edge_mode mode) { return name_of(EDGES, EDGE_COUNT, (unsigned)mode); }
const char *atr_precision_name(atr_precision precision) { return name_of(PRECISIONS, PRECISION_COUNT, (unsigned)precision); }

int atr_direction_from_name(const char *word, size_t len) { return value_of(DIRECTIONS, DIRECTION_COUNT, word, len); }
int atr_edge_from_name(const char *word, size_t len) { return value_of(EDGES, EDGE_COUNT, word, len); }
int atr_precision_from_name(const char *word, size_t len) { return value_of(PRECISIONS, PRECISION_COUNT, word, len); }
