/* Seeded contexts: what a guest asks of its host is answered from a number, so that a run can be repeated
 * to the bit.
 *
 *   randomness   ChaCha20 of the seed
 *   time         the fixed clock (clock.c), and nobody waits for it
 *   files        their device is 1, their inodes are numbers in the order in which the guest met them, their
 *                times are the beginning until the guest changes them; directories have one size and one
 *                count of links
 *   directories  are listed in the order of the names' bytes, as they were when the listing began (sorted.c)
 *   streams      are waited for, and read until the buffer is full, so that it does not matter how they were
 *                filled; a terminal gives what was typed, a socket what came: these two are outside
 *
 * A file is told apart by device, inode and when it was made: file systems give the inodes of removed files
 * to new ones, sooner or later. Where a file system does not say when, those two are all there is.
 *
 * Under the fixed clock times of files in scratch directories are hidden in the same way, for those are the
 * guest's alone and would tell it the host's time; nothing else is.
 *
 * SAFETY: what is remembered of files is bounded by WASI_MAX_SEEN, whatever a guest makes and lists. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/map.h"
#include "wasi/wasi_int.h"

#define SEEDED_DIR_BYTES 4096

typedef struct seeded_key {
    u64 dev, ino, born_s, born_ns;
} seeded_key;

typedef struct seeded_file {
    map_node node;
    seeded_key key;
    u64 number;
    struct timespec atim, mtim, ctim;
} seeded_file;

struct wasi_seeded {
    map files;
};

static bool
seeded_fill(void *data, u8 *buf, size_t len)
{
    gbx_base_chacha_fill(data, buf, len);
    return true;
}

/* Draw from the seed's first number on. */
static void
seeded_draw(wasi_ctx *w)
{
    u8 key[32] = {0};
    for (u32 i = 0; i < 8; i++) key[i] = (u8)(w->random_seed >> 8 * i);
    gbx_base_chacha_init(&w->random, key, 0, 0);
}

void
gbx_wasi_random_fix(wasi_ctx *w, u64 seed)
{
    if (w->random_fill) return;
    w->random_seed = seed;
    seeded_draw(w);
    w->random_fill = seeded_fill;
    w->random_data = &w->random;
}

static gbx_code
seeded_new(wasi_seeded **out, gbx_err *err)
{
    *out = gbx_base_alloc_zero(1, sizeof **out);
    if (*out) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for what a guest sees of files");
}

gbx_code
gbx_wasi_seeded_hide(wasi_ctx *w, gbx_err *err)
{
    return w->seeded || w->hidden || !w->clock_fixed ? GBX_OK : seeded_new(&w->hidden, err);
}

gbx_code
gbx_wasi_seeded_new(wasi_ctx *w, u64 seed, gbx_err *err)
{
    GBX_TRY(seeded_new(&w->seeded, err));
    gbx_wasi_random_fix(w, seed);
    return GBX_OK;
}

/* What is known of files: of all, or of those in scratch directories. */
static wasi_seeded *
seeded_of(const wasi_ctx *w)
{
    return w->seeded ? w->seeded : w->hidden;
}

static void
seeded_forget(wasi_seeded *s)
{
    for (map_node *n; (n = gbx_base_map_pop(&s->files)) != NULL;)
        gbx_base_free(MAP_ENTRY(n, seeded_file, node));
}

void
gbx_wasi_seeded_free(wasi_seeded *s)
{
    if (!s) return;
    seeded_forget(s);
    gbx_base_free(s);
}

void
gbx_wasi_seeded_again(wasi_ctx *w)
{
    if (w->seeded) seeded_forget(w->seeded);
    if (w->hidden) seeded_forget(w->hidden);
    if (w->random_data == &w->random) seeded_draw(w);
}

static seeded_file *
seeded_find(wasi_ctx *w, const seeded_key *key)
{
    wasi_seeded *const s = seeded_of(w);
    u64 const hash = gbx_base_map_hash(&s->files, 0, key, sizeof *key);
    for (map_node *n = gbx_base_map_first(&s->files, hash); n; n = gbx_base_map_next(n)) {
        seeded_file *const f = MAP_ENTRY(n, seeded_file, node);
        if (!memcmp(&f->key, key, sizeof *key)) return f;
    }
    if (s->files.len >= WASI_MAX_SEEN && !w->seeded) seeded_forget(s);
    if (s->files.len >= WASI_MAX_SEEN) {
        gbx_wasi_met(w, WASI_MET_SEEN);
        return NULL;
    }
    seeded_file *const f = gbx_base_alloc_zero(1, sizeof *f);
    if (!f) return NULL;
    struct timespec const begin = {.tv_sec = WASI_CLOCK_BEGIN_S};
    *f = (seeded_file){
            .key = *key, .number = s->files.len + 1, .atim = begin, .mtim = begin, .ctim = begin};
    if (gbx_base_map_add(&s->files, &f->node, hash)) return f;
    gbx_base_free(f);
    return NULL;
}

