/*
 * The templates of google.api.HttpRule: what is one, how it is read, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rest/template.h"

struct row {
    const char *text;
    const char *want; /* segments, :verb, and each variable with its segments */
};

static const struct row rows[] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/b/c", "/a/b/c"},
    {"/*", "/*"},
    {"/**", "/**"},
    {"/*/*", "/*/*"},
    {"/*/**", "/*/**"},
    {"/*/a/**", "/*/a/**"},
    {"/a/*/b", "/a/*/b"},
    {"/shelves/**", "/shelves/**"},
    {"/shelves/{shelf}/books/{book}", "/shelves/*/books/* shelf@1+1 book@3+1"},
    {"/{x}", "/* x@0+1"},
    {"/{x=*}", "/* x@0+1"},
    {"/{x=**}", "/** x@0+1"},
    {"/{x=a}", "/a x@0+1"},
    {"/{x=a/b}", "/a/b x@0+2"},
    {"/{x=a/*}", "/a/* x@0+2"},
    {"/{x=*/a}", "/*/a x@0+2"},
    {"/{x=*/*}", "/*/* x@0+2"},
    {"/{x=a/**}", "/a/** x@0+2"},
    {"/{x=*/**}", "/*/** x@0+2"},
    {"/{x.y.z}", "/* x.y.z@0+1"},
    {"/{x.y.z=*}", "/* x.y.z@0+1"},
    {"/{x.y.z=**}", "/** x.y.z@0+1"},
    {"/{x.y.z=*/a/b}/c", "/*/a/b/c x.y.z@0+3"},
    {"/a/{b}", "/a/* b@1+1"},
    {"/a/{b=c/*}", "/a/c/* b@1+2"},
    {"/a/{b=c/*/d}", "/a/c/*/d b@1+3"},
    {"/a/{b=c/*/d}/e", "/a/c/*/d/e b@1+3"},
    {"/a/{b=c/**}", "/a/c/** b@1+2"},
    {"/a/{b}/**", "/a/*/** b@1+1"},
    {"/a/{b}/{c=**}", "/a/*/** b@1+1 c@2+1"},
    {"/a/{b=*/x}/{c=y/*}/z", "/a/*/x/y/*/z b@1+2 c@3+2"},
    {"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}",
     "/*/*/*/*/*/*/*/* a@0+1 b@1+1 c@2+1 d@3+1 e@4+1 f@5+1 g@6+1 h@7+1"},
    {"/a:verb", "/a:verb"},
    {"/a/b/c:verb", "/a/b/c:verb"},
    {"/*:verb", "/*:verb"},
    {"/**:verb", "/**:verb"},
    {"/a/*:verb", "/a/*:verb"},
    {"/a/**:verb", "/a/**:verb"},
    {"/{x}:verb", "/*:verb x@0+1"},
    {"/{x=**}:verb", "/**:verb x@0+1"},
    {"/{x.y=*/*}:verb", "/*/*:verb x.y@0+2"},
    {"/a/{b=c/**}:verb", "/a/c/**:verb b@1+2"},
    {"/a/{b=*}/**:verb", "/a/*/**:verb b@1+1"},
    /* Verbs and literals of all the characters that a segment may have. */
    {"/a:b-c", "/a:b-c"},
    {"/a:b_c.d~e", "/a:b_c.d~e"},
    {"/a:$batch", "/a:$batch"},
    {"/a:b!c'd(e)f,g;h=i@j&k+l", "/a:b!c'd(e)f,g;h=i@j&k+l"},
    {"/a:7", "/a:7"},
    {"/$metadata", "/$metadata"},
    {"/@me/~x", "/@me/~x"},
    {"/a+b;c=d,e", "/a+b;c=d,e"},
    {"/a.json", "/a.json"},
    {"/...", "/..."},
    {"/v1beta1/A-b_C", "/v1beta1/A-b_C"},
    {"/{x=a=b}", "/a=b x@0+1"},
    {"/{_x1}", "/* _x1@0+1"},
    {"/{X}", "/* X@0+1"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24",
     "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24"},
};

static void print(const struct template *template, char *text, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < template->segment_count; i++) {
        const struct template_segment *segment = &template->segments[i];
        struct span shown = segment->kind == TEMPLATE_ONE    ? span_of_string("*")
                            : segment->kind == TEMPLATE_REST ? span_of_string("**")
                                                             : segment->literal;
        len += (size_t)snprintf(text + len, size - len, "/%.*s", (int)shown.len,
                                (const char *)shown.data);
    }
    if (template->segment_count == 0)
        len += (size_t)snprintf(text + len, size - len, "/");
    if (template->verb.len > 0)
        len += (size_t)snprintf(text + len, size - len, ":%.*s", (int)template->verb.len,
                                (const char *)template->verb.data);
    for (size_t i = 0; i < template->variable_count; i++) {
        const struct template_variable *variable = &template->variables[i];
        len += (size_t)snprintf(
            text + len, size - len, " %.*s@%zu+%zu", (int)variable->field_path.len,
            (const char *)variable->field_path.data, variable->first, variable->count);
    }
    assert_true(len < size);
}

static void test_templates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template template;
        char text[512];
        const char *wrong = template_parse(span_of_string(rows[i].text), &template);
        if (wrong != NULL)
            fail_msg("%s: %s", rows[i].text, wrong);
        print(&template, text, sizeof text);
        assert_string_equal(text, rows[i].want);
    }
}

#define BEGIN "a template begins with a slash"
#define MALFORMED "the template is malformed"
#define NESTED "a variable may not hold another"
#define LAST "** must be the template's last segment"

