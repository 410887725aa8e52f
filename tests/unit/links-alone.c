/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing: linked with the whole of a room, it shows that the room needs no
 * other but those below it.
 */
int
main(void)
{
    return 0;
}
