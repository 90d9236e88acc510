/* The directory of the code cache: whether it is to be trusted, its key, its files, its bound.
 *
 * What must hold: the directory is this user's, no link, and only this user can write to it. All files are
 * reached from its descriptor. The key is random, made once for the directory, and a file that only this
 * user can read.
 *
 * RULE: S2. A guest may have been granted a directory above ours. Guests set no modes, so a key counts only
 * where it and its directory are sticky, which we make both so ourselves; by that very mark, which entries
 * have as well, wasi/policy.c refuses them to all guests.
 *
 * Files are written under a name of their own and renamed: nobody ever sees half of one. There are no locks:
 * of two writers the later wins. Nothing is synced to disk: what a crash of the machine leaves is recognised
 * by its tag.
 *
 * SAFETY: names that are read from the directory are compared with the form of ours before a file is
 * touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "runtime/cache.h"
#include "runtime/runtime.h"

#define CACHE_KEY_NAME  "key"
#define CACHE_KEY_MAGIC "gbxkey1\n"
#define CACHE_KEY_MODE  (S_ISVTX | 0400u)
#define CACHE_ENTRY_MODE (S_ISVTX | 0600u)
#define CACHE_SUFFIX    ".gbx"
#define CACHE_TEMPORARY ".new-"
#define CACHE_HEX       32u
#define CACHE_DAY_S     ((i64)24 * 60 * 60)
#define CACHE_STALE_S   ((i64)60 * 60)
#define CACHE_LOOK_MOST 16384u /* files that one look at the directory counts */
#define CACHE_TURNS     3      /* of making a key, where others make one too */

typedef struct cache_key_file {
    char magic[8];
    mac_key key;
} cache_key_file;

static bool
cache_dir_random(void *to, size_t len)
{
    return getrandom(to, len, 0) == (ssize_t)len;
}

static void
cache_dir_hex(char *to, const u8 *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    *to = 0;
}

void
gbx_runtime_cache_name(const mac_tag *id, char name[CACHE_NAME_BYTES])
{
    cache_dir_hex(name, id->bytes, CACHE_HEX / 2);
    memcpy(name + CACHE_HEX, CACHE_SUFFIX, sizeof CACHE_SUFFIX);
}

/* A file of a random name, for writing; -1. */
static int
cache_dir_temporary(int dir_fd, mode_t mode, char name[CACHE_NAME_BYTES])
{
    u8 random[8];
    if (!cache_dir_random(random, sizeof random)) return -1;
    memcpy(name, CACHE_TEMPORARY, sizeof CACHE_TEMPORARY);
    cache_dir_hex(name + sizeof CACHE_TEMPORARY - 1, random, sizeof random);
    int const flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    return gbx_base_os_fd_above_stdio(openat(dir_fd, name, flags, mode));
}

bool
gbx_runtime_cache_dir_put(int dir_fd, u32 mode, const mac_part *parts, u32 count, char name[CACHE_NAME_BYTES])
{
    int const fd = cache_dir_temporary(dir_fd, mode, name);
    if (fd < 0) return false;
    os_quiet quiet;
    gbx_base_os_quiet_begin(&quiet);
    bool ok = true;
    for (u32 i = 0; i < count; i++) ok = ok && gbx_base_os_write_all(fd, parts[i].data, parts[i].len);
    gbx_base_os_quiet_end(&quiet);
    if ((close(fd) != 0) || !ok) {
        (void)unlinkat(dir_fd, name, 0);
        return false;
    }
    return true;
}

/* ---- The key */

