# The truth about building glovebox. Variants live side by side in build/<variant>:
#   make                  release: build/release/glovebox, libgbx.a
#   make SAN=address,undefined   a sanitizer build in build/san-address-undefined
#   make CC=clang         the same with clang, in build/release-clang
#   make DEBUG=1          -O0 -g, slow assertions

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
DEBUG ?=
WERROR ?= $(if $(CI),-Werror)

VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(DEBUG),debug,release))
comma := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(DEBUG),debug,release))$(if $(filter gcc,$(notdir $(CC))),,-$(notdir $(CC)))
OUT := build/$(VARIANT)

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN := -fstack-protector-strong -fcf-protection=full -fPIE -ftrivial-auto-var-init=zero
OPT := $(if $(DEBUG),-O0 -DGBX_CHECK=2,-O2)
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE
CFLAGS_ALL = -std=gnu17 -g $(OPT) $(WARN) $(WERROR) $(HARDEN) -fvisibility=hidden -pthread \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -DGBX_CHECK=2) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# One folder a layer; the command is the only one that is not in the library.
LIB_SRC := $(wildcard src/base/*.c src/wasm/*.c src/abi/*.c src/interp/*.c src/runtime/*.c \
	src/wasi/*.c src/explain/*.c src/api/*.c)
CLI_SRC := $(wildcard src/cli/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(OUT)/%.o)

# Unit tests: test/unit/test_x.c links the library and cmocka, and becomes $(OUT)/test/test_x.
UNIT_SRC := $(wildcard test/unit/test_*.c test/wasi/test_*.c test/api/test_*.c)
UNIT_BIN := $(patsubst %.c,$(OUT)/%,$(UNIT_SRC))

.PHONY: all lib units clean
all: $(OUT)/glovebox
lib: $(OUT)/libgbx.a
units: $(UNIT_BIN)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS_$(subst /,_,$<)) -MMD -MP -c $< -o $@

$(OUT)/libgbx.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(OUT)/glovebox: $(CLI_OBJ) $(OUT)/libgbx.a
	$(CC) $(CFLAGS_ALL) $^ $(LDFLAGS_ALL) -o $@

$(OUT)/test/%: test/%.c $(OUT)/libgbx.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itest $(CFLAGS_ALL) -MMD -MP $< $(OUT)/libgbx.a $(LDFLAGS_ALL) -lcmocka -o $@

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d)
-include $(UNIT_BIN:=.d)
