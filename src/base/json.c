/* The writer of JSON; see json.h. SPEC: RFC 8259.
 *
 * SAFETY: texts come from guests and files. Each character is looked at, so that no quote, control
 * character or half of a character of theirs stands in what is written. */
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

static void
json_put(json *j, const char *p, size_t len)
{
    if (j->failed) return;
    if (j->cap - j->len <= len) {
        size_t cap;
        char *grown = NULL;
        if (!__builtin_add_overflow(2 * j->cap + 64, len, &cap)) grown = gbx_base_realloc(j->data, cap, 1);
        if (!grown) {
            j->failed = true;
            return;
        }
        j->data = grown;
        j->cap = cap;
    }
    memcpy(j->data + j->len, p, len);
    j->len += len;
}

static void
json_printf(json *j, const char *fmt, ...) GBX_PRINTF(2, 3);

/* For what is short: numbers and escapes. */
static void
json_printf(json *j, const char *fmt, ...)
{
    char text[32];
    va_list args;
    va_start(args, fmt);
    int const n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n > 0) json_put(j, text, min_u64((u64)n, sizeof text - 1));
}

static void
json_escaped(json *j, const u8 *p, size_t len)
{
    json_put(j, "\"", 1);
    while (len) {
        u32 cp = 0;
        size_t const n = gbx_base_utf8_next(p, len, &cp);
        if (!n) json_put(j, "\xef\xbf\xbd", 3);
        else if (cp == '"' || cp == '\\') json_printf(j, "\\%c", (char)cp);
        else if (cp >= 0x10000 && gbx_base_text_is_hidden(cp))
            json_printf(j, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
        else if (gbx_base_text_is_hidden(cp)) json_printf(j, "\\u%04x", cp);
        else json_put(j, (const char *)p, n);
        p += n ? n : 1;
        len -= n ? n : 1;
    }
    json_put(j, "\"", 1);
}

/* What stands in front of every value. */
static void
json_begin(json *j, const char *key)
{
    if (j->behind) json_put(j, ", ", 2);
    j->behind = true;
    if (!key) return;
    json_escaped(j, (const u8 *)key, strlen(key));
    json_put(j, ": ", 2);
}

void
gbx_base_json_open(json *j, const char *key, char kind)
{
    json_begin(j, key);
    json_put(j, &kind, 1);
    j->behind = false;
}

void
gbx_base_json_close(json *j, char kind)
{
    json_put(j, kind == '{' ? "}" : "]", 1);
    j->behind = true;
}

void
gbx_base_json_text(json *j, const char *key, const void *text, size_t len)
{
    json_begin(j, key);
    json_escaped(j, text, len);
}

void
gbx_base_json_string(json *j, const char *key, const char *text)
{
    if (text) gbx_base_json_text(j, key, text, strlen(text));
    else gbx_base_json_null(j, key);
}

void
gbx_base_json_u64(json *j, const char *key, u64 value)
{
    json_begin(j, key);
    json_printf(j, "%llu", (unsigned long long)value);
}

void
gbx_base_json_i64(json *j, const char *key, i64 value)
{
    json_begin(j, key);
    json_printf(j, "%lld", (long long)value);
}

void
gbx_base_json_bool(json *j, const char *key, bool value)
{
    json_begin(j, key);
    json_printf(j, "%s", value ? "true" : "false");
}

void
gbx_base_json_null(json *j, const char *key)
{
    json_begin(j, key);
    json_put(j, "null", 4);
}

char *
gbx_base_json_end(json *j)
{
    json_put(j, "", 1);
    char *const text = j->failed ? NULL : j->data;
    if (!text) gbx_base_free(j->data);
    *j = (json){0};
    return text;
}
