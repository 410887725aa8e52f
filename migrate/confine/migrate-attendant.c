/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Questions in, answers out: see migrate-attendant.h. One packet each; whoever
 * asks waits, so there is never more than one.
 */
#include "migrate/confine/migrate-attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "collapse/collapse-kernel.h"

#define SOCKET 3
#define END_MS 2000
#define FREEZE_MS 2000

typedef enum { READY, COVERAGE, CLASSIFY, CLOSE, FREEZE, THAW, END_QEMU } What;

typedef struct {
    uint32_t what;
    int32_t errnum;
    uint64_t hva, bytes;
} Question;

typedef struct {
    uint32_t ok;
    uint32_t outcome; /* of CLASSIFY */
    CollapseCoverage coverage;
    int32_t code; /* of the error, if not OK */
    char words[400];
} Answer;

struct MigrateAttendant {
    int socket;
};

MigrateAttendant *
migrate_attendant_start(pid_t pid, int uffd, GError **error)
{
    int ends[2], to = SOCKET;
    g_autofree char *process = g_strdup_printf("%d", (int)pid);
    g_autofree char *number = g_strdup_printf("%d", uffd);
    const char *argv[] = {"/proc/self/exe", "attend", process, number, NULL};
    g_autoptr(GError) why = NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        error_set_errno(error, errno, "a socket pair for the attendant");
        return NULL;
    }
    autofd ours = ends[0], theirs = ends[1];
    if (!g_spawn_async_with_pipes_and_fds(
            "/", argv, NULL,
            G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
            NULL, -1, -1, -1, &theirs, &to, 1, NULL, NULL, NULL, NULL,
            &why)) {
        error_set(error, ERROR_FAILED, "start the attendant: %s",
                  why->message);
        return NULL;
    }
    fd_clear(&theirs);
    Answer ready;
    if (recv(ours, &ready, sizeof ready, 0) != (ssize_t)sizeof ready) {
        error_set(error, ERROR_FAILED, "the attendant did not start");
        return NULL;
    }
    MigrateAttendant *attendant = g_new0(MigrateAttendant, 1);
    attendant->socket = fd_steal(&ours);
    return attendant;
}

void
migrate_attendant_stop(MigrateAttendant *attendant)
{
    if (attendant) {
        shutdown(attendant->socket, SHUT_WR);
        fd_wait(attendant->socket, POLLIN, fd_deadline_ns(END_MS), NULL);
        fd_clear(&attendant->socket);
        g_free(attendant);
    }
}

