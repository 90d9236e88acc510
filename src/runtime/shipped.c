/* A module with its code in one file, to be given away: what such a file looks like, whose code is run, and
 * making one.
 *
 *     head      magic, sizes, what made it, tags of both parts, the tag by the maker's key, the head's own
 *     module    its bytes, as they were
 *     code      a file of the code cache, see cache_file.c, made with the key that everybody has
 *
 * RULE: S2. Machine code runs outside of the sandbox. It is taken from a file only if the head carries a tag
 * made with the key of this engine's cache directory, or if the host says that it trusts whoever made the
 * file. Tags with nobody's key tell damage, and bind the parts to the head: each names exactly one content,
 * so that who signs the head signs all of it. What is compared is our own copy: the head is read once, the
 * module once, chunks of code when they are first needed.
 *
 * Code for another build, processor or options is not used; the module then runs like any other. So does one
 * whose code was changed, since its own tag tells that its bytes were not.
 *
 * SAFETY: of the head, only its magic is looked at before its tag is compared; sizes are held against limits
 * and the file before memory is taken. Without trust nothing behind the module is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define SHIPPED_MAGIC "gbxship1"

typedef struct shipped_head {
    char magic[8];
    u64 module_len, code_len;
    cache_maker maker;
    mac_tag module; /* of its bytes */
    mac_tag code;   /* of head and index of that part, which hold the tags of the rest */
    mac_tag user;   /* of all above, by the maker's key; zeros where it had none */
    mac_tag sum;    /* of all above, by nobody's */
} shipped_head;
_Static_assert(sizeof(shipped_head) == 24 + sizeof(cache_maker) + 4 * 32, "no padding");
_Static_assert(sizeof(cache_maker) == 32 + 16, "no padding");
_Static_assert(sizeof(shipped_head) == SHIPPED_HEAD_BYTES, "as open.c knows it");

static const char shipped_domain_module[8] = "gbxmodu1", shipped_domain_user[8] = "gbxuser1",
                  shipped_domain_sum[8] = "gbxssum1";

static mac_tag
shipped_tag(const cache_dir *d, const char domain[8], const void *bytes, size_t len)
{
    mac_tag tag;
    mac_part const parts[] = {{domain, 8}, {bytes, len}};
    gbx_base_mac(&d->key, parts, GBX_LEN(parts), &tag);
    return tag;
}

static gbx_code
shipped_no_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a compiled file");
}

/* ---- Opening */

bool
gbx_runtime_shipped_is(const u8 *bytes, size_t len)
{
    return len >= sizeof SHIPPED_MAGIC - 1 && memcmp(bytes, SHIPPED_MAGIC, sizeof SHIPPED_MAGIC - 1) == 0;
}

static gbx_code
shipped_damaged(const char *what, const char *why, gbx_err *err)
{
    return gbx_base_err_set(err, GBX_MALFORMED, GBX_NO_OFFSET, "%s is a compiled file that was damaged: %s",
                            what, why);
}

static gbx_code
shipped_short(const char *what, gbx_err *err)
{
    return gbx_base_err_set(err, GBX_TRUNCATED, GBX_NO_OFFSET,
                            "%s is a compiled file that was cut: unexpected end", what);
}

static gbx_code
shipped_check(const shipped_head *h, u64 file_len, const char *what, gbx_err *err)
{
    mac_tag const sum =
            shipped_tag(&gbx_runtime_cache_nobodys, shipped_domain_sum, h, offsetof(shipped_head, sum));
    if (!gbx_base_mac_equal(&sum, &h->sum))
        return shipped_damaged(what, "its head is not what was written", err);
    if (h->module_len > WASM_MAX_MODULE_BYTES || h->code_len > SIZE_MAX / 4)
        return gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET, "%s: %s", what, WASM_WHY_MODULE_BYTES);
    u64 const whole = sizeof *h + h->module_len + h->code_len;
    if (file_len != SHIPPED_UNKNOWN_LEN && file_len < whole) return shipped_short(what, err);
    if (file_len != SHIPPED_UNKNOWN_LEN && file_len > whole)
        return shipped_damaged(what, "there is more behind its end", err);
    return GBX_OK;
}

/* Why code for that maker is not for us; "": it is. */
static const char *
shipped_why_not(const gbx_engine *e, const cache_maker *made)
{
    cache_maker const ours = gbx_runtime_cache_maker(e->features_off, e->compiler.tune);
    if (!gbx_base_mac_equal(&ours.build, &made->build))
        return "its code was made by another build of glovebox";
    if (ours.terms.cpu != made->terms.cpu) return "its code was made for another processor";
    if (ours.terms.tune != made->terms.tune || ours.terms.features_off != made->terms.features_off)
        return "its code was made with other options";
    return "";
}

