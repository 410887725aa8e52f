/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Words to orders: a table of what each verb is followed by.
 */
#include "tests/support/fault-order.h"

#include <string.h>

#include "base/error.h"

static const struct {
    const char *name;
    bool how, who, way, number, jitter;
} verbs[] = {
    [FAULT_CUT] = {"cut", .how = true, .who = true},
    [FAULT_CUT_AFTER] = {"cut-after", true, true, true, true},
    [FAULT_SWALLOW] = {"swallow", .who = true, .way = true},
    [FAULT_DELAY] = {"delay", false, true, true, true, true},
    [FAULT_THROTTLE] = {"throttle", false, true, true, true},
    [FAULT_REFUSE] = {"refuse", .number = true},
    [FAULT_DEAF] = {"deaf", .number = true},
    [FAULT_HEAL] = {"heal"},
    [FAULT_LOOK] = {"look"},
};

static const char *const role_names[FAULT_ROLES] = {
    "none", "control", "device", "urgent", "bulk"};

const char *
fault_order_role_name(unsigned role)
{
    return role < FAULT_ROLES ? role_names[role] : "none";
}

static bool
parse_verb(const char *word, FaultOrder *order)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (strcmp(word, verbs[i].name) == 0) {
            order->verb = i;
            return true;
        }
    }
    return false;
}

static bool
parse_how(const char *word, FaultOrder *order)
{
    order->how = strcmp(word, "fin") == 0 ? FAULT_FIN : FAULT_RST;
    return order->how == FAULT_FIN || strcmp(word, "rst") == 0;
}

static bool
parse_who(const char *word, FaultOrder *order)
{
    guint64 index;
    if (g_str_has_prefix(word, "bulk:")) {
        order->roles[WIRE_ROLE_BULK] = true;
        if (!g_ascii_string_to_unsigned(word + strlen("bulk:"), 10, 0,
                                        WIRE_MAX_STREAMS, &index, NULL)) {
            return false;
        }
        order->index = (int)index;
        return true;
    }
    bool any = false;
    for (unsigned i = 0; i < FAULT_ROLES; i++) {
        order->roles[i] = strcmp(word, "all") == 0 ||
                          (i > 0 && strcmp(word, role_names[i]) == 0);
        any = any || order->roles[i];
    }
    return any;
}

static bool
parse_way(const char *word, FaultOrder *order)
{
    bool both = strcmp(word, "both") == 0;
    order->from[FAULT_DESTINATION] = both || strcmp(word, "to-source") == 0;
    order->from[FAULT_SOURCE] = both || strcmp(word, "to-destination") == 0;
    return order->from[FAULT_DESTINATION] || order->from[FAULT_SOURCE];
}

static bool
parse_number(const char *word, uint64_t most, uint64_t *value)
{
    guint64 number;
    if (!g_ascii_string_to_unsigned(word, 10, 0, most, &number, NULL)) {
        return false;
    }
    *value = number;
    return true;
}

/* The words behind the verb, in the order of the table. */
static bool
parse_rest(char **words, FaultOrder *order)
{
    unsigned verb = order->verb;
    uint64_t jitter = 0;
    if (verbs[verb].how && (!*words || !parse_how(*words++, order))) {
        return false;
    }
    if (verbs[verb].who && (!*words || !parse_who(*words++, order))) {
        return false;
    }
    if (verbs[verb].way && (!*words || !parse_way(*words++, order))) {
        return false;
    }
    if (verbs[verb].number &&
        (!*words || !parse_number(*words++, G_MAXUINT32, &order->n))) {
        return false;
    }
    if (verbs[verb].jitter && *words &&
        !parse_number(*words++, 60000, &jitter)) {
        return false;
    }
    order->jitter_ms = (unsigned)jitter;
    return !*words;
}

bool
fault_order_parse(const char *line, FaultOrder *order, GError **error)
{
    *order = (FaultOrder){.index = -1};
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    if (words[0] && parse_verb(words[0], order) &&
        parse_rest(words + 1, order)) {
        return true;
    }
    return error_set(error, ERROR_USAGE,
                     "'%s' is no order: see tests/support/fault-order.h",
                     line);
}
