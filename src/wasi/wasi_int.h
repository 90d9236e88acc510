/* What the files of this folder share: errors, rights, descriptors, the context, and the layers.
 *
 * A call goes down one way only:
 *   p1_*.c     guest ABI: all pointers and flags are checked before anything happens
 *   policy.c   capability: rights, read-only grants, special files, what is remembered of refusals
 *   budget.c   capability: how much may still be written
 *   fdtable.c  capability: the guest's descriptors
 *   path.c     capability: paths beneath a directory (walk.c where the kernel cannot)
 *   vfs*.c     effects: reads, writes, waits, directories, metadata
 *
 * No host descriptor number, path or pointer of the host ever reaches the guest. */
#ifndef GBX_WASI_WASI_INT_H
#define GBX_WASI_WASI_INT_H

#include <sys/stat.h>
#include <sys/uio.h>

#include "base/chacha.h"
#include "wasi/wasi.h"

/* ORDER: errno.def */
typedef enum wasi_errno {
#define WASI_ERRNO(name, number, host) WASI_##name = (number),
#define WASI_ERRNO_ALSO(name, host)
#include "wasi/errno.def"
#undef WASI_ERRNO
#undef WASI_ERRNO_ALSO
    WASI_ERRNO_COUNT,
    WASI_STOPPED, /* never seen by a guest: its call ends with the trap in gbx_exec.stop */
} wasi_errno;

enum {
#define WASI_LIMIT(name, value, reason) WASI_MAX_##name = (value),
#include "wasi/limits.def"
#undef WASI_LIMIT
};

#define WASI_TRY(call)                                             \
    do {                                                           \
        wasi_errno const try_errno_ = (call);                      \
        if (GBX_UNLIKELY(try_errno_ != WASI_OK)) return try_errno_; \
    } while (0)

/* On a large local that is filled before it is read: builds that zero all locals leave it alone. PERF:
 * zeroing 16 KiB of iovecs costs as much as the write of a short line. */
#define WASI_SCRATCH __attribute__((uninitialized))

/* The WASI name of a host errno; WASI_IO for what has none. */
wasi_errno gbx_wasi_errno_of(int host_errno);
const char *gbx_wasi_errno_text(wasi_errno e); /* in the host's words */

/* SPEC: WASI preview 1, `rights`: bit numbers. */
#define RIGHT(bit) ((u64)1 << (bit))
#define RIGHT_FD_DATASYNC RIGHT(0)
#define RIGHT_FD_READ RIGHT(1)
#define RIGHT_FD_SEEK RIGHT(2)
#define RIGHT_FD_FDSTAT_SET_FLAGS RIGHT(3)
#define RIGHT_FD_SYNC RIGHT(4)
#define RIGHT_FD_TELL RIGHT(5)
#define RIGHT_FD_WRITE RIGHT(6)
#define RIGHT_FD_ADVISE RIGHT(7)
#define RIGHT_FD_ALLOCATE RIGHT(8)
#define RIGHT_PATH_CREATE_DIRECTORY RIGHT(9)
#define RIGHT_PATH_CREATE_FILE RIGHT(10)
#define RIGHT_PATH_LINK_SOURCE RIGHT(11)
#define RIGHT_PATH_LINK_TARGET RIGHT(12)
#define RIGHT_PATH_OPEN RIGHT(13)
#define RIGHT_FD_READDIR RIGHT(14)
#define RIGHT_PATH_READLINK RIGHT(15)
#define RIGHT_PATH_RENAME_SOURCE RIGHT(16)
#define RIGHT_PATH_RENAME_TARGET RIGHT(17)
#define RIGHT_PATH_FILESTAT_GET RIGHT(18)
#define RIGHT_PATH_FILESTAT_SET_SIZE RIGHT(19)
#define RIGHT_PATH_FILESTAT_SET_TIMES RIGHT(20)
#define RIGHT_FD_FILESTAT_GET RIGHT(21)
#define RIGHT_FD_FILESTAT_SET_SIZE RIGHT(22)
#define RIGHT_FD_FILESTAT_SET_TIMES RIGHT(23)
#define RIGHT_PATH_SYMLINK RIGHT(24)
#define RIGHT_PATH_REMOVE_DIRECTORY RIGHT(25)
#define RIGHT_PATH_UNLINK_FILE RIGHT(26)
#define RIGHT_POLL_FD_READWRITE RIGHT(27)
#define RIGHT_SOCK_SHUTDOWN RIGHT(28)
#define RIGHT_SOCK_ACCEPT RIGHT(29)

