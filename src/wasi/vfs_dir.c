/* Listing directories: the kernel's entries turned into preview 1's.
 *
 * A cookie is the kernel's own d_off, so it stays good when entries are removed, and costs no search
 * from the start. Entries are read ahead into a buffer; a call whose cookie is where the buffer stands
 * goes on in it, any other seeks. 0 is the beginning. Cookies a guest invents are offsets like others:
 * the kernel answers something or refuses them, and nothing of ours is indexed by them.
 *
 * The buffer's position is told by the cookie of the entry before it, not by counting: with a file
 * system whose offsets are positions (older tmpfs), removing what was listed would shift the rest, but
 * as long as the guest goes straight on, it is never asked. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"

#define DIR_ENTRY_BYTES 24 /* SPEC: WASI preview 1, `dirent` */

struct wasi_dir {
    u64 cookie; /* of the entry at pos */
    u32 len, pos;
    bool fresh; /* the host's position is right behind the buffer */
    _Alignas(8) u8 buf[WASI_MAX_DIR_BYTES];
};

/* ORDER: what getdents64 writes; the name follows. */
typedef struct dir_entry {
    u64 ino;
    i64 off;
    u16 reclen;
    u8 type;
} dir_entry;
#define DIR_NAME_AT 19

void
gbx_wasi_dir_free(wasi_dir *d)
{
    gbx_base_free(d);
}

static u8
dir_type(const wasi_file *f, u8 type, const char *name)
{
    struct stat st;
    if (type != DT_UNKNOWN) return gbx_wasi_type_of(DTTOIF((mode_t)type));
    return fstatat(f->host, name, &st, AT_SYMLINK_NOFOLLOW) ? TYPE_UNKNOWN
                                                            : gbx_wasi_type_of(st.st_mode);
}

wasi_entry
gbx_wasi_dir_entry(const wasi_file *f, const u8 *at, u16 *bytes)
{
    dir_entry head;
    memcpy(&head, at, DIR_NAME_AT);
    const char *const name = (const char *)at + DIR_NAME_AT;
    /* At a grant's root it lies outside. */
    bool const up = !strcmp(name, "..");
    *bytes = head.reclen;
    return (wasi_entry){.name = name,
                        .ino = up ? 0 : head.ino,
                        .next = (u64)head.off,
                        .type = dir_type(f, head.type, name)};
}

/* SAFETY: all 24 bytes of the head are written, as far as they fit. */
bool
gbx_wasi_dir_put(const wasi_entry *e, u8 *buf, u32 len, u32 *used)
{
    size_t const name_len = strlen(e->name);
    u8 out[DIR_ENTRY_BYTES] = {0};
    put_u64(out, e->next);
    put_u64(out + 8, e->ino);
    put_u32(out + 16, (u32)name_len);
    out[20] = e->type;
    u32 const head_take = (u32)min_u64(sizeof out, len - *used);
    memcpy(buf + *used, out, head_take);
    *used += head_take;
    u32 const name_take = (u32)min_u64(name_len, len - *used);
    memcpy(buf + *used, e->name, name_take);
    *used += name_take;
    return head_take == sizeof out && name_take == name_len;
}

/* Make the buffer stand at `cookie`, with at least one entry unless the directory has ended. */
static wasi_errno
dir_at(wasi_file *f, u64 cookie)
{
    wasi_dir *const d = f->dir;
    if (!cookie || !d->fresh || cookie != d->cookie) {
        if (cookie > INT64_MAX) return WASI_INVAL;
        d->fresh = false;
        d->pos = d->len = 0;
        if (lseek(f->host, (off_t)cookie, SEEK_SET) < 0) return gbx_wasi_errno_of(errno);
        d->cookie = cookie;
        d->fresh = true;
    }
    if (d->pos < d->len) return WASI_OK;
    i64 const n = gbx_base_os_getdents(f->host, d->buf, sizeof d->buf);
    d->pos = 0;
    d->len = n > 0 ? (u32)n : 0;
    if (n >= 0) return WASI_OK;
    d->fresh = false;
    return gbx_wasi_errno_of(errno);
}

/* SAFETY: `len` bytes at buf are the guest's and were checked. */
wasi_errno
gbx_wasi_dir_read(gbx_exec *x, wasi_file *f, u64 cookie, u8 *buf, u32 len, u32 *used)
{
    *used = 0;
    if (!f->dir) f->dir = gbx_base_alloc_zero(1, sizeof *f->dir);
    if (!f->dir) return WASI_NOMEM;
    wasi_dir *const d = f->dir;
    while (*used < len) {
        if (atomic_load(&x->stop)) return WASI_STOPPED;
        /* Fewer bytes than asked for mean the end, so an error may not be put off to a next call. */
        WASI_TRY(dir_at(f, cookie));
        if (d->pos == d->len) break;
        u16 bytes;
        wasi_entry const e = gbx_wasi_dir_entry(f, d->buf + d->pos, &bytes);
        if (!gbx_wasi_dir_put(&e, buf, len, used)) break;
        d->pos += bytes;
        d->cookie = cookie = e.next;
    }
    return WASI_OK;
}
