/*
 * Real processes for tests: start, read lines of their standard output, kill, wait. Every process
 * that is still running when the test program ends is killed.
 */
#ifndef TEST_SUPPORT_PROCESS_H
#define TEST_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Longest line that is read, in bytes. */
#define PROCESS_LINE_BYTES 1024

struct process {
    pid_t pid;
    int out; /* its standard output */
    char buffered[4096];
    size_t buffered_len;
};

/*
 * Starts argv[0] with these arguments (NULL-terminated) and, on top of this process's environment,
 * `env` (KEY=VALUE, NULL-terminated, or NULL). Its standard error goes to `log_path`, appended.
 * Fails the test if it cannot be started.
 */
void process_start(struct process *process, char *const argv[], char *const env[],
                   const char *log_path);
/* Reads the next line of its output, without the newline; false at its end or after timeout_ms. */
bool process_read_line(struct process *process, char line[static PROCESS_LINE_BYTES],
                       int timeout_ms);
/* Reads lines until one begins with `prefix`; copies what follows it. Fails the test after 30 s. */
void process_expect_line(struct process *process, const char *prefix,
                         char rest[static PROCESS_LINE_BYTES]);
void process_signal(const struct process *process, int signal);
/* Stops a process (SIGSTOP) and waits until all its threads stand still, which the signal alone
 * does not; SIGCONT lets it go on. */
void process_stop(pid_t pid);
/* Waits for its end: its exit code, or -signal; INT_MIN after timeout_ms. */
int process_wait(struct process *process, int timeout_ms);
/* SIGKILL and wait; nothing if it has ended. */
void process_kill(struct process *process);

/* Makes a private directory below $TMPDIR or /tmp; it is removed, with all in it, at exit. */
void temp_directory(char path[static 64]);

/* Runs `ready` every 5 ms until it says true; false after timeout_ms. */
bool wait_until(bool (*ready)(void *arg), void *arg, int timeout_ms);

#endif