/* SPEC: WASI preview 1: `filetype`, `fdflags`, `oflags`, `lookupflags`, `fstflags`, … */
enum {
    TYPE_UNKNOWN,
    TYPE_BLOCK_DEVICE,
    TYPE_CHARACTER_DEVICE,
    TYPE_DIRECTORY,
    TYPE_REGULAR_FILE,
    TYPE_SOCKET_DGRAM,
    TYPE_SOCKET_STREAM,
    TYPE_SYMBOLIC_LINK,

    FDFLAG_APPEND = 1,
    FDFLAG_DSYNC = 2,
    FDFLAG_NONBLOCK = 4,
    FDFLAG_RSYNC = 8,
    FDFLAG_SYNC = 16,
    FDFLAG_ALL = 31,

    OFLAG_CREAT = 1,
    OFLAG_DIRECTORY = 2,
    OFLAG_EXCL = 4,
    OFLAG_TRUNC = 8,
    OFLAG_ALL = 15,

    LOOKUP_SYMLINK_FOLLOW = 1,

    FST_ATIM = 1,
    FST_ATIM_NOW = 2,
    FST_MTIM = 4,
    FST_MTIM_NOW = 8,
    FST_ALL = 15,

    CLOCK_ID_REALTIME = 0,
    CLOCK_ID_MONOTONIC = 1,

    WHENCE_SET = 0,
    WHENCE_CUR = 1,
    WHENCE_END = 2,
};

/* What stands behind a descriptor. The synthetic ones need nothing from the host. */
typedef enum wasi_kind {
    KIND_FREE,
    KIND_HOST,
#define WASI_DEVICE(kind, name, minor) KIND_##kind,
#include "wasi/devices.def"
#undef WASI_DEVICE
    KIND_STREAM, /* stream.c */
    KIND_NODE,   /* tree.c */
} wasi_kind;

typedef struct wasi_node wasi_node;

/* A standard stream without a descriptor; stream.c. */
typedef struct wasi_stream {
    wasi_blob *blob; /* what is read, from `at` on */
    size_t at;
    u8 *kept; /* of what was written */
    size_t len, cap;
    u64 most; /* 0: nothing is kept */
    i64 (*read)(void *data, u8 *buf, size_t len);
    i64 (*write)(void *data, const u8 *bytes, size_t len);
    void *data;
    int ready_fd; /* -1: none */
    bool dry;     /* it had nothing when it was last asked */
    bool broken;  /* the guest was told that nobody reads */
} wasi_stream;

/* Which directory of the guest's tree a descriptor is: those in which the synthetic devices are found. */
typedef enum wasi_place { PLACE_ELSEWHERE, PLACE_ROOT, PLACE_DEV } wasi_place;

/* Directory entries read ahead; vfs_dir.c. */
typedef struct wasi_dir wasi_dir;

/* A listing of a seeded context; sorted.c. And what it knows of files; seeded.c. */
typedef struct wasi_sorted wasi_sorted;
typedef struct wasi_seeded wasi_seeded;

