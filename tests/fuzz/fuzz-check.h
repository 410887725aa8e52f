/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every fuzz target claims: a parser that fails sets an error of a kind
 * it may set, with words for an operator; one that succeeds sets none. And
 * input in blocks of exactly its size, so that a sanitizer sees one byte too
 * many. Aborts when a claim is wrong, which is what libFuzzer looks for.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAY(code) (1u << (code))

/* Takes ERROR over. MAY: FUZZ_MAY() of each code that is allowed. */
void fuzz_end(bool ok, GError *error, unsigned may);

/* The input as a C string: it ends at its first NUL. */
char *fuzz_text(const uint8_t *data, size_t size);

/* The same in a frame's payload; the caller frees ->data. */
GByteArray fuzz_payload(const uint8_t *data, size_t size);

/* True if TEXT could be shown on a terminal. */
bool fuzz_is_printable(const char *text);
