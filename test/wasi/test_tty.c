/* tty.c: what a terminal is given of what a guest writes, however the guest cuts it. */
#include "wasi/harness.h"

#include <pty.h>
#include <sys/ioctl.h>

/* What becomes of in[0..len) when it is written in pieces of `step` bytes. */
static size_t
filter(const char *in, size_t len, size_t step, u8 *out, size_t cap)
{
    wasi_tty t = {0};
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        size_t const piece = len - at < step ? len - at : step;
        for (size_t done = 0, taken; done < piece; done += taken) {
            n += gbx_wasi_tty_filter(&t, (const u8 *)in + at + done, piece - done, out + n, cap - n, &taken);
            assert_true(taken > 0);
        }
        at += piece;
    }
    return n;
}

static void
becomes(const char *in, const char *want)
{
    for (size_t step = 1; step <= 8; step++) {
        u8 out[4096];
        size_t const n = filter(in, strlen(in), step, out, sizeof out);
        if (n != strlen(want) || memcmp(out, want, n))
            fail_msg("in pieces of %zu: \"%.*s\", not \"%s\"", step, (int)n, (const char *)out, want);
    }
}

#define SAME(text) becomes(text, text)

static void
test_text_passes(void **state)
{
    (void)state;
    SAME("plain text\twith\rwhat a line has\b\a\n");
    SAME("é ü ß \xc2\xa0 \xc2\xbf € 日本語 \xed\x9f\xbf \xee\x80\x80 🧤 \xf4\x8f\xbf\xbf");
    SAME("\xe9t\xe9 \xff \xfe"); /* Latin-1 is no control */
    SAME("\x1b[m\x1b[0m\x1b[1;31mred\x1b[38;5;208m\x1b[48;2;1;2;3m\x1b[4:3m\x1b[0m");
    SAME("10%\x1b[K\x1b[2K\x1b[1G\x1b[3D\x1b[12C");
}

static void
a80_the_rest_is_shown(void **state)
{
    (void)state;
    becomes("\x1b]0;title\a", "^[]0;title\a");
    becomes("\x1b]52;c;aGk=\x1b\\", "^[]52;c;aGk=^[\\");
    becomes("\x1bP$qm\x1b\\", "^[P$qm^[\\");
    becomes("\x1b[2J\x1b[H\x1b[A\x1b[6n\x1b[c\x1b[5i\x1b[?25l\x1b[>c\x1b[!p\x1b[ q\x1b[21t",
            "^[[2J^[[H^[[A^[[6n^[[c^[[5i^[[?25l^[[>c^[[!p^[[ q^[[21t");
    becomes("\x1b" "c\x1b" "7\x1b(0\x1b#8\x1bZ\x1b%@\x1b\x1b[1m", "^[c^[7^[(0^[#8^[Z^[%@^[\x1b[1m");
    becomes("\x9b" "2J\x9d" "0;x\x9c \x90q \x84", "\\x9b2J\\x9d0;x\\x9c \\x90q \\x84");
    becomes("\xc2\x9b" "2J \xc2\x9d \xc2\x80", "\\x9b2J \\x9d \\x80");
    becomes("\x01\x05\x0e\x0f\x0b\x0c\x7f", "^A^E^N^O^K^L^?");
    /* Within a sequence: a control, an end in the middle, parameters without end. */
    becomes("\x1b[1\x07m \x1b[1;\x1b[31m \x1b[\xc3\xa9", "^[[1\am ^[[1;\x1b[31m ^[[é");
    becomes("\x1b[11111111111111111111111111111111m", "\x1b[11111111111111111111111111111111m");
    becomes("\x1b[111111111111111111111111111111111m", "^[[111111111111111111111111111111111m");
    /* Broken UTF-8 hides no control. */
    becomes("\xe2\x9b[1m", "\xe2\x9b[1m");
    becomes("\xc3\x1b]0;x", "\xc3^[]0;x");
    becomes("\xe2\x1b]\x82\x1b", "\xe2^[]\\x82");
    becomes("\xe0\x9b" "2J \xed\xa0\x9b" "2J \xf4\x90\x9b \xf0\x80\x9b \xc1\x9b \xf5\x9b",
            "\xe0\\x9b2J \xed\xa0\\x9b2J \xf4\\x90\\x9b \xf0\\x80\\x9b \xc1\\x9b \xf5\\x9b");
    becomes("\xc2" "A \xc2\xc2\xa0 \xc2\x1b]", "\xc2" "A \xc2\xc2\xa0 \xc2^[]");
}

