/* The sticky reader, escaping and the bounded builder, arenas, error messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/reader.h"
#include "base/text.h"

#define BYTES(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})
#define NINES(last) 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last
#define EIGHTIES(last) 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, last

typedef enum leb_kind { U32, U64, I32, I33, I64 } leb_kind;

static u64
leb_read(reader *r, leb_kind kind)
{
    switch (kind) {
    case U32: return gbx_base_rd_u32(r);
    case U64: return gbx_base_rd_u64(r);
    case I32: return (u64)(i64)gbx_base_rd_i32(r);
    case I33: return (u64)gbx_base_rd_i33(r);
    case I64: return (u64)gbx_base_rd_i64(r);
    }
    return 0;
}

/* These bytes, with more behind them, are exactly this number. */
static void
leb_is(leb_kind kind, u64 want, const u8 *bytes, size_t len)
{
    u8 padded[16];
    memset(padded, 0x55, sizeof padded);
    memcpy(padded, bytes, len);
    reader r = rd_init(padded, 0, sizeof padded);
    assert_true(leb_read(&r, kind) == want);
    assert_true(rd_ok(&r));
    assert_int_equal(rd_offset(&r), len);
    /* The same at the very end; and one byte less is too short. */
    r = rd_init(padded, 0, len);
    assert_true(leb_read(&r, kind) == want && rd_ok(&r));
    r = rd_init(padded, 0, len - 1);
    assert_int_equal(leb_read(&r, kind), 0);
    assert_string_equal(r.why, "unexpected end");
}

static void
leb_is_bad(leb_kind kind, const char *why, const u8 *bytes, size_t len)
{
    reader r = rd_init(bytes, 0, len);
    assert_int_equal(leb_read(&r, kind), 0);
    assert_false(rd_ok(&r));
    assert_string_equal(r.why, why);
    assert_int_equal(r.why_off, 0); /* where the number begins */
    assert_int_equal(r.code, GBX_MALFORMED);
}

static void
test_leb(void **state)
{
    (void)state;
    leb_is(U32, 0, BYTES(0));
    leb_is(U32, 127, BYTES(0x7f));
    leb_is(U32, 128, BYTES(0x80, 1));
    leb_is(U32, 3, BYTES(0x83, 0x80, 0x80, 0x80, 0));
    leb_is(U32, UINT32_MAX, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f));
    leb_is(U64, UINT64_MAX, BYTES(NINES(1)));
    leb_is(U64, 0, BYTES(EIGHTIES(0)));
    leb_is(I32, (u64)-1, BYTES(0x7f));
    leb_is(I32, 63, BYTES(0x3f));
    leb_is(I32, (u64)-64, BYTES(0x40));
    leb_is(I32, 64, BYTES(0xc0, 0));
    leb_is(I32, (u64)-1, BYTES(0xff, 0xff, 0xff, 0xff, 0x7f));
    leb_is(I32, INT32_MAX, BYTES(0xff, 0xff, 0xff, 0xff, 0x07));
    leb_is(I32, (u64)(i64)INT32_MIN, BYTES(0x80, 0x80, 0x80, 0x80, 0x78));
    leb_is(I33, (u64)-0x40, BYTES(0x40));
    leb_is(I33, UINT32_MAX, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f));
    leb_is(I33, (u64)-0x100000000, BYTES(0x80, 0x80, 0x80, 0x80, 0x70));
    leb_is(I64, (u64)INT64_MIN, BYTES(EIGHTIES(0x7f)));
    leb_is(I64, INT64_MAX, BYTES(NINES(0)));
    leb_is(I64, (u64)-1, BYTES(NINES(0x7f)));
}

