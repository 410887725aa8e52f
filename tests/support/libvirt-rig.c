/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rig.sh run as a child: its end, whatever way this program ends, is the end
 * of the rig. See libvirt-rig.h.
 */
#include "tests/support/libvirt-rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define UP_MS 90000
#define DOWN_MS 20000
#define VIRSH_MS 60000

struct LibvirtRig {
    VmChild *child; /* unshare, the parent of the rig's first process */
    char *directory;
};

char *
libvirt_rig_why_not(void)
{
    static const char *const programs[] = {"libvirtd", "virsh", "ip",
                                           "nsenter", "unshare"};
    if (geteuid() != 0) {
        return g_strdup("two libvirt hosts need root (namespaces, mounts)");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_find_program_in_path(programs[i]);
        g_autofree char *sbin = g_strdup_printf("/usr/sbin/%s", programs[i]);
        if (!path && access(sbin, X_OK) < 0) {
            return g_strdup_printf("there is no %s (apt-get install "
                                   "libvirt-daemon libvirt-clients iproute2)",
                                   programs[i]);
        }
    }
    return NULL;
}

/* "" if there is none. */
static char *
read_file(const char *directory, const char *below, const char *name)
{
    g_autofree char *path = g_build_filename(directory, below, name, NULL);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

static bool
wait_ready(LibvirtRig *rig, GError **error)
{
    g_autofree char *ready = g_build_filename(rig->directory, "ready", NULL);
    uint64_t deadline = fd_deadline_ns(UP_MS);
    while (access(ready, F_OK) < 0) {
        bool ended = vm_child_has_ended(rig->child, NULL);
        if (ended || fd_now_ns() > deadline) {
            g_autofree char *log = read_file(rig->directory, "", "log");
            return error_set(error, ended ? ERROR_FAILED : ERROR_RETRY,
                             "the two libvirt hosts %s; the rig said: %s",
                             ended ? "did not come up"
                                   : "were not up in time", log);
        }
        g_usleep(20000);
    }
    return true;
}

LibvirtRig *
libvirt_rig_start(const LibvirtRigOptions *options, GError **error)
{
    static const LibvirtRigOptions plain;
    const LibvirtRigOptions *o = options ? options : &plain;
    g_autoptr(LibvirtRig) rig = g_new0(LibvirtRig, 1);
    rig->directory = vm_child_make_directory("libvirt-rig", error);
    if (!rig->directory) {
        return NULL;
    }
    g_autofree char *log = g_build_filename(rig->directory, "log", NULL);
    g_autofree char *tool = g_strdup_printf("POSTLUDE=%s", vm_tool_path());
    g_autofree char *user = g_strdup_printf("RIG_QEMU_USER=%s",
                                            o->qemu_user ? o->qemu_user : "");
    g_autofree char *without = g_strdup_printf(
        "RIG_WITHOUT_HOOK=%s", o->without_hook ? o->without_hook : "");
    const char *argv[] = {LIBVIRT_RIG_SCRIPT, "run", rig->directory, NULL};
    const char *environment[] = {tool, user, without,
                                 "POSTLUDE_BUILD=" LIBVIRT_RIG_BUILD, NULL};
    VmChildOptions child = {.argv = argv, .environment = environment,
                            .stdout_path = "/dev/null", .stderr_path = log};
    rig->child = vm_child_start(&child, error);
    return rig->child && wait_ready(rig, error) ? g_steal_pointer(&rig) : NULL;
}

static pid_t
first_process(const LibvirtRig *rig)
{
    g_autofree char *text = read_file(rig->directory, "", "pid");
    return (pid_t)atoi(text);
}

/* The first process and not its parent, whose end would not be that of the
 * others: when the first is reaped, they are gone and write nothing more. */
void
libvirt_rig_free(LibvirtRig *rig)
{
    if (!rig) {
        return;
    }
    pid_t first = rig->child ? first_process(rig) : 0;
    if (first > 0 && !vm_child_has_ended(rig->child, NULL)) {
        kill(first, SIGKILL);
        vm_child_wait(rig->child, DOWN_MS, NULL);
    }
    vm_child_free(rig->child);
    if (rig->directory) {
        vm_child_remove_tree(rig->directory);
    }
    g_free(rig->directory);
    g_free(rig);
}

VmChild *
libvirt_rig_child(LibvirtRig *rig)
{
    return rig->child;
}

const char *
libvirt_rig_other(const char *host)
{
    return strcmp(host, "a") == 0 ? "b" : "a";
}

const char *
libvirt_rig_uri(const char *host)
{
    return strcmp(host, "a") == 0 ? "qemu+tcp://host-a/system"
                                  : "qemu+tcp://host-b/system";
}

char *
libvirt_rig_file(const LibvirtRig *rig, const char *host, const char *name)
{
    return g_build_filename(rig->directory, host, name, NULL);
}

bool
libvirt_rig_set_hook(LibvirtRig *rig, const char *host, const char *script,
                     GError **error)
{
    g_autofree char *path = libvirt_rig_file(rig, host, "before");
    if (!script) {
        unlink(path);
        return true;
    }
    return g_file_set_contents(path, script, -1, error);
}

VmTool *
libvirt_rig_start_on(LibvirtRig *rig, const char *host,
                     const char *const *argv, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    const char *enter[] = {LIBVIRT_RIG_SCRIPT, "exec", rig->directory, host};
    for (size_t i = 0; i < G_N_ELEMENTS(enter); i++) {
        g_ptr_array_add(all, (char *)enter[i]);
    }
    g_autofree char *words = g_strjoinv(" ", (char **)argv);
    g_autofree char *name = g_strdup_printf("host %s: %s", host, words);
    for (; *argv; argv++) {
        g_ptr_array_add(all, (char *)*argv);
    }
    g_ptr_array_add(all, NULL);
    return vm_tool_start_program(name, (const char *const *)all->pdata, error);
}

/* What runs on the host is the only child of nsenter. */
bool
libvirt_rig_signal(VmTool *tool, int signal, GError **error)
{
    int pid = vm_child_pid(vm_tool_child(tool));
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid,
                                            pid);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error)) {
        return false;
    }
    pid_t inner = (pid_t)atoi(text);
    if (inner <= 0 || kill(inner, signal) < 0) {
        return error_set(error, ERROR_STATE,
                         "what was started on the host has ended: it cannot "
                         "be sent signal %d", signal);
    }
    return true;
}

