/* The code cache: what was found out about a module and compiled of it, kept in a file for later processes.
 *
 * A cache can never fail a run. Whatever its directory or a file in it holds, a module is what its own bytes
 * say: all that is taken from a file was made by this very build, for these very bytes, and carries a tag
 * that nobody makes without the key of the directory (RULE: S2). Everything else is not used, and replaced
 * when the module is dropped.
 *
 * cache_dir.c: the directory, its key, its bound. cache_file.c: what a file looks like. cache.c: what of it
 * is taken over when, and when one is written. */
#ifndef GBX_RUNTIME_CACHE_H
#define GBX_RUNTIME_CACHE_H

#include "abi/native.h"
#include "base/arena.h"
#include "base/mac.h"
#include "codegen/codegen.h"
#include "gbx/cache.h"

/* ---- cache_dir.c */

/* An engine's. Immutable once it is open. */
typedef struct cache_dir {
    bool is_open;
    int fd;
    u64 most_bytes;
    mac_key key;
    const char *why; /* it is not open; NULL: nobody asked for one */
} cache_dir;

#define CACHE_NAME_BYTES 40u /* of a file's name, with its NUL */

/* False: d->why says why not, and there is no cache. `path` is made if only its last component is missing. */
bool gbx_runtime_cache_dir_open(cache_dir *d, const char *path, u64 most_bytes);
void gbx_runtime_cache_dir_close(cache_dir *d); /* a zeroed one is fine */
/* The name of the entry with that id. */
void gbx_runtime_cache_name(const mac_tag *id, char name[CACHE_NAME_BYTES]);
/* A descriptor to read an entry from, and its size; -1: there is none, or it is nothing that we wrote. */
GBX_MUST_USE int gbx_runtime_cache_dir_read(const cache_dir *d, const char *name, u64 *bytes);
/* Put an entry in the place of the one of that name, or not: whoever reads sees all of the one or all of the
 * other. Then drops what has not been used for longest, where there is more than the bound. */
bool gbx_runtime_cache_dir_write(const cache_dir *d, const char *name, const mac_part *parts, u32 count);
/* A temporary file of the directory `dir_fd`, with these contents, and its name; or nothing at all. */
bool gbx_runtime_cache_dir_put(int dir_fd, u32 mode, const mac_part *parts, u32 count,
                               char name[CACHE_NAME_BYTES]);

/* ---- cache_file.c */

typedef struct cache_chunk {
    u64 off, len;
    mac_tag tag;
} cache_chunk;

/* Code of one function. */
typedef struct cache_record {
    u32 func_idx, chunk; /* of the chunks of code */
    u32 off, len;        /* in it */
} cache_record;

/* A file, open. Zeroed: there is none. */
typedef struct cache_file {
    int fd; /* meaningful where index is not NULL and data is; from `base` on it is this file */
    u64 base, len;
    u8 *data;  /* owned: in place of fd */
    u8 *index; /* owned: what the next two point into */
    const cache_chunk *chunks;
    const cache_record *records;
    u32 chunk_count, record_count;
    mac_tag env; /* of the code */
    cache_chunk verdict;
    bool is_damaged; /* something of it is not what was written */
} cache_file;

/* False: there is none that can be used; f->is_damaged: because it was changed. */
bool gbx_runtime_cache_file_open(cache_file *f, const cache_dir *d, const mac_tag *id);
/* The same of f->len bytes of f->data, or of f->fd from f->base on, which are f's from now on. `root`, where
 * not NULL: the only tag of head and index that it may have. */
bool gbx_runtime_cache_file_open_part(cache_file *f, const cache_dir *d, const mac_tag *id,
                                      const mac_tag *root);
void gbx_runtime_cache_file_close(cache_file *f);
/* The bytes of a chunk, from gbx_base_alloc: our own copy, compared with its tag. NULL: not to be had. */
GBX_MUST_USE u8 *gbx_runtime_cache_file_chunk(cache_file *f, const cache_dir *d, const cache_chunk *c);

/* A file in the making: chunks of code one by one, then the whole. Zeroed: empty. */
typedef struct cache_draft {
    u8 *data; /* owned: the chunks, the verdict first */
    size_t len, cap;
    cache_chunk *chunks;
    cache_record *records;
    u32 chunk_count, chunk_cap, record_count, record_cap;
    cache_chunk verdict;
    bool is_short; /* of memory */
} cache_draft;

void gbx_runtime_cache_draft_free(cache_draft *d);
/* So many bytes will be wanted in all, or more: a draft that does not grow is not copied. */
void gbx_runtime_cache_draft_expect(cache_draft *d, size_t len);
/* Room for `len` bytes, aligned to 8, which are at d->len - len; valid until the next call. NULL when memory
 * is short. What was given since `from` becomes the verdict or a chunk of code. */
GBX_MUST_USE u8 *gbx_runtime_cache_draft_room(cache_draft *d, size_t len);
cache_chunk gbx_runtime_cache_draft_close(const cache_draft *d, const cache_dir *dir, size_t from);
void gbx_runtime_cache_draft_add_chunk(cache_draft *d, cache_chunk c);
void gbx_runtime_cache_draft_add_record(cache_draft *d, cache_record r);
/* What stands before d->data in the file, from gbx_base_alloc; *root: its tag. NULL: memory is short. */
GBX_MUST_USE u8 *gbx_runtime_cache_draft_front(const cache_draft *d, const cache_dir *dir, const mac_tag *id,
                                               const mac_tag *env, size_t *len, mac_tag *root);
