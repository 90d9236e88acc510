/* Paths beneath a directory without openat2: one component at a time.
 *
 * For kernels before 5.6, for sandboxes that refuse the call, and for the moments when the kernel's own
 * resolver gives up because somebody renames (EAGAIN). The promise is the one of path.c.
 *
 * The walk holds one descriptor, of the directory reached so far, and the names that led there from
 * the base. Each component is opened with O_PATH|O_NOFOLLOW and without a slash, so the kernel takes
 * one step and follows nothing. Then:
 *
 *   directory   step into it
 *   link        read through the descriptor already held, so nobody can swap it; its text replaces
 *               the component. Absolute: outside
 *   "."         nothing
 *   ".."        drop the last name and walk down from the base again. Never opened: the directory
 *               may have been moved out of the base meanwhile, and its ".." would lead after it
 *   other       NOTDIR, unless it is the last component
 *
 * SAFETY: every open is of one plain name relative to a descriptor that was reached the same way from
 * the base, so by induction all lie beneath it at the moment they were reached. Links are counted,
 * and so is every open: a hostile tree costs WASI_MAX_WALK_STEPS of them and no more. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/os_file.h"

#define WALK_STEP (O_PATH | O_NOFOLLOW | O_CLOEXEC)

typedef struct walk {
    wasi_ctx *w;
    const wasi_look *look;
    const char *path; /* as given, for refusals */
    int cur;          /* the directory reached; look->base is borrowed */
    dev_t dev;        /* its device: a change is a mount that was crossed */
    bool crossed;
    bool read_only;   /* in a read-only grant within that of the base */
    bool must_be_dir; /* what is left ended in a slash: a link's text may */
    u32 links, steps;
    u32 done_len;
    char done[WASI_MAX_PATH_BYTES + 1]; /* names from the base to cur, each followed by a slash */
    char rest[WASI_MAX_PATH_BYTES + 1]; /* still to be walked */
} walk;

static void
walk_drop(walk *k, int fd)
{
    if (fd != k->look->base && fd >= 0) close(fd);
}

static wasi_errno
walk_refuse(walk *k, const char *why)
{
    gbx_wasi_refuse(k->w, k->path, why);
    return WASI_PERM;
}

/* What a native program gets on a read-only file system that is mounted here. */
static wasi_errno
walk_refuse_change(walk *k)
{
    gbx_wasi_refuse(k->w, k->path, WHY_READ_ONLY);
    return WASI_ROFS;
}

static int
walk_open(walk *k, int at, const char *name, int flags, mode_t mode)
{
    if (++k->steps > WASI_MAX_WALK_STEPS) {
        errno = ELOOP;
        return -1;
    }
    return openat(at, name, flags, mode);
}

/* Look at what was reached; a file system that policy refuses is left at once. */
static wasi_errno
walk_look(walk *k, int fd, struct stat *st)
{
    if (fstat(fd, st)) return gbx_wasi_errno_of(errno);
    if (gbx_wasi_policy_cache(st)) return walk_refuse(k, WHY_CACHE);
    if (st->st_dev == k->dev) return WASI_OK;
    if (!gbx_wasi_policy_fs(k->w, fd)) return walk_refuse(k, WHY_SPECIAL);
    k->crossed = true;
    return WASI_OK;
}

static bool
walk_is_read_only(const walk *k, const struct stat *st)
{
    return k->look->holds_read_only && gbx_wasi_policy_is_read_only(k->w, st);
}

/* `fd` is the directory reached. */
static void
walk_stand(walk *k, int fd, const struct stat *st)
{
    k->cur = fd;
    k->dev = st->st_dev;
    k->read_only = k->read_only || walk_is_read_only(k, st);
}

/* Step into directory `fd` called name[0..len), which becomes the walk's. */
static wasi_errno
walk_enter(walk *k, int fd, const struct stat *st, const char *name, size_t len)
{
    if (k->done_len + len + 1 > WASI_MAX_PATH_BYTES) {
        close(fd);
        return WASI_NAMETOOLONG;
    }
    memcpy(k->done + k->done_len, name, len);
    k->done_len += (u32)len;
    k->done[k->done_len++] = '/';
    k->done[k->done_len] = 0;
    walk_drop(k, k->cur);
    walk_stand(k, fd, st);
    return WASI_OK;
}

