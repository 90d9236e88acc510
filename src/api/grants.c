/* wasi.h: grants that are no descriptors of the host's: files, memory and functions as standard streams, and
 * read-only files from memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/wasi_int.h"
#include "base/text.h"

/* Of a stream that is kept where the host names no cap: as much as a store lets guests write by default. */
#define GRANTS_CAPTURE_BYTES ((u64)16 << 20)

static gbx_code
grants_check_stream(gbx_wasi *wasi, int guest_fd, int first, gbx_err *err)
{
    API_NEED(wasi, err);
    if (guest_fd >= first && guest_fd <= 2) return GBX_OK;
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%d is no standard stream%s", guest_fd,
                            first ? " that is written to: 1 and 2 are" : ": 0, 1 and 2 are");
}

/* Files and devices alone: whoever opens a FIFO may wait for ever. It is opened without waiting, and then
 * looked at. */
static gbx_code
grants_open(const char *host_path, int flags, int *fd, gbx_err *err)
{
    struct stat st;
    const char *why = NULL;
    *fd = open(host_path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    int const e = errno;
    gbx_code const code = *fd >= 0 ? GBX_ARGUMENT : e == ENOENT ? GBX_NOT_FOUND : GBX_IO;
    if (*fd < 0) why = strerror(e);
    else if (fstat(*fd, &st) || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
        why = "it is neither a file nor a device; open it and give its descriptor: gbx_wasi_stdio";
    else if (fcntl(*fd, F_SETFL, flags & O_APPEND) == 0) return GBX_OK;
    else why = strerror(errno);
    char shown[512];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, host_path, strlen(host_path), 400);
    if (*fd >= 0) (void)close(*fd);
    return gbx_base_err_set(err, code, GBX_NO_OFFSET, "cannot use \"%s\" as a standard stream: %s",
                            shown, why);
}

gbx_code
gbx_wasi_stdio_file(gbx_wasi *wasi, int guest_fd, const char *host_path, gbx_write_mode mode, gbx_err *err)
{
    GBX_TRY(grants_check_stream(wasi, guest_fd, 0, err));
    API_NEED(host_path, err);
    if (mode != GBX_TRUNCATE && mode != GBX_APPEND)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%d is no way to write to a file",
                                (int)mode);
    int fd;
    int const writes = O_WRONLY | O_CREAT | (mode == GBX_APPEND ? O_APPEND : 0);
    GBX_TRY(grants_open(host_path, guest_fd ? writes : O_RDONLY, &fd, err));
    gbx_code code = GBX_OK;
    /* Once it is known that there is a descriptor to give, and what is cut. */
    if (guest_fd && mode == GBX_TRUNCATE && ftruncate(fd, 0) && errno != EINVAL)
        code = gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "a standard stream cannot be cut: %s",
                                strerror(errno));
    if (code == GBX_OK) code = gbx_wasi_stdio(wasi, guest_fd, fd, err);
    (void)close(fd);
    return code;
}

gbx_code
gbx_wasi_stdin_bytes(gbx_wasi *wasi, gbx_bytes bytes, gbx_err *err)
{
    API_NEED(wasi, err);
    if (bytes.len) API_NEED(bytes.data, err);
    wasi_blob *const blob = gbx_wasi_blob_new(bytes.data, bytes.len);
    if (!blob) return gbx_api_wasi_out_of_memory(err);
    gbx_api_wasi_unbind(wasi, 0);
    wasi->streams[0].blob = blob;
    return GBX_OK;
}

gbx_code
gbx_wasi_capture(gbx_wasi *wasi, int guest_fd, uint64_t most_bytes, gbx_err *err)
{
    GBX_TRY(grants_check_stream(wasi, guest_fd, 1, err));
    gbx_api_wasi_unbind(wasi, guest_fd);
    u64 const most = most_bytes ? most_bytes : GRANTS_CAPTURE_BYTES;
    wasi->streams[guest_fd].capture_bytes = min_u64(most, PTRDIFF_MAX);
    return GBX_OK;
}