static void
test_bad_leb(void **state)
{
    (void)state;
    static const char long_one[] = "integer representation too long", large[] = "integer too large";
    leb_is_bad(U32, long_one, BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0));
    leb_is_bad(U32, large, BYTES(0x80, 0x80, 0x80, 0x80, 0x10));
    leb_is_bad(U32, large, BYTES(0xff, 0xff, 0xff, 0xff, 0x7f));
    leb_is_bad(U64, long_one, BYTES(EIGHTIES(0x80), 0));
    leb_is_bad(U64, large, BYTES(EIGHTIES(2)));
    leb_is_bad(I32, long_one, BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0));
    leb_is_bad(I32, large, BYTES(0x80, 0x80, 0x80, 0x80, 0x08)); /* 2^31 */
    leb_is_bad(I32, large, BYTES(0xff, 0xff, 0xff, 0xff, 0x4f)); /* the sign in one bit only */
    leb_is_bad(I32, large, BYTES(0xff, 0xff, 0xff, 0xff, 0x77)); /* below -2^31 */
    leb_is_bad(I33, large, BYTES(0x80, 0x80, 0x80, 0x80, 0x10));
    leb_is_bad(I33, large, BYTES(0xff, 0xff, 0xff, 0xff, 0x6f));
    leb_is_bad(I64, large, BYTES(EIGHTIES(1)));
    leb_is_bad(I64, large, BYTES(NINES(0x7e)));
    leb_is_bad(I64, long_one, BYTES(EIGHTIES(0x80), 0));
}

/* Every number, written in every length it may have, is read back. */
static void
test_leb_lengths(void **state)
{
    (void)state;
    u64 x = 88172645463325252u;
    for (u32 round = 0; round < 2000; round++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        u64 const v = x >> (round % 64);
        i64 const s = (i64)(round & 1 ? ~v : v) >> (round % 3);
        for (u32 len = 1; len <= 10; len++) {
            u8 bytes[10];
            u64 rest = v;
            i64 signed_rest = s;
            for (u32 i = 0; i < len; i++, rest >>= 7)
                bytes[i] = (u8)((rest & 0x7f) | (i + 1 < len ? 0x80 : 0));
            if (rest == 0) leb_is(U64, v, bytes, len);
            if (rest == 0 && v <= UINT32_MAX && len <= 5) leb_is(U32, v, bytes, len);
            for (u32 i = 0; i < len; i++, signed_rest >>= 7)
                bytes[i] = (u8)(((u64)signed_rest & 0x7f) | (i + 1 < len ? 0x80 : 0));
            bool const fits = (signed_rest == 0 && !(bytes[len - 1] & 0x40)) ||
                              (signed_rest == -1 && bytes[len - 1] & 0x40);
            if (fits) leb_is(I64, (u64)s, bytes, len);
            if (fits && s >= INT32_MIN && s <= INT32_MAX && len <= 5) leb_is(I32, (u64)s, bytes, len);
        }
    }
}

/* After the first failure nothing moves, everything reads as nothing, and the first reason stays. */
static void
test_sticky(void **state)
{
    (void)state;
    static const u8 bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    reader r = rd_init(bytes, 2, 6);
    gbx_err err;
    assert_int_equal(gbx_base_rd_u8(&r), 3);
    assert_int_equal(rd_left(&r), 3);
    assert_null(gbx_base_rd_bytes(&r, 4));
    assert_int_equal(r.why_off, 3);
    gbx_base_rd_fail(&r, GBX_LIMIT, 99, "later");
    assert_int_equal(gbx_base_rd_u8(&r), 0);
    assert_int_equal(gbx_base_rd_u32(&r), 0);
    assert_int_equal(gbx_base_rd_i64(&r), 0);
    assert_int_equal(gbx_base_rd_fixed32(&r), 0);
    assert_int_equal(gbx_base_rd_fixed64(&r), 0);
    assert_int_equal(gbx_base_rd_count(&r, 100, "things"), 0);
    assert_null(gbx_base_rd_bytes(&r, 0));
    assert_int_equal(gbx_base_rd_name(&r, 10).len, 0);
    assert_int_equal(rd_left(&r), 0);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_MALFORMED);
    assert_string_equal(err.text, "unexpected end at byte 0x3");
    assert_int_equal(err.offset, 3);
    r = rd_init(bytes, 2, 10);
    assert_int_equal(gbx_base_rd_fixed64(&r), 0x0a09080706050403);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_OK);
}

