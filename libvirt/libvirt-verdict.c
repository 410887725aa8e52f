/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How it went: see libvirt-verdict.h. The two halves need not agree. That
 * libvirt's call failed does not mean that the guest is here: it may have lost
 * the destination after that had started it. What the sender knows comes from
 * QEMU, and counts for more.
 */
#include "libvirt/libvirt-verdict.h"

#include "base/error.h"

#define RESUME "'postlude send --resume --qmp %s'"

static bool
has_moved(const LibvirtVerdict *v)
{
    return v->called && !v->failure;
}

/* Its sender was killed, and who took over from it as well. */
static int
judge_left_work(const LibvirtVerdict *v, GError **error)
{
    if (has_moved(v) || v->past_no_return) {
        error_set(error, ERROR_FAILED,
                  "'%s' has gone over to the destination and waits there for "
                  "what it lacks of its memory, which is kept on this host: "
                  "%s; run " RESUME " here, at once, and do not start the "
                  "guest again on this host",
                  v->domain, v->sender_end, v->qmp_path);
        return LIBVIRT_VERDICT_GIVEN_UP;
    }
    error_set(error, ERROR_FAILED,
              "'%s' is %s on this host, but %s: run " RESUME " here before "
              "anything else is done with the guest. It goes on if the guest "
              "has gone over after all; else it switches x-ignore-shared off "
              "in QEMU, with which a guest that is saved or migrated loses its "
              "memory",
              v->domain, v->state, v->sender_end, v->qmp_path);
    return LIBVIRT_VERDICT_FAILED;
}

/* libvirt has moved it, and the sender saw none of it. */
static int
judge_moved_without_us(const LibvirtVerdict *v, GError **error)
{
    if (!v->armed) {
        error_set(error, ERROR_FAILED,
                  "libvirt moved '%s' itself, in its own way, because no "
                  "receiver was armed on the destination: %s",
                  v->domain, v->sender_end);
    } else {
        error_set(error, ERROR_FAILED,
                  "libvirt says that it moved '%s', but the sender of its "
                  "memory did not see it go: %s; 'postlude status' on both "
                  "hosts and the domain's log on the destination tell more. Do "
                  "not start it again on this host before that is clear",
                  v->domain, v->sender_end);
    }
    return LIBVIRT_VERDICT_GIVEN_UP;
}

/* libvirt's client that loses the destination in its last step lets the guest
 * run here again, because it does not know better ("small chance",
 * src/libvirt-domain.c, virDomainMigrateVersion3Full). The sender sees that and
 * stops the other one, unless all had arrived and it was gone by then. */
static int
judge_gone(const LibvirtVerdict *v, GError **error)
{
    const char *but = v->failure ? v->failure : v->reason;
    if (v->sender_status == LIBVIRT_VERDICT_DONE) {
        error_set(error, ERROR_FAILED,
                  "'%s' has gone over to the destination with all its memory, "
                  "but libvirt does not say so: %s. It is %s on this host; look "
                  "on the destination at once: if it runs there, it must not "
                  "run here as well",
                  v->domain, but, v->state);
    } else {
        error_set(error, ERROR_FAILED,
                  "'%s' has gone over to the destination, but not all of its "
                  "memory: %s",
                  v->domain, v->sender_end);
    }
    return LIBVIRT_VERDICT_GIVEN_UP;
}

/* It went over and ended there: a crash is told by the sender's status. libvirt
 * may have missed the end of its own call by that. */
static int
judge_ended(const LibvirtVerdict *v, GError **error)
{
    if (v->sender_status == LIBVIRT_VERDICT_DONE && has_moved(v)) {
        return LIBVIRT_VERDICT_DONE;
    }
    if (has_moved(v)) {
        error_set(error, ERROR_FAILED, "'%s' has gone over to the destination; %s",
                  v->domain, v->sender_end);
    } else {
        error_set(error, ERROR_FAILED,
                  "'%s' has gone over to the destination, but libvirt does not "
                  "say so (%s); %s. It is %s on this host: do not start it "
                  "here before the destination's libvirt says that it has "
                  "ended there",
                  v->domain, v->failure ? v->failure : v->reason,
                  v->sender_end, v->state);
    }
    return LIBVIRT_VERDICT_GIVEN_UP;
}

static int
judge_at_home(const LibvirtVerdict *v, GError **error)
{
    bool more = v->failure && g_strcmp0(v->failure, v->reason) != 0;
    error_set(error, ERROR_FAILED,
              "'%s' was not moved, and is %s on this host: %s%s%s", v->domain,
              v->state, v->reason, more ? "; libvirt: " : "",
              more ? v->failure : "");
    return LIBVIRT_VERDICT_FAILED;
}

int
libvirt_verdict(const LibvirtVerdict *v, GError **error)
{
    if (v->left_work) {
        return judge_left_work(v, error);
    }
    if (v->ended) {
        return judge_ended(v, error);
    }
    if (v->sender_status == LIBVIRT_VERDICT_DONE && has_moved(v)) {
        return LIBVIRT_VERDICT_DONE;
    }
    if (v->sender_status == LIBVIRT_VERDICT_DONE ||
        v->sender_status == LIBVIRT_VERDICT_GIVEN_UP) {
        return judge_gone(v, error);
    }
    return has_moved(v) ? judge_moved_without_us(v, error)
                        : judge_at_home(v, error);
}
