/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our element in a domain's metadata: see libvirt-metadata.h.
 */
#include "libvirt/libvirt-metadata.h"

#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-xml.h"

#define GUEST "guest"
#define RECEIVE "receive"
#define COLLAPSE "collapse"
#define TOKEN_DIGITS 32
#define ADDRESS_MAX_BYTES 300

void
libvirt_metadata_clear(LibvirtMetadata *metadata)
{
    g_free(metadata->address);
    g_free(metadata->token);
    g_free(metadata->tls_hostname);
    *metadata = (LibvirtMetadata){0};
}

static bool
is_in_our_namespace(const xmlNode *node)
{
    return node->ns && node->ns->href &&
           strcmp((const char *)node->ns->href, LIBVIRT_METADATA_URI) == 0;
}

/* virDomainGetMetadata() takes the namespace off what it hands out. */
static bool
is_ours_alone(const xmlNode *root)
{
    return is_in_our_namespace(root) ||
           (!root->ns && strcmp(libvirt_xml_name(root), GUEST) == 0);
}

/* libvirt keeps one <metadata> and never writes two. Of two we would read the
 * first, and what the second says would come into force as soon as the first is
 * taken out. *NODE may be NULL: there is none. */
static bool
find_metadata_node(const xmlNode *root, xmlNode **node, GError **error)
{
    *node = libvirt_xml_child(root, "metadata");
    for LIBVIRT_XML_EACH_CHILD (child, root) {
        if (!child->ns && child != *node &&
            strcmp(libvirt_xml_name(child), "metadata") == 0) {
            return error_set(error, ERROR_PROTOCOL,
                             "the domain has two elements <metadata>");
        }
    }
    return true;
}

/* Our element; *METADATA_NODE is what it stands in, or NULL. */
static bool
find_ours(xmlDoc *doc, xmlNode **ours, xmlNode **metadata_node,
          GError **error)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    *ours = *metadata_node = NULL;
    if (is_ours_alone(root)) {
        *ours = root;
    } else if (strcmp(libvirt_xml_name(root), "domain") != 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "this is no libvirt domain, but <%s>",
                         libvirt_xml_name(root));
    } else if (!find_metadata_node(root, metadata_node, error)) {
        return false;
    }
    if (*metadata_node) {
        for LIBVIRT_XML_EACH_CHILD (child, *metadata_node) {
            if (!is_in_our_namespace(child)) {
                continue;
            }
            if (*ours) {
                return error_set(error, ERROR_PROTOCOL,
                                 "there are two elements of %s in the "
                                 "domain's metadata",
                                 LIBVIRT_METADATA_URI);
            }
            *ours = child;
        }
    }
    return !*ours || strcmp(libvirt_xml_name(*ours), GUEST) == 0 ||
           error_set(error, ERROR_PROTOCOL,
                     "the domain's metadata has <%s> of %s where <" GUEST
                     "> is expected",
                     libvirt_xml_name(*ours), LIBVIRT_METADATA_URI);
}

static bool
take_bool(const char *name, const char *value, bool *into, GError **error)
{
    *into = strcmp(value, "yes") == 0;
    return *into || strcmp(value, "no") == 0 ||
           error_set(error, ERROR_PROTOCOL, "%s=\"%s\" is neither yes nor no",
                     name, value);
}

static bool
take_attribute(const char *element, const char *name, const char *value,
               LibvirtMetadata *metadata, GError **error)
{
    bool receive = strcmp(element, RECEIVE) == 0;
    if (receive && strcmp(name, "address") == 0) {
        metadata->address = g_strdup(value);
        return true;
    }
    if (receive && strcmp(name, "token") == 0) {
        metadata->token = g_ascii_strdown(value, -1);
        return true;
    }
    if (receive && strcmp(name, "insecure") == 0) {
        return take_bool(name, value, &metadata->insecure, error);
    }
    if (receive && strcmp(name, "tls") == 0) {
        return take_bool(name, value, &metadata->tls, error);
    }
    if (receive && strcmp(name, "tls-hostname") == 0) {
        metadata->tls_hostname = g_strdup(value);
        return true;
    }
    if (!receive && strcmp(name, "after-migration") == 0) {
        return take_bool(name, value, &metadata->collapse_after_migration,
                         error);
    }
    return error_set(error, ERROR_PROTOCOL,
                     "<%s> has an attribute '%s' that this version does not "
                     "know; install the same postlude on both hosts",
                     element, name);
}

