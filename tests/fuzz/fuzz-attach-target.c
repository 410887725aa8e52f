/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/PID/status and stat, and the first bytes of a program.
 */
#include "attach/attach-target.h"
#include "tests/fuzz/fuzz-check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    AttachStatus status = {.state = '?'};
    bool ok = attach_target_parse_status(text, &status);
    g_assert_true(ok ? status.state != '\0' : status.state == '?');
    (void)attach_target_is_kernel(text);
    g_autofree uint8_t *exact = size ? g_memdup2(data, size) : NULL;
    (void)attach_target_is_native(exact, size);
    return 0;
}
