/* Instead of what pack.mjs writes, where the frontend is left out. */
#include "rest/file.h"

const size_t rest_web_file_count = 0;
const struct rest_file rest_web_files[] = {{.path = NULL}};
