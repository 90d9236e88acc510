/* WASI preview 1 as the rest of the runtime sees it: a configuration, a context built from it, and
 * the table of calls as host functions. */
#ifndef GBX_WASI_WASI_H
#define GBX_WASI_WASI_H

#include "abi/layout.h"
#include "runtime/runtime.h"

typedef struct wasi_ctx wasi_ctx;

/* Bytes that never change, shared by whoever holds a reference. Thread-safe. */
typedef struct wasi_blob {
    _Atomic u32 refs;
    size_t len;
    u8 data[];
} wasi_blob;
wasi_blob *gbx_wasi_blob_new(const u8 *data, size_t len); /* a copy; NULL: memory is short */
wasi_blob *gbx_wasi_blob_retain(wasi_blob *b);            /* NULL is fine, here and below */
void gbx_wasi_blob_release(wasi_blob *b);

/* A directory of files in memory; tree.c. `number` tells it from the guest's others. NULL: no memory. */
typedef struct wasi_tree wasi_tree;
wasi_tree *gbx_wasi_tree_new(u32 number);
wasi_tree *gbx_wasi_tree_copy(const wasi_tree *from);
wasi_tree *gbx_wasi_tree_retain(wasi_tree *t);
void gbx_wasi_tree_release(wasi_tree *t); /* NULL is fine */
bool gbx_wasi_tree_is_shared(const wasi_tree *t);
/* Add a file, or give it other bytes. `clean` is of gbx_wasi_guest_path; nobody else has the tree.
 * GBX_ARGUMENT: it would be a file and a directory; GBX_NO_MEMORY. */
gbx_code gbx_wasi_tree_add(wasi_tree *t, const char *clean, wasi_blob *blob, gbx_err *err);
void gbx_wasi_tree_figures(const wasi_tree *t, u64 *files, u64 *bytes);

/* A standard stream that is no descriptor; stream.c. Zeroed: none. */
enum { WASI_STREAM_BLOCKS = -1, WASI_STREAM_FAILED = -2, WASI_STREAM_CLOSED = -3 };
typedef struct wasi_stream_grant {
    wasi_blob *blob;   /* not NULL: reads as these bytes */
    u64 capture_bytes; /* not 0: what is written is kept, so much of it */
    i64 (*read)(void *data, u8 *buf, size_t len);
    i64 (*write)(void *data, const u8 *bytes, size_t len);
    void *data;
    bool has_ready_fd;
    int ready_fd; /* readable when it is worth calling again; borrowed for as long as the context lives */
} wasi_stream_grant;

typedef struct wasi_dir_grant {
    int host_fd;            /* O_PATH|O_DIRECTORY descriptor of the host; duplicated by ctx_new */
    const char *guest_path; /* absolute and clean: see gbx_wasi_guest_path */
    bool read_only;
    u64 scratch_bytes; /* not 0: host_fd is not looked at, a scratch directory of that size is made */
    wasi_tree *tree;   /* not NULL: likewise, these files */
    const char *host_path; /* as it was named; for descriptions alone */
} wasi_dir_grant;

/* A socket of the host: a listening one, a connected one, or one of datagrams; duplicated by ctx_new. */
typedef struct wasi_socket_grant {
    int host_fd;
    bool shared; /* others have it too: neither its options nor its state are ours to change */
} wasi_socket_grant;

/* Told of every call when it is over; see gbx/unstable/trace.h. */
typedef struct wasi_traced {
    u64 number;
    const char *name, *params, *result_name;
    const u64 *args;
    gbx_trap_code trap;
    u32 result;
    u64 bytes, hash;
    gbx_exec *exec;
} wasi_traced;
typedef void (*wasi_trace_report)(void *data, const wasi_traced *t);

/* Who gets what is written to a standard stream that no host descriptor is bound to. */
typedef struct wasi_sink {
    void (*write)(void *data, const u8 *bytes, size_t len); /* NULL: nobody */
    void *data;
} wasi_sink;

/* Which clock a guest sees that has none of the embedder's. */
typedef enum wasi_clock_kind {
    WASI_CLOCK_DEFAULT, /* the host's; where there is a seed, the fixed one, and nobody waits for it */
    WASI_CLOCK_FIXED,   /* clock.c; where there is a seed, as above */
    WASI_CLOCK_HOST,    /* the host's, seed or not */
} wasi_clock_kind;