/* NUL ends no string of a guest's. */
static void
test_nul(void **state)
{
    (void)state;
    u8 out[64];
    assert_int_equal(filter("a\0b\x1b[\0m", 7, 1, out, sizeof out), 10);
    assert_memory_equal(out, "a^@b^[[^@m", 10);
}

/* Whatever a guest writes: in pieces it is as it is whole, and what passes holds no control but those of a
 * line and no sequence but those that pass. */
static void
test_any_bytes(void **state)
{
    (void)state;
    static const char parts[][6] = {"\x1b", "[",    "1",    ";",    ":",    "m", "K",    "J",    "A",
                                     "]",    "\x9b", "\xc2", "\xe2", "\x82", "?", "\xac", "\xf0", "\x9f",
                                     "\x07", "\n",   "x",    "\xed", "\xa0", "é", "\x1b["};
    u32 seed = 12345;
    for (int round = 0; round < 20000; round++) {
        char in[65] = "";
        u8 whole[2048], cut[2048];
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525 + 1013904223;
            strcat(in, parts[(seed >> 16) % GBX_LEN(parts)]);
        }
        size_t const n = filter(in, strlen(in), sizeof in, whole, sizeof whole);
        assert_int_equal(filter(in, strlen(in), 1 + (seed >> 20) % 3, cut, sizeof cut), n);
        assert_memory_equal(whole, cut, n);
        for (size_t i = 0; i < n; i++) {
            if (whole[i] == 0x1b) {
                assert_true(whole[++i] == '[');
                while (i + 1 < n && strchr("0123456789;:", whole[i + 1])) i++;
                assert_true(i + 1 < n && strchr("mCDGK", whole[i + 1]));
            }
            assert_true(whole[i] >= 0x20 || strchr("\a\b\t\n\r", whole[i]));
            if (i) assert_false(whole[i - 1] == 0xc2 && whole[i] >= 0x80 && whole[i] < 0xa0);
        }
    }
}

/* In the least room there may be: nothing is written beyond it, and it goes on where it stopped. */
static void
test_least_room(void **state)
{
    (void)state;
    static const char in[] = "\x1b[11111111111111111111111111111111m\x1b[11111111111111111111111111111111\x1b"
                             "\x1b[2222222222222222222222222222222\x9b plain text and more of it \x9b\x9b\x9b\x9b";
    u8 whole[1024], got[1024], room[TTY_HELD + TTY_MOST + 16];
    size_t const len = sizeof in - 1, want = filter(in, len, len, whole, sizeof whole);
    for (size_t cap = TTY_HELD + TTY_MOST; cap < TTY_HELD + TTY_MOST + 16; cap++) {
        wasi_tty t = {0};
        size_t n = 0, taken;
        for (size_t at = 0; at < len; at += taken) {
            memset(room, 0xaa, sizeof room);
            size_t const some = gbx_wasi_tty_filter(&t, (const u8 *)in + at, len - at, room, cap, &taken);
            assert_true(some <= cap && (taken > 0 || some > 0));
            for (size_t i = cap; i < sizeof room; i++) assert_int_equal(room[i], 0xaa);
            memcpy(got + n, room, some);
            n += some;
        }
        assert_int_equal(n, want);
        assert_memory_equal(got, whole, n);
    }
}

/* ---- through the calls */

