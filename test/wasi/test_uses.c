/* What a guest used of its grants, as it is noted for policies: every call that takes a path, what was refused,
 * what is not noted, the bound, and that nothing is noted where nobody asked. */
#include "wasi/path_calls.h"

#define DIR_ALL (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)

/* The grant as /g, with a directory d that has a file. */
static void
uses_begin(rig *r)
{
    host_file(r, "grant/in", "text");
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/in", "text");
    host_mkdir(r, "grant/d/e");
    host_link(r, "in", "grant/d/link");
    r->dir.guest_path = "/g";
    r->config.notes_uses = true;
    rig_restart(r);
}

static const wasi_use *
uses_find(const rig *r, const char *path, bool refused)
{
    u32 count;
    bool is_whole;
    const wasi_use *const uses = gbx_wasi_uses(r->w, &count, &is_whole);
    assert_true(is_whole);
    for (u32 i = 0; i < count; i++)
        if (!strcmp(uses[i].path, path) && uses[i].refused == refused) return &uses[i];
    return NULL;
}

static u32
uses_count(const rig *r)
{
    u32 count;
    bool is_whole;
    (void)gbx_wasi_uses(r->w, &count, &is_whole);
    return count;
}

static bool
uses_changes(const path_call *c)
{
    static const char *const readers[] = {
            "open", "open nofollow", "open directory", "open directory nofollow",
            "stat", "lstat",         "readlink",       "list"};
    for (size_t i = 0; i < GBX_LEN(readers); i++)
        if (!strcmp(readers[i], c->name)) return false;
    return true;
}

/* Each call notes the directory that it was used in: of a directory that is looked into, itself. */
static void
test_every_call(void **state)
{
    rig *const r = *state;
    uses_begin(r);
    for (size_t i = 0; i < GBX_LEN(path_calls); i++) {
        const path_call *const c = &path_calls[i];
        bool const lists = strstr(c->name, "directory") || !strcmp(c->name, "list") ||
                           !strcmp(c->name, "rmdir");
        const char *const leaf = lists                          ? "d/e"
                                 : !strcmp(c->name, "readlink") ? "d/link"
                                 : path_call_makes(c)           ? "d/new"
                                                                : "d/in";
        rig_restart(r);
        u32 const e = path_call_run(r, c, leaf);
        if (e) fail_msg("%s: %u", c->name, e);
        const wasi_use *const u =
                uses_find(r, lists && strcmp(c->name, "rmdir") ? "/g/d/e" : "/g/d", false);
        if (!u) fail_msg("%s: nothing is noted", c->name);
        if (u->changes != uses_changes(c)) fail_msg("%s: changes %d", c->name, u->changes);
        rmdir(rig_host_path(r, "grant/d/new"));
        unlink(rig_host_path(r, "grant/d/new"));
        unlink(rig_host_path(r, "grant/fresh"));
        (void)mkdir(rig_host_path(r, "grant/d/e"), 0755);
        host_file(r, "grant/d/in", "text");
        host_file(r, "grant/in", "text");
    }
}

/* Descriptor -1: what Go asks for without a grant. */
static void
test_refused(void **state)
{
    rig *const r = *state;
    uses_begin(r);
    u32 const none = UINT32_MAX;
    FAILS(r, NOENT, "path_open", none, 1, P(r, "conf/a"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", none, 1, P(r, "./conf//b/../c"), RIG_OUT);
    FAILS(r, PERM, "path_open", none, 1, P(r, "new"), OFLAG_CREAT, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_create_directory", none, P(r, "made"));
    FAILS(r, NOENT, "path_open", none, 1, P(r, "conf/a"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    assert_int_equal(uses_count(r), 4);
    assert_true(uses_find(r, "/conf/a", true)->changes);
    assert_false(uses_find(r, "/conf/c", true)->changes);
    assert_true(uses_find(r, "/new", true)->changes);
    assert_true(uses_find(r, "/made", true)->changes);
    FAILS(r, NOENT, "path_open", none, 1, P(r, "../../x"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    assert_int_equal(uses_count(r), 4);
}

/* What needs no grant: names that are not there, devices, the root, calls that mean nothing. */
static void
test_not_noted(void **state)
{
    rig *const r = *state;
    uses_begin(r);
    FAILS(r, NOENT, "path_open", RIG_FD, 1, P(r, "d/none"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", RIG_FD, 1, P(r, ""), RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", UINT32_MAX, 1, P(r, ""), RIG_OUT);
    FAILS(r, FAULT, "path_filestat_get", RIG_FD, 1, (u32)RIG_MEM_BYTES, 4, RIG_OUT);
    FAILS(r, FAULT, "path_readlink", RIG_FD, (u32)RIG_MEM_BYTES, 4, RIG_BUF, 64, RIG_OUT);
    OK(r, "path_open", UINT32_MAX, 1, P(r, "dev/null"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    OK(r, "path_filestat_get", UINT32_MAX, 1, P(r, "."), RIG_OUT);
    assert_int_equal(uses_count(r), 0);
    r->config.notes_uses = false;
    rig_restart(r);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "in"), RIG_OUT);
    u32 count;
    bool is_whole = true;
    assert_null(gbx_wasi_uses(r->w, &count, &is_whole));
    assert_int_equal(count, 0);
    assert_false(is_whole);
}

/* Beneath a directory that the guest opened, and behind a link: the name that the guest has for the place. */
static void
test_beneath(void **state)
{
    rig *const r = *state;
    uses_begin(r);
    host_link(r, "d", "grant/alias");
    u32 const d = rig_open(r, "alias/e", OFLAG_DIRECTORY, DIR_ALL);
    OK(r, "path_create_directory", d, P(r, "deep"));
    const wasi_use *const u = uses_find(r, "/g/d/e", false);
    assert_non_null(u);
    assert_true(u->changes);
    assert_false(uses_find(r, "/g/alias/e", false)->changes);
    FAILS(r, EXIST, "path_create_directory", RIG_FD, P(r, "alias"));
    assert_true(uses_find(r, "/g", false)->changes);
}

/* A guest that uses many directories fills the list and no more; a reset begins again. */
static void
test_bound(void **state)
{
    rig *const r = *state;
    uses_begin(r);
    char name[32];
    for (u32 i = 0; i < WASI_USES_MAX + 3; i++) {
        snprintf(name, sizeof name, "none/%u", i % (WASI_USES_MAX + 1));
        FAILS(r, NOENT, "path_open", UINT32_MAX, 1, P(r, name), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
        u32 count;
        bool is_whole;
        (void)gbx_wasi_uses(r->w, &count, &is_whole);
        assert_int_equal(count, min_u32(i + 1, WASI_USES_MAX));
        assert_int_equal(is_whole, i < WASI_USES_MAX);
    }
    gbx_err err;
    assert_int_equal(gbx_wasi_ctx_reset(r->w, UINT64_MAX, UINT64_MAX, &err), GBX_OK);
    assert_int_equal(uses_count(r), 0);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "in"), RIG_OUT);
    assert_non_null(uses_find(r, "/g", false));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_every_call), RIG_TEST(test_refused), RIG_TEST(test_not_noted),
            RIG_TEST(test_beneath),    RIG_TEST(test_bound),
    };
    RIG_RUN_BOTH(tests);
}
