/* WASI preview 1, denied by default: a builder collects grants, the linker gets the result.
 *
 * With nothing granted a guest has no arguments, no variables, no directories; its standard streams
 * read as empty and swallow output until they are bound; its clock is the fixed one (gbx_wasi_clock), from
 * which it learns nothing of the host's time. Randomness is the host's. What every guest has are imitations
 * of /dev/null, zero, full, random and urandom. What one is given in the end, gbx_wasi_describe tells.
 *
 * A builder is used by one thread at a time; what is asked of a store, by the store's thread. */
#ifndef GBX_WASI_H
#define GBX_WASI_H

#include "gbx/host.h"

GBX_DECLS_BEGIN

typedef struct gbx_wasi gbx_wasi;

/* A new builder with nothing granted. The caller owns *out. One thread at a time per builder. All strings
 * are NUL-terminated UTF-8 or any other bytes, and copied. Every setter gives GBX_NO_MEMORY or
 * GBX_ARGUMENT (NULL, an empty name, '=' where none may be), with words in err; a failed setter
 * changes nothing. */
GBX_API gbx_code gbx_wasi_new(gbx_own gbx_wasi **out, gbx_err *err);
GBX_API void gbx_wasi_release(gbx_wasi *wasi); /* NULL is fine */

/* Append an argument; the first is argv[0], the program's name. */
GBX_API gbx_code gbx_wasi_arg(gbx_wasi *wasi, const char *arg, gbx_err *err);
/* Set a variable; setting the same name again replaces its value. */
GBX_API gbx_code gbx_wasi_env(gbx_wasi *wasi, const char *name, const char *value, gbx_err *err);

typedef enum gbx_access { GBX_READ_ONLY, GBX_READ_WRITE } gbx_access;

/* Grant the host directory `host_path` as `guest_path`, which is made absolute and clean ("." is "/",
 * "data" is "/data"). Opened here, so that a later rename on the host changes nothing. GBX_NOT_FOUND,
 * GBX_IO (not a directory, no permission), GBX_ARGUMENT (a guest path above "/", or granted before).
 * Order is kept: the guest sees the first as descriptor 3, or as the first behind its sockets. */
GBX_API gbx_code gbx_wasi_dir(gbx_wasi *wasi, const char *host_path, const char *guest_path,
                              gbx_access access, gbx_err *err);

/* Grant a directory of the guest's own as `guest_path`, in the order of gbx_wasi_dir: empty at each
 * gbx_wasi_link, in memory, under no name on the host, holding at most `bytes` (whole pages count; and a
 * file for each 4,096 of them, and 16), then "no space left on device"; gone with the store, or however the
 * process ends. GBX_ARGUMENT (0 bytes too). Where the kernel gives no such directory, gbx_wasi_link is
 * GBX_UNSUPPORTED. */
GBX_API gbx_code gbx_wasi_scratch(gbx_wasi *wasi, const char *guest_path, uint64_t bytes, gbx_err *err);

/* Put a file of `bytes`, which are copied, into the read-only directory `guest_dir`, which is granted with
 * its first file, in the order of gbx_wasi_dir. `path` is relative to it and may have slashes
 * ("templates/a.html"); directories on the way are made; the same path again gives the file other bytes.
 * Nothing of the host is behind it: what guests may do is open, read, look at and list; all else is
 * "read-only file system". All contexts that one builder is linked to share the bytes. Times of all files
 * are the beginning of the fixed clock. GBX_ARGUMENT: a path that leads above the directory, is not UTF-8,
 * has a name of more than 255 bytes, names a file as a directory or the other way round; a directory that
 * was granted as something else. */
GBX_API gbx_code gbx_wasi_file(gbx_wasi *wasi, const char *guest_dir, const char *path, gbx_bytes bytes,
                               gbx_err *err);

/* What is no file but looks like one stays out of reach beneath every grant, also one of "/":
 * interfaces of the kernel (procfs, sysfs, cgroups and their like, whose directories cannot be granted
 * either) and devices, but for the controlling terminal. true: they are like other files. Whoever can
 * write to /proc/self/mem or a disk can do all that the process can. */
GBX_API void gbx_wasi_special_files(gbx_wasi *wasi, bool allowed);

