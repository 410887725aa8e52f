/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Building the walls: see migrate-confine.h.
 *
 * The order is given: the tree takes CAP_SYS_ADMIN and CAP_SYS_CHROOT, which
 * go with the user; the filter forbids all that comes before it. Capabilities
 * are per thread, and a change of user drops them from every thread but the
 * one that asked to keep them: so this happens before the threads start that
 * need any, and GLib's own helper thread is left with none.
 */
#include "migrate/confine/migrate-confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "migrate/confine/migrate-filter.h"
#include "migrate/confine/migrate-tree.h"
#include "migrate/core/migrate-rundir.h"

#ifdef HAVE_CONFINE
#include <sys/capability.h>
#endif

#define NOBODY 65534

static bool has_namespace;

typedef struct {
    uid_t uid;
    gid_t gid;
} User;

static User
find_user(void)
{
    const struct passwd *user = getpwnam("postlude");
    if (!user) {
        user = getpwnam("nobody");
    }
    return user ? (User){user->pw_uid, user->pw_gid} : (User){NOBODY, NOBODY};
}

uid_t
migrate_confine_user(void)
{
    return geteuid() == 0 ? find_user().uid : geteuid();
}

/* True if the lack of a wall may be lived with; it has been said then. */
static bool
confine_forgive(bool required, GError *why, GError **error)
{
    if (required) {
        g_propagate_prefixed_error(error, why, "--require-confine: ");
        return false;
    }
    g_warning("this helper is not fully confined: %s (SECURITY.md says what "
              "that means; --require-confine refuses to go on)",
              why->message);
    g_error_free(why);
    return true;
}

static bool
is_alone(void)
{
    g_autoptr(GDir) threads = g_dir_open("/proc/self/task", 0, NULL);
    return threads && g_dir_read_name(threads) && !g_dir_read_name(threads);
}

bool
migrate_confine_begin(const MigrateOptions *options, GError **error)
{
    GError *why = NULL;
    if (options->no_confine) {
        g_warning("--no-confine: this process talks to the network with all "
                  "the rights of its user");
        return true;
    }
    if (geteuid() != 0) {
        return true;
    }
    has_namespace = is_alone() ? migrate_tree_begin(&why)
                               : error_set(&why, ERROR_FAILED,
                                           "there are threads already");
    return has_namespace ||
           confine_forgive(options->require_confine, why, error);
}

#ifdef HAVE_CONFINE

/* CAP_DAC_OVERRIDE, because the files in /run/postlude stay root's; there are
 * no others in the tree. So it goes only together with one. CAP_SYS_NICE for
 * the priority of threads, and for process_madvise(). */
static bool
keep_capabilities(const MigrateConfinePlan *plan, GError **error)
{
    const struct {
        cap_value_t value;
        bool wanted;
    } all[] = {{CAP_SYS_NICE, true},
               {CAP_DAC_OVERRIDE, true},
               {CAP_SYS_PTRACE, plan->sweeps},
               {CAP_FOWNER, plan->owns_socket}};
    cap_t set = cap_init();
    bool ok = set != NULL;
    for (size_t i = 0; ok && i < G_N_ELEMENTS(all); i++) {
        ok = !all[i].wanted ||
             (cap_set_flag(set, CAP_PERMITTED, 1, &all[i].value, CAP_SET) ==
                  0 &&
              cap_set_flag(set, CAP_EFFECTIVE, 1, &all[i].value, CAP_SET) ==
                  0);
    }
    ok = ok && cap_set_proc(set) == 0;
    int errnum = errno;
    if (set) {
        cap_free(set);
    }
    return ok || error_set_errno(error, errnum, "give up capabilities");
}

static bool
confine_become(User user, const MigrateConfinePlan *plan, GError **error)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(user.gid, user.gid, user.gid) < 0 ||
        setresuid(user.uid, user.uid, user.uid) < 0) {
        return error_set_errno(error, errno, "become user %u",
                               (unsigned)user.uid);
    }
    return keep_capabilities(plan, error);
}

#else

static bool
confine_become(User user, const MigrateConfinePlan *plan, GError **error)
{
    return error_set(error, ERROR_UNSUPPORTED,
                     "this postlude was built without libcap");
}

#endif

/* Later there is neither the file nor the right to write it: what we hold by
 * then is the guest's memory. The kernel takes somebody else. */
static void
avoid_oom_killer(void)
{
    autofd fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "-1000", 5) < 0) {
        g_debug("the OOM killer may take this process: %s",
                g_strerror(errno));
    }
}

/* Without the tree, files would be guarded by the user alone, and then it had
 * better be root without capabilities than one that may override all modes:
 * so no tree, no change of user. */
static bool
leave_root(const MigrateConfinePlan *plan, GError **error)
{
    User user = find_user();
    return migrate_tree_enter(plan->paths, error) &&
           confine_become(user, plan, error);
}

bool
migrate_confine(const MigrateConfinePlan *plan, GError **error)
{
    GError *why = NULL;
    tzset(); /* reads /etc/localtime, for the C library's syslog() */
    if (geteuid() == 0) {
        avoid_oom_killer();
    }
    if (geteuid() == 0 && has_namespace && !leave_root(plan, &why) &&
        !confine_forgive(plan->required, why, error)) {
        return false;
    }
    why = NULL;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_set_errno(&why, errno, "give up new privileges");
    } else {
        migrate_filter_load(&why);
    }
    return !why || confine_forgive(plan->required, why, error);
}

/* The paths a helper still needs, and why. */
static GPtrArray *
choose_paths(const MigrateOptions *options)
{
    const char *notify = g_getenv("NOTIFY_SOCKET");
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(paths, migrate_rundir_path()); /* journal, status */
    g_ptr_array_add(paths, g_strdup("/dev/null"));
    g_ptr_array_add(paths, g_strdup("/dev/log")); /* messages, from --detach on */
    g_ptr_array_add(paths, g_strdup("/run/systemd/journal/dev-log"));
    g_ptr_array_add(paths, g_strdup("/run/systemd/journal/socket"));
    if (notify && *notify == '/') {
        g_ptr_array_add(paths, g_strdup(notify)); /* the store lets go */
    }
    if (options->resume) {
        g_ptr_array_add(paths, g_strdup(options->qmp_path));
    }
    /* The socket may be made anew, by a source that takes over. */
    if (g_str_has_prefix(options->address, "unix:")) {
        g_ptr_array_add(paths, g_path_get_dirname(options->address + 5));
    }
    g_ptr_array_add(paths, NULL);
    return paths;
}

static void
open_report(const char *path, int *file)
{
    if (path && *file < 0) {
        *file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    }
    if (path && *file < 0) {
        g_warning("cannot write the report %s: %s", path, g_strerror(errno));
    }
}

bool
migrate_confine_helper(const MigrateOptions *options, int *report_file,
                       GError **error)
{
    bool send = options->role == MIGRATE_SEND;
    if (options->no_confine) {
        return true;
    }
    uint64_t before = fd_now_ns();
    open_report(options->report_path, report_file);
    g_autoptr(GPtrArray) paths = choose_paths(options);
    MigrateConfinePlan plan = {
        .paths = (const char *const *)paths->pdata,
        .sweeps = !send,
        .owns_socket = send && g_str_has_prefix(options->address, "unix:"),
        .required = options->require_confine,
    };
    if (!migrate_confine(&plan, error)) {
        return false;
    }
    g_debug("confined in %.1f ms", (double)(fd_now_ns() - before) / 1e6);
    return true;
}