/* One descriptor of the guest. Rights only ever shrink. */
typedef struct wasi_file {
    wasi_kind kind;
    int host; /* KIND_HOST only, else -1 */
    u8 type;
    /* `host` shares its open file description with others than us (standard streams): its flags are
     * never changed, so O_NONBLOCK is imitated. All other descriptors that can block are O_NONBLOCK
     * on the host whatever the guest asked for, and blocking is imitated. */
    bool inherited;
    bool no_nowait; /* the host refused RWF_NOWAIT here once */
    bool read_only; /* beneath a read-only grant; what is opened through it is too */
    bool holds_read_only; /* beneath a grant that a read-only one stands in: a look-up may lead into that */
    bool terminal;  /* what is written is filtered, unless wasi_ctx.raw */
    bool broken;    /* the guest was told that nobody reads */
    bool listens;   /* a granted socket that accepts connections */
    bool shared;    /* a granted socket that others have too: see wasi_socket_grant */
    bool scratch;   /* lies in a scratch directory */
    bool devices;   /* directory of a file system that may hold device nodes: look before opening */
    wasi_place place;
    u16 flags;      /* FDFLAG_… as the guest sees them */
    u64 rights, inheriting;
    wasi_stream *stream;   /* KIND_STREAM: of the context */
    const wasi_node *node; /* KIND_NODE */
    u64 at;                /* of KIND_NODE: where it is read */
    u16 first_flags; /* of a granted one, when the context was marked */
    u64 first_rights, first_inheriting;
    const wasi_sink *sink; /* KIND_NULL: gets what is written; NULL: nobody does */
    const char *preopen; /* guest path of a granted directory, owned by the context; else NULL */
    u32 granted; /* 1 + the number it was granted under; 0: the guest opened it */
    wasi_dir *dir;       /* NULL until the first fd_readdir */
    wasi_sorted *sorted; /* likewise, of a seeded context */
} wasi_file;

/* The guest's descriptors: lowest free first, at most WASI_MAX_FDS. Zeroed: empty. */
typedef struct wasi_fds {
    wasi_file *files;
    u32 len;    /* entries in files, free ones included */
    u32 lowest; /* no entry below is free */
    bool was_full; /* one more was refused once */
} wasi_fds;

/* Where the output to the terminal stands in a sequence of its; tty.c. Zeroed: nowhere. */
enum { TTY_HELD = 32, TTY_MOST = 8 }; /* bytes held back; that one more can become, beside them */
typedef struct wasi_tty {
    u8 mode, left, low, high; /* of UTF-8: continuation bytes to come, and bounds of the next one */
    u8 held_len, held[TTY_HELD];
    bool coloured; /* colours were set and not reset */
    bool shown;    /* something was not passed on */
} wasi_tty;

/* NUL-terminated strings, one after the other. */
typedef struct wasi_strings {
    char *data;
    u32 bytes, count;
} wasi_strings;

/* Of a traced context; trace.c. */
typedef struct wasi_trace wasi_trace;
/* Of one that notes what is used; used.c. */
typedef struct wasi_used wasi_used;

/* A granted directory: its name in the guest's tree, and which one it is. */
typedef struct wasi_preopen {
    char *name;
    dev_t dev;
    ino_t ino;
    bool read_only;
    bool within; /* another grant, at the place that its name says */
    wasi_tree *tree;   /* NULL: it is a directory of the host's, or */
    u64 scratch_bytes; /* not 0: a scratch directory */
    const char *host_path; /* behind the name; "" where there is none */
} wasi_preopen;

/* See clock.c. */
#define WASI_CLOCK_BEGIN_S 1767225600u /* 2026-01-01 00:00:00 UTC */
#define WASI_NS_PER_S      1000000000u
typedef struct wasi_clock {
    u64 past_ns; /* since it began */
} wasi_clock;