/* What a guest is given. Everything is borrowed during gbx_wasi_ctx_new only. Zeroed: nothing. */
typedef struct wasi_config {
    const char *const *args;
    u32 arg_count;
    const char *const *env; /* "NAME=value" */
    u32 env_count;
    const wasi_socket_grant *sockets; /* become descriptors 3, 4, ... in this order */
    u32 socket_count;
    const wasi_dir_grant *dirs; /* those after them */
    u32 dir_count;
    int stdio[3];   /* host descriptors, duplicated; -1: reads as empty, swallows output */
    wasi_stream_grant streams[3]; /* where there is no descriptor */
    wasi_clock_kind clock;
    u64 (*clock_now)(void *data, u32 clock_id); /* NULL: what `clock` says */
    void (*clock_sleep)(void *data, u64 ns);    /* of clock_now; NULL: real waits */
    void *clock_data;
    bool (*random_fill)(void *data, u8 *buf, size_t len); /* NULL: the host's */
    void *random_data;
    const u64 *random_seed; /* not NULL: drawn from it alone, where random_fill is NULL */
    wasi_sink sinks[3];   /* for descriptors without one of the host */
    wasi_trace_report trace; /* NULL: calls are not traced */
    void *trace_data;
    const int *cache_dir; /* the directory of the code cache, open for as long as the context; NULL: none */
    bool still;           /* files count as last read when they were last changed */
    u64 output_bytes; /* that may be written to streams, pipes and sockets; 0: no bound */
    u64 disk_bytes;   /* that may be written to files; 0: no bound */
    const u64 *seed; /* not NULL: all that the guest is told is drawn from it (seeded.c), but for clocks and
                        randomness that are replaced above */
    bool allow_special;   /* kernel interfaces and devices are like other files */
    bool raw;             /* what is written to terminals is not filtered: tty.c */
    bool pipe_ends;       /* who writes on to a standard stream that nobody reads is ended */
    bool notes_uses;      /* gbx_wasi_uses has what the guest used of its grants */
    bool force_walker;    /* resolve paths without openat2: tests, and kernels that lack it */
} wasi_config;

/* GBX_NO_MEMORY; GBX_UNSUPPORTED: this system gives no scratch directory; GBX_IO: a descriptor cannot be
 * used; GBX_ARGUMENT: more grants than a guest can hold, one of a kernel interface (procfs, sysfs, …) instead
 * of files, unless those are allowed, or of a socket that a guest has no calls for.
 * Signals: a guest's writes raise neither SIGPIPE nor SIGXFSZ. Where the process ignores both when the
 * context is made, nothing is done about them later, so it must go on ignoring them. */
gbx_code gbx_wasi_ctx_new(const wasi_config *config, wasi_ctx **out, gbx_err *err);
/* Its calls, and the bytes that they move, are counted there from now on; `figures` outlives it. */
void gbx_wasi_count(wasi_ctx *w, wasi_figures *figures);
/* Closes all descriptors; NULL is fine. */
void gbx_wasi_ctx_free(wasi_ctx *w);

/* What a guest finds now is what it finds after a reset: flags and rights of what it was granted. */
void gbx_wasi_ctx_mark(wasi_ctx *w);
/* As it was linked, and marked; see reset.c. GBX_STATE: a granted descriptor is closed, and nothing was
 * changed; GBX_UNSUPPORTED: a scratch directory cannot be made again. */
GBX_MUST_USE gbx_code gbx_wasi_ctx_reset(wasi_ctx *w, u64 output_bytes, u64 disk_bytes, gbx_err *err);

/* From now on sock_accept fails with ECANCELED on sockets that were granted, and whoever waits for one to be
 * ready is woken: how a guest learns that it is to end. Thread-safe and async-signal-safe. */
void gbx_wasi_stop_accepting(wasi_ctx *w);

/* The guest has called sock_accept, be it in vain. */
bool gbx_wasi_accepts(const wasi_ctx *w);
/* Something was written to a terminal that did not pass; tty.c. */
bool gbx_wasi_tty_filtered(const wasi_ctx *w);

/* What a guest may know of its context, for a snapshot of it; imprint.c. GBX_SNAPSHOT: its descriptors are
 * not those it was granted; GBX_NO_MEMORY. */
typedef struct wasi_imprint wasi_imprint;
gbx_code gbx_wasi_imprint_new(wasi_ctx *w, wasi_imprint **out, gbx_err *err);
void gbx_wasi_imprint_free(wasi_imprint *p); /* NULL is fine */
/* Which of GBX_FROM_ARGS, GBX_FROM_ENV and GBX_FROM_GRANTS are not in another context as they were. */
u32 gbx_wasi_imprint_differs(const wasi_imprint *p, wasi_ctx *w);
/* Flags and rights as the guest left them, where it finds the same descriptors; flags alone elsewhere. */
void gbx_wasi_imprint_apply(const wasi_imprint *p, wasi_ctx *w);

