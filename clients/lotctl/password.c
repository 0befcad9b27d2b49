/*
 * Asking for a password. While the terminal does not echo, signals that would end the program are
 * caught, so that it never leaves the terminal like that.
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "clients/lotctl/tool.h"

/* A line at most, with its NUL; the service takes less. */
#define LINE_BYTES 1024

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* One line of standard input without its end. False at the end of the input, beyond the limit, with
 * a NUL in it, or after a signal. */
static bool read_line(char line[static LINE_BYTES])
{
    size_t len = 0;
    while (interrupted == 0) {
        char byte;
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (got == 0 && len == 0))
            return false;
        if (got == 0 || byte == '\n')
            break;
        if (byte == '\0' || len + 1 == LINE_BYTES)
            return false;
        line[len++] = byte;
    }
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    return interrupted == 0;
}

static bool ask(const char *prompt, char line[static LINE_BYTES])
{
    struct termios shown;
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    struct termios hidden = shown;
    hidden.c_lflag &= (tcflag_t)~ECHO;
    (void)fprintf(stderr, "%s", prompt);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return false;
    bool read = read_line(line);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fprintf(stderr, "\n");
    return read;
}

static bool ask_twice(char line[static LINE_BYTES], bool twice)
{
    char again[LINE_BYTES] = "";
    if (!ask("Password: ", line))
        return false;
    if (!twice)
        return true;
    bool same = ask("Once more: ", again) && strcmp(line, again) == 0;
    if (!same && interrupted == 0)
        (void)fprintf(stderr, "lotctl: these are two different passwords\n");
    sodium_memzero(again, sizeof again);
    return same;
}

char *tool_password(struct tool *tool, bool twice)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    enum { SIGNALS = sizeof signals / sizeof signals[0] };
    struct sigaction kept[SIGNALS];
    const struct sigaction caught = {.sa_handler = on_signal}; /* read() is not restarted */
    char line[LINE_BYTES] = "";
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &caught, &kept[i]);
    bool got = isatty(STDIN_FILENO) ? ask_twice(line, twice) : read_line(line);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &kept[i], NULL);
    char *password = got ? arena_strdup(&tool->arena, line) : NULL;
    sodium_memzero(line, sizeof line);
    if (password == NULL)
        (void)fprintf(stderr, "lotctl: no password was given\n");
    return password;
}
