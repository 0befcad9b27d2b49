#include "rest/template.h"

#include "rest/chars.h"
#include "rest/path.h"

static const char malformed[] = "the template is malformed";

struct scanner {
    struct span text;
    size_t at;
    struct template *template;
    bool in_variable; /* within the segments of the last one */
};

static bool take(struct scanner *scanner, char c)
{
    if (scanner->at == scanner->text.len || scanner->text.data[scanner->at] != (uint8_t)c)
        return false;
    scanner->at++;
    return true;
}

/* Unreserved characters and those that delimit parts of a segment, but for the template's own. */
static bool is_literal_char(char c)
{
    return chars_is_id(c) || (c != '\0' && strchr("~!$&'()+,;=@", c) != NULL);
}

/* A run of characters from here on; it may be empty. */
static struct span take_run(struct scanner *scanner, bool (*allowed)(char))
{
    size_t begin = scanner->at;
    while (scanner->at < scanner->text.len && allowed((char)scanner->text.data[scanner->at]))
        scanner->at++;
    return span_of(scanner->text.data + begin, scanner->at - begin);
}

static const char *add_segment(struct scanner *scanner, enum template_kind kind,
                               struct span literal)
{
    struct template *template = scanner->template;
    if (template->segment_count == TEMPLATE_SEGMENTS_MAX)
        return "the template has too many segments";
    template->segments[template->segment_count++] = (struct template_segment){kind, literal};
    return NULL;
}

/* `*`, `**` or a literal. */
static const char *parse_plain(struct scanner *scanner)
{
    const struct span none = {NULL, 0};
    if (take(scanner, '*'))
        return add_segment(scanner, take(scanner, '*') ? TEMPLATE_REST : TEMPLATE_ONE, none);
    struct span literal = take_run(scanner, is_literal_char);
    if (literal.len == 0 || path_is_dots(literal))
        return malformed;
    return add_segment(scanner, TEMPLATE_LITERAL, literal);
}

static bool is_identifier_char(char c)
{
    return chars_is_alphanumeric(c) || c == '_';
}

static const char *parse_field_path(struct scanner *scanner, struct span *ret_path)
{
    size_t begin = scanner->at;
    do {
        struct span identifier = take_run(scanner, is_identifier_char);
        if (identifier.len == 0 || chars_is_digit((char)identifier.data[0]))
            return malformed;
    } while (take(scanner, '.'));
    *ret_path = span_of(scanner->text.data + begin, scanner->at - begin);
    return NULL;
}

/* From behind its brace up to its first segment, or all of it where it names none. */
static const char *open_variable(struct scanner *scanner)
{
    struct template *template = scanner->template;
    if (scanner->in_variable)
        return "a variable may not hold another";
    if (template->variable_count == TEMPLATE_VARIABLES_MAX)
        return "the template has too many variables";
    struct template_variable *variable = &template->variables[template->variable_count++];
    *variable = (struct template_variable){.first = template->segment_count, .count = 1};
    const char *wrong = parse_field_path(scanner, &variable->field_path);
    if (wrong != NULL)
        return wrong;
    scanner->in_variable = take(scanner, '=');
    if (scanner->in_variable)
        return NULL;
    wrong = add_segment(scanner, TEMPLATE_ONE, (struct span){NULL, 0});
    return wrong == NULL && !take(scanner, '}') ? malformed : wrong;
}

static void close_variable(struct scanner *scanner)
{
    struct template *template = scanner->template;
    struct template_variable *variable = &template->variables[template->variable_count - 1];
    variable->count = template->segment_count - variable->first;
    scanner->in_variable = false;
}

static const char *parse_segment(struct scanner *scanner)
{
    if (take(scanner, '{')) {
        const char *wrong = open_variable(scanner);
        if (wrong != NULL || !scanner->in_variable)
            return wrong;
    }
    if (scanner->in_variable && scanner->at < scanner->text.len &&
        scanner->text.data[scanner->at] == '{')
        return "a variable may not hold another";
    const char *wrong = parse_plain(scanner);
    if (wrong == NULL && scanner->in_variable && take(scanner, '}'))
        close_variable(scanner);
    return wrong;
}

static const char *parse_all(struct scanner *scanner)
{
    if (!take(scanner, '/'))
        return "a template begins with a slash";
    if (scanner->at == scanner->text.len)
        return NULL;
    do {
        const char *wrong = parse_segment(scanner);
        if (wrong != NULL)
            return wrong;
    } while (take(scanner, '/'));
    if (scanner->in_variable)
        return malformed;
    if (take(scanner, ':')) {
        scanner->template->verb = take_run(scanner, is_literal_char);
        if (scanner->template->verb.len == 0)
            return malformed;
    }
    return scanner->at == scanner->text.len ? NULL : malformed;
}

const char *template_parse(struct span text, struct template *ret_template)
{
    struct template template = {0};
    struct scanner scanner = {.text = text, .template = &template};
    const char *wrong = parse_all(&scanner);
    if (wrong != NULL)
        return wrong;
    for (size_t i = 0; i + 1 < template.segment_count; i++) {
        if (template.segments[i].kind == TEMPLATE_REST)
            return "** must be the template's last segment";
    }
    *ret_template = template;
    return NULL;
}
