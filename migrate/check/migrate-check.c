/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Findings about a host and a guest: see migrate-check.h. What cannot be safe
 * is refused here, before anything moves (docs/architecture.md, rule 8).
 */
#include "migrate/check/migrate-check.h"

#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/proc-life.h"
#include "base/proc-maps.h"
#include "base/range.h"
#include "migrate/check/migrate-blocks.h"
#include "migrate/check/migrate-run-state.h"
#include "migrate/sweep/migrate-domain.h"
#include "migrate/sweep/migrate-sweep.h"
#include "migrate/takeover/migrate-claim.h"
#include "uffd/uffd-fd.h"

static void
check_kernel(GPtrArray *findings)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    uname(&name);
    sscanf(name.release, "%u.%u", &major, &minor);
    bool collapses = major > 6 || (major == 6 && minor >= 1);
    migrate_findings_add(
        findings, collapses ? MIGRATE_CHECK_OK : MIGRATE_CHECK_WARNING,
        "without MADV_COLLAPSE on shared memory (Linux 6.1) the guest arrives "
        "with small pages; install a newer kernel",
        "kernel %s", name.release);
    migrate_findings_mark_small(findings);
    g_autoptr(GError) why = NULL;
    if (uffd_fd_probe(&why)) {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "userfaultfd with minor faults on shared memory");
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "run as root, on Linux 5.14 or newer",
                             "userfaultfd cannot be used: %s", why->message);
    }
}

static void
check_huge_pages(GPtrArray *findings)
{
    g_autofree char *shmem = NULL;
    if (!g_file_get_contents(
            "/sys/kernel/mm/transparent_hugepage/shmem_enabled", &shmem, NULL,
            NULL)) {
        migrate_findings_add(findings, MIGRATE_CHECK_WARNING,
                             "boot a kernel with transparent huge pages",
                             "this kernel has no huge pages for shared "
                             "memory: the guest arrives with small ones");
    } else if (strstr(shmem, "[deny]")) {
        migrate_findings_add(
            findings, MIGRATE_CHECK_WARNING,
            "write 'never' or 'advise' to "
            "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
            "huge pages for shared memory are denied on this host");
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "huge pages for shared memory");
    }
    migrate_findings_mark_small(findings);
}

void
migrate_check_host(bool destination, GPtrArray *findings)
{
    migrate_findings_add(findings,
                         geteuid() == 0 ? MIGRATE_CHECK_OK
                                        : MIGRATE_CHECK_WARNING,
                         "run as root if opening QEMU's memory is refused",
                         "running as user %d", (int)geteuid());
    if (destination) {
        check_kernel(findings);
        check_huge_pages(findings);
    }
}

void
migrate_check_devices(QmpClient *client, GPtrArray *findings)
{
    static const char *const prefixes[] = {"vfio-",       "vhost-user-",
                                           "vhost-vdpa-", "ivshmem-",
                                           "virtio-pmem", NULL};
    g_autofree char *found = NULL;
    g_autoptr(GError) why = NULL;
    bool any = qmp_qemu_find_device(client, prefixes, &found, &why);
    if (why) {
        migrate_findings_add(findings, MIGRATE_CHECK_WARNING,
                             "make sure by hand that there are no VFIO, "
                             "vhost-vdpa or vhost-user devices",
                             "QEMU's devices cannot be listed: %s",
                             why->message);
    } else if (any && !g_str_has_prefix(found, "vhost") &&
               !g_str_has_prefix(found, "vfio")) {
        migrate_findings_add(
            findings, MIGRATE_CHECK_MISSING,
            "unplug it before the migration",
            "device %s has memory that is not the guest's alone, and that no "
            "migration takes along",
            found);
    } else if (any) {
        migrate_findings_add(
            findings, MIGRATE_CHECK_MISSING,
            "unplug it before the migration, or migrate without postlude",
            "device %s accesses guest RAM without triggering userfaultfd "
            "(DMA, or another process)",
            found);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "no VFIO, vhost-vdpa or vhost-user device");
    }
}

void
migrate_check_capability(QmpClient *client, GPtrArray *findings)
{
    static const char *const needed[] = {"x-ignore-shared", "events",
                                         "return-path",
                                         "pause-before-switchover"};
    for (unsigned i = 0; i < G_N_ELEMENTS(needed); i++) {
        bool on;
        g_autoptr(GError) why = NULL;
        if (!qmp_qemu_get_capability(client, needed[i], &on, &why)) {
            migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                                 "use QEMU 7.2 or newer",
                                 "QEMU lacks the migration capability %s: %s",
                                 needed[i], why->message);
            return;
        }
    }
    migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                         "QEMU's migration capabilities");
}