struct wasi_ctx {
    wasi_fds fds;
    wasi_strings args, env;
    u64 (*clock_now)(void *data, u32 clock_id);
    void (*clock_sleep)(void *data, u64 ns);
    void *clock_data;
    wasi_clock clock;
    bool clock_fixed; /* clock_now is that of clock.c, and waits are waited for */
    bool (*random_fill)(void *data, u8 *buf, size_t len);
    void *random_data;
    chacha random;   /* of guests whose randomness is seeded, */
    u64 random_seed; /* by this */
    bool walker; /* resolve paths ourselves */
    bool quiet;  /* writes need os_quiet */
    bool raw;    /* terminals get what the guest writes */
    bool pipe_ends; /* see wasi_config */
    wasi_tty tty;
    bool still;  /* access times are those of modification */
    bool special; /* special files are like others */
    int cache_dir; /* borrowed; -1: there is no code cache */
    int end_fd;    /* an event, set with `ending`; -1: no socket was granted */
    bool accepts;  /* the guest has asked for a connection */
    _Atomic bool ending; /* nothing is accepted any more */
    wasi_sink sinks[3];
    wasi_stream streams[3];
    wasi_trace *trace; /* NULL: calls are not traced */
    wasi_used *used;   /* NULL: nobody wants to know */
    wasi_seeded *seeded; /* NULL: it is told what is, but for */
    wasi_seeded *hidden; /* times of files in scratch directories; NULL: those, too */
    const char *call; /* name of the call in progress: what a refusal is filed under */
    wasi_preopen *preopens;
    u32 preopen_count;
    u8 holds_cache; /* a granted directory does: 0 is not known, 1 no, 2 yes */
    u32 granted; /* descriptors it began with: 0, 1, … */
    int *scratches; /* roots of scratch directories, which live as long as these are open */
    u32 scratch_count;
    u64 output_left, disk_left; /* bytes; UINT64_MAX: no bound */
    u32 met; /* 1 << wasi_met */
    wasi_waited waited;
    wasi_refusal refusals[WASI_REFUSALS_MAX];
    u32 refusal_count;
    wasi_missed missed[WASI_MISSED_MAX]; /* a ring: the last ones */
    u64 missed_count;
    wasi_figures *figures; /* of the store; NULL: nothing is counted */
};

/* ---- the guest ABI: p1.c */

typedef struct p1_row {
    u64 rights, rights2;
    u32 asks; /* GBX_FROM_… */
    u32 number; /* of the call, in p1.def's order */
} p1_row;

enum {
#define WASI_P1(name, params, results, rights, rights2, asks) P1_NUMBER_##name,
#include "wasi/p1.def"
#undef WASI_P1
    P1_COUNT
};
_Static_assert(P1_COUNT <= STORE_FIGURES_WASI, "each call has a place");

/* A call in progress. */
typedef struct p1_call {
    wasi_ctx *w;
    gbx_exec *x;
    u8 *mem; /* NULL: the caller has no memory, every pointer faults; or the call is traced */
    u64 mem_bytes;
    wasi_trace *trace;
    const gbx_slot *arg;
    const p1_row *row;
    gbx_trap_code trap; /* set by the call to end the guest */
} p1_call;

/* ---- waited.c: a call is stopped in a wait; and before, in a poll of so many descriptors, of which `fd`
 * is the last, and a timer */
void gbx_wasi_waited_note(p1_call *c);
void gbx_wasi_waited_poll(p1_call *c, u32 fds, u32 fd, bool reads, u64 left_ns);

/* How a call ends for the guest that made it. */
static inline gbx_trap_code
p1_end(p1_call *c, wasi_errno e, gbx_slot *slots, bool has_result)
{
    if (e == WASI_STOPPED) {
        u32 const stop = atomic_load(&c->x->stop);
        gbx_wasi_waited_note(c);
        return stop ? (gbx_trap_code)stop : GBX_TRAP_CANCELLED;
    }
    if (c->trap != GBX_TRAP_NONE) return c->trap;
    if (has_result) slots[0] = e;
    return GBX_TRAP_NONE;
}

#define WASI_P1(name, params, results, rights, rights2, asks) wasi_errno gbx_wasi_##name(p1_call *c);
#include "wasi/p1.def"
#undef WASI_P1

/* The descriptor `fd` with at least `rights`. A missing right to read or write is BADF, as for a native
 * descriptor opened the other way; any other is NOTCAPABLE. */
wasi_errno gbx_wasi_file_get(p1_call *c, u32 fd, u64 rights, wasi_file **out);

/* Copies an iovec array out of guest memory (so that a read cannot change it) and checks every buffer.
 * Cut at WASI_MAX_IO_BYTES in all; *total is what remains. */
typedef struct p1_iovs {
    u32 count;
    u64 total;
    struct iovec v[WASI_MAX_IOVS];
} p1_iovs;
wasi_errno gbx_wasi_iovs_read(p1_call *c, u32 ptr, u32 count, p1_iovs *out);
/* Drop the first n bytes from entry *at on; *at becomes the first entry with bytes left. */
void gbx_wasi_iovs_advance(p1_iovs *v, u32 *at, u64 n);

