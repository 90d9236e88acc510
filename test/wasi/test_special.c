/* A70, A71: what looks like a file and is none, beneath a grant, and what is mounted there. Every path
 * call × every way to it × both resolvers. Kernel interfaces are mounted in a namespace of the test's
 * own, so that what a broken build would do to them, it does to those. */
#include "wasi/path_calls.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

static bool special_mounts; /* this process may mount */

typedef struct special_mount {
    const char *name, *type, *options;
} special_mount;

static const special_mount special_kernel[] = {
        {"p", "proc", ""},          {"s", "sysfs", ""}, {"pts", "devpts", "newinstance"},
        {"q", "mqueue", ""},        {"c2", "cgroup2", ""}, {"bpf", "bpf", ""},
        {"dbg", "debugfs", ""},     {"trc", "tracefs", ""}, {"sec", "securityfs", ""},
        {"cfg", "configfs", ""},    {"bin", "binfmt_misc", ""},
};

static bool
special_mount_at(const rig *r, const char *name, const char *type, const char *options)
{
    host_mkdir(r, rig_grant_name(name));
    if (special_mounts && mount("none", rig_host_path(r, rig_grant_name(name)), type, 0, options) == 0) return true;
    assert_int_equal(rmdir(rig_host_path(r, rig_grant_name(name))), 0);
    return false;
}

/* Whatever is mounted goes before the files beneath it would. */
static int
special_teardown(void **state)
{
    const rig *const r = *state;
    umount2(rig_host_path(r, "grant/f"), MNT_DETACH);
    umount2(rig_host_path(r, "grant/m"), MNT_DETACH);
    for (const special_mount *m = special_kernel; m < GBX_END(special_kernel); m++)
        umount2(rig_host_path(r, rig_grant_name(m->name)), MNT_DETACH);
    return rig_teardown(state);
}

#define SPECIAL_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, special_teardown)

static void
special_expect(rig *r, const path_call *c, const char *path, u32 want)
{
    u32 const e = path_call_run(r, c, path);
    if (e != want) fail_msg("%s \"%s\": %u, not %u", c->name, path, e, want);
}

/* ---- A70: interfaces of the kernel */

/* Nothing beneath procfs is told, not even whether it is there. */
static void
a70_procfs(void **state)
{
    static const char *const names[] = {
            "p/self/environ", "p/self/maps",      "p/self/mem",        "p/self/root",   "p/self/root/etc",
            "p/self/cwd",     "p/self/fd/0",      "p/self/fd",         "p/self/exe",    "p/self/task",
            "p/1/root",       "p/1/environ",      "p/thread-self",     "p/thread-self/mem",
            "p/self",         "p/none",           "p/none/none",       "p/self/environ/none",
            "p/1",            "p/sys/kernel/hostname",                 "p/sysrq-trigger",
            "p/.",            "p/self/.",         "p/self/..",         "d/../p/self/mem",
            "link/self/mem",  "link/none",        "chain/self/fd/1",   "mem/."};
    static const char *const followed[] = {"mem", "gone", "root"};
    rig *const r = *state;
    if (!special_mount_at(r, "p", "proc", "")) skip();
    host_mkdir(r, "grant/d");
    host_link(r, "p", "grant/link");
    host_link(r, "d/../link", "grant/chain");
    host_link(r, "p/self/mem", "grant/mem");
    host_link(r, "p/self/none", "grant/gone");
    host_link(r, "p/self/root", "grant/root");
    int const before = host_open_fds();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        host_file(r, "grant/in", "in");
        for (size_t i = 0; i < GBX_LEN(names); i++) special_expect(r, c, names[i], WASI_PERM);
        for (size_t i = 0; path_call_follows(c) && i < GBX_LEN(followed); i++)
            special_expect(r, c, followed[i], WASI_PERM);
        /* Its own name is seen in the grant's directory, and is left alone. */
        u32 const e = path_call_run(r, c, "p");
        if ((e == WASI_OK) != (c->call == call_lstat)) fail_msg("%s \"p\": %u", c->name, e);
        if (c->call == call_link_times && e != WASI_PERM) fail_msg("%s \"p\": %u", c->name, e);
        assert_string_equal(host_text(r, "grant/in"), "in");
    }
    assert_int_equal(host_open_fds(), before);
    u32 count;
    assert_string_equal(gbx_wasi_refusals(r->w, &count)[0].reason, "special file");
}

