/* jit.h - a relocatable object in memory becomes code that can be called.
 *
 * In: the bytes of an object file for this machine, and the names of functions in it. Out: their addresses, valid until
 * atr_jit_destroy.
 *
 *     const char *names[] = {"conv", "conv_prepack"};
 *     void *addresses[2];
 *     atr_jit *jit;
 *     ATR_TRY(atr_jit_load(work, object, len, names, 2, addresses, &jit));
 *
 * Of the process, the object may use memcpy, memmove and memset and nothing else, so that what runs here also runs as an
 * ahead-of-time object. The bytes are checked for being an object of this machine and for being whole as far as linking needs
 * it; like any code they must come from somebody who is trusted.
 *
 * LLVM's native target must have been registered before (the code generator does), because registering it is not safe
 * against another thread that does the same. Different threads may load at the same time. */
#ifndef ATR_RUNTIME_JIT_H
#define ATR_RUNTIME_JIT_H

#include "base/diag.h"

typedef struct atr_jit atr_jit;

/* Put before a function that calls loaded code: clang's sanitizer of function types looks for a signature in front of the
 * callee, where a first function has no memory. */
#if defined(__clang__)
#define ATR_CALLS_JIT __attribute__((no_sanitize("function")))
#else
#define ATR_CALLS_JIT
#endif

/* Who is told about the loaded code. */
enum {
  ATR_JIT_GDB = 1, /* GDB's JIT interface: break on kernels, see them in backtraces */
  ATR_JIT_PERF = 2 /* a jitdump file for `perf inject --jit`; no effect where LLVM was built without it */
};

/* `object` is copied. On error nothing is left behind; a kernel that lacks one of `symbols` is an error. */
ATR_CHECK_RESULT atr_status atr_jit_load(atr_work *work, const void *object, size_t len, const char *const *symbols, int count,
                                         void **addresses, atr_jit **out);
/* The same, with the listeners in `listeners` (ATR_JIT_...) attached. */
ATR_CHECK_RESULT atr_status atr_jit_load_watched(atr_work *work, unsigned listeners, const void *object, size_t len,
                                                 const char *const *symbols, int count, void **addresses, atr_jit **out);
/* The code must not be running. NULL is allowed. Any thread. */
void atr_jit_destroy(atr_jit *jit);

#endif
