/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The XML from tests/libvirt/domain.xml, virsh, and libvirt's run-time files:
 * see libvirt-domain.h.
 */
#include "tests/support/libvirt-domain.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-look.h"

#define FILL_MS 120000
#define MOVE_MS 120000
#define LINUX_PAIRS 8

struct LibvirtDomain {
    LibvirtRig *rig;
    LibvirtDomainOptions options;
    char *serial;
};

static const char *
name_of(const LibvirtDomainOptions *options)
{
    return options->name ? options->name : "witness";
}

static unsigned
mib_of(const LibvirtDomainOptions *options)
{
    return options->mib ? options->mib : options->linux_guest ? 256 : 64;
}

static char *
serial_path(const LibvirtRig *rig, const LibvirtDomainOptions *options)
{
    g_autofree char *file = g_strdup_printf("%s.log", name_of(options));
    return libvirt_rig_file(rig, "shared", file);
}

/* Another name, another UUID; the same on both hosts, as it has to be. */
static char *
uuid_of(const char *name)
{
    guint hash = g_str_hash(name);
    return g_strdup_printf("%08x-5b0c-4d3e-9f1a-60737f6c7564", hash);
}

static char *
command_line(const LibvirtDomainOptions *options)
{
    g_autoptr(GString) s = g_string_new(NULL);
    if (!options->ordinary) {
        /* As postlude migrate --prepare writes it. */
        g_autofree char *uuid = uuid_of(name_of(options));
        g_string_append_printf(
            s,
            "<qemu:arg value='-object'/>"
            "<qemu:arg value='memory-backend-file,id=postlude-ram,"
            "size=%uM,share=on,align=2M,mem-path=/dev/shm'/>"
            "<qemu:arg value='-machine'/>"
            "<qemu:arg value='memory-backend=postlude-ram'/>"
            "<qemu:arg value='-chardev'/>"
            "<qemu:arg value='socket,id=postlude-monitor,"
            "path=/var/lib/libvirt/qemu/postlude-%s.qmp,server=on,wait=off'/>"
            "<qemu:arg value='-mon'/>"
            "<qemu:arg value='chardev=postlude-monitor,mode=control'/>",
            mib_of(options), uuid);
    }
    g_string_append(s, options->extra ? options->extra : "");
    return s->len == 0 ? g_strdup("")
                       : g_strdup_printf("<qemu:commandline>%s"
                                         "</qemu:commandline>", s->str);
}

static void
set_guest(const LibvirtDomainOptions *options, VmQemuOptions *guest)
{
    if (options->linux_guest) {
        vm_linux_set(guest, LINUX_PAIRS);
    } else {
        guest->kernel = vm_qemu_witness();
        guest->append = "mib=16 scan=1 stride=16 report=50 zero=10";
    }
    guest->append = options->append ? options->append : guest->append;
}

char *
libvirt_domain_xml(const LibvirtRig *rig, const LibvirtDomainOptions *options)
{
    VmQemuOptions guest = {0};
    set_guest(options, &guest);
    g_autofree char *serial = serial_path(rig, options);
    g_autofree char *uuid = uuid_of(name_of(options));
    g_autofree char *mib = g_strdup_printf("%u", mib_of(options));
    g_autofree char *arguments = command_line(options);
    g_autofree char *emulator = g_find_program_in_path("qemu-system-x86_64");
    g_autofree char *initrd =
        guest.initrd ? g_strdup_printf("<initrd>%s</initrd>", guest.initrd)
                     : g_strdup("");
    g_autofree char *metadata =
        options->metadata ? g_strdup_printf("<metadata>%s</metadata>",
                                            options->metadata)
                          : g_strdup("");
    const char *words[][2] = {
        {"@TYPE@", options->kvm ? "kvm" : "qemu"},
        {"@NAME@", name_of(options)},
        {"@UUID@", uuid},
        {"@METADATA@", metadata},
        {"@MIB@", mib},
        {"@KERNEL@", guest.kernel},
        {"@INITRD@", initrd},
        {"@APPEND@", guest.append},
        {"@EMULATOR@", emulator ? emulator : "qemu-system-x86_64"},
        {"@SERIAL@", serial},
        {"@COMMANDLINE@", arguments},
    };
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(LIBVIRT_DOMAIN_TEMPLATE, &text, NULL, &error)) {
        g_error("%s", error->message);
    }
    g_autoptr(GString) xml = g_string_new(text);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_string_replace(xml, words[i][0], words[i][1], 0);
    }
    return g_strdup(xml->str);
}

char *
libvirt_domain_serial(const LibvirtDomain *domain)
{
    char *text = NULL;
    return g_file_get_contents(domain->serial, &text, NULL, NULL)
               ? text
               : g_strdup("");
}

/* Where the trouble begins in TEXT, or a little before its end. */
static const char *
trouble(const char *text)
{
    static const char *const words[] = {"WRONG ", "FATAL ", "BUG: ",
                                        "Oops", "Kernel panic"};
    size_t n = strlen(text);
    const char *first = n > 400 ? text + n - 400 : text;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        const char *at = strstr(text, words[i]);
        first = at && at < first ? at : first;
    }
    return first;
}

