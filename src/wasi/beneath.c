/* Files beneath a directory of the host's, for host functions that open what a guest names: the look-ups of
 * path.c without a guest's descriptors around them.
 *
 * What must hold is what holds for guests: nothing outside the directory, no interface of the kernel, no
 * device, no code cache. A FIFO is not waited for. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/text.h"

struct wasi_beneath {
    wasi_ctx w; /* a context in which nothing is granted: what look-ups need */
    int fd;
    bool devices;
};

static int
beneath_open(const char *host_path)
{
    return gbx_base_os_fd_above_stdio(open(host_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static gbx_code
beneath_refuse(gbx_code code, const char *path, size_t len, const char *why, gbx_err *err)
{
    char shown[512];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, path, len, 400);
    return gbx_base_err_set(err, code, GBX_NO_OFFSET, "cannot open \"%s\": %s", shown, why);
}

gbx_code
gbx_wasi_beneath_new(const char *host_path, bool force_walker, wasi_beneath **out, gbx_err *err)
{
    *out = NULL;
    wasi_beneath *const b = gbx_base_alloc_zero(1, sizeof *b);
    if (!b) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a directory");
    b->fd = beneath_open(host_path);
    const char *why = b->fd < 0 ? strerror(errno) : NULL;
    gbx_code const code = b->fd >= 0 ? GBX_ARGUMENT : errno == ENOENT ? GBX_NOT_FOUND : GBX_IO;
    b->w.cache_dir = b->w.end_fd = -1;
    if (!why && !gbx_wasi_policy_fs(&b->w, b->fd)) why = "it is an interface of the kernel, not files";
    if (why) {
        gbx_wasi_beneath_free(b);
        return beneath_refuse(code, host_path, strlen(host_path), why, err);
    }
    int const probe = gbx_base_os_openat2(b->fd, ".", O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH);
    b->w.walker = force_walker || probe < 0;
    if (probe >= 0) close(probe);
    b->devices = gbx_wasi_may_hold_devices(b->fd);
    *out = b;
    return GBX_OK;
}

void
gbx_wasi_beneath_free(wasi_beneath *b)
{
    if (!b) return;
    if (b->fd >= 0) close(b->fd);
    gbx_base_free(b);
}

/* SAFETY: the path is a guest's. It is copied with its NUL and has no other; path.c is given what the calls
 * of preview 1 are given. */
gbx_code
gbx_wasi_beneath_find(wasi_beneath *b, const char *path, size_t len, int flags, int *fd, gbx_err *err)
{
    WASI_SCRATCH char text[WASI_MAX_PATH_BYTES + 1];
    *fd = -1;
    if (!len || len > WASI_MAX_PATH_BYTES || memchr(path, 0, len) ||
        !gbx_base_utf8_check((const u8 *)path, len))
        return beneath_refuse(GBX_ARGUMENT, path, min_u64(len, WASI_MAX_PATH_BYTES),
                              "a path has 1 to 4,095 bytes of UTF-8 without NUL", err);
    memcpy(text, path, len);
    text[len] = 0;
    b->w.refusal_count = 0;
    b->w.call = "gbx_dir_find";
    wasi_look const look = {
            .base = b->fd, .devices = b->devices, .follow = true, .flags = flags, .mode = 0666};
    wasi_found found;
    wasi_errno const e = gbx_wasi_path_find(&b->w, &look, text, &found);
    if (e) {
        bool const is_refused = b->w.refusal_count > 0;
        gbx_code const code = is_refused ? GBX_DENIED : e == WASI_NOENT ? GBX_NOT_FOUND : GBX_IO;
        const char *const why = is_refused ? b->w.refusals[0].reason : gbx_wasi_errno_text(e);
        return beneath_refuse(code, path, len, why, err);
    }
    if (!S_ISREG(found.st.st_mode) && !S_ISDIR(found.st.st_mode)) {
        close(found.fd);
        return beneath_refuse(GBX_DENIED, path, len, "neither a file nor a directory", err);
    }
    (void)fcntl(found.fd, F_SETFL, flags & O_APPEND);
    *fd = found.fd;
    return GBX_OK;
}
