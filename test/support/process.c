#include "test/support/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Processes and directories that one test program uses at most. */
#define PROCESSES_MAX 256
#define DIRECTORIES_MAX 64
#define ENVIRONMENT_MAX 256

static pid_t running[PROCESSES_MAX];
static char directories[DIRECTORIES_MAX][64];
static size_t directory_count;
static bool cleanup_registered;
static pid_t owner;

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    /* A forked child of a test exits too; only the program itself cleans up. */
    if (getpid() != owner)
        return;
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        if (running[i] != 0)
            (void)kill(running[i], SIGKILL);
    }
    for (size_t i = 0; i < directory_count; i++)
        (void)nftw(directories[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void register_cleanup(void)
{
    if (cleanup_registered)
        return;
    cleanup_registered = true;
    owner = getpid();
    (void)atexit(clean_up);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void remember(pid_t from, pid_t to)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        if (running[i] == from) {
            running[i] = to;
            return;
        }
    }
}

static void run_child(char *const argv[], char *const env[], const char *log_path, int out)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        (void)putenv(env[i]);
    (void)execv(argv[0], argv);
    _exit(127);
}

void process_start(struct process *process, char *const argv[], char *const env[],
                   const char *log_path)
{
    int pipe_fds[2];
    register_cleanup();
    *process = (struct process){0};
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_child(argv, env, log_path, pipe_fds[1]);
    (void)close(pipe_fds[1]);
    process->pid = pid;
    process->out = pipe_fds[0];
    remember(0, pid);
}

/* Takes a whole line out of what has been read already. */
static bool take_line(struct process *process, char *line)
{
    char *newline = memchr(process->buffered, '\n', process->buffered_len);
    if (newline == NULL)
        return false;
    size_t len = (size_t)(newline - process->buffered);
    size_t kept = len < PROCESS_LINE_BYTES - 1 ? len : PROCESS_LINE_BYTES - 1;
    memcpy(line, process->buffered, kept);
    line[kept] = '\0';
    process->buffered_len -= len + 1;
    memmove(process->buffered, newline + 1, process->buffered_len);
    return true;
}

bool process_read_line(struct process *process, char line[static PROCESS_LINE_BYTES],
                       int timeout_ms)
{
    int64_t end_ms = now_ms() + timeout_ms;
    while (!take_line(process, line)) {
        int64_t left_ms = end_ms - now_ms();
        struct pollfd ready = {.fd = process->out, .events = POLLIN};
        if (left_ms <= 0 || process->buffered_len == sizeof process->buffered ||
            poll(&ready, 1, (int)left_ms) <= 0)
            return false;
        ssize_t n = read(process->out, process->buffered + process->buffered_len,
                         sizeof process->buffered - process->buffered_len);
        if (n <= 0)
            return false;
        process->buffered_len += (size_t)n;
    }
    return true;
}

void process_expect_line(struct process *process, const char *prefix,
                         char rest[static PROCESS_LINE_BYTES])
{
    char line[PROCESS_LINE_BYTES];
    for (;;) {
        if (!process_read_line(process, line, 30000))
            fail_msg("no line that begins with \"%s\"", prefix);
        if (strncmp(line, prefix, strlen(prefix)) == 0)
            break;
    }
    (void)snprintf(rest, PROCESS_LINE_BYTES, "%s", line + strlen(prefix));
}

void process_signal(const struct process *process, int signal)
{
    if (process->pid > 0)
        (void)kill(process->pid, signal);
}

struct exit_wait {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg)
{
    struct exit_wait *wait = arg;
    return waitpid(wait->pid, &wait->status, WNOHANG) == wait->pid;
}

int process_wait(struct process *process, int timeout_ms)
{
    struct exit_wait wait = {.pid = process->pid};
    if (process->pid <= 0 || !wait_until(has_ended, &wait, timeout_ms))
        return INT_MIN;
    remember(process->pid, 0);
    (void)close(process->out);
    process->pid = 0;
    return WIFEXITED(wait.status) ? WEXITSTATUS(wait.status) : -WTERMSIG(wait.status);
}

/* Whether a thread (or whatever /proc tells of in that file) is stopped; one that is gone is. */
static bool is_stopped(const char *stat_path)
{
    char text[512] = "";
    FILE *file = fopen(stat_path, "re");
    if (file == NULL)
        return true;
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || (name_end[1] == ' ' && name_end[2] == 'T');
}

static bool all_stopped(void *arg)
{
    const pid_t *pid = arg;
    char path[512];
    bool stopped = true;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)*pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)*pid, entry->d_name);
        stopped = stopped && is_stopped(path);
    }
    (void)closedir(directory);
    return stopped;
}

void process_stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_true(wait_until(all_stopped, &pid, 10000));
}

void process_kill(struct process *process)
{
    if (process->pid <= 0)
        return;
    (void)kill(process->pid, SIGKILL);
    (void)process_wait(process, 10000);
}

void temp_directory(char path[static 64])
{
    const char *base = getenv("TMPDIR");
    register_cleanup();
    if (base == NULL || *base == '\0' || strlen(base) > 40)
        base = "/tmp";
    (void)snprintf(path, 64, "%s/lotcast-XXXXXX", base);
    assert_non_null(mkdtemp(path));
    assert_true(directory_count < DIRECTORIES_MAX);
    (void)snprintf(directories[directory_count++], 64, "%s", path);
}

bool wait_until(bool (*ready)(void *arg), void *arg, int timeout_ms)
{
    int64_t end_ms = now_ms() + timeout_ms;
    while (!ready(arg)) {
        if (now_ms() >= end_ms)
            return false;
        (void)poll(NULL, 0, 5);
    }
    return true;
}
