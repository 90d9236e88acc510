/* unstable/inspect.h. */
#include "api/api_int.h"
#include "explain/explain.h"

gbx_code
gbx_inspect_new(gbx_module *module, gbx_inspect **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(module, err);
    return gbx_explain_new(module, out, err);
}

void
gbx_inspect_release(gbx_inspect *inspect)
{
    gbx_explain_free(inspect);
}

uint32_t
gbx_inspect_func_count(const gbx_inspect *inspect)
{
    return inspect ? inspect->w->func_count : 0;
}

uint32_t
gbx_inspect_import_count(const gbx_inspect *inspect)
{
    return inspect ? inspect->w->imported_funcs : 0;
}

const char *
gbx_inspect_name(gbx_inspect *inspect, uint32_t func_idx)
{
    return inspect && func_idx < inspect->w->func_count ? gbx_explain_shown(inspect, func_idx) : "";
}

gbx_code
gbx_inspect_func(gbx_inspect *inspect, uint32_t func_idx, gbx_inspect_info *out, gbx_err *err)
{
    API_NEED(inspect, err);
    API_NEED(out, err);
    if (func_idx < inspect->w->imported_funcs || func_idx >= inspect->w->func_count) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "function %u has no body in the module",
                                (unsigned)func_idx);
    }
    return gbx_explain_func(inspect, func_idx, out, err);
}

bool
gbx_inspect_next(gbx_inspect *inspect, gbx_inspect_insn *out)
{
    return inspect && out && inspect->code && gbx_explain_next(inspect, out);
}

const gbx_inspect_fact *
gbx_inspect_facts(gbx_inspect *inspect, size_t *count)
{
    bool const ok = inspect && inspect->code && (inspect->facts || gbx_explain_facts(inspect));
    if (count) *count = ok ? inspect->fact_count : 0;
    return ok ? inspect->facts : NULL;
}

const gbx_inspect_line *
gbx_inspect_lines(gbx_inspect *inspect, size_t *count)
{
    bool const ok = inspect && inspect->code && (inspect->lines || gbx_explain_lines(inspect));
    if (count) *count = ok ? inspect->line_count : 0;
    return ok ? inspect->lines : NULL;
}

const gbx_inspect_mark *
gbx_inspect_marks(gbx_inspect *inspect, size_t *count)
{
    bool const ok = inspect && inspect->code && (inspect->marks || gbx_explain_marks(inspect));
    if (count) *count = ok ? inspect->mark_count : 0;
    return ok ? inspect->marks : NULL;
}
