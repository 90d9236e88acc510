/* The goroutines of a Go program that stands still, and their stacks: functions, files and lines, as Go
 * itself would print them. The host reads them from the program's memory; nothing of the program runs.
 *
 * After a call that trapped, was stopped by its deadline or cancelled, the program stands as it stood
 * then, and this says what it was about:
 *
 *     gbx_go_stacks *stacks;
 *     if (gbx_go_stacks_new(instance, &trap, &stacks, &err) == GBX_OK) {
 *         fputs(gbx_go_stacks_text(stacks), stderr);
 *         gbx_go_stacks_release(stacks);
 *     }
 *
 * Everything in it is what the guest's memory says, which a hostile guest can make up: it is for people
 * to read. Texts are escaped for a terminal.
 *
 * Not thread-safe: gbx_go_stacks_new by the thread that uses the store, the rest by one thread at a time. */
#ifndef GBX_GOROUTINE_H
#define GBX_GOROUTINE_H

#include "gbx/store.h"
#include "gbx/trap.h"

GBX_DECLS_BEGIN

/* One function of a stack. Texts are borrowed from the gbx_go_stacks, NUL-terminated, never NULL, ""
 * where they are not known. */
typedef struct gbx_go_frame {
    const char *func; /* as Go writes it: "main.(*server).load" */
    const char *file;
    uint32_t line;      /* 0: not known */
    uint32_t func_idx;  /* the module's function that the code stands in */
    bool is_inlined;    /* it has no code of its own: the next frame's function has it */
} gbx_go_frame;

typedef struct gbx_goroutine {
    uint64_t id;        /* 0: not known */
    uint64_t parent;    /* that started it; 0: not known, or none did */
    const char *state;  /* "running", "runnable", "chan receive", "sleep", ... */
    bool is_running;    /* the one that the program was running; at most one, and the first */
    bool is_cut;        /* there are more frames, or what follows cannot be read */
    const gbx_go_frame *frames; /* innermost first */
    size_t frame_count;
    gbx_go_frame creator; /* the `go` statement; func "" where it is not known */
} gbx_goroutine;

typedef struct gbx_go_stacks gbx_go_stacks;

/* Read the goroutines of `instance`, in which no call runs. `trap` is how its last call ended, NULL where
 * that is not known: then nothing is said of a goroutine that ran. Without the table that Go's linker
 * puts into every program (pclntab) there is nothing to read: GBX_UNSUPPORTED, as for modules that are no
 * Go programs. Of Go releases whose layout this library does not know (it knows 1.21 to 1.27) only the
 * running goroutine is read, and gbx_go_stacks_text says so. At most 256 goroutines are kept. GBX_STATE:
 * a call runs; GBX_NO_MEMORY; GBX_ARGUMENT: instance or out is NULL. On failure *out is NULL. By the
 * thread that uses the store. */
GBX_API gbx_code gbx_go_stacks_new(gbx_instance *instance, const gbx_trap *trap, gbx_own gbx_go_stacks **out,
                                   gbx_err *err);

/* How many goroutines are kept, and number i of them; false: there is none. What Go's runtime has for
 * itself is not among them. Valid until release. Any thread. */
GBX_API size_t gbx_go_stacks_count(const gbx_go_stacks *stacks);
GBX_API bool gbx_go_stacks_get(const gbx_go_stacks *stacks, size_t i, gbx_goroutine *out);

/* All of them as Go prints them, in lines that end in a line feed; "" where there is nothing to say. Borrowed
 * until release. NULL gives "". */
GBX_API const char *gbx_go_stacks_text(const gbx_go_stacks *stacks);

GBX_API void gbx_go_stacks_release(gbx_go_stacks *stacks); /* NULL is fine */

GBX_DECLS_END

#endif
