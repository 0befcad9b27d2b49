#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "clients/site/internal.h"

#define ARENA_BYTES ((size_t)192 * 1024 * 1024)
#define LD "<script type='application/ld+json'>"
#define END "</script>"

/* What was found, in short: title|minor currency|stock|vin|sku|url;… */
static void describe(const struct site_page *page, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next) {
        int n = snprintf(
            out + used, size - used, "%s|%" PRId64 " %s|%d|%s|%s|%s%s;",
            found->title == NULL ? "-" : found->title, found->price_minor,
            found->price_minor < 0 ? "-" : found->currency, found->in_stock,
            found->vin == NULL ? "-" : found->vin, found->sku == NULL ? "-" : found->sku,
            strncmp(found->url, "http://x.example", 16) == 0 ? found->url + 16 : found->url,
            found->is_detail ? "!" : "");
        assert_true(n > 0 && (size_t)n < size - used);
        used += (size_t)n;
    }
}

/* Its links. */
static void describe_links(const struct site_page *page, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next)
        used += (size_t)snprintf(out + used, size - used, "%.*s%s%s%s%s ", (int)link->href.len,
                                 (const char *)link->href.data, link->is_next ? "+" : "",
                                 link->is_previous ? "<" : "", link->is_follow ? "" : "-",
                                 link->is_alternate ? "~" : "");
}

/* Reads a page, in both ways where there are two: they say the same. */
static void read_page(struct arena *arena, struct span body, struct site_page *page)
{
    static char seen[65536], parsed[65536];
    struct url url;
    struct site_page other;
    assert_true(url_parse(span_of_string("http://x.example/dir/page?utm_source=a"), arena, &url));
    assert_true(site__page_read(&url, body, "text/html", NULL, false, arena, page));
    assert_true(site__page_parse(&url, body, "text/html", NULL, false, arena, &other));
    describe(page, seen, sizeof seen);
    describe(&other, parsed, sizeof parsed);
    assert_string_equal(seen, parsed);
    describe_links(page, seen, sizeof seen);
    describe_links(&other, parsed, sizeof parsed);
    assert_string_equal(seen, parsed);
    assert_string_equal(page->canonical, other.canonical);
    assert_string_equal(page->base.text, other.base.text);
    assert_int_equal(page->is_nofollow, other.is_nofollow);
    assert_int_equal(page->is_listing, other.is_listing);
}

struct row {
    const char *body, *want;
};