/* Rounds of the whole memory that the guest has checked; -1 if a word was
 * wrong or the guest gave up, -2 if it has not filled its memory yet. */
static int64_t
rounds(const LibvirtDomain *domain)
{
    g_autofree char *text = libvirt_domain_serial(domain);
    if (domain->options.linux_guest) {
        int ticks = vm_linux_ticks(text);
        bool broken = strstr(text, "BUG: ") || strstr(text, "Oops");
        return ticks < 0 || broken ? -1
               : strstr(text, "guest ready") ? ticks / LINUX_PAIRS : -2;
    }
    g_autoptr(WitnessLog) log = witness_log_parse(text);
    const WitnessBeat *last = witness_log_last(log);
    if (log->wrong->len || log->fatal || (last && last->wrong)) {
        return -1;
    }
    return last ? (int64_t)last->scans : -2;
}

static bool
wait_for_rounds(LibvirtDomain *domain, int64_t wanted, int timeout_ms,
                GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        int64_t now = rounds(domain);
        if (now >= wanted) {
            return true;
        }
        if (now == -1 || fd_now_ns() > deadline) {
            g_autofree char *text = libvirt_domain_serial(domain);
            return error_set(error, now == -1 ? ERROR_FAILED : ERROR_RETRY,
                             "domain %s: %s; it printed: %.4000s",
                             name_of(&domain->options),
                             now == -1 ? "the guest's memory is not right"
                                       : "the guest does not go on in time",
                             trouble(text));
        }
        g_usleep(50000);
    }
}

LibvirtDomain *
libvirt_domain_start(LibvirtRig *rig, const char *host,
                     const LibvirtDomainOptions *options, GError **error)
{
    g_autoptr(LibvirtDomain) domain = g_new0(LibvirtDomain, 1);
    domain->rig = rig;
    domain->options = *options;
    domain->serial = serial_path(rig, options);
    g_autofree char *xml = libvirt_domain_xml(rig, options);
    g_autofree char *name = g_strdup_printf("%s.xml", name_of(options));
    g_autofree char *path = libvirt_rig_file(rig, "shared", name);
    const char *define[] = {"define", path, NULL};
    const char *start[] = {"start", name_of(options), NULL};
    if (!g_file_set_contents(path, xml, -1, error) ||
        !libvirt_rig_virsh(rig, host, define, NULL, error) ||
        !libvirt_rig_virsh(rig, host, start, NULL, error) ||
        !wait_for_rounds(domain, 0, FILL_MS, error)) {
        return NULL;
    }
    return g_steal_pointer(&domain);
}

void
libvirt_domain_free(LibvirtDomain *domain)
{
    if (domain) {
        g_free(domain->serial);
        g_free(domain);
    }
}

LibvirtRig *
libvirt_domain_rig(const LibvirtDomain *domain)
{
    return domain->rig;
}

const char *
libvirt_domain_name(const LibvirtDomain *domain)
{
    return name_of(&domain->options);
}

char *
libvirt_domain_state(const LibvirtDomain *domain, const char *host)
{
    const char *arguments[] = {"domstate", libvirt_domain_name(domain), NULL};
    char *state = NULL;
    return libvirt_rig_virsh(domain->rig, host, arguments, &state, NULL)
               ? g_strstrip(state)
               : NULL;
}

pid_t
libvirt_domain_pid(const LibvirtDomain *domain, const char *host)
{
    g_autofree char *name = g_strdup_printf("run/libvirt/qemu/%s.pid",
                                            libvirt_domain_name(domain));
    g_autofree char *path = libvirt_rig_file(domain->rig, host, name);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL) || atoi(text) <= 0) {
        return 0;
    }
    return libvirt_rig_pid(domain->rig, (pid_t)atoi(text));
}

static VmTool *
start_virsh_migrate(LibvirtDomain *domain, const char *from, bool live,
                    const char *const *flags, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *words[] = {"virsh", "-q", "migrate",
                           libvirt_domain_name(domain),
                           libvirt_rig_uri(libvirt_rig_other(from))};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(argv, (char *)words[i]);
    }
    if (live) {
        g_ptr_array_add(argv, (char *)"--live");
    }
    for (; flags && *flags; flags++) {
        g_ptr_array_add(argv, (char *)*flags);
    }
    g_ptr_array_add(argv, NULL);
    return libvirt_rig_start_on(domain->rig, from,
                                (const char *const *)argv->pdata, error);
}

VmTool *
libvirt_domain_start_migrate(LibvirtDomain *domain, const char *from,
                             const char *const *flags, GError **error)
{
    return start_virsh_migrate(domain, from, true, flags, error);
}

