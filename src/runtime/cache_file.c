/* What a file of the code cache looks like.
 *
 *     head      magic, sizes, the ids of module and code, the tag of head and index
 *     index     where verdict and chunks of code stand, with their tags; the functions in them
 *     chunks    the verdict, then code, each as it is read and compared by itself
 *
 * Only the head and the index are read when a file is opened; a chunk is read into memory of our own when
 * something in it is needed, and compared with its tag there (RULE: S2). The tag of head and index covers the
 * tags of all chunks, and the id of the module: no part of one file can stand in another.
 *
 * SAFETY: nothing of a file is believed before its tag fits. What is read before, two sizes, is held against
 * the size of the file.
 *
 * A file may also be the last part of another, see shipped.c. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "runtime/cache.h"

static const char file_magic[8] = "gbxcode2";

typedef struct file_head {
    char magic[8];
    u64 file_len;
    u32 chunk_count, record_count;
    mac_tag id, env;
    cache_chunk verdict;
    mac_tag tag; /* of all above, and of the index */
} file_head;
_Static_assert(sizeof(file_head) == 24 + 3 * 32 + sizeof(cache_chunk), "no padding");

static const char file_domain_head[8] = "gbxhead1", file_domain_chunk[8] = "gbxchnk1";

static u64
file_index_bytes(const file_head *h)
{
    return (u64)h->chunk_count * sizeof(cache_chunk) + (u64)h->record_count * sizeof(cache_record);
}

static mac_tag
file_tag(const cache_dir *d, const char domain[8], const void *a, size_t a_len, const void *b, size_t b_len)
{
    mac_key key;
    mac_tag tag;
    mac_part const parts[] = {{a, a_len}, {b, b_len}};
    gbx_base_mac_subkey(&d->key, domain, &key);
    gbx_base_mac(&key, parts, GBX_LEN(parts), &tag);
    explicit_bzero(&key, sizeof key);
    return tag;
}

static bool
file_head_fits(const file_head *h, const mac_tag *id, u64 file_len)
{
    return memcmp(h->magic, file_magic, sizeof file_magic) == 0 && h->file_len == file_len &&
           memcmp(&h->id, id, sizeof *id) == 0 && file_index_bytes(h) <= file_len - sizeof *h;
}

static bool
file_read(const cache_file *f, void *to, u64 len, u64 off)
{
    if (!f->data) return gbx_base_os_read_at(f->fd, to, len, f->base + off);
    if (off > f->len || len > f->len - off) return false;
    if (len) memcpy(to, f->data + off, len);
    return true;
}

static void
file_release(cache_file *f)
{
    gbx_base_free(f->index);
    if (f->data) gbx_base_free(f->data);
    else (void)close(f->fd);
    *f = (cache_file){.is_damaged = f->is_damaged};
}

bool
gbx_runtime_cache_file_open(cache_file *f, const cache_dir *d, const mac_tag *id)
{
    char name[CACHE_NAME_BYTES];
    *f = (cache_file){0};
    gbx_runtime_cache_name(id, name);
    f->fd = gbx_runtime_cache_dir_read(d, name, &f->len);
    return f->fd >= 0 && gbx_runtime_cache_file_open_part(f, d, id, NULL);
}

bool
gbx_runtime_cache_file_open_part(cache_file *f, const cache_dir *d, const mac_tag *id, const mac_tag *root)
{
    file_head h;
    f->is_damaged = true;
    if (f->len < sizeof h || !file_read(f, &h, sizeof h, 0)) goto out;
    if (!file_head_fits(&h, id, f->len) || (root && !gbx_base_mac_equal(&h.tag, root))) goto out;
    u64 const index_len = file_index_bytes(&h);
    f->index = gbx_base_alloc(index_len, 1);
    if (!f->index || !file_read(f, f->index, index_len, sizeof h)) goto out;
    mac_tag const tag = file_tag(d, file_domain_head, &h, offsetof(file_head, tag), f->index, index_len);
    if (!gbx_base_mac_equal(&tag, &h.tag)) goto out;
    f->is_damaged = false;
    f->chunks = (const void *)f->index;
    f->records = (const void *)(f->index + h.chunk_count * sizeof(cache_chunk));
    f->chunk_count = h.chunk_count;
    f->record_count = h.record_count;
    f->env = h.env;
    f->verdict = h.verdict;
    return true;
out:
    file_release(f);
    return false;
}

void
gbx_runtime_cache_file_close(cache_file *f)
{
    if (f->index) file_release(f);
}

