/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole tool with certificates and with a pre-shared key: no word of the
 * witness is wrong, status says TLS, nothing but TLS goes over the wire, and
 * who cannot prove himself leaves the guest at home.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/tls-certs.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"
#include "tests/support/wire-peer.h"

#define KEY "qemu:00112233445566778899aabbccddeeff"

static TlsCerts *certs;

static const char *
directory(unsigned flaws)
{
    return tls_certs_directory(certs, "127.0.0.1", "receiver.example", flaws);
}

/* A move that waits at the switchover, to be asked how it stands. */
static void
expect_move(const char *const *send_args, const char *const *receive_args,
            const char *status)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(128);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, send_args);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, receive_args);
    vm_expect_says(send, "send SIGUSR1");
    vm_expect_status(send, status);
    vm_expect_status(receive, status);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_arrives(pair, send, receive);
}

static void
test_x509(void)
{
    const char *pki = directory(0);
    const char *send[] = {"--tls-creds", pki, "--tls-peer",
                          "receiver.example", "--wait", "--streams", "2",
                          NULL};
    const char *receive[] = {"--tls-creds", pki, NULL};
    expect_move(send, receive, "by TLS (x509)");
}

static void
test_psk(void)
{
    const char *file = tls_certs_file(certs, KEY);
    const char *send[] = {"--tls-psk", file, "--wait", NULL};
    const char *receive[] = {"--tls-psk", file, NULL};
    expect_move(send, receive, "by TLS (psk)");
}

/* A kernel with paging, whose page cache is compared while it moves. */
static void
test_linux(void)
{
    if (vm_qemu_skip(vm_linux_why_not(VM_QEMU_HOST))) {
        return;
    }
    VmQemuOptions options = {.version = VM_QEMU_HOST,
                             .memory = {{.kind = VM_MEMORY_FILE, .mib = 384}}};
    vm_linux_set(&options, 16);
    VmQemuOptions incoming = options;
    incoming.incoming = true;
    const char *args[] = {"--tls-creds", directory(0), NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_pair_start_idle(&options, &incoming, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(pair->source, "tick 3 ok", 180000, &error);
    g_assert_no_error(error);
    vm_pair_migrate_with(pair, args, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    vm_expect_ticks(pair->destination, 20);
}

/* Both sides say what is wrong, and the guest stays. The sender turns the
 * wrong one away and goes on waiting, until it is stopped. */
static void
expect_refusal(const char *const *send_args, const char *const *receive_args,
               const char *send_says, const char *receive_says)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, send_args);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, receive_args);
    vm_expect_end(receive, 60000, 1, receive_says);
    vm_expect_says(send, send_says);
    vm_child_kill(vm_tool_child(send), SIGINT);
    vm_expect_end(send, 60000, 1, "stopped by a signal");
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
}

static void
test_strangers(void)
{
    const char *pki = directory(0), *other = directory(TLS_CERTS_OTHER_ISSUER);
    const char *send[] = {"--tls-creds", pki, NULL};
    const char *wants_other[] = {"--tls-creds", pki, "--tls-peer",
                                 "somebody.else", NULL};
    const char *stranger[] = {"--tls-creds", other, NULL};
    const char *right[] = {"--tls-creds", pki, NULL};
    const char *elsewhere[] = {"--tls-creds", pki, "--tls-hostname",
                               "another.example", NULL};
    expect_refusal(send, stranger, "issuer is unknown",
                   "refused our credentials");
    expect_refusal(send, NULL, "the caller speaks plain text",
                   "this side wants TLS");
    expect_refusal(NULL, right, "speaks plain text, the caller TLS",
                   "the other side speaks plain text");
    expect_refusal(wants_other, right, "not for 'somebody.else'",
                   "refused our credentials");
    expect_refusal(send, elsewhere, "refused our credentials",
                   "another than the one dialled");
}

/* Who has the session but no certificate, or a certificate but not the
 * session: neither comes in. Here, the first: a plain HELLO on a connection
 * of its own while the others are TLS. */
static void
test_plain_newcomer(void)
{
    const char *pki = directory(0);
    const char *send_args[] = {"--tls-creds", pki, NULL};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, send_args);
    autofd fd = wire_peer_dial(pair->port);
    wire_peer_say_hello(fd, WIRE_ROLE_CONTROL, WIRE_VERSION, NULL);
    g_assert_cmpint(wire_peer_hear_welcome(fd).status, ==, WIRE_STATUS_TLS);
    g_autoptr(GByteArray) why = wire_peer_hear_frame(fd, WIRE_FRAME_ABORT);
    g_autofree char *reason = wire_abort_decode(why);
    g_assert_nonnull(strstr(reason, "this side wants TLS"));
    g_autoptr(VmTool) receive = vm_expect_receive(pair, send_args);
    vm_expect_arrives(pair, send, receive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    certs = tls_certs_new();
    g_test_add_func("/by-tls/x509", test_x509);
    g_test_add_func("/by-tls/psk", test_psk);
    g_test_add_func("/by-tls/linux", test_linux);
    g_test_add_func("/by-tls/strangers", test_strangers);
    g_test_add_func("/by-tls/plain-newcomer", test_plain_newcomer);
    int status = g_test_run();
    tls_certs_free(certs);
    return status;
}
