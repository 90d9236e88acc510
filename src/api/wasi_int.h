/* What wasi.c and trace.c share: the builder, and what a link of it leaves in the store. */
#ifndef GBX_API_WASI_INT_H
#define GBX_API_WASI_INT_H

#include "api/api_int.h"
#include "gbx/unstable/audit.h"
#include "gbx/unstable/trace.h"
#include "gbx/wasi.h"
#include "wasi/wasi.h"

/* A growing list of strings, owned. */
typedef struct api_strings {
    char **items;
    u32 len, cap;
} api_strings;

typedef struct api_dirs {
    wasi_dir_grant *items; /* host_fd and guest_path owned */
    u32 len, cap;
} api_dirs;

typedef struct api_sockets {
    wasi_socket_grant *items; /* host_fd owned */
    u32 len, cap;
} api_sockets;

struct gbx_wasi {
    api_strings args, env;
    api_sockets sockets;
    api_dirs dirs;
    int stdio[3];
    wasi_stream_grant streams[3]; /* blob and ready_fd owned */
    wasi_clock_kind clock;
    u64 (*clock_now)(void *data, u32 clock_id);
    void (*clock_sleep)(void *data, u64 ns);
    void *clock_data;
    bool (*random_fill)(void *data, u8 *buf, size_t len);
    void *random_data;
    wasi_sink sinks[3];
    gbx_trace_report report;
    void *report_data;
    bool is_seeded, is_random_seeded;
    u64 seed, random_seed;
    bool still, raw, pipe_ends, notes_uses;
    bool allow_special;
};

typedef struct api_wasi_linked {
    wasi_ctx *ctx;
    gbx_trace_report report; /* NULL: calls are not traced */
    void *report_data;
    bool is_again; /* another one was linked in this store before */
    gbx_refusal rows[WASI_REFUSALS_MAX]; /* as they were last asked for */
    gbx_met met[WASI_MET_COUNT];         /* likewise */
    char missed_grant[1032], missed_path[1032]; /* likewise, of gbx_store_missed */
    gbx_use *uses;                       /* likewise, WASI_USES_MAX; NULL: they are not noted */
} api_wasi_linked;

/* Nothing is bound to the standard stream any more, and nobody gets what is written to it. */
void gbx_api_wasi_unbind(gbx_wasi *wasi, int guest_fd);
/* Complete `dir` and append it; dir.tree is retained. host_path NULL: nothing of the host's. */
GBX_MUST_USE gbx_code gbx_api_wasi_add_dir(gbx_wasi *wasi, const char *host_path, const char *guest_path,
                                           wasi_dir_grant dir, gbx_err *err);
gbx_code gbx_api_wasi_out_of_memory(gbx_err *err);
/* Call what a snapshot wants called in an instance that begins with it, if it does; see gbx/snapshot.h. */
GBX_MUST_USE gbx_code gbx_api_snapshot_renew(gbx_instance *inst, gbx_trap *trap, gbx_err *err);

/* The wasi_trace_report of a context whose calls the host wants to know of; `data` is an api_wasi_linked. */
void gbx_api_trace_report(void *data, const wasi_traced *t);

#endif
