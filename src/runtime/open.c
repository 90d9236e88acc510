/* From a file of the host to bytes of our own, and telling what bytes are that are no module.
 *
 * RULE: S1. A file is read once, into memory no other process can change, and never mapped: a guest
 * may hold a grant on the directory of its own module. What is not a module is refused after its
 * first bytes, before the rest is read: the wrong file may be huge, or a device without end. Of a file that
 * holds a module and its code, the module alone is read here; see shipped.c.
 *
 * SAFETY: sizes come from the file system and may be lies (a file that grows, a FIFO, /proc): the buffer
 * grows with what was really read, up to the limit module-bytes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "base/os_file.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

/* What files are by their first bytes. Where two rows fit the first wins. */
typedef struct open_magic {
    const char *bytes;
    u8 len;
    const char *what;
} open_magic;

#define OPEN_MAGIC(bytes, what) {bytes, sizeof(bytes) - 1, what}
static const open_magic open_magics[] = {
        OPEN_MAGIC("\x7f"
                   "ELF",
                   "an ELF file, a native program or library"),
        OPEN_MAGIC("\x1f\x8b", "gzip-compressed data; unpack it first"),
        OPEN_MAGIC("\x28\xb5\x2f\xfd", "zstd-compressed data; unpack it first"),
        OPEN_MAGIC("\xfd"
                   "7zXZ",
                   "xz-compressed data; unpack it first"),
        OPEN_MAGIC("BZh", "bzip2-compressed data; unpack it first"),
        OPEN_MAGIC("PK\x03\x04", "a zip archive; unpack it first"),
        OPEN_MAGIC("!<arch>\n",
                   "a library archive; go build makes one of any package but package main"),
        OPEN_MAGIC("\xcf\xfa\xed\xfe", "a Mach-O file, a native program of macOS"),
        OPEN_MAGIC("\xca\xfe\xba\xbe", "a Mach-O file or a Java class"),
        OPEN_MAGIC("MZ", "a native program of Windows"),
        OPEN_MAGIC("BC\xc0\xde", "LLVM bitcode"),
        OPEN_MAGIC("\x00\x00\x00\x00", "zero bytes; perhaps a download that was never finished"),
        OPEN_MAGIC("version https://git-lfs", "a Git LFS pointer; git lfs pull fetches the file"),
        OPEN_MAGIC("#!", "a script"),
};

/* What text is by its first word, behind white space and comments, in lower case. */
static const open_magic open_words[] = {
        OPEN_MAGIC("<!doctype html", "an HTML page; perhaps a download that got an error page"),
        OPEN_MAGIC("<html", "an HTML page; perhaps a download that got an error page"),
        OPEN_MAGIC("<?xml", "an XML document; perhaps a download that got an error reply"),
        OPEN_MAGIC("(module", "WebAssembly text; wat2wasm makes a module of it"),
        OPEN_MAGIC("(component", "the text of a WebAssembly component"),
        OPEN_MAGIC("(;", "WebAssembly text; wat2wasm makes a module of it"),
        OPEN_MAGIC(";;", "WebAssembly text; wat2wasm makes a module of it"),
        OPEN_MAGIC("package ",
                   "Go source; GOOS=wasip1 GOARCH=wasm go build -o main.wasm . makes a module of it"),
        OPEN_MAGIC("{", "JSON text"),
};

#define OPEN_SNIFF_BYTES ((size_t)512)
#define OPEN_FIRST_BYTES ((size_t)64 << 10) /* read before it is known to be a module */

static bool
open_is_word(const u8 *p, size_t len, const open_magic *word)
{
    if (len < word->len) return false;
    for (size_t i = 0; i < word->len; i++) {
        u8 const lower = p[i] >= 'A' && p[i] <= 'Z' ? (u8)(p[i] + 'a' - 'A') : p[i];
        if (lower != (u8)word->bytes[i]) return false;
    }
    return true;
}

/* Text has no control characters but white space. A cut character at the end is fine: bytes from 0x80
 * on count as text where they stand in UTF-8 or where fewer than four are left. */
static bool
open_is_text(const u8 *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x20 && !strchr("\t\n\f\r", p[i])) return false;
        if (p[i] == 0x7f) return false;
    }
    for (size_t cut = 0; cut < 4 && cut <= len; cut++) {
        if (gbx_base_utf8_check(p, len - cut)) return true;
    }
    return false;
}