static bool
take_element(xmlNode *node, LibvirtMetadata *metadata, GError **error)
{
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);
        const char *name = a->ns ? "(foreign)" : (const char *)a->name;
        bool ok = take_attribute(libvirt_xml_name(node), name,
                                 value ? (const char *)value : "", metadata,
                                 error);
        xmlFree(value);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool
is_token(const char *text)
{
    return strlen(text) == TOKEN_DIGITS &&
           strspn(text, "0123456789abcdef") == TOKEN_DIGITS;
}

/* It becomes an argument of a command; what it means is for that to say. */
static bool
is_word(const char *text)
{
    size_t bytes = strlen(text);
    for (const char *c = text; *c; c++) {
        if (!g_ascii_isgraph(*c)) {
            return false;
        }
    }
    return bytes > 0 && bytes <= ADDRESS_MAX_BYTES && *text != '-';
}

static bool
is_address(const char *text)
{
    return is_word(text) && strchr(text, ':');
}

/* NULL if it makes sense. */
static const char *
what_is_wrong(const LibvirtMetadata *metadata)
{
    if (!metadata->address) {
        return metadata->token || metadata->insecure || metadata->tls
                   ? "<" RECEIVE "> has no address"
                   : NULL;
    }
    if (!is_address(metadata->address)) {
        return "the sender's address is not HOST:PORT";
    }
    if (!metadata->token || !is_token(metadata->token)) {
        return "the token is not 32 hexadecimal digits";
    }
    if (metadata->tls_hostname &&
        (!metadata->tls || !is_word(metadata->tls_hostname))) {
        return "tls-hostname is no name, or without tls";
    }
    return metadata->insecure && metadata->tls
               ? "insecure and tls exclude each other"
               : NULL;
}

static bool
take_children(xmlNode *ours, LibvirtMetadata *metadata, GError **error)
{
    bool seen_receive = false, seen_collapse = false;
    for LIBVIRT_XML_EACH_CHILD (child, ours) {
        bool receive = strcmp(libvirt_xml_name(child), RECEIVE) == 0;
        bool collapse = strcmp(libvirt_xml_name(child), COLLAPSE) == 0;
        bool known = (!child->ns || is_in_our_namespace(child)) &&
                     (receive || collapse);
        if (!known || (receive ? seen_receive : seen_collapse)) {
            return error_set(error, ERROR_PROTOCOL,
                             "<%s> is %s; install the same postlude on both "
                             "hosts",
                             libvirt_xml_name(child),
                             known ? "there twice"
                                   : "not known to this version");
        }
        seen_receive = seen_receive || receive;
        seen_collapse = seen_collapse || collapse;
        if (!take_element(child, metadata, error)) {
            return false;
        }
    }
    if (seen_receive && !metadata->address) {
        return error_set(error, ERROR_PROTOCOL,
                         "<" RECEIVE "> has no address");
    }
    const char *wrong = what_is_wrong(metadata);
    return !wrong || error_set(error, ERROR_PROTOCOL, "%s", wrong);
}

static bool
metadata_decode(xmlDoc *doc, LibvirtMetadata *metadata, GError **error)
{
    xmlNode *ours, *node;
    *metadata = (LibvirtMetadata){0};
    if (!find_ours(doc, &ours, &node, error)) {
        return false;
    }
    if (ours && !take_children(ours, metadata, error)) {
        g_prefix_error(error, "metadata of %s: ", LIBVIRT_METADATA_URI);
        libvirt_metadata_clear(metadata);
        return false;
    }
    return true;
}

bool
libvirt_metadata_decode(const char *xml, LibvirtMetadata *metadata,
                        GError **error)
{
    *metadata = (LibvirtMetadata){0};
    g_autoptr(xmlDoc) doc = libvirt_xml_parse(xml, error);
    return doc && metadata_decode(doc, metadata, error);
}

static bool
is_empty(const LibvirtMetadata *metadata)
{
    return !metadata->address && !metadata->collapse_after_migration;
}

