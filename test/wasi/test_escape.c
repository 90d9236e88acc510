/* Escapes: every call that takes a path × every way out of a directory × both resolvers. What lies
 * outside holds one file, "secret", which must stay as it is, and nothing else. */
#include "wasi/path_calls.h"

/* The outside, as it was made by rig_setup, and the time of the one file. */
static void
outside_is_untouched(const rig *r, const struct stat *secret, const char *what, const char *path)
{
    struct stat st;
    int entries = 0;
    DIR *const d = opendir(rig_host_path(r, "out"));
    assert_non_null(d);
    while (readdir(d)) entries++;
    closedir(d);
    if (entries != 3) fail_msg("%s \"%s\" changed what is outside", what, path);
    DIR *const top = opendir(r->host);
    assert_non_null(top);
    for (entries = 0; readdir(top);) entries++;
    closedir(top);
    if (entries != 5) fail_msg("%s \"%s\" changed what is outside", what, path);
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &st), 0);
    if (st.st_mtim.tv_sec != secret->st_mtim.tv_sec || st.st_size != 6 || st.st_nlink != 1)
        fail_msg("%s \"%s\" changed a file outside", what, path);
    assert_int_equal(lstat(rig_host_path(r, "secret"), &st), 0);
    if (st.st_size != 6 || st.st_nlink != 1)
        fail_msg("%s \"%s\" changed a file outside", what, path);
}

static int
escape_remove_below(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind;
    return at->level ? remove(path) : 0;
}

/* Begin with the same inside for each call: links of every kind that lead out. */
static void
escape_inside(rig *r)
{
    char out[128];
    nftw(r->grant, escape_remove_below, 16, FTW_DEPTH | FTW_PHYS);
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    snprintf(out, sizeof out, "%s/out", r->host);
    host_link(r, out, "grant/abs");
    host_link(r, "../out", "grant/rel");
    host_link(r, "../out/", "grant/relslash");
    host_link(r, "..", "grant/up");
    host_link(r, "d/../..", "grant/twist");
    host_link(r, "rel", "grant/chain");
    host_link(r, "chain/", "grant/chain2");
    host_link(r, "../rel", "grant/d/deep");
    host_link(r, "../out/none", "grant/dangling");
    host_link(r, "../none", "grant/dangling2");
    host_link(r, "/proc/self/cwd", "grant/magic");
    host_link(r, "../out/secret", "grant/file");
    snprintf(out, sizeof out, "%s/out/secret", r->host);
    host_link(r, out, "grant/absfile");
}

/* One call on the inside as it was at first, which is made anew where the call before may have changed it. PERF:
 * making a link takes longer than all else here. */
static u32
escape_call(rig *r, const path_call *c, const char *path)
{
    static char made[sizeof r->host];
    if (strcmp(made, r->host) != 0) escape_inside(r);
    u32 const e = path_call_run(r, c, path);
    snprintf(made, sizeof made, "%s", path_call_looks(c) || e ? r->host : "");
    return e;
}

/* Each call with each of these paths gives PERM, and neither side is changed. */
static void
escape_refused(rig *r, const char *const *paths, size_t count)
{
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    int const before = host_open_fds();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        for (size_t i = 0; i < count; i++) {
            u32 const e = escape_call(r, c, paths[i]);
            if (e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, paths[i], e);
            outside_is_untouched(r, &secret, c->name, paths[i]);
        }
        assert_string_equal(host_text(r, "grant/in"), "in");
        assert_false(host_exists(r, "grant/fresh"));
    }
    assert_int_equal(host_open_fds(), before);
    u32 refusals;
    assert_string_equal(gbx_wasi_refusals(r->w, &refusals)[0].reason, "outside the grant");
}

/* Dots and slashes alone. ".." that stays inside is no escape. */
static void
a63_dots_and_absolute_paths(void **state)
{
    static const char *const out[] = {"..",          "../",         "../out",         "../out/",
                                      "../secret",   "d/../..",     "d/../../out",    "./..",
                                      "d/e/../../..", "../grant/in", "../grant",       "./../grant",
                                      "d//..//../in", "d/./../../in", "d/../../grant/x", "/",
                                      "/in",         "//in",        "///",            "/../in",
                                      "d/../../grant/d/e", "d/../../none/none"};
    static const char *const in[] = {"d/../in", "d/e/../../in", "./d/.././in", "d/e/..//..///in", "d/./../in"};
    rig *const r = *state;
    escape_refused(r, out, GBX_LEN(out));
    for (size_t i = 0; i < GBX_LEN(in); i++) {
        for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
            u32 const e = escape_call(r, c, in[i]), plain = escape_call(r, c, "in");
            if (e != plain) fail_msg("%s \"%s\": %u, but \"in\": %u", c->name, in[i], e, plain);
        }
    }
    /* A NUL ends no path: what is behind it would be another one. */
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        rig_nul = 2; /* "in\0/../secret" */
        u32 const e = escape_call(r, c, "in?/../../secret");
        rig_nul = 0;
        if (e != WASI_INVAL) fail_msg("%s with a NUL: %u, not INVAL", c->name, e);
    }
}