/* A directory of the host's, and what a guest's path leads to beneath it; beneath.c. `flags` are those of
 * open(2). GBX_NOT_FOUND, GBX_DENIED, GBX_IO, GBX_ARGUMENT. */
typedef struct wasi_beneath wasi_beneath;
gbx_code gbx_wasi_beneath_new(const char *host_path, bool force_walker, wasi_beneath **out, gbx_err *err);
void gbx_wasi_beneath_free(wasi_beneath *b); /* NULL is fine */
gbx_code gbx_wasi_beneath_find(wasi_beneath *b, const char *path, size_t len, int flags, int *fd,
                               gbx_err *err);

/* The context as members of an open object of JSON: what was granted. */
struct json;
void gbx_wasi_ctx_describe(wasi_ctx *w, struct json *j);

/* What was written to a standard stream that is kept, and its length; borrowed until the guest runs. */
const u8 *gbx_wasi_captured(const wasi_ctx *w, u32 fd, size_t *len);
void gbx_wasi_captured_clear(wasi_ctx *w, u32 fd);

/* The calls of preview 1, all 46, in the order of p1.def, for a wasi_ctx. */
extern const runtime_host_set gbx_wasi_p1;

/* The guest name of a granted directory made absolute and clean: "." -> "/", "data" -> "/data",
 * "./a/../b/" -> "/b". Writes a NUL-terminated string of at most cap bytes; GBX_ARGUMENT where it is
 * too long, climbs above the root, or contains a NUL (cannot in C strings) or a control character. */
gbx_code gbx_wasi_guest_path(const char *given, char *out, size_t cap, gbx_err *err);

/* Listen on HOST:PORT, [IPV6]:PORT or unix:PATH; see listen.c. *fd is the caller's. GBX_ARGUMENT: the text is
 * no such address; GBX_IO: the host does not let us. */
gbx_code gbx_wasi_listen_open(const char *text, int *fd, gbx_err *err);
/* The address of a socket in the same form, so that it can be listened on or connected to; "" where there is
 * none. cap >= 4. */
void gbx_wasi_listen_name(int fd, char *out, size_t cap);

#define WASI_REFUSALS_MAX 64

/* A refused path call, kept for the diagnosis; oldest first, at most WASI_REFUSALS_MAX. */
typedef struct wasi_refusal {
    const char *call;   /* static */
    const char *reason; /* static */
    char path[256];     /* escaped, cut, NUL-terminated */
    bool changes;       /* it was to be made, changed or removed there */
} wasi_refusal;
const wasi_refusal *gbx_wasi_refusals(const wasi_ctx *w, u32 *count);

/* What a guest used of its grants, where the context was told to note it (used.c): a directory in which it
 * read, or with `changes` also changed something, by its absolute and clean name in the guest's tree; or
 * `refused`: the path, likewise clean, of what no grant covers. Each once. Borrowed until the guest runs. */
#define WASI_USES_MAX 1024u
typedef struct wasi_use {
    const char *path;
    bool changes, refused;
} wasi_use;
/* *is_whole: nothing is left out. */
const wasi_use *gbx_wasi_uses(const wasi_ctx *w, u32 *count, bool *is_whole);

#define WASI_MISSED_MAX 16u

/* A path that was looked for beneath a granted directory, and was not there. */
typedef struct wasi_missed {
    const char *call;  /* static */
    const char *grant; /* the guest's name of the directory; lives as long as the context */
    u32 len;
    char path[256]; /* the guest's, cut, not NUL-terminated */
} wasi_missed;
/* The idx-th from the last, of the last WASI_MISSED_MAX; NULL: there were not so many. */
const wasi_missed *gbx_wasi_missed(const wasi_ctx *w, u32 idx);

/* Limits that a guest has met, and what is said of them. */
typedef enum wasi_met {
#define WASI_MET(name, slug, option, text) WASI_MET_##name,
#include "wasi/met.def"
#undef WASI_MET
    WASI_MET_COUNT
} wasi_met;
u32 gbx_wasi_met_bits(const wasi_ctx *w); /* bit 1 << wasi_met */

/* What a guest waited for when it was stopped: waited.c. */
typedef enum wasi_waited_for {
#define WASI_WAITED(name, slug, text) WASI_WAITED_##name,
#include "wasi/waited.def"
#undef WASI_WAITED
} wasi_waited_for;
typedef struct wasi_waited {
    const char *call; /* static */
    wasi_waited_for what;
    i32 fd;       /* -1: none, or several */
    u64 timer_ns; /* until the timer; UINT64_MAX: there is none */
    u64 calls;    /* the store's outermost call that was stopped, by its number */
} wasi_waited;
const wasi_waited *gbx_wasi_waited_get(const wasi_ctx *w); /* NULL: it never was stopped in a wait */

#endif
