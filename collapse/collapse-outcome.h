/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What became of an extent, and what to tell the operator about it. One table
 * for the sweep, for 'postlude check' and for the report.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    COLLAPSE_OUTCOME_WAITING,      /* to be tried, or not reached */
    COLLAPSE_OUTCOME_DONE,         /* made huge */
    COLLAPSE_OUTCOME_ALREADY,      /* was huge */
    COLLAPSE_OUTCOME_EMPTY,        /* holds nothing */
    COLLAPSE_OUTCOME_PINNED,       /* EAGAIN to the end */
    COLLAPSE_OUTCOME_NO_MEMORY,    /* ENOMEM to the end */
    COLLAPSE_OUTCOME_CGROUP,       /* EBUSY: the memory cgroup is full */
    COLLAPSE_OUTCOME_NO_ROOM,      /* would grow, and there is no room for it */
    COLLAPSE_OUTCOME_USERFAULTFD,  /* a postcopy is not over */
    COLLAPSE_OUTCOME_NOHUGEPAGE,   /* MADV_NOHUGEPAGE is set */
    COLLAPSE_OUTCOME_DISABLED,     /* prctl(PR_SET_THP_DISABLE) */
    COLLAPSE_OUTCOME_DENIED,       /* shmem_enabled=deny */
    COLLAPSE_OUTCOME_MISALIGNED,   /* the mapping does not fit its file */
    COLLAPSE_OUTCOME_PRIVATE_FILE, /* copy-on-write of a file */
    COLLAPSE_OUTCOME_HUGETLB,      /* has huge pages of another kind */
    COLLAPSE_OUTCOME_UNMAPPED,     /* is not there any more */
    COLLAPSE_OUTCOME_REFUSED,      /* EINVAL for no reason that we can see */
    COLLAPSE_OUTCOME_GONE,         /* the process ended */
    COLLAPSE_OUTCOMES
} CollapseOutcome;

/* What an extent is that ERRNUM has kept small to the end, if nothing at its
 * address says otherwise. */
CollapseOutcome collapse_outcome_of(int errnum);

/* A short stable name for the JSON report ("no-memory"). */
const char *collapse_outcome_name(CollapseOutcome outcome);

/* For a person: what it is ("no huge page was free"), and what to do about it;
 * the remedy is NULL where there is nothing to do. */
const char *collapse_outcome_words(CollapseOutcome outcome);
const char *collapse_outcome_remedy(CollapseOutcome outcome);

/* True if the extent stays small although it holds data. */
bool collapse_outcome_is_failure(CollapseOutcome outcome);
