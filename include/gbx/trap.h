/* How a guest's call ended when it did not return: a typed trap with a backtrace. */
#ifndef GBX_TRAP_H
#define GBX_TRAP_H

#include "gbx/base.h"

GBX_DECLS_BEGIN

typedef enum gbx_trap_code {
#define GBX_TRAP(code, slug, text, remedy, exit_code) GBX_TRAP_##code,
#include "gbx/traps.def"
#undef GBX_TRAP
    GBX_TRAP_CODE_COUNT
} gbx_trap_code;

/* Stable slug, the WebAssembly text's own phrase, one-line remedy ("" where there is none), and the
 * exit code the command gives. Static storage; thread-safe. */
GBX_API const char *gbx_trap_slug(gbx_trap_code code);
GBX_API const char *gbx_trap_text(gbx_trap_code code);
GBX_API const char *gbx_trap_remedy(gbx_trap_code code);
GBX_API int gbx_trap_exit_code(gbx_trap_code code);

#define GBX_TRAP_FRAMES 64 /* frames kept of a backtrace, innermost first */

/* How well the line of a frame is known. */
typedef enum gbx_line {
    GBX_LINE_NONE, /* not at all: `line` is 0 */
    GBX_LINE_CALL, /* it is that of the call which the frame makes */
    GBX_LINE_NEAR, /* of a statement between the same two calls as the instruction */
    GBX_LINE_FUNC, /* where the function begins */
} gbx_line;

/* One guest frame. `offset` is the byte offset into the module file of the instruction: the number that
 * `wasm-objdump -d` shows; 0 for those of a goroutine that has waited, which are on Go's stack alone.
 * `name` is what the module's name section calls the function. The other texts come from the table which
 * Go's linker puts into every program, stripped or not: the function as Go writes it
 * ("main.(*server).load"), and the file and line of the source. A function that was inlined has a frame of
 * its own in front of that of the function whose code it is in, with the func_idx, offset and name of that
 * one; its line is the call's. They are not looked up where the guest exited. Texts are borrowed from
 * the module, escaped for a terminal, NUL-terminated, never NULL, and "" where they are not known. */
typedef struct gbx_frame {
    uint32_t func_idx;
    uint32_t offset;
    const char *name;
    const char *go_func;
    const char *file;
    uint32_t line;
    gbx_line line_kind;
} gbx_frame;

/* Plain data, owned by the caller. A call that takes one sets `code`, to GBX_TRAP_NONE where nothing
 * trapped, and all else only when something did. Names are valid while their modules live, which is
 * at least as long as the store. */
typedef struct gbx_trap {
    gbx_trap_code code;
    int32_t exit_status;   /* GBX_TRAP_EXIT: what the guest passed to proc_exit, 0..255 for Go */
    char message[256];     /* more than the code says, or "" (which host function, which limit);
                              one line of UTF-8 without control characters */
    uint32_t frame_count;  /* frames in `frames` */
    uint64_t frames_total; /* frames there were */
    uint64_t limit; /* the bound that was met: nanoseconds of GBX_TRAP_DEADLINE, units of GBX_TRAP_FUEL,
                       bytes of GBX_TRAP_STACK_EXHAUSTED and of GBX_TRAP_OUTPUT_LIMIT: the store's, or a
                       captured stream's (gbx_wasi_capture); 0 for other traps */
    uint64_t used;  /* of it, time to a tick of the system's clock; 0 for other traps */
    gbx_frame frames[GBX_TRAP_FRAMES];
} gbx_trap;

/* Did a call end well: the function returned, or the program exited with status 0? A Go program that reaches
 * the end of main exits. False for NULL. Thread-safe. */
GBX_API bool gbx_trap_is_success(const gbx_trap *trap);

GBX_DECLS_END

#endif
