/* bare.h - memory of the guest without an operating system, for C and assembler. */
#ifndef TESTS_RANDOM_BARE_H
#define TESTS_RANDOM_BARE_H

#define BARE_HEAP 0x08000000 /* what malloc gives; the program itself lies below */
#define BARE_POOL 0x10000000 /* what mmap gives; whole 2 MiB */
#define BARE_POOL_SIZE 0x0e000000

#endif
