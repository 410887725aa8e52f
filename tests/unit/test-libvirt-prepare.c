/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML before and after it is prepared: what is missing is put in,
 * all else stays, twice is once, and what can never work is refused.
 */
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-prepare.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define QEMU_NS "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define OBJECT                                                                \
    "memory-backend-file,id=plram,size=512M,share=on,align=2M,"               \
    "mem-path=/dev/shm"
#define ARG(text) "<qemu:arg value='" text "'/>"
#define MONITOR                                                               \
    ARG("-chardev") ARG("socket,id=q,path=/run/x.qmp,server=on,wait=off")     \
    ARG("-mon") ARG("chardev=q,mode=control")
#define RAM(object)                                                           \
    ARG("-object") ARG(object) ARG("-machine") ARG("memory-backend=plram")

/* As "virsh dumpxml --inactive" prints it, shortened; %s: inside of <domain>,
 * then of <devices>, then behind them. */
static const char form[] =
    "<domain " QEMU_NS " type='kvm'>\n"
    "  <name>web 1</name>\n"
    "  <uuid>" UUID "</uuid>\n"
    "  <metadata>\n"
    "    <nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/"
    "1.1'/>\n"
    "  </metadata>\n"
    "  <memory unit='KiB'>524288</memory>\n"
    "  <currentMemory unit='KiB'>262144</currentMemory>\n"
    "  <vcpu placement='static'>2</vcpu>\n%s"
    "  <os>\n"
    "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"
    "    <boot dev='hd'/>\n"
    "  </os>\n"
    "  <cpu mode='host-model' check='partial'/>\n"
    "  <devices>\n"
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
    "    <disk type='file' device='disk'>\n"
    "      <source file='/srv/&lt;a&amp;b&gt;.qcow2'/>\n"
    "      <target dev='vda' bus='virtio'/>\n"
    "    </disk>\n%s"
    "    <memballoon model='virtio'/>\n"
    "  </devices>%s\n"
    "</domain>";

static char *
domain(const char *inside, const char *devices, const char *behind)
{
    g_auto(GStrv) parts = g_strsplit(form, "%s", -1);
    return g_strconcat(parts[0], inside, parts[1], devices, parts[2], behind,
                       parts[3], NULL);
}

static char *
with_arguments(const char *arguments)
{
    g_autofree char *behind = g_strdup_printf(
        "\n  <qemu:commandline>%s</qemu:commandline>", arguments);
    return domain("", "", behind);
}

static void
assert_ready(const char *xml)
{
    g_auto(LibvirtPrepare) now = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(libvirt_prepare_look(xml, &now, &error));
    g_assert_cmpstr(now.ram_lack, ==, NULL);
    g_assert_nonnull(now.monitor);
    g_assert_true(libvirt_prepare_is_ready(&now));
}

static unsigned
occurrences(const char *text, const char *needle)
{
    unsigned n = 0;
    while ((text = strstr(text, needle))) {
        text += strlen(needle);
        n++;
    }
    return n;
}

/* Prepares XML; twice is once. Owned by the caller. */
static char *
prepared(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *once = libvirt_prepare_domain(xml, &error);
    g_assert_no_error(error);
    assert_ready(once);
    g_autofree char *twice = libvirt_prepare_domain(once, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(twice, ==, once);
    g_autofree char *lines = libvirt_prepare_lines(once, &error);
    g_assert_cmpstr(lines, ==, "");
    return once;
}

static void
test_ordinary(void)
{
    g_autofree char *xml = domain("", "", "");
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(xml, &now, NULL));
    g_assert_cmpstr(now.name, ==, "web 1");
    g_assert_cmpstr(now.monitor, ==, NULL);
    g_assert_nonnull(strstr(now.ram_lack, "libvirt's own object"));
    g_assert_false(libvirt_prepare_is_ready(&now));

    g_autofree char *done = prepared(xml);
    g_assert_nonnull(strstr(
        done, "value=\"memory-backend-file,id=postlude-ram,size=524288K,"
              "mem-path=/dev/shm,share=on,align=2M\""));
    g_assert_nonnull(strstr(done, "path=/var/lib/libvirt/qemu/postlude-" UUID
                                  ".qmp,"));
    /* All else as it was: what lies before the new element, letter for
     * letter but the kind of quotes. */
    g_autofree char *plain = g_strdelimit(g_strdup(done), "\"", '\'');
    const char *cut = strstr(plain, "\n  <qemu:commandline>");
    g_assert_nonnull(cut);
    g_assert_true(strncmp(plain, xml, (size_t)(cut - plain)) == 0);
    g_assert_cmpuint((size_t)(cut - plain), >=,
                     strlen(xml) - strlen("\n</domain>"));
}