static void
expect_terminal(int host, const char *want)
{
    char got[4096];
    size_t n = 0;
    while (n < strlen(want)) {
        ssize_t const more = read(host, got + n, sizeof got - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_int_equal(n, strlen(want));
    assert_memory_equal(got, want, n);
}

static void
test_streams_share_a_terminal(void **state)
{
    rig *const r = *state;
    int host, guest;
    assert_int_equal(openpty(&host, &guest, NULL, NULL, NULL), 0);
    r->config.stdio[1] = r->config.stdio[2] = guest;
    rig_restart(r);
    /* A sequence cannot be put together of two streams, nor of two iovecs; a character can. */
    rig_write(r, 1, "\x1b");
    rig_write(r, 2, "]0;x");
    expect_terminal(host, "^[]0;x");
    rig_write(r, 1, "\xe2\x82");
    rig_write(r, 1, "\xac.");
    expect_terminal(host, "\xe2\x82\xac.");
    memcpy(r->mem.base + RIG_BUF, "\x1b[31m\x1b[2J", 9);
    rig_set_u32(r, RIG_IOVS, RIG_BUF);
    rig_set_u32(r, RIG_IOVS + 4, 3);
    rig_set_u32(r, RIG_IOVS + 8, RIG_BUF + 3);
    rig_set_u32(r, RIG_IOVS + 12, 6);
    OK(r, "fd_write", 1, RIG_IOVS, 2, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 9); /* of the guest's bytes */
    expect_terminal(host, "\x1b[31m^[[2J");
    /* Colours that are on at the end go out with it. */
    r->config.stdio[1] = r->config.stdio[2] = -1;
    rig_restart(r);
    expect_terminal(host, "\x1b[0m");
    r->config.stdio[1] = guest;
    r->config.raw = true;
    rig_restart(r);
    rig_write(r, 1, "\x1b[2J\x1b[8m");
    expect_terminal(host, "\x1b[2J\x1b[8m");
    r->config.raw = false;
    r->config.stdio[1] = -1;
    rig_restart(r);
    int left = 0;
    assert_int_equal(ioctl(host, FIONREAD, &left), 0);
    assert_int_equal(left, 0);
    close(host);
    close(guest);
}

static void
test_pipes_get_every_byte(void **state)
{
    rig *const r = *state;
    int p[2];
    char got[64];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[1] = p[1];
    rig_restart(r);
    rig_write(r, 1, "\x1b]0;x\x9b\xc2");
    assert_int_equal(read(p[0], got, sizeof got), 7);
    assert_memory_equal(got, "\x1b]0;x\x9b\xc2", 7);
    close(p[0]);
    close(p[1]);
    r->config.stdio[1] = -1;
}

/* Who was told that nobody reads, and writes on, is ended where the host wants it so. */
static void
test_broken_pipe_ends(void **state)
{
    rig *const r = *state;
    for (int ends = 0; ends < 2; ends++) {
        int p[2];
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        r->config.stdio[1] = p[1];
        r->config.pipe_ends = ends;
        rig_restart(r);
        close(p[0]);
        FAILS(r, PIPE, "fd_write", 1, IOV(r, 4), RIG_OUT);
        rig_write(r, 2, "elsewhere");
        if (ends) {
            assert_int_equal(CALL(r, "fd_write", 1, IOV(r, 4), RIG_OUT), UINT32_MAX);
            assert_int_equal(r->trap, GBX_TRAP_BROKEN_PIPE);
        } else {
            FAILS(r, PIPE, "fd_write", 1, IOV(r, 4), RIG_OUT);
        }
        close(p[1]);
        /* A pipe of the guest's own is its own affair. */
        char name[16];
        snprintf(name, sizeof name, "grant/p%d", ends);
        assert_int_equal(mkfifo(rig_host_path(r, name), 0600), 0);
        int const reading = open(rig_host_path(r, name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        u32 const fd = rig_open(r, name + 6, 0, RIGHT_FD_WRITE);
        close(reading);
        for (int i = 0; i < 3; i++) FAILS(r, PIPE, "fd_write", fd, IOV(r, 4), RIG_OUT);
        r->config.stdio[1] = -1;
    }
    r->config.pipe_ends = false;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_text_passes),
            cmocka_unit_test(a80_the_rest_is_shown),
            cmocka_unit_test(test_nul),
            cmocka_unit_test(test_any_bytes),
            cmocka_unit_test(test_least_room),
            RIG_TEST(test_streams_share_a_terminal),
            RIG_TEST(test_pipes_get_every_byte),
            RIG_TEST(test_broken_pipe_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
