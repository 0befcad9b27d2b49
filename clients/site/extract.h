/*
 * Between extract.c (the walk over a block) and item.c (one item's properties).
 */
#ifndef CLIENTS_SITE_EXTRACT_H
#define CLIENTS_SITE_EXTRACT_H

#include "clients/site/internal.h"

/* Values waiting to be looked at. */
#define EXTRACT_STACK_MAX 4096
/* Nodes with an @id that references are looked up in, and references followed in one page. */
#define EXTRACT_NODES_MAX 2048
#define EXTRACT_LOOKUPS_MAX 4096

/* One for a page: references go from block to block. */
struct site_extraction {
    struct site_page *page;
    struct arena *arena;
    enum site_source source;
    struct site_value *stack[EXTRACT_STACK_MAX];
    size_t stack_len;
    struct site_value *nodes[EXTRACT_NODES_MAX];
    size_t node_count;
    size_t lookups;
};

/* The first of a list, or the value itself; NULL for NULL. */
struct site_value *site__value_first(struct site_value *value);
/* What a node that only names another ({"@id": …}) stands for; else the value. */
struct site_value *site__value_resolve(struct site_extraction *extraction,
                                       struct site_value *value);
/* First of a member's values, resolved; or NULL. */
struct site_value *site__value_member(struct site_extraction *extraction,
                                      const struct site_value *object, const char *key);
/* The text of a string or number, or of a wrapped one ({"@value": …}); empty for anything else. */
struct span site__value_text(struct site_value *value);
/* The last part of a type or an enumeration's URL: Product of http://schema.org/Product. */
struct span site__local_name(struct span text);
bool site__is_one_of(struct span text, const char *const *words, size_t count);

/* Adds the item that `node` describes, with the offer around it (NULL: none). */
void site__item_read(struct site_extraction *extraction, const struct site_value *node,
                     const struct site_value *offer, bool is_vehicle);

#endif