gbx_code
gbx_wasi_stream(gbx_wasi *wasi, int guest_fd, const gbx_stream *stream, gbx_err *err)
{
    GBX_TRY(grants_check_stream(wasi, guest_fd, 0, err));
    API_NEED(stream, err);
    gbx_stream s;
    GBX_TRY(gbx_api_options(&s, sizeof s, stream, err));
    if (guest_fd ? !s.write : !s.read)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "the function that %s is NULL",
                                guest_fd ? "writes" : "reads");
    int const fd = s.has_ready_fd ? fcntl(s.ready_fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (s.has_ready_fd && fd < 0)
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot wait for descriptor %d: %s", s.ready_fd,
                                strerror(errno));
    gbx_api_wasi_unbind(wasi, guest_fd);
    wasi->streams[guest_fd] = (wasi_stream_grant){.read = guest_fd ? NULL : s.read,
                                                  .write = guest_fd ? s.write : NULL,
                                                  .data = s.data,
                                                  .has_ready_fd = s.has_ready_fd,
                                                  .ready_fd = fd};
    return GBX_OK;
}

static wasi_ctx *
grants_ctx(const gbx_store *store, int guest_fd)
{
    const api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    return l && (guest_fd == 1 || guest_fd == 2) ? l->ctx : NULL;
}

gbx_bytes
gbx_store_captured(const gbx_store *store, int guest_fd)
{
    gbx_bytes out = {0};
    const wasi_ctx *const w = grants_ctx(store, guest_fd);
    if (w) out.data = gbx_wasi_captured(w, (u32)guest_fd, &out.len);
    return out;
}

void
gbx_store_clear_captured(gbx_store *store, int guest_fd)
{
    wasi_ctx *const w = grants_ctx(store, guest_fd);
    if (w) gbx_wasi_captured_clear(w, (u32)guest_fd);
}

/* ---- files from memory */

/* The directory of files that is granted as `clean`; it becomes the builder's alone. *out NULL: there is
 * none. */
static gbx_code
grants_find_tree(gbx_wasi *wasi, const char *clean, wasi_tree **out, gbx_err *err)
{
    *out = NULL;
    for (u32 i = 0; i < wasi->dirs.len; i++) {
        wasi_dir_grant *const d = &wasi->dirs.items[i];
        if (!d->tree || strcmp(d->guest_path, clean) != 0) continue;
        if (gbx_wasi_tree_is_shared(d->tree)) {
            wasi_tree *const own = gbx_wasi_tree_copy(d->tree);
            if (!own) return gbx_api_wasi_out_of_memory(err);
            gbx_wasi_tree_release(d->tree);
            d->tree = own;
        }
        *out = d->tree;
    }
    return GBX_OK;
}

static gbx_code
grants_new_tree(gbx_wasi *wasi, const char *guest_dir, const char *file, wasi_blob *blob, gbx_err *err)
{
    wasi_tree *const tree = gbx_wasi_tree_new(wasi->dirs.len);
    if (!tree) return gbx_api_wasi_out_of_memory(err);
    gbx_code code = gbx_wasi_tree_add(tree, file, blob, err);
    wasi_dir_grant const dir = {.host_fd = -1, .read_only = true, .tree = tree};
    if (code == GBX_OK) code = gbx_api_wasi_add_dir(wasi, NULL, guest_dir, dir, err);
    gbx_wasi_tree_release(tree);
    return code;
}

gbx_code
gbx_wasi_file(gbx_wasi *wasi, const char *guest_dir, const char *path, gbx_bytes bytes, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(guest_dir, err);
    API_NEED(path, err);
    if (bytes.len) API_NEED(bytes.data, err);
    char dir[PATH_MAX], file[PATH_MAX];
    GBX_TRY(gbx_wasi_guest_path(guest_dir, dir, sizeof dir, err));
    GBX_TRY(gbx_wasi_guest_path(path, file, sizeof file, err));
    wasi_tree *tree;
    GBX_TRY(grants_find_tree(wasi, dir, &tree, err));
    wasi_blob *const blob = gbx_wasi_blob_new(bytes.data, bytes.len);
    if (!blob) return gbx_api_wasi_out_of_memory(err);
    gbx_code const code = tree ? gbx_wasi_tree_add(tree, file, blob, err)
                               : grants_new_tree(wasi, dir, file, blob, err);
    gbx_wasi_blob_release(blob);
    return code;
}
