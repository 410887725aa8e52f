/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Linux guest with virtio-mem, whose files are in memory that was plugged, is
 * moved; while its memory is on the way more is plugged, and then most of it is
 * unplugged again. Its files are right all the time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-passage.h"

#define MIB 192
#define PAIRS 80 /* 160 MiB of files */
#define PATIENCE_MS 240000

/* The last "memory N" of the guest in VM, 0 if there was none. */
static int
guest_mib(VmQemu *vm)
{
    g_autofree char *text = vm_qemu_serial_text(vm);
    const char *last = g_strrstr(text, "memory ");
    return last && strchr(last, '\n') ? atoi(last + strlen("memory ")) : 0;
}

static void
request(VmQemu *vm, unsigned mib)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *arguments = g_strdup_printf(
        "{\"path\": \"/machine/peripheral/vmem0\", \"property\": "
        "\"requested-size\", \"value\": %" G_GUINT64_FORMAT "}",
        (uint64_t)mib << 20);
    vm_qemu_command(vm, "qom-set", arguments, &error);
    g_assert_no_error(error);
}

/* Until the guest has more than OVER and less than UNDER MiB. */
static void
wait_guest_mib(VmQemu *vm, int over, int under)
{
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    for (int mib = 0; mib <= over || mib >= under; mib = guest_mib(vm)) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(100000);
    }
}

static VmPair *
start(VmQemuVersion version, const char *directory)
{
    static const char *const extra[] = {
        "-m", "192M,slots=2,maxmem=2G", "-object",
        "memory-backend-file,id=v0,size=512M,mem-path=/dev/shm,share=on,"
        "align=2M",
        "-device", "virtio-mem-pci,id=vmem0,memdev=v0,requested-size=256M",
        NULL};
    static const char *const programs[] = {
        SOURCE_ROOT "/tests/guest/linux/init", NULL};
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {.version = version,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = MIB}},
                             .extra = extra};
    vm_linux_set(&options, PAIRS);
    vm_linux_set_programs(&options, directory, "plugged.init", programs,
                          &error);
    g_assert_no_error(error);
    g_autofree char *append = g_strconcat(
        options.append, " more=200 memhp_default_state=online_movable", NULL);
    options.append = g_intern_string(append);
    return vm_expect_linux_pair(&options, PATIENCE_MS);
}

static void
test_plugged(gconstpointer data)
{
    VmQemuVersion version = (VmQemuVersion)GPOINTER_TO_INT(data);
    g_autoptr(GError) error = NULL;
    g_auto(VmPassage) passage = {0};
    if (vm_qemu_skip(vm_linux_why_not(version))) {
        return;
    }
    g_autofree char *directory = vm_child_make_directory("plugged", &error);
    g_assert_no_error(error);
    VmPair *pair = start(version, directory);
    int before = guest_mib(pair->source);
    /* Next to nothing arrives but what the guest touches. */
    vm_passage_begin(&passage, pair, "throttle bulk to-destination 100000");
    request(pair->destination, 384);
    wait_guest_mib(pair->destination, before + 100, 10000);
    request(pair->destination, 192);
    wait_guest_mib(pair->destination, 0, before);
    vm_expect_ticks(pair->destination, 2);
    vm_passage_finish(&passage, PATIENCE_MS);
    /* Each pair is compared once. */
    for (int ticks = 0; ticks < PAIRS; ticks += 10) {
        vm_expect_ticks(pair->destination, 10);
    }
    vm_child_remove_directory(directory);
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/plugged/host", GINT_TO_POINTER(VM_QEMU_HOST),
                         test_plugged);
    g_test_add_data_func("/plugged/10", GINT_TO_POINTER(VM_QEMU_10),
                         test_plugged);
    return g_test_run();
}
