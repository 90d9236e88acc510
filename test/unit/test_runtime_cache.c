/* Files of the code cache, damaged: at random, and with tags that fit. The first are never believed beyond
 * what is as it was written; the second, which nobody makes without the key, never lead a reader out of
 * bounds, which is what the sanitizers see to. And what an entry is of. GBX_CACHE_SEED and GBX_CACHE_ROUNDS
 * change what is tried. */
#include <dirent.h>
#include <sys/stat.h>

#include "api/guest.h"
#include "base/alloc.h"
#include "base/mac.h"
#include "runtime/runtime_int.h"

enum { ROUNDS = 10000, FUNCS = 40, STEPS = 50, CHUNKS_MOST = 64, FILE_HEAD = 24 + 3 * 32 + 48 };

typedef struct bytes {
    u8 *data;
    size_t len;
} bytes;

static char top[32]; /* in memory where there is such a place: gigabytes are written */
static char dir_path[64], entry_path[400];
static gbx_bytes module_wasm;
static bytes good, other; /* entries: of the module, and of another one */
static mac_tag good_id;
static i32 expected;

static u64 rng_state;

static u32
rng(u32 below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (u32)((rng_state >> 32) * below >> 32);
}

static void
rng_begin(void)
{
    const char *const seed = getenv("GBX_CACHE_SEED");
    rng_state = 0x9e3779b97f4a7c15 * ((seed ? strtoull(seed, NULL, 0) : 1) | 1);
}

static u32
rounds(u32 least)
{
    const char *const n = getenv("GBX_CACHE_ROUNDS");
    return n ? (u32)strtoul(n, NULL, 0) : least;
}

/* ---- A module and its entry */

/* Loops, tables and calls of the function before: side tables, and relocations of all kinds. */
static gbx_bytes
cache_module(int seed)
{
    size_t const cap = 1 << 20;
    char *const text = malloc(cap);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, cap, "(module (memory 1) (table 2 funcref) (elem (i32.const 0) $f0 $f1)"
                                            "(type $t (func (param i32) (result i32)))");
    for (int f = 0; f < FUNCS; f++) {
        at += (size_t)snprintf(text + at, cap - at, "(func $f%d (type $t) (local i32)", f);
        for (int i = 0; i < STEPS; i++)
            at += (size_t)snprintf(text + at, cap - at,
                                   "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const %d)) (i32.load "
                                   "offset=%d (i32.and (local.get 0) (i32.const 4095)))))",
                                   (seed * 17 + f * 5 + i) | 1, i);
        at += (size_t)snprintf(text + at, cap - at,
                               "(loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1)))"
                               " (i32.const 3))))"
                               "(block (block (br_table 0 1 0 (i32.and (local.get 0) (i32.const 1))))"
                               " (drop (call_indirect (type $t) (local.get 1) (i32.const %d))))",
                               f > 1 ? f % 2 : 9);
        if (f) at += (size_t)snprintf(text + at, cap - at, "(call $f%d (local.get 0)))", f - 1);
        else at += (size_t)snprintf(text + at, cap - at, "(local.get 0))");
    }
    at += (size_t)snprintf(text + at, cap - at, "(export \"run\" (func $f%d)))", FUNCS - 1);
    assert_true(at < cap);
    gbx_bytes const wasm = guest_wat(text);
    free(text);
    return wasm;
}

static gbx_engine *
cache_engine(void)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.keep_ms = GBX_KEEP_OFF;
    gbx_engine *engine;
    gbx_err err;
    opts.tier = GBX_TIER_EAGER;
    opts.cache_dir = dir_path;
    assert_int_equal(gbx_engine_new(&opts, &engine, &err), GBX_OK);
    return engine;
}