/* "..": from the base down again, along the names that led here without the last. */
static wasi_errno
walk_up(walk *k)
{
    if (!k->done_len) return walk_refuse(k, WHY_OUTSIDE);
    k->done_len--;
    while (k->done_len && k->done[k->done_len - 1] != '/') k->done_len--;
    k->done[k->done_len] = 0;
    walk_drop(k, k->cur);
    k->cur = k->look->base;
    k->read_only = false;
    struct stat st;
    if (fstat(k->cur, &st)) return gbx_wasi_errno_of(errno);
    k->dev = st.st_dev;
    for (u32 at = 0; at < k->done_len;) {
        char *const end = strchr(k->done + at, '/');
        *end = 0;
        int const fd = walk_open(k, k->cur, k->done + at, WALK_STEP | O_DIRECTORY, 0);
        int const e = errno;
        *end = '/';
        if (fd < 0) return gbx_wasi_errno_of(e);
        walk_drop(k, k->cur);
        k->cur = fd;
        WASI_TRY(walk_look(k, fd, &st));
        walk_stand(k, fd, &st);
        at = (u32)(end - k->done) + 1;
    }
    return WASI_OK;
}

/* Put the text of the link behind `fd` in front of what is left to walk. */
static wasi_errno
walk_link(walk *k, int fd, const char *left)
{
    char text[WASI_MAX_PATH_BYTES + 1];
    if (++k->links > WASI_MAX_LINKS) return WASI_LOOP;
    ssize_t const len = readlinkat(fd, "", text, sizeof text);
    if (len < 0) return gbx_wasi_errno_of(errno);
    if (!len) return WASI_NOENT;
    if (text[0] == '/') return walk_refuse(k, WHY_OUTSIDE);
    size_t const left_len = strlen(left);
    if ((size_t)len + 1 + left_len > WASI_MAX_PATH_BYTES) return WASI_NAMETOOLONG;
    memmove(k->rest + len + 1, left, left_len + 1);
    memcpy(k->rest, text, (size_t)len);
    k->rest[len] = '/';
    if (!left_len) k->rest[len] = 0;
    return WASI_OK;
}

static wasi_errno
walk_give(walk *k, int fd, const struct stat *st, wasi_found *out)
{
    fd = gbx_base_os_fd_above_stdio(fd);
    if (fd < 0) return gbx_wasi_errno_of(errno);
    bool const read_only = k->read_only || walk_is_read_only(k, st);
    *out = (wasi_found){.fd = fd, .crossed = k->crossed, .read_only = read_only, .st = *st};
    return WASI_OK;
}

/* The last component does not exist: make it if that was asked. */
static wasi_errno
walk_create(walk *k, const char *name, wasi_found *out, bool *again)
{
    const wasi_look *const look = k->look;
    if (!(look->flags & O_CREAT)) return WASI_NOENT;
    if (k->read_only) return walk_refuse_change(k);
    int const fd = walk_open(k, k->cur, name,
                             look->flags | O_NOFOLLOW | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                             look->mode);
    if (fd < 0) {
        *again = errno == EEXIST && !(look->flags & O_EXCL); /* somebody was faster */
        return gbx_wasi_errno_of(errno);
    }
    struct stat st;
    wasi_errno const e = walk_look(k, fd, &st);
    if (e) {
        close(fd);
        return e;
    }
    return walk_give(k, fd, &st, out);
}

