/* What every public header needs: visibility, the ownership marker, a byte range, the version. */
#ifndef GBX_BASE_PUBLIC_H
#define GBX_BASE_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GBX_API __attribute__((visibility("default")))

/* An empty marker. On a return type or an out parameter: the caller now owns the object and must
 * release it with the matching call. Without it, what is handed over is borrowed from its parent. */
#define gbx_own

#define GBX_VERSION_MAJOR 0
#define GBX_VERSION_MINOR 1
#define GBX_VERSION_PATCH 0
#define GBX_VERSION "0.1.0"

/* A range of bytes that belongs to the caller. `data` may be NULL only when `len` is 0. */
typedef struct gbx_bytes {
    const uint8_t *data;
    size_t len;
} gbx_bytes;

#endif