static gbx_code
shipped_refuse(const gbx_engine *e, const char *what, gbx_err *err)
{
    static const char *const says = "%s holds machine code, which runs outside of the sandbox, and %s%s";
    const char *const why = e->cache.why ? e->cache.why : "it is off";
    if (e->cache.is_open)
        return gbx_base_err_set(err, GBX_UNTRUSTED, GBX_NO_OFFSET, says, what,
                                "was not made with the key of this cache directory", "");
    return gbx_base_err_set(err, GBX_UNTRUSTED, GBX_NO_OFFSET, says, what,
                            "without a cache directory there is no key to tell by who made it: ", why);
}

gbx_code
gbx_runtime_shipped_begin(shipped *s, const gbx_engine *e, gbx_trust trust, const u8 *bytes, size_t len,
                          u64 file_len, const char *what, gbx_err *err)
{
    shipped_head h;
    *s = (shipped){.part = {.fd = -1}};
    if (!gbx_base_mac_works()) {
        return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET,
                                "%s is a compiled file, and this build has no MAC (BLAKE3) to check it with",
                                what);
    }
    if (len < sizeof h) return shipped_short(what, err);
    memcpy(&h, bytes, sizeof h);
    GBX_TRY(shipped_check(&h, file_len, what, err));
    bool is_ours = false;
    if (e->cache.is_open) {
        mac_tag const user = shipped_tag(&e->cache, shipped_domain_user, &h, offsetof(shipped_head, user));
        is_ours = gbx_base_mac_equal(&user, &h.user);
    }
    if (!is_ours && trust == GBX_TRUST_KEY) return shipped_refuse(e, what, err);
    *s = (shipped){.is_one = true,
                   .module_len = h.module_len,
                   .module = h.module,
                   .code = h.code,
                   .why_not = trust == GBX_TRUST_NOTHING ? "its code was not asked for"
                                                         : shipped_why_not(e, &h.maker),
                   .part = {.fd = -1, .base = sizeof h + h.module_len, .len = h.code_len}};
    return GBX_OK;
}

/* Over the tags of its pieces, which several threads make. */
static gbx_code
shipped_module_tag(const gbx_engine *e, u8 *bytes, size_t len, mac_tag *out, gbx_err *err)
{
    const cache_dir *const d = &gbx_runtime_cache_nobodys;
    module_pieces *const p = gbx_runtime_pieces_begin(e, d, -1, bytes, 0, len);
    const mac_tag *const tags = p ? gbx_runtime_pieces_tags(p) : NULL;
    bool const ok = tags != NULL;
    if (ok) *out = shipped_tag(d, shipped_domain_module, tags, gbx_runtime_pieces_count(len) * sizeof *tags);
    gbx_runtime_pieces_end(p);
    return ok ? GBX_OK : shipped_no_memory(err);
}

gbx_code
gbx_runtime_shipped_check_module(const shipped *s, const gbx_engine *e, u8 *bytes, size_t len, gbx_err *err)
{
    mac_tag tag;
    GBX_TRY(shipped_module_tag(e, bytes, len, &tag, err));
    if (gbx_base_mac_equal(&tag, &s->module)) return GBX_OK;
    return shipped_damaged("the file", "its module is not what was written", err);
}

void
gbx_runtime_shipped_end(shipped *s)
{
    if (s->part.fd >= 0) (void)close(s->part.fd);
    gbx_base_free(s->part.data);
    *s = (shipped){.part = {.fd = -1}};
}

/* ---- Making */

typedef struct shipped_parts {
    shipped_head head;
    u8 *module; /* owned */
    size_t module_len;
    u8 *front; /* owned: what stands before the draft's data */
    size_t front_len;
    cache_draft draft;
    u32 funcs, compiled;
} shipped_parts;

/* The module made from a copy of p->module, all of it compiled, and all that is known of it. */
static gbx_code
shipped_compile(gbx_engine *e, shipped_parts *p, const gbx_precompile_opts *opts, gbx_err *err)
{
    shipped making = {.is_one = true, .is_making = true, .part = {.fd = -1}};
    gbx_module *m = NULL;
    GBX_TRY(shipped_module_tag(e, p->module, p->module_len, &making.module, err));
    u8 *const copy = gbx_base_alloc_large(p->module_len + WASM_PAD_BYTES, 0);
    if (!copy) return shipped_no_memory(err);
    memcpy(copy, p->module, p->module_len);
    p->head.module = making.module;
    GBX_TRY(gbx_runtime_module_new(e, copy, p->module_len, NULL, &making, &m, err));
    gbx_code code = gbx_runtime_whole_compile(m, opts->progress, opts->progress_data, err);
    if (code == GBX_OK) {
        p->front = gbx_runtime_cache_ship(&m->code.cache, m, &p->draft, &p->front_len, &p->head.code);
        p->funcs = m->wasm->func_count - m->wasm->imported_funcs;
        p->compiled = m->code.figures.compiled;
        if (!p->front || p->draft.record_count != p->compiled) code = shipped_no_memory(err);
    }
    gbx_runtime_module_release(m);
    return code;
}

