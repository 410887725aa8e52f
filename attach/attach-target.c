/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What /proc says about a process before we touch it: see attach-target.h.
 */
#include "attach/attach-target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* include/linux/sched.h; field 9 of /proc/PID/stat. */
#define PF_KTHREAD 0x00200000u

/* The text after "NAME:\t" in TEXT, or NULL. */
static const char *
status_field(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            return line + n + 1 + strspn(line + n + 1, " \t");
        }
    }
    return NULL;
}

bool
attach_target_parse_status(const char *text, AttachStatus *status)
{
    const char *state = status_field(text, "State");
    const char *process = status_field(text, "Tgid");
    const char *tracer = status_field(text, "TracerPid");
    if (!state || !*state || !process || !tracer) {
        return false;
    }
    /* "x86_Thread_features:\tshstk wrss", Linux 6.6. */
    const char *features = status_field(text, "x86_Thread_features");
    const char *end = features ? strchrnul(features, '\n') : NULL;
    *status = (AttachStatus){
        .state = *state,
        .process = (pid_t)strtol(process, NULL, 10),
        .tracer = (pid_t)strtol(tracer, NULL, 10),
        .shadow_stack =
            features && memmem(features, (size_t)(end - features), "shstk", 5),
    };
    return true;
}

bool
attach_target_is_kernel(const char *stat)
{
    /* The command in parentheses may hold anything, also parentheses. */
    const char *at = strrchr(stat, ')');
    unsigned flags = 0;
    return at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
           (flags & PF_KTHREAD);
}

bool
attach_target_is_native(const uint8_t *head, size_t bytes)
{
    Elf64_Ehdr elf;
    if (bytes < sizeof elf) {
        return false;
    }
    memcpy(&elf, head, sizeof elf);
    return memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 &&
           elf.e_ident[EI_CLASS] == ELFCLASS64 && elf.e_machine == EM_X86_64;
}

static char *
read_text(pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

bool
attach_target_status(pid_t pid, pid_t tid, AttachStatus *status)
{
    g_autofree char *name = g_strdup_printf("task/%d/status", (int)tid);
    g_autofree char *text = read_text(pid, name);
    return text && attach_target_parse_status(text, status);
}

static bool
check_status(pid_t pid, GError **error)
{
    AttachStatus status;
    if (pid <= 0 || !attach_target_status(pid, pid, &status)) {
        return error_set(error, ERROR_VM_GONE,
                         "cannot attach to process %d: there is no such "
                         "process",
                         (int)pid);
    }
    if (status.process != pid) {
        return error_set(error, ERROR_USAGE,
                         "cannot attach to %d: it is a thread of process %d; "
                         "name the process",
                         (int)pid, (int)status.process);
    }
    g_autofree char *stat = read_text(pid, "stat");
    if (stat && attach_target_is_kernel(stat)) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "cannot attach to process %d: it is a kernel thread, "
                         "not a QEMU",
                         (int)pid);
    }
    if (status.state == 'Z' || status.state == 'X') {
        return error_set(error, ERROR_VM_GONE,
                         "cannot attach to process %d: it has ended and waits "
                         "for its parent",
                         (int)pid);
    }
    if (status.tracer) {
        return error_set(error, ERROR_STATE,
                         "cannot attach to process %d: process %d traces it "
                         "already (a debugger, strace, another helper?); end "
                         "that first",
                         (int)pid, (int)status.tracer);
    }
    if (status.state == 'T') {
        return error_set(error, ERROR_STATE,
                         "cannot attach to process %d: it is stopped by a "
                         "signal; let it run first (kill -CONT %d)",
                         (int)pid, (int)pid);
    }
    return true;
}

/* Opening mem asks the same question as PTRACE_SEIZE (ptrace_may_access with
 * ATTACH: uids, capabilities, Yama, SELinux, AppArmor) and touches nothing. */
static bool
check_permission(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)pid);
    autofd mem = open(path, O_RDWR | O_CLOEXEC);
    if (mem >= 0) {
        return true;
    }
    int errnum = errno;
    if (errnum == ENOENT || errnum == ESRCH) {
        return error_set_errno(error, ESRCH, "cannot attach to process %d",
                               (int)pid);
    }
    return error_set(error, ERROR_UNSUPPORTED,
                     "not allowed to trace process %d: %s; run as root (or "
                     "with CAP_SYS_PTRACE), and look at "
                     "kernel.yama.ptrace_scope (3 forbids it for good) and at "
                     "the audit log of SELinux or AppArmor",
                     (int)pid, g_strerror(errnum));
}

static bool
check_program(pid_t pid, GError **error)
{
    uint8_t head[sizeof(Elf64_Ehdr)];
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int)pid);
    autofd exe = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = exe >= 0 ? read(exe, head, sizeof head) : -1;
    if (n < 0) {
        return error_set_errno(error, errno == ENOENT ? ESRCH : errno,
                               "cannot read the program of process %d",
                               (int)pid);
    }
    if (!attach_target_is_native(head, (size_t)n)) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "cannot attach to process %d: its program is not a "
                         "64-bit x86-64 one, and this postlude knows no other",
                         (int)pid);
    }
    return true;
}

bool
attach_target_check(pid_t pid, GError **error)
{
    return check_status(pid, error) && check_permission(pid, error) &&
           check_program(pid, error);
}

GArray *
attach_target_threads(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir) {
        error_set_errno(error, ESRCH, "cannot list the threads of process %d",
                        (int)pid);
        return NULL;
    }
    GArray *threads = g_array_new(false, false, sizeof(pid_t));
    g_array_append_val(threads, pid);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        pid_t tid = (pid_t)strtol(name, NULL, 10);
        if (tid > 0 && tid != pid) {
            g_array_append_val(threads, tid);
        }
    }
    return threads;
}
