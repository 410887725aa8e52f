/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses from the command line. No name is ever asked of the network: the
 * resolver answers that there is none.
 */
#include <glib.h>
#include <netdb.h>
#include <string.h>

#include "tests/fuzz/fuzz-check.h"
#include "wire/wire-address.h"

/* Instead of the C library's. */
int
getaddrinfo(const char *host, const char *service,
            const struct addrinfo *hints, struct addrinfo **all)
{
    return EAI_NONAME;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    GError *error = NULL;
    g_autoptr(WireAddress) address = wire_address_parse(text, &error);
    if (address) {
        g_assert_cmpstr(wire_address_text(address), ==, text);
        bool is_path = g_str_has_prefix(text, "unix:/");
        /* Only a number can resolve here; a path means this host. */
        g_assert_true(!is_path || wire_address_is_local(address));
    }
    fuzz_end(address != NULL, error,
             FUZZ_MAY(ERROR_USAGE) | FUZZ_MAY(ERROR_PEER_GONE));
    return 0;
}
