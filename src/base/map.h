/* A hash table whose nodes stand inside the entries: the table allocates nothing but its buckets.
 *
 * Keys may come from hostile modules, so the hash is keyed by a seed of the table's own: who cannot
 * read our memory cannot make long chains. Not thread-safe. A zeroed map is a valid empty one. */
#ifndef GBX_BASE_MAP_H
#define GBX_BASE_MAP_H

#include "base/base.h"

typedef struct map_node map_node;
struct map_node {
    map_node *next;
    u64 hash;
};

typedef struct map {
    map_node **buckets; /* NULL while empty */
    size_t bucket_count; /* a power of two */
    size_t len;
    u64 seed;
} map;

/* The entry of type `type` whose member `member` the node is. */
#define MAP_ENTRY(node, type, member) ((type *)(void *)((u8 *)(node) - offsetof(type, member)))

/* Hash of `len` bytes, continuing from `from` (0 for the first piece). Gives the seed its value, so it
 * comes before any add. */
GBX_MUST_USE u64 gbx_base_map_hash(map *m, u64 from, const void *data, size_t len);

/* The same once there is an entry: the map is only read, by any number of threads. */
GBX_MUST_USE u64 gbx_base_map_hash_again(const map *m, u64 from, const void *data, size_t len);

/* Nodes with this hash, one after the other; NULL at the end. The caller compares keys. */
map_node *gbx_base_map_first(const map *m, u64 hash);
map_node *gbx_base_map_next(const map_node *node);

/* Add a node that is in no map. False only when there is no memory for the first buckets. */
GBX_MUST_USE bool gbx_base_map_add(map *m, map_node *node, u64 hash);
void gbx_base_map_remove(map *m, map_node *node); /* must be in m */

/* Take any node out; NULL when the map is empty, and then its buckets are freed. For teardown:
 * emptying a map this way takes linear time in all. */
map_node *gbx_base_map_pop(map *m);

#endif
