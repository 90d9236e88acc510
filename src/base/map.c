/* The hash table of map.h: chained, grown to keep chains short, never shrunk before teardown. */
#include "base/map.h"

#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"

#define MAP_FIRST_BUCKETS 16u

__extension__ typedef unsigned __int128 map_wide;

/* Both halves of the 128-bit product, folded: every bit of either input reaches every output bit. */
static u64
map_mix(u64 a, u64 b)
{
    map_wide const p = (map_wide)a * b;
    return (u64)p ^ (u64)(p >> 64);
}

u64
gbx_base_map_hash(map *m, u64 from, const void *data, size_t len)
{
    while (m->seed == 0) m->seed = gbx_base_os_seed();
    return gbx_base_map_hash_again(m, from, data, len);
}

u64
gbx_base_map_hash_again(const map *m, u64 from, const void *data, size_t len)
{
    u64 h = from ^ map_mix(m->seed ^ len, 0x9e3779b97f4a7c15u);
    const u8 *p = data;
    for (; len >= sizeof h; len -= sizeof h, p += sizeof h) {
        u64 word;
        memcpy(&word, p, sizeof word);
        h = map_mix(h ^ word, m->seed | 1);
    }
    u64 tail = 0;
    if (len) memcpy(&tail, p, len);
    return map_mix(h ^ tail, 0xd6e8feb86659fd93u ^ m->seed);
}

static map_node **
map_bucket(const map *m, u64 hash)
{
    return &m->buckets[hash & (m->bucket_count - 1)];
}

map_node *
gbx_base_map_first(const map *m, u64 hash)
{
    if (m->bucket_count == 0) return NULL;
    map_node *n = *map_bucket(m, hash);
    while (n && n->hash != hash) n = n->next;
    return n;
}

map_node *
gbx_base_map_next(const map_node *node)
{
    map_node *n = node->next;
    while (n && n->hash != node->hash) n = n->next;
    return n;
}

/* Where memory is short the map stays as it is: longer chains are slower, never wrong. */
static void
map_grow(map *m, size_t bucket_count)
{
    map_node **const fresh = gbx_base_alloc_zero(bucket_count, sizeof *fresh);
    if (!fresh) return;
    for (size_t i = 0; i < m->bucket_count; i++) {
        for (map_node *n = m->buckets[i], *next; n; n = next) {
            map_node **const at = &fresh[n->hash & (bucket_count - 1)];
            next = n->next;
            n->next = *at;
            *at = n;
        }
    }
    gbx_base_free(m->buckets);
    m->buckets = fresh;
    m->bucket_count = bucket_count;
}

bool
gbx_base_map_add(map *m, map_node *node, u64 hash)
{
    if (m->len >= m->bucket_count) {
        map_grow(m, m->bucket_count ? m->bucket_count * 2 : MAP_FIRST_BUCKETS);
    }
    if (m->bucket_count == 0) return false;
    map_node **const at = map_bucket(m, hash);
    node->hash = hash;
    node->next = *at;
    *at = node;
    m->len++;
    return true;
}

void
gbx_base_map_remove(map *m, map_node *node)
{
    map_node **at = map_bucket(m, node->hash);
    while (*at != node) {
        GBX_ASSERT(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    m->len--;
}

map_node *
gbx_base_map_pop(map *m)
{
    while (m->bucket_count) {
        map_node **const last = &m->buckets[m->bucket_count - 1];
        if (*last) {
            map_node *const n = *last;
            *last = n->next;
            m->len--;
            return n;
        }
        m->bucket_count--; /* no longer a power of two: from here on only more pops may follow */
    }
    gbx_base_free(m->buckets);
    *m = (map){0};
    return NULL;
}
