/* unstable/audit.h. What of variables looks like a secret is a table of names and beginnings: it errs on the
 * side of saying too much, since all that follows is a name in a note. */
#include "explain/audit.h"

#include <strings.h>

#include "api/wasi_int.h"

gbx_code
gbx_audit_new(gbx_module *module, gbx_audit **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(module, err);
    return gbx_explain_audit_new(module, out, err);
}

void
gbx_audit_release(gbx_audit *audit)
{
    gbx_explain_audit_free(audit);
}

void
gbx_audit_get(const gbx_audit *audit, gbx_audit_info *out)
{
    if (audit && out) *out = audit->info;
}

bool
gbx_audit_setting_at(const gbx_audit *audit, size_t idx, gbx_audit_setting *out)
{
    if (!audit || !out || idx >= audit->setting_count) return false;
    *out = audit->settings[idx];
    return true;
}

bool
gbx_audit_package_at(const gbx_audit *audit, size_t idx, gbx_audit_package *out)
{
    if (!audit || !out || idx >= audit->package_count) return false;
    *out = audit->packages[idx];
    return true;
}

bool
gbx_audit_has_func(const gbx_audit *audit, const char *name)
{
    return audit && name && gbx_explain_audit_has(audit, name);
}

/* ---- What a run used */

void
gbx_wasi_note_uses(gbx_wasi *wasi, bool notes)
{
    if (wasi) wasi->notes_uses = notes;
}

size_t
gbx_store_uses(const gbx_store *store, const gbx_use **out, bool *is_whole)
{
    if (out) *out = NULL;
    if (is_whole) *is_whole = false;
    api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    if (!l || !l->uses) return 0;
    u32 count;
    bool whole;
    const wasi_use *const uses = gbx_wasi_uses(l->ctx, &count, &whole);
    for (u32 i = 0; i < count; i++)
        l->uses[i] = (gbx_use){
                .path = uses[i].path, .changes = uses[i].changes, .refused = uses[i].refused};
    if (out) *out = l->uses;
    if (is_whole) *is_whole = whole;
    return count;
}

/* ---- Secrets */

typedef enum secret_kind {
    SECRET_NAME_ENDS,
    SECRET_NAME_HAS,
    SECRET_VALUE_BEGINS,
    SECRET_VALUE_HAS
} secret_kind;

static const struct {
    secret_kind kind;
    const char *text;
} audit_secrets[] = {
#define AUDIT_SECRET(kind, text) {SECRET_##kind, text},
#include "api/secrets.def"
#undef AUDIT_SECRET
};

/* "scheme://user:password@host", anywhere in the value. */
static bool
audit_has_password(const char *value)
{
    for (const char *at = strstr(value, "://"); at; at = strstr(at + 3, "://")) {
        size_t const user = strcspn(at + 3, ":/?# @");
        const char *const colon = at + 3 + user;
        size_t const word = *colon == ':' ? strcspn(colon + 1, "/?# @") : 0;
        if (word && colon[1 + word] == '@') return true;
    }
    return false;
}

static bool
audit_is_secret(const char *name, size_t name_len, const char *value)
{
    for (size_t i = 0; i < GBX_LEN(audit_secrets); i++) {
        const char *const text = audit_secrets[i].text;
        size_t const len = strlen(text);
        bool is_one = false;
        switch (audit_secrets[i].kind) {
        case SECRET_NAME_ENDS:
            is_one = name_len >= len && !strncasecmp(name + name_len - len, text, len);
            break;
        case SECRET_NAME_HAS:
            for (size_t k = 0; !is_one && k + len <= name_len; k++)
                is_one = !strncasecmp(name + k, text, len);
            break;
        case SECRET_VALUE_BEGINS: is_one = !strncmp(value, text, len); break;
        case SECRET_VALUE_HAS: is_one = strstr(value, text) != NULL; break;
        }
        if (is_one && *value) return true;
    }
    return audit_has_password(value);
}

size_t
gbx_wasi_secrets(const gbx_wasi *wasi, const char **names, size_t cap)
{
    size_t count = 0;
    for (u32 i = 0; wasi && i < wasi->env.len; i++) {
        char *const item = wasi->env.items[i];
        size_t const len = strcspn(item, "=");
        if (!audit_is_secret(item, len, item + len + (item[len] == '='))) continue;
        if (names && count < cap) names[count] = item;
        count++;
    }
    return count;
}
