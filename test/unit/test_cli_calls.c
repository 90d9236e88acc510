/* cli/diff_calls.c: calls of one run held against those of another, kept whole and hashed in blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/diff_calls.c"
#include "cli/text.c"

/* text.c says so when there is no memory. */
void
gbx_cli_diag(const cli_diag *diag)
{
    fail_msg("%s", diag->message);
}

static gbx_trace_call
calls_example(uint64_t number)
{
    gbx_trace_call const write = {.number = number,
                                  .name = "fd_write",
                                  .params = "iiii",
                                  .args = {1, number % 1000, 1, 64},
                                  .result_name = "OK",
                                  .bytes = 13,
                                  .hash = number * 7};
    gbx_trace_call const clock = {.number = number,
                                  .name = "clock_time_get",
                                  .params = "iIi",
                                  .args = {0, 1, 128},
                                  .result_name = "OK",
                                  .bytes = 8,
                                  .hash = number};
    return number % 3 ? write : clock;
}

static diff_calls *
calls_first(uint64_t count)
{
    diff_calls *const calls = gbx_cli_diff_calls_new();
    for (uint64_t n = 1; n <= count; n++) {
        gbx_trace_call const call = calls_example(n);
        gbx_cli_diff_calls_keep(calls, &call, n % 5);
    }
    assert_int_equal(gbx_cli_diff_calls_count(calls), count);
    return calls;
}

/* Another run of `count` calls, of which number `other` is not as in the first: what is found, and at which. */
static diff_found
calls_again(const diff_calls *calls, uint64_t count, uint64_t other, void (*change)(gbx_trace_call *), uint64_t *at)
{
    diff_found found = {0};
    uint64_t block = 0;
    for (uint64_t n = 1; n <= count && !found.what; n++) {
        gbx_trace_call call = calls_example(n);
        if (n == other) change(&call);
        *at = n;
        gbx_cli_diff_calls_compare(calls, &call, n % 5, &block, &found);
    }
    return found;
}

static void
change_argument(gbx_trace_call *call)
{
    call->args[1]++;
}

static void
change_result(gbx_trace_call *call)
{
    call->result = 8;
    call->result_name = "BADF";
}

static void
change_hash(gbx_trace_call *call)
{
    call->hash++;
}

static void
change_name(gbx_trace_call *call)
{
    call->name = "fd_pwrite";
}

static void
change_trap(gbx_trace_call *call)
{
    call->trap = GBX_TRAP_EXIT;
}

static void
test_fields(void **state)
{
    (void)state;
    static const struct {
        void (*change)(gbx_trace_call *);
        const char *what, *b;
    } rows[] = {
            {change_argument, "host call 4, fd_write: argument 2", "fd_write(1, 5, 1, 64)"},
            {change_result, "host call 4, fd_write: its result", "8 (BADF)"},
            {change_hash, "host call 4, fd_write: the bytes that it was given or gave back",
             "13 bytes, 000000000000001d"},
            {change_name, "host call 4", "fd_pwrite(1, 4, 1, 64)"},
            {change_trap, "host call 4, fd_write: its result", "it ends the guest: exit"},
    };
    diff_calls *const calls = calls_first(10);
    uint64_t at;
    for (size_t i = 0; i < CLI_LEN(rows); i++) {
        diff_found const found = calls_again(calls, 10, 4, rows[i].change, &at);
        assert_string_equal(found.what, rows[i].what);
        if (rows[i].change != change_trap) assert_string_equal(found.b, rows[i].b);
        else assert_non_null(strstr(found.b, "it ends the guest"));
        assert_int_equal(at, 4);
    }
    assert_null(calls_again(calls, 10, 0, NULL, &at).what);

    /* All is the same, and then memory is not. */
    diff_found found = {0};
    uint64_t block = 0;
    gbx_trace_call const call = calls_example(1);
    gbx_cli_diff_calls_compare(calls, &call, 99, &block, &found);
    assert_string_equal(found.what, "memory after host call 1, fd_write");
    assert_true(found.at_end);
}

static void
test_counts(void **state)
{
    (void)state;
    diff_calls *const calls = calls_first(10);
    uint64_t at;
    diff_found found = calls_again(calls, 11, 0, NULL, &at);
    assert_string_equal(found.what, "host call 11");
    assert_string_equal(found.a, "there is none: 10 in all");
    assert_string_equal(found.b, "fd_write(1, 11, 1, 64)");
    gbx_cli_diff_calls_missing(calls, 8, &found);
    assert_string_equal(found.what, "host call 9");
    assert_string_equal(found.a, "clock_time_get(0, 1, 128)");
    assert_string_equal(found.b, "there is none: 8 in all");
}

/* Behind those that are kept whole: found at the end of the block, whichever call of it differs. */
static void
test_blocks(void **state)
{
    (void)state;
    uint64_t const count = DIFF_KEPT + 2 * DIFF_CHUNK + 100;
    diff_calls *const calls = calls_first(count);
    uint64_t at;
    assert_null(calls_again(calls, count, 0, NULL, &at).what);
    assert_int_equal(at, count);
    uint64_t const others[] = {DIFF_KEPT, DIFF_KEPT + 1, DIFF_KEPT + DIFF_CHUNK, DIFF_KEPT + DIFF_CHUNK + 1, count};
    uint64_t const founds[] = {DIFF_KEPT, DIFF_KEPT + DIFF_CHUNK, DIFF_KEPT + DIFF_CHUNK, DIFF_KEPT + 2 * DIFF_CHUNK,
                               count};
    for (size_t i = 0; i < CLI_LEN(others); i++) {
        diff_found const found = calls_again(calls, count, others[i], change_hash, &at);
        assert_non_null(found.what);
        assert_int_equal(at, founds[i]);
    }
    diff_found found = calls_again(calls, count, count, change_hash, &at);
    assert_string_equal(found.what, gbx_cli_format("a host call from %u to %u", DIFF_KEPT + 2 * DIFF_CHUNK + 1,
                                                   (unsigned)count));
    found = calls_again(calls, count + 1, 0, NULL, &at);
    assert_int_equal(at, count + 1);
    gbx_cli_diff_calls_missing(calls, DIFF_KEPT + 5, &found);
    assert_string_equal(found.what, gbx_cli_format("host call %u", DIFF_KEPT + 6));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fields),
            cmocka_unit_test(test_counts),
            cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