/* ---- ctx.c */

/* A guest has read or written so many bytes. */
void gbx_wasi_moved(const wasi_ctx *w, bool is_file, bool is_read, u64 bytes);

/* ---- trace.c */

/* GBX_NO_MEMORY. */
gbx_code gbx_wasi_trace_new(wasi_ctx *w, wasi_trace_report report, void *data, gbx_err *err);
/* The host function of call `idx`: where the context is traced, another one with other data. */
gbx_host_fn gbx_wasi_trace_bind(void *ctx, u32 idx, void **data);
/* guest_range of a call that is traced: the range is remembered. */
u8 *gbx_wasi_trace_range(wasi_trace *t, u32 ptr, u64 len);

/* ---- policy.c */

/* The rights that mean something for a file type. */
u64 gbx_wasi_rights_of(u8 type, bool terminal);
u8 gbx_wasi_type_of(mode_t mode);           /* sockets: stream */
u8 gbx_wasi_type_of_host(int fd, mode_t mode); /* looks at the socket */
/* May files be used that lie on this file system? May one of this kind be opened, may its name be changed? */
bool gbx_wasi_policy_fs(const wasi_ctx *w, int fd);
bool gbx_wasi_policy_file(const wasi_ctx *w, const struct stat *st);
bool gbx_wasi_policy_name(const wasi_ctx *w, const struct stat *st);
/* RULE: S2. The directory of a code cache, its key or an entry: the one is not opened for a guest, nor a name
 * in it made or changed, nor its own; no byte of the others is given to one. Under any grant. */
bool gbx_wasi_policy_cache(const struct stat *st);
/* A directory that the cache in use lies in, at any depth: it is not moved away from under it. */
/* A directory that was granted read-only, within another grant. */
bool gbx_wasi_policy_is_read_only(const wasi_ctx *w, const struct stat *st);
bool gbx_wasi_policy_above_cache(const wasi_ctx *w, const struct stat *st);
/* The cache in use lies in a granted directory, so names in it are not told either. */
bool gbx_wasi_policy_holds_cache(wasi_ctx *w);
bool gbx_wasi_may_hold_devices(int fd);
/* Remember that the call in progress was refused `path`, of which it would have made or changed something, or
 * not; equal ones once. */
void gbx_wasi_refuse_to(wasi_ctx *w, const char *path, const char *reason, bool changes);
void gbx_wasi_refuse(wasi_ctx *w, const char *path, const char *reason); /* as far as the reason tells */
#define WHY_NO_GRANT "no grant matches"
#define WHY_OUTSIDE "outside the grant"
#define WHY_READ_ONLY "read-only grant"
#define WHY_SPECIAL "special file"
#define WHY_CACHE "the host's code cache"

/* ---- budget.c */

void gbx_wasi_met(wasi_ctx *w, wasi_met met);

/* A write in progress. */
typedef struct wasi_budget {
    u64 *left;   /* NULL: without a bound */
    u64 hole;    /* bytes in front of what is written that are new, too */
    bool is_cut; /* more was asked for than there is left */
} wasi_budget;
#define WASI_HERE UINT64_MAX /* at the descriptor's own position */
/* Before a write at `at`: cuts the buffers to what may be written; NOSPC. And after it: `e` and `done` are
 * how it went. */
wasi_errno gbx_wasi_budget_begin(p1_call *c, const wasi_file *f, p1_iovs *v, u64 at, wasi_budget *b);
wasi_errno gbx_wasi_budget_end(p1_call *c, const wasi_budget *b, wasi_errno e, u64 done);
/* What takes room in files otherwise: asked before (NOSPC), taken when it was done. */
wasi_errno gbx_wasi_budget_has(wasi_ctx *w, u64 bytes);
void gbx_wasi_budget_take(wasi_ctx *w, u64 bytes);
u64 gbx_wasi_budget_growth(const wasi_file *f, u64 size);

