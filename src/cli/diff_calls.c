/* The host calls of the first run, and those of another held against them one by one.
 *
 * The first DIFF_KEPT are kept whole, so that what differs can be shown. Of those behind them only a hash of
 * each block is kept: that one differs is found at the end of its block. What it takes stays bounded by
 * the first and 8 bytes for each block. */
#include <inttypes.h>
#include <string.h>

#include "cli/diff.h"

#define DIFF_CHUNK 4096u                 /* records of a chunk, and calls of a block */
#define DIFF_KEPT  (128u * DIFF_CHUNK)   /* calls that are kept whole: 80 MiB at most */

typedef struct diff_record {
    const char *name, *params, *result_name;
    uint64_t args[9]; /* of path_open, which has the most */
    uint64_t bytes, hash, memory;
    uint32_t trap, result;
} diff_record;

#define DIFF_ARGS (sizeof ((diff_record *)0)->args / sizeof(uint64_t))

struct diff_calls {
    uint64_t count;
    diff_record *chunks[DIFF_KEPT / DIFF_CHUNK];
    uint64_t *blocks; /* of DIFF_CHUNK calls each, behind those that are kept */
    size_t block_cap;
};

diff_calls *
gbx_cli_diff_calls_new(void)
{
    return gbx_cli_alloc(1, sizeof(diff_calls));
}

uint64_t
gbx_cli_diff_calls_count(const diff_calls *calls)
{
    return calls->count;
}

static diff_record
calls_record(const gbx_trace_call *call, uint64_t memory)
{
    diff_record r = {.name = call->name,
                     .params = call->params,
                     .result_name = call->result_name,
                     .bytes = call->bytes,
                     .hash = call->hash,
                     .memory = memory,
                     .trap = call->trap,
                     .result = call->result};
    size_t const count = strlen(call->params);
    memcpy(r.args, call->args, (count < DIFF_ARGS ? count : DIFF_ARGS) * sizeof r.args[0]);
    return r;
}

/* All of a record but its strings, which may stand anywhere; the name stands for them. */
static uint64_t
calls_hash(uint64_t seed, const diff_record *r)
{
    uint64_t const h = gbx_trace_hash(seed, r->name, strlen(r->name));
    return gbx_trace_hash(h, r->args, sizeof *r - offsetof(diff_record, args));
}

static bool
calls_is_same(const diff_record *a, const diff_record *b)
{
    return !strcmp(a->name, b->name) &&
           !memcmp(a->args, b->args, sizeof *a - offsetof(diff_record, args));
}

void
gbx_cli_diff_calls_keep(diff_calls *calls, const gbx_trace_call *call, uint64_t memory)
{
    diff_record const r = calls_record(call, memory);
    uint64_t const at = calls->count++;
    if (at < DIFF_KEPT) {
        diff_record **const chunk = &calls->chunks[at / DIFF_CHUNK];
        if (!*chunk) *chunk = gbx_cli_alloc(DIFF_CHUNK, sizeof r);
        (*chunk)[at % DIFF_CHUNK] = r;
        return;
    }
    size_t const block = (size_t)((at - DIFF_KEPT) / DIFF_CHUNK);
    if (block >= calls->block_cap) {
        size_t const cap = calls->block_cap ? calls->block_cap * 2 : 1024;
        uint64_t *const blocks = gbx_cli_alloc(cap, sizeof *blocks);
        if (block) memcpy(blocks, calls->blocks, block * sizeof *blocks);
        calls->blocks = blocks;
        calls->block_cap = cap;
    }
    calls->blocks[block] = calls_hash(calls->blocks[block], &r);
}

/* ---- What differs */

static const char *
calls_show(const diff_record *r)
{
    cli_text t = {0};
    gbx_cli_text_printf(&t, "%s(", r->name);
    for (size_t i = 0; r->params[i] && i < DIFF_ARGS; i++)
        gbx_cli_text_printf(&t, "%s%" PRIu64, i ? ", " : "", r->args[i]);
    gbx_cli_text_printf(&t, ")");
    return gbx_cli_text_get(&t);
}

