/* base/hash: the values of the reference implementation of XXH64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/hash.h"

static u64
hash_of(const char *text)
{
    return gbx_base_hash(0, text, strlen(text));
}

/* Every way through: nothing, the tail by bytes, by 4 and by 8, stripes and what is left of them. */
static void
test_known(void **state)
{
    (void)state;
    assert_int_equal(hash_of(""), 0xef46db3751d8e999);
    assert_int_equal(hash_of("a"), 0xd24ec4f1a98c6e5b);
    assert_int_equal(hash_of("abc"), 0x44bc2cf5ad770999);
    assert_int_equal(hash_of("abcd"), 0xde0327b0d25d92cc);
    assert_int_equal(hash_of("12345678"), 0xd2d02f08cf7cfd4a);
    assert_int_equal(hash_of("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1);
    assert_int_equal(gbx_base_hash(1, "", 0), 0xd5afba1336a3be4b);
}

static void
test_differs(void **state)
{
    (void)state;
    u8 bytes[100] = {0};
    for (size_t len = 1; len <= sizeof bytes; len++) {
        u64 const zero = gbx_base_hash(0, bytes, len);
        assert_true(zero != gbx_base_hash(0, bytes, len - 1));
        assert_true(zero != gbx_base_hash(1, bytes, len));
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            assert_true(zero != gbx_base_hash(0, bytes, len));
            bytes[i] = 0;
        }
    }
}

/* No alignment is asked for. */
static void
test_unaligned(void **state)
{
    (void)state;
    u8 bytes[80];
    for (size_t at = 0; at < 16; at++) {
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes + at, "Nobody inspects the spammish repetition", 39);
        assert_int_equal(gbx_base_hash(0, bytes + at, 39), 0xfbcea83c8a378bf1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_known),
            cmocka_unit_test(test_differs),
            cmocka_unit_test(test_unaligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
