/* fd_readdir: entries, cookies, buffers of every size, many entries, entries that vanish. */
#include "wasi/harness.h"

#define HEAD 24

typedef struct entry {
    u64 next, ino;
    u32 name_len;
    u8 type;
    char name[256];
} entry;

static u32
list(rig *r, u32 fd, u32 len, u64 cookie)
{
    memset(r->mem.base + RIG_BUF, 0xcc, (size_t)len + 16);
    OK(r, "fd_readdir", fd, RIG_BUF, len, cookie, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_BUF + len], 0xcc);
    assert_true(rig_u32(r, RIG_OUT) <= len);
    return rig_u32(r, RIG_OUT);
}

/* The entry at `at` of `used` bytes; the bytes it takes, 0 when it is cut. */
static u32
entry_at(const rig *r, u32 at, u32 used, entry *e)
{
    const u8 *const p = r->mem.base + RIG_BUF + at;
    if (used - at < HEAD) return 0;
    memcpy(&e->next, p, 8);
    memcpy(&e->ino, p + 8, 8);
    memcpy(&e->name_len, p + 16, 4);
    e->type = p[20];
    assert_int_equal(p[21] | p[22] | p[23], 0); /* padding tells nothing */
    if (used - at - HEAD < e->name_len) return 0;
    memcpy(e->name, p + HEAD, e->name_len);
    e->name[e->name_len] = 0;
    return HEAD + e->name_len;
}

/* All names from `cookie` on, through a buffer of `len` bytes, each counted in seen[number] when it is
 * called "f<number>". Returns entries; the calls made are added to *calls. */
static u32
list_all(rig *r, u32 fd, u32 len, u64 cookie, u8 *seen, u32 *calls)
{
    u32 total = 0;
    for (;;) {
        u32 const used = list(r, fd, len, cookie);
        u32 at = 0, n;
        entry e;
        ++*calls;
        while (at < used && (n = entry_at(r, at, used, &e))) {
            cookie = e.next;
            total++;
            at += n;
            if (e.name[0] == 'f' && seen) seen[atoi(e.name + 1)]++;
        }
        if (used < len) return total;
        assert_true(at > 0);
    }
}

static void
test_entries(void **state)
{
    rig *const r = *state;
    struct stat st;
    entry e;
    host_file(r, "grant/file", "");
    host_mkdir(r, "grant/dir");
    host_link(r, "none", "grant/link");
    assert_int_equal(mkfifo(rig_host_path(r, "grant/fifo"), 0600), 0);
    assert_int_equal(stat(r->grant, &st), 0);
    u32 const used = list(r, RIG_FD, 4096, 0);
    u32 at = 0, found = 0, n;
    while (at < used && (n = entry_at(r, at, used, &e))) {
        at += n;
        found++;
        if (!strcmp(e.name, ".")) {
            assert_int_equal(e.ino, st.st_ino);
            assert_int_equal(e.type, TYPE_DIRECTORY);
        } else if (!strcmp(e.name, "..")) {
            assert_int_equal(e.type, TYPE_DIRECTORY);
            assert_int_equal(e.ino, 0); /* what lies outside is not told about */
        } else {
            assert_int_equal(lstat(rig_host_path(r, "grant"), &st), 0);
            char path[300];
            snprintf(path, sizeof path, "grant/%s", e.name);
            assert_int_equal(lstat(rig_host_path(r, path), &st), 0);
            assert_int_equal(e.ino, st.st_ino);
            assert_int_equal(e.type, gbx_wasi_type_of(st.st_mode));
            assert_int_equal(lstat(r->grant, &st), 0);
        }
    }
    assert_int_equal(found, 6);
    assert_int_equal(at, used);
    assert_int_equal(list(r, RIG_FD, 4096, e.next), 0); /* behind the last */
}

/* A53: every length gives as much of the same bytes as fits. */
static void
a53_every_buffer_length(void **state)
{
    rig *const r = *state;
    static u8 all[512];
    host_file(r, "grant/a", "");
    host_file(r, "grant/bb", "");
    u32 const total = list(r, RIG_FD, sizeof all, 0);
    assert_int_equal(total, 4 * HEAD + 1 + 2 + 1 + 2);
    memcpy(all, r->mem.base + RIG_BUF, total);
    for (u32 len = 0; len <= total; len++) {
        assert_int_equal(list(r, RIG_FD, len, 0), len);
        assert_memory_equal(r->mem.base + RIG_BUF, all, len);
    }
    assert_int_equal(list(r, RIG_FD, total + 1, 0), total);
    /* On from each entry with each length. */
    u32 at = 0, n;
    memcpy(r->mem.base + RIG_BUF, all, total);
    for (entry e; at < total;) {
        memcpy(r->mem.base + RIG_BUF, all, total);
        n = entry_at(r, at, total, &e);
        assert_true(n > 0);
        at += n;
        for (u32 len = 0; len <= total - at + 1; len++) {
            u32 const used = list(r, RIG_FD, len, e.next);
            assert_int_equal(used, len < total - at ? len : total - at);
            assert_memory_equal(r->mem.base + RIG_BUF, all + at, used);
        }
    }
}

