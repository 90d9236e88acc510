/* Every call that takes a path, in each of its ways, for tests that hold a path against all of them.
 * The grant has a file "in", and nothing called "fresh". */
#ifndef GBX_TEST_WASI_PATH_CALLS_H
#define GBX_TEST_WASI_PATH_CALLS_H

#include "wasi/harness.h"

/* A path call, with one path of the test; what else it takes lies within the grant. */
typedef struct path_call {
    const char *name;
    u32 (*call)(rig *r, const char *path);
    bool opens; /* RIG_OUT is a new descriptor */
} path_call;

static u32
call_open(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
}

static u32
call_open_nofollow(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 0, P(r, path), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
}

static u32
call_open_dir(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), OFLAG_DIRECTORY, RIGHT_FD_READDIR, 0, 0,
                RIG_OUT);
}

static u32
call_open_dir_nofollow(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 0, P(r, path), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT);
}

static u32
call_open_write(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
}

static u32
call_create(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), OFLAG_CREAT, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
}

static u32
call_create_exclusive(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), OFLAG_CREAT | OFLAG_EXCL, RIGHT_FD_WRITE, 0,
                0, RIG_OUT);
}

static u32
call_truncate(rig *r, const char *path)
{
    return CALL(r, "path_open", RIG_FD, 1, P(r, path), OFLAG_TRUNC, 0, 0, 0, RIG_OUT);
}

static u32
call_stat(rig *r, const char *path)
{
    return CALL(r, "path_filestat_get", RIG_FD, 1, P(r, path), RIG_OUT);
}

static u32
call_lstat(rig *r, const char *path)
{
    return CALL(r, "path_filestat_get", RIG_FD, 0, P(r, path), RIG_OUT);
}

static u32
call_times(rig *r, const char *path)
{
    return CALL(r, "path_filestat_set_times", RIG_FD, 1, P(r, path), 1, 1, FST_MTIM | FST_ATIM);
}

static u32
call_link_times(rig *r, const char *path)
{
    return CALL(r, "path_filestat_set_times", RIG_FD, 0, P(r, path), 1, 1, FST_MTIM | FST_ATIM);
}

static u32
call_mkdir(rig *r, const char *path)
{
    return CALL(r, "path_create_directory", RIG_FD, P(r, path));
}

static u32
call_rmdir(rig *r, const char *path)
{
    return CALL(r, "path_remove_directory", RIG_FD, P(r, path));
}

static u32
call_unlink(rig *r, const char *path)
{
    return CALL(r, "path_unlink_file", RIG_FD, P(r, path));
}

static u32
call_readlink(rig *r, const char *path)
{
    return CALL(r, "path_readlink", RIG_FD, P(r, path), RIG_BUF, 64, RIG_OUT);
}

static u32
call_link_from(rig *r, const char *path)
{
    return CALL(r, "path_link", RIG_FD, 0, P(r, path), RIG_FD, P2(r, "fresh"));
}

static u32
call_link_to(rig *r, const char *path)
{
    return CALL(r, "path_link", RIG_FD, 0, P(r, "in"), RIG_FD, P2(r, path));
}

static u32
call_rename_from(rig *r, const char *path)
{
    return CALL(r, "path_rename", RIG_FD, P(r, path), RIG_FD, P2(r, "fresh"));
}

static u32
call_rename_to(rig *r, const char *path)
{
    return CALL(r, "path_rename", RIG_FD, P(r, "in"), RIG_FD, P2(r, path));
}

static u32
call_symlink(rig *r, const char *path)
{
    return CALL(r, "path_symlink", P(r, "in"), RIG_FD, P2(r, path));
}

/* What a listing of the directory says; its descriptor is closed again. */
static u32
call_list(rig *r, const char *path)
{
    u32 const e = CALL(r, "path_open", RIG_FD, 1, P(r, path), OFLAG_DIRECTORY, RIGHT_FD_READDIR, 0, 0, RIG_OUT);
    if (e) return e;
    u32 const fd = rig_u32(r, RIG_OUT);
    u32 const listed = CALL(r, "fd_readdir", fd, RIG_BUF, 4096, 0, RIG_OUT);
    OK(r, "fd_close", fd);
    return listed;
}

static const path_call path_calls[] = {
        {"open", call_open, true},
        {"open nofollow", call_open_nofollow, true},
        {"open directory", call_open_dir, true},
        {"open directory nofollow", call_open_dir_nofollow, true},
        {"open for writing", call_open_write, true},
        {"create", call_create, true},
        {"create exclusive", call_create_exclusive, true},
        {"truncate", call_truncate, true},
        {"stat", call_stat, false},
        {"lstat", call_lstat, false},
        {"set times", call_times, false},
        {"set times of link", call_link_times, false},
        {"mkdir", call_mkdir, false},
        {"rmdir", call_rmdir, false},
        {"unlink", call_unlink, false},
        {"readlink", call_readlink, false},
        {"link from", call_link_from, false},
        {"link to", call_link_to, false},
        {"rename from", call_rename_from, false},
        {"rename to", call_rename_to, false},
        {"symlink", call_symlink, false},
        {"list", call_list, false},
};

/* One call, whose descriptor, if it opens one, is closed again. */
static inline u32
path_call_run(rig *r, const path_call *c, const char *path)
{
    u32 const e = c->call(r, path);
    if (!e && c->opens) OK(r, "fd_close", rig_u32(r, RIG_OUT));
    return e;
}

/* Calls that look at what a link in last place leads to. */
static inline bool
path_call_follows(const path_call *c)
{
    return c->call == call_open || c->call == call_open_dir || c->call == call_open_write ||
           c->call == call_truncate || c->call == call_stat || c->call == call_times ||
           c->call == call_create || c->call == call_list;
}

/* Calls that make a name, which must not be there, or replace one. */
static inline bool
path_call_makes(const path_call *c)
{
    return c->call == call_create || c->call == call_create_exclusive || c->call == call_mkdir ||
           c->call == call_link_to || c->call == call_rename_to || c->call == call_symlink;
}

/* Calls that change nothing, whatever they are given. */
static inline bool
path_call_looks(const path_call *c)
{
    return c->call == call_open || c->call == call_open_nofollow || c->call == call_open_dir ||
           c->call == call_open_dir_nofollow || c->call == call_stat || c->call == call_lstat ||
           c->call == call_readlink || c->call == call_list;
}

#endif
