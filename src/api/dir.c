/* guest.h: files by names that a guest chose, beneath a directory that the host named. */
#include <fcntl.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "wasi/wasi.h"

struct gbx_dir {
    wasi_beneath *of;
};

gbx_code
gbx_dir_open(const char *host_path, gbx_dir **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(host_path, err);
    gbx_dir *const dir = gbx_base_alloc_zero(1, sizeof *dir);
    if (!dir) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a directory");
    gbx_code const code = gbx_wasi_beneath_new(host_path, false, &dir->of, err);
    if (code == GBX_OK) *out = dir;
    else gbx_base_free(dir);
    return code;
}

void
gbx_dir_close(gbx_dir *dir)
{
    if (!dir) return;
    gbx_wasi_beneath_free(dir->of);
    gbx_base_free(dir);
}

/* As open(2) has them; -1: they mean nothing. */
static int
dir_flags(u32 flags)
{
    static const struct {
        u32 flag, needs;
        int host;
    } rows[] = {{GBX_OPEN_APPEND, GBX_OPEN_WRITE, O_APPEND},
                {GBX_OPEN_CREATE, GBX_OPEN_WRITE, O_CREAT},
                {GBX_OPEN_EXCLUSIVE, GBX_OPEN_CREATE, O_EXCL},
                {GBX_OPEN_TRUNCATE, GBX_OPEN_WRITE, O_TRUNC},
                {GBX_OPEN_DIRECTORY, GBX_OPEN_READ, O_DIRECTORY}};
    u32 const access = flags & (GBX_OPEN_READ | GBX_OPEN_WRITE);
    u32 known = GBX_OPEN_READ | GBX_OPEN_WRITE;
    int host = access == GBX_OPEN_READ ? O_RDONLY : access == GBX_OPEN_WRITE ? O_WRONLY : O_RDWR;
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        known |= rows[i].flag;
        if (!(flags & rows[i].flag)) continue;
        if (!(flags & rows[i].needs)) return -1;
        host |= rows[i].host;
    }
    bool const is_dir_to_write = flags & GBX_OPEN_DIRECTORY && flags & GBX_OPEN_WRITE;
    return !access || flags & ~known || is_dir_to_write ? -1 : host;
}

gbx_code
gbx_dir_find(gbx_dir *dir, const char *path, size_t len, uint32_t flags, int *fd, gbx_err *err)
{
    API_NEED(fd, err);
    *fd = -1;
    API_NEED(dir, err);
    API_NEED(path, err);
    int const host_flags = dir_flags(flags);
    if (host_flags < 0)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "0x%x are no flags to open a file with",
                                flags);
    return gbx_wasi_beneath_find(dir->of, path, len, host_flags, fd, err);
}
