/* schedule_lines.c - which line of the caller's schedules is for which nest.
 *
 * In: a text of lines, and nests as they come up in one lowering or several:
 *
 *     parallel oc; vector oc:8           for every nest with a sum that has no line of its own
 *     y.end: vector d0:16                for the nest y.end
 *
 * Out: each nest's schedule; in the end, the first line that was for no nest. Nobody would have read it. */
#include <string.h>

#include "lower/schedule.h"

atr_schedule_lines atr_schedule_lines_make(atr_arena *arena, const char *text) {
  atr_schedule_lines out = {.text = text};
  int capacity = 0;
  for (size_t at = 0, len; text != NULL && text[at] != '\0'; at += len + (text[at + len] == '\n')) {
    len = strcspn(text + at, "\n");
    if (strspn(text + at, " \t\r") >= len) continue;
    size_t name = strcspn(text + at, ": \n");
    bool named = name + 1 < len && text[at + name] == ':' && text[at + name + 1] == ' ';
    ATR_RESERVE(arena, out.list, out.count, capacity);
    out.list[out.count++] = (atr_schedule_line){.nest = named ? atr_arena_string(arena, text + at, name) : NULL,
                                                .text = {"schedule", text, at + len},
                                                .at = at,
                                                .from = named ? at + name + 1 : at};
  }
  return out;
}

const atr_schedule_line *atr_schedule_lines_take(atr_schedule_lines *lines, const atr_nest *nest) {
  atr_schedule_line *found = NULL;
  for (int i = 0; i < lines->count; i++) {
    atr_schedule_line *line = &lines->list[i];
    bool mine = line->nest != NULL ? strcmp(line->nest, nest->name) == 0 : nest->has_acc;
    if (mine && (found == NULL || (found->nest == NULL && line->nest != NULL))) found = line;
  }
  if (found == NULL) return NULL;
  found->taken = true;
  return found;
}

/* Is there a line for the same before line i? */
static bool comes_again(const atr_schedule_lines *lines, int i) {
  const char *nest = lines->list[i].nest;
  for (int k = 0; k < i; k++) {
    const char *other = lines->list[k].nest;
    if (nest == NULL ? other == NULL : other != NULL && strcmp(nest, other) == 0) return true;
  }
  return false;
}

static const char *fault(atr_arena *arena, const atr_schedule_lines *lines, int i) {
  const char *nest = lines->list[i].nest;
  if (nest == NULL)
    return comes_again(lines, i) ? "a second line without the name of a nest" : "no nest with a sum takes this line";
  return atr_arena_printf(arena, comes_again(lines, i) ? "a second line for nest %s" : "there is no nest \"%s\"", nest);
}

atr_status atr_schedule_lines_check(atr_work *work, const atr_schedule_lines *lines) {
  int i = 0;
  while (i < lines->count && lines->list[i].taken) i++;
  if (i == lines->count) return ATR_OK;
  const atr_source *module_text = work->source;
  work->source = &lines->list[i].text;
  atr_status status = atr_fail(work, (atr_span){(uint32_t)lines->list[i].at + 1, 1}, ATR_VERIFY_ERROR, "%s",
                               fault(work->arena, lines, i));
  work->source = module_text;
  return status;
}
