/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who is let in by the source, who is turned away and with which word, before
 * and after RUN. Callers by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/link/migrate-lobby.h"

#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/link/migrate-outage.h"
#include "tests/unit/link-scene.h"

#define CALL_MS 10000

/* What a caller shows. */
typedef enum { NOTHING, SESSION, TICKET } Shown;

typedef struct {
    const char *name;
    WireRole role;
    unsigned index;
    Shown shown;
    unsigned version, lowest; /* 0: ours */
    bool taken;               /* all places are */
    bool token, follow, past_no_return;
    WireStatus status;
    const char *words; /* a part of the reason, or NULL */
} Case;

static const Case cases[] = {
    {"first", WIRE_ROLE_CONTROL, 0, NOTHING},
    {"second", WIRE_ROLE_CONTROL, 0, NOTHING, .taken = true,
     .status = WIRE_STATUS_BUSY},
    {"too-old", WIRE_ROLE_CONTROL, 0, NOTHING, 1, 1,
     .status = WIRE_STATUS_VERSION, .words = "versions 1 to 1"},
    {"too-new", WIRE_ROLE_CONTROL, 0, NOTHING, WIRE_VERSION + 2,
     WIRE_VERSION + 1, .status = WIRE_STATUS_VERSION, .words = "same postlude"},
    {"newer", WIRE_ROLE_CONTROL, 0, NOTHING, WIRE_VERSION + 2, WIRE_VERSION},
    {"token/right", WIRE_ROLE_CONTROL, 0, SESSION, .token = true},
    {"token/none", WIRE_ROLE_CONTROL, 0, NOTHING, .token = true,
     .status = WIRE_STATUS_SESSION},
    {"token/ticket", WIRE_ROLE_CONTROL, 0, TICKET, .token = true,
     .status = WIRE_STATUS_SESSION},
    {"device", WIRE_ROLE_DEVICE, 0, TICKET},
    {"device/followed", WIRE_ROLE_DEVICE, 0, TICKET, .follow = true,
     .status = WIRE_STATUS_ROLE, .words = "--follow to receive as well"},
    {"urgent", WIRE_ROLE_URGENT, 0, TICKET},
    {"urgent/twice", WIRE_ROLE_URGENT, 0, TICKET, .taken = true,
     .status = WIRE_STATUS_ROLE},
    {"urgent/stranger", WIRE_ROLE_URGENT, 0, NOTHING,
     .status = WIRE_STATUS_SESSION},
    {"urgent/session", WIRE_ROLE_URGENT, 0, SESSION,
     .status = WIRE_STATUS_SESSION},
    {"bulk", WIRE_ROLE_BULK, 0, TICKET},
    {"bulk/one-too-many", WIRE_ROLE_BULK, 1, TICKET,
     .status = WIRE_STATUS_ROLE},
    {"bulk/last", WIRE_ROLE_BULK, 255, TICKET, .status = WIRE_STATUS_ROLE},
    {"after-run/stranger", WIRE_ROLE_CONTROL, 0, NOTHING, .taken = true,
     .past_no_return = true, .status = WIRE_STATUS_SESSION},
    {"after-run/ticket", WIRE_ROLE_CONTROL, 0, TICKET, .taken = true,
     .past_no_return = true, .status = WIRE_STATUS_SESSION},
    {"after-run/ours", WIRE_ROLE_CONTROL, 0, SESSION, .taken = true,
     .past_no_return = true},
    {"after-run/urgent-stranger", WIRE_ROLE_URGENT, 0, SESSION, .taken = true,
     .past_no_return = true, .status = WIRE_STATUS_SESSION},
};

