# The truth about building glovebox. Variants live side by side, each in a directory of build/:
#
#   make                         build/release: the command, the library, no warnings
#   make SAN=address,undefined   build/san-address-undefined, with slow assertions
#   make DEBUG=1                 build/debug: -O0, slow assertions
#   make CC=clang                build/release-clang, and so on
#   make OUT=DIR                 any variant somewhere else
#
#   make units      every unit test, as $(OUT)/test/.../test_x; each runs alone
#   make unity      all sources as one: finds names that clash
#   make headers    every header compiled alone
#   make quick      ./check quick: style, release build, unit tests, command line; under 60 s
#   make fuzz       look for disagreements between tiers and engines until Ctrl-C; FUZZ_ARGS='--seed N'
#   make mutants    take each guard away in turn: a test must notice; MUTANTS='PATTERN...' for some
#   make races      a million swaps of directories and links under a guest that looks them up; some minutes
#   make go-std     Go's standard library's own tests, here and under wasmtime and wazero where they are on
#                   PATH, as far as they have no result yet, to docs/go-std.md; hours; may be stopped
#   make tidy       clang-tidy over all sources
#   make bless      write what is generated and kept: docs/, goldens; review with git diff
#   make install    PREFIX=/usr/local DESTDIR=: all that others build against, see package.mk
#
# CI=true turns warnings into errors.

.DEFAULT_GOAL := all

ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
COVERAGE ?=
DEBUG ?=
WERROR ?= $(if $(CI),-Werror)
PREFIX ?= /usr/local
DESTDIR ?=

comma := ,
CC_NAME := $(notdir $(firstword $(CC)))
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(DEBUG),debug,release))$(if $(filter gcc,$(CC_NAME)),,-$(CC_NAME))
OUT := build/$(VARIANT)

# What only one of the compilers, or one of the machines, understands.
IS_CLANG := $(findstring clang,$(CC_NAME))
MACHINE := $(shell $(CC) -dumpmachine)
HARDEN_MACHINE := $(if $(filter x86_64-%,$(MACHINE)),-fcf-protection=full)$(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard)

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN := -fstack-protector-strong -fPIC -fno-semantic-interposition $(HARDEN_MACHINE) $(if $(IS_CLANG),,-ftrivial-auto-var-init=zero)
OPT := $(if $(DEBUG),-O0,-O2)
SLOW_CHECKS := $(if $(SAN)$(DEBUG),-DGBX_CHECK=2)
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE
CFLAGS_ALL = -std=gnu17 -g $(OPT) $(WARN) $(WERROR) $(HARDEN) -fvisibility=hidden -pthread \
	$(SLOW_CHECKS) $(SAN_FLAGS) $(if $(COVERAGE),-fsanitize-coverage=$(COVERAGE)) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now $(SAN_FLAGS) $(LDFLAGS)
LDLIBS_ALL = -lm $(LDLIBS)