/* Listen at `address` and grant the socket: "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "unix:PATH".
 * Port 0 is any that is free. Nothing is guessed: a missing host or port, a name, an IPv6 address that means
 * an IPv4 one, or a number too large is GBX_ARGUMENT; where the host refuses, GBX_IO. The guest sees sockets
 * as descriptors 3, 4, ... in this order, before its directories, non-blocking, so that Go's
 * net.FileListener(os.NewFile(3, "")) serves. `bound`: NULL, or room for what it became, with the
 * port: GBX_ADDRESS_BYTES. */
#define GBX_ADDRESS_BYTES 128
GBX_API gbx_code gbx_wasi_listen(gbx_wasi *wasi, const char *address, char *bound, gbx_err *err);
/* Grant a socket of the host's, which is duplicated: one that listens (it is made non-blocking), or one that
 * is connected, or one of datagrams. Whether it is one is found at gbx_wasi_link. GBX_IO: not open. */
GBX_API gbx_code gbx_wasi_socket(gbx_wasi *wasi, int host_fd, gbx_err *err);
/* Whether guests of the last gbx_wasi_link in this store have asked for a connection on any socket. One that
 * has not, though it was granted a listener, may have used what looks like listening (Go's net.Listen). */
GBX_API bool gbx_store_accepts(const gbx_store *store);
/* From now on guests of the last gbx_wasi_link in this store accept no connections on granted sockets: their
 * sock_accept fails with ECANCELED, at once where they wait, and sockets of gbx_wasi_listen refuse clients
 * from then on. Connections that are open stay so: a server has the time to answer before it ends.
 * May be called from any thread and from signal handlers while the store lives. */
GBX_API void gbx_store_stop_accepting(gbx_store *store);

/* What a guest writes to a terminal, through a standard stream or a file: by default its text, the control
 * characters of a line, colours (SGR) and what moves within a line. All other control sequences are shown as
 * text, "^[[2J": they could rewrite what stands there, change the terminal, or have it type. `raw`:
 * everything passes. */
GBX_API void gbx_wasi_raw_terminals(gbx_wasi *wasi, bool raw);
/* Whether guests of the last gbx_wasi_link in this store wrote to a terminal what did not pass. */
GBX_API bool gbx_store_terminal_filtered(const gbx_store *store);
/* A guest that writes to a pipe without a reader gets EPIPE. `ends`: should it write there again, through a
 * standard stream, it is ended by GBX_TRAP_BROKEN_PIPE, as SIGPIPE ends a native program. Default: no. */
GBX_API void gbx_wasi_broken_pipe_ends(gbx_wasi *wasi, bool ends);

/* Bind guest descriptor 0, 1 or 2 to a descriptor of the host, which is duplicated; its flags are never
 * changed. Of this and the functions below the last one that was called for a stream counts, so that a
 * builder can be used again for the next request. GBX_IO where host_fd is not open or no descriptor is
 * left. */
GBX_API gbx_code gbx_wasi_stdio(gbx_wasi *wasi, int guest_fd, int host_fd, gbx_err *err);
/* Bind 0, 1, 2 to the process's own; a closed one stays unbound. */
GBX_API gbx_code gbx_wasi_inherit_stdio(gbx_wasi *wasi, gbx_err *err);

/* Bind a standard stream to a file of the host's, opened here: 0 for reading, 1 and 2 for writing; it is made
 * where there is none. `mode` is of 1 and 2. GBX_NOT_FOUND, GBX_IO, GBX_ARGUMENT (neither a file nor a
 * device: a FIFO might wait for ever). */
typedef enum gbx_write_mode { GBX_TRUNCATE, GBX_APPEND } gbx_write_mode;
GBX_API gbx_code gbx_wasi_stdio_file(gbx_wasi *wasi, int guest_fd, const char *host_path,
                                     gbx_write_mode mode, gbx_err *err);

/* Standard input reads as `bytes`, which are copied, and then as ended; in each gbx_wasi_link from the
 * beginning. */
GBX_API gbx_code gbx_wasi_stdin_bytes(gbx_wasi *wasi, gbx_bytes bytes, gbx_err *err);

/* Keep what the guest writes to 1 or 2 in memory, at most `most_bytes` of it (0: 16 MiB), which is taken as
 * it is needed. A guest that would write more has what fits kept and ends with GBX_TRAP_OUTPUT_LIMIT (as at
 * gbx_store_opts.output_bytes, which counts these bytes, too): one that ignores errors of its output must not
 * go on as if it had been read. Standard error wants 64 KiB at least: a Go program that dies writes 4 to 13
 * of them, and would end by this trap instead. */