static void
test_counts_and_names(void **state)
{
    (void)state;
    gbx_err err;
    reader r = rd_init((const u8[]){3, 0, 0}, 0, 3);
    assert_int_equal(gbx_base_rd_count(&r, 10, "over it"), 0); /* three things in two bytes */
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_MALFORMED);
    r = rd_init((const u8[]){3, 0, 0, 0}, 0, 4);
    assert_int_equal(gbx_base_rd_count(&r, 3, "over it"), 3);
    r = rd_init((const u8[]){3, 0, 0, 0}, 0, 4);
    assert_int_equal(gbx_base_rd_count(&r, 2, "over it"), 0);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_LIMIT);
    assert_non_null(strstr(err.text, "over it"));
    r = rd_init((const u8[]){2, 0xc3, 0xa4, 1}, 0, 4);
    rd_name name = gbx_base_rd_name(&r, 2);
    assert_int_equal(name.len, 2);
    assert_memory_equal(name.text, "\xc3\xa4", 2);
    r = rd_init((const u8[]){2, 'a', 'b'}, 0, 3);
    assert_int_equal(gbx_base_rd_name(&r, 1).len, 0);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_LIMIT);
    r = rd_init((const u8[]){1, 0xc3}, 0, 2);
    name = gbx_base_rd_name(&r, 9);
    assert_non_null(name.text);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_MALFORMED);
    r = rd_init((const u8[]){0xff, 0xff, 0xff, 0xff, 0x0f, 'a'}, 0, 6);
    assert_int_equal(gbx_base_rd_name(&r, UINT64_MAX).len, 0);
    assert_int_equal(gbx_base_rd_done(&r, &err), GBX_MALFORMED);
}

/* ---- Text */

static void
test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true},
        {"\xed\x9f\xbf\xee\x80\x80", true},   /* beside the surrogates */
        {"\xed\xa0\x80", false},              /* a surrogate */
        {"\xed\xbf\xbf", false},
        {"\xc0\x80", false},                  /* overlong */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},          /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\x80", false},
        {"a\xc3", false},                     /* cut */
        {"\xe2\x82", false},
        {"\xf0\x90\x80", false},
        {"\xc3(", false},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++)
        assert_int_equal(gbx_base_utf8_check((const u8 *)rows[i].text, strlen(rows[i].text)), rows[i].good);
}

static void
escape_is(const char *want, const char *data, size_t len, size_t max)
{
    char buf[256];
    text_buf t = gbx_base_text_init(buf, sizeof buf);
    gbx_base_text_escape(&t, data, len, max);
    assert_string_equal(buf, want);
    assert_int_equal(t.len, strlen(want));
}

static void
test_escape(void **state)
{
    (void)state;
    escape_is("plain, \xc3\xa4 and \xf0\x9f\x99\x82", "plain, \xc3\xa4 and \xf0\x9f\x99\x82", 18, 100);
    escape_is("a\\nb\\x09\\x1b[31m\\x7f\\x00", "a\nb\t\x1b[31m\x7f\0", 11, 100);
    escape_is("\\\\ \\\"", "\\ \"", 3, 100);
    escape_is("\\xff\\xc3(", "\xff\xc3(", 3, 100);
    escape_is("\\u{202e}gnp\\u{200b}\\u{feff}\\u{85}", "\u202egnp\u200b\ufeff\xc2\x85", 14, 100);
    escape_is("abc...", "abcdef", 6, 3);
    escape_is("\\xc3...", "\xc3\xa4", 2, 1); /* a limit of bytes may cut a character */
    escape_is("", "", 0, 0);
}