/* All of the module that is taken over, without running any of it. */
static gbx_module *
cache_open(gbx_engine *engine, gbx_store **store, gbx_instance **instance, gbx_bytes wasm)
{
    gbx_module *module;
    gbx_linker *linker;
    gbx_trap trap;
    gbx_err err;
    assert_int_equal(gbx_module_compile(engine, wasm, NULL, &module, &err), GBX_OK);
    if (!store) return module;
    assert_int_equal(gbx_store_new(engine, NULL, store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(*store, &linker, &err), GBX_OK);
    assert_int_equal(gbx_instance_new(*store, module, linker, instance, &trap, &err), GBX_OK);
    gbx_linker_release(linker);
    return module;
}

static gbx_cache_use
cache_run(gbx_bytes wasm, i32 *result)
{
    gbx_engine *const engine = cache_engine();
    gbx_store *store;
    gbx_instance *instance;
    gbx_cache_use use;
    gbx_trap trap;
    gbx_module *const module = cache_open(engine, &store, &instance, wasm);
    gbx_val const arg = {.type = GBX_I32, .of.i32 = 41};
    gbx_val out = {0};
    gbx_trap_code const code = gbx_func_call(gbx_instance_func(instance, "run"), &arg, 1, &out, 1, &trap);
    *result = code ? -(i32)code : out.of.i32;
    gbx_module_cache_use(module, &use);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return use;
}

static bytes
bytes_new(size_t len)
{
    bytes const b = {malloc(len + 1), len};
    assert_non_null(b.data);
    return b;
}

static bytes
bytes_read(const char *path)
{
    gbx_bytes const b = guest_read_file(path);
    return (bytes){(u8 *)(uintptr_t)b.data, b.len};
}

static void
bytes_write(const char *path, bytes b)
{
    (void)unlink(path); /* some file systems wait for the disk where a file is cut first */
    int const fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0 && write(fd, b.data, b.len) == (ssize_t)b.len);
    assert_int_equal(close(fd), 0);
}

/* The path of the one entry. */
static void
cache_find(char *path, size_t cap)
{
    DIR *const d = opendir(dir_path);
    assert_non_null(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".gbx")) continue;
        snprintf(path, cap, "%s/%s", dir_path, e->d_name);
        count++;
    }
    closedir(d);
    assert_int_equal(count, 1);
}

