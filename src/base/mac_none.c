/* In place of mac_blake3.c where BLAKE3's sources are not there. */
#include "base/mac.h"

bool
gbx_base_mac_works(void)
{
    return false;
}

void
gbx_base_mac(const mac_key *key, const mac_part *parts, u32 count, mac_tag *out)
{
    (void)key, (void)parts, (void)count, (void)out;
    GBX_UNREACHABLE("this build has no MAC");
}

void
gbx_base_mac_subkey(const mac_key *key, const char purpose[8], mac_key *out)
{
    (void)key, (void)purpose, (void)out;
    GBX_UNREACHABLE("this build has no MAC");
}

bool
gbx_base_mac_equal(const mac_tag *a, const mac_tag *b)
{
    (void)a, (void)b;
    return false;
}
