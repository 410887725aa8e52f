/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML as a tree: see libvirt-xml.h.
 */
#include "libvirt/libvirt-xml.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"

#define INDENT 2

/* Whoever declares a document type wants entities, and no domain has any. */
xmlDoc *
libvirt_xml_parse(const char *xml, GError **error)
{
    size_t bytes = strlen(xml);
    if (bytes > LIBVIRT_XML_MAX_BYTES) {
        error_set(error, ERROR_PROTOCOL,
                  "the domain's XML has %zu bytes, and more than %u are not "
                  "read",
                  bytes, LIBVIRT_XML_MAX_BYTES);
        return NULL;
    }
    xmlParserCtxt *context = xmlNewParserCtxt();
    g_autoptr(xmlDoc) doc = xmlCtxtReadMemory(
        context, xml, (int)bytes, NULL, NULL,
        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || !xmlDocGetRootElement(doc) || doc->intSubset) {
        const xmlError *why = xmlCtxtGetLastError(context);
        g_autofree char *text =
            g_strdup(why && why->message ? why->message : "not a domain");
        error_set(error, ERROR_PROTOCOL, "the domain's XML cannot be read: %s",
                  g_strstrip(text));
        g_clear_pointer(&doc, xmlFreeDoc);
    }
    xmlFreeParserCtxt(context);
    return g_steal_pointer(&doc);
}

const char *
libvirt_xml_name(const xmlNode *node)
{
    return (const char *)node->name;
}

xmlNode *
libvirt_xml_next_element(xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE) {
        node = node->next;
    }
    return node;
}

xmlNode *
libvirt_xml_child(const xmlNode *parent, const char *name)
{
    for LIBVIRT_XML_EACH_CHILD (child, parent) {
        if (!child->ns && strcmp(libvirt_xml_name(child), name) == 0) {
            return child;
        }
    }
    return NULL;
}

char *
libvirt_xml_attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = g_strdup((const char *)value);
    xmlFree(value);
    return copy;
}

static xmlNode *
line_break(unsigned depth)
{
    g_autofree char *text =
        g_strdup_printf("\n%*s", (int)(depth * INDENT), "");
    return xmlNewText((const xmlChar *)text);
}

/* libvirt_xml_remove()'s counterpart. */
void
libvirt_xml_append(xmlNode *parent, xmlNode *node, unsigned depth)
{
    xmlNode *last = NULL;
    for LIBVIRT_XML_EACH_CHILD (child, parent) {
        last = child;
    }
    if (last) {
        xmlAddNextSibling(last, node);
        xmlAddNextSibling(last, line_break(depth));
        return;
    }
    while (parent->children && xmlIsBlankNode(parent->children)) {
        xmlNode *old = parent->children;
        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    xmlAddChild(parent, line_break(depth));
    xmlAddChild(parent, node);
    xmlAddChild(parent, line_break(depth - 1));
}

void
libvirt_xml_remove(xmlNode *node)
{
    xmlNode *before = node->prev;
    if (before && xmlIsBlankNode(before)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

char *
libvirt_xml_to_text(xmlDoc *doc, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlNodeDump(buffer, doc, node, 0, 0);
    char *text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}
