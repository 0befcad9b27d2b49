#include "test/unit/clients/site_sites.h"

#define LD(json) "<script type=\"application/ld+json\">" json "</script>"
#define JSON_TYPE "Content-Type: application/json; charset=UTF-8\r\n"
#define XML_TYPE "Content-Type: application/xml\r\n"
#define PAGE(target, body)                                   \
    {                                                        \
        target, "<!doctype html><html>" body, NULL, 0, false \
    }
#define MAP(urls)                                                                             \
    {                                                                                         \
        "/sitemap.xml",                                                                       \
            "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/" \
            "0.9\">" urls "</urlset>",                                                        \
            XML_TYPE, 0, false                                                                \
    }
#define LOC(path) "<url><loc>{O}" path "</loc></url>"

/* ---- WordPress with WooCommerce and an SEO plugin; its interface is switched off ---- */

static const struct route woo[] = {
    {"/robots.txt", "User-agent: *\nDisallow: /wp-admin/\nSitemap: {O}/sitemap_index.xml\n", "", 0,
     false},
    PAGE("/", "<head><meta name=generator content='WooCommerce 8.2'></head><body class='home "
              "woocommerce-js'><a href='/my-account/'>me</a><a href='/product/mug/'>Mug</a>"),
    {"/sitemap_index.xml",
     "<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><sitemap><loc>{O}/"
     "product-sitemap.xml</loc></sitemap><sitemap><loc>{O}/page-sitemap.xml</loc></sitemap>"
     "</sitemapindex>",
     XML_TYPE, 0, false},
    {"/product-sitemap.xml",
     "<urlset xmlns:image='http://www.google.com/schemas/sitemap-image/1.1'>"
     "<url><loc>{O}/shop/</loc></url>"
     "<url><loc>{O}/product/mug/</loc><image:image><image:loc>{O}/mug.jpg</image:loc>"
     "</image:image></url><url><loc>{O}/product/hat/</loc></url></urlset>",
     XML_TYPE, 0, false},
    {"/page-sitemap.xml", "<urlset><url><loc>{O}/about/</loc></url></urlset>", XML_TYPE, 0, false},
    PAGE("/about/", "<p>We are"),
    PAGE("/shop/", "<ul class=products><li><a href='/product/mug/'>Mug <span>12,00&nbsp;&euro;"
                   "</span></a></ul><a class='next page-numbers' href='/shop/page/2/'>&rarr;</a>"),
    PAGE("/shop/page/2/", "<a href='/product/old/'>Old one</a>"),
    PAGE("/product/mug/",
         "<head><link rel=canonical href='{O}/product/mug/'/>" LD(
             "{\"@context\":\"https:\\/\\/schema.org\\/"
             "\",\"@graph\":[{\"@type\":\"WebPage\","
             "\"@id\":\"{O}/product/mug/\",\"name\":\"Mug - "
             "Acme\"},{\"@type\":\"BreadcrumbList\","
             "\"itemListElement\":[{\"@type\":\"ListItem\",\"position\":1,\"item\":{"
             "\"name\":"
             "\"Home\",\"@id\":\"{O}\"}}]},{\"@type\":\"Product\",\"@id\":\"{O}/product/mug/"
             "#product\",\"name\":\"Mug\",\"url\":\"{O}/product/mug/\",\"description\":\"A "
             "mug.\",\"image\":\"{O}/"
             "mug.jpg\",\"sku\":\"MUG-1\",\"offers\":[{\"@type\":\"Offer\","
             "\"priceSpecification\":[{\"@type\":\"UnitPriceSpecification\",\"price\":\"12."
             "00\","
             "\"priceCurrency\":\"EUR\",\"valueAddedTaxIncluded\":false,\"validThrough\":"
             "\"2027-12-31\"},{\"@type\":\"UnitPriceSpecification\",\"price\":\"15.00\","
             "\"priceCurrency\":\"EUR\",\"priceType\":\"https://schema.org/ListPrice\"}],"
             "\"availability\":\"http://schema.org/InStock\",\"url\":\"{O}/product/mug/"
             "\"}]}]}") "</head><body class='woocommerce single-product'>"),
    PAGE("/product/hat/",
         LD("{\"@context\":\"https://schema.org/\",\"@type\":\"Product\",\"name\":\"Hat "
            "&#8211; "
            "wool\",\"image\":{\"@type\":\"ImageObject\",\"url\":\"/hat.jpg\"},\"sku\":77,"
            "\"offers\":[{\"@type\":\"AggregateOffer\",\"lowPrice\":\"19.50\",\"highPrice\":"
            "\"25.00\",\"offerCount\":3,\"priceCurrency\":\"EUR\",\"availability\":"
            "\"https://schema.org/OutOfStock\"}]}")),
    PAGE("/product/old/",
         "<meta property=og:type content=product><meta property=og:title content='Old "
         "one'><meta "
         "property='product:price:amount' content='5'><meta "
         "property='product:price:currency' "
         "content='EUR'><meta property='product:availability' content='oos'>"),
};
#define WOO_WANTED                                                  \
    "sku:MUG-1|Mug|12.00 EUR|in|-|||0|-|/mug.jpg\n"                 \
    "sku:77|Hat \xe2\x80\x93 wool|19.50 EUR|out|-|||0|-|/hat.jpg\n" \
    "url:/product/old/|Old one|5.00 EUR|out|-|||0|-|\n"

