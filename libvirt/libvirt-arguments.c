/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The arguments that a domain gives to QEMU past libvirt: see
 * libvirt-arguments.h.
 */
#include "libvirt/libvirt-arguments.h"

#include <stdlib.h>
#include <string.h>

/* The part of TEXT up to the next single comma, unescaped; *REST is behind the
 * comma, or NULL. */
static char *
take_part(const char *text, const char **rest)
{
    GString *part = g_string_new(NULL);
    for (; *text; text++) {
        if (*text == ',') {
            if (text[1] != ',') {
                *rest = text + 1;
                return g_string_free(part, false);
            }
            text++;
        }
        g_string_append_c(part, *text);
    }
    *rest = NULL;
    return g_string_free(part, false);
}

char *
libvirt_arguments_property(const char *text, const char *key)
{
    char *found = NULL;
    size_t n = strlen(key);
    for (bool first = true; text; first = false) {
        g_autofree char *part = take_part(text, &text);
        if (first && !strchr(part, '=')) {
            if (n == 0) {
                return g_steal_pointer(&part);
            }
        } else if (n > 0 && strncmp(part, key, n) == 0 && part[n] == '=') {
            g_free(found); /* given twice, the last one counts */
            found = g_strdup(part + n + 1);
        }
    }
    return found;
}

uint64_t
libvirt_arguments_size(const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    if (!g_ascii_isdigit(*text)) {
        return 0;
    }
    uint64_t value = g_ascii_strtoull(text, &end, 0);
    const char *unit = *end ? strchr(units, g_ascii_toupper(*end)) : NULL;
    unsigned shift = unit ? (unsigned)(unit - units + 1) * 10 : 0;
    if (unit ? end[1] != '\0'
             : *end != '\0' && g_ascii_strcasecmp(end, "B") != 0) {
        return 0;
    }
    return value <= G_MAXUINT64 >> shift ? value << shift : 0;
}

static bool
is_qemu(const xmlNode *node, const char *name)
{
    return node->ns && node->ns->href &&
           strcmp((const char *)node->ns->href, LIBVIRT_QEMU_URI) == 0 &&
           strcmp(libvirt_xml_name(node), name) == 0;
}

xmlNode *
libvirt_arguments_find(const xmlNode *root)
{
    for LIBVIRT_XML_EACH_CHILD (child, root) {
        if (is_qemu(child, "commandline")) {
            return child;
        }
    }
    return NULL;
}

static xmlNode *
next_argument(xmlNode *node)
{
    do {
        node = libvirt_xml_next_element(node);
    } while (node && !is_qemu(node, "arg") && (node = node->next));
    return node;
}

/* QEMU takes "--option", too. */
static bool
is_option(const char *text, const char *option)
{
    return strcmp(text, option) == 0 ||
           (text[0] == '-' && strcmp(text + 1, option) == 0);
}

static bool
arguments_matches(const char *text, const char *key, const char *value)
{
    g_autofree char *found = libvirt_arguments_property(text, key);
    return found && (!value || strcmp(found, value) == 0);
}

/* The argument with the option, from NODE on; *VALUE_NODE is the one behind. */
static xmlNode *
find_pair(xmlNode *node, const char *option, const char *key,
          const char *value, xmlNode **value_node)
{
    for (node = next_argument(node); node;
         node = next_argument(node->next)) {
        g_autofree char *text = libvirt_xml_attribute(node, "value");
        *value_node = next_argument(node->next);
        if (!text || !*value_node || !is_option(text, option)) {
            continue;
        }
        g_autofree char *what = libvirt_xml_attribute(*value_node, "value");
        if (what && arguments_matches(what, key, value)) {
            return node;
        }
    }
    return NULL;
}

char *
libvirt_arguments_get(const xmlNode *node, const char *option,
                      const char *key, const char *value)
{
    char *found = NULL;
    xmlNode *value_node, *from = node ? node->children : NULL;
    while (from && find_pair(from, option, key, value, &value_node)) {
        g_free(found);
        found = libvirt_xml_attribute(value_node, "value");
        from = value_node->next;
    }
    return found;
}

static xmlNs *
qemu_namespace(xmlNode *root)
{
    const xmlChar *uri = (const xmlChar *)LIBVIRT_QEMU_URI;
    xmlNs *ns = xmlSearchNsByHref(root->doc, root, uri);
    return ns ? ns : xmlNewNs(root, uri, (const xmlChar *)"qemu");
}

static void
add_one(xmlNode *node, xmlNs *ns, const char *value)
{
    xmlNode *arg = xmlNewNode(ns, (const xmlChar *)"arg");
    xmlNewProp(arg, (const xmlChar *)"value", (const xmlChar *)value);
    libvirt_xml_append(node, arg, 2);
}

void
libvirt_arguments_add(xmlNode *root, const char *option, const char *value)
{
    xmlNs *ns = qemu_namespace(root);
    xmlNode *node = libvirt_arguments_find(root);
    if (!node) {
        node = xmlNewNode(ns, (const xmlChar *)"commandline");
        libvirt_xml_append(root, node, 1);
    }
    add_one(node, ns, option);
    add_one(node, ns, value);
}

void
libvirt_arguments_remove(xmlNode *node, const char *option, const char *key,
                         const char *value)
{
    xmlNode *value_node, *found;
    while (node && (found = find_pair(node->children, option, key, value,
                                      &value_node))) {
        libvirt_xml_remove(value_node);
        libvirt_xml_remove(found);
    }
}
