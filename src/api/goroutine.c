/* goroutine.h. */
#include "gbx/goroutine.h"

#include "api/api_int.h"
#include "explain/gostack.h"

gbx_code
gbx_go_stacks_new(gbx_instance *instance, const gbx_trap *trap, gbx_go_stacks **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(instance, err);
    return gbx_explain_go_stacks(instance, trap, out, err);
}

size_t
gbx_go_stacks_count(const gbx_go_stacks *stacks)
{
    return stacks ? stacks->count : 0;
}

bool
gbx_go_stacks_get(const gbx_go_stacks *stacks, size_t i, gbx_goroutine *out)
{
    if (!stacks || !out || i >= stacks->count) return false;
    *out = stacks->all[i];
    return true;
}

const char *
gbx_go_stacks_text(const gbx_go_stacks *stacks)
{
    return stacks ? stacks->text : "";
}

void
gbx_go_stacks_release(gbx_go_stacks *stacks)
{
    gbx_explain_go_stacks_free(stacks);
}