/* ---- Shopify, its interface refused; pages with OpenGraph and a ProductGroup ---- */

static const struct route shopify_pages[] = {
    MAP(LOC("/products/tee") LOC("/products/cap") LOC("/collections/all")),
    PAGE("/", "<script>Shopify.shop='x.myshopify.com';Shopify.currency={\"active\":\"CAD\"};"
              "</script>"),
    {"/products.json?limit=250&page=1", "{\"errors\":\"Not Found\"}", JSON_TYPE, 401, false},
    PAGE("/collections/all", "<a href='/products/tee?variant=1'>Tee</a>"),
    PAGE("/products/tee",
         "<link rel=canonical href='{O}/products/tee'>" LD(
             "{\"@context\":\"http://schema.org/\",\"@type\":\"ProductGroup\",\"name\":\"Tee\","
             "\"productGroupID\":\"9\",\"brand\":{\"@type\":\"Brand\",\"name\":\"Acme\"},"
             "\"image\":[\"//cdn.example/tee.jpg\"],\"hasVariant\":[{\"@type\":\"Product\","
             "\"name\":\"Tee - S\",\"sku\":\"T-S\",\"offers\":{\"@type\":\"Offer\",\"price\":"
             "\"20.00\",\"priceCurrency\":\"CAD\",\"availability\":\"http://schema.org/"
             "OutOfStock\"}},{\"@type\":\"Product\",\"name\":\"Tee - M\",\"sku\":\"T-M\","
             "\"offers\":{\"@type\":\"Offer\",\"price\":\"22.00\",\"priceCurrency\":\"CAD\","
             "\"availability\":\"http://schema.org/InStock\"}}]}")),
    PAGE("/products/cap",
         "<meta property='og:type' content='product'><meta property='og:title' content='Cap'>"
         "<meta property='og:image' content='http://cdn.example/cap.jpg'><meta "
         "property='og:price:amount' content='1,299.00'><meta property='og:price:currency' "
         "content='CAD'>"),
};
#define SHOPIFY_PAGES_WANTED                                                 \
    "sku:T-S|Tee - S|20.00 CAD|out|-|Acme||0|-|http://cdn.example/tee.jpg\n" \
    "sku:T-M|Tee - M|22.00 CAD|in|-|Acme||0|-|http://cdn.example/tee.jpg\n"  \
    "url:/products/cap|Cap|1299.00 CAD|in|-|||0|-|http://cdn.example/cap.jpg\n"

/* ---- microdata in tag soup ---- */

#define SOUP_CARD(n, name, price)                                                        \
    "<div itemscope itemtype='http://schema.org/Product'><a itemprop=url href='items/" n \
    ".html'><img itemprop=image src='img/" n ".png'><b itemprop='name'>" name            \
    "</b></a><p itemprop=offers itemscope itemtype='http://schema.org/Offer'><span "     \
    "itemprop=price>" price "</span></div>"

