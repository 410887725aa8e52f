/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is refused, in words: each finding names the thing, and each that is
 * not fine the remedy.
 */
#include "migrate/check/migrate-check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/range.h"
#include "migrate/takeover/migrate-claim.h"
#include "tests/support/qmp-peer.h"

static const MigrateFinding *
at(GPtrArray *findings, guint i)
{
    g_assert_cmpuint(i, <, findings->len);
    const MigrateFinding *f = g_ptr_array_index(findings, i);
    g_test_message("%d %s; %s", f->level, f->what, f->remedy ? f->remedy : "");
    g_assert_cmpint(f->remedy == NULL, ==, f->level == MIGRATE_CHECK_OK);
    return f;
}

static void
assert_finding(GPtrArray *findings, guint i, MigrateCheckLevel level,
               const char *what, const char *remedy)
{
    const MigrateFinding *f = at(findings, i);
    g_assert_cmpint(f->level, ==, level);
    g_assert_nonnull(strstr(f->what, what));
    if (remedy) {
        g_assert_nonnull(strstr(f->remedy, remedy));
    }
}

static void
judged(void)
{
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    g_autoptr(GError) error = NULL;
    migrate_findings_add(findings, MIGRATE_CHECK_OK, "unused", "fine");
    g_assert_true(migrate_findings_judge(findings, &error));
    migrate_findings_add(findings, MIGRATE_CHECK_WARNING, "so what", "odd %d",
                         3);
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING, "odd 3; so what");
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING, "odd 3; so what");
    g_assert_true(migrate_findings_judge(findings, &error));
    migrate_findings_add(findings, MIGRATE_CHECK_MISSING, "buy it", "gone");
    migrate_findings_add(findings, MIGRATE_CHECK_MISSING, "x", "second");
    g_assert_false(migrate_findings_judge(findings, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_cmpstr(error->message, ==, "gone; buy it");
}

static void
files(void)
{
    autofd shared = memfd_create("ram", MFD_CLOEXEC);
    FILE *disk = tmpfile();
    struct stat st;
    g_assert_no_errno(ftruncate(shared, 4096));
    g_assert_no_errno(fstat(shared, &st));
    MigrateBlock block = {.name = (char *)"ram0", .file = shared,
                          .dev_major = major(st.st_dev),
                          .dev_minor = minor(st.st_dev), .inode = st.st_ino,
                          .hva = 0x7f0000001000};
    MigrateRam ram = {.blocks = &block, .n_blocks = 1};
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_ram(&ram, getpid(), findings);
    g_assert_cmpuint(findings->len, ==, 1);
    assert_finding(findings, 0, MIGRATE_CHECK_WARNING, "0x7f0000001000",
                   "align=2M");
    block.aligned = true;
    migrate_check_ram(&ram, getpid(), findings);
    assert_finding(findings, 1, MIGRATE_CHECK_OK, "on tmpfs", NULL);
    /* Where temporary files are on a tmpfs there is nothing to see here. */
    g_autoptr(GPtrArray) on_disk = migrate_findings_new();
    block.file = fileno(disk);
    migrate_check_ram(&ram, getpid(), on_disk);
    if (at(on_disk, 0)->level != MIGRATE_CHECK_OK) {
        assert_finding(on_disk, 0, MIGRATE_CHECK_MISSING, "not tmpfs",
                       "mem-path=/dev/shm");
    }
    fclose(disk);
}

/* Two memory backends that were given one file. */
static void
one_file_twice(void)
{
    autofd shared = memfd_create("ram", MFD_CLOEXEC);
    MigrateBlock two[2] = {
        {.name = (char *)"ram0", .file = shared, .inode = 7, .bytes = 8192,
         .aligned = true},
        {.name = (char *)"ram1", .file = shared, .inode = 7, .bytes = 8192,
         .file_offset = 4096, .aligned = true}};
    MigrateRam ram = {.blocks = two, .n_blocks = 2};
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_ram(&ram, getpid(), findings);
    g_assert_cmpuint(findings->len, ==, 3);
    assert_finding(findings, 1, MIGRATE_CHECK_MISSING,
                   "'ram0' and 'ram1' have the same memory", "a file for each");
    two[1].file_offset = 8192;
    g_autoptr(GPtrArray) apart = migrate_findings_new();
    migrate_check_ram(&ram, getpid(), apart);
    g_assert_cmpuint(apart->len, ==, 2);
}

/* Somebody else maps the same file: we are the stranger, PID 1 is "QEMU", and
 * so our own child is found. */
static void
strangers(void)
{
    autofd shared = memfd_create("ram", MFD_CLOEXEC);
    struct stat st;
    int to_child[2];
    char byte;
    g_assert_no_errno(ftruncate(shared, 4096));
    g_assert_no_errno(fstat(shared, &st));
    g_assert_no_errno(pipe(to_child));
    pid_t pid = fork();
    if (pid == 0) {
        void *view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, shared, 0);
        close(to_child[0]);
        bool told = write(to_child[1], "m", 1) == 1;
        while (told && view != MAP_FAILED) {
            pause();
        }
        _exit(1);
    }
    g_assert_cmpint(read(to_child[0], &byte, 1), ==, 1);
    MigrateBlock block = {.name = (char *)"ram0", .file = shared,
                          .dev_major = major(st.st_dev),
                          .dev_minor = minor(st.st_dev), .inode = st.st_ino,
                          .aligned = true};
    MigrateRam ram = {.blocks = &block, .n_blocks = 1};
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_ram(&ram, 1, findings);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(to_child[0]);
    close(to_child[1]);
    g_autofree char *who = g_strdup_printf("process %d (", (int)pid);
    assert_finding(findings, 0, MIGRATE_CHECK_MISSING, who, "virtiofsd");
}

