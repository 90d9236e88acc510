/* Errors for the host: codes from errors.def, messages in a buffer of the caller's. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/text.h"

typedef struct error_row {
    const char *slug, *text, *remedy;
} error_row;

/* ORDER: gbx_code */
static const error_row error_rows[GBX_CODE_COUNT] = {
#define GBX_ERROR(code, slug, text, remedy) {slug, text, remedy},
#include "gbx/errors.def"
#undef GBX_ERROR
};

static const error_row *
error_find(gbx_code code)
{
    return (unsigned)code < GBX_CODE_COUNT ? &error_rows[code] : &error_rows[GBX_STATE];
}

const char *
gbx_code_slug(gbx_code code)
{
    return error_find(code)->slug;
}

const char *
gbx_code_text(gbx_code code)
{
    return error_find(code)->text;
}

const char *
gbx_code_remedy(gbx_code code)
{
    return error_find(code)->remedy;
}

void
gbx_base_assert_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "glovebox: internal error: %s:%d: %s\n", file, line, what);
    abort();
}

gbx_code
gbx_base_err_set(gbx_err *err, gbx_code code, u64 offset, const char *fmt, ...)
{
    if (!err) return code;
    err->code = code;
    err->offset = offset;
    text_buf t = gbx_base_text_init(err->text, sizeof err->text);
    va_list args;
    va_start(args, fmt);
    gbx_base_text_vprintf(&t, fmt, args);
    va_end(args);
    return code;
}

gbx_code
gbx_base_err_add(gbx_err *err, gbx_code code, const char *fmt, ...)
{
    if (!err) return code;
    size_t len = 0;
    while (len < sizeof err->text - 1 && err->text[len]) len++;
    if (sizeof err->text - len < 4) return code;
    text_buf t = {.data = err->text, .cap = sizeof err->text, .len = len};
    va_list args;
    va_start(args, fmt);
    gbx_base_text_printf(&t, "; ");
    gbx_base_text_vprintf(&t, fmt, args);
    va_end(args);
    return code;
}
