# What is installed, and libgbx.so. The objects of libgbx.a serve both: they are position-independent.
#
#   make shared     $(OUT)/libgbx.so.0
#   make man        $(OUT)/man: pages made from the headers and the tables of the command; needs python3
#   make install    PREFIX=/usr/local, LIBDIR=$(PREFIX)/lib, MANDIR=$(PREFIX)/share/man, DOCDIR=$(PREFIX)/share/doc/glovebox, DESTDIR=
#   make uninstall  with the same words
#
# The shared library exports what src/api/libgbx.map lists and nothing else. It is never unloaded (nodelete):
# the signal handlers of the process lead into it.

LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/glovebox

GBX_VERSION := $(shell sed -n 's/^.define GBX_VERSION "\(.*\)"/\1/p' include/gbx/base.h)
GBX_MAJOR := $(firstword $(subst ., ,$(GBX_VERSION)))
SONAME := libgbx.so.$(GBX_MAJOR)
SHARED := $(OUT)/$(SONAME)
SYMBOLS := src/api/libgbx.map
PYTHON := $(shell command -v python3)

.PHONY: shared man uninstall
shared: $(SHARED)

# A function that is marked GBX_API and has no version would be hidden without a word: nm lists what is marked.
# Assembler sources know no visibility; gbx_blake3_ is theirs.
$(SHARED): $(OUT)/libgbx.a $(SYMBOLS)
	$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(SYMBOLS) \
		-Wl,--no-undefined-version -Wl,-Bsymbolic-functions -Wl,-z,defs -Wl,-z,nodelete \
		-Wl,-z,noexecstack $(LDFLAGS_ALL:-pie=) \
		-Wl,--whole-archive $(OUT)/libgbx.a -Wl,--no-whole-archive $(LDLIBS_ALL) -o $@.new
	@readelf -sW $(OUT)/libgbx.a | awk '$$5 == "GLOBAL" && $$6 == "DEFAULT" && $$7 != "UND" && $$8 !~ /^gbx_blake3_/ \
		{ print $$8 }' | LC_ALL=C sort -u >$@.marked
	@nm -D --defined-only $@.new | awk '$$2 != "A" { sub(/@.*/, "", $$3); print $$3 }' | LC_ALL=C sort -u >$@.exported
	@LC_ALL=C comm -23 $@.marked $@.exported | sed 's/.*/error: & is GBX_API and has no version in src\/api\/libgbx.map; run: make bless/' >&2
	@cmp -s $@.marked $@.exported
	mv $@.new $@

man: $(if $(PYTHON),$(OUT)/man/man1/glovebox.1)
$(OUT)/man/man1/glovebox.1: tools/apidocs.py tools/headers.py tools/gendocs.py $(wildcard include/gbx/* src/cli/*.def)
	$(PYTHON) tools/apidocs.py --man $(OUT)/man

# Paths in what is installed are as they will be on the machine that has it: DESTDIR is in none.
FILL = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(GBX_VERSION)|g' -e 's|@SONAME@|$(SONAME)|g'

install: all lib shared man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/gbx \
		$(DESTDIR)$(PREFIX)/include/gbx/unstable
	install -m 755 $(OUT)/glovebox $(if $(BESIDE),$(OUT)/glovebox-explore) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(OUT)/libgbx.a $(DESTDIR)$(LIBDIR)/libgbx.a
	install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)/libgbx.so.$(GBX_VERSION)
	ln -sf libgbx.so.$(GBX_VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libgbx.so
	install -m 644 include/gbx/*.h include/gbx/*.def $(DESTDIR)$(PREFIX)/include/gbx
	install -m 644 include/gbx/unstable/*.h $(DESTDIR)$(PREFIX)/include/gbx/unstable
	$(FILL) tools/package/gbx.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/gbx.pc
	$(FILL) tools/package/gbx-static.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/gbx-static.pc
	$(FILL) tools/package/gbxConfig.cmake.in >$(DESTDIR)$(LIBDIR)/cmake/gbx/gbxConfig.cmake
	$(FILL) tools/package/gbxConfigVersion.cmake.in >$(DESTDIR)$(LIBDIR)/cmake/gbx/gbxConfigVersion.cmake
	install -d $(DESTDIR)$(DOCDIR)
	tar -cf - --exclude '*.wasm' docs examples README.md ARCHITECTURE.md RATIONALE.md SECURITY.md CHANGELOG.md | \
		tar -xf - -C $(DESTDIR)$(DOCDIR) --no-same-owner
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(OUT)/glovebox completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/glovebox
	$(OUT)/glovebox completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_glovebox
	$(OUT)/glovebox completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/glovebox.fish
ifneq ($(PYTHON),)
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(OUT)/man/man1/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(OUT)/man/man3/*.3 $(DESTDIR)$(MANDIR)/man3
endif
	@echo "installed: $(PREFIX)/bin/glovebox; for the Go tool, once: glovebox go install"

# What install makes and nothing else: directories that others use stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/glovebox $(DESTDIR)$(PREFIX)/bin/glovebox-explore
	rm -f $(DESTDIR)$(LIBDIR)/libgbx.a $(DESTDIR)$(LIBDIR)/libgbx.so $(DESTDIR)$(LIBDIR)/$(SONAME) \
		$(DESTDIR)$(LIBDIR)/libgbx.so.$(GBX_VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/gbx.pc \
		$(DESTDIR)$(LIBDIR)/pkgconfig/gbx-static.pc
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/glovebox \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_glovebox \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/glovebox.fish
	rm -f $(DESTDIR)$(MANDIR)/man1/glovebox.1 $(DESTDIR)$(MANDIR)/man3/gbx.3 $(DESTDIR)$(MANDIR)/man3/gbx_*.3
	rm -rf $(DESTDIR)$(LIBDIR)/cmake/gbx $(DESTDIR)$(PREFIX)/include/gbx $(DESTDIR)$(DOCDIR)
