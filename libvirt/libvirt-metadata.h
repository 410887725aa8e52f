/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What Postlude has to say in a libvirt domain's <metadata>: the one place
 * that reaches the destination's hook together with the domain. Text in, text
 * out; nothing here calls libvirt. Strict and bounded, because the hook reads
 * it as root and must rather refuse than guess.
 *
 *   <metadata>
 *     <postlude:guest xmlns:postlude="https://postlude.org/libvirt/1">
 *       <postlude:receive address="HOST:PORT" token="32 hex digits"/>
 *       <postlude:collapse after-migration="yes"/>
 *     </postlude:guest>
 *   </metadata>
 *
 * One element around all, because libvirt keeps only the first one of each
 * namespace below <metadata> (virXMLNodeSanitizeNamespaces). Below it, an
 * element without a namespace counts as ours: "virsh metadata --set" writes
 * them so.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define LIBVIRT_METADATA_URI "https://postlude.org/libvirt/1"
#define LIBVIRT_METADATA_KEY "postlude" /* the prefix, libvirt's "key" */

typedef struct {
    char *address; /* where the sender listens; NULL: nothing is to be received */
    char *token;   /* with ADDRESS: 32 lower-case hex digits */
    bool insecure; /* plain TCP to an address that other hosts can reach */
    bool tls;      /* over TLS; not both */
    char *tls_hostname; /* the sender's in its certificate; NULL: the address's */
    bool collapse_after_migration;
} LibvirtMetadata;

void libvirt_metadata_clear(LibvirtMetadata *metadata);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtMetadata, libvirt_metadata_clear)

/* Reads XML, a <domain> or our element alone (as virDomainGetMetadata gives
 * it). All empty if there is nothing of ours in it. PROTOCOL if it is no XML,
 * or says something of ours that is not understood to the last attribute. */
bool libvirt_metadata_decode(const char *xml, LibvirtMetadata *metadata,
                             GError **error);

/* DOMAIN's XML with METADATA in the place of what was there of ours; nothing
 * else changes but white space and the kind of quotes. An empty METADATA takes
 * ours out, and a <metadata> that is then empty with it. Owned by the caller;
 * NULL with USAGE if METADATA makes no sense, PROTOCOL if DOMAIN does not. */
char *libvirt_metadata_encode(const char *domain,
                              const LibvirtMetadata *metadata, GError **error);

/* DOMAIN's XML without what only one migration needed (receive); what the
 * operator asked for (collapse) stays. Owned by the caller. */
char *libvirt_metadata_strip(const char *domain, GError **error);

/* Our element alone and without its namespace, for virDomainSetMetadata(), which
 * adds that; *ELEMENT is NULL if there is nothing to say, which is what that
 * call takes to remove it. */
bool libvirt_metadata_element(const LibvirtMetadata *metadata, char **element,
                              GError **error);
