/* Go's pclntab, read where it lies: in the data segments of the module file.
 *
 * Go counts a program by blocks: PC = function << 16 | block (PC_F and PC_B), where the function's number
 * is its index behind the imports, plus 0x1000, and a new block begins after every call, and where something
 * can jump to. Tables give file and line of a block. Which block an offset is in, the code itself tells:
 *
 *   - before a call it stores the PC behind it on Go's stack: `i64.const PC; i64.store`, and Go's own
 *     backtraces look up the block before that;
 *   - blocks that can be entered end, in order, with an `end` that closes one more of the nested blocks
 *     which the function begins with, and the br_table among those says which numbers each of them has.
 *
 * SAFETY: everything here is the module's word. Memory is read by address through the segments, and what
 * lies in none of them reads as zero; every loop has a bound that does not come from the table:
 * GO_STEPS_MOST, the bits of an index, the length of a body that was validated, or the caller's budget.
 * What comes out is texts and numbers for people. */
#include "wasm/golines_int.h"

#include <string.h>

#include "wasm/fuse.h"

#define GO_STEPS_MOST 0x10000u /* entries of a table of values: one for each block at most */
#define GO_DEPTHS_MOST 256u /* changes of the depth of a stack within one function that are looked at */
#define GO_RECORD_STEPS 16u /* what it takes to find a function, in entries */
#define GO_INT_BYTES 8u       /* of an int of Go on wasm, in the header */

/* Magic of Go 1.20, two bytes of nothing, the smallest instruction, and the size of a pointer. */
static const u8 go_magic[] = {0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8};

/* ---- Memory, as the segments make it */

/* Reads one byte after the other; the segment of the last one is at hand. */
typedef struct go_cursor {
    const wasm_module *m;
    const go_table *t;
    u64 at;
    u64 from, to; /* addresses of the segment at hand */
    const u8 *bytes;
} go_cursor;

static go_cursor
go_cursor_at(const wasm_module *m, const go_table *t, u64 at)
{
    return (go_cursor){.m = m, .t = t, .at = at};
}

/* The segment of the cursor's address, or the gap it is in. */
static void
go_cursor_find(go_cursor *c)
{
    u32 low = c->t->first, high = c->t->end; /* segments below `low` begin at or below the address */
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (c->m->datas[mid].at <= c->at) low = mid + 1;
        else high = mid;
    }
    c->from = c->at;
    c->to = low < c->t->end ? c->m->datas[low].at : UINT64_MAX;
    c->bytes = NULL;
    if (low == c->t->first) return;
    const wasm_data *const seg = &c->m->datas[low - 1];
    if (c->at - seg->at >= seg->bytes_len) return;
    c->from = seg->at;
    c->to = (u64)seg->at + seg->bytes_len;
    c->bytes = c->m->bytes + seg->bytes_off;
}

static u8
go_u8(go_cursor *c)
{
    if (c->at < c->from || c->at >= c->to) go_cursor_find(c);
    u8 const byte = c->bytes ? c->bytes[c->at - c->from] : 0;
    c->at++;
    return byte;
}

static u64
go_fixed(go_cursor *c, u32 bytes)
{
    u64 v = 0;
    if (c->bytes && c->at >= c->from && c->at < c->to && bytes <= c->to - c->at) {
        memcpy(&v, c->bytes + (c->at - c->from), bytes);
        c->at += bytes;
        return v;
    }
    for (u32 i = 0; i < bytes; i++) v |= (u64)go_u8(c) << 8 * i;
    return v;
}

u64
gbx_wasm_go_number(const wasm_module *m, const go_table *t, u64 at, u32 bytes)
{
    go_cursor c = go_cursor_at(m, t, at);
    return go_fixed(&c, bytes);
}

static u32
go_u32_at(const wasm_module *m, const go_table *t, u64 at)
{
    go_cursor c = go_cursor_at(m, t, at);
    return (u32)go_fixed(&c, 4);
}

static u32
go_varint(go_cursor *c)
{
    u32 v = 0;
    for (u32 shift = 0; shift < 35; shift += 7) {
        u8 const byte = go_u8(c);
        if (shift < 32) v |= (u32)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) break;
    }
    return v;
}

/* SAFETY: each table ends after so many entries as its bound says; who reads many of them bounds all. */
static bool
go_take(const go_table *t, u64 count)
{
    if (!t->steps) return true;
    bool const is_left = *t->steps >= count;
    *t->steps -= is_left ? count : *t->steps;
    return is_left;
}

