/* diag.c - a span and a message become the text that the user reads.
 *
 * In: a span of the source, a status, a printf format. Out: in the work, once, "name:line:col: error: message", the source line
 * and a caret under the span's first byte:
 *
 *     conv.hlo:3:9: error: unknown opcode "convolutoin"
 *       ROOT c = f32[1,3] convolutoin(x, w)
 *                         ^
 *
 * The line is printed so that the caret stays under its byte in any terminal: tabs are repeated in the caret's line, every
 * other byte outside printable ASCII is shown as '?', and of a line longer than LINE_LIMIT only the part around the caret is
 * shown (a constant can be one line of many megabytes). Also here: the names of the statuses and the library's version. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { LINE_LIMIT = 160 };
static const char ellipsis[] = "...";
enum { ELLIPSIS = sizeof ellipsis - 1 };

const char *atr_status_name(atr_status status) {
  switch (status) {
    case ATR_OK: return "ok";
    case ATR_INVALID_ARGUMENT: return "invalid argument";
    case ATR_PARSE_ERROR: return "parse error";
    case ATR_VERIFY_ERROR: return "verify error";
    case ATR_UNSUPPORTED: return "unsupported";
    case ATR_OUT_OF_MEMORY: return "out of memory";
    case ATR_IO_ERROR: return "input/output error";
    case ATR_INTERNAL: return "internal error";
  }
  return "unknown status";
}

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *atr_version(void) { return VERSION_OF(ATR_VERSION_MAJOR, ATR_VERSION_MINOR, ATR_VERSION_PATCH); }

/* The index of the span's first byte; a span past the end (an unexpected end of the text) means the end. False: nowhere. */
static bool byte_index(const atr_source *source, atr_span span, size_t *index) {
  if (source == NULL || source->text == NULL || span.offset == 0) return false;
  *index = span.offset - 1 < source->len ? span.offset - 1 : source->len;
  return true;
}

static size_t line_start(const atr_source *source, size_t index) {
  const char *newline = memrchr(source->text, '\n', index);
  return newline != NULL ? (size_t)(newline - source->text) + 1 : 0;
}

/* The line's length without its line feed, and without the carriage return before one. */
static size_t line_length(const atr_source *source, size_t start) {
  const char *newline = memchr(source->text + start, '\n', source->len - start);
  size_t len = newline != NULL ? (size_t)(newline - source->text) - start : source->len - start;
  return newline != NULL && len > 0 && newline[-1] == '\r' ? len - 1 : len;
}

void atr_source_position(const atr_source *source, atr_span span, uint32_t *line, uint32_t *column) {
  size_t index;
  *line = *column = 0;
  if (!byte_index(source, span, &index)) return;
  *line = 1;
  for (size_t i = 0; i < index; i++) *line += source->text[i] == '\n';
  *column = (uint32_t)(index - line_start(source, index)) + 1;
}

static bool is_shown(char byte) { return byte == '\t' || (byte >= 0x20 && byte < 0x7f); }

/* Appends the source line and, below, a caret under byte `at` of it. */
static void append_line(atr_text *out, const char *line, size_t len, size_t at) {
  size_t first = 0, end = len;
  if (at > len) at = len; /* the caret may point at the line feed, or at the carriage return that is not shown */
  if (len > LINE_LIMIT) {
    first = at > LINE_LIMIT / 2 ? at - LINE_LIMIT / 2 : 0;
    if (first > len - LINE_LIMIT) first = len - LINE_LIMIT;
    end = first + LINE_LIMIT;
  }
  bool cut_front = first > 0, cut_back = end < len;
  if (cut_front) first += ELLIPSIS;
  if (cut_back) end -= ELLIPSIS;
  atr_text_puts(out, cut_front ? ellipsis : "");
  for (size_t i = first; i < end; i++) atr_text_append(out, is_shown(line[i]) ? &line[i] : "?", 1);
  atr_text_puts(out, cut_back ? ellipsis : "");
  atr_text_printf(out, "\n%*s", cut_front ? (int)ELLIPSIS : 0, "");
  for (size_t i = first; i < at; i++) atr_text_puts(out, line[i] == '\t' ? "\t" : " ");
  atr_text_puts(out, "^");
}

static void append_place(atr_text *out, const atr_work *work) {
  if (work->source == NULL) return;
  atr_text_puts(out, work->source->name != NULL ? work->source->name : "<text>");
  if (work->line != 0) atr_text_printf(out, ":%u:%u", work->line, work->column);
  atr_text_puts(out, ": ");
}

atr_status atr_fail(atr_work *work, atr_span span, atr_status status, const char *format, ...) {
  if (work->status != ATR_OK) return work->status;
  atr_source_position(work->source, span, &work->line, &work->column);

  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *message = atr_arena_alloc(work->arena, len < 0 ? 1 : (size_t)len + 1);
  if (len >= 0) vsnprintf(message, (size_t)len + 1, format, again);
  va_end(again);

  atr_text out = atr_text_make(work->arena);
  append_place(&out, work);
  atr_text_printf(&out, "%s: %s", status == ATR_INTERNAL ? "internal error" : "error", message);
  size_t index;
  if (byte_index(work->source, span, &index)) {
    size_t start = line_start(work->source, index);
    atr_text_puts(&out, "\n");
    append_line(&out, work->source->text + start, line_length(work->source, start), index - start);
  }
  work->message = out.data;
  work->status = status;
  return status;
}
