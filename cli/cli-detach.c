/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Foreground and background: see cli-detach.h. Two pipes: one on which the
 * background says that it is ready, one by which it learns that the
 * foreground died.
 */
#include "cli/cli-detach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"

static int word = -1, life = -1, log_file = -1;

/* Its own words came on our stderr, which it shared until then. */
static int
wait_in_front(const char *verb, pid_t child, int from_child)
{
    char ready;
    ssize_t n;
    do {
        n = read(from_child, &ready, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1) {
        return 0;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        g_autofree char *text = g_strdup_printf(
            "the background process was ended by signal %d (%s)",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
        return cli_fail(verb, text, 1);
    }
    return WEXITSTATUS(status);
}

static void
go_to_the_background(void)
{
    autofd nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    if (nothing >= 0) {
        dup2(nothing, STDIN_FILENO);
    }
}

int
cli_detach(const char *verb, const char *log_path)
{
    int words[2], lives[2];
    if (log_path) {
        log_file = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                        0600);
        if (log_file < 0) {
            g_autofree char *text = g_strdup_printf(
                "cannot write the log %s: %s", log_path, g_strerror(errno));
            return cli_fail(verb, text, 1);
        }
    }
    if (pipe2(words, O_CLOEXEC) < 0 || pipe2(lives, O_CLOEXEC) < 0) {
        return cli_fail(verb, g_strerror(errno), 1);
    }
    pid_t child = fork();
    if (child < 0) {
        return cli_fail(verb, g_strerror(errno), 1);
    }
    if (child > 0) {
        close(words[1]);
        close(lives[0]);
        return wait_in_front(verb, child, words[0]);
    }
    close(words[0]);
    close(lives[1]);
    word = words[1];
    life = lives[0];
    go_to_the_background();
    return -1;
}

bool
cli_detach_ready(GError **error)
{
    int out = log_file >= 0 ? log_file
                            : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (out < 0) {
        return error_set_errno(error, errno, "open /dev/null");
    }
    if (log_file < 0) {
        log_to_syslog();
    }
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(out);
    bool told = write(word, "R", 1) == 1;
    fd_clear(&word);
    return told || error_set(error, ERROR_CANCELLED,
                             "the foreground process has ended before it "
                             "could be told that all is ready");
}

int
cli_detach_parent_fd(void)
{
    return life;
}