static const struct route soup[] = {
    PAGE("/", "<base href='/shop/'><table><tr><td><a href='list.html'>Stock</a>"),
    PAGE("/shop/list.html",
         "<div>" SOUP_CARD("1", "Saw", "&pound;19.99") SOUP_CARD("2", "Axe &amp; wedge",
                                                                 "\xc2\xa3"
                                                                 "1,250")),
    PAGE("/shop/items/1.html",
         "<BODY><DIV ITEMSCOPE ITEMTYPE='https://schema.org/Product'><H1 ITEMPROP=name>Saw, long"
         "</h2><img src=/shop/img/1.png itemprop=image><meta itemprop=brand content=Bahco><div "
         "itemprop=offers itemscope itemtype=https://schema.org/Offer><meta itemprop=priceCurrency "
         "content=GBP><span itemprop=price content=19.99>now only &pound;19.99!</span><link "
         "itemprop=availability href='http://schema.org/LimitedAvailability'></div></div><p>more"
         "<table><tr><td>unclosed"),
    PAGE("/shop/items/2.html",
         "<div itemscope itemtype='https://schema.org/Product'><h1 itemprop=name>Axe &amp; wedge"
         "</h1><meta itemprop=sku content=AX2><meta itemprop=itemCondition content=RefurbishedCondi"
         "tion><div itemprop=offers itemscope itemtype='https://schema.org/Offer'><span "
         "itemprop=price>1,250.00</span><span itemprop=priceCurrency>GBP</span><span "
         "itemprop=availability>Sold out</span></div></div>"),
};
#define SOUP_WANTED                                                                \
    "url:/shop/items/1.html|Saw, long|19.99 GBP|in|-|Bahco||0|-|/shop/img/1.png\n" \
    "sku:AX2|Axe & wedge|1250.00 GBP|out|refurbished|||0|-|/shop/img/2.png\n"

/* ---- JSON-LD as people break it ---- */

static const struct route broken[] = {
    MAP(LOC("/p/comma") LOC("/p/cdata") LOC("/p/entities") LOC("/p/comment") LOC("/p/blocks")
            LOC("/p/escape") LOC("/p/raw") LOC("/p/twice")),
    PAGE("/", "<p>hi"),
    PAGE("/p/comma", LD("{\"@type\":\"Product\",\"name\":\"Comma\",\"image\":[\"/c.jpg\",],"
                        "\"offers\":{\"price\":\"1.00\",\"priceCurrency\":\"USD\",},}")),
    PAGE("/p/cdata", LD("\n//<![CDATA[\n{\"@type\":\"Product\",\"name\":\"Cdata\",\"offers\":{"
                        "\"price\":2,\"priceCurrency\":\"USD\"}}\n//]]>\n")),
    PAGE("/p/entities",
         LD("{&quot;@type&quot;:&quot;Product&quot;,&quot;name&quot;:&quot;Tom &amp;amp; "
            "Jerry&quot;,&quot;offers&quot;:{&quot;price&quot;:&quot;3&quot;,"
            "&quot;priceCurrency&quot;:&quot;USD&quot;}}")),
    PAGE("/p/comment", LD("<!--\n{\"@type\":\"Product\", /* the name */ \"name\":\"Comment\",\n// "
                          "price\n\"offers\":{\"price\":\"4\",\"priceCurrency\":\"USD\"}}\n-->")),
    PAGE("/p/blocks", LD("{\"@type\":\"Organization\",\"name\":\"Acme\"}") LD("{oops") LD("")
                          LD("[{\"@type\":\"Product\",\"name\":\"Blocks\",\"offers\":{\"price\":5,"
                             "\"priceCurrency\":\"USD\"}}]") LD("{\"@type\":\"Question\"}")),
    PAGE("/p/escape", LD("{\"@type\":\"Product\",\"name\":\"Men\\'s watch\",\"offers\":{\"price\":"
                         "6,\"priceCurrency\":\"USD\"}}")),
    PAGE("/p/raw", LD("{\"@type\":\"Product\",\"name\":\"Raw\tand\nbroken\",\"description\":\"a "
                      "<b>bold</b>\nline\",\"offers\":{\"price\":7,\"priceCurrency\":\"USD\"}};")),
    PAGE("/p/twice", LD("{\"@type\":\"Product\",\"name\":\"Twice\"}{\"@type\":\"Product\",\"name\":"
                        "\"Twice\",\"offers\":{\"price\":8,\"priceCurrency\":\"USD\"}}")),
};
#define BROKEN_WANTED                                    \
    "url:/p/comma|Comma|1.00 USD|in|-|||0|-|/c.jpg\n"    \
    "url:/p/cdata|Cdata|2.00 USD|in|-|||0|-|\n"          \
    "url:/p/entities|Tom & Jerry|3.00 USD|in|-|||0|-|\n" \
    "url:/p/comment|Comment|4.00 USD|in|-|||0|-|\n"      \
    "url:/p/blocks|Blocks|5.00 USD|in|-|||0|-|\n"        \
    "url:/p/escape|Men's watch|6.00 USD|in|-|||0|-|\n"   \
    "url:/p/raw|Raw and broken|7.00 USD|in|-|||0|-|\n"   \
    "url:/p/twice|Twice|8.00 USD|in|-|||0|-|\n"

