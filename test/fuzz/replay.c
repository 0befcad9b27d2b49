/*
 * Runs a fuzz target over every file of a directory, so that the corpus is a regression test
 * without libFuzzer: replay CORPUS_DIRECTORY. Prints TAP; a crash is the failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A corpus file at most, in bytes. */
#define INPUT_BYTES_MAX (4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (file == NULL || data == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        free(data);
        if (file != NULL)
            (void)fclose(file);
        return 1;
    }
    size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    /* Exactly as large as the input, so that a sanitizer sees a read beyond it. */
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact != NULL) {
        memcpy(exact, data, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(data);
    return exact == NULL;
}

int main(int argc, char **argv)
{
    char path[4096];
    int files = 0;
    int bad = 0;
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (directory == NULL) {
        (void)printf("not ok 1 - no corpus at %s\n1..1\n", argc == 2 ? argv[1] : "");
        return 1;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        bad |= run_file(path);
        files++;
    }
    (void)closedir(directory);
    (void)printf("%s 1 - %d inputs\n1..1\n", bad || files == 0 ? "not ok" : "ok", files);
    return bad || files == 0;
}