/* Left on by a helper that was killed. QEMU says nothing of it, and libvirt does
 * not know it: it takes no part in what libvirt switches off. */
void
migrate_check_left_on(QmpClient *client, pid_t pid, GPtrArray *findings)
{
    bool on = false;
    uint64_t started;
    if (!qmp_qemu_get_capability(client, "x-ignore-shared", &on, NULL) ||
        !on || (proc_life_started(pid, &started, NULL) &&
                migrate_claim_is_held(pid, started, NULL))) {
        return;
    }
    migrate_findings_add(
        findings, MIGRATE_CHECK_WARNING,
        "if 'postlude status' shows a helper that was killed, take over with "
        "--resume; else switch it off by QMP: {\"execute\": "
        "\"migrate-set-capabilities\", \"arguments\": {\"capabilities\": "
        "[{\"capability\": \"x-ignore-shared\", \"state\": false}]}}",
        "QEMU's capability x-ignore-shared is on, and no helper is at work: "
        "what is saved or migrated now has no RAM in it (virsh save, "
        "managedsave, migrate), and the guest would be lost");
}

static void
check_file_system(const MigrateBlock *block, GPtrArray *findings)
{
    struct statfs fs;
    if (fstatfs(block->file, &fs) == 0 && fs.f_type == TMPFS_MAGIC) {
        return;
    }
    bool huge = fs.f_type == HUGETLBFS_MAGIC;
    migrate_findings_add(
        findings, MIGRATE_CHECK_MISSING,
        "put the file on a tmpfs: mem-path=/dev/shm (libvirt: "
        "memory_backing_dir in qemu.conf)",
        "RAM block '%s' lies on %s, where userfaultfd cannot %s", block->name,
        huge ? "hugetlbfs" : "a disk file system (not tmpfs)",
        huge ? "be used by this version of postlude" : "work at all");
}

static char *
describe_process(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)pid);
    g_autofree char *comm = NULL;
    if (!g_file_get_contents(path, &comm, NULL, NULL)) {
        return g_strdup_printf("process %d", (int)pid);
    }
    g_strchomp(comm);
    return g_strdup_printf("process %d (%s)", (int)pid, comm);
}

/* Another process would read holes as zeros, and leave zero pages behind in
 * the file: its faults are not ours to answer. The same check catches two
 * QEMUs on one host that were given the same file by name. */
static void
check_mappers(const MigrateBlock *block, pid_t pid, GPtrArray *findings)
{
    g_autoptr(GArray) others = proc_maps_find_mappers(
        block->dev_major, block->dev_minor, block->inode, pid);
    for (guint i = 0; i < others->len; i++) {
        pid_t other = g_array_index(others, pid_t, i);
        if (other == getpid()) {
            continue;
        }
        g_autofree char *who = describe_process(other);
        migrate_findings_add(
            findings, MIGRATE_CHECK_MISSING,
            "stop it, or unplug the device it serves (vhost-user, virtiofsd); "
            "two QEMUs on one host need two RAM files",
            "%s maps RAM block '%s' as well, and postlude does not see its "
            "page faults",
            who, block->name);
        return;
    }
}

/* Two memory backends were given the same file: what arrives for one block
 * would be written over the other. */
static void
check_overlap(const MigrateRam *ram, unsigned i, GPtrArray *findings)
{
    const MigrateBlock *a = &ram->blocks[i];
    for (unsigned j = 0; j < i; j++) {
        const MigrateBlock *b = &ram->blocks[j];
        if (a->inode == b->inode && a->dev_major == b->dev_major &&
            a->dev_minor == b->dev_minor &&
            a->file_offset < b->file_offset + b->bytes &&
            b->file_offset < a->file_offset + a->bytes) {
            migrate_findings_add(
                findings, MIGRATE_CHECK_MISSING,
                "restart the guest once with a file for each memory backend",
                "RAM blocks '%s' and '%s' have the same memory: both lie in "
                "one file",
                b->name, a->name);
        }
    }
}

