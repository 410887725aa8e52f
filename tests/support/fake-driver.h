/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver of QEMU's migration that drives nothing: it says what was asked of
 * it, in which order, and answers as the test wants. One at a time.
 */
#pragma once

#include "migrate/drive/migrate-driver.h"

typedef struct {
    const char *fails;   /* the call that fails, or NULL */
    bool is_too_late;    /* the answers */
    bool was_passed;
    bool cannot_ask;
    GString *calls; /* "open freeze ..." */
} FakeDriver;

/* SESSION is driven by FAKE from now on. */
void fake_driver_init(FakeDriver *fake, MigrateSession *session);
void fake_driver_clear(FakeDriver *fake);
