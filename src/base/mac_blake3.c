/* The MAC of mac.h, by BLAKE3's C sources. The Makefile chooses between this file and mac_none.c. */
#include "base/mac.h"

#include <blake3.h>
#include <string.h>

_Static_assert(sizeof(mac_key) == BLAKE3_KEY_LEN && sizeof(mac_tag) == BLAKE3_OUT_LEN, "as BLAKE3 has them");

bool
gbx_base_mac_works(void)
{
    return true;
}

void
gbx_base_mac(const mac_key *key, const mac_part *parts, u32 count, mac_tag *out)
{
    blake3_hasher h;
    blake3_hasher_init_keyed(&h, key->bytes);
    for (u32 i = 0; i < count; i++)
        if (parts[i].len) blake3_hasher_update(&h, parts[i].data, parts[i].len);
    blake3_hasher_finalize(&h, out->bytes, sizeof out->bytes);
    explicit_bzero(&h.key, sizeof h.key);
}

void
gbx_base_mac_subkey(const mac_key *key, const char purpose[8], mac_key *out)
{
    mac_part const parts[] = {{purpose, 8}};
    mac_tag tag;
    gbx_base_mac(key, parts, GBX_LEN(parts), &tag);
    memcpy(out->bytes, tag.bytes, sizeof out->bytes);
}

bool
gbx_base_mac_equal(const mac_tag *a, const mac_tag *b)
{
    u8 differ = 0;
    for (size_t i = 0; i < sizeof a->bytes; i++) differ |= a->bytes[i] ^ b->bytes[i];
    return differ == 0;
}
