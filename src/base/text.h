/* Text that is shown to people: UTF-8 checks, escaping, a bounded string builder. */
#ifndef GBX_BASE_TEXT_H
#define GBX_BASE_TEXT_H

#include <stdarg.h>

#include "base/base.h"

/* True for well-formed UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
GBX_MUST_USE bool gbx_base_utf8_check(const u8 *p, size_t len);
/* Bytes of the well-formed character at p, its code point in *cp; 0 when it is not well-formed. len > 0. */
GBX_MUST_USE size_t gbx_base_utf8_next(const u8 *p, size_t len, u32 *cp);
/* Characters that show nothing, or reorder what is shown: a file name made of them misleads. */
GBX_MUST_USE bool gbx_base_text_is_hidden(u32 cp);

/* Bounded builder over a buffer of the caller's; always NUL-terminated, silently cut at a character
 * boundary (the last three bytes then read "..."). cap >= 4. */
typedef struct text_buf {
    char *data;
    size_t cap;
    size_t len;
    bool cut;
} text_buf;

text_buf gbx_base_text_init(char *data, size_t cap);
void gbx_base_text_printf(text_buf *t, const char *fmt, ...) GBX_PRINTF(2, 3);
void gbx_base_text_vprintf(text_buf *t, const char *fmt, va_list args);

/* Append bytes that came from a guest or a file so that they cannot act on a terminal or break a
 * line: control bytes, DEL, invalid UTF-8, bidirectional and other invisible controls become \xNN
 * or \u{N}; a backslash and a double quote are doubled or escaped. At most `max` bytes are read. */
void gbx_base_text_escape(text_buf *t, const void *p, size_t len, size_t max);

#endif
