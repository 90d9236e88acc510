/* The interpreter: runs any validated function, in place over the module's bytes with the side table
 * that validation made. It sees abi/ and wasm/ only; what it cannot do itself it asks of libcalls.
 *
 * Guest calls never recurse on the host's stack: frames live in x->stack, so the depth of a guest is
 * bounded by that region alone (GUEST_STACK_BYTES in limits.def). */
#ifndef GBX_INTERP_INTERP_H
#define GBX_INTERP_INTERP_H

#include "abi/native.h"

/* Call `f` (guest or host function, any instance of x's store) with arguments in
 * slots[0..params); results are left from slots[0]. The array has n = max(params, results) slots, and
 * where f->has_v128 n more: slots[n + i] is the high half of slots[i]. It may not overlap x's stack
 * above x->sp. On a trap the frames are recorded in x->frames, innermost first, and x->sp and x->frame
 * are what they were before.
 * Re-entrant: host functions may call it with the x they were given. Not thread-safe per x. */
gbx_trap_code gbx_interp_call(gbx_exec *x, const gbx_func *f, gbx_slot *slots);

/* For who enters compiled code without the interpreter, which then is asked for what that calls and how it trapped. */

/* gbx_record.ret_pc of a frame that the host called, and .resume of a segment's. */
extern const u8 gbx_interp_return_host[1], gbx_interp_return_native[1];
/* The segment of `rec`, the innermost, was left with `status`, not GBX_STATUS_OK: go on until it returns to the host,
 * with results from fp, where there is room for those and the parameters. Of x all but `entry` and the segment is put
 * back by the caller. */
gbx_trap_code gbx_interp_go_on(gbx_exec *x, gbx_record *rec, gbx_slot *fp, gbx_status status);
/* There is no room for a call: GBX_TRAP_STACK_EXHAUSTED, with the frames recorded. */
gbx_trap_code gbx_interp_exhausted(gbx_exec *x);

/* The guest's frames while host code runs that it called, innermost first: how many there are. Nothing of x
 * is changed. */
u64 gbx_interp_frames(gbx_exec *x, gbx_frame_ref out[GBX_TRAP_FRAMES]);

/* Perform the instruction `sub` behind the prefix 0xFC, other than a truncation, with its immediates and its
 * operands, lowest first. Its result, if it has one, is left in args[0]. */
gbx_trap_code gbx_interp_bulk(gbx_exec *x, gbx_instance *inst, u32 sub, u32 first, u32 second,
                              gbx_slot *args);

#endif
