/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The token and its file: see migrate-token.h.
 */
#include "migrate/core/migrate-token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* A link is refused, because where it leads may be changed by others. */
static int
open_file(const char *path, GError **error)
{
    struct stat st;
    autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set(error, ERROR_USAGE, "token file %s: %s", path,
                  g_strerror(errno));
        return -1;
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) ||
        (st.st_uid != 0 && st.st_uid != geteuid())) {
        error_set(error, ERROR_USAGE,
                  "token file %s can be read or changed by others: it must be "
                  "a file of this user with mode 0600",
                  path);
        return -1;
    }
    return fd_steal(&fd);
}

static bool
token_parse(const char *text, uint8_t token[WIRE_SESSION_BYTES])
{
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        token[i] = (uint8_t)(high * 16 + low);
    }
    const char *rest = text + MIGRATE_TOKEN_DIGITS;
    return *rest == '\0' || strcmp(rest, "\n") == 0;
}

bool
migrate_token_read(const char *path, uint8_t token[WIRE_SESSION_BYTES],
                   GError **error)
{
    char text[MIGRATE_TOKEN_DIGITS + 3] = {0};
    autofd fd = open_file(path, error);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    return (n >= MIGRATE_TOKEN_DIGITS && token_parse(text, token)) ||
           error_set(error, ERROR_USAGE,
                     "token file %s does not hold %d hexadecimal digits", path,
                     MIGRATE_TOKEN_DIGITS);
}

static bool
token_draw(uint8_t random[WIRE_SESSION_BYTES], GError **error)
{
    return getrandom(random, WIRE_SESSION_BYTES, 0) == WIRE_SESSION_BYTES ||
           error_set_errno(error, errno, "random bytes for the session");
}

char *
migrate_token_make(const char *path, GError **error)
{
    uint8_t token[WIRE_SESSION_BYTES];
    g_autoptr(GString) text = g_string_new(NULL);
    autofd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set_errno(error, errno, "create token file %s", path);
        return NULL;
    }
    if (!token_draw(token, error)) {
        return NULL;
    }
    for (unsigned i = 0; i < sizeof token; i++) {
        g_string_append_printf(text, "%02x", token[i]);
    }
    if (!fd_write_all(fd, text->str, text->len, 0, error)) {
        return NULL;
    }
    return g_strdup(text->str);
}

bool
migrate_token_session(const char *path, uint8_t session[WIRE_SESSION_BYTES],
                      GError **error)
{
    return path ? migrate_token_read(path, session, error)
                : token_draw(session, error);
}