static bool
cache_dir_key_read(int dir_fd, bool is_sticky, mac_key *key)
{
    struct stat st;
    cache_key_file file;
    int const fd = openat(dir_fd, CACHE_KEY_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool ok = is_sticky && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
              (st.st_mode & 07777) == CACHE_KEY_MODE && st.st_uid == geteuid() &&
              st.st_size == (off_t)sizeof file;
    ok = ok && gbx_base_os_read_at(fd, &file, sizeof file, 0) &&
         memcmp(file.magic, CACHE_KEY_MAGIC, sizeof file.magic) == 0;
    (void)close(fd);
    if (ok) *key = file.key;
    explicit_bzero(&file, sizeof file);
    return ok;
}

/* A key that is not to be used goes; another process may have made a good one in the meantime, and loses it:
 * its entries are made again. */
static bool
cache_dir_key_make(int dir_fd)
{
    cache_key_file file;
    char name[CACHE_NAME_BYTES];
    memcpy(file.magic, CACHE_KEY_MAGIC, sizeof file.magic);
    bool ok = cache_dir_random(&file.key, sizeof file.key) &&
              gbx_runtime_cache_dir_put(dir_fd, CACHE_KEY_MODE, &(mac_part){&file, sizeof file}, 1, name);
    explicit_bzero(&file, sizeof file);
    if (!ok) return false;
    ok = linkat(dir_fd, name, dir_fd, CACHE_KEY_NAME, 0) == 0 || errno == EEXIST;
    (void)unlinkat(dir_fd, name, 0);
    return ok;
}

static bool
cache_dir_key(cache_dir *d, const struct stat *st)
{
    bool is_sticky = st->st_mode & S_ISVTX;
    if (cache_dir_key_read(d->fd, is_sticky, &d->key)) return true;
    for (int turn = 0; turn < CACHE_TURNS; turn++) {
        (void)unlinkat(d->fd, CACHE_KEY_NAME, 0);
        if (!is_sticky && fchmod(d->fd, (st->st_mode & 07777) | S_ISVTX) != 0) return false;
        is_sticky = true;
        if (!cache_dir_key_make(d->fd)) return false;
        if (cache_dir_key_read(d->fd, is_sticky, &d->key)) return true;
    }
    return false;
}

/* ---- The directory */

/* -1: *why says why not. */
static int
cache_dir_trusted(const char *path, struct stat *st, const char **why)
{
    int const fd = gbx_base_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0) {
        *why = errno == ELOOP || errno == ENOTDIR ? "its directory is no directory, or a link"
                                                  : "its directory cannot be opened";
        return -1;
    }
    *why = NULL;
    if (fstat(fd, st) != 0) *why = "its directory cannot be examined";
    else if (st->st_uid != geteuid()) *why = "its directory belongs to another user";
    else if (st->st_mode & 022) *why = "others may write to its directory";
    if (!*why) return fd;
    (void)close(fd);
    return -1;
}

bool
gbx_runtime_cache_dir_open(cache_dir *d, const char *path, u64 most_bytes)
{
    struct stat st;
    *d = (cache_dir){.fd = -1, .most_bytes = most_bytes};
    d->why = "this build has no MAC (BLAKE3), and no cache without one";
    if (!gbx_base_mac_works()) return false;
    d->fd = cache_dir_trusted(path, &st, &d->why);
    if (d->fd < 0 && mkdir(path, 0700) == 0) d->fd = cache_dir_trusted(path, &st, &d->why);
    if (d->fd < 0) return false;
    if (!cache_dir_key(d, &st)) {
        d->why = "its directory has no key, and none can be written";
        (void)close(d->fd);
        d->fd = -1;
        return false;
    }
    d->why = NULL;
    d->is_open = true;
    return true;
}

void
gbx_runtime_cache_dir_close(cache_dir *d)
{
    if (!d->is_open) return;
    (void)close(d->fd);
    explicit_bzero(&d->key, sizeof d->key);
    *d = (cache_dir){0};
}

/* Negative: from the future. Clocks are set back, and what was used while one was wrong must not count as
 * used last for ever. */
static i64
cache_dir_age(i64 now_s, const struct stat *st)
{
    i64 age_s;
    bool const is_far = __builtin_sub_overflow(now_s, st->st_mtim.tv_sec, &age_s);
    return !is_far ? age_s : st->st_mtim.tv_sec < 0 ? INT64_MAX : INT64_MIN;
}

int
gbx_runtime_cache_dir_read(const cache_dir *d, const char *name, u64 *bytes)
{
    struct stat st;
    struct timespec now;
    int const flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int const fd = gbx_base_os_fd_above_stdio(openat(d->fd, name, flags));
    if (fd < 0) return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) {
        (void)close(fd);
        return -1;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    i64 const age_s = cache_dir_age(now.tv_sec, &st);
    if (age_s > CACHE_DAY_S || age_s < -CACHE_DAY_S) (void)futimens(fd, NULL);
    *bytes = (u64)st.st_size;
    return fd;
}

/* ---- All files */

typedef struct cache_seen {
    char name[CACHE_NAME_BYTES];
    u64 bytes;
    struct timespec used;
} cache_seen;

typedef struct cache_look {
    cache_seen *files; /* entries */
    u32 count, cap;
    u64 bytes;
} cache_look;

/* An entry's name, or that of a temporary file. */
static bool
cache_dir_is_ours(const char *name, bool *is_temporary)
{
    size_t const len = strlen(name), stem = sizeof CACHE_TEMPORARY - 1;
    const char *const hex = "0123456789abcdef";
    *is_temporary = !strncmp(name, CACHE_TEMPORARY, stem);
    if (*is_temporary) return len == stem + 16 && strspn(name + stem, hex) == 16;
    return len == CACHE_HEX + sizeof CACHE_SUFFIX - 1 && strspn(name, hex) == CACHE_HEX &&
           !strcmp(name + CACHE_HEX, CACHE_SUFFIX);
}

