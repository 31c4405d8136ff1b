/* guess.c - see guess.h. */
#include "formats/guess.h"

#include <string.h>

const char *wc_file_guess(const wc_file_map *m)
{
    static const struct {
        const char *start, *what;
    } known[] = {
        {"version https://git-lfs",
         "; this is a Git LFS pointer, not the weights: fetch them with git lfs pull"},
        {"PK\x03\x04", "; this is a zip archive, perhaps a PyTorch checkpoint: save it as safetensors"},
        {"\x80\x02", "; this is a Python pickle, perhaps a PyTorch checkpoint: save it as safetensors"},
        {"GGUF", "; this is a GGUF file"},
        {"FUGG", "; the bytes are swapped: a big-endian file"},
        {"lmgg", "; this is an old GGML file: convert it to GGUF"},
        {"tjgg", "; this is an old GGJT file: convert it to GGUF"},
        {"fmgg", "; this is an old GGMF file: convert it to GGUF"},
        {"<", "; this looks like a web page, not like weights: download it again"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].start);
        if (m->size >= n && memcmp(m->data, known[i].start, n) == 0)
            return known[i].what;
    }
    return "";
}