bool
libvirt_rig_run(LibvirtRig *rig, const char *host, const char *const *argv,
                int timeout_ms, char **output, GError **error)
{
    g_autoptr(VmTool) tool = libvirt_rig_start_on(rig, host, argv, error);
    int code = 0;
    if (!tool || !vm_tool_wait(tool, timeout_ms, &code, error)) {
        return false;
    }
    if (code != 0) {
        g_autofree char *said = vm_tool_stderr(tool);
        return error_set(error, ERROR_FAILED,
                         "host %s: %s ended with status %d: %s", host, argv[0],
                         code, said);
    }
    if (output) {
        *output = vm_tool_stdout(tool);
    }
    return true;
}

bool
libvirt_rig_virsh(LibvirtRig *rig, const char *host,
                  const char *const *arguments, char **output, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (char *)"virsh");
    g_ptr_array_add(argv, (char *)"-q");
    for (; *arguments; arguments++) {
        g_ptr_array_add(argv, (char *)*arguments);
    }
    g_ptr_array_add(argv, NULL);
    return libvirt_rig_run(rig, host, (const char *const *)argv->pdata,
                           VIRSH_MS, output, error);
}

static char *
namespace_of(const char *pid, const char *kind)
{
    g_autofree char *link = g_strdup_printf("/proc/%s/ns/%s", pid, kind);
    return g_file_read_link(link, NULL);
}

/* The last number of "NSpid:", which is the one in its own namespace. */
static pid_t
number_inside(const char *pid)
{
    g_autofree char *text = read_file("/proc", pid, "status");
    char *line = strstr(text, "\nNSpid:");
    char *end = line ? strchr(line + 1, '\n') : NULL;
    if (!end) {
        return 0;
    }
    *end = '\0';
    const char *last = strrchr(line, '\t');
    return last ? (pid_t)atoi(last + 1) : 0;
}

/* The next process, from outside, of which the namespace KIND is WANTED; NULL
 * at the end. */
static const char *
next_in(GDir *proc, const char *kind, const char *wanted)
{
    const char *pid;
    while (proc && (pid = g_dir_read_name(proc))) {
        g_autofree char *found =
            g_ascii_isdigit(*pid) ? namespace_of(pid, kind) : NULL;
        if (found && g_strcmp0(found, wanted) == 0) {
            return pid;
        }
    }
    return NULL;
}

pid_t
libvirt_rig_pid(const LibvirtRig *rig, pid_t inside)
{
    g_autofree char *first = g_strdup_printf("%d", first_process(rig));
    g_autofree char *wanted = namespace_of(first, "pid");
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *pid;
    while ((pid = next_in(proc, "pid", wanted))) {
        if (number_inside(pid) == inside) {
            return (pid_t)atoi(pid);
        }
    }
    return 0;
}

/* By the network: a confined helper has a file system of its own. */
unsigned
libvirt_rig_count(const LibvirtRig *rig, const char *host, const char *name)
{
    g_autofree char *anchor = read_file(rig->directory, host, "pid");
    g_autofree char *wanted = namespace_of(g_strstrip(anchor), "net");
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;
    const char *pid;
    while ((pid = next_in(proc, "net", wanted))) {
        g_autofree char *comm = read_file("/proc", pid, "comm");
        n += g_str_has_prefix(comm, name);
    }
    return n;
}
