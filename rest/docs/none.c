/* Instead of what pack.mjs writes, where the viewer is not there. */
#include "rest/file.h"

const size_t rest_docs_file_count = 0;
const struct rest_file rest_docs_files[] = {{.path = NULL}};