static bool
is_migrated(VmTool *tool, GError **error)
{
    int code = 0;
    if (!vm_tool_wait(tool, MOVE_MS, &code, error)) {
        return false;
    }
    g_autofree char *said = vm_tool_stderr(tool);
    return code == 0 || error_set(error, ERROR_FAILED,
                                  "virsh migrate ended with status %d: %s",
                                  code, said);
}

/* Live precopy of an emulated guest lost writes twice in hundreds of runs of
 * QEMU 7.2 on busy machines (a vCPU that is preempted between looking whether a
 * page is watched and writing to it would explain it). That is no business of
 * ours, and KVM's record of what was written has no such gap. */
bool
libvirt_domain_migrate(LibvirtDomain *domain, const char *from,
                       const char *const *flags, GError **error)
{
    g_autoptr(VmTool) tool = start_virsh_migrate(
        domain, from, domain->options.kvm, flags, error);
    return tool && is_migrated(tool, error);
}

/* That libvirt took the order to switch is the proof that it did: precopy of
 * so much memory through so narrow a line takes minutes. To look for the state
 * instead one would have to get one's turn in the second that postcopy takes. */
bool
libvirt_domain_migrate_postcopy(LibvirtDomain *domain, const char *from,
                                GError **error)
{
    const char *flags[] = {"--postcopy", "--bandwidth", "1",
                           "--postcopy-bandwidth", "64", NULL};
    const char *now[] = {"migrate-postcopy", libvirt_domain_name(domain),
                         NULL};
    g_autoptr(VmTool) tool =
        libvirt_domain_start_migrate(domain, from, flags, error);
    bool asked = false;
    while (tool && !asked && !vm_child_has_ended(vm_tool_child(tool), NULL)) {
        /* libvirt refuses it until the job has begun. */
        asked = libvirt_rig_virsh(domain->rig, from, now, NULL, NULL);
        g_usleep(5000);
    }
    return tool && is_migrated(tool, error) &&
           (asked || error_set(error, ERROR_STATE,
                              "domain %s was moved without postcopy",
                              libvirt_domain_name(domain)));
}

bool
libvirt_domain_wait_rounds(LibvirtDomain *domain, unsigned more,
                           int timeout_ms, GError **error)
{
    int64_t now = rounds(domain);
    /* The round that is under way has begun before. */
    return wait_for_rounds(domain, MAX(now, 0) + (int64_t)more + 1, timeout_ms,
                           error);
}

/* Beside RAM in a file libvirt leaves its own, unused and untouched. */
static GArray *
ram_of(const LibvirtDomain *domain, pid_t pid, GError **error)
{
    uint64_t bytes = (uint64_t)mib_of(&domain->options) << 20;
    g_autoptr(GArray) all = proc_maps_read(pid, true, error);
    if (!all) {
        return NULL;
    }
    for (guint i = all->len; i-- > 0;) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        if (m->end - m->start != bytes || !m->writable ||
            (m->inode == 0) != domain->options.ordinary) {
            g_array_remove_index(all, i);
        }
    }
    if (all->len != 1) {
        error_set(error, ERROR_STATE,
                  "QEMU %d of domain %s has %u mappings like its RAM, not 1",
                  pid, libvirt_domain_name(domain), all->len);
        return NULL;
    }
    return g_steal_pointer(&all);
}

bool
libvirt_domain_huge(const LibvirtDomain *domain, const char *host,
                    uint64_t *huge_bytes, uint64_t *rss_bytes, GError **error)
{
    pid_t pid = libvirt_domain_pid(domain, host);
    g_autoptr(GArray) ram = ram_of(domain, pid, error);
    if (ram) {
        vm_look_huge_of(ram, huge_bytes, rss_bytes);
    }
    return ram != NULL;
}

static bool
is_capability_off(const LibvirtDomain *domain, const char *host,
                  GError **error)
{
    const char *arguments[] = {
        "qemu-monitor-command", libvirt_domain_name(domain),
        "{\"execute\": \"query-migrate-capabilities\"}", NULL};
    g_autofree char *answer = NULL;
    if (!libvirt_rig_virsh(domain->rig, host, arguments, &answer, error)) {
        return false;
    }
    const char *at = strstr(answer, "\"x-ignore-shared\"");
    const char *start = at ? g_strrstr_len(answer, at - answer, "{") : NULL;
    const char *end = at ? strchr(at, '}') : NULL;
    g_autofree char *one = start && end ? g_strndup(start, end - start) : NULL;
    return (one && strstr(one, "false")) ||
           error_set(error, ERROR_STATE,
                     "x-ignore-shared is not off in domain %s on host %s: %s",
                     libvirt_domain_name(domain), host, one ? one : answer);
}

bool
libvirt_domain_is_clean(const LibvirtDomain *domain, const char *host,
                        GError **error)
{
    pid_t pid = libvirt_domain_pid(domain, host);
    g_autoptr(GArray) ram = ram_of(domain, pid, error);
    return ram && vm_look_is_released_of(ram, pid, error) &&
           vm_look_is_only_mapper_of(ram, pid, error) &&
           is_capability_off(domain, host, error);
}