static void
a53_many_entries_and_removal(void **state)
{
    enum { COUNT = 10000 };
    rig *const r = *state;
    static u8 seen[COUNT];
    char name[300];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "grant/f%d", i);
        int const fd = open(rig_host_path(r, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    u32 calls = 0;
    memset(seen, 0, sizeof seen);
    assert_int_equal(list_all(r, RIG_FD, 8192, 0, seen, &calls), COUNT + 2);
    for (int i = 0; i < COUNT; i++) assert_int_equal(seen[i], 1);
    assert_true(calls < COUNT / 200);
    /* Through a tiny buffer, and again from the start. */
    calls = 0;
    assert_int_equal(list_all(r, RIG_FD, 64, 0, NULL, &calls), COUNT + 2);
    /* Two listings of one directory at the same time, by two descriptors. */
    u32 const other = rig_open(r, ".", OFLAG_DIRECTORY, RIGHT_FD_READDIR);
    u32 used = list(r, RIG_FD, 8192, 0), at = 0, n;
    entry e;
    u64 cookie = 0;
    while ((n = entry_at(r, at, used, &e))) at += n, cookie = e.next;
    calls = 0;
    assert_int_equal(list_all(r, other, 8192, 0, NULL, &calls), COUNT + 2);
    u32 first = 0;
    used = list(r, RIG_FD, 8192, 0);
    for (at = 0; (n = entry_at(r, at, used, &e)); at += n) first++;
    assert_int_equal(list_all(r, RIG_FD, 8192, cookie, NULL, &calls), COUNT + 2 - first);

    /* What was listed is removed while the listing goes on: the rest is listed all the same. */
    memset(seen, 0, sizeof seen);
    u32 left = COUNT;
    cookie = 0;
    do {
        used = list(r, RIG_FD, 8192, cookie);
        for (at = 0; at < used && (n = entry_at(r, at, used, &e)); at += n) {
            cookie = e.next;
            if (e.name[0] != 'f') continue;
            assert_int_equal(seen[atoi(e.name + 1)]++, 0);
            snprintf(name, sizeof name, "grant/%s", e.name);
            assert_int_equal(unlink(rig_host_path(r, name)), 0);
            left--;
        }
    } while (used == 8192);
    assert_int_equal(left, 0);
    assert_int_equal(list(r, RIG_FD, 8192, 0), 2 * HEAD + 3);
}

/* New entries are seen after going back to the start; the end is the end until then or later. */
static void
test_rewind(void **state)
{
    rig *const r = *state;
    u32 const empty = list(r, RIG_FD, 4096, 0);
    assert_int_equal(empty, 2 * HEAD + 3);
    host_file(r, "grant/new", "");
    assert_int_equal(list(r, RIG_FD, 4096, 0), 3 * HEAD + 6);
    OK(r, "path_unlink_file", RIG_FD, P(r, "new"));
    assert_int_equal(list(r, RIG_FD, 4096, 0), empty);
}

/* A53: cookies nobody gave out. Whatever comes back is well-formed and inside the buffer. */
static void
a53_invented_cookies(void **state)
{
    rig *const r = *state;
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "grant/f%d", i);
        host_file(r, name, "");
    }
    static const u64 cookies[] = {1,
                                  2,
                                  3,
                                  7,
                                  100,
                                  0x7fffffff,
                                  0xffffffff,
                                  1ull << 40,
                                  INT64_MAX - 1,
                                  INT64_MAX,
                                  (u64)INT64_MAX + 1,
                                  UINT64_MAX - 1,
                                  UINT64_MAX};
    for (size_t i = 0; i < GBX_LEN(cookies); i++) {
        u32 const e = CALL(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, cookies[i], RIG_OUT);
        assert_true(e == WASI_OK || e == WASI_INVAL);
        if (cookies[i] > INT64_MAX) assert_int_equal(e, WASI_INVAL);
        u32 at = 0, n, used = e ? 0 : rig_u32(r, RIG_OUT);
        entry x;
        assert_true(used <= 4096);
        while (at < used && (n = entry_at(r, at, used, &x))) at += n;
    }
    u32 calls = 0;
    assert_int_equal(list_all(r, RIG_FD, 4096, 0, NULL, &calls), 102);
}

static void
test_errors(void **state)
{
    rig *const r = *state;
    u32 const file = rig_open(r, "file", OFLAG_CREAT, RIG_RIGHTS_FILE);
    FAILS(r, NOTDIR, "fd_readdir", file, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, NOTDIR, "fd_readdir", 0, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, BADF, "fd_readdir", 99, RIG_BUF, 64, 0, RIG_OUT);
    u32 const d = rig_open(r, ".", OFLAG_DIRECTORY, RIGHT_PATH_OPEN);
    FAILS(r, NOTCAPABLE, "fd_readdir", d, RIG_BUF, 64, 0, RIG_OUT);
    host_mkdir(r, "grant/gone");
    u32 const gone = rig_open(r, "gone", OFLAG_DIRECTORY, RIGHT_FD_READDIR);
    OK(r, "path_remove_directory", RIG_FD, P(r, "gone"));
    u32 const e = CALL(r, "fd_readdir", gone, RIG_BUF, 64, 0, RIG_OUT);
    assert_true(e == WASI_NOENT || (!e && rig_u32(r, RIG_OUT) < 64));
    OK(r, "fd_close", gone);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_entries), RIG_TEST(a53_every_buffer_length),   RIG_TEST(a53_many_entries_and_removal),
            RIG_TEST(test_rewind),  RIG_TEST(a53_invented_cookies), RIG_TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