static const char *
open_name_text(const u8 *p, size_t len)
{
    size_t const all = len;
    const u8 *const start = p;
    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3, len -= 3;
    while (len && *p && strchr(" \t\n\f\r", *p)) p++, len--;
    for (const open_magic *w = open_words; w < GBX_END(open_words); w++) {
        if (open_is_word(p, len, w)) return w->what;
    }
    return open_is_text(start, all) ? "text" : "data of an unknown kind";
}

static const char *
open_name(const u8 *p, size_t len)
{
    for (const open_magic *m = open_magics; m < GBX_END(open_magics); m++) {
        if (len >= m->len && memcmp(p, m->bytes, m->len) == 0) return m->what;
    }
    return open_name_text(p, len);
}

/* SPEC: core/binary/modules.html#binary-module; a component has layer 1 behind its version. */
gbx_code
gbx_runtime_sniff(const u8 *bytes, size_t len, const char *what, gbx_err *err)
{
    static const u8 magic[4] = {0, 'a', 's', 'm'};
    if (len == 0) {
        return gbx_base_err_set(err, GBX_TRUNCATED, 0, "%s is empty: unexpected end", what);
    }
    if (memcmp(bytes, magic, len < 4 ? len : 4) != 0) {
        return gbx_base_err_set(err, GBX_BAD_MAGIC, 0, "magic header not detected: %s is %s", what,
                                open_name(bytes, min_u64(len, OPEN_SNIFF_BYTES)));
    }
    if (len >= 8 && bytes[6] == 1 && bytes[7] == 0) {
        return gbx_base_err_set(err, GBX_COMPONENT, 4,
                                "%s is a WebAssembly component (preview 2), not a core module", what);
    }
    return GBX_OK;
}

/* What is opened, for whom, and how it is called in messages. */
typedef struct open_from {
    int fd;
    const gbx_engine *engine;
    gbx_trust trust;
    const char *what;
} open_from;

/* Bytes read so far, and room for more. */
typedef struct open_buf {
    u8 *data;
    size_t len, cap;
    size_t heap_bytes; /* of the engine */
    module_pieces *pieces; /* of all bytes, owned; NULL: not begun */
} open_buf;

static gbx_code
open_reserve(open_buf *b, size_t cap, const char *what, gbx_err *err)
{
    if (cap <= b->cap) return GBX_OK;
    u8 *const more = gbx_base_alloc_large(cap, b->heap_bytes);
    if (!more) {
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET,
                                "no memory for the %zu bytes of %s", cap, what);
    }
    if (b->len) memcpy(more, b->data, b->len);
    gbx_base_free(b->data);
    b->data = more;
    b->cap = cap;
    return GBX_OK;
}

/* One read. GBX_OK with *end set at the end of the file. */
static gbx_code
open_fill(int fd, open_buf *b, const char *what, bool *end, gbx_err *err)
{
    if (b->len == b->cap) GBX_TRY(open_reserve(b, b->cap * 2, what, err));
    ssize_t n;
    do n = read(fd, b->data + b->len, b->cap - b->len);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot read %s: %s", what,
                                strerror(errno));
    }
    b->len += (size_t)n;
    *end = n == 0;
    return GBX_OK;
}

static gbx_code
open_check_size(u64 bytes, const char *what, gbx_err *err)
{
    if (bytes <= WASM_MAX_MODULE_BYTES) return GBX_OK;
    return gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET, "%s: %s", what, WASM_WHY_MODULE_BYTES);
}

/* Refuse what cannot be read at all; *size_out: what the file says it has, 0 where it does not say. */
static gbx_code
open_stat(int fd, const char *what, u64 *size_out, gbx_err *err)
{
    struct stat st;
    *size_out = 0;
    if (fstat(fd, &st) != 0) {
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot examine %s: %s", what,
                                strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "%s is a directory, not a module", what);
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0) *size_out = (u64)st.st_size;
    return GBX_OK;
}

/* Behind what was read: at the most up to `want` bytes are needed, or the end comes before. */
static gbx_code
open_fill_to(int fd, open_buf *b, u64 want, const char *what, bool *end, gbx_err *err)
{
    GBX_TRY(open_reserve(b, (size_t)want + WASM_PAD_BYTES, what, err));
    while (!*end && b->len < want) GBX_TRY(open_fill(fd, b, what, end, err));
    return GBX_OK;
}

/* What a regular file of that size has, by several threads. False: it proves to have more or less, and is to
 * be read from where the first bytes end. */
