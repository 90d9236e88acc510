/* What cgo cannot say by itself: a callback of C that is a function of Go. */
#ifndef GBX_TEST_HOSTS_BRIDGE_H
#define GBX_TEST_HOSTS_BRIDGE_H

#include <gbx/gbx.h>

/* An instance of guest.wasm in a store of its own. */
typedef struct guest {
    gbx_store *store;
    gbx_instance *instance;
    gbx_trap trap;
    gbx_err err;
} guest;

/* `id` is handed to goBack with each call of env.back. */
gbx_code guest_open(guest *g, gbx_engine *engine, gbx_module *module, uint64_t timeout_ns, uintptr_t id);
void guest_close(guest *g);
/* Call an export with up to two i32; every export but "spin" and "gone" gives one. */
gbx_trap_code guest_call(guest *g, const char *name, int32_t a, int32_t b, int32_t *result);
/* A fault in C that is nobody's guest. */
void bridge_crash(void);

#endif