/* Somebody else's arguments stay, in their order, before ours. */
static void
test_beside_others(void)
{
    g_autofree char *xml = with_arguments(
        ARG("-global") ARG("ICH9-LPC.noreboot=off") ARG("-s"));
    g_autofree char *done = prepared(xml);
    const char *foreign = strstr(done, "ICH9-LPC.noreboot=off");
    g_assert_nonnull(foreign);
    g_assert_true(foreign < strstr(done, "postlude-ram"));
    g_assert_nonnull(strstr(done, "\"-s\""));
    g_assert_cmpuint(occurrences(done, "<qemu:commandline>"), ==, 1);
}

/* The namespace is declared when nobody has done so yet. */
static void
test_without_namespace(void)
{
    g_autofree char *xml = domain("", "", "");
    g_auto(GStrv) parts = g_strsplit(xml, " " QEMU_NS, 2);
    g_autofree char *bare = g_strjoinv("", parts);
    g_autofree char *done = prepared(bare);
    g_assert_cmpuint(occurrences(done, "xmlns:qemu="), ==, 1);
}

static void
test_done_by_hand(void)
{
    g_autofree char *xml = with_arguments(RAM(OBJECT) MONITOR);
    assert_ready(xml);
    g_autofree char *done = libvirt_prepare_domain(xml, NULL);
    g_assert_cmpstr(done, ==, xml);

    /* Only the monitor is missing: only it is put in. */
    g_autofree char *half = with_arguments(RAM(OBJECT));
    g_autoptr(GError) error = NULL;
    g_autofree char *lines = libvirt_prepare_lines(half, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(lines, "postlude-monitor"));
    g_assert_null(strstr(lines, "postlude-ram"));
    g_autofree char *rest = prepared(half);
    g_assert_cmpuint(occurrences(rest, "memory-backend="), ==, 1);
}

static void
test_qmp_is_a_monitor(void)
{
    g_autofree char *xml = with_arguments(
        RAM(OBJECT) ARG("-qmp") ARG("unix:/run/y.qmp,server=on,wait=off"));
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(xml, &now, NULL));
    g_assert_cmpstr(now.monitor, ==, "/run/y.qmp");
}

/* <memory> was changed behind our back: our object follows, once. */
static void
test_memory_grew(void)
{
    g_autofree char *xml = domain("", "", "");
    g_autofree char *done = prepared(xml);
    g_autoptr(GString) grown = g_string_new(done);
    g_string_replace(grown, ">524288<", ">1048576<", 1);
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(grown->str, &now, NULL));
    g_assert_nonnull(strstr(now.ram_lack, "524288 KiB, but <memory> "
                                          "makes that 1048576 KiB"));
    g_autofree char *again = prepared(grown->str);
    g_assert_cmpuint(occurrences(again, "size=1048576K"), ==, 1);
    g_assert_cmpuint(occurrences(again, "postlude-ram,"), ==, 1);
    g_assert_cmpuint(occurrences(again, "memory-backend="), ==, 1);
}

/* TEXT in the place of what DOMAIN has of it, as a person pastes it. */
static char *
pasted(const char *xml, const char *lines)
{
    static const char end[] = "</qemu:commandline>";
    const char *element = strstr(lines, "\n\n  <qemu:commandline>") + 4;
    const char *old = strstr(xml, "<qemu:commandline>");
    const char *behind = old ? strstr(old, end) + strlen(end)
                             : strstr(xml, "\n</domain>");
    g_assert_cmpint(old != NULL, ==,
                    g_str_has_prefix(lines, "In the place of the whole"));
    g_assert_nonnull(strstr(lines, "(virsh edit web 1)"));
    const char *from = old ? old : behind;
    g_autofree char *before = g_strndup(xml, (gsize)(from - xml));
    return g_strconcat(before, element, behind, NULL);
}

static void
expect_pasted(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *lines = libvirt_prepare_lines(xml, &error);
    g_assert_no_error(error);
    g_autofree char *done = pasted(xml, lines);
    assert_ready(done);
    g_assert_cmpuint(occurrences(done, "<qemu:commandline>"), ==, 1);
    g_assert_cmpuint(occurrences(done, "-object"), ==, 1);
    g_assert_cmpuint(occurrences(done, "memory-backend="), ==, 1);
    g_assert_cmpuint(occurrences(done, "-chardev"), ==, 1);
    g_assert_cmpuint(occurrences(done, "-mon\""), ==, 1);
}