/* ---- a graph whose nodes refer to each other ---- */

static const struct route graph[] = {
    MAP(LOC("/cars/1")),
    PAGE("/", "<p>hi"),
    PAGE("/cars/1",
         LD("{\"@context\":{\"@vocab\":\"https://schema.org/\"},\"@graph\":[{\"@type\":\"WebPage\","
            "\"@id\":\"#page\",\"mainEntity\":{\"@id\":\"#car\"}},{\"@type\":\"Offer\",\"@id\":"
            "\"#offer\",\"price\":\"21500\",\"priceCurrency\":\"USD\",\"availability\":\"InStock\","
            "\"seller\":{\"@id\":\"#dealer\"},\"itemOffered\":{\"@id\":\"#car\"}},{\"@type\":"
            "\"AutoDealer\",\"@id\":\"#dealer\",\"name\":\"Dealer\"},{\"@type\":[\"Product\","
            "\"Car\"],\"@id\":\"#car\",\"name\":\"2019 Kia Niro\",\"brand\":{\"@id\":\"#kia\"},"
            "\"offers\":{\"@id\":\"#offer\"},\"image\":{\"@id\":\"#photo\"},"
            "\"vehicleIdentificationNumber\":\"kndca3lc5l5370000\"},{\"@type\":\"Brand\",\"@id\":"
            "\"#kia\",\"name\":\"Kia\"},{\"@type\":\"ImageObject\",\"@id\":\"#photo\","
            "\"contentUrl\":\"/niro.jpg\"}]}")),
};
#define GRAPH_WANTED "vin:KNDCA3LC5L5370000|2019 Kia Niro|21500.00 USD|in|-|Kia||0|-|/niro.jpg\n"

/* ---- a German dealer: numbered pages, decimal commas, windows-1252 ---- */

#define FAHRZEUG(n, name, price, km)                                                              \
    {                                                                                             \
        "/fahrzeuge/" n,                                                                          \
            "<title>" name "</title>" LD(                                                         \
                "{\"@context\":\"http://schema.org\",\"@type\":\"Car\",\"name\":\"" name          \
                "\",\"image\":\"/bilder/" n ".jpg\",\"manufacturer\":\"Volkswagen\",\"model\":"   \
                "\"Golf\",\"productionDate\":\"03/2018\",\"mileageFromOdometer\":\"" km           \
                "\",\"itemCondition\":\"http://schema.org/UsedCondition\",\"offers\":{\"@type\":" \
                "\"Offer\",\"price\":\"" price "\",\"priceCurrency\":\"EUR\"}}"),                 \
            "Content-Type: text/html; charset=iso-8859-1\r\n", 0, false                           \
    }

static const struct route german[] = {
    PAGE("/", "<a href='/fahrzeuge?seite=1'>Fahrzeuge</a><a href='/impressum'>Impressum</a>"),
    PAGE("/impressum", "<p>Inhaber"),
    PAGE("/fahrzeuge?seite=1", "<a href='/fahrzeuge/1'>Golf</a><a href='?seite=2'>2</a>"),
    PAGE("/fahrzeuge?seite=2", "<a href='/fahrzeuge/2'>Golf</a><a href='?seite=1'>1</a>"),
    FAHRZEUG("1", "VW Golf, T\xdcV neu, 1.4", "12.990,00 \x80", "45.000 km"),
    FAHRZEUG("2", "VW Golf R-Line", "18.450,- EUR", "9.900 km"),
};