/* Links on the way, of every kind that leads out. */
static void
a64_links_on_the_way(void **state)
{
    static const char *const out[] = {"abs/secret",    "rel/secret",   "abs/none",      "rel/none",
                                      "abs/..",        "rel/..",       "up/out",        "up/secret",
                                      "up/none",       "twist/secret", "twist/none",    "chain/secret",
                                      "chain2/none",   "d/deep/none",  "d/deep/secret", "relslash/none",
                                      "magic/none",    "up/grant/in",  "rel//none",     "rel/./none",
                                      "d/../rel/none", "chain/../in",  "abs/../grant/in"};
    rig *const r = *state;
    escape_refused(r, out, GBX_LEN(out));
}

static const char *const escape_leaves[] = {"abs",    "rel",    "relslash", "up",       "twist",
                                            "chain",  "chain2", "d/deep",   "dangling", "dangling2",
                                            "magic",  "file",   "absfile"};

/* One call with a link out in last place, and slashes behind it. */
static void
escape_leaf(rig *r, const path_call *c, const char *leaf, const char *slashes, const struct stat *secret)
{
    char path[32];
    snprintf(path, sizeof path, "%s%s", leaf, slashes);
    u32 const e = escape_call(r, c, path);
    outside_is_untouched(r, secret, c->name, path);
    bool const plain = !*slashes;
    /* Creating by a link whose text ends in a slash is ISDIR before it leads anywhere. */
    bool const follows =
            path_call_follows(c) && (c->call != call_create || (plain && strcmp(path, "chain2")));
    if (follows && e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, path, e);
    bool const link_itself = c->call == call_lstat || c->call == call_link_times || c->call == call_unlink ||
                             c->call == call_readlink || c->call == call_rename_from ||
                             c->call == call_link_from || c->call == call_rename_to;
    if (plain && link_itself && e != WASI_OK) fail_msg("%s \"%s\": %u, not OK", c->name, path, e);
    if (!follows && !(link_itself && plain) && e == WASI_OK) fail_msg("%s \"%s\": OK", c->name, path);
}

/* The last component is a link out: what follows it is refused, what acts on the link acts on the link. */
static void
a64_links_in_last_place(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++)
        for (size_t i = 0; i < GBX_LEN(escape_leaves); i++) escape_leaf(r, c, escape_leaves[i], "", &secret);
}

/* Chains of 39 and 40 links are followed, of 41 not, loops neither. */
static void
a64_chains_and_loops(void **state)
{
    static const char *const loops[] = {"self", "ping", "self/x", "ping/x/y"};
    rig *const r = *state;
    char name[16] = "in", next[16];
    for (int i = 0; i < 41; i++, memcpy(name, next, sizeof name)) {
        snprintf(next, sizeof next, "chain-%d", i + 1);
        host_link(r, name, rig_grant_name(next));
    }
    host_link(r, "self", "grant/self");
    host_link(r, "pong", "grant/ping");
    host_link(r, "ping", "grant/pong");
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        host_file(r, "grant/in", "in");
        for (int len = 39; path_call_follows(c) && len <= 41; len++) {
            snprintf(name, sizeof name, "chain-%d", len);
            u32 const e = path_call_run(r, c, name);
            u32 const plain = path_call_run(r, c, "in"), want = len <= 40 ? plain : (u32)WASI_LOOP;
            if (e != want) fail_msg("%s, %d links: %u, not %u", c->name, len, e, want);
        }
        for (size_t i = 0; i < GBX_LEN(loops); i++) {
            if (!path_call_follows(c) && !strchr(loops[i], '/')) continue;
            u32 const e = path_call_run(r, c, loops[i]);
            if (e != WASI_LOOP) fail_msg("%s \"%s\": %u, not LOOP", c->name, loops[i], e);
        }
    }
}

/* A slash or "/." behind a link makes everybody follow it, links whose own text ends in a slash
 * included: with and without FOLLOW, with and without DIRECTORY. */
static void
a65_slashes_behind_links(void **state)
{
    static const char *const dots[] = {"abs/.",   "rel/.",      "up/.",   "chain2/.", "magic/.",
                                       "twist/.", "relslash/.", "rel//.", "abs/./",   "d/deep/."};
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        for (size_t i = 0; i < GBX_LEN(escape_leaves); i++) {
            escape_leaf(r, c, escape_leaves[i], "/", &secret);
            escape_leaf(r, c, escape_leaves[i], "//", &secret);
        }
    }
    escape_refused(r, dots, GBX_LEN(dots));
}