/* Of the others as many as this kernel has: no name in them is looked at or made, they are not listed. */
static void
a70_other_kernel_interfaces(void **state)
{
    rig *const r = *state;
    u32 mounted = 0;
    for (const special_mount *m = special_kernel; m < GBX_END(special_kernel); m++) {
        char path[64];
        if (!special_mount_at(r, m->name, m->type, m->options)) continue;
        mounted++;
        for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
            host_file(r, "grant/in", "in");
            snprintf(path, sizeof path, "%s/gbx-test", m->name);
            u32 const e = path_call_run(r, c, path);
            rmdir(rig_host_path(r, rig_grant_name(path))); /* else a broken build leaves a cgroup behind */
            if (e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, path, e);
        }
        static u32 (*const whole[])(rig *, const char *) = {call_open, call_open_dir, call_list, call_stat, call_times,
                                                            call_link_times};
        for (size_t i = 0; i < GBX_LEN(whole); i++) assert_int_equal(whole[i](r, m->name), WASI_PERM);
        assert_int_equal(umount2(rig_host_path(r, rig_grant_name(m->name)), MNT_DETACH), 0);
    }
    if (!mounted) skip();
    assert_true(mounted >= 4);
}

/* A file of the kernel's that is mounted on a file: what containers do with /proc. */
static void
a70_file_mounted_on_a_file(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "file");
    if (!special_mounts || mount("/proc/self/environ", rig_host_path(r, "grant/f"), NULL, MS_BIND, NULL) != 0) skip();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        host_file(r, "grant/in", "in");
        u32 const e = path_call_run(r, c, "f");
        bool const refuses = path_call_follows(c) || c->call == call_open_nofollow || c->call == call_link_times;
        bool const dir = c->call == call_open_dir || c->call == call_list;
        if (refuses && !dir && e != WASI_PERM) fail_msg("%s: %u, not PERM", c->name, e);
        if (e == WASI_OK && c->call != call_lstat) fail_msg("%s: OK", c->name);
    }
}

/* The machine itself granted as /, as Go's wrapper does; calls that change nothing. */
static void
a70_grant_of_everything(void **state)
{
    static const char *const denied[] = {
            "proc/self/environ", "proc/self/maps", "proc/self/mem",    "proc/self/cmdline", "proc/self/exe",
            "proc/self/root",    "proc/self/cwd",  "proc/self/fd/0",   "proc/1/environ",    "proc/1/root/etc",
            "proc/thread-self",  "proc/self/task", "proc/self",        "proc/sys/kernel/hostname",
            "proc/none",         "sys/kernel",     "sys/none",         "dev/pts/ptmx",      "dev/pts/0"};
    static const char *const unopened[] = {"proc",     "proc/",     "sys",       "dev/pts",  "dev/fd/0",  "dev/stdin",
                                           "dev/fd",   "dev/mem",   "dev/kmsg",  "dev/vda",  "dev/sda",   "dev/kvm",
                                           "dev/ptmx", "dev/loop0", "dev/fuse",  "dev/net/tun", "dev/console",
                                           "dev/cpu_dma_latency",   "dev/watchdog", "dev/port"};
    rig *const r = *state;
    close(r->dir.host_fd);
    r->dir.host_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    rig_restart(r);
    u32 present = 0;
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        if (!path_call_looks(c)) continue; /* should it fail, it must not change the machine */
        for (size_t i = 0; i < GBX_LEN(denied); i++) special_expect(r, c, denied[i], WASI_PERM);
    }
    for (size_t i = 0; i < GBX_LEN(unopened); i++) {
        char path[64];
        snprintf(path, sizeof path, "/%s", unopened[i]);
        bool const there = access(path, F_OK) == 0;
        present += there;
        u32 const e = call_open(r, unopened[i]);
        if (there ? e != WASI_PERM : e == WASI_OK) fail_msg("open \"%s\": %u", unopened[i], e);
        assert_int_not_equal(call_open_write(r, unopened[i]), WASI_OK);
        assert_int_not_equal(call_open_nofollow(r, unopened[i]), WASI_OK);
        assert_int_not_equal(call_list(r, unopened[i]), WASI_OK);
    }
    assert_true(present > 5);
    assert_int_equal(call_open(r, "etc/passwd"), WASI_OK);
}

