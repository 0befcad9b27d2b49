#include "clients/lotctl/page.h"

#include <limits.h>
#include <stdio.h>

#include "clients/lotctl/tool.h"

static bool take(const char *name, int *argc, char **argv, bool *ret_has,
                 Google__Protobuf__Int32Value *ret_value)
{
    int64_t number = 0;
    const char *text = tool_take_option(name, argc, argv);
    google__protobuf__int32_value__init(ret_value);
    *ret_has = text != NULL;
    if (text != NULL && !tool_number(name, text, 1, INT_MAX, &number))
        return false;
    ret_value->value = (int32_t)number;
    return true;
}

bool page_take(struct page *page, int *argc, char **argv)
{
    return take("--page", argc, argv, &page->has_number, &page->number) &&
           take("--limit", argc, argv, &page->has_limit, &page->limit);
}

Google__Protobuf__Int32Value *page_number(struct page *page)
{
    return page->has_number ? &page->number : NULL;
}

Google__Protobuf__Int32Value *page_limit(struct page *page)
{
    return page->has_limit ? &page->limit : NULL;
}

void page_print(const Lotcast__V1__Pagination *pagination, size_t shown, const char *what)
{
    (void)printf("%zu of %lld %s, page %d of %lld\n", shown, (long long)pagination->total, what,
                 pagination->page, (long long)pagination->total_pages);
}
