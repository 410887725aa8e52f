/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices that touch RAM without us are found wherever they are listed, and
 * "could not ask" is never taken for "there is none".
 */
#include "base/error.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/qmp-peer.h"

static const char *const prefixes[] = {"vfio-", "vhost-user-", NULL};

/* A walk of four lists and the network; each answer is a step. */
#define LIST(path, answer) \
    {QMP_PEER_HEAR, "{\"path\":\"" path "\"}"}, {QMP_PEER_ANSWER, answer}
#define TYPE "{\"name\": \"type\", \"type\": \"string\"}"
#define NIC "{\"name\": \"nic\", \"type\": \"child<virtio-net-pci>\"}"

static bool
find(const QmpPeerStep *steps, char **found, GError **error)
{
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), 20000, error);
    g_assert_nonnull(client);
    bool result = qmp_qemu_find_device(client, prefixes, found, error);
    qmp_client_close(client);
    qmp_peer_stop(peer);
    return result;
}

static void
test_a_device_with_an_id(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral",
             "[" TYPE ", " NIC ", {\"name\": \"gpu\", "
             "\"type\": \"child<vfio-pci>\"}]"),
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;
    g_assert_true(find(steps, &found, &error));
    g_assert_cmpstr(found, ==, "vfio-pci");
}

static void
test_a_network_back_end(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral", "[" TYPE ", " NIC "]"),
        LIST("/machine/peripheral-anon", "[]"),
        LIST("/machine/unattached", "[]"),
        LIST("/objects", "[]"),
        {QMP_PEER_HEAR, "{\"command-line\":\"info network\"}"},
        {QMP_PEER_ANSWER,
         "\"nic: index=0,type=nic,model=virtio-net-pci\\r\\n"
         " \\\\ net0: index=0,type=vhost-user,vhost-user0 to c\\r\\n\""},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;
    g_assert_true(find(steps, &found, &error));
    g_assert_cmpstr(found, ==, "vhost-user-netdev");
}

static void
test_none(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        /* A property or a link of such a type is not a device. */
        LIST("/machine/peripheral",
             "[{\"name\": \"x\", \"type\": \"vfio-pci\"},"
             " {\"name\": \"y\", \"type\": \"link<vfio-pci>\"}]"),
        LIST("/machine/peripheral-anon", "[" NIC "]"),
        LIST("/machine/unattached",
             "[{\"name\": \"z\", \"type\": \"child<my-vfio-pci>\"}]"),
        LIST("/objects", "[]"),
        {QMP_PEER_HEAR, "info network"},
        {QMP_PEER_ANSWER, "\"n: index=0,type=user,net=10.0.2.0\\r\\n\""},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;
    g_assert_false(find(steps, &found, &error));
    g_assert_no_error(error);
    g_assert_null(found);
}

static void
test_could_not_ask_is_an_error(void)
{
    static const QmpPeerStep refused[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral", "[" NIC "]"),
        {QMP_PEER_HEAR, "/machine/peripheral-anon"},
        {QMP_PEER_REFUSE, "DeviceNotFound", "Device not found"},
        {QMP_PEER_END},
    };
    static const QmpPeerStep gone[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral", "[]"),
        LIST("/machine/peripheral-anon", "[]"),
        LIST("/machine/unattached", "[]"),
        LIST("/objects", "[]"),
        {QMP_PEER_HEAR, "info network"},
        {QMP_PEER_CLOSE},
    };
    static const QmpPeerStep shapeless[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral", "{}"),
        {QMP_PEER_END},
    };
    static const QmpPeerStep textless[] = {
        {QMP_PEER_GREET},
        LIST("/machine/peripheral", "[]"),
        LIST("/machine/peripheral-anon", "[]"),
        LIST("/machine/unattached", "[]"),
        LIST("/objects", "[]"),
        {QMP_PEER_HEAR, "info network"},
        {QMP_PEER_ANSWER, "{}"},
        {QMP_PEER_END},
    };
    static const struct {
        const QmpPeerStep *steps;
        ErrorCode code;
    } cases[] = {{refused, ERROR_FAILED},
                 {gone, ERROR_VM_GONE},
                 {shapeless, ERROR_PROTOCOL},
                 {textless, ERROR_PROTOCOL}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        char *found = NULL;
        g_assert_false(find(cases[i].steps, &found, &error));
        g_assert_true(error_is(error, cases[i].code));
        g_assert_null(found);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/device/with-an-id", test_a_device_with_an_id);
    g_test_add_func("/qmp/device/network", test_a_network_back_end);
    g_test_add_func("/qmp/device/none", test_none);
    g_test_add_func("/qmp/device/could-not-ask",
                    test_could_not_ask_is_an_error);
    return g_test_run();
}
