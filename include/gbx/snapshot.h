/* Snapshots: an instance as it is after it was set up, for later instances to begin with.
 *
 *     run `_initialize` once, then
 *     gbx_snapshot_take(instance, &opts, &snapshot, &err);          once
 *     gbx_instance_resume(store, snapshot, linker, &instance, ...);  instead of gbx_instance_new and that
 *
 * Memory, globals and tables begin as they were; imports are the new store's, and so are its bounds. What the
 * guest made of the world while it was set up is in its memory too: a seed it drew, the arguments it
 * copied, a time it noted. No host can find those again, so nothing of it is shared in silence. The store
 * notes what its guests ask for, and of each of the sources below one of these must be true:
 *
 *   - nothing of it was asked for before the snapshot was taken;
 *   - it can be compared, and is the same in the store that resumes (ARGS, ENV and GRANTS only);
 *   - the guest renews it: opts.renews has it, and the export opts.resume, which is called in every new
 *     instance before anyone else can, asks for it anew;
 *   - all instances may share it: opts.shares has it.
 *
 * Otherwise GBX_SNAPSHOT, and err names the sources. Go's runtime seeds itself, looks at the clock and copies
 * arguments and variables in `_initialize`: examples/go-resume has a Go package whose export renews that.
 *
 * RANDOM in opts.shares is a decision about security: all instances then draw the same numbers in the same
 * order, hash tables are seeded alike, and who knows one instance's secrets of that origin knows all.
 *
 * A command (`_start`) cannot be stopped on its way to be a snapshot; RATIONALE.md says why. */
#ifndef GBX_SNAPSHOT_H
#define GBX_SNAPSHOT_H

#include "gbx/host.h"

GBX_DECLS_BEGIN

enum {
#define GBX_SOURCE(name, slug, meaning) GBX_FROM_BIT_##name,
#include "gbx/sources.def"
#undef GBX_SOURCE
    GBX_FROM_COUNT
};
/* Sources, as a set. */
enum {
#define GBX_SOURCE(name, slug, meaning) GBX_FROM_##name = 1 << GBX_FROM_BIT_##name,
#include "gbx/sources.def"
#undef GBX_SOURCE
    GBX_FROM_ALL = (1 << GBX_FROM_COUNT) - 1
};

typedef struct gbx_snapshot gbx_snapshot;

typedef struct gbx_snapshot_opts {
    size_t size;        /* set by GBX_SNAPSHOT_OPTS_INIT */
    uint64_t shares;    /* GBX_FROM_...: instances may have what the guest made of these in common */
    uint64_t renews;    /* GBX_FROM_...: `resume` asks for these anew, which is checked */
    const char *resume; /* export without parameters and results, called in each new instance; NULL: none */
} gbx_snapshot_opts;
#define GBX_SNAPSHOT_OPTS_INIT GBX_SIZED(gbx_snapshot_opts)

/* Take `instance` as it is now, while no call runs in its store; opts may be NULL: nothing is shared. The
 * caller owns *out, which keeps engine and module alive but neither instance nor store: those go on, and may
 * be released. What the host itself wrote to the guest, or passed to its functions, is part of the snapshot.
 * On failure *out is NULL:
 * GBX_SNAPSHOT  no instance may begin like this: a source is neither shared nor renewed; a call in the store
 *               has trapped or exited; a descriptor is open that was not granted, or a granted one is not;
 *               the module imports memories, tables or globals; a table or global holds a reference that
 *               means nothing in another store; the instance came from a snapshot itself
 * GBX_STATE     a call runs in the store
 * GBX_ARGUMENT  an unknown source; renews without resume; an export `resume` of another type, or none
 * GBX_NO_MEMORY
 * Use it as the store: one thread at a time. */
GBX_API gbx_code gbx_snapshot_take(gbx_instance *instance, const gbx_snapshot_opts *opts,
                                   gbx_own gbx_snapshot **out, gbx_err *err);

/* Give it back; NULL is fine. Instances that came from it live on. Not while another thread resumes it. */
GBX_API void gbx_snapshot_release(gbx_snapshot *snapshot);

/* What the guest asked for before: GBX_FROM_..., shared, renewed or to be compared. 0 for NULL.
 * Thread-safe. */
GBX_API uint64_t gbx_snapshot_holds(const gbx_snapshot *snapshot);

/* The slug of one source ("random"), and what it means in words; "" for what is none. Static storage;
 * thread-safe. */
GBX_API const char *gbx_source_name(uint64_t source);
GBX_API const char *gbx_source_meaning(uint64_t source);

/* A new instance that begins as the snapshot was taken, with the imports `linker` supplies (NULL: none); no
 * start function is run, nor `_initialize`. Where WASI was used, link it first (gbx_wasi_link). The call
 * of `resume` has the store's deadline and may be cancelled. *out is owned by the store.
 * On failure *out is NULL: GBX_SNAPSHOT (arguments, variables or grants of this store are not those the guest
 * knows, or `resume` did not ask for what it renews), GBX_TRAPPED (in `resume`), GBX_UNKNOWN_IMPORT,
 * GBX_IMPORT_TYPE, GBX_LIMIT (the snapshot has more memory or table than the store allows), GBX_NO_MEMORY,
 * GBX_ARGUMENT. trap may be NULL. Thread-safe on one snapshot, each thread with its own store. */
GBX_API gbx_code gbx_instance_resume(gbx_store *store, const gbx_snapshot *snapshot, gbx_linker *linker,
                                     gbx_instance **out, gbx_trap *trap, gbx_err *err);

GBX_DECLS_END

#endif