#define GERMAN_WANTED                                                                          \
    "url:/fahrzeuge/1|VW Golf, T\xc3\x9cV neu, 1.4|12990.00 EUR|in|used|Volkswagen|Golf|2018|" \
    "45000KM|/bilder/1.jpg\n"                                                                  \
    "url:/fahrzeuge/2|VW Golf R-Line|18450.00 EUR|in|used|Volkswagen|Golf|2018|9900KM|"        \
    "/bilder/2.jpg\n"

/* ---- a French dealer: pages in the path, spaces in numbers, the offer around the car ---- */

#define VOITURE(n, name, price)                                                                    \
    PAGE(                                                                                          \
        "/voitures-occasion/" n ".html",                                                           \
        "<head><meta charset=utf-8></head>" LD(                                                    \
            "{\"@context\":\"https://schema.org\",\"@type\":\"Offer\",\"price\":\"" price          \
            "\",\"priceCurrency\":\"\xe2\x82\xac\",\"availability\":\"https://schema.org/"         \
            "InStoreOnly\",\"itemOffered\":{\"@type\":\"Vehicle\",\"name\":\"" name                \
            "\",\"brand\":\"Renault\",\"vehicleModelDate\":\"2020-01-01\",\"mileageFromOdometer\"" \
            ":{\"@type\":\"QuantitativeValue\",\"value\":\"61 200\",\"unitCode\":\"KMT\"},"        \
            "\"sku\":\"VO" n "\"}}"))

static const struct route french[] = {
    PAGE("/", "<a href='/voitures-occasion/'>Nos voitures</a><a href='/actualites/'>Blog</a>"),
    PAGE("/actualites/", "<p>Rien"),
    PAGE("/voitures-occasion/",
         "<a href='12.html'>Clio</a><a class=suivant href='/voitures-occasion/page/2/'>2</a>"),
    PAGE("/voitures-occasion/page/2/", "<a href='../../13.html'>Zo\xc3\xa9</a>"),
    VOITURE("12", "Renault Clio V \xe2\x80\x93 \xc3\xa9t\xc3\xa9",
            "9\xc2\xa0"
            "990 \xe2\x82\xac TTC"),
    VOITURE("13", "Renault Zo\xc3\xa9", "14 500,50"),
};
#define FRENCH_WANTED                                                                        \
    "sku:VO12|Renault Clio V \xe2\x80\x93 \xc3\xa9t\xc3\xa9|9990.00 EUR|in|-|Renault||2020|" \
    "61200KM|\n"                                                                             \
    "sku:VO13|Renault Zo\xc3\xa9|14500.50 EUR|in|-|Renault||2020|61200KM|\n"

/* ---- OpenGraph alone, in any order ---- */

static const struct route opengraph[] = {
    MAP(LOC("/a") LOC("/b") LOC("/blog/c")),
    PAGE("/", "<meta property=og:type content=website><meta property=og:title content=Shop>"),
    PAGE("/a", "<head prefix='product: http://ogp.me/ns/product#'><meta content='89.90' "
               "property='product:price:amount'/><meta content='SEK' "
               "property='product:price:currency'/><meta content='Lamp &quot;Oslo&quot;' "
               "property='og:title'/><meta property='og:image' content='lamp.jpg'><meta "
               "property='og:image' content='lamp2.jpg'><meta name='product:availability' "
               "content='in stock'><meta property='product:condition' content='new'><meta "
               "property='product:brand' content='Norr'><meta property='product:retailer_item_id' "
               "content='L-9'>"),
    PAGE("/b", "<meta property='og:type' content='og:product'><meta property='og:title' "
               "content='Chair'><meta property='product:price:amount' content='1.299,00'><meta "
               "property='product:price:currency' content='SEK'><meta "
               "property='product:sale_price:amount' content='999,00'><meta property='og:image' "
               "content='javascript:alert(1)'><meta property='og:availability' content='pending'>"),
    PAGE("/blog/c", "<meta property='og:type' content='article'><meta property='og:title' "
                    "content='How to sit'>"),
};
#define OPENGRAPH_WANTED                                           \
    "sku:L-9|Lamp \"Oslo\"|89.90 SEK|in|new|Norr||0|-|/lamp.jpg\n" \
    "url:/b|Chair|999.00 SEK|out|-|||0|-|\n"

