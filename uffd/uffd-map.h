/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Make final pages visible to the guest, whatever state the page tables are
 * in. The one place that knows what EEXIST, EAGAIN, EFAULT and ESRCH mean.
 * Called on the fault thread and on bulk threads; no lock, no allocation.
 */
#pragma once

#include "uffd/uffd-fd.h"

/* Maps the page at HVA, whose bytes are final, and wakes who waits for it:
 * CONTINUE; already mapped: WAKE; nothing in the page cache (a hole, so the
 * page is zero): ZEROPAGE. EAGAIN is tried again a bounded number of times.
 * Returns DONE (mapped and woken, by us or before us), AGAIN (still changing:
 * call again later), GONE, NO_RANGE, NO_ROOM or BROKEN. */
UffdOutcome uffd_map_page(int uffd, uint64_t hva);