/* Whatever is written, the buffer ends in a NUL, at a character's boundary, with dots where it is cut. */
static void
test_builder_cuts(void **state)
{
    (void)state;
    for (size_t cap = 4; cap < 40; cap++) {
        char buf[64];
        memset(buf, 0x55, sizeof buf);
        text_buf t = gbx_base_text_init(buf, cap);
        gbx_base_text_printf(&t, "%s", "\xc3\xa4\xe2\x82\xac");
        gbx_base_text_printf(&t, "-%d-", 12345);
        gbx_base_text_escape(&t, "\xf0\x9f\x99\x82\n", 5, 5);
        gbx_base_text_printf(&t, "%s", "end");
        assert_int_equal(t.len, strlen(buf));
        assert_true(t.len < cap);
        assert_true(gbx_base_utf8_check((const u8 *)buf, t.len));
        assert_int_equal(buf[cap], 0x55);
        assert_int_equal(t.cut, cap <= 21);
        if (t.cut) assert_string_equal(buf + t.len - 3, "...");
        else assert_string_equal(buf, "\xc3\xa4\xe2\x82\xac-12345-\xf0\x9f\x99\x82\\nend");
    }
}

static void
test_errors(void **state)
{
    (void)state;
    gbx_err err;
    assert_int_equal(gbx_base_err_set(&err, GBX_INVALID, 7, "bad %s", "thing"), GBX_INVALID);
    assert_int_equal(gbx_base_err_add(&err, GBX_INVALID, "in function %d", 3), GBX_INVALID);
    assert_string_equal(err.text, "bad thing; in function 3");
    assert_int_equal(err.code, GBX_INVALID);
    assert_int_equal(err.offset, 7);
    assert_int_equal(gbx_base_err_set(NULL, GBX_IO, 0, "nobody listens"), GBX_IO);
    assert_int_equal(gbx_base_err_add(NULL, GBX_IO, "nor now"), GBX_IO);
    for (u32 i = 0; i < 500; i++) gbx_base_err_add(&err, GBX_INVALID, "while \xc3\xa4 %u", i);
    assert_int_equal(strncmp(err.text, "bad thing; in function 3; while", 31), 0);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_true(gbx_base_utf8_check((const u8 *)err.text, strlen(err.text)));
    assert_string_equal(err.text + strlen(err.text) - 3, "...");
}

/* ---- Arenas */

static void
test_arena(void **state)
{
    (void)state;
    arena a = {0};
    u8 *kept[200];
    size_t sizes[200];
    for (u32 i = 0; i < 200; i++) {
        sizes[i] = i % 20 == 19 ? 50000 : i * 7 % 900;
        kept[i] = gbx_base_arena_alloc(&a, sizes[i], 1);
        assert_non_null(kept[i]);
        assert_int_equal((uintptr_t)kept[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(kept[i][k], 0);
        memset(kept[i], (int)i + 1, sizes[i]);
    }
    for (u32 i = 0; i < 200; i++)
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(kept[i][k], (u8)(i + 1));
    assert_null(gbx_base_arena_alloc(&a, SIZE_MAX / 2, 3));
    assert_null(gbx_base_arena_alloc(&a, SIZE_MAX - 5, 1));
    assert_null(gbx_base_arena_alloc(&a, SIZE_MAX / 2 + 1, 1));
    assert_string_equal(gbx_base_arena_copy(&a, "text and more", 4), "text");
    assert_string_equal(gbx_base_arena_copy(&a, NULL, 0), "");
    gbx_base_arena_deinit(&a);
    assert_int_equal(a.bytes, 0);
    gbx_base_arena_deinit(&a);
    gbx_base_fault_arm(1);
    assert_null(gbx_base_arena_alloc(&a, 1, 1));
    gbx_base_fault_arm(0);
    assert_non_null(gbx_base_arena_alloc(&a, 1, 1)); /* as if it had not been tried */
    gbx_base_arena_deinit(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leb),    cmocka_unit_test(test_bad_leb),
        cmocka_unit_test(test_leb_lengths), cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_counts_and_names), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_escape), cmocka_unit_test(test_builder_cuts),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
