/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which device uses which memory backend, by the links in QEMU's object tree.
 */
#include <string.h>

#include "base/error.h"
#include "qmp/qmp-memdev.h"
#include "tests/support/qmp-peer.h"

static GArray *
query(const QmpPeerStep *steps, GError **error)
{
    QmpPeer *peer = qmp_peer_start(steps);
    QmpClient *client = qmp_client_open(qmp_peer_path(peer), 20000, error);
    g_assert_nonnull(client);
    GArray *memdevs = qmp_memdev_list(client, error);
    qmp_client_close(client);
    qmp_peer_stop(peer);
    return memdevs;
}

#define HEAR(TEXT) {QMP_PEER_HEAR, TEXT, NULL}
#define SAY(TEXT) {QMP_PEER_ANSWER, TEXT, NULL}

/* A DIMM with an id, an NVMe controller without one whose pmrdev is set and
 * another without, and a device that has none. */
static void
test_links_are_followed(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        HEAR("{\"path\":\"/machine/peripheral\"}"),
        SAY("[{\"name\": \"type\", \"type\": \"string\"},"
            " {\"name\": \"dimm0\", \"type\": \"child<pc-dimm>\"},"
            " {\"name\": \"nic\", \"type\": \"child<e1000>\"}]"),
        HEAR("{\"path\":\"/machine/peripheral/dimm0\"}"),
        SAY("[{\"name\": \"memdev\", \"type\": \"link<memory-backend>\"},"
            " {\"name\": \"legacy-memdev\", \"type\": \"str\"}]"),
        HEAR("\"property\":\"memdev\""),
        SAY("\"/objects/d0\""),
        HEAR("{\"path\":\"/machine/peripheral/nic\"}"),
        SAY("[{\"name\": \"parent_bus\", \"type\": \"link<bus>\"}]"),
        HEAR("{\"path\":\"/machine/peripheral-anon\"}"),
        SAY("[{\"name\": \"device[0]\", \"type\": \"child<nvme>\"},"
            " {\"name\": \"device[1]\", \"type\": \"child<nvme>\"}]"),
        HEAR("{\"path\":\"/machine/peripheral-anon/device[0]\"}"),
        SAY("[{\"name\": \"pmrdev\", \"type\": \"link<memory-backend>\"}]"),
        HEAR("\"pmrdev\""),
        SAY("\"/objects/pmr\""),
        HEAR("{\"path\":\"/machine/peripheral-anon/device[1]\"}"),
        SAY("[{\"name\": \"pmrdev\", \"type\": \"link<memory-backend>\"}]"),
        HEAR("\"pmrdev\""),
        SAY("\"\""),
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) memdevs = query(steps, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(memdevs->len, ==, 2);
    const QmpMemdev *dimm = qmp_memdev_find(memdevs, "d0");
    g_assert_cmpstr(dimm->type, ==, "pc-dimm");
    g_assert_cmpstr(dimm->id, ==, "dimm0");
    g_assert_cmpstr(dimm->path, ==, "/machine/peripheral/dimm0");
    const QmpMemdev *nvme = qmp_memdev_find(memdevs, "pmr");
    g_assert_cmpstr(nvme->type, ==, "nvme");
    g_assert_null(nvme->id);
    g_assert_null(qmp_memdev_find(memdevs, "ram0"));
}

static void
test_a_refusal_is_passed_on(void)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET},
        HEAR("{\"path\":\"/machine/peripheral\"}"),
        SAY("[{\"name\": \"dimm0\", \"type\": \"child<pc-dimm>\"}]"),
        HEAR("\"qom-list\""),
        {QMP_PEER_REFUSE, "DeviceNotFound", "it is gone"},
        {QMP_PEER_END},
    };
    g_autoptr(GError) error = NULL;
    g_assert_null(query(steps, &error));
    g_assert_nonnull(strstr(error->message, "/machine/peripheral/dimm0"));
    g_assert_nonnull(strstr(error->message, "it is gone"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/memdev/links", test_links_are_followed);
    g_test_add_func("/qmp/memdev/refusal", test_a_refusal_is_passed_on);
    return g_test_run();
}