/* Temporary files older than `stale_s` seconds are removed in passing. */
static void
cache_dir_look_at(cache_look *look, int dir_fd, const char *name, i64 now_s, i64 stale_s)
{
    struct stat st;
    bool is_temporary;
    if (!cache_dir_is_ours(name, &is_temporary)) return;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (is_temporary) {
        i64 const age_s = cache_dir_age(now_s, &st);
        bool const is_future = stale_s <= CACHE_STALE_S && age_s < -CACHE_DAY_S;
        if (age_s >= stale_s || is_future) (void)unlinkat(dir_fd, name, 0);
        return;
    }
    if (look->count == look->cap) {
        u32 const cap = look->cap ? look->cap * 2 : 64;
        cache_seen *const more = gbx_base_realloc(look->files, cap, sizeof *more);
        if (!more) return;
        look->files = more;
        look->cap = cap;
    }
    cache_seen *const f = &look->files[look->count++];
    memcpy(f->name, name, strlen(name) + 1);
    f->bytes = (u64)st.st_size;
    f->used = st.st_mtim;
    look->bytes += f->bytes;
}

static void
cache_dir_look(cache_look *look, int dir_fd, i64 stale_s)
{
    u8 buf[4096] __attribute__((aligned(8)));
    struct timespec now;
    *look = (cache_look){0};
    int const fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (;;) {
        i64 const n = gbx_base_os_getdents(fd, buf, sizeof buf);
        if (n <= 0 || look->count > CACHE_LOOK_MOST) break;
        for (i64 at = 0; at < n;) { /* linux_dirent64: u64, i64, u16 length, u8 type, name */
            u16 record;
            memcpy(&record, buf + at + 16, sizeof record);
            cache_dir_look_at(look, dir_fd, (const char *)buf + at + 19, now.tv_sec, stale_s);
            at += record;
        }
    }
    (void)close(fd);
}

static int
cache_dir_by_use(const void *a, const void *b)
{
    const cache_seen *const x = a, *const y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec > y->used.tv_sec ? 1 : -1;
    return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* Down to seven eighths of the bound, so that not every write has something to remove. What was just written
 * stays, though the system's clock of files may not tell it from others. */
static void
cache_dir_trim(const cache_dir *d, const char *written)
{
    cache_look look;
    cache_dir_look(&look, d->fd, CACHE_STALE_S);
    if (look.bytes > d->most_bytes) {
        u64 const aim = d->most_bytes - d->most_bytes / 8;
        qsort(look.files, look.count, sizeof *look.files, cache_dir_by_use);
        for (u32 i = 0; i < look.count && look.bytes > aim; i++)
            if (strcmp(look.files[i].name, written) != 0 && unlinkat(d->fd, look.files[i].name, 0) == 0)
                look.bytes -= look.files[i].bytes;
    }
    gbx_base_free(look.files);
}

bool
gbx_runtime_cache_dir_write(const cache_dir *d, const char *name, const mac_part *parts, u32 count)
{
    char temporary[CACHE_NAME_BYTES];
    u64 len = 0;
    for (u32 i = 0; i < count; i++) len += parts[i].len;
    if (len > d->most_bytes) return false;
    if (!gbx_runtime_cache_dir_put(d->fd, CACHE_ENTRY_MODE, parts, count, temporary)) return false;
    if (renameat(d->fd, temporary, d->fd, name) != 0) {
        (void)unlinkat(d->fd, temporary, 0);
        return false;
    }
    cache_dir_trim(d, name);
    return true;
}

/* ---- For people */

static gbx_code
cache_dir_open_existing(const char *path, int *fd, gbx_err *err)
{
    struct stat st;
    const char *why;
    *fd = cache_dir_trusted(path, &st, &why);
    if (*fd >= 0) return GBX_OK;
    bool const is_missing = stat(path, &st) != 0 && errno == ENOENT;
    return gbx_base_err_set(err, is_missing ? GBX_NOT_FOUND : GBX_IO, GBX_NO_OFFSET,
                            "the cache cannot be used: %s", is_missing ? "there is no such directory" : why);
}

gbx_code
gbx_runtime_cache_inspect(const char *path, gbx_cache_info *out, gbx_err *err)
{
    int fd;
    cache_look look;
    GBX_TRY(cache_dir_open_existing(path, &fd, err));
    cache_dir_look(&look, fd, INT64_MAX);
    *out = (gbx_cache_info){.entries = look.count, .bytes = look.bytes};
    gbx_base_free(look.files);
    (void)close(fd);
    return GBX_OK;
}

gbx_code
gbx_runtime_cache_clear(const char *path, gbx_cache_info *out, gbx_err *err)
{
    int fd;
    cache_look look;
    GBX_TRY(cache_dir_open_existing(path, &fd, err));
    *out = (gbx_cache_info){0};
    do {
        cache_dir_look(&look, fd, 0);
        for (u32 i = 0; i < look.count; i++) {
            if (unlinkat(fd, look.files[i].name, 0) != 0) continue;
            out->entries++;
            out->bytes += look.files[i].bytes;
        }
        gbx_base_free(look.files);
    } while (look.count > CACHE_LOOK_MOST);
    (void)unlinkat(fd, CACHE_KEY_NAME, 0);
    (void)close(fd);
    return GBX_OK;
}