/* ---- Finding the table */

u32
gbx_wasm_go_run_end(const wasm_module *m, u32 first)
{
    u64 at = m->datas[first].at;
    u32 k = first;
    for (; k < m->data_count; k++) {
        const wasm_data *const seg = &m->datas[k];
        if (seg->is_special || seg->at < at) break;
        at = (u64)seg->at + seg->bytes_len;
    }
    return k;
}

/* GO: runtime/symtab.go pcHeader. What was the start of the text is 0 on wasm before Go 1.26, and
 * nothing since. */
static bool
go_read_header(const wasm_module *m, go_table *t)
{
    go_cursor c = go_cursor_at(m, t, t->at + sizeof go_magic);
    u64 const func_count = go_fixed(&c, GO_INT_BYTES);
    c.at += 2 * GO_INT_BYTES; /* how many files, and that */
    u64 *const parts[] = {&t->names, &t->files_of_units, &t->files, &t->values, &t->funcs};
    for (u32 i = 0; i < GBX_LEN(parts); i++) {
        u64 const offset = go_fixed(&c, GO_INT_BYTES);
        if (offset == 0 || offset > UINT32_MAX) return false;
        *parts[i] = t->at + offset;
    }
    if (func_count == 0 || func_count > m->func_count - m->imported_funcs) return false;
    t->func_count = (u32)func_count;
    u32 const first = go_u32_at(m, t, t->funcs);
    bool const is_by_block = first >= GO_FIRST_FUNC << 16;
    t->entry_shift = is_by_block ? 16 : 0;
    return is_by_block || first >= GO_FIRST_FUNC;
}

/* What stands `off` bytes into segment k, where the magic is. */
static bool
go_is_table(const wasm_module *m, u32 k, size_t off, go_table *out)
{
    *out = (go_table){.first = k, .end = m->data_count, .at = (u64)m->datas[k].at + off};
    if (!go_read_header(m, out)) return false;
    out->end = gbx_wasm_go_run_end(m, k);
    return true;
}

bool
gbx_wasm_go_find(const wasm_module *m, go_table *out)
{
    for (u32 k = 0; k < m->data_count; k++) {
        const wasm_data *const seg = &m->datas[k];
        if (seg->is_special) continue;
        const u8 *const bytes = m->bytes + seg->bytes_off;
        const u8 *from = bytes;
        for (;;) {
            size_t const left = seg->bytes_len - (size_t)(from - bytes);
            const u8 *const found = memmem(from, left, go_magic, sizeof go_magic);
            if (!found) break;
            if (go_is_table(m, k, (size_t)(found - bytes), out)) return true;
            from = found + 1;
        }
    }
    *out = (go_table){0};
    return false;
}

/* PERF: eight bytes at a time; memmem takes ten times as long where it finds nothing. */
bool
gbx_wasm_go_find_aligned(const wasm_module *m, go_table *out)
{
    u64 magic;
    memcpy(&magic, go_magic, sizeof magic);
    for (u32 k = 0; k < m->data_count; k++) {
        const wasm_data *const seg = &m->datas[k];
        if (seg->is_special) continue;
        const u8 *const bytes = m->bytes + seg->bytes_off;
        for (size_t off = -seg->at & 7u; off + sizeof magic <= seg->bytes_len; off += sizeof magic) {
            u64 word;
            memcpy(&word, bytes + off, sizeof word);
            if (GBX_UNLIKELY(word == magic) && go_is_table(m, k, off, out)) return true;
        }
    }
    *out = (go_table){0};
    return false;
}

size_t
gbx_wasm_go_text(const wasm_module *m, const go_table *t, u64 at, char *buf, size_t cap)
{
    go_cursor c = go_cursor_at(m, t, at);
    size_t len = 0;
    while (len < cap) {
        u8 const byte = go_u8(&c);
        if (!byte) break;
        buf[len++] = (char)byte;
    }
    return len;
}

/* ---- One function's record (runtime._func) */