/* ---- fdtable.c */

wasi_file *gbx_wasi_fds_find(wasi_fds *t, u32 fd); /* NULL where nothing is open */
/* Make room for one more and say where it will go. Nothing else may be added before the put. */
wasi_errno gbx_wasi_fds_reserve(wasi_fds *t, u32 *fd);
void gbx_wasi_fds_put(wasi_fds *t, u32 fd, const wasi_file *file);
/* MFILE when descriptor `*fd` of the process is one of those that guests leave to the host: it is closed.
 * Otherwise it is open, under a lower number where there is one by now. */
wasi_errno gbx_wasi_fds_host_keep(int *fd);
/* The same before there is one: for what cannot be undone. `host` is any open descriptor. */
wasi_errno gbx_wasi_fds_host_has_room(int host);
wasi_errno gbx_wasi_fds_close(wasi_fds *t, u32 fd);         /* must be open */
void gbx_wasi_fds_move(wasi_fds *t, u32 from, u32 to);      /* both open, different */
void gbx_wasi_fds_deinit(wasi_fds *t);

/* ---- path.c, walk.c */

/* A path as a guest gave it: well-formed UTF-8 without NUL, not empty, relative. */
typedef struct wasi_path {
    u32 len;
    bool slash; /* ended in slashes, which are cut off: names a directory or nothing */
    char text[WASI_MAX_PATH_BYTES + 1];
} wasi_path;

/* Where a look-up starts, and what it is for. */
typedef struct wasi_look {
    int base;
    bool devices; /* of the directory at base */
    bool holds_read_only; /* likewise */
    bool follow;  /* a symbolic link in last place */
    int flags;    /* of open; O_CLOEXEC and so on are added */
    mode_t mode;
    const char *shown; /* the path a refusal is remembered under; NULL: the one looked up */
} wasi_look;

typedef struct wasi_found {
    int fd;
    bool crossed; /* lies on another mount than base */
    bool read_only; /* in a read-only grant within that of base */
    struct stat st;
} wasi_found;

/* Open `path` beneath look->base. With O_PATH any file; else only what policy lets be opened. WASI_PERM
 * is remembered as a refusal. */
wasi_errno gbx_wasi_path_find(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out);
wasi_errno gbx_wasi_walk(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out);
/* gbx_wasi_path_find; a file that it makes counts (budget.c). */
wasi_errno gbx_wasi_budget_find(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out);

/* The directory that holds the last component, and that component: for calls that act on a name.
 * `leaf` is NULL when the path ends in "." or ".."; `dots` says which (1 or 2). */
typedef struct wasi_parent {
    int fd;
    bool owned; /* fd is to be closed */
    bool read_only, holds_read_only; /* as for wasi_found and wasi_look */
    const char *leaf;
    u8 dots;
} wasi_parent;
wasi_errno gbx_wasi_path_parent(wasi_ctx *w, const wasi_file *dir, wasi_path *p, wasi_parent *out);
void gbx_wasi_parent_deinit(wasi_parent *p);

/* ---- used.c */

gbx_code gbx_wasi_used_new(wasi_ctx *w, gbx_err *err); /* GBX_NO_MEMORY. Behind the grants */
void gbx_wasi_used_free(wasi_used *u);                 /* NULL is fine, here and below */
void gbx_wasi_used_again(wasi_used *u);                /* nothing was used yet */
void gbx_wasi_used_note(p1_call *c, u32 fd, const wasi_path *p, bool is_dir, bool changes, wasi_errno e);

/* What was looked for beneath a granted directory was not there. */
void gbx_wasi_missed_note(p1_call *c, u32 fd, const wasi_path *p);

/* A call named `p` beneath `fd` and ended with `e`. is_dir: what it names is a directory, which was looked
 * into or at. Not of devices. */
static inline void
used_note(p1_call *c, u32 fd, const wasi_path *p, bool is_dir, bool changes, wasi_errno e)
{
    if (GBX_UNLIKELY(c->w->used != NULL)) gbx_wasi_used_note(c, fd, p, is_dir, changes, e);
    if (e == WASI_NOENT && fd != UINT32_MAX) gbx_wasi_missed_note(c, fd, p);
}

