/* Names of stores and instances in what is said of them: errors and traps begin or end with "plugin X of
 * tenant Y". Without names nothing is said, and messages are as short as they are.
 *
 * Names are the host's, but a host may have them from its users: they are UTF-8, escaped when they are
 * shown, and cut where they would leave no room for what happened. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define NAMED_MOST_BYTES 128u
#define NAMED_SHOWN      48u /* bytes of a name in a message, before they are escaped */
#define NAMED_WHO_CAP    ((size_t)512)

static gbx_code
named_check(const char *name, const char *what, gbx_err *err)
{
    size_t const len = name ? strlen(name) : 0;
    if (!gbx_base_utf8_check((const u8 *)name, len))
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%s is not UTF-8", what);
    if (len <= NAMED_MOST_BYTES) return GBX_OK;
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%s has %zu bytes, at most %u", what, len,
                            NAMED_MOST_BYTES);
}

/* NULL: memory is short. */
static char *
named_copy(const char *name)
{
    size_t const bytes = strlen(name) + 1;
    char *const copy = gbx_base_alloc(bytes, 1);
    if (copy) memcpy(copy, name, bytes);
    return copy;
}

static void
named_add(text_buf *t, const char *what, const char *name)
{
    if (!name || !*name) return;
    if (t->len) gbx_base_text_printf(t, " of ");
    gbx_base_text_printf(t, "%s ", what);
    gbx_base_text_escape(t, name, strlen(name), NAMED_SHOWN);
}

/* All that is said of who it is; "" where nothing is known. */
static const char *
named_who(const gbx_store *s, const char *instance, char who[NAMED_WHO_CAP])
{
    text_buf t = gbx_base_text_init(who, NAMED_WHO_CAP);
    named_add(&t, "instance", instance);
    named_add(&t, "plugin", s->name);
    named_add(&t, "tenant", s->tenant_name);
    return who;
}

gbx_code
gbx_runtime_name_store(gbx_store *s, const char *name, const char *tenant, gbx_err *err)
{
    GBX_TRY(named_check(name, "name", err));
    GBX_TRY(named_check(tenant, "tenant", err));
    if (name) s->name = named_copy(name);
    if (tenant) s->tenant_name = named_copy(tenant);
    if ((!name || s->name) && (!tenant || s->tenant_name)) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the store's name");
}

gbx_code
gbx_runtime_name_instance(runtime_instance *i, const char *name, gbx_err *err)
{
    if (!name) return GBX_OK;
    GBX_TRY(named_check(name, "name", err));
    i->name = named_copy(name);
    if (i->name) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the instance's name");
}

const char *
gbx_runtime_store_name(const gbx_store *s)
{
    return s->name ? s->name : "";
}

const char *
gbx_runtime_store_tenant(const gbx_store *s)
{
    return s->tenant_name ? s->tenant_name : "";
}

gbx_code
gbx_runtime_name_err(const gbx_store *s, const char *instance, gbx_code code, gbx_err *err)
{
    char who[NAMED_WHO_CAP];
    if (code == GBX_OK || code == GBX_TRAPPED || !*named_who(s, instance, who)) return code;
    return gbx_base_err_add(err, code, "of %s", who);
}

void
gbx_runtime_name_trap(const gbx_store *s, const gbx_instance *inst, gbx_trap *trap)
{
    char who[NAMED_WHO_CAP], what[sizeof trap->message];
    if (!trap || trap->code == GBX_TRAP_NONE || trap->code == GBX_TRAP_EXIT) return;
    if (!*named_who(s, inst ? instance_of(inst)->name : NULL, who)) return;
    if (strncmp(trap->message, who, strlen(who)) == 0) return; /* of `_initialize`, run before the call */
    memcpy(what, trap->message, sizeof what);
    text_buf t = gbx_base_text_init(trap->message, sizeof trap->message);
    bool const is_verb = strncmp(what, "exceeded ", 9) == 0;
    gbx_base_text_printf(&t, "%s%s%s", who, is_verb ? " " : *what ? ": " : "", what);
}
