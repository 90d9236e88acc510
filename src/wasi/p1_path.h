/* What p1_path.c and p1_open.c share: reading a path from guest memory, and its directory. */
#ifndef GBX_WASI_P1_PATH_H
#define GBX_WASI_P1_PATH_H

#include "wasi/wasi_int.h"

/* A text of 1 to WASI_MAX_PATH_BYTES bytes, kept as it is; a path, its trailing slashes cut off. */
wasi_errno gbx_wasi_text_read(p1_call *c, u32 ptr, u32 len, wasi_path *out);
wasi_errno gbx_wasi_path_read(p1_call *c, u32 ptr, u32 len, wasi_path *out);

/* The directory `fd` with at least `rights`, for a call that changes something or not. */
wasi_errno gbx_wasi_path_dir(p1_call *c, u32 fd, u64 rights, const wasi_path *p, bool changes,
                             wasi_file **out);

#endif
