/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libvirt's run-time files: see migrate-domain.h.
 */
#include "migrate/sweep/migrate-domain.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef struct {
    MigrateDomain *domain;
    char *option;     /* the <qemu:arg> before this one */
    GHashTable *paths; /* id of a socket chardev: its path */
    bool is_status;
} Parser;

void
migrate_domain_clear(MigrateDomain *domain)
{
    g_clear_pointer(&domain->monitor, g_free);
    g_clear_pointer(&domain->job, g_free);
}

static const char *
domain_attribute(const char **names, const char **values, const char *wanted)
{
    for (; *names; names++, values++) {
        if (strcmp(*names, wanted) == 0) {
            return *values;
        }
    }
    return NULL;
}

/* The value of KEY in "socket,id=a,path=/b"; owned, or NULL. */
static char *
domain_property(const char *text, const char *key)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    size_t n = strlen(key);
    for (char **part = parts; *part; part++) {
        if (strncmp(*part, key, n) == 0 && (*part)[n] == '=') {
            return g_strdup(*part + n + 1);
        }
    }
    return NULL;
}

static void
set_monitor(Parser *parser, const char *path)
{
    if (path && !parser->domain->monitor) {
        parser->domain->monitor = g_strdup(path);
    }
}

static void
take_argument(Parser *parser, const char *value)
{
    const char *option = parser->option ? parser->option : "";
    if (strcmp(option, "-qmp") == 0 && g_str_has_prefix(value, "unix:")) {
        g_auto(GStrv) parts = g_strsplit(value + strlen("unix:"), ",", 2);
        set_monitor(parser, parts[0]);
    } else if (strcmp(option, "-chardev") == 0 &&
               g_str_has_prefix(value, "socket,")) {
        char *id = domain_property(value, "id"),
             *path = domain_property(value, "path");
        if (id && path) {
            g_hash_table_replace(parser->paths, id, path);
        } else {
            g_free(id);
            g_free(path);
        }
    } else if (strcmp(option, "-mon") == 0 &&
               strstr(value, "mode=control")) {
        g_autofree char *id = domain_property(value, "chardev");
        set_monitor(parser,
                    id ? g_hash_table_lookup(parser->paths, id) : NULL);
    }
    g_free(parser->option);
    parser->option = g_strdup(value);
}

static void
start_element(GMarkupParseContext *context, const char *element,
              const char **names, const char **values, gpointer data,
              GError **error)
{
    Parser *parser = data;
    if (strcmp(element, "domstatus") == 0) {
        const char *pid = domain_attribute(names, values, "pid");
        parser->is_status = true;
        parser->domain->pid = pid ? atoi(pid) : 0;
    } else if (strcmp(element, "job") == 0) {
        const char *async = domain_attribute(names, values, "async");
        g_free(parser->domain->job);
        parser->domain->job = g_strdup(async ? async : "none");
    } else if (strcmp(element, "qemu:arg") == 0) {
        const char *value = domain_attribute(names, values, "value");
        if (value) {
            take_argument(parser, value);
        }
    }
}

bool
migrate_domain_parse(const char *xml, MigrateDomain *domain, GError **error)
{
    static const GMarkupParser callbacks = {.start_element = start_element};
    g_autoptr(GHashTable) paths =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Parser parser = {.domain = domain, .paths = paths};
    *domain = (MigrateDomain){0};
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&callbacks, 0, &parser, NULL);
    g_autoptr(GError) why = NULL;
    bool ok = g_markup_parse_context_parse(context, xml, -1, &why) &&
              g_markup_parse_context_end_parse(context, &why);
    g_free(parser.option);
    if (!ok || !parser.is_status || domain->pid <= 0) {
        migrate_domain_clear(domain);
        return error_set(error, ERROR_PROTOCOL,
                         "not a libvirt domain status: %s",
                         why ? why->message : "no <domstatus pid=...>");
    }
    if (!domain->job) {
        domain->job = g_strdup("none");
    }
    return true;
}

static char *
run_file(const char *name, const char *ending)
{
    const char *directory = g_getenv("POSTLUDE_LIBVIRT_RUN");
    return g_strdup_printf("%s/%s.%s",
                           directory ? directory : "/run/libvirt/qemu", name,
                           ending);
}

static bool
refuse_domain(const char *name, const char *path, const GError *why,
              GError **error)
{
    if (g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        return error_set(error, ERROR_VM_GONE,
                         "domain '%s' does not run on this host (there is no "
                         "%s); 'virsh list' shows those that do",
                         name, path);
    }
    return error_set(error, ERROR_FAILED,
                     "cannot look up domain '%s': %s (run as root)", name,
                     why->message);
}

bool
migrate_domain_read(const char *name, MigrateDomain *domain, GError **error)
{
    g_autofree char *xml_path = run_file(name, "xml");
    g_autofree char *pid_path = run_file(name, "pid");
    g_autofree char *xml = NULL, *pid = NULL;
    g_autoptr(GError) why = NULL;
    if (strchr(name, '/')) {
        return error_set(error, ERROR_VM_GONE,
                         "'%s' is not the name of a domain of libvirt", name);
    }
    if (!g_file_get_contents(pid_path, &pid, NULL, &why)) {
        return refuse_domain(name, pid_path, why, error);
    }
    if (!g_file_get_contents(xml_path, &xml, NULL, &why)) {
        return refuse_domain(name, xml_path, why, error);
    }
    if (!migrate_domain_parse(xml, domain, error)) {
        g_prefix_error(error, "%s: ", xml_path);
        return false;
    }
    /* Written by QEMU itself, and removed when it ends. */
    domain->pid = atoi(pid) > 0 ? atoi(pid) : domain->pid;
    return true;
}