static void check_rows(const struct row *rows, size_t count)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct site_page page;
        char text[4096];
        read_page(&arena, span_of_string(rows[i].body), &page);
        describe(&page, text, sizeof text);
        if (strcmp(text, rows[i].want) != 0)
            fail_msg("row %zu\n%s\ngave %s\nnot  %s", i, rows[i].body, text, rows[i].want);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static const struct row jsonld_rows[] = {
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"sku\":\"1\",\"offers\":{\"price\":\"5\","
        "\"priceCurrency\":\"USD\"}}" END,
     "A|500 USD|-1|-|1|/dir/page!;"},
    {LD "{\"@type\":\"http://schema.org/Product\",\"name\":\"A\"}" END,
     "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"schema:Product\",\"schema:name\":\"A\"}" END, "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":[\"Thing\",\"Vehicle\"],\"name\":\"A\"}" END, "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"/a\"},{\"@type\":\"Car\",\"name\":\"B\","
        "\"url\":\"b?x#y\"}]" END,
     "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/dir/b?x;"},
    {LD "{\"@graph\":[{\"@type\":\"Organization\",\"name\":\"O\"},{\"@type\":\"Product\","
        "\"name\":\"A\","
        "\"offers\":{\"@id\":\"#o\"}},{\"@id\":\"#o\",\"@type\":\"Offer\",\"price\":7,"
        "\"priceCurrency\":\"EUR\"}]}" END,
     "A|700 EUR|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"WebPage\",\"mainEntity\":{\"@type\":\"Product\",\"name\":\"A\"}}" END,
     "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Offer\",\"price\":\"9\",\"priceCurrency\":\"USD\",\"itemOffered\":{\"@"
        "type\":"
        "\"Car\",\"name\":\"A\"}}" END,
     "A|900 USD|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"AutoDealer\",\"makesOffer\":[{\"@type\":\"Offer\",\"price\":\"9\","
        "\"priceCurrency\":\"USD\",\"itemOffered\":{\"@type\":\"Car\",\"name\":\"A\",\"url\":"
        "\"/a\"}}]}" END,
     "A|900 USD|-1|-|-|/a;"},
    {LD "{\"@type\":\"ItemList\",\"itemListElement\":[{\"@type\":\"ListItem\",\"position\":1,"
        "\"item\":{"
        "\"@type\":\"Product\",\"name\":\"A\",\"url\":\"/"
        "a\"}},{\"@type\":\"Product\",\"name\":\"B\","
        "\"url\":\"/b\"},{\"@type\":\"ListItem\",\"url\":\"/c\"},\"/d\"]}" END,
     "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/b;"},
    {LD "{\"@type\":\"BreadcrumbList\",\"itemListElement\":[{\"@type\":\"ListItem\",\"item\":{"
        "\"@type\":"
        "\"Product\",\"name\":\"A\"}}]}" END,
     ""},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"isRelatedTo\":{\"@type\":\"Product\",\"name\":"
        "\"B\"}}" END,
     "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"ProductGroup\",\"name\":\"G\",\"hasVariant\":[{\"@type\":\"Product\","
        "\"sku\":\"1\","
        "\"offers\":{\"price\":1,\"priceCurrency\":\"USD\"}},{\"@type\":\"Product\",\"name\":"
        "\"V\","
        "\"sku\":\"2\"}]}" END,
     "G|100 USD|-1|-|1|/dir/page;V|-1 -|-1|-|2|/dir/page;"},
    /* Offers. */
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"@type\":\"AggregateOffer\","
        "\"lowPrice\":"
        "\"19.99\",\"highPrice\":\"29\",\"priceCurrency\":\"USD\"}}" END,
     "A|1999 USD|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"@type\":\"AggregateOffer\","
        "\"offers\":[{"
        "\"price\":3,\"priceCurrency\":\"USD\"},{\"price\":2,\"priceCurrency\":\"USD\"}]}}" END,
     "A|200 USD|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":[{\"price\":3,\"priceCurrency\":\"USD\","
        "\"availability\":\"OutOfStock\"},{\"price\":5,\"priceCurrency\":\"USD\",\"availability\":"
        "\"InStock\"},{\"price\":4,\"priceCurrency\":\"USD\",\"availability\":\"InStock\"}]}" END,
     "A|400 USD|1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"priceSpecification\":[{\"priceType\":"
        "\"https://schema.org/ListPrice\",\"price\":9,\"priceCurrency\":\"USD\"},{\"price\":8,"
        "\"priceCurrency\":\"USD\"}]}}" END,
     "A|800 USD|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"price\":\"call\",\"availability\":"
        "\"http://schema.org/Discontinued\"}}" END,
     "A|-1 -|0|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"price\":0,\"inventoryLevel\":{"
        "\"value\":0}}}" END,
     "A|-1 -|0|-|-|/dir/page!;"},
    /* Numbers of its own. */
    {LD "{\"@type\":\"Car\",\"name\":\"A\",\"vehicleIdentificationNumber\":\" "
        "1hgcm82633a004352 \","
        "\"sku\":\"N/A\",\"productID\":\"77\"}" END,
     "A|-1 -|-1|1HGCM82633A004352|77|/dir/page!;"},
    {LD "{\"@type\":\"Car\",\"name\":\"A\",\"vehicleIdentificationNumber\":\"<script>\","
        "\"sku\":0}" END,
     "A|-1 -|-1|-|-|/dir/page!;"},
    {LD "{\"@type\":\"Car\",\"identifier\":{\"@type\":\"PropertyValue\",\"value\":\"S1\"}}" END,
     "-|-1 -|-1|-|S1|/dir/page!;"},
    /* Nothing to show. */
    {LD "{\"@type\":\"Product\"}" END, ""},
    {LD "{\"@type\":\"Article\",\"name\":\"A\"}" END, ""},
    {LD "{\"name\":\"A\"}" END, ""},
    {LD "null" END LD "7" END LD "\"x\"" END LD "[]" END LD "{}" END, ""},
};

static void reads_jsonld(void **state)
{
    (void)state;
    check_rows(jsonld_rows, sizeof jsonld_rows / sizeof jsonld_rows[0]);
}