static int
call(const LinkScene *s, const Case *c)
{
    static const uint8_t none[WIRE_SESSION_BYTES];
    WireHello hello = {
        .version = (uint16_t)(c->version ? c->version : WIRE_VERSION),
        .lowest = (uint16_t)(c->version ? c->lowest : WIRE_LOWEST_VERSION),
        .role = c->role,
        .index = (uint8_t)c->index};
    WireHelloBytes bytes;
    memcpy(hello.session,
           c->shown == NOTHING   ? none
           : c->shown == SESSION ? s->session->peer.id
                                 : s->session->peer.ticket,
           WIRE_SESSION_BYTES);
    wire_hello_encode(&hello, &bytes);
    int fd = wire_peer_dial(s->port);
    wire_peer_write(fd, &bytes, sizeof bytes);
    return fd;
}

static void
admit(LinkScene *s)
{
    struct pollfd p = {.fd = wire_porch_fd(s->session->peer.porch),
                       .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, CALL_MS), ==, 1);
    g_assert_true(migrate_lobby_has_caller(s->session));
    migrate_lobby_admit(s->session);
}

/* All places but that of ROLE, which is free, and of a control connection that
 * is needed for the others. */
static void
make_room(LinkScene *s, WireRole role)
{
    MigrateSession *session = s->session;
    WireLink **places[] = {[WIRE_ROLE_CONTROL] = &session->peer.control,
                           [WIRE_ROLE_DEVICE] = &session->peer.device,
                           [WIRE_ROLE_URGENT] = &session->peer.urgent,
                           [WIRE_ROLE_BULK] = &session->peer.bulk[0]};
    g_clear_pointer(places[role], wire_link_free);
}

static void
hear_refusal(int fd, const Case *c)
{
    g_autoptr(GByteArray) abort = wire_peer_hear_frame(fd, WIRE_FRAME_ABORT);
    g_autofree char *reason = wire_abort_decode(abort);
    g_assert_nonnull(strstr(reason, c->words ? c->words : ""));
    wire_peer_drain(fd);
}

static bool
has_links(const MigrateSession *session)
{
    return session->peer.control && session->peer.urgent &&
           session->peer.bulk[0];
}

static void
caller(gconstpointer data)
{
    const Case *c = data;
    LinkScene s;
    uint8_t ticket[WIRE_SESSION_BYTES];
    link_scene_init(&s, MIGRATE_SEND, NULL);
    MigrateSession *session = s.session;
    session->past_no_return = c->past_no_return;
    session->options.follow = c->follow;
    session->options.token_path = c->token ? (char *)"/given" : NULL;
    if (!c->taken) {
        make_room(&s, c->role);
    }
    bool before = has_links(session);
    memcpy(ticket, session->peer.ticket, sizeof ticket);
    autofd fd = call(&s, c);
    admit(&s);
    WireWelcome welcome = wire_peer_hear_welcome(fd);
    g_assert_cmpint(welcome.status, ==, c->status);
    if (c->status != WIRE_STATUS_OK) {
        hear_refusal(fd, c);
        g_assert_cmpint(has_links(session), ==, before); /* it costs nobody */
        g_assert_cmpmem(session->peer.ticket, sizeof ticket, ticket,
                        sizeof ticket);
    } else {
        g_assert_cmpmem(welcome.session, sizeof ticket, session->peer.ticket,
                        sizeof ticket);
        g_assert_cmpint(has_links(session), ==, !c->past_no_return);
        g_assert_cmpint(memcmp(session->peer.ticket, ticket, sizeof ticket) !=
                            0,
                        ==, c->past_no_return);
    }
    g_assert_cmpuint(session->peer.rejoins, ==,
                     c->past_no_return && c->status == WIRE_STATUS_OK);
    link_scene_clear(&s);
}

