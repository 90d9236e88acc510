/* Failures the host can see: a closed set of codes, and a message the caller owns.
 *
 * A guest's own fault is a trap (trap.h), not an error; see gbx/traps.def for those. */
#ifndef GBX_ERROR_H
#define GBX_ERROR_H

#include "gbx/base.h"

GBX_DECLS_BEGIN

typedef enum gbx_code {
#define GBX_ERROR(code, slug, text, remedy) GBX_##code,
#include "gbx/errors.def"
#undef GBX_ERROR
    GBX_CODE_COUNT
} gbx_code;

#define GBX_ERR_TEXT_MAX 1024

/* Where a failure is described. Plain data, owned by the caller, valid until the next call that is
 * given it; no allocation stands behind it. Zero-initialise it or not: a failing call fills it. */
typedef struct gbx_err {
    gbx_code code;
    uint64_t offset;             /* byte offset into the module file; UINT64_MAX: none */
    char text[GBX_ERR_TEXT_MAX]; /* one line of UTF-8 without control characters, NUL-terminated */
} gbx_err;

/* The stable slug of a code ("unknown-import"), its text and its one-line remedy ("" where there is
 * none). Never NULL; static storage; thread-safe. An unknown code gives those of "wrong-state". */
GBX_API const char *gbx_code_slug(gbx_code code);
GBX_API const char *gbx_code_text(gbx_code code);
GBX_API const char *gbx_code_remedy(gbx_code code);

GBX_DECLS_END

#endif
