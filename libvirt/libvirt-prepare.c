/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a domain lacks, and putting it in: see libvirt-prepare.h.
 *
 * libvirt has no element for the alignment of a RAM file: its own <source
 * type='file'/> ends up at an address that is aligned to 4 KiB, where no huge
 * page is possible. So the RAM is an object of ours in <qemu:commandline>. Of
 * two "-machine memory-backend=" QEMU takes the last, which is ours; libvirt's
 * own RAM object stays behind unused and empty.
 */
#include "libvirt/libvirt-prepare.h"

#include <libxml/xpath.h>
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-arguments.h"

#define RAM_ID "postlude-ram"
#define MONITOR_ID "postlude-monitor"
#define EXTENT_BYTES (2u << 20)
#define MIB (UINT64_C(1) << 20)

/* Where QEMU may make sockets whoever it runs as; named by the UUID, which
 * survives renaming and needs no escaping. */
#define MONITOR_PATH "/var/lib/libvirt/qemu/postlude-%s.qmp"

typedef struct {
    const char *path, *why;
} Obstacle;

static const Obstacle obstacles[] = {
    {"/domain[not(@type='kvm' or @type='qemu')]", "it is no guest of QEMU"},
    {"/domain/os/type[. != 'hvm']", "it is no fully virtualized guest"},
    {"/domain/memoryBacking/hugepages",
     "its RAM is in hugetlbfs pages (<hugepages/>), whose page faults are "
     "for 2 MiB or more; take the element out: postlude makes ordinary "
     "memory huge"},
    {"/domain/memoryBacking/locked|"
     "/domain/memoryBacking/allocation[@mode='immediate']",
     "its RAM is locked or allocated in advance (<memoryBacking>), so no "
     "page fault would come on the destination; take <locked/> and "
     "<allocation mode='immediate'/> out"},
    {"/domain/cpu/numa/cell",
     "its RAM is divided into NUMA cells (<numa>), each with an object of "
     "libvirt's own; only guests with one RAM object can be moved"},
    {"/domain/numatune/memory|/domain/numatune/memnode",
     "its RAM is bound to nodes of the host (<numatune>), which a RAM object "
     "of our own would not follow"},
    {"/domain/maxMemory|/domain/devices/memory",
     "it has memory devices or slots for them (<maxMemory>, <memory> in "
     "<devices>)"},
    {"/domain/launchSecurity", "its memory is encrypted (<launchSecurity>)"},
    {"/domain/devices/hostdev[@type='pci' or @type='mdev']|"
     "/domain/devices/interface[@type='hostdev']",
     "a device of the host is passed through to it (VFIO), which accesses "
     "guest memory without triggering userfaultfd"},
    {"/domain/devices/interface[@type='vhostuser' or @type='vdpa']|"
     "/domain/devices/disk[@type='vhostuser' or @type='vhostvdpa']|"
     "/domain/devices/filesystem/driver[@type='virtiofs']",
     "another process maps its memory (vhost-user, virtiofs, vDPA), and "
     "postlude does not see that process's page faults"},
};

void
libvirt_prepare_clear(LibvirtPrepare *prepare)
{
    g_free(prepare->name);
    g_free(prepare->uuid);
    g_free(prepare->monitor);
    g_free(prepare->ram_id);
    g_free(prepare->ram_lack);
    g_free(prepare->obstacle);
    *prepare = (LibvirtPrepare){0};
}

static char *
child_text(const xmlNode *root, const char *name)
{
    const xmlNode *node = libvirt_xml_child(root, name);
    xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
    char *text = g_strdup((const char *)content);
    xmlFree(content);
    return text ? g_strstrip(text) : NULL;
}

static bool
has_any(xmlDoc *doc, const char *path)
{
    xmlXPathContext *context = xmlXPathNewContext(doc);
    xmlXPathObject *found =
        xmlXPathEvalExpression((const xmlChar *)path, context);
    bool any = found && !xmlXPathNodeSetIsEmpty(found->nodesetval);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return any;
}