/* Strangers who come first keep nobody out, and none who hang up. */
static void
call_after_strangers(LinkScene *s)
{
    static const Case stranger = {"", WIRE_ROLE_URGENT, 0, NOTHING};
    static const Case ours = {"", WIRE_ROLE_CONTROL, 0, NOTHING};
    for (unsigned i = 0; i < 3; i++) {
        autofd fd = call(s, &stranger);
        g_assert_cmpint(wire_peer_hear_welcome(fd).status, ==,
                        WIRE_STATUS_SESSION);
        autofd other = wire_peer_dial(s->port);
        wire_peer_text(other, "GET / HTTP/1.1\r\nHost: here\r\nA: bcdef\r\n");
    }
    autofd mute = wire_peer_dial(s->port);
    autofd fd = call(s, &ours);
    g_assert_cmpint(wire_peer_hear_welcome(fd).status, ==, WIRE_STATUS_OK);
    wire_peer_drain(fd);
}

static void
strangers(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    MigrateSession *session = s.session;
    g_source_remove(session->peer.watch);
    make_room(&s, WIRE_ROLE_CONTROL);
    session->options.peer_timeout_s = 20;
    link_scene_play(&s, call_after_strangers);
    g_assert_true(migrate_lobby_wait_control(session, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(session->peer.host, ==, "127.0.0.1");
    link_scene_clear(&s);
}

/* The time limit is for the right one, however many others come. */
static void
call_in_vain(LinkScene *s)
{
    static const Case stranger = {"", WIRE_ROLE_URGENT, 0, NOTHING};
    for (unsigned i = 0; i < 8; i++) {
        autofd fd = call(s, &stranger);
        g_usleep(100000);
    }
}

static void
nobody(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    MigrateSession *session = s.session;
    make_room(&s, WIRE_ROLE_BULK);
    session->options.follow = true;
    link_scene_play(&s, call_in_vain);
    g_assert_false(migrate_lobby_wait_others(session, &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_nonnull(strstr(error->message, "other connections after 1."));
    link_scene_clear(&s);
}

/* Who waits for the device connection of a receiver that follows is told. */
static void
one_follows(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    make_room(&s, WIRE_ROLE_DEVICE);
    g_assert_false(migrate_lobby_wait_others(s.session, &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_nonnull(strstr(error->message, "--follow to send as well"));
    g_clear_error(&error);
    s.session->past_no_return = true; /* then it is not needed any more */
    g_assert_true(migrate_lobby_wait_others(s.session, &error));
    link_scene_clear(&s);
}

/* Of a destination that dials anew while its last set is not complete, that is
 * void: its old ticket opens no door. */
static void
dial_anew(LinkScene *s)
{
    WireWelcome first, second, other;
    autofd old =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &first);
    autofd control =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &second);
    wire_peer_drain(old);
    autofd urgent =
        link_scene_dial(s, WIRE_ROLE_URGENT, 0, first.session, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_SESSION);
    autofd bulk = link_scene_dial(s, WIRE_ROLE_BULK, 0, second.session, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_OK);
    autofd right =
        link_scene_dial(s, WIRE_ROLE_URGENT, 0, second.session, &other);
    g_assert_cmpint(other.status, ==, WIRE_STATUS_OK);
    wire_peer_drain(control);
}

static void
anew(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, NULL);
    s.session->past_no_return = true;
    s.session->options.peer_timeout_s = 20;
    migrate_outage_source(s.session);
    link_scene_play(&s, dial_anew);
    for (unsigned i = 1; i <= 2; i++) {
        g_assert_false(migrate_lobby_wait_others(s.session, &error));
        g_assert_true(error_is(error, ERROR_RETRY));
        g_assert_nonnull(strstr(error->message, "connected once more"));
        g_assert_cmpuint(s.session->peer.rejoins, ==, i);
        g_clear_error(&error);
        s.session->peer.control_lost = false;
    }
    g_assert_true(migrate_lobby_wait_others(s.session, &error));
    g_assert_no_error(error);
    link_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Who is turned away is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strconcat("/lobby/caller/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], caller);
    }
    g_test_add_func("/lobby/strangers", strangers);
    g_test_add_func("/lobby/nobody", nobody);
    g_test_add_func("/lobby/one-follows", one_follows);
    g_test_add_func("/lobby/anew", anew);
    return g_test_run();
}
