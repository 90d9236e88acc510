/* Listings of a seeded context: all names of a directory, sorted, as they were when the listing began.
 *
 * A cookie is the place of the next entry. 0 reads the directory anew; so does any other where there is no
 * listing yet. SAFETY: cookies are the guest's: they are compared with the count of entries. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"

typedef struct sorted_name {
    char *text;
    u8 type;
} sorted_name;

struct wasi_sorted {
    sorted_name *names;
    u32 count, cap;
};

void
gbx_wasi_sorted_free(wasi_sorted *s)
{
    if (!s) return;
    for (u32 i = 0; i < s->count; i++) gbx_base_free(s->names[i].text);
    gbx_base_free(s->names);
    gbx_base_free(s);
}

static int
sorted_compare(const void *a, const void *b)
{
    return strcmp(((const sorted_name *)a)->text, ((const sorted_name *)b)->text);
}

static wasi_errno
sorted_add(wasi_ctx *w, wasi_sorted *s, const char *name, u8 type)
{
    if (s->count == WASI_MAX_DIR_ENTRIES) {
        gbx_wasi_met(w, WASI_MET_DIR_ENTRIES);
        return WASI_NOMEM;
    }
    if (s->count == s->cap) {
        u32 const cap = s->cap ? 2 * s->cap : 64;
        sorted_name *const grown = gbx_base_realloc(s->names, cap, sizeof *grown);
        if (!grown) return WASI_NOMEM;
        s->names = grown;
        s->cap = cap;
    }
    size_t const bytes = strlen(name) + 1;
    char *const text = gbx_base_alloc(bytes, 1);
    if (!text) return WASI_NOMEM;
    memcpy(text, name, bytes);
    s->names[s->count++] = (sorted_name){text, type};
    return WASI_OK;
}

static wasi_errno
sorted_read_all(wasi_ctx *w, const wasi_file *f, wasi_sorted *s)
{
    _Alignas(8) u8 buf[4096];
    if (lseek(f->host, 0, SEEK_SET) < 0) return gbx_wasi_errno_of(errno);
    for (;;) {
        i64 const n = gbx_base_os_getdents(f->host, buf, sizeof buf);
        if (n < 0) return gbx_wasi_errno_of(errno);
        if (n == 0) break;
        for (i64 at = 0; at < n;) {
            u16 bytes;
            wasi_entry const e = gbx_wasi_dir_entry(f, buf + at, &bytes);
            WASI_TRY(sorted_add(w, s, e.name, e.type));
            at += bytes;
        }
    }
    if (s->count) qsort(s->names, s->count, sizeof *s->names, sorted_compare);
    return WASI_OK;
}

static wasi_errno
sorted_begin(wasi_ctx *w, wasi_file *f)
{
    gbx_wasi_sorted_free(f->sorted);
    f->sorted = NULL;
    wasi_sorted *const s = gbx_base_alloc_zero(1, sizeof *s);
    if (!s) return WASI_NOMEM;
    wasi_errno const e = sorted_read_all(w, f, s);
    if (e) gbx_wasi_sorted_free(s);
    else f->sorted = s;
    return e;
}

/* As gbx_wasi_dir_read. */
wasi_errno
gbx_wasi_sorted_read(wasi_ctx *w, wasi_file *f, u64 cookie, u8 *buf, u32 len, u32 *used)
{
    *used = 0;
    if (!cookie || !f->sorted) WASI_TRY(sorted_begin(w, f));
    const wasi_sorted *const s = f->sorted;
    for (u64 i = cookie; i < s->count && *used < len; i++) {
        const sorted_name *const n = &s->names[i];
        wasi_entry e = {.name = n->text, .next = i + 1, .type = n->type};
        if (strcmp(n->text, "..") != 0) WASI_TRY(gbx_wasi_seeded_ino(w, f->host, n->text, &e.ino));
        (void)gbx_wasi_dir_put(&e, buf, len, used);
    }
    return WASI_OK;
}
