# BLAKE3's own C sources, for the MAC of the code cache (src/base/mac.h): BLAKE3=DIR, or where tools/setup.sh
# unpacks Debian's librust-blake3-dev, or where that package installs them. BLAKE3= builds without, and then
# there is no cache. Compiled into the library under names of its own, so that it needs nothing at run time and
# stands in the way of no other copy.

BLAKE3 ?= $(lastword $(sort $(wildcard build/blake3/usr/share/cargo/registry/blake3-*/c)) \
	$(sort $(wildcard /usr/share/cargo/registry/blake3-*/c)))
BLAKE3 := $(BLAKE3)

BLAKE3_PARTS := blake3.c blake3_dispatch.c blake3_portable.c $(if $(filter x86_64-%,$(MACHINE)),$(addprefix \
	blake3_,sse2_x86-64_unix.S sse41_x86-64_unix.S avx2_x86-64_unix.S avx512_x86-64_unix.S))
BLAKE3_OBJ := $(if $(BLAKE3),$(BLAKE3_PARTS:%=$(OUT)/blake3/%.o))

BLAKE3_WAYS := portable sse2 sse41 avx2 avx512
BLAKE3_NAMES := version compress_in_place compress_xof hash_many simd_degree $(foreach w,$(BLAKE3_WAYS), \
	compress_in_place_$w compress_xof_$w hash_many_$w) $(addprefix hasher_,init init_keyed init_derive_key \
	init_derive_key_raw update finalize finalize_seek reset)
BLAKE3_FLAGS := -I$(BLAKE3) $(foreach n,$(BLAKE3_NAMES),-Dblake3_$n=gbx_blake3_$n -D_blake3_$n=gbx_blake3_alias_$n)

$(OUT)/blake3/%.o: $(BLAKE3)/%
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -g $(OPT) $(HARDEN) -fvisibility=hidden $(BLAKE3_FLAGS) -c $< -o $@

CFLAGS_src_base_mac_blake3.c = $(BLAKE3_FLAGS)