/* ---- nothing but feeds ---- */

#define G(name, value) "<g:" name ">" value "</g:" name ">"
static const struct route feeds[] = {
    MAP(LOC("/feeds/google.xml")),
    PAGE("/", "<link rel=alternate type='application/rss+xml' href='/export/items.xml'><link "
              "rel=alternate type='application/rss+xml' href='/blog/feed.xml'><div id=root></div>"),
    {"/feeds/google.xml",
     "<?xml version='1.0'?><rss xmlns:g='http://base.google.com/ns/1.0' version='2.0'><channel>"
     "<title>Acme</title><item>" G("id", "A1") G("title", "Drill") G("description", "Drills holes")
         G("link", "{O}/p/drill") G("image_link", "{O}/drill.jpg") G("price", "49.00 USD")
             G("sale_price", "39.00 USD") G("availability", "in_stock") G("condition", "new")
                 G("brand", "Bohr") "</item></channel></rss>",
     XML_TYPE, 0, false},
    {"/export/items.xml",
     "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:g='http://base.google.com/ns/1.0'><entry>"
     "<title>Nail</title><link href='/p/nail'/>" G("price", "USD 0.10")
         G("availability", "out of stock") G("condition", "new") "</entry></feed>",
     XML_TYPE, 0, false},
    {"/blog/feed.xml",
     "<rss version='2.0'><channel><item><title>How to nail</title><link>{O}/blog/1</link></item>"
     "</channel></rss>",
     XML_TYPE, 0, false},
};
#define FEEDS_WANTED                                             \
    "url:/p/drill|Drill|39.00 USD|in|new|Bohr||0|-|/drill.jpg\n" \
    "url:/p/nail|Nail|0.10 USD|out|new|||0|-|\n"

/* ---- a page that a program fills in the browser, with its data at the end of the body ---- */

static const struct route next_js[] = {
    MAP(LOC("/en/p/desk-1") LOC("/en/p/desk-2")),
    PAGE("/",
         "<body><div id=__next></div><script id=__NEXT_DATA__ type=application/json>{\"props\":"
         "{\"@type\":\"Product\",\"name\":\"not this\"}}</script>"),
    PAGE("/en/p/desk-1",
         "<head><meta name=viewport content='width=device-width'/></head><body><div "
         "id=__next><script type=\"application/ld+json\" data-next-head=\"\">{\"@context\":"
         "\"https://schema.org\",\"@type\":\"Product\",\"name\":\"Desk \\u2013 oak\",\"image\":"
         "[\"/_next/image?url=%2Fdesk.jpg&w=640\"],\"mpn\":\"D1\",\"sku\":\"\",\"offers\":{"
         "\"@type\":\"Offer\",\"price\":1299,\"priceCurrency\":\"EUR\",\"itemCondition\":"
         "\"NewCondition\",\"availability\":\"https://schema.org/PreOrder\"}}</script></div>"
         "<script>self.__next_f.push([1,\"<script type=\\\"application/ld+json\\\">\"])</script>"),
    PAGE("/en/p/desk-2",
         "<body><script type='application/ld+json'>{\"@context\":\"https://schema.org\",\"@type\":"
         "\"Product\",\"name\":\"Desk "
         "two\",\"image\":null,\"offers\":{\"@type\":\"Offer\",\"price\":"
         "null,\"priceCurrency\":\"EUR\"}}</script>"),
};
#define NEXT_JS_WANTED                                                               \
    "url:/en/p/desk-1|Desk \xe2\x80\x93 oak|1299.00 EUR|out|new|||0|-|/_next/image?" \
    "url=%2Fdesk.jpg&w=640\n"                                                        \
    "url:/en/p/desk-2|Desk two|-|in|-|||0|-|\n"

/* ---- one page that lists everything ---- */

