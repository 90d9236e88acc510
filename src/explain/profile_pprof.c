/* A profile as `go tool pprof` reads it. SPEC: github.com/google/pprof/proto/profile.proto; RFC 1952; RFC
 * 1951, 3.2.4.
 *
 * The message is put into gzip as it is, in stored blocks: readers expect gzip by the file's name, and
 * what it would save is not worth a library. Messages are made innermost first, since each stands behind
 * its length. */
#include <string.h>

#include "base/alloc.h"
#include "explain/profile.h"

enum { PPROF_VARINT = 0, PPROF_BYTES = 2 };
enum { PPROF_STRING_NONE, PPROF_STRING_SAMPLES, PPROF_STRING_COUNT, PPROF_STRING_CPU, PPROF_STRING_NS,
       PPROF_STRING_FILE, PPROF_STRING_FIRST };
#define PPROF_STORED_MOST 65535u

static void
pprof_varint(profile_out *o, u64 v)
{
    u8 bytes[10];
    u32 len = 0;
    for (; v >= 0x80; v >>= 7) bytes[len++] = (u8)(v | 0x80);
    bytes[len++] = (u8)v;
    gbx_explain_out_add(o, bytes, len);
}

static void
pprof_number(profile_out *o, u32 field, u64 v)
{
    pprof_varint(o, field << 3 | PPROF_VARINT);
    pprof_varint(o, v);
}

static void
pprof_bytes(profile_out *o, u32 field, const void *bytes, size_t len)
{
    pprof_varint(o, field << 3 | PPROF_BYTES);
    pprof_varint(o, len);
    gbx_explain_out_add(o, bytes, len);
}

/* A message as a field of another; it is empty afterwards. */
static void
pprof_message(profile_out *o, u32 field, profile_out *message)
{
    pprof_bytes(o, field, message->bytes, message->len);
    o->failed |= message->failed;
    message->len = 0;
}

static void
pprof_value_type(profile_out *o, profile_out *m, u32 field, u32 type, u32 unit)
{
    pprof_number(m, 1, type);
    pprof_number(m, 2, unit);
    pprof_message(o, field, m);
}

static void
pprof_samples(profile_book *b, profile_out *o, profile_out *m, profile_out *packed)
{
    u64 const period = gbx_runtime_profile_period_ns(b->p);
    for (u32 i = 0; i < gbx_runtime_profile_count(b->p); i++) {
        sample_row const row = gbx_runtime_profile_row(b->p, i);
        for (u32 k = 0; k < row.frame_count; k++) {
            const profile_place *const place = gbx_explain_place(b, row.module, row.frames[k]);
            if (place) pprof_varint(packed, place->id);
        }
        const profile_place *const none = row.frame_count ? NULL : gbx_explain_place_none(b);
        if (none) pprof_varint(packed, none->id);
        pprof_message(m, 1, packed);
        pprof_varint(packed, row.count);
        pprof_varint(packed, row.count * period);
        pprof_message(m, 2, packed);
        pprof_message(o, 2, m);
    }
}

static void
pprof_places(const profile_book *b, profile_out *o, profile_out *m, profile_out *line)
{
    for (u32 i = 0; i < b->place_count; i++) {
        const profile_place *const place = b->all_places[i];
        pprof_number(m, 1, place->id);
        pprof_number(m, 2, 1);
        pprof_number(m, 3, place->frame & ~(SAMPLE_IS_WASM | SAMPLE_IS_BEHIND));
        for (u32 k = 0; k < place->line_count; k++) {
            pprof_number(line, 1, place->lines[k].func->id);
            pprof_number(line, 2, place->lines[k].line);
            pprof_message(m, 4, line);
        }
        pprof_message(o, 4, m);
    }
    for (u32 i = 0; i < b->func_count; i++) {
        u32 const name = PPROF_STRING_FIRST + 2 * i;
        pprof_number(m, 1, i + 1);
        pprof_number(m, 2, name);
        pprof_number(m, 3, name);
        pprof_number(m, 4, name + 1);
        pprof_message(o, 5, m);
    }
}

static void
pprof_strings(const profile_book *b, profile_out *o)
{
    static const char *const fixed[] = {
            [PPROF_STRING_NONE] = "",           [PPROF_STRING_SAMPLES] = "samples",
            [PPROF_STRING_COUNT] = "count",     [PPROF_STRING_CPU] = "cpu",
            [PPROF_STRING_NS] = "nanoseconds",  [PPROF_STRING_FILE] = "main.wasm"};
    for (u32 i = 0; i < PPROF_STRING_FIRST; i++) pprof_bytes(o, 6, fixed[i], strlen(fixed[i]));
    for (u32 i = 0; i < b->func_count; i++) {
        const profile_func *const f = b->all_funcs[i];
        pprof_bytes(o, 6, f->name, strlen(f->name));
        pprof_bytes(o, 6, f->file, strlen(f->file));
    }
}

static void
pprof_profile(profile_book *b, profile_out *o)
{
    profile_out m = {0}, inner = {0};
    pprof_value_type(o, &m, 1, PPROF_STRING_SAMPLES, PPROF_STRING_COUNT);
    pprof_value_type(o, &m, 1, PPROF_STRING_CPU, PPROF_STRING_NS);
    pprof_samples(b, o, &m, &inner);
    pprof_number(&m, 1, 1);
    pprof_number(&m, 5, PPROF_STRING_FILE);
    for (u32 has = 7; has <= 10; has++) pprof_number(&m, has, 1); /* functions, files, lines, inlined */
    pprof_message(o, 3, &m);
    pprof_places(b, o, &m, &inner);
    pprof_strings(b, o);
    pprof_number(o, 9, gbx_runtime_profile_began_ns(b->p));
    pprof_number(o, 10, gbx_runtime_profile_lasted_ns(b->p));
    pprof_value_type(o, &m, 11, PPROF_STRING_CPU, PPROF_STRING_NS);
    pprof_number(o, 12, gbx_runtime_profile_period_ns(b->p));
    gbx_base_free(m.bytes);
    gbx_base_free(inner.bytes);
}

/* ---- gzip */

static u32
pprof_crc(const u8 *p, size_t len)
{
    u32 crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (u32 bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void
pprof_fixed(profile_out *o, u32 v, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++) gbx_explain_out_add(o, (const u8[]){(u8)(v >> 8 * i)}, 1);
}

void
gbx_explain_pprof(profile_book *b, profile_out *out)
{
    static const u8 header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    profile_out raw = {0};
    pprof_profile(b, &raw);
    gbx_explain_out_add(out, header, sizeof header);
    for (size_t at = 0; at < raw.len;) {
        u32 const len = (u32)min_u64(raw.len - at, PPROF_STORED_MOST);
        pprof_fixed(out, at + len == raw.len, 1);
        pprof_fixed(out, len, 2);
        pprof_fixed(out, ~len, 2);
        gbx_explain_out_add(out, raw.bytes + at, len);
        at += len;
    }
    pprof_fixed(out, pprof_crc(raw.bytes, raw.len), 4);
    pprof_fixed(out, (u32)raw.len, 4);
    out->failed |= raw.failed || b->failed;
    gbx_base_free(raw.bytes);
}