GBX_API gbx_code gbx_wasi_capture(gbx_wasi *wasi, int guest_fd, uint64_t most_bytes, gbx_err *err);
/* What guests of the last gbx_wasi_link in this store wrote to 1 or 2 so far; borrowed until guest code runs
 * or it is cleared; {NULL, 0} where nothing was, or it is not kept. */
GBX_API gbx_bytes gbx_store_captured(const gbx_store *store, int guest_fd);
/* Forget it: the next call's output begins at 0, and has all of most_bytes. */
GBX_API void gbx_store_clear_captured(gbx_store *store, int guest_fd);

/* What functions of a gbx_stream answer beside numbers of bytes. */
#define GBX_STREAM_BLOCKS ((int64_t)-1) /* nothing yet, or no room yet */
#define GBX_STREAM_FAILED ((int64_t)-2) /* EIO to the guest */
#define GBX_STREAM_CLOSED ((int64_t)-3) /* of write: nobody reads, EPIPE to the guest; of read: EIO */

/* A standard stream of the host's own. The functions run on the thread of the guest's call and must not
 * block: nothing can end a function that does. They say GBX_STREAM_BLOCKS instead, and the guest waits here,
 * where a deadline or gbx_store_cancel ends it: until `ready_fd` is readable (duplicated; an eventfd, a
 * pipe), or without one for a millisecond, then two, up to 64. They may call the guest. */
typedef struct gbx_stream {
    size_t size; /* set by GBX_STREAM_INIT */
    /* Fill buf with 1 to len bytes and say how many; 0: the stream has ended. Of descriptor 0. */
    int64_t (*read)(void *data, uint8_t *buf, size_t len);
    /* Take 1 to len bytes and say how many. Of descriptors 1 and 2. */
    int64_t (*write)(void *data, const uint8_t *bytes, size_t len);
    void *data;
    bool has_ready_fd;
    int ready_fd;
} gbx_stream;
#define GBX_STREAM_INIT GBX_SIZED(gbx_stream)
GBX_API gbx_code gbx_wasi_stream(gbx_wasi *wasi, int guest_fd, const gbx_stream *stream, gbx_err *err);

/* The clock. By default it is fixed: it begins at 2026-01-01 00:00:00 UTC (monotonic: 0) in each
 * gbx_wasi_link, goes on by a microsecond at each look, and by exactly what was waited for. Waits are real,
 * so that they can be cut by a deadline and pace a guest, but how long they took is not told: a guest with
 * nothing granted cannot learn the time. (With a granted directory it can: by times of files, which are the
 * host's.)
 *
 * gbx_wasi_clock_real grants the host's clocks. gbx_wasi_clock replaces them: `now` gives nanoseconds for
 * WASI clock id 0 (realtime) or 1 (monotonic), `sleep` is told of waits instead of waiting (NULL: real waits,
 * which then end by the host's clock); now NULL: the default. The last of both counts. */
GBX_API void gbx_wasi_clock_real(gbx_wasi *wasi);
GBX_API void gbx_wasi_clock(gbx_wasi *wasi, uint64_t (*now)(void *data, uint32_t clock_id),
                            void (*sleep)(void *data, uint64_t ns), void *data);
/* Replace randomness: fill `len` bytes; false is EIO to the guest. NULL: the host's, the default.
 * gbx_wasi_random_seed draws it from a number alone (ChaCha20), in each gbx_wasi_link from its beginning; not
 * for secrets. The last of both counts. */
GBX_API void gbx_wasi_random_seed(gbx_wasi *wasi, uint64_t seed);
GBX_API void gbx_wasi_random(gbx_wasi *wasi, bool (*fill)(void *data, uint8_t *buf, size_t len),
                             void *data);

/* Let a run be repeated: all that the guest is told is drawn from `seed`, in each gbx_wasi_link from its
 * beginning. Random numbers (ChaCha20); clocks, which begin at 2026-01-01, go on by a microsecond at each
 * look and jump over waits; inode numbers and times of files; the order of directories. Pipes are waited
 * for and read until the buffer is full; terminals and sockets give what they give. A clock or
 * randomness that was set (gbx_wasi_clock, _clock_real, _random, _random_seed) counts before
 * it. For the same bits in memory too, use gbx_engine_opts.canonical_nans. Not for secrets: who knows the
 * seed knows the random numbers. */
