/* The goroutines of a program that stands still, as texts; what gbx/goroutine.h stands on. */
#ifndef GBX_EXPLAIN_GOSTACK_H
#define GBX_EXPLAIN_GOSTACK_H

#include "base/arena.h"
#include "base/text.h"
#include "gbx/goroutine.h"
#include "runtime/runtime.h"

#define GOSTACK_SHOWN      256u /* goroutines that are kept, */
#define GOSTACK_LOOKED     ((u64)1 << 20) /* of so many that are looked at, */
#define GOSTACK_FRAMES     100u /* and functions of each, as many as Go prints */
#define GOSTACK_NAME_SHOWN 400u /* bytes of a name or path */
#define GOSTACK_TEXT_BYTES ((size_t)256 << 10)

struct gbx_go_stacks {
    arena texts;
    gbx_goroutine *all;
    size_t count;
    const char *text;
};

/* `inst` is in no call. Arguments as gbx_go_stacks_new has them. */
GBX_MUST_USE gbx_code gbx_explain_go_stacks(const gbx_instance *inst, const gbx_trap *trap,
                                            gbx_go_stacks **out, gbx_err *err);
void gbx_explain_go_stacks_free(gbx_go_stacks *stacks); /* NULL is fine */

#endif