static void
shipped_sign(const gbx_engine *e, shipped_parts *p)
{
    shipped_head *const h = &p->head;
    memcpy(h->magic, SHIPPED_MAGIC, sizeof h->magic);
    h->module_len = p->module_len;
    h->code_len = p->front_len + p->draft.len;
    h->maker = gbx_runtime_cache_maker(e->features_off, e->compiler.tune);
    if (e->cache.is_open)
        h->user = shipped_tag(&e->cache, shipped_domain_user, h, offsetof(shipped_head, user));
    h->sum = shipped_tag(&gbx_runtime_cache_nobodys, shipped_domain_sum, h, offsetof(shipped_head, sum));
}

static void
shipped_parts_free(shipped_parts *p)
{
    gbx_base_free(p->module);
    gbx_base_free(p->front);
    gbx_runtime_cache_draft_free(&p->draft);
}

/* All parts of the file, of p->module. */
static gbx_code
shipped_make(gbx_engine *e, shipped_parts *p, const gbx_precompile_opts *opts, gbx_err *err)
{
    if (!gbx_base_mac_works()) {
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "this build has no MAC (BLAKE3), and compiles no files without one");
    }
    GBX_TRY(shipped_compile(e, p, opts, err));
    shipped_sign(e, p);
    if (opts->info) {
        *opts->info = (gbx_precompile_info){
                .funcs = p->funcs,
                .compiled = p->compiled,
                .bytes = sizeof p->head + p->module_len + p->front_len + p->draft.len,
                .has_key = e->cache.is_open,
        };
    }
    return GBX_OK;
}

#define SHIPPED_PARTS(p) \
    {{&(p)->head, sizeof(p)->head}, {(p)->module, (p)->module_len}, {(p)->front, (p)->front_len}, \
     {(p)->draft.data, (p)->draft.len}}

gbx_code
gbx_runtime_precompile(gbx_engine *e, const u8 *bytes, size_t len, const gbx_precompile_opts *opts,
                       gbx_write_fn write, void *data, gbx_err *err)
{
    shipped_parts p = {0};
    GBX_TRY(gbx_runtime_copy_bytes(e, bytes, len, &p.module, &p.module_len, err));
    gbx_code code = shipped_make(e, &p, opts, err);
    mac_part const parts[] = SHIPPED_PARTS(&p);
    for (size_t i = 0; code == GBX_OK && i < GBX_LEN(parts); i++)
        if (parts[i].len && !write(data, parts[i].data, parts[i].len))
            code = gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "the compiled file could not be written");
    shipped_parts_free(&p);
    return code;
}

/* ---- Into a file */

/* Into the directory of `path` under a name of its own, then renamed: nobody ever sees half of it. */
static bool
shipped_replace(const char *path, const mac_part *parts, u32 count)
{
    char temporary[CACHE_NAME_BYTES];
    const char *const slash = strrchr(path, '/');
    const char *const name = slash ? slash + 1 : path;
    size_t const dir_len = slash ? (size_t)(slash - path) + 1 : 2;
    char *const dir = gbx_base_alloc(dir_len + 1, 1);
    if (!dir) return false;
    memcpy(dir, slash ? path : "./", dir_len);
    dir[dir_len] = 0;
    int const dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    gbx_base_free(dir);
    if (dir_fd < 0) return false;
    bool ok = gbx_runtime_cache_dir_put(dir_fd, 0666, parts, count, temporary);
    if (ok && renameat(dir_fd, temporary, dir_fd, name) != 0) {
        int const why = errno;
        (void)unlinkat(dir_fd, temporary, 0);
        errno = why;
        ok = false;
    }
    int const why = errno;
    (void)close(dir_fd);
    errno = why;
    return ok;
}

/* A pipe, a device: as it comes. */
static bool
shipped_pour(const char *path, const mac_part *parts, u32 count)
{
    os_quiet quiet;
    int const fd = gbx_base_os_fd_above_stdio(open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY));
    bool ok = fd >= 0;
    if (!ok) return false;
    gbx_base_os_quiet_begin(&quiet);
    for (u32 i = 0; ok && i < count; i++) ok = gbx_base_os_write_all(fd, parts[i].data, parts[i].len);
    gbx_base_os_quiet_end(&quiet);
    return (close(fd) == 0) & ok;
}

gbx_code
gbx_runtime_precompile_file(gbx_engine *e, const char *path, const char *to, const gbx_precompile_opts *opts,
                            gbx_err *err)
{
    char what[512];
    struct stat st;
    shipped_parts p = {0};
    GBX_TRY(gbx_runtime_open_bytes(e, path, &p.module, &p.module_len, err));
    gbx_code code = shipped_make(e, &p, opts, err);
    if (code == GBX_OK) {
        mac_part const parts[] = SHIPPED_PARTS(&p);
        bool const is_file = stat(to, &st) != 0 || S_ISREG(st.st_mode);
        errno = 0;
        if (!(is_file ? shipped_replace : shipped_pour)(to, parts, GBX_LEN(parts))) {
            int const why = errno;
            gbx_runtime_open_show(to, what, sizeof what);
            code = gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot write %s: %s", what,
                                    why ? strerror(why) : "the system took only a part of it");
        }
    }
    shipped_parts_free(&p);
    return code;
}