/* Links the guest makes itself, and links it renames over a directory in the middle of a path. */
static void
a66_own_links(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    OK(r, "path_symlink", P(r, ".."), RIG_FD, P2(r, "a"));
    OK(r, "path_symlink", P(r, "a/out"), RIG_FD, P2(r, "b"));
    OK(r, "path_symlink", P(r, "../out/secret"), RIG_FD, P2(r, "c"));
    assert_int_equal(call_open(r, "a/secret"), WASI_PERM);
    assert_int_equal(call_open(r, "b/secret"), WASI_PERM);
    assert_int_equal(call_open(r, "c"), WASI_PERM);
    assert_int_equal(call_create(r, "b/new"), WASI_PERM);
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    OK(r, "path_create_directory", RIG_FD, P(r, "d/e"));
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY,
                           RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    /* d is moved below another directory; its old relative links now lead elsewhere, still within. */
    OK(r, "path_symlink", P(r, "../../x"), RIG_FD, P2(r, "d/e/l"));
    assert_int_equal(call_open(r, "d/e/l"), WASI_NOENT);
    OK(r, "path_rename", RIG_FD, P(r, "d/e"), RIG_FD, P2(r, "e"));
    assert_int_equal(call_open(r, "e/l"), WASI_PERM);
    /* From a directory's own descriptor nothing above it is reached, the grant not either. */
    FAILS(r, PERM, "path_open", d, 1, P(r, "../e"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, ".."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_create_directory", d, P(r, "../x"));
    outside_is_untouched(r, &secret, "own links", "");
}

/* A link is put where a directory of the path was; what the path leads to is decided anew each time. */
static void
a66_link_in_place_of_a_directory(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        escape_inside(r);
        OK(r, "path_create_directory", RIG_FD, P(r, "mid"));
        OK(r, "path_symlink", P(r, "../out"), RIG_FD, P2(r, "l"));
        host_file(r, "grant/mid/secret", "inside");
        u32 const e = path_call_run(r, c, "mid/secret");
        if (e == WASI_PERM) fail_msg("%s before: PERM", c->name);
        host_file(r, "grant/in", "in");
        OK(r, "path_rename", RIG_FD, P(r, "mid"), RIG_FD, P2(r, "was"));
        OK(r, "path_rename", RIG_FD, P(r, "l"), RIG_FD, P2(r, "mid"));
        u32 const after = path_call_run(r, c, "mid/secret");
        if (after != WASI_PERM) fail_msg("%s after: %u, not PERM", c->name, after);
        outside_is_untouched(r, &secret, c->name, "mid/secret");
    }
}

/* A second name of a link is a link: no call looks behind it that would not behind the first. */
static void
a67_hard_link_to_a_link(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        escape_inside(r);
        OK(r, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "hard"));
        struct stat st;
        assert_int_equal(lstat(rig_host_path(r, "grant/hard"), &st), 0);
        assert_true(S_ISLNK(st.st_mode) && st.st_nlink == 2);
        u32 const e = path_call_run(r, c, "hard");
        outside_is_untouched(r, &secret, c->name, "hard");
        if (path_call_follows(c) && e != WASI_PERM) fail_msg("%s: %u, not PERM", c->name, e);
        if (c->call == call_open_nofollow && e != WASI_LOOP) fail_msg("%s: %u, not LOOP", c->name, e);
        /* To follow it in making a further name is not even asked for. */
        FAILS(r, INVAL, "path_link", RIG_FD, LOOKUP_SYMLINK_FOLLOW, P(r, "rel"), RIG_FD, P2(r, "hard2"));
    }
}

/* A directory the guest holds is moved out of the grant by the host; ".." does not go after it. */
static void
a69_moved_out(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY,
                           RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    OK(r, "path_open", d, 1, P(r, "e/.."), 0, 0, 0, 0, RIG_OUT);
    assert_int_equal(rename(rig_host_path(r, "grant/d"), rig_host_path(r, "out/d")), 0);
    FAILS(r, PERM, "path_open", d, 1, P(r, ".."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, "e/../.."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, "../secret"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    OK(r, "path_open", d, 1, P(r, "e/.."), 0, 0, 0, 0, RIG_OUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(a63_dots_and_absolute_paths),
            RIG_TEST(a64_links_on_the_way),
            RIG_TEST(a64_links_in_last_place),
            RIG_TEST(a64_chains_and_loops),
            RIG_TEST(a65_slashes_behind_links),
            RIG_TEST(a66_own_links),
            RIG_TEST(a66_link_in_place_of_a_directory),
            RIG_TEST(a67_hard_link_to_a_link),
            RIG_TEST(a69_moved_out),
    };
    RIG_RUN_BOTH(tests);
}
