/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML as a tree, read strictly and changed without disturbing what
 * stands beside: what the metadata and the preparing of a domain share. Text
 * in, text out; nothing here calls libvirt.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

#define LIBVIRT_XML_MAX_BYTES (4u << 20) /* of a domain's XML */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Never fetches anything, and takes no document type. PROTOCOL if XML is none
 * or too long; owned by the caller. */
xmlDoc *libvirt_xml_parse(const char *xml, GError **error);

const char *libvirt_xml_name(const xmlNode *node);

/* NODE itself or its next sibling that is an element; NULL at the end. */
xmlNode *libvirt_xml_next_element(xmlNode *node);

#define LIBVIRT_XML_EACH_CHILD(child, parent)                                 \
    (xmlNode *child = libvirt_xml_next_element((parent)->children); child;    \
     child = libvirt_xml_next_element(child->next))

/* The first child NAME without a namespace, or NULL. */
xmlNode *libvirt_xml_child(const xmlNode *parent, const char *name);

/* An attribute's value, or NULL; owned by the caller. */
char *libvirt_xml_attribute(const xmlNode *node, const char *name);

/* NODE becomes the last element of PARENT, on a line of its own that is
 * indented for DEPTH. */
void libvirt_xml_append(xmlNode *parent, xmlNode *node, unsigned depth);

/* Unlinks and frees NODE, and the white space in front, which was there for its
 * sake. */
void libvirt_xml_remove(xmlNode *node);

/* NODE as text; owned by the caller. */
char *libvirt_xml_to_text(xmlDoc *doc, xmlNode *node);