/* The file `leaf` in the directory `fd`, or behind `fd` itself where that is NULL. NULL: no memory, or
 * too many. */
static seeded_file *
seeded_at(wasi_ctx *w, int fd, const char *leaf, wasi_errno *e)
{
    struct statx x;
    *e = WASI_OK;
    if (statx(fd, leaf ? leaf : "", AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &x)) {
        *e = gbx_wasi_errno_of(errno);
        return NULL;
    }
    seeded_key key = {.dev = (u64)x.stx_dev_major << 32 | x.stx_dev_minor, .ino = x.stx_ino};
    if (x.stx_mask & STATX_BTIME) {
        key.born_s = (u64)x.stx_btime.tv_sec;
        key.born_ns = x.stx_btime.tv_nsec;
    }
    seeded_file *const f = seeded_find(w, &key);
    if (!f) *e = WASI_NOMEM;
    return f;
}

static bool
seeded_is_scratch(const wasi_ctx *w, dev_t dev)
{
    for (u32 i = 0; i < w->preopen_count; i++)
        if (w->preopens[i].scratch_bytes && w->preopens[i].dev == dev) return true;
    return false;
}

wasi_errno
gbx_wasi_seeded_show(wasi_ctx *w, int fd, const char *leaf, struct stat *st)
{
    wasi_errno e;
    if (!w->seeded && !seeded_is_scratch(w, st->st_dev)) return WASI_OK;
    const seeded_file *const f = seeded_at(w, fd, leaf, &e);
    if (!f) return e;
    st->st_atim = f->atim;
    st->st_mtim = f->mtim;
    st->st_ctim = f->ctim;
    if (!w->seeded) return WASI_OK;
    st->st_dev = 1;
    st->st_ino = f->number;
    if (!S_ISDIR(st->st_mode)) return WASI_OK;
    st->st_nlink = 2;
    st->st_size = SEEDED_DIR_BYTES;
    return WASI_OK;
}

wasi_errno
gbx_wasi_seeded_ino(wasi_ctx *w, int fd, const char *leaf, u64 *ino)
{
    wasi_errno e;
    const seeded_file *const f = seeded_at(w, fd, leaf, &e);
    *ino = f ? f->number : 0;
    return e == WASI_NOENT ? WASI_OK : e; /* removed since it was listed */
}

static struct timespec
seeded_time(wasi_ctx *w)
{
    u64 const ns = gbx_wasi_now(w, CLOCK_ID_REALTIME);
    return (struct timespec){.tv_sec = (time_t)(ns / WASI_NS_PER_S),
                             .tv_nsec = (long)(ns % WASI_NS_PER_S)};
}

void
gbx_wasi_seeded_written(wasi_ctx *w, const wasi_file *f)
{
    wasi_errno e;
    bool const is_remembered = w->seeded || (w->hidden && f->scratch);
    if (!is_remembered || f->kind != KIND_HOST || f->type != TYPE_REGULAR_FILE || f->inherited) return;
    seeded_file *const seen = seeded_at(w, f->host, NULL, &e);
    if (seen) seen->mtim = seen->ctim = seeded_time(w);
}

void
gbx_wasi_seeded_set_times(wasi_ctx *w, int fd, const char *leaf, const struct timespec times[2])
{
    wasi_errno e;
    struct stat st;
    if (!seeded_of(w)) return;
    if (!w->seeded && (leaf ? fstatat(fd, leaf, &st, AT_SYMLINK_NOFOLLOW) : fstat(fd, &st))) return;
    if (!w->seeded && !seeded_is_scratch(w, st.st_dev)) return;
    seeded_file *const seen = seeded_at(w, fd, leaf, &e);
    if (!seen) return;
    if (times[0].tv_nsec != UTIME_OMIT) seen->atim = times[0];
    if (times[1].tv_nsec != UTIME_OMIT) seen->mtim = times[1];
    seen->ctim = seeded_time(w);
}