static const char *
calls_result(const diff_record *r)
{
    if (r->trap != GBX_TRAP_NONE) return gbx_cli_format("it ends the guest: %s", gbx_trap_text(r->trap));
    return gbx_cli_format("%" PRIu32 " (%s)", r->result, r->result_name);
}

/* The first field that differs, in the order in which a call comes by them. */
static void
calls_field(uint64_t number, const diff_record *a, const diff_record *b, diff_found *found)
{
    const char *const call = gbx_cli_format("host call %" PRIu64 ", %s", number, a->name);
    size_t arg = 0;
    if (strcmp(a->name, b->name) != 0) {
        *found = (diff_found){.what = gbx_cli_format("host call %" PRIu64, number),
                              .a = calls_show(a),
                              .b = calls_show(b)};
        return;
    }
    while (arg < DIFF_ARGS && a->args[arg] == b->args[arg]) arg++;
    if (arg < DIFF_ARGS) {
        *found = (diff_found){.what = gbx_cli_format("%s: argument %zu", call, arg + 1),
                              .a = calls_show(a),
                              .b = calls_show(b)};
    } else if (a->trap != b->trap || a->result != b->result) {
        *found = (diff_found){.what = gbx_cli_format("%s: its result", call),
                              .a = calls_result(a),
                              .b = calls_result(b)};
    } else if (a->bytes != b->bytes || a->hash != b->hash) {
        *found = (diff_found){
                .what = gbx_cli_format("%s: the bytes that it was given or gave back", call),
                .a = gbx_cli_format("%" PRIu64 " bytes, %016" PRIx64, a->bytes, a->hash),
                .b = gbx_cli_format("%" PRIu64 " bytes, %016" PRIx64, b->bytes, b->hash)};
    } else {
        *found = (diff_found){.what = gbx_cli_format("memory after %s", call),
                              .a = gbx_cli_format("%016" PRIx64, a->memory),
                              .b = gbx_cli_format("%016" PRIx64, b->memory),
                              .at_end = true};
    }
}

void
gbx_cli_diff_calls_compare(const diff_calls *calls, const gbx_trace_call *call, uint64_t memory,
                           uint64_t *block, diff_found *found)
{
    diff_record const r = calls_record(call, memory);
    uint64_t const at = call->number - 1;
    if (at >= calls->count) {
        *found = (diff_found){.what = gbx_cli_format("host call %" PRIu64, call->number),
                              .a = gbx_cli_format("there is none: %" PRIu64 " in all", calls->count),
                              .b = calls_show(&r)};
    } else if (at < DIFF_KEPT) {
        const diff_record *const first = &calls->chunks[at / DIFF_CHUNK][at % DIFF_CHUNK];
        if (!calls_is_same(first, &r)) calls_field(call->number, first, &r, found);
    } else {
        uint64_t const behind = at - DIFF_KEPT;
        *block = calls_hash(behind % DIFF_CHUNK ? *block : 0, &r);
        bool const is_over = (behind + 1) % DIFF_CHUNK == 0 || at + 1 == calls->count;
        if (is_over && *block != calls->blocks[behind / DIFF_CHUNK])
            *found = (diff_found){.what = gbx_cli_format("a host call from %" PRIu64 " to %" PRIu64,
                                                         at - behind % DIFF_CHUNK + 1, call->number)};
    }
}

void
gbx_cli_diff_calls_missing(const diff_calls *calls, uint64_t count, diff_found *found)
{
    const diff_record *const next =
            count < DIFF_KEPT ? &calls->chunks[count / DIFF_CHUNK][count % DIFF_CHUNK] : NULL;
    *found = (diff_found){
            .what = gbx_cli_format("host call %" PRIu64, count + 1),
            .a = next ? calls_show(next) : gbx_cli_format("there are %" PRIu64 " in all", calls->count),
            .b = gbx_cli_format("there is none: %" PRIu64 " in all", count)};
}