static int
setup(void **state)
{
    (void)state;
    i32 again = 0;
    gbx_bytes const second = cache_module(2);
    if (!gbx_base_mac_works()) return 0;
    snprintf(top, sizeof top, "%s/gbx-test-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(top));
    snprintf(dir_path, sizeof dir_path, "%s/cache", top);
    module_wasm = cache_module(1);
    (void)cache_run(second, &expected);
    cache_find(entry_path, sizeof entry_path);
    other = bytes_read(entry_path);
    assert_int_equal(unlink(entry_path), 0);
    assert_false(cache_run(module_wasm, &expected).is_hit);
    cache_find(entry_path, sizeof entry_path);
    good = bytes_read(entry_path);
    gbx_cache_use const use = cache_run(module_wasm, &again);
    assert_true(use.is_hit && again == expected && use.compiled == 0);
    gbx_engine *const engine = cache_engine();
    gbx_module *const module = cache_open(engine, NULL, NULL, module_wasm);
    good_id = module->code.cache.id;
    gbx_module_release(module);
    gbx_engine_release(engine);
    free((void *)(uintptr_t)second.data);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    gbx_cache_info info;
    free((void *)(uintptr_t)module_wasm.data);
    free(good.data);
    free(other.data);
    if (!gbx_base_mac_works()) return 0;
    (void)gbx_cache_clear(dir_path, &info, NULL);
    return rmdir(dir_path) || rmdir(top);
}

/* ---- Damage at random */

static const u64 rng_words[] = {0,          1,           7,           8,         64,        0x7fffffff,
                                0x80000000, 0xffffffff, 0x100000000, INT64_MAX, UINT64_MAX};

static void
damage_word(u8 *at, u64 near)
{
    u64 const word = rng(3) ? rng_words[rng(GBX_LEN(rng_words))] : near + rng(17) - 8;
    memcpy(at, &word, rng(2) ? 8 : 4);
}

/* A copy of `good` with something wrong. */
static bytes
damage(void)
{
    bytes b = bytes_new(good.len + 4096);
    size_t const at = rng((u32)good.len), span = 1 + rng(4096), rest = good.len - at;
    memset(b.data, 0, b.len);
    memcpy(b.data, good.data, good.len);
    b.len = good.len;
    switch (rng(12)) {
    case 0: b.len = at; break;
    case 1: b.len = rng(2 * FILE_HEAD); break;
    case 2: memset(b.data + at, 0, min_u64(span, rest)); break;
    case 3: memmove(b.data + at, b.data + rng((u32)good.len) / 2, min_u64(span, rest) / 2); break;
    case 4: b.len += span; break; /* zeros behind it */
    case 5: /* something in between */
        memmove(b.data + at + span, b.data + at, rest);
        b.len += span;
        break;
    case 6: /* the rest is another module's */
        if (at < other.len) memcpy(b.data + at, other.data + at, min_u64(rest, other.len - at));
        break;
    case 7: /* the beginning is */
        memcpy(b.data, other.data, min_u64(at, other.len));
        break;
    case 8:
        b.len = min_u64(other.len, good.len);
        memcpy(b.data, other.data, b.len);
        break;
    case 9: damage_word(b.data + rng((FILE_HEAD - 8) / 4) * 4, good.len); break;
    case 10: damage_word(b.data + FILE_HEAD + rng(2048), good.len); break;
    default: b.data[at] ^= (u8)(1u << rng(8)); break;
    }
    return b;
}

/* What the good file has in all of its chunks; the verdict behind them. */
static u8 *good_chunks[CHUNKS_MOST + 1];
static cache_file good_file;

static const cache_chunk *
cache_chunk_at(const cache_file *f, u32 i)
{
    return i < f->chunk_count ? &f->chunks[i] : &f->verdict;
}

static void
good_open(cache_dir *d)
{
    assert_true(gbx_runtime_cache_dir_open(d, dir_path, UINT64_MAX));
    bytes_write(entry_path, good);
    assert_true(gbx_runtime_cache_file_open(&good_file, d, &good_id));
    assert_in_range(good_file.chunk_count, 2, CHUNKS_MOST);
    assert_true(good_file.record_count == FUNCS);
    for (u32 i = 0; i <= good_file.chunk_count; i++) {
        good_chunks[i] = gbx_runtime_cache_file_chunk(&good_file, d, cache_chunk_at(&good_file, i));
        assert_non_null(good_chunks[i]);
    }
    assert_false(good_file.is_damaged);
}

static void
good_close(cache_dir *d)
{
    for (u32 i = 0; i <= good_file.chunk_count; i++) gbx_base_free(good_chunks[i]);
    gbx_runtime_cache_file_close(&good_file);
    gbx_runtime_cache_dir_close(d);
}

/* Whatever is read of it is as it was written. True: all of it is. */
static bool
damaged_is_refused(const cache_dir *d)
{
    cache_file f;
    bool is_whole = true;
    if (!gbx_runtime_cache_file_open(&f, d, &good_id)) {
        assert_true(f.is_damaged);
        return false;
    }
    assert_int_equal(f.chunk_count, good_file.chunk_count);
    assert_int_equal(f.record_count, good_file.record_count);
    assert_memory_equal(f.chunks, good_file.chunks, f.chunk_count * sizeof *f.chunks);
    assert_memory_equal(f.records, good_file.records, f.record_count * sizeof *f.records);
    assert_memory_equal(&f.env, &good_file.env, sizeof f.env);
    for (u32 i = 0; i <= f.chunk_count; i++) {
        u8 *const data = gbx_runtime_cache_file_chunk(&f, d, cache_chunk_at(&f, i));
        if (data) assert_memory_equal(data, good_chunks[i], cache_chunk_at(&f, i)->len);
        is_whole = is_whole && data;
        gbx_base_free(data);
    }
    assert_int_equal(f.is_damaged, !is_whole);
    gbx_runtime_cache_file_close(&f);
    return is_whole;
}

static void
test_random_damage(void **state)
{
    (void)state;
    cache_dir d;
    u32 refused = 0, partly = 0, runs = 0;
    if (!gbx_base_mac_works()) skip();
    rng_begin();
    good_open(&d);
    u32 const count = rounds(ROUNDS);
    for (u32 i = 0; i < count; i++) {
        bytes const b = damage();
        bool const is_same = b.len == good.len && !memcmp(b.data, good.data, b.len);
        i32 result = 0;
        bytes_write(entry_path, b);
        bool const is_whole = damaged_is_refused(&d);
        if (is_same) assert_true(is_whole);
        refused += !is_whole;
        if (i % 50 == 0) { /* as a program has it; and the next one finds a good entry again */
            gbx_cache_use use = cache_run(module_wasm, &result);
            assert_int_equal(result, expected);
            partly += use.is_hit && use.compiled;
            use = cache_run(module_wasm, &result);
            if (!use.is_hit || use.compiled || result != expected)
                fail_msg("round %u: %u compiled, result %d: %s", i, use.compiled, result, use.why);
            runs++;
        }
        free(b.data);
    }
    /* A change between two chunks is none: nobody reads there. */
    assert_true(refused > count * 9 / 10 && runs && (count < ROUNDS || partly));
    good_close(&d);
}

/* ---- Damage with tags that fit */

static void
signed_damage_chunk(u8 *data, size_t len, const cache_record *records, u32 count, u32 chunk)
{
    u32 const at = count ? rng(count) : 0;
    if (rng(3) && count && records[at].chunk == chunk && records[at].off + 64u <= len) {
        u32 const word = (u32)rng_words[rng(GBX_LEN(rng_words))] + (rng(2) ? 0 : rng(64));
        memcpy(data + records[at].off + rng(16) * 4, &word, 4); /* its head, or its first relocation */
        return;
    }
    damage_word(data + (rng((u32)len - 8) & ~3u), len);
}

static void
signed_damage_record(cache_record *r, u32 chunks)
{
    u32 const word = (u32)rng_words[rng(GBX_LEN(rng_words))];
    switch (rng(5)) {
    case 0: r->func_idx = rng(2) ? word : rng(FUNCS + 2); break;
    case 1: r->chunk = rng(2) ? word : rng(chunks + 2); break;
    case 2: r->off = rng(2) ? word : r->off + 8 * rng(16); break;
    case 3: r->len = rng(2) ? word : r->len - rng(64); break;
    default: *r = (cache_record){rng(FUNCS), rng(chunks), 8 * rng(8192), rng(8192)}; break;
    }
}

/* A file that we might have written had we gone mad, in the place of the entry. `is_code`: what is wrong is not
 * the verdict. */
static void
signed_write(const cache_dir *d, bool is_code)
{
    cache_draft draft = {0};
    u32 const wrong = rng(good_file.chunk_count), kind = rng(4);
    u8 *to = gbx_runtime_cache_draft_room(&draft, good_file.verdict.len);
    size_t const verdict_len = good_file.verdict.len;
    assert_non_null(to);
    memcpy(to, good_chunks[good_file.chunk_count], verdict_len);
    u32 const places = (u32)verdict_len - 7;
    if (!is_code) damage_word(to + rng(rng(2) ? (u32)min_u64(places, 56) : places), verdict_len);
    draft.verdict = gbx_runtime_cache_draft_close(&draft, d, 0);
    if (!is_code && !rng(4)) draft.verdict.len = rng_words[rng(GBX_LEN(rng_words))];
    for (u32 i = 0; i < good_file.chunk_count; i++) {
        size_t len = (size_t)good_file.chunks[i].len;
        if (is_code && kind == 0 && i == wrong) len = rng((u32)len) & ~7u;
        to = gbx_runtime_cache_draft_room(&draft, len);
        assert_non_null(to);
        memcpy(to, good_chunks[i], len);
        if (is_code && kind == 1 && i == wrong)
            for (u32 k = rng(4); k < 4; k++)
                signed_damage_chunk(to, len, good_file.records, good_file.record_count, i);
        cache_chunk c = gbx_runtime_cache_draft_close(&draft, d, draft.len - len);
        if (is_code && kind == 2 && i == wrong) damage_word((u8 *)(rng(2) ? &c.len : &c.off), draft.len);
        if (is_code && kind == 2 && i == wrong && rng(2)) c.len = rng_words[rng(GBX_LEN(rng_words))];
        gbx_runtime_cache_draft_add_chunk(&draft, c);
    }
    for (u32 i = 0; i < good_file.record_count; i++) {
        cache_record r = good_file.records[i];
        if (is_code && kind == 3 && !rng(8)) signed_damage_record(&r, good_file.chunk_count);
        gbx_runtime_cache_draft_add_record(&draft, r);
    }
    assert_true(gbx_runtime_cache_draft_write(&draft, d, &good_id, &good_file.env));
    gbx_runtime_cache_draft_free(&draft);
}

/* Code is taken over and not run: what is in it we believe, and so does the machine. */
static void
test_signed_damage_of_code(void **state)
{
    (void)state;
    cache_dir d;
    u32 compiled = 0, taken = 0;
    i32 result = 0;
    if (!gbx_base_mac_works()) skip();
    rng_begin();
    good_open(&d);
    for (u32 i = 0; i < rounds(ROUNDS / 10); i++) {
        gbx_store *store;
        gbx_instance *instance;
        gbx_cache_use use;
        signed_write(&d, true);
        gbx_engine *const engine = cache_engine();
        gbx_module *const module = cache_open(engine, &store, &instance, module_wasm);
        gbx_module_cache_use(module, &use);
        assert_true(use.is_hit && use.taken + use.compiled == FUNCS);
        compiled += use.compiled;
        taken += use.taken;
        module->code.cache.spent_ns = UINT64_MAX / 2; /* so that it is merged with what is there */
        gbx_store_release(store);
        gbx_module_release(module);
        gbx_engine_release(engine);
    }
    assert_true(compiled && taken);
    bytes_write(entry_path, good);
    assert_true(cache_run(module_wasm, &result).is_hit && result == expected);
    good_close(&d);
}

/* A verdict is held against the module, and taken over or not; the module is not run. */
static void
test_signed_damage_of_verdict(void **state)
{
    (void)state;
    cache_dir d;
    u32 hits = 0, misses = 0;
    i32 result = 0;
    if (!gbx_base_mac_works()) skip();
    rng_begin();
    good_open(&d);
    gbx_engine *const engine = cache_engine();
    for (u32 i = 0; i < rounds(ROUNDS / 4); i++) {
        gbx_cache_use use;
        signed_write(&d, false);
        gbx_module *const module = cache_open(engine, NULL, NULL, module_wasm);
        gbx_module_cache_use(module, &use);
        hits += use.is_hit;
        misses += !use.is_hit;
        module->code.cache.spent_ns = UINT64_MAX / 2;
        gbx_module_release(module);
    }
    gbx_engine_release(engine);
    assert_true(hits && misses);
    bytes_write(entry_path, good);
    assert_true(cache_run(module_wasm, &result).is_hit && result == expected);
    good_close(&d);
}

/* ---- What an entry is of */

static mac_tag
id_of(const mac_key *key, cache_terms terms, const u8 *text, size_t len)
{
    cache_dir const d = {.is_open = true, .key = *key};
    gbx_engine const e = {.threads = 1};
    module_pieces *const p = gbx_runtime_pieces_begin(&e, &d, -1, (u8 *)(uintptr_t)text, 0, len);
    assert_non_null(p);
    const mac_tag *const tags = gbx_runtime_pieces_tags(p);
    assert_non_null(tags);
    mac_tag const id = gbx_runtime_cache_id(key, terms, tags, len);
    gbx_runtime_pieces_end(p);
    return id;
}

/* Each part of it alone makes another entry: another processor, features, tuning, bytes, key. */
static void
test_id_is_of_everything(void **state)
{
    (void)state;
    if (!gbx_base_mac_works()) skip();
    mac_key const key = {{1}}, second_key = {{2}};
    static const u8 text[] = "some bytes of a module";
    mac_tag ids[80];
    u32 count = 0;
    cache_terms const terms = {.features_off = 5, .cpu = gbx_codegen_cpu(), .tune = 3};
    ids[count++] = id_of(&key, terms, text, sizeof text);
    ids[count++] = id_of(&second_key, terms, text, sizeof text);
    ids[count++] = id_of(&key, terms, text, sizeof text - 1);
    ids[count++] = id_of(&key, terms, text + 1, sizeof text - 1);
    for (u32 bit = 0; bit < 8; bit++) {
        cache_terms cpu = terms, tune = terms, off = terms;
        cpu.cpu ^= 1u << bit;
        tune.tune ^= 1u << bit;
        off.features_off ^= 1ull << (bit * 7);
        ids[count++] = id_of(&key, cpu, text, sizeof text);
        ids[count++] = id_of(&key, tune, text, sizeof text);
        ids[count++] = id_of(&key, off, text, sizeof text);
    }
    for (u32 i = 0; i < count; i++)
        for (u32 k = 0; k < i; k++) assert_memory_not_equal(&ids[i], &ids[k], sizeof *ids);
    mac_tag const again = id_of(&key, terms, text, sizeof text);
    assert_memory_equal(&again, &ids[0], sizeof again);
}

/* One input has another tag for each purpose, and none of them is that of the key itself. */
static void
test_tag_is_of_its_purpose(void **state)
{
    (void)state;
    if (!gbx_base_mac_works()) skip();
    static const char purposes[][8] = {"gbxpiec2", "gbxchnk1", "gbxhead1"};
    mac_key const key = {{1}};
    mac_part const parts[] = {{"some bytes", 10}};
    mac_tag tags[4], again;
    mac_key sub;
    gbx_base_mac(&key, parts, 1, &tags[0]);
    for (u32 i = 0; i < 3; i++) {
        gbx_base_mac_subkey(&key, purposes[i], &sub);
        gbx_base_mac(&sub, parts, 1, &tags[i + 1]);
    }
    for (u32 i = 0; i < 4; i++)
        for (u32 k = 0; k < i; k++) assert_memory_not_equal(&tags[i], &tags[k], sizeof *tags);
    gbx_base_mac_subkey(&key, purposes[2], &sub);
    gbx_base_mac(&sub, parts, 1, &again);
    assert_memory_equal(&again, &tags[3], sizeof again);
}

/* An entry made on another processor, for the same module, by the same key: not found under its name; and under
 * ours it is damaged, and replaced. */
static void
test_other_processor(void **state)
{
    (void)state;
    cache_dir d;
    char name[CACHE_NAME_BYTES], path[400];
    i32 result = 0;
    if (!gbx_base_mac_works()) skip();
    good_open(&d);
    gbx_engine *const engine = cache_engine();
    cache_terms const terms = {.cpu = gbx_codegen_cpu() ^ 2, .tune = engine->compiler.tune};
    gbx_engine_release(engine);
    mac_tag const id = id_of(&d.key, terms, module_wasm.data, module_wasm.len);
    cache_draft draft = {0};
    u8 *const to = gbx_runtime_cache_draft_room(&draft, good_file.verdict.len);
    assert_non_null(to);
    memcpy(to, good_chunks[good_file.chunk_count], good_file.verdict.len);
    draft.verdict = gbx_runtime_cache_draft_close(&draft, &d, 0);
    assert_int_equal(unlink(entry_path), 0);
    assert_true(gbx_runtime_cache_draft_write(&draft, &d, &id, &good_file.env));
    gbx_runtime_cache_draft_free(&draft);
    gbx_cache_use use = cache_run(module_wasm, &result);
    assert_true(!use.is_hit && result == expected && !strcmp(use.why, "there is no entry"));
    gbx_runtime_cache_name(&id, name);
    snprintf(path, sizeof path, "%s/%s", dir_path, name);
    assert_int_equal(rename(path, entry_path), 0);
    use = cache_run(module_wasm, &result);
    assert_true(!use.is_hit && result == expected && !strcmp(use.why, "the entry is damaged"));
    use = cache_run(module_wasm, &result);
    assert_true(use.is_hit && use.compiled == 0 && result == expected);
    good_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_id_is_of_everything),   cmocka_unit_test(test_other_processor),
            cmocka_unit_test(test_random_damage),         cmocka_unit_test(test_signed_damage_of_code),
            cmocka_unit_test(test_signed_damage_of_verdict), cmocka_unit_test(test_tag_is_of_its_purpose),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