/* Write it. False: it cannot be. */
bool gbx_runtime_cache_draft_write(const cache_draft *d, const cache_dir *dir, const mac_tag *id,
                                   const mac_tag *env);

/* ---- cache.c */

/* Code compiled in this process, as it stands in a chunk. */
typedef struct cache_made {
    u32 func_idx, len;
    u8 *data; /* owned */
} cache_made;

/* A module's. What is said of code is under the compiler's lock. Zeroed: there is no cache. */
typedef struct cache_entry {
    const cache_dir *dir;
    mac_tag id;
    cache_file file;
    bool is_shipped;      /* the file is part of the module's own: see shipped.c. Nothing is written */
    bool is_making;       /* such a part, which is yet to be made */
    const char *file_why; /* why code that came with the module is not used; "": it is. NULL: none came */
    const char *why; /* nothing was taken over; NULL: something was */
    bool is_known;   /* the verdict was taken over */
    u64 spent_ns;    /* on what the file does not have */
    u64 counted_ns;  /* of gbx_module.ready_ns, which are part of it */
    bool has_env;
    mac_tag env;
    u8 **chunks;  /* of the file, by number; NULL: not read yet */
    u8 *is_bad;   /* by number of a chunk: it is not to be had */
    u8 *is_asked; /* by index of a record: it is about to be taken over, or was */
    u32 *by_func; /* index of a function's record + 1; NULL: no code is to be had */
    u32 func_count;
    cache_made *made;
    u32 made_count, made_cap;
    u64 made_bytes;
} cache_entry;

/* It has code of the function, which can be taken over. */
static inline bool
cache_entry_has(const cache_entry *e, u32 func_idx)
{
    return e->by_func && e->by_func[func_idx];
}

typedef struct module_code module_code;

/* What an entry is of, besides the bytes of a module and this build. */
typedef struct cache_terms {
    u64 features_off;
    u32 cpu, tune; /* of gbx_codegen_cpu; the compiler's parts that are on */
} cache_terms;
_Static_assert(sizeof(cache_terms) == 16, "no padding");

/* The id of the entry of a module of `len` bytes, whose pieces have these tags. */
mac_tag gbx_runtime_cache_id(const mac_key *key, cache_terms terms, const mac_tag *tags, size_t len);
/* What a module, of so many bytes whose pieces have these tags, is to this engine's cache. *verdict, from
 * gbx_base_alloc: what is known of it; NULL: nothing. */
void gbx_runtime_cache_begin(cache_entry *e, const cache_dir *d, const mac_tag *tags, size_t len,
                             u64 features_off, u32 tune, u8 **verdict, size_t *verdict_len);
/* The same for a module that comes with code, or is to get it: `module` is the tag of its bytes. */
void gbx_runtime_cache_begin_shipped(cache_entry *e, cache_file *part, const mac_tag *module, size_t len,
                                     const mac_tag *root, u64 features_off, u32 tune, u8 **verdict,
                                     size_t *verdict_len);
/* What of this process code depends on beside the module and its options. */
typedef struct cache_maker {
    mac_tag build;
    cache_terms terms;
} cache_maker;
cache_maker gbx_runtime_cache_maker(u64 features_off, u32 tune);
/* The key of what is compared for damage alone: anybody's. */
extern const cache_dir gbx_runtime_cache_nobodys;
/* The module was made from the bytes, in so much time. */
void gbx_runtime_cache_opened(cache_entry *e, bool is_known, u64 spent_ns);
/* Write what is worth it and was not written before. Nobody else has the module. */
void gbx_runtime_cache_save(cache_entry *e, const gbx_module *m);
void gbx_runtime_cache_end(cache_entry *e);
/* All that is known of a module that is being made, as a file: what stands before draft->data, NULL where
 * memory is short. */
GBX_MUST_USE u8 *gbx_runtime_cache_ship(const cache_entry *e, const gbx_module *m, cache_draft *draft,
                                        size_t *front_len, mac_tag *root);

/* Its environment is complete: from now on code may be taken over. Cells of functions whose code is there
 * become warm at their first call. */
void gbx_runtime_cache_env(cache_entry *e, module_code *mc);
/* The code of a record's function, borrowed, but out->relocs, which are from gbx_base_alloc. False: not to be
 * had, because the file is damaged, or code that it calls directly is not final. */
bool gbx_runtime_cache_find(cache_entry *e, const module_code *mc, u32 record, codegen_out *out);
/* The records of what `func_idx` needs and of itself, in the order in which they are to be taken over: how
 * many, 0 where there are none. *records from gbx_base_alloc. */
GBX_MUST_USE u32 gbx_runtime_cache_closure(cache_entry *e, const module_code *mc, u32 func_idx,
                                           u32 **records);
/* It was compiled, in so much time. */
void gbx_runtime_cache_keep(cache_entry *e, const module_code *mc, u32 func_idx, const codegen_out *out,
                            u64 spent_ns);

#endif
