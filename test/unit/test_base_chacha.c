/* ChaCha20 against the vectors of RFC 8439, and its stream in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/chacha.h"

/* 2.3.2: the key is 0 to 31, the counter 1, the nonce 00:00:00:09:00:00:00:4a:00:00:00:00. */
static void
test_block(void **state)
{
    (void)state;
    static const u8 expected[64] = {
            0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
            0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e,
            0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2,
            0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    u8 key[32], got[64];
    chacha c;
    for (u8 i = 0; i < 32; i++) key[i] = i;
    gbx_base_chacha_init(&c, key, 1 | (u64)0x09000000 << 32, 0x4a000000);
    gbx_base_chacha_fill(&c, got, sizeof got);
    assert_memory_equal(got, expected, sizeof got);
}

/* A.1, vectors 1 and 2: all zero; block 0 and 1. */
static void
test_zero_key(void **state)
{
    (void)state;
    static const u8 first[] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5};
    static const u8 second[] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c};
    u8 const key[32] = {0};
    u8 got[128];
    chacha c;
    gbx_base_chacha_init(&c, key, 0, 0);
    gbx_base_chacha_fill(&c, got, sizeof got);
    assert_memory_equal(got, first, sizeof first);
    assert_memory_equal(got + 64, second, sizeof second);
}

static void
test_pieces(void **state)
{
    (void)state;
    u8 const key[32] = {7};
    u8 whole[5000], pieces[5000];
    chacha c;
    gbx_base_chacha_init(&c, key, UINT32_MAX - 10, 0); /* past where 32 bits end */
    gbx_base_chacha_fill(&c, whole, sizeof whole);
    gbx_base_chacha_init(&c, key, UINT32_MAX - 10, 0);
    for (size_t at = 0, n = 0; at < sizeof pieces; at += n, n = (n + 1) % 131) {
        if (n > sizeof pieces - at) n = sizeof pieces - at;
        gbx_base_chacha_fill(&c, pieces + at, n);
        if (!n) continue;
    }
    assert_memory_equal(whole, pieces, sizeof whole);
    gbx_base_chacha_init(&c, key, (u64)UINT32_MAX + 1, 0);
    gbx_base_chacha_fill(&c, pieces, 64);
    assert_memory_equal(whole + 11 * 64, pieces, 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_block),
            cmocka_unit_test(test_zero_key),
            cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