u64
gbx_wasm_go_record(const wasm_module *m, const go_table *t, u32 func_idx)
{
    u32 const entry = (GO_FIRST_FUNC + (func_idx - m->imported_funcs)) << t->entry_shift;
    u32 low = 0, high = t->func_count; /* entries below `low` are at or below it */
    if (!go_take(t, GO_RECORD_STEPS)) return 0;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (go_u32_at(m, t, t->funcs + 8 * (u64)mid) <= entry) low = mid + 1;
        else high = mid;
    }
    if (low == 0) return 0;
    go_cursor c = go_cursor_at(m, t, t->funcs + 8 * (u64)(low - 1));
    if (go_fixed(&c, 4) != entry) return 0;
    u64 const func = t->funcs + go_fixed(&c, 4);
    return go_u32_at(m, t, func) == entry ? func : 0;
}

i32
gbx_wasm_go_value(const wasm_module *m, const go_table *t, u32 offset, u32 block)
{
    if (offset == 0) return -1;
    go_cursor c = go_cursor_at(m, t, t->values + offset);
    u32 value = UINT32_MAX, next = 0;
    for (u32 i = 0; i < GO_STEPS_MOST && go_take(t, 1); i++) {
        u32 const delta = go_varint(&c);
        if (delta == 0 && i != 0) break;
        value += delta & 1 ? ~(delta >> 1) : delta >> 1;
        next += go_varint(&c);
        if (block < next) return (i32)value;
    }
    return -1;
}

i32
gbx_wasm_go_value_below(const wasm_module *m, const go_table *t, u32 offset, i32 below)
{
    i32 best = -1;
    if (offset == 0) return best;
    go_cursor c = go_cursor_at(m, t, t->values + offset);
    u32 value = UINT32_MAX;
    for (u32 i = 0; i < GO_DEPTHS_MOST && go_take(t, 1); i++) {
        u32 const delta = go_varint(&c);
        if (delta == 0 && i != 0) break;
        value += delta & 1 ? ~(delta >> 1) : delta >> 1;
        (void)go_varint(&c);
        if ((i32)value > best && (i32)value < below) best = (i32)value;
    }
    return best;
}

/* ---- From an offset to a block */

typedef struct go_walk {
    const wasm_module *m;
    const u8 *table;  /* the immediates of the br_table at the beginning; NULL: all is one block */
    u64 func_bits;    /* PC_F of this function */
    u32 depth, floor; /* nested blocks now, and the fewest since the br_table */
    u32 begin_depth;  /* at the br_table */
    u32 after;        /* block behind the last call; 0: there was none in this piece */
    u32 before;       /* PC_B that was stored for the next call */
    bool has_before;
    bool was_pc; /* the instruction before was i64.const of a PC of this function */
    u32 pc;
} go_walk;

static u64
go_leb(const u8 *p, u32 bits)
{
    u64 v = 0;
    for (u32 shift = 0; shift < bits; shift += 7) {
        v |= (u64)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) break;
    }
    return v;
}

/* An `end`: of one of the blocks at the beginning, a new piece starts behind it. The one that follows a call
 * belongs to the call. */
static void
go_walk_end(go_walk *w)
{
    if (w->depth) w->depth--;
    if (!w->table || w->depth >= w->floor) return;
    w->floor = w->depth;
    w->after = 0;
    w->has_before = false;
}

static void
go_walk_insn(go_walk *w, u8 op, const u8 *pc)
{
    bool const was_pc = w->was_pc;
    w->was_pc = false;
    switch (op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF: w->depth++; break;
    case OP_END: go_walk_end(w); break;
    case OP_BR_TABLE:
        if (w->table) break;
        w->table = pc + 1;
        w->begin_depth = w->floor = w->depth;
        break;
    case OP_I64_CONST: {
        u64 const value = go_leb(pc + 1, 64);
        w->was_pc = value >> 16 == w->func_bits;
        w->pc = (u32)(value & 0xffff);
        break;
    }
    case OP_I64_STORE:
        if (!was_pc) break;
        w->before = w->pc;
        w->has_before = true;
        break;
    case OP_CALL:
    case OP_CALL_INDIRECT:
        if (w->has_before) w->after = w->before;
        w->has_before = false;
        break;
    default: break;
    }
}

/* The first block of the piece that the walk is in.
 * SAFETY: the immediates were validated; there are count + 1 labels. */