static void
check_alignment(const MigrateBlock *block, GPtrArray *findings)
{
    if (block->aligned) {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "RAM block '%s' on tmpfs, mapped at a multiple "
                             "of 2 MiB",
                             block->name);
        return;
    }
    migrate_findings_add(
        findings, MIGRATE_CHECK_WARNING,
        "add align=2M to its -object memory-backend-file",
        "RAM block '%s' is mapped at 0x%" PRIx64 ", not a multiple of 2 MiB: "
        "the guest arrives with small pages",
        block->name, block->hva);
    migrate_findings_mark_small(findings);
}

void
migrate_check_ram(const MigrateRam *ram, pid_t pid, GPtrArray *findings)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        check_file_system(&ram->blocks[i], findings);
        check_overlap(ram, i, findings);
        check_mappers(&ram->blocks[i], pid, findings);
        check_alignment(&ram->blocks[i], findings);
    }
}

static void
check_process(pid_t pid, GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    if (attach_check(pid, &why)) {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "process %d can be attached to", (int)pid);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "see docs/attach.md",
                             "process %d cannot be attached to: %s", (int)pid,
                             why->message);
    }
}

static void
take_identity(QmpClient *client, MigrateChecked *checked)
{
    QmpIdentity identity = {0};
    if (qmp_qemu_identity(client, &identity, NULL)) {
        checked->name = g_strdup(identity.name);
        checked->uuid = g_strdup(identity.uuid);
    }
    qmp_identity_clear(&identity);
}

static void
check_through_monitor(QmpClient *client, pid_t pid, MigrateChecked *checked,
                      GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    take_identity(client, checked);
    migrate_run_state_check(client, checked, findings);
    if (pid > 0) {
        migrate_run_state_check_hands(client, pid, findings);
    }
    g_autoptr(GArray) blocks = qmp_qemu_ram_blocks(client, &why);
    migrate_check_capability(client, findings);
    migrate_check_left_on(client, pid, findings);
    migrate_check_devices(client, findings);
    guint before = findings->len;
    if (blocks) {
        migrate_blocks_check(client, blocks, pid, findings);
    }
    for (guint i = before; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        if (f->level == MIGRATE_CHECK_MISSING) {
            return; /* its mapping would only be missed a second time */
        }
    }
    g_autoptr(MigrateRam) ram =
        blocks ? migrate_ram_new(blocks, pid, false, &why) : NULL;
    if (ram) {
        migrate_check_ram(ram, pid, findings);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "see docs/architecture.md, what is refused",
                             "%s", why->message);
    }
}

static void
check_without_monitor(MigrateChecked *checked, GPtrArray *findings)
{
    checked->subject = MIGRATE_SUBJECT_UNSEEN;
    migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                         "name QEMU's monitor with --qmp PATH (a domain of "
                         "libvirt needs one of its own: 'postlude migrate "
                         "--prepare NAME', then start it anew)",
                         "the guest's RAM was not examined for a move: only "
                         "QEMU's monitor tells about it");
}

void
migrate_check_guest(const char *qmp_path, pid_t pid, MigrateChecked *checked,
                    GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    if (qmp_path) {
        checked->subject = MIGRATE_SUBJECT_GUEST;
    }
    g_autoptr(QmpClient) client =
        qmp_path ? qmp_client_open(qmp_path, 5000, &why) : NULL;
    if (qmp_path && !client) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "start QEMU with -qmp unix:PATH,server=on,wait=off",
                             "%s", why->message);
    }
    if (client && pid == 0) {
        pid = qmp_client_peer_pid(client);
    }
    checked->pid = MAX(pid, 0);
    if (pid > 0) {
        check_process(pid, findings);
    }
    if (client) {
        check_through_monitor(client, pid, checked, findings);
    } else if (!qmp_path && pid > 0) {
        check_without_monitor(checked, findings);
    }
    if (pid > 0) {
        migrate_sweep_check(client, pid, findings);
    }
}

void
migrate_check_domain(const char *name, MigrateChecked *checked,
                     GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    g_auto(MigrateDomain) domain = {0};
    checked->subject = MIGRATE_SUBJECT_GUEST;
    if (!migrate_domain_read(name, &domain, &why)) {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "name a domain that runs on this host", "%s",
                             why->message);
        return;
    }
    migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                         "domain '%s' is process %d, %s%s", name,
                         (int)domain.pid,
                         domain.monitor ? "with a monitor of its own, "
                                        : "without a monitor of its own",
                         domain.monitor ? domain.monitor : "");
    migrate_check_guest(domain.monitor, domain.pid, checked, findings);
    if (!checked->name) {
        checked->name = g_strdup(name);
    }
}
