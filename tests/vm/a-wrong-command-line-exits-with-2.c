/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Usage errors, and an address that other hosts can reach, are told from
 * failures by exit status 2; a peer that never comes is a failure. None of
 * them does anything to the guest.
 */
#include "tests/support/vm-expect.h"

typedef struct {
    const char *verb;
    const char *args[10];
    const char *text;
} Case;

static const Case cases[] = {
    {"", {NULL}, "a verb is missing"},
    {"sned", {NULL}, "no such verb: sned"},
    {"send", {NULL}, "--qmp PATH is missing"},
    {"send", {"--qmp", "/x", NULL}, "--listen ADDRESS is missing"},
    {"receive", {"--qmp", "/x", NULL}, "--connect ADDRESS is missing"},
    {"send",
     {"--qmp", "/x", "--listen", "127.0.0.1:9", "--streams", "65", NULL},
     "--streams takes a number from 1 to 64"},
    {"send",
     {"--qmp", "/x", "--listen", "127.0.0.1:9", "--streams", "two", NULL},
     "two"},
    {"send",
     {"--qmp", "/x", "--listen", "127.0.0.1:9", "--peer-timeout", "0", NULL},
     "--peer-timeout takes 1 to 86400 seconds"},
    {"receive", {"--wait", NULL}, "--wait"},
    {"send", {"--paused", NULL}, "--paused"},
    {"send", {"--tls-hostname", "x", NULL}, "--tls-hostname"},
    {"receive", {"--tls-peer", "x", NULL}, "--tls-peer"},
    {"send",
     {"--qmp", "/x", "--listen", "127.0.0.1:9", "--tls-creds", "/etc",
      "--tls-psk", "/y"},
     "exclude each other"},
    {"send",
     {"--qmp", "/x", "--listen", "127.0.0.1:9", "--tls-peer", "y", NULL},
     "--tls-peer needs --tls"},
    {"send",
     {"--resume", "--peer-timeout", "0", NULL},
     "--peer-timeout takes 1 to 86400 seconds"},
    {"send", {"--give-up", "--pid", "-5", NULL}, "--pid takes a process"},
    {"receive", {"--resume", "--give-up", NULL}, "exclude each other"},
    {"receive", {"--resume", "--detach", NULL}, "do not go with --resume"},
    {"receive", {"--resume", "--log", "/x", NULL}, "do not go with --resume"},
    {"check", {"--pid", "-5", NULL}, "--pid takes a process number"},
    {"collapse", {NULL}, "say which guest: --pid N, --qmp PATH or --domain"},
    {"collapse", {"--pid", "-5", NULL}, "--pid takes a process number"},
    {"collapse",
     {"--pid", "1", "--domain", "x", NULL},
     "--domain goes with neither --pid nor --qmp"},
    {"collapse",
     {"--qmp", "/x", "--domain", "x", NULL},
     "--domain goes with neither --pid nor --qmp"},
    {"collapse",
     {"--pid", "1", "--fast", "--duty", "5%", NULL},
     "--fast makes no pauses: it does not go with --duty"},
    {"collapse",
     {"--pid", "1", "--duty", "0%", NULL},
     "--duty takes a share of time"},
    {"collapse",
     {"--pid", "1", "--only", "some", NULL},
     "--only takes 'ram' or 'all'"},
    {"collapse",
     {"--pid", "1", "--log", "/x", NULL},
     "--log goes with --detach"},
    {"collapse",
     {"--pid", "1", "--max-time", "-1", NULL},
     "--max-time takes seconds"},
    {"collapse",
     {"--pid", "1", "--after-migration", NULL},
     "--after-migration needs --qmp PATH or --domain NAME"},
    {"status", {"too", "many", NULL}, "too"},
};

static void
test_usage(gconstpointer data)
{
    const Case *c = data;
    vm_expect_refusal(c->verb, c->args, 2, c->text);
}

static void
refuse_address(VmQemu *vm, const char *verb, const char *address,
               const char *text)
{
    bool send = g_str_equal(verb, "send");
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm),
                          send ? "--listen" : "--connect", address, NULL};
    vm_expect_refusal(verb, args, 2, text);
}

static void
test_addresses(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    static const char reachable[] = "can be reached by other hosts";
    refuse_address(pair->source, "send", "0.0.0.0:9", reachable);
    refuse_address(pair->source, "send", "[::]:9", reachable);
    refuse_address(pair->source, "send", "192.0.2.1:9", "--insecure");
    refuse_address(pair->destination, "receive", "192.0.2.1:9", reachable);
    refuse_address(pair->source, "send", "nonsense", "nonsense");
    refuse_address(pair->source, "send", "127.0.0.1:99999", "99999");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
}

static void
refuse_tls(VmQemu *vm, const char *address, const char *const *tls,
           const char *text)
{
    const char *args[12] = {"--qmp", vm_qemu_tool_socket(vm), "--connect",
                            address};
    for (int i = 0; tls[i]; i++) {
        args[4 + i] = tls[i];
    }
    vm_expect_refusal("receive", args, 2, text);
}

static void
test_tls(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *two[] = {"--tls-creds", "/etc", "--tls-psk", "/x", NULL};
    const char *none[] = {"--tls-hostname", "x", NULL};
    const char *named[] = {"--tls-psk", "/x", "--tls-hostname", "x", NULL};
    const char *nowhere[] = {"--tls-creds", "/nonexistent", NULL};
    const char *empty[] = {"--tls-creds", "/proc/self/fd", NULL};
    const char *no_keys[] = {"--tls-psk", "/nonexistent", NULL};
    refuse_tls(pair->destination, "192.0.2.1:9", two, "exclude each other");
    refuse_tls(pair->destination, "127.0.0.1:9", none,
               "--tls-hostname needs --tls");
    refuse_tls(pair->destination, "192.0.2.1:9", named,
               "does not go with --tls-psk");
    refuse_tls(pair->destination, "192.0.2.1:9", nowhere,
               "no directory /nonexistent");
    refuse_tls(pair->destination, "unix:/nonexistent", empty,
               "give --tls-hostname NAME");
    refuse_tls(pair->destination, "192.0.2.1:9", empty, "ca-cert.pem");
    refuse_tls(pair->destination, "192.0.2.1:9", no_keys, "/nonexistent");
    vm_expect_waiting(pair);
}

static void
test_nobody_comes(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *soon[] = {"--peer-timeout", "1", NULL};
    g_autoptr(VmTool) receive = vm_expect_receive(pair, soon);
    vm_expect_end(receive, 60000, 1,
                  "no source ('postlude send --listen') reached in 1.");
    /* Not waited for at its port, which it may leave before that is seen. */
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    const char *send[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                          "--listen", at, "--peer-timeout", "1", NULL};
    vm_expect_refusal("send", send, 1,
                      "gave up waiting for a destination ('postlude "
                      "receive')");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/usage/%zu-%s", i,
                                                cases[i].verb);
        g_test_add_data_func(path, &cases[i], test_usage);
    }
    g_test_add_func("/usage/addresses", test_addresses);
    g_test_add_func("/usage/tls", test_tls);
    g_test_add_func("/usage/nobody-comes", test_nobody_comes);
    return g_test_run();
}
