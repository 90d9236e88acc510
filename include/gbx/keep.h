/* What is kept of engines and modules that nobody has any more, so that a host which makes an engine for
 * each request does not compile each time.
 *
 * A module stays in its engine for gbx_engine_opts.keep_ms after its last release, with its machine code
 * and its pool of instances; an engine stays for as long after its own, and gbx_engine_new gives it
 * again to the next who asks for the same options. At most so many modules and bytes an engine, and so
 * many engines a process, as docs/metrics.md says; those that were idle longest go first. Engines
 * that are alive at the same time never share anything.
 *
 * No thread waits for the time to pass: what is overdue is freed by the next call that makes or releases an
 * engine or a module, or by gbx_trim. A process that forks: the child uses nothing of what its parent
 * kept. */
#ifndef GBX_KEEP_H
#define GBX_KEEP_H

#include "gbx/base.h"
#include "gbx/error.h"

GBX_DECLS_BEGIN

/* Free what has been kept for its time. Thread-safe. */
GBX_API void gbx_trim(void);

/* Free all that is kept at this moment, whether its time has passed or not, and what the calling thread keeps
 * between calls (other threads give that back when they end): for hosts that unload the
 * library (dlclose), or want to see every byte given back before they exit. What is alive stays alive;
 * the library can be used again afterwards. Thread-safe. */
GBX_API void gbx_shutdown(void);

/* What is kept in this process now, and what came of keeping so far. */
typedef struct gbx_kept {
    size_t size;              /* set by GBX_KEPT_INIT: what fits is filled */
    uint64_t engines;         /* that are kept */
    uint64_t modules, bytes;  /* that nobody has, in engines that are kept and in those alive; what they
                                 take */
    uint64_t engines_reused;  /* gbx_engine_new gave one that was kept */
    uint64_t modules_reused;  /* compiling gave a module that nobody had any more */
    uint64_t modules_shared;  /* compiling gave one that somebody had: with the former, what was not
                                 compiled */
    uint64_t modules_dropped; /* that were kept and are freed */
    uint64_t engines_dropped;
    uint64_t modules_compiled_again; /* compiled in full, although this process had compiled the same before:
                                        for other options, for two engines at once, or too long ago to be
                                        kept */
} gbx_kept;
#define GBX_KEPT_INIT GBX_SIZED(gbx_kept)

/* Thread-safe; NULL is fine. */
GBX_API void gbx_kept_get(gbx_kept *out);

/* Words for the log of a host that compiles a module, or makes an engine, for each request:
 * `note[compiled-again]:` with the lines `why:`, `fix:` and `see:` in which the command tells its notes, for
 * gbx_text_free. *out is NULL where no module was compiled more often than docs/metrics.md says (`again`),
 * since the start of the process or the last gbx_shutdown. Engines with keep_ms GBX_KEEP_OFF are not looked
 * at. Thread-safe. GBX_NO_MEMORY, GBX_ARGUMENT (no out). */
GBX_API gbx_code gbx_kept_hint(gbx_own char **out, gbx_err *err);

GBX_DECLS_END

#endif
