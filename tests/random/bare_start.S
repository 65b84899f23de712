/* bare_start.S - from a multiboot loader to bare_main in 64-bit mode with AVX-512 switched on.
 *
 * In: 32-bit protected mode, no paging. Out: memory below 4 GiB mapped to itself in 2 MiB pages, except the pool of bare.c,
 * which has 4 KiB pages so that single ones can be closed; every exception goes to bare_trap(vector, rip). */
#include "bare.h"

        .section .multiboot, "a"
        .balign 4
        .long   0x1badb002, 0, -0x1badb002

        .bss
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
pd:     .skip   4 * 4096
        .globl  bare_pages
bare_pages:
        .skip   BARE_POOL_SIZE / 4096 * 8
        .skip   1 << 20
stack:

        .section .rodata
        .balign 8
gdt:    .quad   0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .quad   gdt

        .text
        .code32
        .globl  _start
_start: cli
        movl    $pdpt + 3, pml4
        movl    $pd, %eax               /* 4 directories */
        movl    $pdpt, %edi
        movl    $4, %ecx
1:      leal    3(%eax), %edx
        movl    %edx, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    1b
        movl    $0x83, %eax             /* 2048 pages of 2 MiB */
        movl    $pd, %edi
        movl    $2048, %ecx
2:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    2b
        movl    $BARE_POOL + 3, %eax    /* the pool's pages, and their tables in place of large pages */
        movl    $bare_pages, %edi
        movl    $BARE_POOL_SIZE / 4096, %ecx
3:      movl    %eax, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    3b
        movl    $bare_pages + 3, %eax
        movl    $pd + BARE_POOL / 0x200000 * 8, %edi
        movl    $BARE_POOL_SIZE / 0x200000, %ecx
4:      movl    %eax, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    4b
        movl    $0x40620, %eax          /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
        movl    %eax, %cr4
        movl    $pml4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* long mode */
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    $0x80000033, %eax       /* paging; floating point without emulation */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $long_mode

        .code64
long_mode:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $stack, %esp
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        movl    $0xe7, %eax             /* x87, SSE, AVX, AVX-512 */
        xsetbv
        call    bare_main

/* ---- exceptions: stub v at bare_stubs + 16 v */

        .globl  bare_stubs
        .balign 16
bare_stubs:
        .set    vector, 0
        .rept   32
        .balign 16
        .if     (0x60227d00 >> vector) & 1      /* these come with an error code */
        addq    $8, %rsp
        .endif
        movl    $vector, %edi
        jmp     enter
        .set    vector, vector + 1
        .endr
enter:  movq    (%rsp), %rsi
        andq    $-64, %rsp
        cld
        call    bare_trap

/* ---- <setjmp.h>, without signals' masks */

        .globl  __sigsetjmp, siglongjmp
__sigsetjmp:
        movq    (%rsp), %rdx
        leaq    8(%rsp), %rcx
        movq    %rbx, (%rdi)
        movq    %rbp, 8(%rdi)
        movq    %r12, 16(%rdi)
        movq    %r13, 24(%rdi)
        movq    %r14, 32(%rdi)
        movq    %r15, 40(%rdi)
        movq    %rcx, 48(%rdi)
        movq    %rdx, 56(%rdi)
        xorl    %eax, %eax
        ret
siglongjmp:
        movl    %esi, %eax
        movq    (%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    48(%rdi), %rsp
        jmp     *56(%rdi)
        .section .note.GNU-stack, "", @progbits
