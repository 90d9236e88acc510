/* Exceptions: made by throw, held by slots, freed when no slot holds them.
 *
 * A guest can drop an exnref anywhere, so nobody can count references. When the exceptions of a store
 * have come to take `exn_next` bytes, those that can still be reached are marked, from the slots of the
 * guest's stack (which may be any value: whatever equals the address of an exception counts as one), from
 * the one that is on its way through a host function,
 * from tables and globals of exnref, and from the values of marked ones; the others are freed. The next
 * time is when what remains has doubled, and not before as much was thrown as was looked at.
 *
 * What must hold: while exn_new runs, x->sp lies above all slots in use, and no exception is held
 * elsewhere. Hosts hold none (api/). SAFETY: a guest that keeps all it throws meets a bound, the bytes
 * the store allows a memory; there an eighth must come free, so that looking stays seldom. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define EXN_FIRST_BYTES ((u64)1 << 20) /* thrown before anything is looked at */

static u64
exn_bytes_of(const gbx_tag *tag)
{
    return sizeof(gbx_exn) + (u64)tag->param_count * (tag->has_v128 ? 2 : 1) * sizeof(gbx_slot);
}

/* All exceptions in the order of their addresses, and those marked whose values are to be looked at. */
typedef struct exn_marker {
    gbx_exn **all, **todo;
    u64 count, todo_count;
} exn_marker;

static int
exn_order(const void *pa, const void *pb)
{
    uintptr_t const a = (uintptr_t) * (gbx_exn *const *)pa, b = (uintptr_t) * (gbx_exn *const *)pb;
    return a < b ? -1 : a > b;
}

/* Mark the exception that the slot holds, if it is one. */
static void
exn_mark(exn_marker *k, gbx_slot slot)
{
    u64 low = 0, high = k->count;
    while (low < high) {
        u64 const mid = low + (high - low) / 2;
        if ((uintptr_t)k->all[mid] < slot) low = mid + 1;
        else high = mid;
    }
    if (low == k->count || (uintptr_t)k->all[low] != slot || k->all[low]->is_marked) return;
    k->all[low]->is_marked = true;
    k->todo[k->todo_count++] = k->all[low];
}

static void
exn_mark_slots(exn_marker *k, const gbx_slot *from, const gbx_slot *to)
{
    uintptr_t const least = (uintptr_t)k->all[0], most = (uintptr_t)k->all[k->count - 1];
    for (const gbx_slot *p = from; p < to; p++)
        if (GBX_UNLIKELY(*p >= least && *p <= most)) exn_mark(k, *p);
}

/* Imported things are looked at by each instance that has them: they may be another's. */
static void
exn_mark_instance(exn_marker *k, const gbx_instance *inst)
{
    const wasm_module *const w = inst->module;
    for (u32 i = 0; i < w->table_count; i++) {
        const gbx_table *const t = inst->tables[i];
        if (t->elem_type == WASM_EXNREF) exn_mark_slots(k, t->elems, t->elems + t->len);
    }
    for (u32 i = 0; i < w->global_count; i++)
        if (inst->globals[i]->type == WASM_EXNREF) exn_mark(k, inst->globals[i]->value);
}

/* Free what is not marked. */
static void
exn_sweep(gbx_store *s)
{
    gbx_exn **at = &s->exns;
    while (*at) {
        gbx_exn *const e = *at;
        if (e->is_marked) {
            e->is_marked = false;
            at = &e->next;
        } else {
            *at = e->next;
            s->exn_bytes -= exn_bytes_of(e->tag);
            gbx_base_free(e);
        }
    }
}

/* Where there is no memory for the lists, nothing is freed this time. */
static void
exn_collect(gbx_store *s)
{
    exn_marker k = {0};
    for (const gbx_exn *e = s->exns; e; e = e->next) k.count++;
    if (k.count == 0) return;
    k.all = gbx_base_alloc(k.count, sizeof(gbx_exn *));
    k.todo = gbx_base_alloc(k.count, sizeof(gbx_exn *));
    if (k.all && k.todo) {
        u64 n = 0;
        for (gbx_exn *e = s->exns; e; e = e->next) k.all[n++] = e;
        qsort(k.all, k.count, sizeof(gbx_exn *), exn_order);
        exn_mark_slots(&k, s->exec.stack, s->exec.sp);
        if (s->exec.entry) /* compiled code has called out: what it holds is on its stack */
            exn_mark_slots(&k, (const gbx_slot *)(const void *)s->exec.entry->guest_sp,
                           (const gbx_slot *)(const void *)s->exec.native.high);
        exn_mark(&k, (gbx_slot)(uintptr_t)s->exec.exn);
        for (const runtime_instance *i = s->instances; i; i = i->next) exn_mark_instance(&k, &i->abi);
        while (k.todo_count) {
            const gbx_exn *const e = k.todo[--k.todo_count];
            exn_mark_slots(&k, e->values, e->values + e->tag->param_count);
        }
        exn_sweep(s);
    }
    gbx_base_free(k.all);
    gbx_base_free(k.todo);
    u64 const looked_at = (u64)((const u8 *)s->exec.sp - (const u8 *)s->exec.stack);
    s->exn_next = s->exn_bytes + max_u64(max_u64(s->exn_bytes, looked_at), EXN_FIRST_BYTES);
}

gbx_exn *
gbx_runtime_exn_new(gbx_store *s, const gbx_tag *tag, const gbx_slot *values)
{
    u64 const bytes = exn_bytes_of(tag);
    if (s->exn_bytes + bytes > max_u64(s->exn_next, EXN_FIRST_BYTES)) exn_collect(s);
    u64 const bound = max_u64(s->limits.memory_bytes, EXN_FIRST_BYTES);
    if (s->exn_bytes + bytes > bound) {
        exn_collect(s);
        if (s->exn_bytes + bytes > bound - bound / 8) return NULL;
    }
    gbx_exn *const e = gbx_base_alloc(1, bytes);
    if (!e) return NULL;
    *e = (gbx_exn){.tag = tag, .next = s->exns};
    for (u32 i = 0; i < tag->param_count; i++) e->values[i] = values[i];
    for (u32 i = 0; tag->has_v128 && i < tag->param_count; i++)
        e->values[tag->param_count + i] = values[i + s->exec.high];
    s->exns = e;
    s->exn_bytes += bytes;
    return e;
}

void
gbx_runtime_exns_free(gbx_store *s)
{
    while (s->exns) {
        gbx_exn *const e = s->exns;
        s->exns = e->next;
        gbx_base_free(e);
    }
    s->exn_bytes = 0;
}