static const char *
find_obstacle(xmlDoc *doc)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(obstacles); i++) {
        if (has_any(doc, obstacles[i].path)) {
            return obstacles[i].why;
        }
    }
    return NULL;
}

static uint64_t
whole_mib(const char *text, uint64_t unit)
{
    guint64 n, bytes;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &n, NULL) ||
        !g_uint64_checked_mul(&bytes, n, unit) ||
        !g_uint64_checked_add(&bytes, bytes, MIB - 1)) {
        return 0;
    }
    return bytes & ~(MIB - 1);
}

/* What QEMU gets as -m, which the size of the RAM object has to equal: libvirt
 * rounds its scaled integers up to whole KiB in the definition, and to whole MiB
 * when it starts an x86 guest (qemuDomainAlignMemorySizes). 0: not to be
 * understood. */
static uint64_t
memory_bytes(const xmlNode *root)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"b", 1}, {"bytes", 1}, {"KB", 1000}, {"k", 1 << 10},
        {"KiB", 1 << 10}, {"MB", 1000000}, {"M", 1 << 20}, {"MiB", 1 << 20},
        {"GB", 1000000000}, {"G", 1 << 30}, {"GiB", 1 << 30},
        {"TB", 1000000000000}, {"T", 1ull << 40}, {"TiB", 1ull << 40},
    };
    const xmlNode *node = libvirt_xml_child(root, "memory");
    g_autofree char *text = child_text(root, "memory");
    g_autofree char *unit = node ? libvirt_xml_attribute(node, "unit") : NULL;
    for (unsigned i = 0; text && i < G_N_ELEMENTS(units); i++) {
        if (strcmp(unit ? unit : "KiB", units[i].name) == 0) {
            return whole_mib(text, units[i].bytes);
        }
    }
    return 0;
}

static bool
is_on(const char *object, const char *key)
{
    g_autofree char *value = libvirt_arguments_property(object, key);
    return value && (strcmp(value, "on") == 0 || strcmp(value, "yes") == 0 ||
                     strcmp(value, "true") == 0 || strcmp(value, "y") == 0);
}

static uint64_t
size_property(const char *object, const char *key)
{
    g_autofree char *value = libvirt_arguments_property(object, key);
    return value ? libvirt_arguments_size(value) : 0;
}

/* What is wrong with the RAM object; NULL if nothing. */
static char *
find_lack(const char *object, uint64_t bytes)
{
    g_autofree char *kind = libvirt_arguments_property(object, "");
    g_autofree char *qom = libvirt_arguments_property(object, "qom-type");
    g_autofree char *path = libvirt_arguments_property(object, "mem-path");
    uint64_t align = size_property(object, "align");
    uint64_t size = size_property(object, "size");
    const char *what = kind ? kind : qom ? qom : "";
    if (strcmp(what, "memory-backend-file") != 0) {
        return g_strdup_printf("it is a '%s', not a memory-backend-file",
                               what);
    }
    if (!path) {
        return g_strdup("it has no mem-path=/dev/shm");
    }
    if (!is_on(object, "share")) {
        return g_strdup("share=on is missing");
    }
    if (align == 0 || align % EXTENT_BYTES != 0) {
        return g_strdup("align=2M is missing: no page of it can be huge");
    }
    if (is_on(object, "prealloc")) {
        return g_strdup("with prealloc=on all pages exist from the start, "
                        "so no page fault would come on the destination");
    }
    if (size != bytes) {
        return g_strdup_printf(
            "its size is %" G_GUINT64_FORMAT " KiB, but <memory> makes that %"
            G_GUINT64_FORMAT " KiB",
            size >> 10, bytes >> 10);
    }
    return NULL;
}

