/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMUs as hosts really run them: as a user without any capability, in the
 * seccomp sandbox that libvirt sets, where plain userfaultfd() is refused
 * (vm.unprivileged_userfaultfd=0); under KVM by way of -runas, because nobody
 * may open /dev/kvm itself; and without the sandbox, as root.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/vm-expect.h"

#define NOBODY 65534

typedef struct {
    const char *name;
    VmQemuVersion version;
    bool kvm;
    uid_t uid;
    bool no_sandbox;
    const char *extra[3];
} Case;

static const Case cases[] = {
    {"nobody-sandboxed-tcg", VM_QEMU_HOST, false, NOBODY, false},
    /* elevateprivileges=deny would forbid the setuid() of -runas. */
    {"runas-nobody-kvm", VM_QEMU_HOST, true, 0, true,
     {"-runas", "nobody", NULL}},
    {"nobody-sandboxed-qemu10", VM_QEMU_10, false, NOBODY, false},
    {"root-without-sandbox", VM_QEMU_HOST, false, 0, true},
};

static char *
why_not(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/sys/vm/unprivileged_userfaultfd", &text,
                             NULL, NULL) ||
        atoi(text) != 0) {
        return g_strdup("vm.unprivileged_userfaultfd is not 0");
    }
    return NULL;
}

static void
test_moves(gconstpointer data)
{
    const Case *c = data;
    if (vm_qemu_skip(vm_qemu_why_not(c->version, c->kvm)) ||
        vm_qemu_skip(why_not())) {
        return;
    }
    VmQemuOptions options = vm_expect_options(64);
    options.version = c->version;
    options.kvm = c->kvm;
    options.uid = c->uid;
    options.gid = c->uid;
    options.no_sandbox = c->no_sandbox;
    options.extra = c->extra;
    if (c->kvm) {
        options.append = "mib=16 scan=1 stride=1024 report=50 slow=2000";
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/an-unprivileged-qemu/%s",
                                                cases[i].name);
        g_test_add_data_func(path, &cases[i], test_moves);
    }
    return g_test_run();
}