/* What is there already is in the lines: they go in its place, not beside. */
static void
test_lines(void)
{
    g_autofree char *nothing = domain("", "", "");
    g_autofree char *ram = with_arguments(RAM(OBJECT));
    g_autofree char *monitor = with_arguments(MONITOR ARG("-s"));
    g_autofree char *all = prepared(nothing);
    g_autoptr(GString) grown = g_string_new(all);
    g_string_replace(grown, ">524288<", ">1048576<", 1);
    expect_pasted(nothing);
    expect_pasted(ram);
    expect_pasted(monitor);
    expect_pasted(grown->str);
    g_autofree char *lines = libvirt_prepare_lines(monitor, NULL);
    g_assert_nonnull(strstr(lines, "\"-s\""));
}

typedef struct {
    const char *object, *lack;
} WrongRam;

static const WrongRam wrong_ram[] = {
    {"memory-backend-memfd,id=plram,size=512M,share=on", "memory-backend-memfd"},
    {"memory-backend-file,id=plram,size=512M,share=on,align=2M", "mem-path"},
    {"memory-backend-file,id=plram,size=512M,align=2M,mem-path=/dev/shm",
     "share=on"},
    {"memory-backend-file,id=plram,size=512M,align=4K,share=on,"
     "mem-path=/dev/shm", "align=2M"},
    {OBJECT ",prealloc=on", "prealloc"},
    {OBJECT ",size=1G", "its size is 1048576 KiB"}, /* the last one counts */
    {"memory-backend-file,id=other,size=512M", "no -object with id=plram"},
};

/* Somebody else's object is not touched, but said. */
static void
test_wrong_ram(gconstpointer data)
{
    const WrongRam *wrong = data;
    g_autofree char *arguments =
        g_strdup_printf(ARG("-object") ARG("%s") ARG("-machine")
                            ARG("q35,memory-backend=plram") MONITOR,
                        wrong->object);
    g_autofree char *xml = with_arguments(arguments);
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(xml, &now, NULL));
    g_assert_cmpstr(now.ram_id, ==, "plram");
    g_assert_nonnull(now.ram_lack);
    g_assert_nonnull(strstr(now.ram_lack, wrong->lack));
    g_autoptr(GError) error = NULL;
    g_assert_null(libvirt_prepare_domain(xml, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "by hand"));
}

typedef struct {
    const char *inside, *devices, *why;
} Refused;

static const Refused refused[] = {
    {"<memoryBacking><hugepages/></memoryBacking>", "", "hugetlbfs"},
    {"<memoryBacking><locked/></memoryBacking>", "", "locked"},
    {"<memoryBacking><allocation mode='immediate'/></memoryBacking>", "",
     "in advance"},
    {"<cpu><numa><cell id='0' cpus='0' memory='524288' unit='KiB'/></numa>"
     "</cpu>", "", "NUMA cells"},
    {"<numatune><memory mode='strict' nodeset='0'/></numatune>", "",
     "<numatune>"},
    {"<maxMemory slots='4' unit='GiB'>8</maxMemory>", "", "memory devices"},
    {"<launchSecurity type='sev'/>", "", "encrypted"},
    {"", "<hostdev mode='subsystem' type='pci' managed='yes'/>", "VFIO"},
    {"", "<interface type='hostdev'/>", "VFIO"},
    {"", "<interface type='vhostuser'/>", "vhost-user"},
    {"", "<filesystem type='mount'><driver type='virtiofs'/></filesystem>",
     "virtiofs"},
};

static void
test_refused(gconstpointer data)
{
    const Refused *it = data;
    g_autofree char *xml = domain(it->inside, it->devices, "");
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(xml, &now, NULL));
    g_assert_nonnull(now.obstacle);
    g_assert_false(libvirt_prepare_is_ready(&now));
    g_autoptr(GError) error = NULL;
    g_assert_null(libvirt_prepare_domain(xml, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "domain 'web 1' cannot be moved"));
    g_assert_nonnull(strstr(error->message, it->why));
    g_clear_error(&error);
    g_assert_null(libvirt_prepare_lines(xml, &error));
    g_assert_nonnull(error);
}

/* What looks like an obstacle and is none: a USB device of the host, shared
 * memory that nobody maps, a tap of the kernel. */
static void
test_not_refused(void)
{
    g_autofree char *xml = domain(
        "<memoryBacking><source type='memfd'/><access mode='shared'/>"
        "</memoryBacking>",
        "<hostdev mode='subsystem' type='usb'/><interface type='bridge'/>"
        "<filesystem type='mount'><driver type='path'/></filesystem>",
        "");
    g_autofree char *done = prepared(xml);
    g_assert_nonnull(strstr(done, "memfd"));
}