GBX_API void gbx_wasi_seed(gbx_wasi *wasi, uint64_t seed);

/* Define all calls of wasi_snapshot_preview1 in `linker`. Each call of this function makes one set of
 * descriptors, shared by the instances linked from then on; it lives with the linker's store, and the
 * builder may be changed, used again or released afterwards.
 * GBX_NO_MEMORY, GBX_IO (no descriptors left), GBX_UNSUPPORTED (gbx_wasi_scratch), GBX_ARGUMENT. */
GBX_API gbx_code gbx_wasi_link(gbx_wasi *wasi, gbx_linker *linker, gbx_err *err);

/* What can a guest do that is linked with `linker`? One line of JSON, which the caller frees with
 * gbx_text_free; members stand in this order, always all of them, and more may come to stand behind them:
 *
 *     {"store": {"name", "tenant"},
 *      "bounds": {"timeout_ns", "memory_bytes", "stack_bytes", "table_elems", "output_bytes", "disk_bytes",
 *         "fuel"; null: no bound},
 *      "wasi": null where gbx_wasi_link was not called, or of its last call
 *         {"args": [...], "env": [names, without their values],
 *          "stdin", "stdout", "stderr": {"kind": "nothing", "file", "pipe", "terminal", ..., "bytes",
 *              "memory" or "host function"; and "bytes" or "most_bytes" of those in memory},
 *          "sockets": [{"fd", "kind": "listener", ..., "address"}],
 *          "directories": [{"guest_path", "kind": "host", "scratch" or "memory", "access", and "host_path",
 *              "most_bytes", or "files" and "bytes"}],
 *          "clock": "fixed", "real", "seeded" or "host function",
 *          "randomness": "system", "seeded" or "host function",
 *          "special_files": bool, "raw_terminals": bool},
 *      "imports": [{"module", "name", "kind": "host function", "guest function", "memory", ..., "type",
 *          "purpose", "touches"}], those of WASI left out, in the order of their names' bytes}
 *
 * A bound that does not exist is null, and so is what was not said. Names that are no UTF-8 have U+FFFD in
 * place of what is none. GBX_NO_MEMORY, GBX_STATE (the linker's store is gone), GBX_ARGUMENT. */
GBX_API gbx_code gbx_wasi_describe(const gbx_linker *linker, gbx_own char **text, gbx_err *err);

/* A path the guest asked for and was refused, for diagnosis. */
typedef struct gbx_refusal {
    const char *call;   /* "path_open" */
    const char *path;   /* as the guest gave it, escaped, cut at 255 bytes */
    const char *reason; /* "no grant matches", "outside the grant", "read-only grant", "special file",
                         * "the host's code cache" */
    bool changes;       /* it was to be made, changed or removed there, and not only looked for */
} gbx_refusal;

/* The refusals met so far by guests of the last gbx_wasi_link in this store: their number, at most 64,
 * and in *out the rows, oldest first, borrowed until guest code runs or this is called again. */
GBX_API size_t gbx_store_refusals(const gbx_store *store, const gbx_refusal **out);

/* A limit that a guest met. */
typedef struct gbx_met {
    const char *slug;   /* "disk-limit" */
    const char *text;   /* what happened */
    const char *option; /* of the command, that raises it; "": none does */
} gbx_met;

/* The limits that guests of the last gbx_wasi_link in this store have met, each once; as
 * gbx_store_refusals. */
GBX_API size_t gbx_store_met(const gbx_store *store, const gbx_met **out);

/* What a guest was waiting for in the host when it was stopped. Texts are static. */
typedef struct gbx_waited {
    const char *slug;  /* "stdin", "client", "socket", "output", "file", "timer", "descriptors", "any" or
                          "other" */
    const char *text;  /* "somebody to write to its standard input" */
    const char *call;  /* of preview 1: "fd_read" */
    int32_t fd;        /* descriptor of the guest's; -1: none, or several */
    uint64_t timer_ns; /* until the timer it also waits for; GBX_UNLIMITED: for none */
} gbx_waited;

/* After a call that its deadline or gbx_store_cancel has ended: what it was waiting for in WASI. False:
 * it was not waiting there, which means that it was computing, or was in another function of the host's;
 * or the call ended in another way, or `trap` is NULL. By the thread that uses the store. */
GBX_API bool gbx_store_waited(const gbx_store *store, const gbx_trap *trap, gbx_waited *out);

GBX_DECLS_END

#endif