static const struct row refusals[] = {
    {"", BEGIN},
    {"a", BEGIN},
    {"a/b", BEGIN},
    {" /a", BEGIN},
    {"*", BEGIN},
    {"{x}", BEGIN},
    {"{x=/a}", BEGIN},
    {"{x=/a/b}", BEGIN},
    {"a/{x}", BEGIN},
    {"a/{x}/b:verb", BEGIN},
    {":", BEGIN},
    {":verb", BEGIN},
    {"http://x/a", BEGIN},
    {"//", MALFORMED},
    {"//a", MALFORMED},
    {"/a/", MALFORMED},
    {"/a//b", MALFORMED},
    {"/*/", MALFORMED},
    {"/**/", MALFORMED},
    {"/{x}/", MALFORMED},
    {"/:", MALFORMED},
    {"/:verb", MALFORMED},
    {"/a/:verb", MALFORMED},
    {"/a:", MALFORMED},
    {"/*:", MALFORMED},
    {"/**:", MALFORMED},
    {"/{x}:", MALFORMED},
    {"/a/b/:", MALFORMED},
    {"/a:b:c", MALFORMED},
    {"/a:b/c", MALFORMED},
    {"/a:b/{c}", MALFORMED},
    {"/a:{b}", MALFORMED},
    {"/a:*", MALFORMED},
    {"/a:b*", MALFORMED},
    {"/a:b%20c", MALFORMED},
    {"/a:b c", MALFORMED},
    {"/a:b?c", MALFORMED},
    {"/***", MALFORMED},
    {"/**a", MALFORMED},
    {"/*a", MALFORMED},
    {"/a*", MALFORMED},
    {"/a*b", MALFORMED},
    {"/* *", MALFORMED},
    {"/a b", MALFORMED},
    {"/a\tb", MALFORMED},
    {"/a\x7f", MALFORMED},
    {"/caf\xc3\xa9", MALFORMED},
    {"/a%20b", MALFORMED},
    {"/a?b=c", MALFORMED},
    {"/a#b", MALFORMED},
    {"/a\\b", MALFORMED},
    {"/a\"b", MALFORMED},
    {"/a<b>", MALFORMED},
    {"/a|b", MALFORMED},
    {"/a^b", MALFORMED},
    {"/a[b]", MALFORMED},
    {"/.", MALFORMED},
    {"/..", MALFORMED},
    {"/a/../b", MALFORMED},
    {"/a/./b", MALFORMED},
    {"/{x=..}", MALFORMED},
    {"/{x=a/../b}", MALFORMED},
    {"/{}", MALFORMED},
    {"/{", MALFORMED},
    {"/}", MALFORMED},
    {"/a}", MALFORMED},
    {"/{x", MALFORMED},
    {"/{x.", MALFORMED},
    {"/{x.}", MALFORMED},
    {"/{.x}", MALFORMED},
    {"/{x..y}", MALFORMED},
    {"/{=*}", MALFORMED},
    {"/{x=}", MALFORMED},
    {"/{x=", MALFORMED},
    {"/{x=a", MALFORMED},
    {"/{x=a/", MALFORMED},
    {"/{x=a/}", MALFORMED},
    {"/{x=/a}", MALFORMED},
    {"/a/{x=/b}", MALFORMED},
    {"/{x=a//b}", MALFORMED},
    {"/{x=a:verb}", MALFORMED},
    {"/{x=a}:verb}", MALFORMED},
    {"/{x}}", MALFORMED},
    {"/{1x}", MALFORMED},
    {"/{x-y}", MALFORMED},
    {"/{x y}", MALFORMED},
    {"/{x*}", MALFORMED},
    {"/{*}", MALFORMED},
    {"/{x[0]}", MALFORMED},
    {"/{x:verb}", MALFORMED},
    {"/{x,y}", MALFORMED},
    {"/{x=*", MALFORMED},
    {"/{x=**", MALFORMED},
    {"/a{x}", MALFORMED},
    {"/{x}a", MALFORMED},
    {"/a{x}b", MALFORMED},
    {"/{x}{y}", MALFORMED},
    {"/{x}a{y}", MALFORMED},
    {"/a/b{x}", MALFORMED},
    {"/a/{x}b", MALFORMED},
    {"/a/{x}b{y}/c", MALFORMED},
    {"/{x=*}*", MALFORMED},
    {"/{x=a/{y}}", NESTED},
    {"/{x=a/{y=b}}", NESTED},
    {"/{x={y}}", NESTED},
    {"/{x={y=*}}", NESTED},
    {"/**/a", LAST},
    {"/**/*", LAST},
    {"/**/**", LAST},
    {"/a/**/b:verb", LAST},
    {"/a/**/{x}", LAST},
    {"/{x=**}/a", LAST},
    {"/{x=**}/{y}", LAST},
    {"/{x=**}/{y=**}", LAST},
    {"/{x=**/a}", LAST},
    {"/{x=a/**/b}/c", LAST},
    {"/a/**/b/**", LAST},
    {"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "the template has too many variables"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25",
     "the template has too many segments"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/{x}",
     "the template has too many segments"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct template template;
        memset(&template, 0x55, sizeof template);
        struct template before = template;
        const char *wrong = template_parse(span_of_string(refusals[i].text), &template);
        if (wrong == NULL || strcmp(wrong, refusals[i].want) != 0)
            fail_msg("%s: %s", refusals[i].text, wrong == NULL ? "is taken" : wrong);
        assert_memory_equal(&template, &before, sizeof template);
    }
    struct template template;
    assert_non_null(template_parse(span_of("/a\0b", 4), &template));
    assert_non_null(template_parse(span_of(NULL, 0), &template));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