/* The last component, held as `probe` and looked at, is no link to be followed: open it. */
static wasi_errno
walk_last(walk *k, const char *name, int probe, const struct stat *st, wasi_found *out, bool *again)
{
    const wasi_look *const look = k->look;
    bool const want_dir = k->must_be_dir || look->flags & O_DIRECTORY;
    if ((look->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return WASI_EXIST;
    if (want_dir && !S_ISDIR(st->st_mode)) return WASI_NOTDIR;
    if (look->flags & O_PATH) {
        int const fd = fcntl(probe, F_DUPFD_CLOEXEC, 0);
        return fd < 0 ? gbx_wasi_errno_of(errno) : walk_give(k, fd, st, out);
    }
    if (S_ISLNK(st->st_mode)) return WASI_LOOP;
    if (!gbx_wasi_policy_file(k->w, st)) return walk_refuse(k, WHY_SPECIAL);
    if (S_ISDIR(st->st_mode) && look->flags & O_CREAT) return WASI_ISDIR;
    bool const changes = (look->flags & O_ACCMODE) != O_RDONLY || look->flags & O_TRUNC;
    if (k->read_only && changes && !S_ISDIR(st->st_mode) && gbx_wasi_device_of(st) == KIND_FREE)
        return walk_refuse_change(k);
    int const flags = look->flags & ~(O_CREAT | O_EXCL);
    int const fd = walk_open(k, k->cur, name,
                             flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0) {
        *again = errno == ELOOP || errno == ENOENT; /* it was swapped meanwhile */
        return gbx_wasi_errno_of(errno);
    }
    struct stat now;
    if (fstat(fd, &now) || now.st_dev != st->st_dev || now.st_ino != st->st_ino) {
        close(fd);
        *again = true;
        return WASI_AGAIN;
    }
    return walk_give(k, fd, &now, out);
}

/* One component, name[0..len), NUL-terminated; `left` is what follows it. True in *end when the last
 * one has been dealt with. */
static wasi_errno
walk_step(walk *k, const char *name, const char *left, wasi_found *out, bool *end)
{
    bool const last = !left[0];
    wasi_errno e = WASI_OK;
    for (int i = 0; i < WASI_MAX_RETRIES; i++) {
        bool again = false;
        struct stat st;
        int const fd = walk_open(k, k->cur, name, WALK_STEP, 0);
        if (fd < 0) {
            if (errno != ENOENT || !last) return gbx_wasi_errno_of(errno);
            e = walk_create(k, name, out, &again);
        } else {
            e = walk_look(k, fd, &st);
            if (!e && S_ISLNK(st.st_mode) && (!last || k->look->follow) &&
                !(last && k->look->flags & O_EXCL)) {
                e = walk_link(k, fd, left);
                close(fd);
                return e;
            }
            if (!e && !last) {
                if (S_ISDIR(st.st_mode)) return walk_enter(k, fd, &st, name, strlen(name));
                e = WASI_NOTDIR;
            } else if (!e) {
                e = walk_last(k, name, fd, &st, out, &again);
            }
            close(fd);
        }
        if (!again) {
            *end = last;
            return e;
        }
    }
    /* Whoever keeps swapping the name gets what a name that is never there gets. */
    return e == WASI_AGAIN || e == WASI_LOOP ? WASI_NOENT : e;
}

/* The path ended in "." or "..", or was only that: the directory reached is what it names. */
static wasi_errno
walk_here(walk *k, wasi_found *out)
{
    const wasi_look *const look = k->look;
    if ((look->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return WASI_EXIST;
    if (look->flags & O_CREAT) return WASI_ISDIR;
    int const flags = look->flags & O_PATH ? O_PATH | O_DIRECTORY : look->flags;
    int const fd = walk_open(k, k->cur, ".", flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0) return gbx_wasi_errno_of(errno);
    struct stat st;
    wasi_errno const e = walk_look(k, fd, &st);
    if (e) {
        close(fd);
        return e;
    }
    return walk_give(k, fd, &st, out);
}

static wasi_errno
walk_run(walk *k, wasi_found *out)
{
    for (;;) {
        char name[WASI_MAX_PATH_BYTES + 1];
        const char *p = k->rest;
        while (*p == '/') p++;
        if (!*p) return walk_here(k, out);
        size_t const len = strcspn(p, "/");
        const char *left = p + len;
        while (*left == '/') left++;
        if (!*left && p[len] == '/') k->must_be_dir = true;
        if (k->must_be_dir && k->look->flags & O_CREAT) return WASI_ISDIR; /* as natively */
        memcpy(name, p, len);
        name[len] = 0;
        if (!strcmp(name, ".") || !strcmp(name, "..")) {
            memmove(k->rest, left, strlen(left) + 1);
            if (name[1]) WASI_TRY(walk_up(k));
            continue;
        }
        u32 const links = k->links;
        bool end = false;
        WASI_TRY(walk_step(k, name, left, out, &end));
        if (end) return WASI_OK;
        if (k->links == links) memmove(k->rest, left, strlen(left) + 1);
    }
}

wasi_errno
gbx_wasi_walk(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    walk k = {.w = w,
              .look = look,
              .path = look->shown ? look->shown : path,
              .cur = look->base};
    size_t const len = strlen(path);
    GBX_ASSERT(len <= WASI_MAX_PATH_BYTES);
    memcpy(k.rest, path, len + 1);
    struct stat st;
    if (fstat(k.cur, &st)) return gbx_wasi_errno_of(errno);
    k.dev = st.st_dev;
    wasi_errno const e = walk_run(&k, out);
    walk_drop(&k, k.cur);
    return e;
}
