/*
 * A feed of products in whatever form it comes.
 */
#include "clients/site/feed.h"

enum form { FORM_NONE, FORM_XML, FORM_TABLE };

/* By the first bytes: a page is no feed, and neither is anything with bytes that no text has. */
static enum form form_of(struct span head)
{
    size_t at = head.len >= 3 && memcmp(head.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (head.len >= 2 && ((head.data[0] == 0xff && head.data[1] == 0xfe) ||
                          (head.data[0] == 0xfe && head.data[1] == 0xff)))
        return FORM_XML; /* UTF-16, which a table is not read in */
    while (at < head.len && head.data[at] <= ' ' && head.data[at] != '\0')
        at++;
    if (at < head.len && head.data[at] == '<')
        return FORM_XML;
    if (at == head.len || head.data[at] == '{' || head.data[at] == '[' || head.data[at] == '%')
        return FORM_NONE;
    return memchr(head.data, '\0', head.len) == NULL ? FORM_TABLE : FORM_NONE;
}

enum site_feed_result site__feed_read(struct span body, struct site_feed *feed)
{
    struct site_unpack unpack;
    if (!site__unpack_open(&unpack, body))
        return SITE_FEED_PARTLY;
    if (!site__feed_open(feed)) {
        site__unpack_close(&unpack);
        return SITE_FEED_PARTLY;
    }
    bool is_list = false;
    enum form form = form_of(site__unpack_peek(&unpack));
    if (form == FORM_XML)
        is_list = site__feed_xml_read(&unpack, feed);
    else if (form == FORM_TABLE)
        is_list = site__csv_read(&unpack, feed);
    bool is_whole = !feed->is_partly && !unpack.is_broken && !unpack.is_capped && !feed->is_stopped;
    site__feed_close(feed);
    site__unpack_close(&unpack);
    if (!is_list)
        return SITE_FEED_NONE;
    return is_whole ? SITE_FEED_OK : SITE_FEED_PARTLY;
}
