/* What every public header needs: visibility, the ownership marker, a byte range, the version.
 *
 * Conventions of all headers. Handles are opaque. Arguments come in the order object, inputs, options,
 * outputs, err. Options are plain structs whose first field is `size`, set by their _INIT macro, and
 * whose other fields mean a safe default when zero. A function that can fail returns gbx_code and
 * takes a gbx_err, which may be NULL; a missing required argument is GBX_ARGUMENT, never a crash.
 * The library never writes to a standard stream and never exits. Where it runs compiled code it handles SIGSEGV, SIGBUS,
 * SIGFPE and SIGILL, and passes on to who was there before what no guest has raised. */
#ifndef GBX_BASE_PUBLIC_H
#define GBX_BASE_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define GBX_DECLS_BEGIN extern "C" {
#define GBX_DECLS_END }
#else
#define GBX_DECLS_BEGIN
#define GBX_DECLS_END
#endif

#define GBX_API __attribute__((visibility("default")))

/* An empty marker. On a return type or an out parameter: the caller now owns the object and must
 * release it with the matching call. Without it, what is handed over is borrowed from its parent. */
#define gbx_own

/* The version of these headers. */
#define GBX_VERSION_MAJOR 0
#define GBX_VERSION_MINOR 1
#define GBX_VERSION_PATCH 0
#define GBX_VERSION "0.1.0"

/* A range of bytes that belongs to the caller. `data` may be NULL only when `len` is 0. */
typedef struct gbx_bytes {
    const uint8_t *data;
    size_t len;
} gbx_bytes;

GBX_DECLS_BEGIN

/* The version of the library that is linked, as "major.minor.patch". Static storage; thread-safe. A
 * host may compare it with GBX_VERSION, the version it was compiled against. */
GBX_API const char *gbx_version(void);

GBX_DECLS_END

#endif