static void
test_no_domain(void)
{
    static const char *const texts[] = {
        "", "no xml", "<network><name>x</name></network>",
        "<!DOCTYPE d [<!ENTITY x 'y'>]><domain type='kvm'/>",
        "<domain type='kvm'/>"};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(libvirt_prepare_domain(texts[i], &error));
        g_assert_nonnull(error);
    }
}

/* The <uuid> goes into an argument and the <memory> is a size: what is neither
 * must not get there. */
static void
test_not_understood(void)
{
    static const struct {
        const char *from, *to;
    } edits[] = {
        {UUID, "1111,,,i,id=x-2222-3333"},
        {UUID, ""},
        {"<memory unit='KiB'>524288", "<memory unit='KXB'>524288"},
        {"<memory unit='KiB'>524288", "<memory unit='KiB'>-1"},
        {"<memory unit='KiB'>524288", "<memory unit='GiB'>18446744073709551615"},
        {"<memory unit='KiB'>524288", "<memory unit='KiB'>lots"},
    };
    g_autofree char *xml = domain("", "", "");
    for (unsigned i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = g_strsplit(xml, edits[i].from, 2);
        g_autofree char *bad = g_strjoinv(edits[i].to, parts);
        g_assert_cmpstr(bad, !=, xml);
        g_assert_null(libvirt_prepare_domain(bad, &error));
        g_assert_true(error_is(error, ERROR_PROTOCOL));
    }
}

/* libvirt starts QEMU with whole MiB, and so must we, or it does not start. */
static void
test_odd_memory(void)
{
    static const struct {
        const char *memory, *size;
    } odd[] = {
        {"<memory unit='b'>536870913", "size=525312K,"},
        {"<memory unit='GB'>4", "size=3906560K,"},
        {"<memory unit='KB'>4000000", "size=3906560K,"},
        {"<memory unit='KiB'>524289", "size=525312K,"},
        {"<memory unit='KiB'>525312", "size=525312K,"},
        {"<memory>1", "size=1024K,"},
    };
    g_autofree char *xml = domain("", "", "");
    g_auto(GStrv) parts = g_strsplit(xml, "<memory unit='KiB'>524288", 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autofree char *text = g_strjoinv(odd[i].memory, parts);
        g_autofree char *done = prepared(text);
        g_assert_nonnull(strstr(done, odd[i].size));
    }
}

/* The same goes for an object that somebody wrote by hand. */
static void
test_odd_memory_by_hand(void)
{
    g_autofree char *xml = with_arguments(
        RAM("memory-backend-file,id=plram,size=525312K,share=on,align=2M,"
            "mem-path=/dev/shm") MONITOR);
    g_autoptr(GString) odd = g_string_new(xml);
    g_string_replace(odd, ">524288<", ">524289<", 1);
    assert_ready(odd->str);
    g_string_replace(odd, "size=525312K", "size=524289K", 1);
    g_auto(LibvirtPrepare) now = {0};
    g_assert_true(libvirt_prepare_look(odd->str, &now, NULL));
    g_assert_nonnull(strstr(now.ram_lack, "524289 KiB, but <memory> makes "
                                          "that 525312 KiB"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/prepare/ordinary", test_ordinary);
    g_test_add_func("/prepare/beside-others", test_beside_others);
    g_test_add_func("/prepare/without-namespace", test_without_namespace);
    g_test_add_func("/prepare/done-by-hand", test_done_by_hand);
    g_test_add_func("/prepare/qmp-is-a-monitor", test_qmp_is_a_monitor);
    g_test_add_func("/prepare/memory-grew", test_memory_grew);
    g_test_add_func("/prepare/lines", test_lines);
    g_test_add_func("/prepare/not-refused", test_not_refused);
    g_test_add_func("/prepare/no-domain", test_no_domain);
    g_test_add_func("/prepare/not-understood", test_not_understood);
    g_test_add_func("/prepare/odd-memory", test_odd_memory);
    g_test_add_func("/prepare/odd-memory-by-hand", test_odd_memory_by_hand);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong_ram); i++) {
        g_autofree char *path = g_strdup_printf("/prepare/wrong-ram/%u", i);
        g_test_add_data_func(path, &wrong_ram[i], test_wrong_ram);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/prepare/refused/%u", i);
        g_test_add_data_func(path, &refused[i], test_refused);
    }
    return g_test_run();
}
