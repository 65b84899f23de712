/* bare.c - the little of a C library that guest.c needs on an x86-64 machine without an operating system.
 *
 * For scripts/run-in-bochs: an emulated machine that runs nothing but the guest starts in a second and needs no kernel. Output
 * goes to the first serial port; after main the machine is switched off through Bochs' port. Memory is given out from the
 * bottom up and taken back when nothing is in use, as it is between two kernels. mprotect closes pages in the page table, and
 * an exception calls the handler of sigaction. */
#include "bare.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SERIAL = 0x3f8, POWER = 0x8900, VECTORS = 32, BREAKPOINT_UD = 6, PAGE_FAULT = 14 };

extern uint64_t bare_pages[];
extern char bare_stubs[];
_Noreturn void bare_main(void);
_Noreturn void bare_trap(int vector, uint64_t rip);
int main(void);

FILE *stdout;

/* ---- output */

static void out(uint16_t port, uint8_t byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }

static uint8_t in(uint16_t port) {
  uint8_t byte;
  __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
  return byte;
}

int putchar(int c) {
  while ((in(SERIAL + 5) & 0x20) == 0) {}
  out(SERIAL, (uint8_t)c);
  return c;
}

static void put_text(const char *text) {
  while (*text != '\0') putchar(*text++);
}

static void put_integer(long long n) {
  char digits[24], *p = digits + sizeof digits;
  unsigned long long rest = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
  *--p = '\0';
  do *--p = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (n < 0) *--p = '-';
  put_text(p);
}

/* Nine digits and an exponent, near enough for a report. */
static void put_real(double x) {
  int exponent = 0;
  if (x != x) put_text("nan");
  if (x != x) return;
  if (x < 0) putchar('-');
  x = fabs(x);
  if (x > 1.7976931348623157e308) put_text("inf");
  if (x > 1.7976931348623157e308) return;
  for (; x >= 10; exponent++) x /= 10;
  for (; x > 0 && x < 1; exponent--) x *= 10;
  put_integer((long long)x);
  putchar('.');
  for (int i = 0; i < 8; i++) {
    x = (x - (double)(int)x) * 10;
    putchar('0' + (int)x);
  }
  putchar('e');
  put_integer(exponent);
}

/* %s, %d, %lld, %g with or without a precision. */
int printf(const char *format, ...) {
  va_list args;
  va_start(args, format);
  for (const char *p = format; *p != '\0'; p++) {
    if (*p != '%') {
      putchar(*p);
      continue;
    }
    for (p++; *p == '.' || (*p >= '0' && *p <= '9'); p++) {}
    if (*p == 's') put_text(va_arg(args, const char *));
    else if (*p == 'd') put_integer(va_arg(args, int));
    else if (*p == 'g') put_real(va_arg(args, double));
    else p += 2, put_integer(va_arg(args, long long));
  }
  va_end(args);
  return 0;
}

int fflush(FILE *file) { return (void)file, 0; }

/* ---- memory */

void *memset(void *to, int byte, size_t n) {
  void *p = to;
  __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(byte) : "memory");
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  void *p = to;
  __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n) : : "memory");
  return to;
}

void *memmove(void *to, const void *from, size_t n) {
  if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
  for (volatile char *p = to; n-- > 0;) p[n] = ((const char *)from)[n];
  return to;
}

int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < n; i++)
    if (x[i] != y[i]) return x[i] - y[i];
  return 0;
}

static uintptr_t heap = BARE_HEAP, pool = BARE_POOL;
static long heap_used, pool_used;

void *malloc(size_t size) {
  void *p = (void *)heap;
  if (BARE_POOL - heap < size + 64) return NULL;
  heap += (size + 63) / 64 * 64;
  heap_used++;
  return p;
}

void free(void *p) {
  if (p != NULL && --heap_used == 0) heap = BARE_HEAP;
}

long sysconf(int name) { return (void)name, 4096; }

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  (void)at, (void)flags, (void)file, (void)offset, (void)protection;
  void *p = (void *)pool;
  if (BARE_POOL + BARE_POOL_SIZE - pool < size) return MAP_FAILED;
  pool += size;
  pool_used++;
  return p;
}

int mprotect(void *at, size_t size, int protection) {
  for (uintptr_t p = (uintptr_t)at; p < (uintptr_t)at + size; p += 4096) {
    uint64_t *entry = &bare_pages[(p - BARE_POOL) / 4096];
    *entry = protection == PROT_NONE ? *entry & ~UINT64_C(1) : *entry | 1;
    __asm__ volatile("invlpg (%0)" : : "r"(p) : "memory");
  }
  return 0;
}

int munmap(void *at, size_t size) {
  mprotect(at, size, PROT_READ | PROT_WRITE);
  if (--pool_used == 0) pool = BARE_POOL;
  return 0;
}

/* ---- exceptions */

static struct { uint64_t low, high; } idt[VECTORS];
static void (*handler)(int signal);

int sigaction(int signal, const struct sigaction *action, struct sigaction *old) {
  (void)signal, (void)old;
  handler = action->sa_handler;
  return 0;
}

static _Noreturn void power_off(void) {
  for (const char *p = "Shutdown"; *p != '\0'; p++) out(POWER, (uint8_t)*p);
  for (;;) __asm__ volatile("hlt");
}

void bare_trap(int vector, uint64_t rip) {
  printf("exception %d at %lld\n", vector, (long long)rip);
  if (handler != NULL) handler(vector == BREAKPOINT_UD ? SIGILL : SIGSEGV);
  power_off();
}

static void catch_exceptions(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof idt - 1, (uint64_t)(uintptr_t)idt};
  for (int v = 0; v < VECTORS; v++) {
    uint64_t stub = (uint64_t)(uintptr_t)bare_stubs + 16 * (uint64_t)v;
    idt[v].low = (stub & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | (stub >> 16 & 0xffff) << 48;
    idt[v].high = stub >> 32;
  }
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

void bare_main(void) {
  out(SERIAL + 3, 3); /* 8 bits */
  catch_exceptions();
  main();
  printf("\n"); /* goes out while the line before is on its way */
  power_off();
}

/* ---- the rest */

double fabs(double x) { return x < 0 ? -x : x + 0; }

double hypot(double x, double y) {
  double a = fabs(x) > fabs(y) ? fabs(x) : fabs(y), b = fabs(x) > fabs(y) ? fabs(y) : fabs(x);
  return a == 0 ? 0 : a * __builtin_sqrt(1 + b / a * (b / a));
}