/* A grant of such a directory is refused when it is made. */
static void
a70_grant_of_an_interface(void **state)
{
    static const char *const kernel[] = {"/proc", "/proc/self", "/sys"};
    rig *const r = *state;
    for (size_t i = 0; i < GBX_LEN(kernel); i++) {
        gbx_err err;
        wasi_ctx *w;
        wasi_dir_grant const dir = {.host_fd = open(kernel[i], O_PATH | O_DIRECTORY | O_CLOEXEC),
                                    .guest_path = "/p"};
        wasi_config config = r->config;
        config.dirs = &dir;
        assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_ARGUMENT);
        assert_null(w);
        assert_non_null(strstr(err.text, "/p"));
        close(dir.host_fd);
    }
}

/* ---- A70: nodes of devices */

typedef struct special_node {
    const char *name;
    mode_t mode;
    u32 major_no, minor_no;
} special_node;

/* Memory, its log, a disk, a loop device, a terminal's other side, KVM, and one that there is not. */
static const special_node special_nodes[] = {
        {"mem", S_IFCHR, 1, 1},  {"kmsg", S_IFCHR, 1, 11},  {"disk", S_IFBLK, 8, 0},     {"loop", S_IFBLK, 7, 0},
        {"ptmx", S_IFCHR, 5, 2}, {"kvm", S_IFCHR, 10, 232}, {"nobody", S_IFCHR, 250, 9},
};

static bool
special_make_nodes(const rig *r, const char *in)
{
    char path[64];
    for (const special_node *n = special_nodes; n < GBX_END(special_nodes); n++) {
        snprintf(path, sizeof path, "grant/%s%s", in, n->name);
        if (mknod(rig_host_path(r, path), n->mode | 0666, makedev(n->major_no, n->minor_no)) != 0) return false;
    }
    return true;
}

/* They are looked at, and that is all: not opened, not touched, renamed, linked, replaced or removed. */
static void
special_nodes_refused(rig *r, const char *in)
{
    for (const special_node *n = special_nodes; n < GBX_END(special_nodes); n++) {
        for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
            char path[64], link[64];
            struct stat before, after;
            host_file(r, "grant/in", "in");
            snprintf(path, sizeof path, "%s%s", in, n->name);
            snprintf(link, sizeof link, "link-%s%zu", n->name, strlen(in));
            if (c == path_calls) host_link(r, path, rig_grant_name(link));
            assert_int_equal(lstat(rig_host_path(r, rig_grant_name(path)), &before), 0);
            u32 const e = path_call_run(r, c, path), by_link = path_call_follows(c) ? path_call_run(r, c, link) : e;
            bool const stats = c->call == call_stat || c->call == call_lstat;
            if ((e == WASI_OK) != stats || (by_link == WASI_OK) != stats)
                fail_msg("%s \"%s\": %u, by a link: %u", c->name, path, e, by_link);
            bool const is_exact = c->call == call_open || c->call == call_open_write || c->call == call_create ||
                                  c->call == call_truncate || c->call == call_unlink || c->call == call_times ||
                                  c->call == call_rename_from || c->call == call_rename_to ||
                                  c->call == call_link_from || c->call == call_link_times;
            /* Outside devpts the kernel itself finds no terminal behind it, where it is asked. */
            bool const asks = !rig_walker && !*in && !r->w->fds.files[RIG_FD].devices;
            bool const is_absent = asks && !strcmp(n->name, "ptmx") && e == WASI_NOENT;
            if (is_exact && e != WASI_PERM && !is_absent) fail_msg("%s \"%s\": %u, not PERM", c->name, path, e);
            assert_int_equal(lstat(rig_host_path(r, rig_grant_name(path)), &after), 0);
            assert_int_equal(before.st_ino, after.st_ino);
            assert_int_equal(after.st_nlink, 1);
            assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
        }
    }
}

