/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which extent next: see migrate-order.h.
 *
 * One byte per extent says where it stands; the hot ones also lie in a ring
 * that can hold every extent once, so nothing is allocated after _new(). Hot
 * extents leave in the order in which they became hot: a guest thread waits in
 * each of them only until its page came on the urgent connection, and what it
 * touches next is in the one that became hot first.
 */
#include "migrate/send/migrate-order.h"

#include <pthread.h>

enum {
    EXTENT_OUT = 0, /* not offered, or handed out */
    EXTENT_COLD = 1,
    EXTENT_HOT = 2,
};

typedef struct {
    unsigned block;
    uint32_t extent;
} Place;

struct MigrateOrder {
    /* Not GMutex: a lock that the thread sanitizer can see. */
    pthread_mutex_t lock;
    unsigned n_blocks;
    uint32_t *extents;
    uint8_t **state; /* per block, per extent */
    Place *hot;
    uint64_t hot_room, hot_head, hot_count;
    Place cursor; /* where the background walk stands */
    uint64_t left;
};

MigrateOrder *
migrate_order_new(const uint32_t *extents_per_block, unsigned n)
{
    MigrateOrder *order = g_new0(MigrateOrder, 1);
    pthread_mutex_init(&order->lock, NULL);
    order->n_blocks = n;
    order->extents = g_memdup2(extents_per_block, n * sizeof(uint32_t));
    order->state = g_new0(uint8_t *, n);
    for (unsigned i = 0; i < n; i++) {
        order->state[i] = g_malloc0(extents_per_block[i]);
        order->hot_room += extents_per_block[i];
    }
    order->hot = g_new0(Place, order->hot_room);
    return order;
}

void
migrate_order_free(MigrateOrder *order)
{
    for (unsigned i = 0; i < order->n_blocks; i++) {
        g_free(order->state[i]);
    }
    g_free(order->state);
    g_free(order->extents);
    g_free(order->hot);
    pthread_mutex_destroy(&order->lock);
    g_free(order);
}

void
migrate_order_offer(MigrateOrder *order, unsigned block, uint32_t extent)
{
    pthread_mutex_lock(&order->lock);
    uint8_t *state = &order->state[block][extent];
    if (*state == EXTENT_OUT) {
        *state = EXTENT_COLD;
        order->left++;
        Place *at = &order->cursor;
        if (block < at->block ||
            (block == at->block && extent < at->extent)) {
            *at = (Place){.block = block, .extent = extent};
        }
    }
    pthread_mutex_unlock(&order->lock);
}

void
migrate_order_heat(MigrateOrder *order, unsigned block, uint32_t extent)
{
    pthread_mutex_lock(&order->lock);
    uint8_t *state = &order->state[block][extent];
    if (*state == EXTENT_COLD) {
        *state = EXTENT_HOT;
        uint64_t tail = (order->hot_head + order->hot_count) % order->hot_room;
        order->hot[tail] = (Place){.block = block, .extent = extent};
        order->hot_count++;
    }
    pthread_mutex_unlock(&order->lock);
}

static bool
next_cold_locked(MigrateOrder *order, Place *place)
{
    Place *at = &order->cursor;
    for (; at->block < order->n_blocks; at->block++, at->extent = 0) {
        for (; at->extent < order->extents[at->block]; at->extent++) {
            if (order->state[at->block][at->extent] == EXTENT_COLD) {
                *place = *at;
                return true;
            }
        }
    }
    return false;
}

bool
migrate_order_next(MigrateOrder *order, unsigned *block, uint32_t *extent)
{
    Place place;
    bool found = true;
    pthread_mutex_lock(&order->lock);
    if (order->hot_count > 0) {
        place = order->hot[order->hot_head];
        order->hot_head = (order->hot_head + 1) % order->hot_room;
        order->hot_count--;
    } else {
        found = next_cold_locked(order, &place);
    }
    if (found) {
        order->state[place.block][place.extent] = EXTENT_OUT;
        order->left--;
        *block = place.block;
        *extent = place.extent;
    }
    pthread_mutex_unlock(&order->lock);
    return found;
}

uint64_t
migrate_order_left(MigrateOrder *order)
{
    pthread_mutex_lock(&order->lock);
    uint64_t left = order->left;
    pthread_mutex_unlock(&order->lock);
    return left;
}