/* ---- device.c */

/* The device that a path names from a directory at `from`; KIND_FREE: none. `through`: as if it were a
 * directory, by what follows its name. */
wasi_kind gbx_wasi_device_at(wasi_place from, const wasi_path *p, bool *through);
/* The device that is an imitation of what the host has. */
wasi_kind gbx_wasi_device_of(const struct stat *st);
void gbx_wasi_device_stat(wasi_kind kind, struct stat *st);
wasi_file gbx_wasi_device_file(wasi_kind kind, u16 flags, u64 rights);
/* Where a directory is that was opened as `path` from one at `from`. */
wasi_place gbx_wasi_place_of(wasi_place from, const char *path);
/* Whether `path` in the guest's directory `base` leads to a grant and ends before it. Sets the inode, by
 * which these directories are told apart. */
bool gbx_wasi_device_way(const wasi_ctx *w, const char *base, const char *path, struct stat *st);

/* ---- vfs.c, vfs_io.c, vfs_dir.c: effects. Waits end with WASI_STOPPED when x->stop is set. */

struct pollfd;
/* Wait until one of fds[0..count) is ready; fds has room for one more. *ready is the number of entries
 * with revents, 0 when timeout_ns passed. */
wasi_errno gbx_wasi_wait(gbx_exec *x, struct pollfd *fds, u32 count, u64 timeout_ns, u32 *ready);
#define WASI_FOREVER UINT64_MAX

wasi_errno gbx_wasi_vfs_read(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done);
wasi_errno gbx_wasi_vfs_write(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done);
wasi_errno gbx_wasi_vfs_pread(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done);
wasi_errno gbx_wasi_vfs_pwrite(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done);
wasi_errno gbx_wasi_vfs_random(wasi_ctx *w, gbx_exec *x, u8 *buf, u64 len);
wasi_errno gbx_wasi_vfs_stat(const wasi_file *f, struct stat *st);
/* ---- seeded.c, sorted.c */

gbx_code gbx_wasi_seeded_new(wasi_ctx *w, u64 seed, gbx_err *err); /* GBX_NO_MEMORY */
/* Draw random numbers from `seed` alone, unless they come from the embedder. */
void gbx_wasi_random_fix(wasi_ctx *w, u64 seed);
/* Under the fixed clock: times of files in scratch directories are the guest's own. GBX_NO_MEMORY. */
gbx_code gbx_wasi_seeded_hide(wasi_ctx *w, gbx_err *err);
void gbx_wasi_seeded_free(wasi_seeded *s);                         /* NULL is fine */
void gbx_wasi_seeded_again(wasi_ctx *w); /* what is drawn from a seed, and known of files: as at first */
/* Of `leaf` in the directory fd, or where it is NULL of what is behind fd: *st as a seeded guest sees it. */
wasi_errno gbx_wasi_seeded_show(wasi_ctx *w, int fd, const char *leaf, struct stat *st);
wasi_errno gbx_wasi_seeded_ino(wasi_ctx *w, int fd, const char *leaf, u64 *ino);
/* The guest wrote to the file; or set these times. Nothing where the context is not seeded. */
void gbx_wasi_seeded_written(wasi_ctx *w, const wasi_file *f);
void gbx_wasi_seeded_set_times(wasi_ctx *w, int fd, const char *leaf, const struct timespec times[2]);
wasi_errno gbx_wasi_sorted_read(wasi_ctx *w, wasi_file *f, u64 cookie, u8 *buf, u32 len, u32 *used);
void gbx_wasi_sorted_free(wasi_sorted *s);

/* Metadata of a file as this guest is to see it. */
static inline wasi_errno
wasi_stat_shown(wasi_ctx *w, int fd, const char *leaf, struct stat *st)
{
    if (w->still) st->st_atim = st->st_mtim;
    return w->seeded || w->hidden ? gbx_wasi_seeded_show(w, fd, leaf, st) : WASI_OK;
}
void gbx_wasi_put_filestat(u8 *out, const struct stat *st, u8 type);
wasi_errno gbx_wasi_times_of(p1_call *c, u64 atim, u64 mtim, u32 fstflags, struct timespec out[2]);