static bool
open_read_pieces(const gbx_engine *e, int fd, open_buf *b, u64 size)
{
    u8 more;
    const cache_dir *const d = gbx_runtime_keep_tagger(e);
    module_pieces *const p = gbx_runtime_pieces_begin(e, d, fd, b->data, b->len, (size_t)size);
    bool const ok = p && gbx_runtime_pieces_read(p);
    if (ok && lseek(fd, (off_t)size, SEEK_SET) == (off_t)size && read(fd, &more, 1) == 0) {
        b->pieces = p;
        b->len = (size_t)size;
        return true;
    }
    gbx_runtime_pieces_end(p);
    (void)lseek(fd, (off_t)b->len, SEEK_SET);
    return false;
}

/* The code behind the module, in memory of its own. */
static gbx_code
open_keep_code(const u8 *code, size_t len, shipped *s, const char *what, gbx_err *err)
{
    s->part.data = gbx_base_alloc_large(max_u64(len, 1), 0);
    if (!s->part.data) {
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the code of %s", what);
    }
    if (len) memcpy(s->part.data, code, len);
    return GBX_OK;
}

/* Where the file cannot be read twice, the code is read with the module. */
static gbx_code
open_shipped(const open_from *from, u64 size, open_buf *b, bool end, shipped *s, gbx_err *err)
{
    const char *const what = from->what;
    int const fd = from->fd;
    GBX_TRY(gbx_runtime_shipped_begin(s, from->engine, from->trust, b->data, b->len,
                                      size ? size : SHIPPED_UNKNOWN_LEN, what, err));
    bool const takes_all = !size && !*s->why_not;
    u64 const whole = s->module_len + s->part.len;
    b->len -= SHIPPED_HEAD_BYTES;
    memmove(b->data, b->data + SHIPPED_HEAD_BYTES, b->len);
    GBX_TRY(open_fill_to(fd, b, takes_all ? whole + 1 : s->module_len, what, &end, err));
    if (b->len < (takes_all ? whole : s->module_len)) {
        return gbx_base_err_set(err, GBX_TRUNCATED, GBX_NO_OFFSET,
                                "%s is a compiled file that was cut: unexpected end", what);
    }
    if (takes_all && b->len > whole) {
        return gbx_base_err_set(err, GBX_MALFORMED, GBX_NO_OFFSET,
                                "%s is a compiled file with more behind its end", what);
    }
    if (!*s->why_not && size) s->part.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (!*s->why_not && s->part.fd < 0) {
        if (size) s->why_not = "its code cannot be read: no descriptor is left";
        else GBX_TRY(open_keep_code(b->data + s->module_len, (size_t)s->part.len, s, what, err));
    }
    b->len = (size_t)s->module_len;
    return GBX_OK;
}

static gbx_code
open_read_all(const open_from *from, open_buf *b, shipped *s, gbx_err *err)
{
    const char *const what = from->what;
    int const fd = from->fd;
    u64 size;
    bool end = false;
    GBX_TRY(open_stat(fd, what, &size, err));
    GBX_TRY(open_reserve(b, OPEN_FIRST_BYTES, what, err));
    while (!end && b->len < OPEN_SNIFF_BYTES) GBX_TRY(open_fill(fd, b, what, &end, err));
    if (gbx_runtime_shipped_is(b->data, b->len)) return open_shipped(from, size, b, end, s, err);
    GBX_TRY(gbx_runtime_sniff(b->data, b->len, what, err));
    GBX_TRY(open_check_size(size, what, err));
    /* More than the size, so that the end is seen without growing. */
    GBX_TRY(open_reserve(b, size + WASM_PAD_BYTES, what, err));
    if (!end && size > b->len) end = open_read_pieces(from->engine, fd, b, size);
    while (!end) {
        GBX_TRY(open_fill(fd, b, what, &end, err));
        GBX_TRY(open_check_size(b->len, what, err));
    }
    return GBX_OK;
}

/* Room behind for what a module needs, and little more. */
static gbx_code
open_fit(open_buf *b, const char *what, gbx_err *err)
{
    size_t const want = b->len + WASM_PAD_BYTES;
    if (b->pieces || (b->cap >= want && b->cap - want <= want / 8)) return GBX_OK;
    u8 *const fit = gbx_base_realloc(b->data, want, 1);
    if (!fit) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for %s", what);
    b->data = fit;
    b->cap = want;
    return GBX_OK;
}

void
gbx_runtime_open_show(const char *path, char *what, size_t cap)
{
    text_buf t = gbx_base_text_init(what, cap);
    gbx_base_text_printf(&t, "\"");
    gbx_base_text_escape(&t, path, strlen(path), 400);
    gbx_base_text_printf(&t, "\"");
}