static void
a70_device_nodes(void **state)
{
    rig *const r = *state;
    if (!special_make_nodes(r, "")) skip(); /* not root */
    special_nodes_refused(r, "");
    r->w->fds.files[RIG_FD].devices = true;
    for (const special_node *n = special_nodes; n < GBX_END(special_nodes); n++) {
        char link[64];
        snprintf(link, sizeof link, "link-%s%zu", n->name, (size_t)0);
        assert_int_equal(call_unlink(r, link), WASI_OK);
    }
    special_nodes_refused(r, "");
}

/* Where the file system is one of memory, as /dev is. */
static void
a70_device_nodes_in_memory(void **state)
{
    rig *const r = *state;
    if (!special_mount_at(r, "m", "tmpfs", "size=64k,nr_inodes=64")) skip();
    if (!special_make_nodes(r, "m/")) skip();
    special_nodes_refused(r, "m/");
    assert_int_equal(call_open_dir(r, "m"), WASI_OK);
    assert_true(gbx_wasi_fds_find(&r->w->fds, rig_u32(r, RIG_OUT))->devices);
}

/* A socket's name cannot be opened; it is the guest's to remove, as a FIFO's is. */
static void
a70_sockets_and_fifos(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/in", "in");
    for (int devices = 0; devices < 2; devices++) {
        assert_int_equal(mknod(rig_host_path(r, "grant/sock"), S_IFSOCK | 0666, 0), 0);
        assert_int_equal(mkfifo(rig_host_path(r, "grant/fifo"), 0666), 0);
        r->w->fds.files[RIG_FD].devices = devices;
        assert_int_equal(call_open(r, "sock"), WASI_NXIO);
        assert_int_equal(call_open_write(r, "sock"), WASI_NXIO);
        assert_int_equal(call_stat(r, "sock"), WASI_OK);
        assert_int_equal(call_rename_from(r, "sock"), WASI_OK);
        assert_int_equal(call_unlink(r, "fresh"), WASI_OK);
        assert_int_equal(call_open(r, "fifo"), WASI_OK);
        OK(r, "fd_close", rig_u32(r, RIG_OUT));
        assert_int_equal(call_unlink(r, "fifo"), WASI_OK);
    }
}

/* ---- what --allow-special-files allows */

static void
a70_allowed(void **state)
{
    rig *const r = *state;
    r->config.allow_special = true;
    rig_restart(r);
    host_file(r, "grant/in", "in");
    if (special_mount_at(r, "p", "proc", "")) {
        assert_int_equal(call_open(r, "p/self/environ"), WASI_OK);
        OK(r, "fd_read", rig_u32(r, RIG_OUT), IOV(r, 4096), RIG_OUT + 8);
        assert_true(rig_u32(r, RIG_OUT + 8) > 0);
        assert_int_equal(call_stat(r, "p/none"), WASI_NOENT);
        assert_int_equal(call_list(r, "p"), WASI_OK);
        /* Magic links lead out of the grant like others. */
        assert_int_not_equal(call_open(r, "p/self/root"), WASI_OK);
        assert_int_not_equal(call_open(r, "p/self/root/etc/passwd"), WASI_OK);
        assert_int_not_equal(call_open(r, "p/self/fd/1"), WASI_OK);
    }
    if (!special_make_nodes(r, "")) skip();
    assert_int_equal(call_open(r, "nobody"), WASI_NXIO); /* the kernel's own answer */
    assert_int_equal(call_rename_from(r, "mem"), WASI_OK);
    assert_int_equal(call_unlink(r, "fresh"), WASI_OK);
    assert_int_equal(call_link_times(r, "disk"), WASI_OK);
    gbx_err err;
    wasi_ctx *w;
    wasi_dir_grant const dir = {.host_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), .guest_path = "/p"};
    wasi_config config = r->config;
    config.dirs = &dir;
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_OK);
    gbx_wasi_ctx_free(w);
    close(dir.host_fd);
}