static void
look_at_ram(const xmlNode *root, LibvirtPrepare *prepare)
{
    const xmlNode *node = libvirt_arguments_find(root);
    g_autofree char *machine =
        libvirt_arguments_get(node, "-machine", "memory-backend", NULL);
    if (!machine) {
        prepare->ram_lack = g_strdup("it is libvirt's own object, which is "
                                     "not aligned to 2 MiB or not shared");
        return;
    }
    prepare->ram_id = libvirt_arguments_property(machine, "memory-backend");
    g_autofree char *object =
        libvirt_arguments_get(node, "-object", "id", prepare->ram_id);
    prepare->ram_lack = object ? find_lack(object, prepare->bytes)
                               : g_strdup_printf("there is no -object with "
                                                 "id=%s", prepare->ram_id);
}

/* "-mon chardev=X,mode=control" with a chardev that listens on a socket, or
 * "-qmp unix:PATH,...": as migrate-domain.c reads them at run time. */
static char *
find_monitor(const xmlNode *root)
{
    const xmlNode *node = libvirt_arguments_find(root);
    g_autofree char *mon =
        libvirt_arguments_get(node, "-mon", "mode", "control");
    g_autofree char *id =
        mon ? libvirt_arguments_property(mon, "chardev") : NULL;
    g_autofree char *chardev =
        id ? libvirt_arguments_get(node, "-chardev", "id", id) : NULL;
    g_autofree char *kind =
        chardev ? libvirt_arguments_property(chardev, "") : NULL;
    if (kind && strcmp(kind, "socket") == 0) {
        return libvirt_arguments_property(chardev, "path");
    }
    g_autofree char *qmp = libvirt_arguments_get(node, "-qmp", "", NULL);
    g_autofree char *where =
        qmp ? libvirt_arguments_property(qmp, "") : NULL;
    return where && g_str_has_prefix(where, "unix:")
               ? g_strdup(where + strlen("unix:"))
               : NULL;
}

static xmlDoc *
parse_domain(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = libvirt_xml_parse(xml, error);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (root && strcmp(libvirt_xml_name(root), "domain") != 0) {
        error_set(error, ERROR_PROTOCOL, "this is no libvirt domain, but <%s>",
                  libvirt_xml_name(root));
        return NULL;
    }
    return g_steal_pointer(&doc);
}

static void
prepare_look(xmlDoc *doc, LibvirtPrepare *prepare)
{
    const xmlNode *root = xmlDocGetRootElement(doc);
    prepare->name = child_text(root, "name");
    prepare->uuid = child_text(root, "uuid");
    prepare->bytes = memory_bytes(root);
    prepare->obstacle = g_strdup(find_obstacle(doc));
    prepare->monitor = find_monitor(root);
    look_at_ram(root, prepare);
}

bool
libvirt_prepare_look(const char *xml, LibvirtPrepare *prepare, GError **error)
{
    *prepare = (LibvirtPrepare){0};
    g_autoptr(xmlDoc) doc = parse_domain(xml, error);
    if (doc) {
        prepare_look(doc, prepare);
    }
    return doc != NULL;
}

bool
libvirt_prepare_is_ready(const LibvirtPrepare *prepare)
{
    return !prepare->obstacle && !prepare->ram_lack && prepare->monitor;
}

static bool
may_change(const LibvirtPrepare *prepare, GError **error)
{
    if (prepare->obstacle) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "domain '%s' cannot be moved: %s", prepare->name,
                         prepare->obstacle);
    }
    if (!prepare->uuid || !prepare->name) {
        return error_set(error, ERROR_PROTOCOL,
                         "the domain has no <name> or no <uuid>");
    }
    /* It becomes part of an argument, where a comma has a meaning. */
    if (!g_uuid_string_is_valid(prepare->uuid)) {
        return error_set(error, ERROR_PROTOCOL,
                         "the <uuid> of domain '%s' is no UUID: '%s'",
                         prepare->name, prepare->uuid);
    }
    if (prepare->ram_lack && prepare->bytes == 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "the <memory> of domain '%s' cannot be read",
                         prepare->name);
    }
    return !prepare->ram_lack || !prepare->ram_id ||
           strcmp(prepare->ram_id, RAM_ID) == 0 ||
           error_set(error, ERROR_UNSUPPORTED,
                     "domain '%s' has RAM of its own in <qemu:commandline>, "
                     "'%s', and %s; change that by hand",
                     prepare->name, prepare->ram_id, prepare->ram_lack);
}

