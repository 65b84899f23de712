# atrous.mk - pattern rules for Make: conv.hlo -> conv.o and conv.h, or conv.mlir.
#
#   include $(shell pkg-config --variable=makefile atrous)
#   ATROUSCFLAGS = --selftest
#   conv.o conv.h: ATROUSCFLAGS += --weights=w.npy
#
#   program: main.o conv.o
#   main.o: conv.h
#
# What was read is kept in conv.d (--MD), so that an edit of a module or of an array rebuilds. ATROUSC is the tool, ATROUSCFLAGS its
# options. A change of options rebuilds nothing, as with CFLAGS.

ATROUSC ?= atrousc
atrous_goal := $(.DEFAULT_GOAL)

%.o %.h: %.hlo
	$(ATROUSC) compile $(ATROUSCFLAGS) --MD -o $*.o $<

%.o %.h: %.mlir
	$(ATROUSC) compile $(ATROUSCFLAGS) --MD -o $*.o $<

# Those of this folder's modules; include others' by hand.
-include $(wildcard $(patsubst %.hlo,%.d,$(wildcard *.hlo)) $(patsubst %.mlir,%.d,$(wildcard *.mlir)))

# The rules just read are nobody's default goal.
.DEFAULT_GOAL := $(atrous_goal)
