/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two links that greet each other: see tls-scene.h.
 */
#include "tests/unit/tls-scene.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "tests/support/wire-peer.h"

typedef struct {
    TlsScene *scene;
    int listener;
} Host;

static gpointer
host(gpointer data)
{
    Host *h = data;
    TlsScene *scene = h->scene;
    WireHello hello;
    uint8_t session[WIRE_SESSION_BYTES] = {7};
    int fd = wire_peer_accept(h->listener);
    g_autoptr(WireLink) link =
        wire_link_accept(fd, scene->in, WIRE_LINK_PATIENCE_MS, &hello,
                         &scene->accepted);
    if (link && wire_link_welcome(link, &hello, session, &scene->accepted)) {
        scene->listener_saw = wire_link_describe(link);
        scene->listener = g_steal_pointer(&link);
    }
    fd_clear(&h->listener);
    g_free(h);
    return NULL;
}

static GThread *
start_host(TlsScene *scene, WireTlsCreds *in, unsigned *port)
{
    Host *h = g_new0(Host, 1);
    *scene = (TlsScene){.in = in};
    h->scene = scene;
    h->listener = wire_peer_listen(port);
    return g_thread_new("host", host, h);
}

void
tls_scene_greet(TlsScene *scene, WireTlsCreds *in, WireTlsCreds *out)
{
    unsigned port;
    uint8_t session[WIRE_SESSION_BYTES] = {0};
    GThread *thread = start_host(scene, in, &port);
    g_autofree char *text = g_strdup_printf("127.0.0.1:%u", port);
    scene->address = wire_address_parse(text, NULL);
    if (out) {
        wire_address_protect(scene->address, out);
    }
    scene->dialler = wire_link_dial(scene->address, WIRE_ROLE_CONTROL, 0,
                                    session, &scene->dialled);
    g_thread_join(thread);
    if (scene->dialler) {
        scene->dialler_saw = wire_link_describe(scene->dialler);
    }
    g_assert_true(!scene->dialler == !!scene->dialled);
    g_assert_cmpuint(session[0], ==, scene->dialler ? 7 : 0);
}

int
tls_scene_await(TlsScene *scene, WireTlsCreds *in, GThread **thread)
{
    unsigned port;
    *thread = start_host(scene, in, &port);
    return wire_peer_dial(port);
}

void
tls_scene_clear(TlsScene *scene)
{
    g_clear_pointer(&scene->listener, wire_link_free);
    g_clear_pointer(&scene->dialler, wire_link_free);
    g_clear_pointer(&scene->address, wire_address_free);
    g_clear_pointer(&scene->in, wire_tls_creds_free);
    g_clear_error(&scene->accepted);
    g_clear_error(&scene->dialled);
    g_clear_pointer(&scene->listener_saw, g_free);
    g_clear_pointer(&scene->dialler_saw, g_free);
}

void
tls_scene_assert_says(const GError *error, const char *text)
{
    if (!text) {
        g_assert_no_error(error);
    } else if (!error || !strstr(error->message, text)) {
        g_error("expected \"%s\", got: %s", text,
                error ? error->message : "success");
    }
}