/* The bytes of the module, from gbx_base_alloc, and what is known of code that comes with it. */
static gbx_code
open_path(const gbx_engine *e, const char *path, gbx_trust trust, const char *what, open_buf *b, shipped *s,
          gbx_err *err)
{
    *s = (shipped){.part = {.fd = -1}};
    int const fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        gbx_code const code = errno == ENOENT || errno == ENOTDIR ? GBX_NOT_FOUND : GBX_IO;
        return gbx_base_err_set(err, code, GBX_NO_OFFSET, "cannot open %s: %s", what,
                                strerror(errno));
    }
    open_from const from = {fd, e, trust, what};
    gbx_code code = open_read_all(&from, b, s, err);
    if (code == GBX_OK) code = open_fit(b, what, err);
    (void)close(fd);
    if (code == GBX_OK) return GBX_OK;
    gbx_runtime_shipped_end(s);
    gbx_base_free(b->data);
    return code;
}

gbx_code
gbx_runtime_module_open(gbx_engine *e, const char *path, gbx_trust trust, gbx_module **out, gbx_err *err)
{
    char what[512];
    open_buf b = {.heap_bytes = e->heap_bytes};
    shipped s;
    *out = NULL;
    gbx_runtime_open_show(path, what, sizeof what);
    u64 const begun_ns = gbx_base_os_now_ns();
    GBX_TRY(open_path(e, path, trust, what, &b, &s, err));
    s.read_ns = gbx_base_os_now_ns() - begun_ns;
    gbx_code const code = gbx_runtime_module_new(e, b.data, b.len, b.pieces, &s, out, err);
    return code == GBX_OK ? GBX_OK : gbx_base_err_add(err, code, "while loading %s", what);
}

/* The same from bytes of the caller's. */
static gbx_code
open_copy(const gbx_engine *e, const u8 *bytes, size_t len, gbx_trust trust, open_buf *b, shipped *s,
          gbx_err *err)
{
    static const char what[] = "the module";
    *s = (shipped){.part = {.fd = -1}};
    if (gbx_runtime_shipped_is(bytes, len)) {
        GBX_TRY(gbx_runtime_shipped_begin(s, e, trust, bytes, len, len, what, err));
        bytes += SHIPPED_HEAD_BYTES;
        len = (size_t)s->module_len;
        if (!*s->why_not) GBX_TRY(open_keep_code(bytes + len, (size_t)s->part.len, s, what, err));
    }
    gbx_code code = open_check_size(len, what, err);
    if (code == GBX_OK) code = open_reserve(b, len + WASM_PAD_BYTES, what, err);
    if (code != GBX_OK) {
        gbx_runtime_shipped_end(s);
        return code;
    }
    if (len) memcpy(b->data, bytes, len);
    b->len = len;
    return GBX_OK;
}

gbx_code
gbx_runtime_module_copy(gbx_engine *e, const u8 *bytes, size_t len, gbx_trust trust, gbx_module **out,
                        gbx_err *err)
{
    open_buf b = {.heap_bytes = e->heap_bytes};
    shipped s;
    *out = NULL;
    GBX_TRY(open_copy(e, bytes, len, trust, &b, &s, err));
    return gbx_runtime_module_new(e, b.data, b.len, NULL, &s, out, err);
}

/* What was read becomes a module's bytes and no more. */
static gbx_code
open_module_alone(const gbx_engine *e, open_buf *b, shipped *s, u8 **bytes, size_t *len, gbx_err *err)
{
    gbx_code code = s->is_one ? gbx_runtime_shipped_check_module(s, e, b->data, b->len, err) : GBX_OK;
    gbx_runtime_shipped_end(s);
    gbx_runtime_pieces_end(b->pieces);
    if (code != GBX_OK) gbx_base_free(b->data);
    *bytes = code == GBX_OK ? b->data : NULL;
    *len = b->len;
    return code;
}

gbx_code
gbx_runtime_open_bytes(gbx_engine *e, const char *path, u8 **bytes, size_t *len, gbx_err *err)
{
    char what[512];
    open_buf b = {.heap_bytes = e->heap_bytes};
    shipped s;
    gbx_runtime_open_show(path, what, sizeof what);
    GBX_TRY(open_path(e, path, GBX_TRUST_NOTHING, what, &b, &s, err));
    return open_module_alone(e, &b, &s, bytes, len, err);
}

gbx_code
gbx_runtime_copy_bytes(gbx_engine *e, const u8 *from, size_t from_len, u8 **bytes, size_t *len, gbx_err *err)
{
    open_buf b = {.heap_bytes = e->heap_bytes};
    shipped s;
    GBX_TRY(open_copy(e, from, from_len, GBX_TRUST_NOTHING, &b, &s, err));
    return open_module_alone(e, &b, &s, bytes, len, err);
}
