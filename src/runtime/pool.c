/* The pool: instances of stores that were released, made as new, for the next tenants of their home: the
 * module they were made of, or the snapshot.
 *
 * Instantiating costs address space, a block with an entry for each function, and page faults for all that
 * the guest touches; an idle instance has all three still. It belongs to its home, which frees it when it
 * dies; it holds no reference to that, and the engine bounds the number and the bytes of all. When there are
 * too many, those of other homes go that were idle longest; a home does not push out its own.
 *
 * What must hold (RULE: S4): an instance is put right before it is put here, not when it is taken: nothing
 * in the pool has a tenant's data, and nothing points into a store that is gone. So no lock is held for
 * more than moving a link. One that goes is freed after its lock is left, when its module may be gone.
 *
 * Guest stacks are not here: they belong to running calls (lane.c). */
#include "runtime/runtime_int.h"

enum {
#define POOL_LIMIT(name, value, meaning) POOL_##name = (value),
#include "runtime/pool.def"
#undef POOL_LIMIT
};

static void
pool_insert(pool_link *ring, pool_link *l)
{
    *l = (pool_link){ring, ring->next};
    ring->next->prev = l;
    ring->next = l;
}

static void
pool_remove(pool_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
}

#define POOL_INSTANCE(link, ring) \
    ((runtime_instance *)(void *)((u8 *)(link) - offsetof(runtime_instance, ring)))

void
gbx_runtime_pool_init(runtime_pool *p, u32 slots, u64 bytes)
{
    int const rc = pthread_mutex_init(&p->lock, NULL);
    GBX_ASSERT(rc == 0);
    p->slots_max = slots == 0 ? POOL_SLOTS : slots == GBX_POOL_OFF ? 0 : slots;
    p->bytes_max = bytes ? bytes : POOL_BYTES;
    p->all = (pool_link){&p->all, &p->all};
    gbx_base_os_written_open(&p->written);
}

void
gbx_runtime_pool_deinit(runtime_pool *p)
{
    GBX_ASSERT(p->slots == 0 && p->bytes == 0);
    gbx_base_os_written_close(&p->written);
    (void)pthread_mutex_destroy(&p->lock);
}

u64
gbx_runtime_pool_room(const runtime_pool *p)
{
    return min_u64(POOL_SLOT_BYTES, p->bytes_max);
}

bool
gbx_runtime_pool_wants(runtime_pool *p, const pool_link *home)
{
    if (!p->slots_max) return false;
    (void)pthread_mutex_lock(&p->lock);
    bool const is_full = p->slots >= p->slots_max || p->bytes >= p->bytes_max;
    bool const wants = !is_full || POOL_INSTANCE(p->all.prev, in_pool)->home != home;
    (void)pthread_mutex_unlock(&p->lock);
    return wants;
}

/* Under the lock. */
static void
pool_unlink(runtime_pool *p, runtime_instance *i)
{
    pool_remove(&i->in_pool);
    pool_remove(&i->in_home);
    p->slots--;
    p->bytes -= i->idle_bytes;
}

runtime_instance *
gbx_runtime_pool_take(runtime_pool *p, const pool_link *home)
{
    if (!p->slots_max) return NULL;
    (void)pthread_mutex_lock(&p->lock);
    runtime_instance *const i =
            home->next == home ? NULL : POOL_INSTANCE(home->next, in_home);
    if (i) pool_unlink(p, i);
    (void)pthread_mutex_unlock(&p->lock);
    return i;
}

/* Instances that were unlinked, in one list, out of the lock. */
static void
pool_free(runtime_instance *list)
{
    while (list) {
        runtime_instance *const i = list;
        list = i->next;
        gbx_runtime_instance_free(i);
    }
}

void
gbx_runtime_pool_put(runtime_pool *p, runtime_instance *i)
{
    runtime_instance *gone = NULL;
    (void)pthread_mutex_lock(&p->lock);
    pool_insert(&p->all, &i->in_pool);
    pool_insert(i->home, &i->in_home);
    p->slots++;
    p->bytes += i->idle_bytes;
    while (p->slots > p->slots_max || p->bytes > p->bytes_max) {
        runtime_instance *const oldest = POOL_INSTANCE(p->all.prev, in_pool);
        pool_unlink(p, oldest);
        oldest->next = gone;
        gone = oldest;
    }
    (void)pthread_mutex_unlock(&p->lock);
    pool_free(gone);
}

void
gbx_runtime_pool_forget(runtime_pool *p, const pool_link *home)
{
    runtime_instance *gone = NULL;
    (void)pthread_mutex_lock(&p->lock);
    while (home->next != home) {
        runtime_instance *const i = POOL_INSTANCE(home->next, in_home);
        pool_unlink(p, i);
        i->next = gone;
        gone = i;
    }
    (void)pthread_mutex_unlock(&p->lock);
    pool_free(gone);
}
