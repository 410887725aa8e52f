/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses from the command line. No name is ever asked of the network: the
 * resolver answers that there is none.
 */
#include <gio/gio.h>
#include <string.h>

#include "tests/fuzz/fuzz-check.h"
#include "wire/wire-address.h"

typedef GResolver Deaf;
typedef GResolverClass DeafClass;
GType deaf_get_type(void);
G_DEFINE_TYPE(Deaf, deaf, G_TYPE_RESOLVER)

static GList *
know_nobody(GResolver *resolver, const gchar *name,
            GResolverNameLookupFlags flags, GCancellable *cancellable,
            GError **error)
{
    g_set_error_literal(error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND,
                        "nobody of this name");
    return NULL;
}

static GList *
know_nobody_simply(GResolver *resolver, const gchar *name,
                   GCancellable *cancellable, GError **error)
{
    return know_nobody(resolver, name, 0, cancellable, error);
}

static void
deaf_class_init(DeafClass *class)
{
    class->lookup_by_name = know_nobody_simply;
    class->lookup_by_name_with_flags = know_nobody;
}

static void
deaf_init(Deaf *deaf)
{
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        g_autoptr(GResolver) deaf = g_object_new(deaf_get_type(), NULL);
        g_resolver_set_default(deaf);
        g_once_init_leave(&once, 1);
    }
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