static u32
go_walk_first_block(const go_walk *w)
{
    if (!w->table || w->floor >= w->begin_depth) return 0;
    u32 const piece = w->begin_depth - 1 - w->floor;
    const u8 *p = w->table;
    u32 const count = (u32)go_leb(p, 35);
    while (*p++ & 0x80) {}
    for (u32 block = 0; block <= count; block++) {
        if ((u32)go_leb(p, 35) == piece) return block;
        while (*p++ & 0x80) {}
    }
    return count; /* behind all pieces */
}

/* RULE: blocks are looked up as Go's own backtraces do it, for a call the one before that where it
 * returns. */
static go_line_kind
go_block_at(const wasm_module *m, const wasm_code *code, u32 offset, u32 *block)
{
    u32 const func = GO_FIRST_FUNC + (code->func_idx - m->imported_funcs);
    go_walk w = {.m = m, .func_bits = func};
    const u8 *const unfuse = gbx_wasm_unfuse[m->fuse_set];
    const u8 *const end = m->bytes + code->body_end;
    const u8 *const stop = m->bytes + offset;
    const u8 *pc = m->bytes + code->insns_off;
    while (pc < stop) {
        go_walk_insn(&w, unfuse[*pc], pc);
        pc += gbx_wasm_insn_len(m, pc);
    }
    if (pc >= end) return GO_LINE_FUNC;
    if (w.has_before) { /* on the way to a call, or in it */
        u8 const op = unfuse[*pc];
        *block = w.before ? w.before - 1 : 0;
        return op == OP_CALL || op == OP_CALL_INDIRECT ? GO_LINE_CALL : GO_LINE_NEAR;
    }
    *block = max_u32(w.after, go_walk_first_block(&w));
    return GO_LINE_NEAR;
}

void
gbx_wasm_go_fill(const wasm_module *m, const go_table *t, u64 func, u32 block, go_line_kind kind,
                 go_place *out)
{
    i32 line = -1;
    out->kind = kind;
    out->block = block;
    out->name_at = t->names + go_u32_at(m, t, func + GO_FUNC_NAME);
    if (kind != GO_LINE_FUNC) line = gbx_wasm_go_value(m, t, go_u32_at(m, t, func + GO_FUNC_PCLN), block);
    if (line <= 0) {
        out->kind = GO_LINE_FUNC;
        line = (i32)go_u32_at(m, t, func + GO_FUNC_LINE);
        block = 0;
    }
    i32 const file = gbx_wasm_go_value(m, t, go_u32_at(m, t, func + GO_FUNC_PCFILE), block);
    u64 const unit = go_u32_at(m, t, func + GO_FUNC_UNIT);
    u32 const text = file < 0 ? UINT32_MAX : go_u32_at(m, t, t->files_of_units + 4 * (unit + (u32)file));
    if (text == UINT32_MAX || line <= 0) out->kind = GO_LINE_NONE;
    else out->file_at = t->files + text;
    out->line = out->kind == GO_LINE_NONE ? 0 : (u32)line;
    out->stack_bytes = gbx_wasm_go_value(m, t, go_u32_at(m, t, func + GO_FUNC_PCSP), block);
}

bool
gbx_wasm_go_place(const wasm_module *m, const go_table *t, u32 func_idx, u32 offset, u64 *budget,
                  go_place *out)
{
    *out = (go_place){0};
    if (t->func_count == 0 || func_idx < m->imported_funcs) return false;
    u64 const func = gbx_wasm_go_record(m, t, func_idx);
    if (!func) return false;
    const wasm_code *const code = &m->codes[func_idx - m->imported_funcs];
    u32 block = 0;
    u32 const bytes = code->body_end - code->body_off;
    bool const is_inside = offset >= code->insns_off && offset < code->body_end;
    go_line_kind kind = GO_LINE_FUNC;
    if (is_inside && bytes <= *budget) {
        *budget -= bytes;
        kind = go_block_at(m, code, offset, &block);
    }
    gbx_wasm_go_fill(m, t, func, block, kind, out);
    return true;
}

bool
gbx_wasm_go_return(const wasm_module *m, const go_table *t, u64 pc, u32 *func_idx, go_place *out)
{
    *out = (go_place){0};
    u64 const func_number = pc >> 16;
    u32 const block = (u32)(pc & 0xffff);
    if (func_number < GO_FIRST_FUNC || func_number - GO_FIRST_FUNC >= m->func_count - m->imported_funcs)
        return false;
    *func_idx = (u32)(func_number - GO_FIRST_FUNC) + m->imported_funcs;
    u64 const func = gbx_wasm_go_record(m, t, *func_idx);
    if (func) gbx_wasm_go_fill(m, t, func, block ? block - 1 : 0, GO_LINE_CALL, out);
    return func != 0;
}