/* ---- A71: mounts beneath the grant */

/* Another file system is part of the grant; its devices are not, and ".." leads back over its edge. */
static void
a71_other_file_system(void **state)
{
    rig *const r = *state;
    if (!special_mount_at(r, "m", "tmpfs", "size=64k")) skip();
    host_file(r, "grant/in", "in");
    host_file(r, "grant/m/f", "text");
    host_mkdir(r, "grant/m/d");
    host_link(r, "../f", "grant/m/d/l");
    host_link(r, "../../../secret", "grant/m/d/out");
    static const struct {
        u32 (*call)(rig *, const char *);
        const char *path;
        u32 want;
    } rows[] = {{call_open, "m/f", WASI_OK},
                {call_open, "m/d/l", WASI_OK},
                {call_open, "m/../in", WASI_OK},
                {call_open, "m/d/../../in", WASI_OK},
                {call_create, "m/new", WASI_OK},
                {call_create, "m/d/../new2", WASI_OK},
                {call_open, "m/d/out", WASI_PERM},
                {call_open, "m/../../secret", WASI_PERM},
                {call_mkdir, "m/d/x", WASI_OK},
                {call_times, "m/f", WASI_OK},
                {call_link_times, "m", WASI_OK},
                {call_rename_from, "m/f", WASI_XDEV},
                {call_link_from, "m/f", WASI_XDEV},
                {call_rename_from, "m", WASI_BUSY},
                {call_rmdir, "m", WASI_BUSY},
                {call_open, "m/none", WASI_NOENT},
                {call_stat, "m/none/x", WASI_NOENT},
                {call_open_nofollow, "m/d/l", WASI_LOOP},
                {call_list, "m", WASI_OK},
                {call_unlink, "m/f", WASI_OK}};
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        u32 const e = rows[i].call(r, rows[i].path);
        if (e != rows[i].want) fail_msg("row %zu, \"%s\": %u, not %u", i, rows[i].path, e, rows[i].want);
    }
    assert_true(host_exists(r, "grant/m/new2"));
    assert_string_equal(host_text(r, "secret"), "secret");
}

/* A directory from elsewhere that was mounted in the grant was put there by who may: it is part of it.
 * Its ".." is the grant's, not the one it has at its other place. */
static void
a71_bind_mount(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/m");
    host_mkdir(r, "far");
    host_mkdir(r, "far/dir");
    host_file(r, "far/secret", "secret");
    host_file(r, "far/dir/f", "text");
    if (!special_mounts ||
        mount(rig_host_path(r, "far/dir"), rig_host_path(r, "grant/m"), NULL, MS_BIND, NULL) != 0)
        skip();
    host_file(r, "grant/in", "in");
    assert_int_equal(call_open(r, "m/f"), WASI_OK);
    assert_int_equal(call_create(r, "m/new"), WASI_OK);
    assert_true(host_exists(r, "far/dir/new"));
    assert_int_equal(call_open(r, "m/../in"), WASI_OK);
    assert_int_equal(call_open(r, "m/../secret"), WASI_NOENT);
    u32 const m = rig_open(r, "m", OFLAG_DIRECTORY, RIGHT_PATH_OPEN);
    FAILS(r, PERM, "path_open", m, 1, P(r, "../secret"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    assert_int_equal(call_rename_from(r, "m/f"), WASI_XDEV);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            SPECIAL_TEST(a70_procfs),
            SPECIAL_TEST(a70_other_kernel_interfaces),
            SPECIAL_TEST(a70_file_mounted_on_a_file),
            SPECIAL_TEST(a70_grant_of_everything),
            SPECIAL_TEST(a70_grant_of_an_interface),
            SPECIAL_TEST(a70_device_nodes),
            SPECIAL_TEST(a70_device_nodes_in_memory),
            SPECIAL_TEST(a70_sockets_and_fifos),
            SPECIAL_TEST(a70_allowed),
            SPECIAL_TEST(a71_other_file_system),
            SPECIAL_TEST(a71_bind_mount),
    };
    special_mounts = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    RIG_RUN_BOTH(tests);
}
