/*
 * The tags of a page that lead somewhere or say something, without a parser. See glance.c.
 */
#ifndef CLIENTS_SITE_GLANCE_H
#define CLIENTS_SITE_GLANCE_H

#include "clients/site/internal.h"

struct site_glance_sink {
    void *arg;
    /* A start tag of a, area, base, link, meta or script: its name in lower case, and of its
     * attributes href, rel, content, property, name and type, as site__attribute takes them. The
     * values are in the arena, decoded. */
    void (*tag)(void *arg, const char *name, const char *const *attributes);
    /* The text of the script whose tag has just been given; lent. */
    void (*script)(void *arg, struct span text);
};

/*
 * Reads the page's UTF-8. False: this is not enough for it (microdata of things that are sold, a
 * tag, comment or script without an end, no memory), and what has been given is to be forgotten.
 */
bool site__glance(struct span text, struct arena *arena, const struct site_glance_sink *sink);

#endif
