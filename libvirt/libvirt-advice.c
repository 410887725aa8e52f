/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Advice on a domain: see libvirt-advice.h.
 */
#include "libvirt/libvirt-advice.h"

#include "libvirt/libvirt-guest.h"
#include "migrate/check/migrate-check.h"

#define REMEDY                                                                \
    "paste the XML below ('virsh edit'), or 'postlude migrate --prepare'; "   \
    "then shut the guest down and start it again"

static void
add_ram(const char *what, const LibvirtPrepare *has, GPtrArray *findings)
{
    if (has->ram_lack) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING, REMEDY,
                             "%s: guest RAM is not a shared, aligned file: %s",
                             what, has->ram_lack);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "%s: guest RAM is a shared, aligned file ('%s')",
                             what, has->ram_id);
    }
}

static void
add_monitor(const char *what, const LibvirtPrepare *has, GPtrArray *findings)
{
    if (has->monitor) {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "%s: a monitor beside libvirt's, at %s", what,
                             has->monitor);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING, REMEDY,
                             "%s: no monitor beside libvirt's, which takes one "
                             "client, and that is libvirt", what);
    }
}

static void
add_all(const char *what, const LibvirtPrepare *has, GPtrArray *findings)
{
    if (has->obstacle) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "such a domain cannot be moved; 'virsh migrate "
                             "--postcopy' and 'postlude collapse' may do",
                             "%s: %s", what, has->obstacle);
    } else {
        add_ram(what, has, findings);
        add_monitor(what, has, findings);
    }
}

static bool
look_at(virDomainPtr domain, unsigned flags, const char *what,
        LibvirtPrepare *has, GPtrArray *findings, char **lines,
        GError **error)
{
    g_autofree char *xml = libvirt_daemon_xml(domain, flags, error);
    if (!xml || !libvirt_prepare_look(xml, has, error)) {
        return false;
    }
    add_all(what, has, findings);
    /* What nothing can be pasted into has been said already. */
    *lines = libvirt_prepare_lines(xml, NULL);
    *lines = *lines ? *lines : g_strdup("");
    return true;
}

static bool
look_at_both(virDomainPtr domain, MigrateChecked *checked,
             GPtrArray *findings, char **lines, GError **error)
{
    g_auto(LibvirtPrepare) definition = {0}, running = {0};
    g_autofree char *ignored = NULL;
    bool runs = virDomainIsActive(domain) == 1;
    if (!look_at(domain, VIR_DOMAIN_XML_INACTIVE, "definition", &definition,
                 findings, lines, error) ||
        (runs && !look_at(domain, 0, "running", &running, findings, &ignored,
                          error))) {
        return false;
    }
    if (runs) {
        migrate_check_domain(virDomainGetName(domain), checked, findings);
    } else {
        checked->subject = MIGRATE_SUBJECT_DEFINITION;
        checked->name = g_strdup(virDomainGetName(domain));
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "the domain does not run: only its definition "
                             "was looked at");
    }
    return true;
}

bool
libvirt_advice_look(const char *domain, MigrateChecked *checked,
                    GPtrArray *findings, char **lines, GError **error)
{
    g_autoptr(virConnect) host = NULL;
    *lines = NULL;
    /* This host and no other: what is found here is found in its /proc. */
    if (!libvirt_daemon_init(error) ||
        !(host = libvirt_daemon_open(NULL, error))) {
        return false;
    }
    g_autoptr(virDomain) found = libvirt_daemon_find(host, domain, NULL);
    if (!found) {
        /* It says so better: it knows what to look for. */
        *lines = g_strdup("");
        migrate_check_domain(domain, checked, findings);
        return true;
    }
    return look_at_both(found, checked, findings, lines, error);
}

bool
libvirt_advice_prepare(const char *connect, const char *domain, char **text,
                       GError **error)
{
    g_autoptr(virConnect) host = NULL;
    g_autoptr(virDomain) found = NULL;
    return libvirt_daemon_init(error) &&
           (host = libvirt_daemon_open(connect, error)) &&
           (found = libvirt_daemon_find(host, domain, error)) &&
           libvirt_guest_prepare(found, text, error);
}