static const struct route single[] = {
    PAGE("/",
         "<h1>Our boats</h1>" LD(
             "{\"@context\":\"https://schema.org\",\"@type\":\"ItemList\",\"numberOfItems\":3,"
             "\"itemListElement\":[{\"@type\":\"ListItem\",\"position\":1,\"item\":{\"@type\":"
             "\"Product\",\"name\":\"Dinghy\",\"url\":\"/#dinghy\",\"image\":\"/d.jpg\","
             "\"offers\":{\"@type\":\"Offer\",\"price\":\"900\",\"priceCurrency\":\"USD\"}}},{"
             "\"@type\":\"ListItem\",\"position\":2,\"item\":{\"@type\":\"Product\",\"name\":"
             "\"Sloop\",\"productID\":\"sku:SL-1\",\"offers\":{\"@type\":\"Offer\",\"price\":"
             "\"42,000\",\"priceCurrency\":\"USD\",\"availability\":\"SoldOut\"}}},{\"@type\":"
             "\"ListItem\",\"position\":3,\"item\":{\"@type\":\"Product\",\"name\":\"Yacht\","
             "\"offers\":{\"@type\":\"Offer\",\"price\":\"POA\",\"priceCurrency\":\"USD\"}}}]}")),
};

#define SINGLE_WANTED                                      \
    "url:/#d033065a|Dinghy|900.00 USD|in|-|||0|-|/d.jpg\n" \
    "sku:SL-1|Sloop|42000.00 USD|out|-|||0|-|\n"           \
    "url:/#89a585ea|Yacht|-|in|-|||0|-|\n"

/* ---- a dealer's own node with offers, and the dealer's catalog ---- */

static const struct route dealer[] = {
    PAGE("/stock",
         LD("{\"@context\":\"https://schema.org\",\"@type\":\"AutoDealer\",\"name\":\"Bikes\","
            "\"makesOffer\":[{\"@type\":\"Offer\",\"price\":\"7,495\",\"priceCurrency\":\"GBP\","
            "\"itemOffered\":{\"@type\":\"Motorcycle\",\"name\":\"Triumph Bonneville\","
            "\"identifier\":{\"@type\":\"PropertyValue\",\"name\":\"stock\",\"value\":\"B-77\"},"
            "\"mileageFromOdometer\":\"4,300 miles\",\"vehicleModelDate\":\"2021\"}}],"
            "\"hasOfferCatalog\":{\"@type\":\"OfferCatalog\",\"itemListElement\":[{\"@type\":"
            "\"Offer\",\"price\":\"65.00\",\"priceCurrency\":\"GBP\",\"itemOffered\":{\"@type\":"
            "\"Product\",\"name\":\"Helmet\",\"sku\":\"H1\"}}]}}")),
};
#define DEALER_WANTED                                               \
    "sku:B-77|Triumph Bonneville|7495.00 GBP|in|-|||2021|4300MI|\n" \
    "sku:H1|Helmet|65.00 GBP|in|-|||0|-|\n"

/* ---- a list in pages by number, cards in microdata, each item's page with JSON-LD ---- */

#define CARD(n)                                                                           \
    "<article itemscope itemtype='https://schema.org/Car'><a href='/inventory/used/" n    \
    "/'><h2 itemprop=name>Car " n "</h2></a><div itemprop=offers itemscope "              \
    "itemtype='https://schema.org/Offer'><meta itemprop=priceCurrency content=USD><span " \
    "itemprop=price>$" n "0,000</span></div></article>"
#define CAR_PAGE(n)                                                                   \
    PAGE("/inventory/used/" n "/",                                                    \
         "<link rel=canonical href='https://www.other.example/'>" LD(                 \
             "{\"@type\":\"http://schema.org/Car\",\"schema:name\":\"Car number " n   \
             "\",\"vehicleIdentificationNumber\":\"1HGCM82633A00000" n                \
             "\",\"offers\":{\"@type\":\"Offer\",\"price\":" n                        \
             "0000,\"priceCurrency\":\"usd\",\"itemCondition\":\"https://schema.org/" \
             "UsedCondition\"}}"))

