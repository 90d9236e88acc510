/* Host errno to WASI errno, from errno.def. */
#include <errno.h>
#include <string.h>

#include "wasi/wasi_int.h"

typedef struct errno_row {
    int host;
    wasi_errno name;
} errno_row;

static const errno_row errno_rows[] = {
#define WASI_ERRNO(name, number, host) {host, WASI_##name},
#define WASI_ERRNO_ALSO(name, host) {host, WASI_##name},
#include "wasi/errno.def"
#undef WASI_ERRNO
#undef WASI_ERRNO_ALSO
};

wasi_errno
gbx_wasi_errno_of(int host_errno)
{
    for (const errno_row *r = errno_rows; r < GBX_END(errno_rows); r++)
        if (r->host == host_errno && host_errno) return r->name;
    return WASI_IO;
}

const char *
gbx_wasi_errno_text(wasi_errno e)
{
    for (const errno_row *r = errno_rows; r < GBX_END(errno_rows); r++)
        if (r->name == e && r->host) return strerror(r->host);
    return "it failed";
}
