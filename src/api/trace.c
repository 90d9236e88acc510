/* unstable/trace.h. */
#include <string.h>

#include "api/wasi_int.h"
#include "base/hash.h"
#include "interp/interp.h"

void
gbx_wasi_trace(gbx_wasi *wasi, gbx_trace_report report, void *data)
{
    if (!wasi) return;
    wasi->report = report;
    wasi->report_data = data;
}

void
gbx_api_trace_report(void *data, const wasi_traced *t)
{
    const api_wasi_linked *const l = data;
    gbx_trace_call call = {.number = t->number,
                           .name = t->name,
                           .params = t->params,
                           .trap = t->trap,
                           .result = t->result,
                           .result_name = t->result_name,
                           .bytes = t->bytes,
                           .hash = t->hash,
                           .running = t->exec};
    memcpy(call.args, t->args, strlen(t->params) * sizeof call.args[0]);
    l->report(l->report_data, &call);
}

uint64_t
gbx_trace_frames(const gbx_trace_call *call, gbx_frame *frames, size_t cap)
{
    if (!call || !call->running || (cap && !frames)) return 0;
    gbx_frame_ref found[GBX_TRAP_FRAMES];
    u64 const total = gbx_interp_frames((gbx_exec *)(uintptr_t)call->running, found);
    size_t const count = min_u64(min_u64(total, cap), GBX_TRAP_FRAMES);
    for (size_t i = 0; i < count; i++)
        frames[i] = (gbx_frame){.func_idx = found[i].func_idx,
                                .offset = found[i].offset,
                                .name = gbx_runtime_frame_name(&found[i])};
    return total;
}

gbx_code
gbx_wasi_sink(gbx_wasi *wasi, int guest_fd, void (*write)(void *data, const uint8_t *bytes, size_t len),
              void *data, gbx_err *err)
{
    API_NEED(wasi, err);
    if (guest_fd != 1 && guest_fd != 2) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "%d is no standard stream that is written to: 1 and 2 are", guest_fd);
    }
    if (write && (wasi->streams[guest_fd].capture_bytes || wasi->streams[guest_fd].write))
        gbx_api_wasi_unbind(wasi, guest_fd);
    wasi->sinks[guest_fd] = (wasi_sink){write, write ? data : NULL};
    return GBX_OK;
}

void
gbx_wasi_still(gbx_wasi *wasi)
{
    if (wasi) wasi->still = true;
}

size_t
gbx_trace_memory_count(const gbx_instance *instance)
{
    return instance ? instance->memory_count : 0;
}

bool
gbx_trace_memory(const gbx_instance *instance, size_t idx, const uint8_t **data, size_t *bytes)
{
    if (!data || !bytes || idx >= gbx_trace_memory_count(instance)) return false;
    *data = instance->memories[idx]->base;
    *bytes = instance->memories[idx]->bytes;
    return true;
}

size_t
gbx_trace_global_count(const gbx_instance *instance)
{
    return instance ? instance->module->global_count : 0;
}

bool
gbx_trace_global(const gbx_instance *instance, size_t idx, gbx_val *out)
{
    if (!out || idx >= gbx_trace_global_count(instance)) return false;
    const gbx_global *const g = instance->globals[idx];
    wasm_value v = {g->value, g->high};
    if (g->type == WASM_FUNCREF && g->value) {
        v.low = (u64)((const gbx_func *)(uintptr_t)g->value)->func_idx + 1;
    } else if (wasm_is_ref(g->type)) {
        v.low = g->value != 0;
    }
    value_put(out, gbx_runtime_valtype_out(g->type), v.low, v.high);
    return true;
}

uint64_t
gbx_trace_hash(uint64_t seed, const void *data, size_t len)
{
    return data ? gbx_base_hash(seed, data, len) : seed;
}
