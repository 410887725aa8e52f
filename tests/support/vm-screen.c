/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pseudo-terminal and who draws on it: see vm-screen.h.
 */
#include "tests/support/vm-screen.h"

#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"

void
vm_screen_resize(VmScreen *screen, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    g_assert_cmpint(ioctl(screen->theirs, TIOCSWINSZ, &size), ==, 0);
    if (screen->child) {
        vm_child_kill(screen->child, SIGWINCH); /* it is not its session's */
    }
}

void
vm_screen_start(VmScreen *screen, unsigned short columns,
                const char *const *argv)
{
    static const char *const environment[] = {"TERM=xterm", NULL};
    g_autoptr(GError) error = NULL;
    *screen = (VmScreen){.said = g_string_new(NULL)};
    g_assert_cmpint(openpty(&screen->ours, &screen->theirs, screen->path, NULL,
                            NULL), ==, 0);
    fd_set_nonblocking(screen->ours, true, NULL);
    vm_screen_resize(screen, columns);
    const VmChildOptions options = {.argv = argv,
                                    .environment = environment,
                                    .stderr_path = screen->path};
    screen->child = vm_child_start(&options, &error);
    g_assert_no_error(error);
}

void
vm_screen_take_in(VmScreen *screen)
{
    char text[4096];
    ssize_t n;
    while ((n = read(screen->ours, text, sizeof text)) > 0) {
        g_string_append_len(screen->said, text, n);
    }
    g_usleep(10000);
}

/* Until TEXT is drawn, as something new. */
void
vm_screen_wait(VmScreen *screen, const char *text)
{
    uint64_t deadline = fd_deadline_ns(60000);
    gsize before = screen->said->len;
    while (!strstr(screen->said->str + before, text)) {
        if (fd_now_ns() > deadline) {
            g_error("\"%s\" is not drawn: %s", text, screen->said->str);
        }
        vm_screen_take_in(screen);
    }
}

void
vm_screen_expect_end(VmScreen *screen)
{
    int status = -1;
    uint64_t deadline = fd_deadline_ns(60000);
    while (!vm_child_has_ended(screen->child, &status) &&
           fd_now_ns() < deadline) {
        vm_screen_take_in(screen);
    }
    vm_screen_take_in(screen);
    g_assert_cmpint(status, ==, 0);
}

void
vm_screen_clear(VmScreen *screen)
{
    vm_child_free(screen->child);
    close(screen->ours);
    close(screen->theirs);
    g_string_free(screen->said, true);
}
