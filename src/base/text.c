/* UTF-8 checks, escaping and the bounded builder; see text.h. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

size_t
gbx_base_utf8_next(const u8 *p, size_t len, u32 *cp)
{
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t const n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len) return 0;
    u32 v = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    static const u32 least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return 0;
    *cp = v;
    return n;
}

bool
gbx_base_utf8_check(const u8 *p, size_t len)
{
    u32 cp;
    u64 word;
    while (len) {
        size_t n = 1;
        if (len >= sizeof word && (memcpy(&word, p, sizeof word), !(word & 0x8080808080808080)))
            n = sizeof word; /* nearly all names are ASCII */
        else if (*p >= 0x80)
            n = gbx_base_utf8_next(p, len, &cp);
        if (!n) return false;
        p += n;
        len -= n;
    }
    return true;
}

text_buf
gbx_base_text_init(char *data, size_t cap)
{
    GBX_ASSERT(cap >= 4);
    data[0] = 0;
    return (text_buf){.data = data, .cap = cap};
}

static void
text_cut(text_buf *t)
{
    size_t at = t->cap - 4;
    while (at && ((u8)t->data[at] & 0xc0) == 0x80) at--;
    memcpy(t->data + at, "...", 4);
    t->len = at + 3;
    t->cut = true;
}

void
gbx_base_text_vprintf(text_buf *t, const char *fmt, va_list args)
{
    if (t->cut) return;
    int const n = vsnprintf(t->data + t->len, t->cap - t->len, fmt, args);
    if (n < 0) return;
    if ((size_t)n >= t->cap - t->len) {
        text_cut(t);
        return;
    }
    t->len += (size_t)n;
}

void
gbx_base_text_printf(text_buf *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    gbx_base_text_vprintf(t, fmt, args);
    va_end(args);
}

bool
gbx_base_text_is_hidden(u32 cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
           (cp >= 0xe0000 && cp <= 0xe0fff);
}

void
gbx_base_text_escape(text_buf *t, const void *data, size_t len, size_t max)
{
    const u8 *p = data;
    bool const cut = len > max;
    if (cut) len = max;
    while (len && !t->cut) {
        u32 cp = 0;
        size_t const n = gbx_base_utf8_next(p, len, &cp);
        if (!n) {
            gbx_base_text_printf(t, "\\x%02x", *p);
        } else if (cp == '\\' || cp == '"') {
            gbx_base_text_printf(t, "\\%c", (char)cp);
        } else if (cp == '\n') {
            gbx_base_text_printf(t, "\\n");
        } else if (gbx_base_text_is_hidden(cp)) {
            gbx_base_text_printf(t, cp < 0x80 ? "\\x%02x" : "\\u{%x}", cp);
        } else {
            gbx_base_text_printf(t, "%.*s", (int)n, (const char *)p);
        }
        p += n ? n : 1;
        len -= n ? n : 1;
    }
    if (cut) gbx_base_text_printf(t, "...");
}