static void
metadata_set(xmlNode *node, const char *name, const char *value)
{
    xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

/* Without NAMESPACED it is as virDomainSetMetadata() wants it: libvirt declares
 * the namespace itself, and fails if that was done. */
static xmlNode *
make_element(const LibvirtMetadata *metadata, bool namespaced)
{
    xmlNode *ours = xmlNewNode(NULL, (const xmlChar *)GUEST);
    xmlNs *ns = NULL;
    if (namespaced) {
        ns = xmlNewNs(ours, (const xmlChar *)LIBVIRT_METADATA_URI,
                      (const xmlChar *)LIBVIRT_METADATA_KEY);
        xmlSetNs(ours, ns);
    }
    if (metadata->address) {
        xmlNode *node = xmlNewChild(ours, ns, (const xmlChar *)RECEIVE, NULL);
        metadata_set(node, "address", metadata->address);
        metadata_set(node, "token", metadata->token);
        if (metadata->insecure) {
            metadata_set(node, "insecure", "yes");
        }
        if (metadata->tls) {
            metadata_set(node, "tls", "yes");
        }
        if (metadata->tls_hostname) {
            metadata_set(node, "tls-hostname", metadata->tls_hostname);
        }
    }
    if (metadata->collapse_after_migration) {
        metadata_set(xmlNewChild(ours, ns, (const xmlChar *)COLLAPSE, NULL),
                     "after-migration", "yes");
    }
    return ours;
}

/* libvirt's schema takes its elements in any order; it writes metadata behind
 * the names, and so do we: <name> is there in every domain. */
static xmlNode *
make_metadata_node(xmlNode *root)
{
    xmlNode *node = xmlNewNode(NULL, (const xmlChar *)"metadata");
    xmlNode *behind = NULL;
    static const char *const names[] = {"name", "uuid", "genid", "title",
                                        "description"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        xmlNode *found = libvirt_xml_child(root, names[i]);
        behind = found ? found : behind;
    }
    if (behind) {
        xmlAddNextSibling(behind, node);
        xmlAddNextSibling(behind, xmlNewText((const xmlChar *)"\n  "));
    } else {
        xmlAddChild(root, node);
    }
    return node;
}

char *
libvirt_metadata_encode(const char *domain, const LibvirtMetadata *metadata,
                        GError **error)
{
    const char *wrong = what_is_wrong(metadata);
    if (wrong) {
        error_set(error, ERROR_USAGE, "%s", wrong);
        return NULL;
    }
    g_autoptr(xmlDoc) doc = libvirt_xml_parse(domain, error);
    xmlNode *ours, *node;
    if (!doc || !find_ours(doc, &ours, &node, error)) {
        return NULL;
    }
    xmlNode *root = xmlDocGetRootElement(doc);
    if (ours == root) {
        error_set(error, ERROR_USAGE, "this is no libvirt domain");
        return NULL;
    }
    if (ours) {
        libvirt_xml_remove(ours);
    }
    if (!is_empty(metadata)) {
        node = node ? node : make_metadata_node(root);
        libvirt_xml_append(node, make_element(metadata, true), 2);
    } else if (node && !libvirt_xml_next_element(node->children)) {
        libvirt_xml_remove(node);
    }
    return libvirt_xml_to_text(doc, root);
}

char *
libvirt_metadata_strip(const char *domain, GError **error)
{
    g_auto(LibvirtMetadata) now = {0};
    if (!libvirt_metadata_decode(domain, &now, error)) {
        return NULL;
    }
    LibvirtMetadata rest = {
        .collapse_after_migration = now.collapse_after_migration};
    return libvirt_metadata_encode(domain, &rest, error);
}

bool
libvirt_metadata_element(const LibvirtMetadata *metadata, char **element,
                         GError **error)
{
    const char *wrong = what_is_wrong(metadata);
    *element = NULL;
    if (wrong || is_empty(metadata)) {
        return !wrong || error_set(error, ERROR_USAGE, "%s", wrong);
    }
    g_autoptr(xmlDoc) doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlDocSetRootElement(doc, make_element(metadata, false));
    *element = libvirt_xml_to_text(doc, xmlDocGetRootElement(doc));
    return true;
}
