/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU hears and says around a migration, as steps of a monitor by script
 * (qmp-peer.h). Nothing but text.
 */
#pragma once

#include "tests/support/qmp-peer.h"

/* A command, by a part of its line, and the answer. */
#define ASKED(command, answer)                                                 \
    {QMP_PEER_HEAR, command, NULL},                                            \
    {                                                                          \
        QMP_PEER_ANSWER, answer, NULL                                          \
    }
#define TOLD(command) ASKED(command, "{}")
#define REFUSED(command, words)                                                \
    {QMP_PEER_HEAR, command, NULL},                                            \
    {                                                                          \
        QMP_PEER_REFUSE, NULL, words                                           \
    }

#define EVENT_LINE(rest)                                                       \
    {                                                                          \
        QMP_PEER_SAY,                                                          \
            "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "          \
            "\"event\": " rest "}\r\n",                                        \
            NULL                                                               \
    }
#define SAYS(event) EVENT_LINE("\"" event "\"")
#define SAYS_MIGRATION(status)                                                 \
    EVENT_LINE("\"MIGRATION\", \"data\": {\"status\": \"" status "\"}")
#define SAYS_SHUTDOWN(reason)                                                  \
    EVENT_LINE(                                                                \
        "\"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"" reason      \
        "\"}")

#define MIGRATION(answer) ASKED("query-migrate\"", answer)
#define MIGRATION_IS(status) MIGRATION("{\"status\": \"" status "\"}")
#define MIGRATION_FAILED(words)                                                \
    MIGRATION("{\"status\": \"failed\", \"error-desc\": \"" words "\"}")
#define STATE_IS(state)                                                        \
    ASKED("query-status", "{\"running\": false, \"singlestep\": false, "       \
                          "\"status\": \"" state "\"}")

/* The four that ours cannot do without: "true" or "false" each. */
#define ON "true"
#define OFF "false"
#define CAPABILITY(name, state)                                                \
    "{\"capability\": \"" name "\", \"state\": " state "}"
#define CAPABILITIES(back, pause, ignore)                                      \
    ASKED("query-migrate-capabilities",                                        \
          "[" CAPABILITY("events", ON) ", " CAPABILITY(                        \
              "return-path",                                                   \
              back) ", " CAPABILITY("pause-before-switchover",                 \
                                    pause) ", " CAPABILITY("x-ignore-shared",  \
                                                           ignore) "]")
#define ALL_ON CAPABILITIES(ON, ON, ON)
#define SWITCHED TOLD("migrate-set-capabilities")

/* The guest's RAM is as link-scene.h has it, or of another size. */
#define BLOCK_LINE(name, bytes)                                                \
    " " name " 4 KiB 0x0000000000000000 " bytes " " bytes "\\r\\n"
#define BLOCKS(lines)                                                          \
    ASKED("x-query-ramblock", "{\"human-readable-text\": \"Block Name PSize "  \
                              "Offset Used Total\\r\\n" lines "\"}")
#define RAM_LINE BLOCK_LINE("ram", "0x0000000000400000")
/* The same blocks, and no device that is not to be moved. (That the devices
 * cannot be listed is warned of, and takes one question instead of many.) */
#define SAME_GUEST                                                             \
    BLOCKS(RAM_LINE), REFUSED("qom-list", "the script knows no devices")
#define OTHER_RAM BLOCKS(BLOCK_LINE("ram", "0x0000000000800000"))
