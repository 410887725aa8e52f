/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The <qemu:commandline> of a domain as QEMU would read it: which object is
 * the machine's RAM, which monitor is not libvirt's. Pure.
 */
#pragma once

#include <stdint.h>

#include "libvirt/libvirt-xml.h"

#define LIBVIRT_QEMU_URI "http://libvirt.org/schemas/domain/qemu/1.0"

/* The value of KEY in QEMU's "kind,key=value,..."; "" is the kind. A doubled
 * comma is one of the value. Owned; NULL if it is not there. */
char *libvirt_arguments_property(const char *text, const char *key);

/* QEMU's sizes: bytes, or with K, M, G or T behind. 0 if TEXT is none. */
uint64_t libvirt_arguments_size(const char *text);

/* The element, or NULL if the domain at ROOT has none. */
xmlNode *libvirt_arguments_find(const xmlNode *root);

/* The value of the LAST "OPTION ..." in NODE (may be NULL) of which KEY is
 * VALUE (NULL: any); QEMU takes the last, too. Owned, or NULL. */
char *libvirt_arguments_get(const xmlNode *node, const char *option,
                            const char *key, const char *value);

/* Appends "OPTION VALUE" to the domain at ROOT; makes the element if need be. */
void libvirt_arguments_add(xmlNode *root, const char *option,
                           const char *value);

/* Takes every "OPTION ..." whose KEY is VALUE out of NODE (may be NULL). */
void libvirt_arguments_remove(xmlNode *node, const char *option,
                              const char *key, const char *value);