#define ASK {QMP_PEER_HEAR, "\"query-migrate-capabilities\"", NULL}
#define IS(STATE)                                                             \
    {QMP_PEER_ANSWER,                                                         \
     "[{\"capability\":\"x-ignore-shared\",\"state\":" STATE "}]", NULL}

static GPtrArray *
check_left_on(const QmpPeerStep *steps)
{
    QmpPeer *peer = qmp_peer_start(steps);
    g_autoptr(QmpClient) client =
        qmp_client_open(qmp_peer_path(peer), 20000, NULL);
    GPtrArray *findings = migrate_findings_new();
    migrate_check_left_on(client, getpid(), findings);
    g_clear_pointer(&client, qmp_client_close);
    qmp_peer_stop(peer);
    return findings;
}

/* We are "QEMU". Switched on it is right as long as a helper is at work. */
static void
left_on(void)
{
    static const QmpPeerStep on[] = {
        {QMP_PEER_GREET}, ASK, IS("true"), {QMP_PEER_END}};
    static const QmpPeerStep off[] = {
        {QMP_PEER_GREET}, ASK, IS("false"), {QMP_PEER_END}};
    g_autoptr(GPtrArray) fine = check_left_on(off);
    g_assert_cmpuint(fine->len, ==, 0);
    g_autoptr(GPtrArray) found = check_left_on(on);
    assert_finding(found, 0, MIGRATE_CHECK_WARNING, "x-ignore-shared is on",
                   "--resume");
    g_autoptr(GError) error = NULL;
    uint64_t started;
    g_assert_true(proc_life_started(getpid(), &started, NULL));
    g_autoptr(MigrateClaim) claim =
        migrate_claim_take(getpid(), started, "send", &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) at_work = check_left_on(on);
    g_assert_cmpuint(at_work->len, ==, 0);
}

/* A device that brings shared memory of its own, with no backend to tell. */
static void
a_device_with_memory(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        {QMP_PEER_HEAR, "\"/machine/peripheral\"", NULL},
        {QMP_PEER_ANSWER,
         "[{\"name\": \"iv\", \"type\": \"child<ivshmem-doorbell>\"}]", NULL},
        {QMP_PEER_END}};
    QmpPeer *peer = qmp_peer_start(steps);
    g_autoptr(QmpClient) client =
        qmp_client_open(qmp_peer_path(peer), 20000, NULL);
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    migrate_check_devices(client, findings);
    assert_finding(findings, 0, MIGRATE_CHECK_MISSING,
                   "ivshmem-doorbell has memory", "unplug it");
    g_clear_pointer(&client, qmp_client_close);
    qmp_peer_stop(peer);
}

static void
this_host(void)
{
    g_autoptr(GPtrArray) source = migrate_findings_new();
    g_autoptr(GPtrArray) destination = migrate_findings_new();
    migrate_check_host(false, source);
    migrate_check_host(true, destination);
    g_assert_cmpuint(destination->len, >, source->len);
    for (guint i = 0; i < destination->len; i++) {
        at(destination, i);
    }
    g_autoptr(GPtrArray) nobody = migrate_findings_new();
    g_auto(MigrateChecked) checked = {0};
    migrate_check_guest("/nonexistent/qmp", 0, &checked, nobody);
    assert_finding(nobody, 0, MIGRATE_CHECK_MISSING, "/nonexistent/qmp",
                   "-qmp unix:PATH");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check/judged", judged);
    g_test_add_func("/check/files", files);
    g_test_add_func("/check/one-file-twice", one_file_twice);
    g_test_add_func("/check/strangers", strangers);
    g_test_add_func("/check/left-on", left_on);
    g_test_add_func("/check/device-with-memory", a_device_with_memory);
    g_test_add_func("/check/host", this_host);
    return g_test_run();
}
