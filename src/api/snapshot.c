/* snapshot.h: what a snapshot holds of the world, and who answers for it.
 *
 * Three layers know a part: runtime/snapshot.c what is the guest's own, wasi/imprint.c what can be
 * compared, and the store's gbx_exec.asked what the guest was told at all. Here they are put together.
 * What must hold: every source that was asked for is compared, renewed or shared on purpose, before an
 * instance is handed out; else it is a refusal that names it. */
#include <string.h>

#include "api/wasi_int.h"
#include "base/alloc.h"
#include "base/text.h"

struct gbx_snapshot {
    runtime_snapshot *state;
    wasi_imprint *imprint; /* NULL: its store had no WASI */
    u32 holds, shares, renews;
    bool has_resume;
    u32 resume; /* function index */
};

/* What can be compared, all else has to be shared or renewed. */
#define API_SNAPSHOT_COMPARED (GBX_FROM_ARGS | GBX_FROM_ENV | GBX_FROM_GRANTS)

typedef struct api_snapshot_source {
    const char *slug, *meaning;
} api_snapshot_source;

static const api_snapshot_source api_snapshot_sources[] = {
#define GBX_SOURCE(name, slug, meaning) {slug, meaning},
#include "gbx/sources.def"
#undef GBX_SOURCE
};

static const api_snapshot_source *
api_snapshot_source_find(u64 source)
{
    static const api_snapshot_source none = {"", ""};
    for (u32 bit = 0; bit < GBX_FROM_COUNT; bit++)
        if (source == (u64)1 << bit) return &api_snapshot_sources[bit];
    return &none;
}

const char *
gbx_source_name(uint64_t source)
{
    return api_snapshot_source_find(source)->slug;
}

const char *
gbx_source_meaning(uint64_t source)
{
    return api_snapshot_source_find(source)->meaning;
}

/* "random, clock". */
static void
api_snapshot_names(u32 sources, char *buf, size_t cap)
{
    text_buf t = gbx_base_text_init(buf, cap);
    const char *between = "";
    for (u32 bit = 0; bit < GBX_FROM_COUNT; bit++) {
        if (!(sources & 1u << bit)) continue;
        gbx_base_text_printf(&t, "%s%s", between, api_snapshot_sources[bit].slug);
        between = ", ";
    }
}

#define API_SNAPSHOT_NAMES_CAP 128

static gbx_code
api_snapshot_unsettled(u32 sources, gbx_err *err)
{
    char names[API_SNAPSHOT_NAMES_CAP];
    api_snapshot_names(sources, names, sizeof names);
    return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                            "no snapshot can be taken: the guest has been told of the world outside, and all "
                            "instances would share what it made of that: %s. Renew it in an export "
                            "(resume, renews), or let it be shared (shares)",
                            names);
}

/* ---- Taking */

static gbx_code
api_snapshot_find_resume(const gbx_instance *inst, const char *name, u32 *out, gbx_err *err)
{
    rd_name n;
    GBX_TRY(gbx_api_name(name, "resume", &n, err));
    const wasm_export *const e = gbx_wasm_find_export(inst->module, n.text, n.len);
    if (e && e->kind == WASM_EXTERN_FUNC) {
        const gbx_module *const m = gbx_runtime_instance_module(inst);
        const runtime_type *const type = gbx_runtime_module_func_type(m, e->idx);
        *out = e->idx;
        if (type->sig.param_count == 0 && type->sig.result_count == 0) return GBX_OK;
    }
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                            "resume names no exported function without parameters and results");
}

static gbx_code
api_snapshot_check_opts(const gbx_instance *inst, const gbx_snapshot_opts *o, gbx_snapshot *s, gbx_err *err)
{
    if ((o->shares | o->renews) & ~(u64)GBX_FROM_ALL) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "shares or renews has a source that this library does not know");
    }
    if (o->renews && !o->resume) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "renews says what the export resume does, and resume is NULL");
    }
    s->shares = (u32)o->shares;
    s->renews = (u32)o->renews;
    s->has_resume = o->resume != NULL;
    return o->resume ? api_snapshot_find_resume(inst, o->resume, &s->resume, err) : GBX_OK;
}

/* The store's context, the only one there ever was: what a guest of two was told cannot be said. */
static gbx_code
api_snapshot_wasi(const gbx_store *store, wasi_ctx **out, gbx_err *err)
{
    const api_wasi_linked *const l = gbx_runtime_store_wasi(store);
    *out = l ? l->ctx : NULL;
    if (!l || !l->is_again) return GBX_OK;
    return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                            "gbx_wasi_link was called twice for this store: link once where snapshots "
                            "are used");
}

static gbx_code
api_snapshot_fill(gbx_snapshot *s, gbx_instance *inst, const gbx_snapshot_opts *o, gbx_err *err)
{
    wasi_ctx *wasi;
    GBX_TRY(api_snapshot_check_opts(inst, o, s, err));
    GBX_TRY(api_snapshot_wasi(inst->store, &wasi, err));
    GBX_TRY(gbx_runtime_snapshot_take(inst, &s->state, &s->holds, err));
    u32 const unsettled = s->holds & ~(s->shares | s->renews | API_SNAPSHOT_COMPARED);
    if (unsettled) return api_snapshot_unsettled(unsettled, err);
    return wasi ? gbx_wasi_imprint_new(wasi, &s->imprint, err) : GBX_OK;
}