static const struct route paged[] = {
    PAGE("/", "<a href='/inventory/used/?sort=price&amp;utm_source=home'>Used</a>"),
    PAGE("/inventory/used/?sort=price&utm_source=home",
         CARD("1") CARD("2") "<a href='?sort=price&amp;page=2'>2</a><a "
                             "href='?sort=price&amp;page=3'>last</a><a href='/cart'>cart</a>"),
    PAGE("/inventory/used/?sort=price&page=2", CARD("3")),
    PAGE("/inventory/used/?sort=price&page=3", CARD("4") "<a href='?sort=price&amp;page=4'>4</a>"),
    CAR_PAGE("1"),
    CAR_PAGE("2"),
    CAR_PAGE("3"),
    CAR_PAGE("4"),
};
#define PAGED_WANTED                                                   \
    "vin:1HGCM82633A000001|Car number 1|10000.00 USD|in|used|||0|-|\n" \
    "vin:1HGCM82633A000002|Car number 2|20000.00 USD|in|used|||0|-|\n" \
    "vin:1HGCM82633A000003|Car number 3|30000.00 USD|in|used|||0|-|\n" \
    "vin:1HGCM82633A000004|Car number 4|40000.00 USD|in|used|||0|-|\n"

/* ---- words of several languages, a page about what it sells, quotes in quotes ---- */

#define WORDED(sku, stock, condition)                            \
    "{\"@type\":\"Product\",\"sku\":\"" sku "\",\"name\":\"" sku \
    "\",\"itemCondition\":\"" condition                          \
    "\",\"offers\":{\"price\":1,\"priceCurrency\":\"EUR\",\"availability\":\"" stock "\"}}"

static const struct route words[] = {
    MAP(LOC("/about-it") LOC("/all")),
    PAGE("/", "<p>hi"),
    PAGE("/about-it",
         LD("{\"@type\":\"WebPage\",\"about\":{\"@type\":\"Product\",\"name\":\"TV 32\" "
            "LED\",\"offers\":{\"price\":\"1\",\"priceCurrency\":\"EUR\"}}}")),
    PAGE(
        "/all",
        LD("[" WORDED("1", "auf Lager", "Neuwagen") "," WORDED("2", "ausverkauft", "gebraucht") "," WORDED(
            "3", "\xc3\x89puis\xc3\xa9",
            "d'occasion") "," WORDED("4", "En stock",
                                     "neuf") "," WORDED("5", "agotado",
                                                        "usado") "," WORDED("6", "InStock",
                                                                            "Renewed") "," WORDED("7",
                                                                                                  "reserviert",
                                                                                                  "CertifiedPreOwned") "]")),
};
#define WORDS_WANTED                                   \
    "url:/about-it|TV 32\" LED|1.00 EUR|in|-|||0|-|\n" \
    "sku:1|1|1.00 EUR|in|new|||0|-|\n"                 \
    "sku:2|2|1.00 EUR|out|used|||0|-|\n"               \
    "sku:3|3|1.00 EUR|out|used|||0|-|\n"               \
    "sku:4|4|1.00 EUR|in|new|||0|-|\n"                 \
    "sku:5|5|1.00 EUR|out|used|||0|-|\n"               \
    "sku:6|6|1.00 EUR|in|refurbished|||0|-|\n"         \
    "sku:7|7|1.00 EUR|out|used|||0|-|\n"

#define SITE(name, start, wanted)                                  \
    {                                                              \
#name, name, sizeof(name) / sizeof(name)[0], start, wanted \
    }

const struct site_case site_cases[] = {
    SITE(woo, NULL, WOO_WANTED),       SITE(shopify_pages, NULL, SHOPIFY_PAGES_WANTED),
    SITE(soup, NULL, SOUP_WANTED),     SITE(broken, NULL, BROKEN_WANTED),
    SITE(graph, NULL, GRAPH_WANTED),   SITE(german, NULL, GERMAN_WANTED),
    SITE(french, NULL, FRENCH_WANTED), SITE(opengraph, NULL, OPENGRAPH_WANTED),
    SITE(feeds, NULL, FEEDS_WANTED),   SITE(next_js, NULL, NEXT_JS_WANTED),
    SITE(single, NULL, SINGLE_WANTED), SITE(dealer, "/stock", DEALER_WANTED),
    SITE(paged, NULL, PAGED_WANTED),   SITE(words, NULL, WORDS_WANTED),
};
const size_t site_case_count = sizeof site_cases / sizeof site_cases[0];
