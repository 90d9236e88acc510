/* Every call that takes a path, in each of its ways, for tests that hold a path against all of them. The grant has
 * a file "in", and nothing called "fresh". */
#ifndef GBX_TEST_WASI_PATH_CALLS_H
#define GBX_TEST_WASI_PATH_CALLS_H

#include "wasi/harness.h"

/* A path call, with one path of the test; what else it takes lies within the grant. */
typedef struct path_call {
    const char *name;
    u32 (*call)(rig *r, const char *path);
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

static const path_call path_calls[] = {
        {"open", call_open},
        {"open nofollow", call_open_nofollow},
        {"open directory", call_open_dir},
        {"open directory nofollow", call_open_dir_nofollow},
        {"open for writing", call_open_write},
        {"create", call_create},
        {"create exclusive", call_create_exclusive},
        {"truncate", call_truncate},
        {"stat", call_stat},
        {"lstat", call_lstat},
        {"set times", call_times},
        {"set times of link", call_link_times},
        {"mkdir", call_mkdir},
        {"rmdir", call_rmdir},
        {"unlink", call_unlink},
        {"readlink", call_readlink},
        {"link from", call_link_from},
        {"link to", call_link_to},
        {"rename from", call_rename_from},
        {"rename to", call_rename_to},
        {"symlink", call_symlink},
};

#endif