u8 *
gbx_runtime_cache_file_chunk(cache_file *f, const cache_dir *d, const cache_chunk *c)
{
    bool const is_inside = c->len <= f->len && c->off <= f->len - c->len;
    if (!is_inside) f->is_damaged = true;
    u8 *const data = is_inside ? gbx_base_alloc(c->len, 1) : NULL;
    if (!data) return NULL;
    if (file_read(f, data, c->len, c->off)) {
        mac_tag const tag = file_tag(d, file_domain_chunk, data, c->len, NULL, 0);
        if (gbx_base_mac_equal(&tag, &c->tag)) return data;
    }
    f->is_damaged = true;
    gbx_base_free(data);
    return NULL;
}

/* ---- Making one */

void
gbx_runtime_cache_draft_free(cache_draft *d)
{
    gbx_base_free(d->data);
    gbx_base_free(d->chunks);
    gbx_base_free(d->records);
    *d = (cache_draft){0};
}

/* Room for one more item. */
static bool
cache_file_grow(cache_draft *d, void **items, u64 count, u32 *cap, size_t bytes)
{
    if (count < *cap) return true;
    u32 const more_cap = *cap ? *cap * 2 : 16;
    void *const more = gbx_base_realloc(*items, more_cap, bytes);
    if (!more) {
        d->is_short = true;
        return false;
    }
    *items = more;
    *cap = more_cap;
    return true;
}

void
gbx_runtime_cache_draft_expect(cache_draft *d, size_t len)
{
    u8 *const data = len > d->cap ? gbx_base_realloc(d->data, len, 1) : NULL;
    if (!data) return;
    d->data = data;
    d->cap = len;
}

u8 *
gbx_runtime_cache_draft_room(cache_draft *d, size_t len)
{
    size_t const at = (d->len + 7) & ~(size_t)7;
    if (at + len > d->cap)
        gbx_runtime_cache_draft_expect(d, (size_t)max_u64(at + len, (u64)d->cap * 2));
    if (at + len > d->cap) {
        d->is_short = true;
        return NULL;
    }
    memset(d->data + d->len, 0, at - d->len);
    d->len = at + len;
    return d->data + at;
}

cache_chunk
gbx_runtime_cache_draft_close(const cache_draft *d, const cache_dir *dir, size_t from)
{
    size_t const len = d->len - from;
    return (cache_chunk){
            .off = from, .len = len, .tag = file_tag(dir, file_domain_chunk, d->data + from, len, NULL, 0)};
}

void
gbx_runtime_cache_draft_add_chunk(cache_draft *d, cache_chunk c)
{
    void *items = d->chunks;
    if (cache_file_grow(d, &items, d->chunk_count, &d->chunk_cap, sizeof c)) {
        d->chunks = items;
        d->chunks[d->chunk_count++] = c;
    }
}

void
gbx_runtime_cache_draft_add_record(cache_draft *d, cache_record r)
{
    void *items = d->records;
    if (cache_file_grow(d, &items, d->record_count, &d->record_cap, sizeof r)) {
        d->records = items;
        d->records[d->record_count++] = r;
    }
}

u8 *
gbx_runtime_cache_draft_front(const cache_draft *d, const cache_dir *dir, const mac_tag *id,
                              const mac_tag *env, size_t *len, mac_tag *root)
{
    file_head h = {.chunk_count = d->chunk_count,
                   .record_count = d->record_count,
                   .id = *id,
                   .env = *env,
                   .verdict = d->verdict};
    size_t const index_len = (size_t)file_index_bytes(&h);
    size_t const first = sizeof h + index_len;
    u8 *const file = d->is_short ? NULL : gbx_base_alloc(first, 1);
    if (!file) return NULL;
    memcpy(h.magic, file_magic, sizeof file_magic);
    h.file_len = first + d->len;
    h.verdict.off += first;
    u8 *at = file + sizeof h;
    for (u32 i = 0; i < d->chunk_count; i++, at += sizeof(cache_chunk)) {
        cache_chunk c = d->chunks[i];
        c.off += first;
        memcpy(at, &c, sizeof c);
    }
    if (d->record_count) memcpy(at, d->records, d->record_count * sizeof *d->records);
    h.tag = file_tag(dir, file_domain_head, &h, offsetof(file_head, tag), file + sizeof h, index_len);
    memcpy(file, &h, sizeof h);
    *root = h.tag;
    *len = first;
    return file;
}

bool
gbx_runtime_cache_draft_write(const cache_draft *d, const cache_dir *dir, const mac_tag *id,
                              const mac_tag *env)
{
    char name[CACHE_NAME_BYTES];
    mac_tag root;
    size_t len;
    u8 *const front = gbx_runtime_cache_draft_front(d, dir, id, env, &len, &root);
    if (!front) return false;
    gbx_runtime_cache_name(id, name);
    mac_part const parts[] = {{front, len}, {d->data, d->len}};
    bool const ok = gbx_runtime_cache_dir_write(dir, name, parts, GBX_LEN(parts));
    gbx_base_free(front);
    return ok;
}