u32
gbx_wasm_go_func_of_pc(const wasm_module *m, u64 pc)
{
    u64 const number = pc >> 16;
    bool const is_one = number >= GO_FIRST_FUNC && number - GO_FIRST_FUNC < m->func_count - m->imported_funcs;
    return is_one ? (u32)(number - GO_FIRST_FUNC) + m->imported_funcs : UINT32_MAX;
}

/* ---- Functions by name */

#define GO_NAMES_MOST 32u

/* The bytes at an address that lie in one segment. */
static const u8 *
go_bytes_at(const wasm_module *m, const go_table *t, u64 at, u64 *len)
{
    go_cursor c = go_cursor_at(m, t, at);
    go_cursor_find(&c);
    *len = c.bytes ? c.to - at : 0;
    return c.bytes ? c.bytes + (at - c.from) : NULL;
}

/* Offsets of the texts among all names; UINT32_MAX: it is none of them. One that does not lie in one
 * segment with those before it is not found. */
static u32
go_find_texts(const wasm_module *m, const go_table *t, const char *const *names, u32 count, u32 *offsets)
{
    size_t lens[GO_NAMES_MOST];
    u64 len, has_len = 0; /* bits: some name has that length */
    u32 found = 0;
    for (u32 i = 0; i < count; i++) {
        lens[i] = strlen(names[i]);
        has_len |= (u64)1 << min_u64(lens[i], 63);
        offsets[i] = UINT32_MAX;
    }
    const u8 *const texts = go_bytes_at(m, t, t->names, &len);
    if (t->files_of_units > t->names) len = min_u64(len, t->files_of_units - t->names);
    for (u64 at = 0; texts && at < len && found < count;) {
        const u8 *const end = memchr(texts + at, 0, (size_t)(len - at));
        if (!end) break;
        size_t const text_len = (size_t)(end - (texts + at));
        for (u32 i = 0; has_len >> min_u64(text_len, 63) & 1 && i < count; i++) {
            if (lens[i] != text_len || memcmp(names[i], texts + at, text_len) != 0) continue;
            offsets[i] = (u32)at;
            found++;
        }
        at += text_len + 1;
    }
    return found;
}

/* SAFETY: both loops are bounded by what the module file has: names by their segment, functions by those
 * that it defines (go_read_header). */
void
gbx_wasm_go_find_names(const wasm_module *m, const go_table *t, const char *const *names, u32 count, u32 *out)
{
    u32 offsets[GO_NAMES_MOST];
    u32 left = count <= GO_NAMES_MOST ? go_find_texts(m, t, names, count, offsets) : 0;
    go_cursor entries = go_cursor_at(m, t, t->funcs), record = entries;
    for (u32 k = 0; left && k < t->func_count; k++) {
        u32 const entry = (u32)go_fixed(&entries, 4), at = (u32)go_fixed(&entries, 4);
        u32 const number = entry >> t->entry_shift;
        record.at = t->funcs + at + GO_FUNC_NAME;
        u32 const name = (u32)go_fixed(&record, 4);
        for (u32 i = 0; i < count; i++) {
            if (offsets[i] != name) continue;
            left--;
            offsets[i] = UINT32_MAX;
            if (number - GO_FIRST_FUNC < m->func_count - m->imported_funcs)
                out[i] = number - GO_FIRST_FUNC + m->imported_funcs;
        }
    }
}

bool
gbx_wasm_go_func(const wasm_module *m, const go_table *t, u32 nth, u32 *func_idx, u64 *name_at)
{
    go_cursor c = go_cursor_at(m, t, t->funcs + 8 * (u64)nth);
    u32 const entry = (u32)go_fixed(&c, 4);
    u64 const func = t->funcs + go_fixed(&c, 4);
    u32 const number = entry >> t->entry_shift;
    if (number < GO_FIRST_FUNC || number - GO_FIRST_FUNC >= m->func_count - m->imported_funcs) return false;
    *func_idx = number - GO_FIRST_FUNC + m->imported_funcs;
    c = go_cursor_at(m, t, func);
    if (go_fixed(&c, 4) != entry) return false;
    *name_at = t->names + go_fixed(&c, 4);
    return true;
}
