/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tokens that nobody took away: see libvirt-leftover.h.
 */
#include "libvirt/libvirt-leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define PREFIX "token-"
#define SUFFIX ".token"
#define UUID_BYTES 36

/* A token is read within moments. Who runs in a PID namespace of its own seems
 * dead from here: by then it does not need the file any more. */
#define AGE_S 60

char *
libvirt_leftover_template(const char *directory, pid_t owner)
{
    return g_strdup_printf("%s/" PREFIX "%d-XXXXXX", directory, (int)owner);
}

/* The number that TEXT begins with, and which ends with END; 0 if there is
 * none. */
static pid_t
leading_pid(const char *text, const char *end)
{
    g_autofree char *digits =
        end > text ? g_strndup(text, (gsize)(end - text)) : NULL;
    guint64 pid = 0;
    return digits && g_ascii_string_to_unsigned(digits, 10, 1, G_MAXINT, &pid,
                                                NULL)
               ? (pid_t)pid
               : 0;
}

/* Whose file it is by its name; 0: none of ours. */
static pid_t
owner_of(const char *name)
{
    if (g_str_has_prefix(name, PREFIX)) {
        const char *pid = name + strlen(PREFIX);
        return leading_pid(pid, strchr(pid, '-'));
    }
    g_autofree char *uuid = g_strndup(name, UUID_BYTES);
    if (!g_uuid_string_is_valid(uuid) || name[UUID_BYTES] != '.' ||
        !g_str_has_suffix(name, SUFFIX)) {
        return 0;
    }
    const char *end = name + strlen(name) - strlen(SUFFIX);
    return leading_pid(name + UUID_BYTES + 1, end);
}

static bool
is_ours_alone(int directory)
{
    struct stat st;
    return fstat(directory, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static bool
is_stale(int directory, const char *name)
{
    struct stat st;
    pid_t owner = owner_of(name);
    return owner > 0 && kill(owner, 0) < 0 && errno == ESRCH &&
           fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           st.st_mtime < time(NULL) - AGE_S;
}

void
libvirt_leftover_sweep(const char *directory)
{
    autofd fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                                    O_CLOEXEC);
    if (fd < 0 || !is_ours_alone(fd)) {
        return;
    }
    DIR *entries = fdopendir(fd);
    if (!entries) {
        return;
    }
    int kept = fd_steal(&fd);
    for (const struct dirent *e; (e = readdir(entries));) {
        if (is_stale(kept, e->d_name)) {
            unlinkat(kept, e->d_name, 0);
        }
    }
    closedir(entries);
}