static void reads_jsonld_in_the_wild(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {LD "{broken" END LD "{\"@type\":\"Product\",\"name\":\"A\"}" END LD "{\"@type\":" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {"<SCRIPT TYPE='Application/LD+JSON; "
         "charset=UTF-8'>{\"@type\":\"Product\",\"name\":\"A\"}</SCRIPT>",
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "<!-- {\"@type\":\"Product\",\"name\":\"A\"} -->" END, "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "<!--//--><![CDATA[//><!--\n{\"@type\":\"Product\",\"name\":\"A\"}\n//--><!]]>" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "/*<![CDATA[*/{\"@type\":\"Product\",\"name\":\"A\"}/*]]>*/" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "// <![CDATA[\n{\"@type\":\"Product\",\"name\":\"A\"}\n// ]]>" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "/* ours */ {\"@type\":\"Product\", /* x */ \"name\":\"A\"};" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\n\tB\x01\",\"description\":\"line\r\nline\"}" END,
         "A B|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"/a\"} "
            "{\"@type\":\"Product\",\"name\":\"B\","
            "\"url\":\"/b\"}" END,
         "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/b;"},
        {LD "{\"@type\":\"Product\",\"name\":\"</b>A<\\/b> \\u0000\\ud800 &amp; C\"}" END,
         "A ? & C|-1 -|-1|-|-|/dir/page!;"},
        {"<!-- " LD "{\"@type\":\"Product\",\"name\":\"A\"}" END " -->", ""},
        {"<script>{\"@type\":\"Product\",\"name\":\"A\"}" END, ""},
        {LD "{\"@type\":\"Product\",\"name\":\"A\"}", "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"name\":\"B\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        /* References that go round. */
        {LD "{\"@graph\":[{\"@id\":\"#a\",\"@type\":\"Product\",\"name\":\"A\",\"offers\":{\"@id\":"
            "\"#a\"}},"
            "{\"@id\":\"#b\",\"mainEntity\":{\"@id\":\"#b\"}}]}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@id\":\"#a\",\"@graph\":[{\"@id\":\"#a\"},{\"@id\":\"#a\"}],\"x\":1}" END, ""},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}

#define SCOPE "<div itemscope itemtype='http://schema.org/Product'>"

static void reads_microdata(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SCOPE
         "<span itemprop=name>A</span><div itemprop=offers itemscope "
         "itemtype=http://schema.org/Offer>"
         "<meta itemprop=priceCurrency content=USD><b itemprop=price content=5.00>$ 5</b><link "
         "itemprop=availability href=http://schema.org/InStock></div></div>",
         "A|500 USD|1|-|-|/dir/page!;"},
        {SCOPE "<p itemprop=name>A <i>B</i>\n C</p><img itemprop=image src=/i.jpg><a itemprop=url "
               "href=/a>x</a>"
               "</div>",
         "A B C|-1 -|-1|-|-|/a;"},
        {SCOPE "<span itemprop='name alternateName'>A</span><span itemprop=sku>7</span></div>",
         "A|-1 -|-1|-|7|/dir/page!;"},
        {SCOPE
         "<h1 itemprop=name>A</h1><div itemprop=brand itemscope "
         "itemtype=http://schema.org/Brand><span "
         "itemprop=name>Brand</span></div><span itemprop='http://schema.org/sku'>8</span></div>",
         "A|-1 -|-1|-|8|/dir/page!;"},
        {SCOPE "<a href=/a><span itemprop=name>A</span></a></div>" SCOPE
               "<a href=/b><span itemprop=name>B</span></a></div>",
         "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/b;"},
        {"<ul itemscope itemtype=https://schema.org/ItemList><li itemprop=itemListElement "
         "itemscope "
         "itemtype=https://schema.org/ListItem><div itemprop=item itemscope "
         "itemtype=https://schema.org/Car><a "
         "itemprop=url href=/a><span itemprop=name>A</span></a></div></li><li "
         "itemprop=itemListElement itemscope "
         "itemtype=https://schema.org/Product><a itemprop=url href=/b>x</a><span "
         "itemprop=name>B</span></li></ul>",
         "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/b;"},
        {SCOPE "<span itemprop=name>A<span itemprop=model>M</span>", "AM|-1 -|-1|-|-|/dir/page!;"},
        {"<span itemprop=name>A</span>", ""},
        {SCOPE "</div>", ""},
        {"<div itemscope itemtype=http://schema.org/Article><span itemprop=name>A</span></div>",
         ""},
        {"<div itemscope itemprop=x itemtype='http://schema.org/Thing http://schema.org/Car'><p "
         "itemprop=name>A"
         "</div>",
         "A|-1 -|-1|-|-|/dir/page!;"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}

#define OG(name, value) "<meta property='" name "' content='" value "'>"

static void reads_opengraph_and_merges_the_page(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {OG("og:type", "product") OG("og:title", "A") OG("product:price:amount", "5")
             OG("product:price:currency", "USD") OG("product:availability", "out of stock")
                 OG("product:retailer_item_id", "9"),
         "A|500 USD|0|-|9|/dir/page!;"},
        {OG("og:title", "A") OG("product:price:amount", "5") OG("product:price:currency", "USD")
             OG("product:sale_price:amount", "4") OG("product:sale_price:currency", "USD"),
         "A|400 USD|-1|-|-|/dir/page!;"},
        {OG("og:title", "A") OG("product:sale_price:amount", "4") OG("product:price:amount", "5")
             OG("product:price:currency", "USD"),
         "A|400 USD|-1|-|-|/dir/page!;"},
        {OG("og:type", "website") OG("og:title", "A") OG("og:image", "/i"), ""},
        {OG("og:type", "article") OG("og:title", "A"), ""},
        /* All three of one page are one item: the numbers are JSON-LD's. */
        {OG("og:type", "product") OG("og:title", "G") OG("product:retailer_item_id", "g") LD
         "{\"@type\":\"Product\",\"name\":\"J\",\"sku\":\"j\"}" END SCOPE
         "<span itemprop=name>M</span><span itemprop=sku>m</span></div>",
         "J|-1 -|-1|-|j|/dir/page!;M|-1 -|-1|-|j|/dir/page!;G|-1 -|-1|-|j|/dir/page!;"},
        /* A list's own tags are no item. */
        {OG("og:type", "product") OG("og:title", "G") LD
         "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"/"
         "a\"},{\"@type\":\"Product\",\"name\":\"B\",\"url\":"
         "\"/b\"}]" END,
         "A|-1 -|-1|-|-|/a;B|-1 -|-1|-|-|/b;"},
        /* The page's own item among related ones. */
        {LD "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"/dir/"
            "page?utm_medium=x\"},{\"@type\":\"Product\","
            "\"name\":\"B\",\"url\":\"/b\"}]" END,
         "A|-1 -|-1|-|-|/dir/page!;B|-1 -|-1|-|-|/b;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\"}" END LD
            "{\"@type\":\"Product\",\"name\":\"B\",\"url\":\"/b\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;B|-1 -|-1|-|-|/b;"},
        /* Its URL in another spelling. */
        {LD "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"https://www.x.example/dir/page/"
            "\"},{\"@type\":"
            "\"Product\",\"name\":\"B\",\"url\":\"/b\"}]" END,
         "A|-1 -|-1|-|-|/dir/page!;B|-1 -|-1|-|-|/b;"},
        /* The same one twice. */
        {LD "{\"@type\":\"Product\",\"name\":\"A\"}" END LD
            "{\"@type\":\"Product\",\"name\":\"A\",\"sku\":\"1\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;A|-1 -|-1|-|1|/dir/page!;"},
        /* Canonical URLs, of this site alone. */
        {"<link rel=canonical href=/real?utm_source=x&b=1&a=2>" LD
         "{\"@type\":\"Product\",\"name\":\"A\"}" END,
         "A|-1 -|-1|-|-|/real?a=2&b=1!;"},
        {"<link rel=canonical href=http://other.example/x>" LD
         "{\"@type\":\"Product\",\"name\":\"A\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {"<link rel=canonical href=/>" LD "{\"@type\":\"Product\",\"name\":\"A\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"http://other.example/x\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"http://www.x.example/x\"}" END,
         "A|-1 -|-1|-|-|http://www.x.example/x;"},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"javascript:alert(1)\"}" END,
         "A|-1 -|-1|-|-|/dir/page!;"},
        {"<base href='/other/'>" LD
         "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"a\"},{\"@type\":\"Product\","
         "\"name\":\"B\",\"url\":\"b\"}]" END,
         "A|-1 -|-1|-|-|/other/a;B|-1 -|-1|-|-|/other/b;"},
        {"<base href='javascript:x'><base href='/late/'>" LD
         "[{\"@type\":\"Product\",\"name\":\"A\",\"url\":\"a\"},{\"@type\":\"Product\",\"name\":"
         "\"B\",\"url\":\"b\"}]" END,
         "A|-1 -|-1|-|-|/dir/a;B|-1 -|-1|-|-|/dir/b;"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}

static void images_and_numbers_of_a_vehicle(void **state)
{
    (void)state;
    static const struct {
        const char *member, *image, *unit;
        int64_t mileage;
        int year, condition;
    } rows[] = {
        {"\"image\":\"i.jpg\"", "http://x.example/dir/i.jpg", NULL, -1, 0, 0},
        {"\"image\":[\"data:image/png;base64,x\",{\"url\":\"//c.example/a b.jpg\"}]",
         "http://c.example/a%20b.jpg", NULL, -1, 0, 0},
        {"\"image\":{\"@type\":\"ImageObject\",\"contentUrl\":\"/i\"}", "http://x.example/i", NULL,
         -1, 0, 0},
        {"\"image\":\"javascript:alert(1)\"", NULL, NULL, -1, 0, 0},
        {"\"image\":[]", NULL, NULL, -1, 0, 0},
        {"\"mileageFromOdometer\":\"45,000 miles\"", NULL, "MI", 45000, 0, 0},
        {"\"mileageFromOdometer\":{\"value\":45000.5,\"unitCode\":\"KMT\"}", NULL, "KM", 45000, 0,
         0},
        {"\"mileageFromOdometer\":{\"value\":\"45.000\",\"unitText\":\"km\"}", NULL, "KM", 45000, 0,
         0},
        {"\"mileageFromOdometer\":{\"value\":-1}", NULL, NULL, -1, 0, 0},
        {"\"mileageFromOdometer\":12", NULL, NULL, 12, 0, 0},
        {"\"vehicleModelDate\":\"2021-05-01\"", NULL, NULL, -1, 2021, 0},
        {"\"modelDate\":2019", NULL, NULL, -1, 2019, 0},
        {"\"productionDate\":\"12345\"", NULL, NULL, -1, 0, 0},
        {"\"itemCondition\":\"http://schema.org/NewCondition\"", NULL, NULL, -1, 0, 1},
        {"\"offers\":{\"itemCondition\":\"Used\"}", NULL, NULL, -1, 0, 2},
        {"\"itemCondition\":\"Certified Pre-Owned\"", NULL, NULL, -1, 0, 2},
        {"\"itemCondition\":\"RefurbishedCondition\"", NULL, NULL, -1, 0, 3},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[1024];
        struct site_page page;
        (void)snprintf(body, sizeof body, LD "{\"@type\":\"Car\",\"name\":\"A\",%s}" END,
                       rows[i].member);
        read_page(&arena, span_of_string(body), &page);
        const struct site_found *found = page.found_first;
        assert_non_null(found);
        assert_true(found->is_vehicle);
        assert_int_equal(found->mileage, rows[i].mileage);
        assert_int_equal(found->year, rows[i].year);
        assert_int_equal(found->condition, rows[i].condition);
        if ((found->image == NULL) != (rows[i].image == NULL) ||
            (found->image != NULL && strcmp(found->image, rows[i].image) != 0))
            fail_msg("row %zu: image %s", i, found->image == NULL ? "(none)" : found->image);
        if ((found->mileage_unit == NULL) != (rows[i].unit == NULL))
            fail_msg("row %zu: unit", i);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void finds_links(void **state)
{
    (void)state;
    static const char body[] =
        "<link rel=next href='?page=2'><a href=a>1</a><a href='#x'>2</a><a>3</a><a rel='nofollow "
        "noopener' "
        "href=b>4</a><a rel=NEXT href=c>5</a><area href=d><!-- <a href=e> --><meta name=robots "
        "content='noindex, nofollow'>";
    struct arena arena;
    struct site_page page;
    struct url url;
    arena_init(&arena, ARENA_BYTES);
    assert_true(url_parse(span_of_string("http://x.example/"), &arena, &url));
    assert_true(site__page_read(&url, span_of_string(body), NULL,
                                "</z>; rel=\"prev\", <y>; title=\"a\"; rel=next", false, &arena,
                                &page));
    char seen[256] = "";
    for (const struct site_link *link = page.link_first; link != NULL; link = link->next) {
        size_t used = strlen(seen);
        (void)snprintf(seen + used, sizeof seen - used, "%.*s%s%s ", (int)link->href.len,
                       (const char *)link->href.data, link->is_next ? "+" : "",
                       link->is_follow ? "" : "-");
    }
    assert_string_equal(seen, "/z y+ ?page=2+ a b- c+ d ");
    assert_true(page.is_nofollow);
    assert_true(page.is_listing);
    arena_fini(&arena);
}

/* Depth, numbers and lengths that would hurt a careless reader: each must end, and soon. */
static void stands_hostile_pages(void **state)
{
    (void)state;
    static const struct {
        const char *front, *repeated, *back;
        size_t times;
    } rows[] = {
        {"", "<div>", "", 500000},
        {"", "<div><p>", "</p>", 100000},
        {"", "<a href=x><b>", "", 100000},
        {"", "<table><tr><td>", "", 50000},
        {"", "</p></div>", "", 200000},
        {"", "<!--", "", 500000},
        {"", "<", "", 3000000},
        {"", "<a", "", 1000000},
        {"", "&", "", 3000000},
        {"<p ", "a=b ", ">", 500000},
        {"", SCOPE, "", 50000},
        {SCOPE, "<span itemprop=name>", "x", 100000},
        {SCOPE, "<meta itemprop=name content=x>", "", 100000},
        {LD, "[", END, 1000000},
        {LD, "{\"a\":", END, 500000},
        {LD "[", "{},", "{}]" END, 500000},
        {LD "[", "{\"@type\":\"Product\",\"name\":\"x\"},", "{}]" END, 100000},
        {LD "{\"@graph\":[", "{\"@id\":\"#1\",\"x\":1},{\"@id\":\"#2\"},", "{}]}" END, 80000},
        {LD "{\"@type\":\"Product\",\"name\":\"", "<a ", "\"}" END, 1000000},
        {LD "{\"@type\":\"Product\",\"name\":\"", "&#x41;", "\"}" END, 500000},
        {LD "{\"@type\":\"Product\",\"name\":\"A\",\"offers\":[", "{\"price\":1},", "{}]}" END,
         200000},
        {"", "<script type='application/ld+json'>", "", 100000},
        {"", LD "{}" END, "", 50000},
        {"", "<a href=x>", "", 400000},
        {"<title>", "\xf0\x9f\x98\x80", "", 900000},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    char *body = malloc(SITE_PAGE_BYTES_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t used = strlen(rows[i].front);
        size_t len = strlen(rows[i].repeated);
        memcpy(body, rows[i].front, used);
        for (size_t j = 0; j < rows[i].times && used + len + 64 < SITE_PAGE_BYTES_MAX; j++) {
            memcpy(body + used, rows[i].repeated, len);
            used += len;
        }
        memcpy(body + used, rows[i].back, strlen(rows[i].back));
        used += strlen(rows[i].back);
        struct url url;
        struct site_page page;
        assert_true(url_parse(span_of_string("http://x.example/"), &arena, &url));
        struct timespec before, after;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        (void)site__page_read(&url, span_of(body, used), NULL, NULL, false, &arena, &page);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        if (after.tv_sec - before.tv_sec > 5)
            fail_msg("row %zu took %ld s", i, (long)(after.tv_sec - before.tv_sec));
        arena_reset(&arena);
    }
    free(body);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_jsonld),
        cmocka_unit_test(reads_jsonld_in_the_wild),
        cmocka_unit_test(reads_microdata),
        cmocka_unit_test(reads_opengraph_and_merges_the_page),
        cmocka_unit_test(images_and_numbers_of_a_vehicle),
        cmocka_unit_test(finds_links),
        cmocka_unit_test(stands_hostile_pages),
    };
    return cmocka_run_group_tests_name("site_page", tests, NULL, NULL);
}