gbx_code
gbx_snapshot_take(gbx_instance *instance, const gbx_snapshot_opts *opts, gbx_snapshot **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(instance, err);
    gbx_snapshot_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    gbx_snapshot *const s = gbx_base_alloc_zero(1, sizeof *s);
    if (!s) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a snapshot");
    gbx_code const code = api_snapshot_fill(s, instance, &o, err);
    if (code == GBX_OK) *out = s;
    else gbx_snapshot_release(s);
    return code;
}

void
gbx_snapshot_release(gbx_snapshot *snapshot)
{
    if (!snapshot) return;
    gbx_runtime_snapshot_release(snapshot->state);
    gbx_wasi_imprint_free(snapshot->imprint);
    gbx_base_free(snapshot);
}

uint64_t
gbx_snapshot_holds(const gbx_snapshot *snapshot)
{
    return snapshot ? snapshot->holds : 0;
}

/* ---- Resuming */

/* What the guest knows of its arguments, variables and grants is true of this store too, or somebody answers
 * for it. */
static gbx_code
api_snapshot_compare(const gbx_snapshot *s, wasi_ctx *wasi, gbx_err *err)
{
    u32 differs = API_SNAPSHOT_COMPARED;
    if (s->imprint && wasi) differs = gbx_wasi_imprint_differs(s->imprint, wasi);
    u32 const unsettled = differs & s->holds & ~(s->shares | s->renews);
    if (!unsettled) return GBX_OK;
    char names[API_SNAPSHOT_NAMES_CAP];
    api_snapshot_names(unsettled, names, sizeof names);
    return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                            "the guest asked for these before the snapshot was taken, and this store has "
                            "others: %s. Grant the same, renew them in an export (resume, renews), or let "
                            "the old ones be shared (shares)",
                            names);
}

/* The export is believed in what it does with the answers, not in that it asks. */
gbx_code
gbx_api_snapshot_renew(gbx_instance *inst, gbx_trap *trap, gbx_err *err)
{
    gbx_store *const store = inst->store;
    gbx_slot none[1] = {0};
    u32 resume, renews;
    if (!gbx_runtime_life_resume(inst, &resume, &renews)) return GBX_OK;
    u32 const before = gbx_runtime_store_asked(store, 0);
    gbx_trap_code const code = gbx_runtime_call(store, inst->funcs[resume], none, trap);
    u32 const asked = gbx_runtime_store_asked(store, before);
    (void)gbx_runtime_store_asked(store, before | asked);
    u32 const missing = renews & ~asked;
    if (code != GBX_TRAP_NONE) {
        return gbx_base_err_set(err, GBX_TRAPPED, GBX_NO_OFFSET,
                                "the export that resumes the instance ended: %s%s%s", gbx_trap_text(code),
                                trap->message[0] ? ": " : "", trap->message);
    }
    if (!missing) return GBX_OK;
    char names[API_SNAPSHOT_NAMES_CAP];
    api_snapshot_names(missing, names, sizeof names);
    return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                            "the export that resumes the instance is said to renew what it did not ask "
                            "for: %s",
                            names);
}

gbx_code
gbx_instance_resume(gbx_store *store, const gbx_snapshot *snapshot, gbx_linker *linker, gbx_instance **out,
                    gbx_trap *trap, gbx_err *err)
{
    gbx_trap own_trap;
    if (!trap) trap = &own_trap;
    trap->code = GBX_TRAP_NONE;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(store, err);
    API_NEED(snapshot, err);
    GBX_TRY(gbx_api_same_engine(store, gbx_runtime_snapshot_module(snapshot->state), linker, err));
    wasi_ctx *wasi;
    gbx_instance *inst;
    bool states_abi;
    const gbx_module *const module = gbx_runtime_snapshot_module(snapshot->state);
    GBX_TRY(gbx_api_abi_link(linker, module, &states_abi, err));
    GBX_TRY(api_snapshot_wasi(store, &wasi, err));
    GBX_TRY(api_snapshot_compare(snapshot, wasi, err));
    GBX_TRY(gbx_runtime_instance_resume(store, snapshot->state, linker, &inst, err));
    if (snapshot->holds & GBX_FROM_GRANTS && snapshot->imprint && wasi)
        gbx_wasi_imprint_apply(snapshot->imprint, wasi);
    if (wasi) gbx_wasi_ctx_mark(wasi);
    if (snapshot->has_resume)
        gbx_runtime_life_set_resume(inst, snapshot->resume, snapshot->holds & snapshot->renews);
    GBX_TRY(gbx_api_snapshot_renew(inst, trap, err));
    GBX_TRY(gbx_api_abi_check(linker, inst, states_abi, trap, err));
    *out = inst;
    return GBX_OK;
}
