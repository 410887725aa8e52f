/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that is none, with connections: see link-scene.h.
 */
#include "tests/unit/link-scene.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/link/migrate-outlet.h"

#define OPEN_MS 10000

static WireLink *
make_link(int *other_end)
{
    int ends[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    *other_end = ends[1];
    return wire_link_new(ends[0]);
}

static void
make_ram(MigrateSession *session)
{
    uint8_t data[LINK_DATA_PAGES * PAGE_BYTES];
    MigrateRam *ram = session->guest.ram;
    MigrateBlock *block = &ram->blocks[0];
    ram->pages = block->pages = LINK_PAGES;
    ram->bytes = block->bytes = LINK_PAGES * PAGE_BYTES;
    ram->extents = block->extents = LINK_PAGES / PAGES_PER_EXTENT;
    block->file = memfd_create("link-scene", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(block->file, (off_t)block->bytes));
    memset(data, 1, sizeof data);
    g_assert_cmpint(pwrite(block->file, data, sizeof data, 0), ==, sizeof data);
}

static void
init_source(LinkScene *s)
{
    g_autoptr(GError) error = NULL;
    MigrateSession *session = s->session;
    session->peer.listener = wire_peer_listen(&s->port);
    session->peer.porch =
        wire_porch_open(session->peer.listener, NULL, OPEN_MS, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_ram_map(session->guest.ram, false, &error));
    migrate_outlet_make_order(session);
    session->guest.ran = true;
}

static void
init_destination(LinkScene *s)
{
    g_autoptr(GError) error = NULL;
    MigrateSession *session = s->session;
    uint8_t *laid[] = {g_malloc0(session->guest.ram->blocks[0].extents)};
    s->listener = wire_peer_listen(&s->port);
    session->destination.wanted = g_new0(uint8_t *, 1);
    session->destination.wanted[0] =
        g_malloc0(session->guest.ram->blocks[0].extents);
    session->destination.pages = migrate_pages_new(session->guest.ram, laid, -1,
                                                   &session->alarm, &error);
    g_assert_no_error(error);
}

void
link_scene_init(LinkScene *s, MigrateRole role, const QmpPeerStep *steps)
{
    g_autoptr(GError) error = NULL;
    *s = (LinkScene){.listener = -1};
    signal(SIGPIPE, SIG_IGN); /* as main() does */
    session_scene_init(&s->guest, role);
    MigrateSession *session = s->session = s->guest.session;
    memset(session->peer.id, 5, sizeof session->peer.id);
    memset(session->peer.ticket, 6, sizeof session->peer.ticket);
    make_ram(session);
    session->peer.n_streams = 1;
    session->peer.control = make_link(&s->control);
    session->peer.watch =
        migrate_wait_watch(session, wire_link_fd(session->peer.control));
    session->peer.device = make_link(&s->device);
    session->peer.urgent = make_link(&s->urgent);
    session->peer.bulk[0] = make_link(&s->bulk);
    if (role == MIGRATE_SEND) {
        init_source(s);
    } else {
        init_destination(s);
    }
    g_autofree char *address = g_strdup_printf("127.0.0.1:%u", s->port);
    session->peer.address = wire_address_parse(address, &error);
    g_assert_no_error(error);
    if (steps) {
        s->monitor = qmp_peer_start(steps);
        session->guest.qmp =
            qmp_client_open(qmp_peer_path(s->monitor), OPEN_MS, &error);
        g_assert_no_error(error);
        session->guest.watch =
            migrate_wait_watch(session, qmp_client_fd(session->guest.qmp));
    }
}

void
link_scene_clear(LinkScene *s)
{
    session_scene_clear(&s->guest);
    if (s->peer) {
        g_thread_join(s->peer);
    }
    if (s->monitor) {
        qmp_peer_stop(s->monitor);
    }
    fd_clear(&s->listener);
    fd_clear(&s->control);
    fd_clear(&s->device);
    fd_clear(&s->urgent);
    fd_clear(&s->bulk);
}

void
link_scene_let_monitor_speak(LinkScene *s)
{
    struct pollfd p = {.fd = qmp_client_fd(s->session->guest.qmp),
                       .events = POLLIN};
    qmp_peer_go(s->monitor);
    g_assert_cmpint(poll(&p, 1, OPEN_MS), ==, 1);
}

static gpointer
run_peer(gpointer data)
{
    LinkScene *s = data;
    s->play(s);
    return NULL;
}

void
link_scene_play(LinkScene *s, void (*play)(LinkScene *scene))
{
    s->play = play;
    s->peer = g_thread_new("peer", run_peer, s);
}

void
link_scene_say(int fd, unsigned type, GByteArray *payload)
{
    wire_peer_say_frame(fd, type, payload ? payload->len : 0,
                        payload ? payload->data : NULL,
                        payload ? payload->len : 0);
    g_clear_pointer(&payload, g_byte_array_unref);
}

GByteArray *
link_scene_run(bool start_guest)
{
    GByteArray *payload = g_byte_array_new();
    wire_run_encode(start_guest, payload);
    return payload;
}

GByteArray *
link_scene_reconnect(unsigned flags)
{
    GByteArray *payload = g_byte_array_new();
    wire_reconnect_encode(flags, payload);
    return payload;
}

GByteArray *
link_scene_present(unsigned block, uint64_t first, uint32_t n)
{
    GByteArray *payload = g_byte_array_new();
    g_autofree uint8_t *bitmap = g_malloc((n + 7) / 8 + 1);
    memset(bitmap, 0xff, (n + 7) / 8 + 1);
    const WirePresent present = {.block = block,
                                 .flags = WIRE_PRESENT_LAST,
                                 .first_page = first,
                                 .n_pages = n,
                                 .bitmap = bitmap};
    wire_present_encode(&present, payload);
    return payload;
}

GByteArray *
link_scene_extents(void)
{
    static const uint8_t none;
    GByteArray *payload = g_byte_array_new();
    const WireExtents extents = {.flags =
                                     WIRE_EXTENTS_FINAL | WIRE_EXTENTS_LAST,
                                 .n_extents = LINK_PAGES / PAGES_PER_EXTENT,
                                 .bitmap = &none};
    wire_extents_encode(&extents, payload);
    return payload;
}

GByteArray *
link_scene_ended(WireEndedCode code)
{
    GByteArray *payload = g_byte_array_new();
    wire_ended_encode(code, "for a test", payload);
    return payload;
}

void
link_scene_hear(int fd, unsigned type)
{
    g_byte_array_unref(wire_peer_hear_frame(fd, type));
}

int
link_scene_call(const LinkScene *s, WireRole role, unsigned index,
                const uint8_t session[WIRE_SESSION_BYTES])
{
    int fd = wire_peer_dial(s->port);
    WireHello hello = {.version = WIRE_VERSION,
                       .lowest = WIRE_LOWEST_VERSION,
                       .role = role,
                       .index = (uint8_t)index};
    WireHelloBytes bytes;
    memcpy(hello.session, session, WIRE_SESSION_BYTES);
    wire_hello_encode(&hello, &bytes);
    wire_peer_write(fd, &bytes, sizeof bytes);
    return fd;
}

int
link_scene_dial(const LinkScene *s, WireRole role, unsigned index,
                const uint8_t session[WIRE_SESSION_BYTES], WireWelcome *welcome)
{
    int fd = link_scene_call(s, role, index, session);
    *welcome = wire_peer_hear_welcome(fd);
    return fd;
}

int
link_scene_accept(const LinkScene *s, WireRole role)
{
    int fd = wire_peer_accept(s->listener);
    g_assert_cmpint(wire_peer_hear_hello(fd).role, ==, role);
    wire_peer_say_welcome(fd, WIRE_VERSION, WIRE_STATUS_OK);
    return fd;
}

void
link_scene_let_in_again(const LinkScene *s, unsigned flags, unsigned n_present)
{
    autofd control = link_scene_accept(s, WIRE_ROLE_CONTROL);
    g_autoptr(GByteArray) back =
        wire_peer_hear_frame(control, WIRE_FRAME_RECONNECT);
    unsigned said = ~flags;
    g_assert_true(wire_reconnect_decode(back, &said, NULL));
    g_assert_cmpuint(said, ==, flags);
    for (unsigned i = 0; i < n_present; i++) {
        link_scene_hear(control, WIRE_FRAME_PRESENT);
    }
    GByteArray *accept = g_byte_array_new();
    wire_accept_encode(1, accept);
    link_scene_say(control, WIRE_FRAME_ACCEPT, accept);
    link_scene_say(control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(control, WIRE_FRAME_RUN, link_scene_run(true));
    autofd urgent = link_scene_accept(s, WIRE_ROLE_URGENT);
    autofd bulk = link_scene_accept(s, WIRE_ROLE_BULK);
    wire_peer_drain(bulk);
}