static void
put_ram(xmlNode *root, uint64_t bytes)
{
    xmlNode *node = libvirt_arguments_find(root);
    libvirt_arguments_remove(node, "-object", "id", RAM_ID);
    libvirt_arguments_remove(node, "-machine", "memory-backend", RAM_ID);
    g_autofree char *object = g_strdup_printf(
        "memory-backend-file,id=" RAM_ID ",size=%" G_GUINT64_FORMAT
        "K,mem-path=/dev/shm,share=on,align=2M",
        bytes >> 10);
    libvirt_arguments_add(root, "-object", object);
    libvirt_arguments_add(root, "-machine", "memory-backend=" RAM_ID);
}

static void
put_monitor(xmlNode *root, const char *uuid)
{
    g_autofree char *chardev = g_strdup_printf(
        "socket,id=" MONITOR_ID ",path=" MONITOR_PATH ",server=on,wait=off",
        uuid);
    xmlNode *node = libvirt_arguments_find(root);
    libvirt_arguments_remove(node, "-chardev", "id", MONITOR_ID);
    libvirt_arguments_remove(node, "-mon", "chardev", MONITOR_ID);
    libvirt_arguments_add(root, "-chardev", chardev);
    libvirt_arguments_add(root, "-mon",
                          "chardev=" MONITOR_ID ",mode=control");
}

static void
prepare_put(xmlNode *root, const LibvirtPrepare *prepare)
{
    if (prepare->ram_lack) {
        put_ram(root, prepare->bytes);
    }
    if (!prepare->monitor) {
        put_monitor(root, prepare->uuid);
    }
}

char *
libvirt_prepare_domain(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = parse_domain(xml, error);
    g_auto(LibvirtPrepare) prepare = {0};
    if (!doc) {
        return NULL;
    }
    prepare_look(doc, &prepare);
    if (!may_change(&prepare, error)) {
        return NULL;
    }
    if (libvirt_prepare_is_ready(&prepare)) {
        return g_strdup(xml);
    }
    xmlNode *root = xmlDocGetRootElement(doc);
    prepare_put(root, &prepare);
    return libvirt_xml_to_text(doc, root);
}

/* A second <qemu:commandline> beside one that is there is lost, or makes two
 * objects of one name. */
static char *
say_where(const xmlNode *root, const char *name)
{
    return libvirt_arguments_find(root)
               ? g_strdup_printf("In the place of the whole <qemu:commandline> "
                                 "that is in the domain now\n(virsh edit %s):",
                                 name)
               : g_strdup_printf("Into the domain (virsh edit %s), whose first "
                                 "element must be <domain type='...'\n"
                                 "xmlns:qemu='" LIBVIRT_QEMU_URI "'>:",
                                 name);
}

char *
libvirt_prepare_lines(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = parse_domain(xml, error);
    g_auto(LibvirtPrepare) prepare = {0};
    if (!doc) {
        return NULL;
    }
    prepare_look(doc, &prepare);
    if (!may_change(&prepare, error)) {
        return NULL;
    }
    if (libvirt_prepare_is_ready(&prepare)) {
        return g_strdup("");
    }
    xmlNode *root = xmlDocGetRootElement(doc);
    g_autofree char *where = say_where(root, prepare.name);
    prepare_put(root, &prepare);
    g_autofree char *text =
        libvirt_xml_to_text(doc, libvirt_arguments_find(root));
    return g_strdup_printf("%s\n\n  %s\n", where, text);
}
