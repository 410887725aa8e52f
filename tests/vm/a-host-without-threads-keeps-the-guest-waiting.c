/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No thread is to be had for a while (a preloaded library says so,
 * refuse-threads.c). Before anything has moved the helper says so and ends;
 * with the guest on its way nobody ends: it is said, and when there are threads
 * again, the guest's memory arrives whole.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static char *word_path;

static void
set_word(const char *word)
{
    g_autoptr(GError) error = NULL;
    if (!word_path) {
        g_autofree char *directory = vm_child_make_directory("threads", &error);
        g_assert_no_error(error);
        word_path = g_build_filename(directory, "word", NULL);
        g_file_set_contents_full(word_path, "0\0", 2, G_FILE_SET_CONTENTS_NONE,
                                 0644, &error);
        g_assert_no_error(error);
    }
    autofd fd = open(word_path, O_WRONLY | O_CLOEXEC);
    g_assert_no_errno(fd);
    g_assert_cmpint(write(fd, word, 1), ==, 1);
}

/* The variables are for one helper alone: both QEMUs run already. */
static void
set_preload(bool on)
{
    if (!on) {
        g_unsetenv("LD_PRELOAD");
        g_unsetenv("POSTLUDE_TEST_NO_THREADS");
        return;
    }
    g_setenv("LD_PRELOAD", REFUSE_THREADS, TRUE);
    g_setenv("POSTLUDE_TEST_NO_THREADS", word_path, TRUE);
    /* Of a build with sanitizers: it has to be the first otherwise. */
    g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", TRUE);
}

static void
test_before(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(pair, NULL);
    set_word("1");
    set_preload(true);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    set_preload(false);
    vm_expect_end(receive, 20000, 1, "no thread is to be had");
    vm_expect_end(send, 20000, 1, "");
    vm_expect_moves(pair);
}

/* WHO: "send" or "receive", of which SAYS is expected. */
static void
on_the_way(const char *who, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_auto(VmPassage) p = {.pair = vm_expect_pair(64)};
    if (!p.pair) {
        return;
    }
    set_word("0");
    p.proxy = vm_proxy_start_before(p.pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(p.proxy, "throttle bulk to-destination 8000000");
    set_preload(strcmp(who, "send") == 0);
    p.send = vm_expect_send(p.pair, NULL);
    set_preload(strcmp(who, "receive") == 0);
    p.receive = vm_pair_receive_from(p.pair, vm_proxy_address(p.proxy), NULL,
                                     &error);
    set_preload(false);
    g_assert_no_error(error);
    vm_expect_says(p.receive, "stage postcopy");
    set_word("1");
    vm_passage_order(p.proxy, "cut rst all");
    vm_expect_says(strcmp(who, "send") == 0 ? p.send : p.receive, says);
    set_word("0");
    vm_expect_end(p.receive, 40000, 0, "");
    vm_expect_end(p.send, 40000, 0, "");
    vm_expect_arrived(p.pair);
}

static void
test_receiver(void)
{
    on_the_way("receive", "no thread is to be had for 'bulk'");
}

static void
test_sender(void)
{
    on_the_way("send", "no thread is to be had for 'greeting'");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/without-threads/before", test_before);
    g_test_add_func("/without-threads/receiver", test_receiver);
    g_test_add_func("/without-threads/sender", test_sender);
    int status = g_test_run();
    g_free(word_path);
    return status;
}