# The command shows machine code with Zydis (Debian: libzydis-dev) where that is installed; ZYDIS= builds it
# without. The library never needs it.
ZYDIS ?= $(shell printf '\043include <Zydis/Zydis.h>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo yes)
ZYDIS := $(ZYDIS)

# The command is linked without libraries at run time where libc comes that way too (Debian's libc6-dev has it):
# loading them is a tenth of the time in which a small program starts. STATIC= links it as usual. Zydis comes as
# a shared library alone, so that `glovebox explore` is then a program of its own beside it, glovebox-explore.
STATIC ?= $(if $(SAN)$(COVERAGE),,$(shell printf 'int main(void) { return 0; }' | \
	$(CC) -static-pie -fPIE -o /dev/null -x c - >/dev/null 2>&1 && echo yes))
STATIC := $(STATIC)
BESIDE := $(if $(STATIC),$(if $(ZYDIS),yes))

include blake3.mk

# Flags of one file: CFLAGS_<path with _ for />, each with its reason.
include flags.mk

# One folder a layer; the command is the only one that is not in the library.
LIB_SRC := $(filter-out src/base/mac_$(if $(BLAKE3),none,blake3).c,$(wildcard src/base/*.c src/wasm/*.c src/abi/*.c src/interp/*.c src/codegen/*.c src/codegen/x64/*.c src/runtime/*.c \
	src/wasi/*.c src/explain/*.c src/api/*.c))
DISASM := src/cli/disasm_$(if $(ZYDIS),zydis,none)
CLI_SRC := $(filter-out $(filter-out $(DISASM).c,$(wildcard src/cli/disasm_*.c)),$(wildcard src/cli/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
LIB_OBJ_BUT_CACHE := $(filter-out $(OUT)/src/runtime/cache.o,$(LIB_OBJ))
CLI_OBJ := $(CLI_SRC:%.c=$(OUT)/%.o)
HEADERS := $(wildcard include/gbx/*.h include/gbx/unstable/*.h src/*/*.h)

# Unit tests: test/unit/test_x.c links the library and cmocka, and becomes $(OUT)/test/unit/test_x.
UNIT_SRC := $(wildcard test/unit/test_*.c test/wasi/test_*.c test/api/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(OUT)/%)
TEST_BIN := $(UNIT_BIN) $(OUT)/test/spec/driver

.PHONY: all lib units unity headers tidy quick mutants fuzz fuzz-target races go-std bless install clean
all: $(OUT)/glovebox $(if $(BESIDE),$(OUT)/glovebox-explore)
lib: $(OUT)/libgbx.a
units: $(UNIT_BIN)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS_$(subst /,_,$<)) -MMD -MP -c $< -o $@

# What code that is kept for later processes depends on: the sources, and how they are compiled.
BUILD_ID := $(shell { $(CC) --version; printf '%s\n' '$(CFLAGS_ALL) $(CPPFLAGS)'; \
	cat $(sort $(LIB_SRC) $(wildcard src/*/*.h src/*/*/*.h src/*/*.def src/*/*/*.def include/gbx/*)) flags.mk; } 2>&1 | \
	sha256sum | cut -c 1-64)
CFLAGS_src_runtime_cache.c = -DGBX_BUILD_ID='"$(BUILD_ID)"'
$(OUT)/src/runtime/cache.o: $(LIB_OBJ_BUT_CACHE)

$(OUT)/libgbx.a: $(LIB_OBJ) $(BLAKE3_OBJ)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

$(OUT)/glovebox: $(if $(BESIDE),$(CLI_OBJ:$(OUT)/$(DISASM).o=$(OUT)/src/cli/disasm_none.o),$(CLI_OBJ)) $(OUT)/libgbx.a
	$(CC) $(CFLAGS_ALL) $^ $(if $(STATIC),$(LDFLAGS_ALL:-pie=-static-pie),$(LDFLAGS_ALL)) \
		$(if $(BESIDE),,$(if $(ZYDIS),-lZydis)) $(LDLIBS_ALL) -o $@
$(OUT)/glovebox-explore: $(CLI_OBJ) $(OUT)/libgbx.a
	$(CC) $(CFLAGS_ALL) $^ $(LDFLAGS_ALL) -lZydis $(LDLIBS_ALL) -o $@

# Tests that look at machine code read it with Zydis.
$(OUT)/test/unit/test_codegen_asm $(OUT)/test/unit/test_codegen_golden: LDLIBS += -lZydis

$(OUT)/test/%.o: CPPFLAGS += -Itest
$(TEST_BIN): $(OUT)/test/%: $(OUT)/test/%.o $(OUT)/libgbx.a
	$(CC) $(CFLAGS_ALL) $(filter %.o %.a,$^) $(LDFLAGS_ALL) -lcmocka $(LDLIBS_ALL) -o $@

# libFuzzer's targets: clang, sanitizers and coverage in all of the library but the interpreter, which is
# what the compiler is held against here and takes the time of all else together if it has them.
FUZZ_OUT := build/fuzz
$(FUZZ_OUT)/src/interp/%: SAN_FLAGS :=
$(FUZZ_OUT)/src/interp/%: COVERAGE :=
$(OUT)/test/fuzz/%: test/fuzz/%.c $(OUT)/libgbx.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP $< $(OUT)/libgbx.a $(LDFLAGS_ALL) -fsanitize=fuzzer $(LDLIBS_ALL) -o $@
fuzz-target:
	$(MAKE) CC=clang SAN=address,undefined COVERAGE=inline-8bit-counters,pc-table OUT=$(FUZZ_OUT) $(FUZZ_OUT)/test/fuzz/tiers

fuzz:
	test/fuzz/forever $(FUZZ_ARGS)

# The file is written only when the list of sources changes, and compiled when any of them does.
unity: $(OUT)/all.o
$(OUT)/all.o: $(LIB_SRC) $(CLI_SRC)
	@mkdir -p $(@D)
	@for f in $(LIB_SRC) $(CLI_SRC); do printf '#include "%s"\n' "$(CURDIR)/$$f"; done >$(OUT)/all.c
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS_src_base_mac_blake3.c) -Wno-shadow -MMD -MP -c $(OUT)/all.c -o $@

headers: $(HEADERS:%=$(OUT)/headers/%.ok)
$(OUT)/headers/%.ok: %
	@mkdir -p $(@D)
	@printf '#include "%s"\n' "$(patsubst include/%,%,$(patsubst src/%,%,$<))" | \
		$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Wno-unused-function -MMD -MP -MF $(@:.ok=.d) -MT $@ -x c -fsyntax-only -
	@touch $@

races: $(OUT)/test/wasi/test_races
	$< --swaps 1000000

go-std: $(OUT)/glovebox
	GLOVEBOX=$< test/go-std/run --all --peers --resume $(GO_STD_ARGS)

tidy:
	clang-tidy --quiet $(LIB_SRC) $(CLI_SRC) -- $(CPPFLAGS) -std=gnu17

quick:
	./check quick

mutants:
	python3 tools/mutants.py $(MUTANTS)

bless: $(OUT)/test/unit/test_codegen_golden
	python3 tools/gendocs.py --write
	python3 tools/abi.py --write
	python3 tools/apidocs.py --write
	$< --write

include package.mk

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TEST_BIN:=.d) $(OUT)/all.d $(HEADERS:%=$(OUT)/headers/%.d)