static bool
attendant_ask(MigrateAttendant *attendant, const Question *question,
              Answer *answer, GError **error)
{
    ssize_t n;
    if (send(attendant->socket, question, sizeof *question, MSG_NOSIGNAL) <
        0) {
        return error_set(error, ERROR_FAILED, "the attendant has ended");
    }
    do {
        n = recv(attendant->socket, answer, sizeof *answer, 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *answer) {
        return error_set(error, ERROR_FAILED, "the attendant has ended");
    }
    answer->words[sizeof answer->words - 1] = '\0';
    return answer->ok || error_set(error, (ErrorCode)answer->code, "%s",
                                   answer->words);
}

bool
migrate_attendant_coverage(MigrateAttendant *attendant, uint64_t hva,
                           uint64_t bytes, CollapseCoverage *coverage,
                           GError **error)
{
    Answer answer = {0};
    const Question question = {.what = COVERAGE, .hva = hva, .bytes = bytes};
    bool ok = attendant_ask(attendant, &question, &answer, error);
    *coverage = answer.coverage;
    return ok;
}

CollapseOutcome
migrate_attendant_classify(MigrateAttendant *attendant, uint64_t hva,
                           int errnum)
{
    Answer answer = {0};
    const Question question = {
        .what = CLASSIFY, .hva = hva, .errnum = errnum};
    return attendant_ask(attendant, &question, &answer, NULL)
               ? (CollapseOutcome)answer.outcome
               : COLLAPSE_OUTCOME_REFUSED;
}

bool
migrate_attendant_close(MigrateAttendant *attendant, GError **error)
{
    Answer answer;
    return attendant_ask(attendant, &(Question){.what = CLOSE}, &answer, error);
}

bool
migrate_attendant_freeze_qemu(MigrateAttendant *attendant, GError **error)
{
    Answer answer;
    return attendant_ask(attendant, &(Question){.what = FREEZE}, &answer,
                         error);
}

bool
migrate_attendant_thaw_qemu(MigrateAttendant *attendant, GError **error)
{
    Answer answer;
    return attendant_ask(attendant, &(Question){.what = THAW}, &answer, error);
}

bool
migrate_attendant_end_qemu(MigrateAttendant *attendant, GError **error)
{
    Answer answer;
    return attendant_ask(attendant, &(Question){.what = END_QEMU}, &answer,
                         error);
}

/* ---- the process ---- */

typedef struct {
    pid_t pid;
    int uffd;
    int pidfd;
    int never;
    bool frozen;            /* QEMU was stopped by us, and not told to go on */
    CollapseKernel *kernel; /* NULL until it is asked */
} Outside;

static bool
attendant_classify(Outside *self, const Question *question, Answer *answer,
                   GError **error)
{
    if (!self->kernel) {
        self->kernel = collapse_kernel_open(self->pid, self->never, error);
    }
    if (!self->kernel) {
        return false;
    }
    const CollapseSeam *seam = collapse_kernel_seam(self->kernel);
    answer->outcome =
        seam->classify(seam->data, question->hva, question->errnum);
    return true;
}

/* The number may be another process's by now. */
static bool
check_alive(const Outside *self, GError **error)
{
    return !proc_life_has_ended(self->pidfd, 0) ||
           error_set(error, ERROR_VM_GONE, "QEMU %d has ended",
                     (int)self->pid);
}

static bool
attendant_obey(Outside *self, const Question *question, Answer *answer,
               GError **error)
{
    if (!check_alive(self, error)) {
        return false;
    }
    switch ((What)question->what) {
    case READY:
        return true;
    case COVERAGE:
        return collapse_account_range(self->pid, question->hva,
                                      question->bytes, &answer->coverage,
                                      error);
    case CLASSIFY:
        return attendant_classify(self, question, answer, error);
    case CLOSE:
        return attach_close_userfaultfd(self->pid, self->uffd, error);
    case FREEZE:
        self->frozen = true;
        return proc_life_freeze(self->pid, self->pidfd, FREEZE_MS, error);
    case THAW:
        proc_life_thaw(self->pidfd);
        self->frozen = false;
        return true;
    case END_QEMU:
        return syscall(SYS_pidfd_send_signal, self->pidfd, SIGKILL, NULL,
                       0) == 0 ||
               error_set_errno(error, errno, "end QEMU %d", (int)self->pid);
    }
    return error_set(error, ERROR_PROTOCOL, "no such question");
}

static void
attendant_reply(Outside *self, const Question *question)
{
    g_autoptr(GError) why = NULL;
    Answer answer = {0};
    answer.ok = attendant_obey(self, question, &answer, &why);
    if (!answer.ok) {
        answer.code = why->code;
        g_strlcpy(answer.words, why->message, sizeof answer.words);
    }
    send(SOCKET, &answer, sizeof answer, MSG_NOSIGNAL);
}

/* Whatever ends our parent, a signal to its whole group included, we end when
 * it has ended and not before: it may still need us. */
int
migrate_attendant_run(pid_t pid, int uffd)
{
    Outside self = {.pid = pid, .uffd = uffd};
    Question question = {.what = READY};
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
    self.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    self.never = eventfd(0, EFD_CLOEXEC);
    if (self.pidfd < 0 || self.never < 0) {
        return 1;
    }
    do {
        attendant_reply(&self, &question);
    } while (recv(SOCKET, &question, sizeof question, 0) ==
             (ssize_t)sizeof question);
    /* Whoever asked for it is gone, and nobody else knows of it. */
    if (self.frozen) {
        proc_life_thaw(self.pidfd);
    }
    collapse_kernel_close(self.kernel);
    return 0;
}
