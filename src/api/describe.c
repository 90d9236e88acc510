/* wasi.h: what an instance that is linked with a linker can do, in JSON. */
#include "api/wasi_int.h"
#include "base/json.h"

static void
describe_bound(json *j, const char *key, u64 value)
{
    if (value == UINT64_MAX) gbx_base_json_null(j, key);
    else gbx_base_json_u64(j, key, value);
}

static void
describe_bounds(json *j, const runtime_limits *l)
{
    gbx_base_json_open(j, "bounds", '{');
    describe_bound(j, "timeout_ns", l->timeout_ns);
    describe_bound(j, "memory_bytes", l->memory_bytes);
    describe_bound(j, "stack_bytes", l->stack_bytes);
    describe_bound(j, "table_elems", l->table_elems);
    describe_bound(j, "output_bytes", l->output_bytes);
    describe_bound(j, "disk_bytes", l->disk_bytes);
    describe_bound(j, "fuel", l->fuel);
    gbx_base_json_close(j, '{');
}

static void
describe_definition(void *data, rd_name module, rd_name name, wasm_extern kind, const char *text,
                    bool is_host, runtime_told told)
{
    static const char *const kinds[] = {[WASM_EXTERN_FUNC] = "host function",
                                        [WASM_EXTERN_TABLE] = "table",
                                        [WASM_EXTERN_MEMORY] = "memory",
                                        [WASM_EXTERN_GLOBAL] = "global",
                                        [WASM_EXTERN_TAG] = "tag"};
    json *const j = data;
    gbx_base_json_open(j, NULL, '{');
    gbx_base_json_text(j, "module", module.text, module.len);
    gbx_base_json_text(j, "name", name.text, name.len);
    gbx_base_json_string(j, "kind", is_host ? kinds[kind] : "guest function");
    gbx_base_json_string(j, "type", text);
    gbx_base_json_string(j, "purpose", told.purpose);
    gbx_base_json_string(j, "touches", told.touches);
    gbx_base_json_close(j, '{');
}

gbx_code
gbx_wasi_describe(const gbx_linker *linker, char **text, gbx_err *err)
{
    API_NEED(text, err);
    *text = NULL;
    API_NEED(linker, err);
    const gbx_store *const store = gbx_runtime_linker_store(linker);
    if (!store)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "the store of this linker was released");
    json j = {0};
    const api_wasi_linked *const wasi = gbx_runtime_linker_wasi(linker);
    gbx_base_json_open(&j, NULL, '{');
    gbx_base_json_open(&j, "store", '{');
    gbx_base_json_string(&j, "name", gbx_store_name(store));
    gbx_base_json_string(&j, "tenant", gbx_store_tenant(store));
    gbx_base_json_close(&j, '{');
    describe_bounds(&j, gbx_runtime_store_limits(store));
    if (wasi) {
        gbx_base_json_open(&j, "wasi", '{');
        gbx_wasi_ctx_describe(wasi->ctx, &j);
        gbx_base_json_close(&j, '{');
    } else {
        gbx_base_json_null(&j, "wasi");
    }
    gbx_base_json_open(&j, "imports", '[');
    gbx_code code = gbx_runtime_linker_each(linker, describe_definition, &j, err);
    gbx_base_json_close(&j, '[');
    gbx_base_json_close(&j, '{');
    *text = gbx_base_json_end(&j);
    if (code == GBX_OK && !*text)
        code = gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a description");
    if (code == GBX_OK) return code;
    gbx_text_free(*text);
    *text = NULL;
    return code;
}