/* tty.c: what of in[0..len) may be written to a terminal, into out[0..cap), cap at least TTY_HELD + TTY_MOST;
 * *taken says how much of `in` that was. */
size_t gbx_wasi_tty_filter(wasi_tty *t, const u8 *in, size_t len, u8 *out, size_t cap, size_t *taken);

/* An entry of a directory. The parent's inode is 0: it is not the guest's to know. */
typedef struct wasi_entry {
    const char *name;
    u64 ino, next; /* cookie of the one behind it */
    u8 type;
} wasi_entry;
/* The one that getdents64 left at `at` for the directory `f`; *bytes: what it takes there. */
wasi_entry gbx_wasi_dir_entry(const wasi_file *f, const u8 *at, u16 *bytes);
/* Write it to buf[*used..len) as preview 1 has it. False: it was cut there, which says "there is more". */
bool gbx_wasi_dir_put(const wasi_entry *e, u8 *buf, u32 len, u32 *used);
wasi_errno gbx_wasi_dir_read(gbx_exec *x, wasi_file *f, u64 cookie, u8 *buf, u32 len, u32 *used);
/* Files that a scratch directory of so many bytes may hold. */
#define WASI_SCRATCH_FILES(bytes) ((bytes) / WASI_MAX_SCRATCH_FILE_BYTES + 16)
/* Colours that the guest left behind on a terminal. */
void gbx_wasi_ctx_reset_colours(wasi_ctx *w);
void gbx_wasi_dir_free(wasi_dir *d);

u64 gbx_wasi_now(wasi_ctx *w, u32 clock_id);

/* ---- stream.c */

void gbx_wasi_stream_begin(wasi_stream *s, const wasi_stream_grant *g);
void gbx_wasi_stream_deinit(wasi_stream *s); /* a zeroed one is fine */
wasi_errno gbx_wasi_stream_read(p1_call *c, const wasi_file *f, p1_iovs *v, u64 *done);
/* Nothing but `s` is looked at: the embedder's functions may call the guest, and that close its files. */
wasi_errno gbx_wasi_stream_write(p1_call *c, wasi_stream *s, const p1_iovs *v, u64 *done);
void gbx_wasi_stream_again(wasi_stream *s); /* its bytes from the first, and nothing kept */
u64 gbx_wasi_stream_left(const wasi_stream *s); /* bytes that can be read now, as far as is known */

/* ---- tree.c */

const wasi_node *gbx_wasi_tree_root(const wasi_tree *t);
u8 gbx_wasi_node_type(const wasi_node *n);
/* What a path names beneath the directory `base`. WASI_PERM is remembered as a refusal. */
wasi_errno gbx_wasi_node_find(wasi_ctx *w, const wasi_node *base, const wasi_path *path,
                              const wasi_node **out);
void gbx_wasi_node_stat(const wasi_node *n, struct stat *st);
/* Of files: */
wasi_errno gbx_wasi_node_read(p1_call *c, const wasi_node *n, p1_iovs *v, u64 offset, u64 *done);
wasi_errno gbx_wasi_node_seek(const wasi_node *n, u64 *at, i64 offset, int whence);
u64 gbx_wasi_node_left(const wasi_node *n, u64 at); /* bytes behind `at`; none of a directory */
/* Of a directory: as gbx_wasi_dir_read. */
void gbx_wasi_node_list(const wasi_node *dir, u64 cookie, u8 *buf, u32 len, u32 *used);

/* ---- clock.c: `data` is a wasi_clock */

u64 gbx_wasi_clock_now(void *data, u32 clock_id);
void gbx_wasi_clock_pass(void *data, u64 ns);
void gbx_wasi_clock_fix(wasi_ctx *w, bool waits);
/* Metadata of what has its times from the host without being a file: shown as the clock's beginning. */
void gbx_wasi_clock_hide(const wasi_ctx *w, const wasi_file *f, struct stat *st);

#endif
