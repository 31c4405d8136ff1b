/* whinchat.h - small language models on the machine in front of you: the public API, all of it.
 *
 *     wc_error err = {0};
 *     wc_model *model = wc_model_open("gemma-3n-mini-it", NULL, &err);
 *     wc_session *session = model ? wc_session_new(model, NULL, &err) : NULL;
 *     wc_media picture = {.path = "guitarist.png"};
 *     wc_prompt prompt = {.size = sizeof prompt, .media = &picture, .n_media = 1,
 *         .chat = "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\"},"
 *                 " {\"type\": \"text\", \"text\": \"What musical instrument is the person playing?\"}]}]}"};
 *     if (session && wc_session_prompt(session, &prompt, &err) &&
 *         wc_generate(&session, 1, NULL, NULL, NULL, &err))
 *         puts(wc_session_text(session));
 *     else
 *         fprintf(stderr, "%s\n", err.text);
 *     wc_session_free(session);
 *     wc_model_free(model);
 *
 * Rules that hold for every function:
 *   - What can fail takes a wc_error last and returns bool (false) or a pointer (NULL); err may be NULL and is
 *     untouched on success.  Its text is one line, without control characters: what, where, expected, found.
 *   - Strings are UTF-8.  A pointer to const that is returned is borrowed; the comment says until when it is valid.
 *     A char * that is returned belongs to the caller and is given back with wc_free.
 *   - Option structs begin with their size (sizeof of the struct that the caller was compiled with), so that they
 *     can grow.  A zero in any other field means its default; a NULL options pointer means all defaults.
 *   - A wc_model is read-only after wc_model_open and may be shared by threads.  A wc_session is used by one thread
 *     at a time; only wc_session_cancel may be called from another thread or a signal handler.
 *   - Nothing is printed, nothing exits, no byte leaves the machine. */
#ifndef WHINCHAT_H
#define WHINCHAT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WC_API __attribute__((visibility("default")))
#else
#define WC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---------------------------------------------------------------------------------------------------- */

enum wc_status {
    WC_OK = 0,
    WC_FAILED,       /* a failure at run time that none of the others names */
    WC_BAD_ARGUMENT, /* the caller's mistake: a NULL, a value out of range */
    WC_NOT_FOUND,    /* no such model, file or picture */
    WC_BAD_FILE,     /* a file was read and is broken or not what it should be */
    WC_UNSUPPORTED,  /* legal, but this program or this model cannot do it */
    WC_NO_MEMORY,    /* does not fit */
    WC_REFUSED,      /* the input is refused: a prompt too long, a picture too large */
    WC_CANCELLED     /* wc_session_cancel was called */
};

typedef struct wc_error {
    int code;        /* enum wc_status */
    char text[4000]; /* one line of UTF-8, NUL-terminated; several where a chat template chose the words */
} wc_error;

/* "0.1.0" */
WC_API const char *wc_version(void);
/* The kernel level in use on this CPU: "reference", "avx2", "avx512", "avx512bf16", "amx" or "neon". */
WC_API const char *wc_cpu_level(void);
/* The machine as JSON: {"cpu","level","levels":[...],"threads","physical_cores","memory_bytes",...}; free with wc_free. */
WC_API char *wc_machine_json(void);
/* Gives back what the library allocated for the caller; NULL is fine. */
WC_API void wc_free(void *memory);

/* ---- models ---------------------------------------------------------------------------------------------------- */

typedef struct wc_model wc_model;

enum wc_compute {
    WC_COMPUTE_AUTO = 0, /* what is fastest on this CPU: activations may be rounded to bf16 before a bf16 product */
    WC_COMPUTE_F32       /* f32 activations everywhere: what verify uses */
};

typedef struct wc_model_options {
    size_t size;
    int n_threads;         /* 0: the physical cores within the affinity mask and the cgroup quota */
    int compute;           /* enum wc_compute */
    const char *slice;     /* MatFormer: "E2B" or JSON {"layers_skipped":[...],"ffn_hidden_dims":[...]}; NULL: whole */
    const char *tokenizer; /* a folder with tokenizer files to use in place of the model's own; NULL */
    const char *config;    /* path of a config.json to use in place of the folder's; NULL */
    bool tokenizer_only;   /* open tokenizer and templates only; a folder without weights will do */
    const char *random_dtype; /* "f32", "bf16", "f16": name is a config.json, the weights are made up (for bench) */
    const char *mmproj;    /* the GGUF file of a GGUF model's pictures; NULL: the one *mmproj*.gguf beside the model's */
} wc_model_options;

/* Opens a model by name: a folder, a name in the Hugging Face cache (OWNER/NAME[@REVISION][:FILE], FILE being one of a GGUF
 * model or its quantization), or one that ships with whinchat.
 * Weights are mapped, not read.  NULL on failure.  Free with wc_model_free after the last of its sessions. */
WC_API wc_model *wc_model_open(const char *name, const wc_model_options *options, wc_error *err);
WC_API void wc_model_free(wc_model *model);

/* What the model is, as JSON: {"name","path","mmproj" (the file of a GGUF model's pictures),"architecture","parameters","dtype","layers",...,"context_length",
 * "generation":{"do_sample","max_new_tokens" (0: not said),...,"eos_token_id":[...]} as generation_config.json has it,
 * "image":{"height","width","tokens","token"} where the model takes pictures, token being what stands for one in a text,
 * "audio":{"rate","seconds","tokens","token"} where it takes sound, "task","labels","encoder","embedding" of an encoder,
 * "modalities":["text","image","audio"],"warnings":[...]}.  Valid as long as the model. */
WC_API const char *wc_model_info(const wc_model *model);
/* The same and the memory that a session with context length ctx (0: default) needs, without mapping weights into
 * memory: adds "memory":{"weights_bytes","resident_bytes","kv_bytes","step_bytes","image_bytes",
 * "audio_bytes","total_bytes"}.  Free with wc_free. */
WC_API char *wc_show(const char *name, const wc_model_options *options, int ctx, wc_error *err);
/* The models that can be opened by name, and the folders that are looked into for them:
 * {"models":[{"name","path","source":"shipped"|"cache","bytes"}],"places":[{"path","exists"}]}.  wc_free. */
WC_API char *wc_list(wc_error *err);

/* ---- text: tokenizer and chat template ------------------------------------------------------------------------- */

/* Token ids of text [n_bytes].  Invalid UTF-8 becomes U+FFFD.  *ids belongs to the caller (wc_free); *n_ids of them. */
WC_API bool wc_tokenize(const wc_model *model, const char *text, size_t n_bytes, bool add_special_tokens,
                        int32_t **ids, size_t *n_ids, wc_error *err);
/* Text of ids, NUL-terminated, *n_bytes long (it may hold NULs); ids out of range give nothing.  wc_free. */
WC_API char *wc_detokenize(const wc_model *model, const int32_t *ids, size_t n_ids, bool skip_special_tokens,
                           size_t *n_bytes, wc_error *err);
/* The id of a token [n_bytes] as the vocabulary spells it ("##ing"); -1 when there is none. */
WC_API int32_t wc_token_id(const wc_model *model, const char *token, size_t n_bytes);
/* Renders a chat as transformers' apply_chat_template does.  request: JSON object with "messages" and optionally
 * "tools", "documents", "add_generation_prompt", "continue_final_message", "special_tokens", "kwargs", "now".
 * model may be NULL when the template's source is given; template_source NULL: the model's own.  wc_free. */
WC_API char *wc_chat_render(const wc_model *model, const char *template_source, const char *request, wc_error *err);
/* Renders a template plainly with the variables of a JSON object; now: "2025-07-04T09:05:03" or NULL.  wc_free. */
WC_API char *wc_template_render(const char *template_source, const char *vars, const char *now, wc_error *err);

/* ---- pictures -------------------------------------------------------------------------------------------------- */

/* One picture of a prompt: exactly one of path, data and rgb is set. */
typedef struct wc_media {
    const char *path;        /* a file; it is decoded as transformers' load_image does (EXIF applied, alpha dropped) */
    const void *data;        /* an encoded picture in memory, n_bytes long; decoded in the same way */
    size_t n_bytes;
    const uint8_t *rgb;      /* pixels, [height, width, 3], rows without gaps */
    int width, height;       /* of rgb */
} wc_media;

/* The size and format of a picture file, decoded to the last pixel: {"format","width","height","mode"}.  wc_free. */
WC_API char *wc_image_info(const char *path, wc_error *err);

/* ---- sounds ---------------------------------------------------------------------------------------------------- */

/* One sound of a prompt: exactly one of path, data and samples is set.  Channels are averaged, other rates than the model's
 * resampled; what a model cannot hear (Gemma 3n: behind 30 s) is cut off.  Shorter sounds of a prompt are padded to its
 * longest, as transformers does. */
typedef struct wc_sound {
    const char *path;        /* a WAV, FLAC, MP3 or Ogg (Vorbis, Opus) file */
    const void *data;        /* such a file in memory, n_bytes long */
    size_t n_bytes;
    const float *samples;    /* [n_samples] of one channel, about -1 to 1, rate of them a second */
    size_t n_samples;
    int rate;
} wc_sound;

/* What a sound file is, its first 30 s decoded: {"format","rate","channels","seconds","cut"}; seconds is what its header
 * says or null, cut whether there is more than 30 s.  wc_free. */
WC_API char *wc_audio_info(const char *path, wc_error *err);
/* What a file looks like by its first bytes: "audio" when it is a sound that wc_audio_info reads, else "image". */
WC_API const char *wc_media_kind(const char *path);

/* ---- sessions -------------------------------------------------------------------------------------------------- */

/* One conversation: its tokens, the keys and values computed so far, the state of its sampler. */
typedef struct wc_session wc_session;

enum wc_kv_type { WC_KV_AUTO = 0, WC_KV_F32, WC_KV_BF16 };

typedef struct wc_session_options {
    size_t size;
    int ctx;     /* most tokens of prompt and answer together; 0: the model's maximum, memory permitting */
    int kv_type; /* enum wc_kv_type; auto is bf16 for 16-bit models and f32 for f32 models */
} wc_session_options;

WC_API wc_session *wc_session_new(wc_model *model, const wc_session_options *options, wc_error *err);
WC_API void wc_session_free(wc_session *session);
/* Stops the session's running wc_generate (or encoding of pictures and sounds) at the next op; safe from any thread or signal. */
WC_API void wc_session_cancel(wc_session *session);

typedef struct wc_prompt {
    size_t size;
    const char *chat;        /* a request as for wc_chat_render (add_generation_prompt defaults to true unless the last
                                message is the assistant's), or */
    const char *text;        /* plain text, tokenized with special tokens, or */
    const int32_t *ids;      /* token ids, [n_ids]; places of pictures and sounds are already expanded */
    size_t n_ids;
    const wc_media *media;   /* [n_media] pictures, in the order of their places in the prompt */
    size_t n_media;
    const wc_sound *sounds;  /* [n_sounds] likewise, in the order of theirs */
    size_t n_sounds;
    int pan_and_scan;        /* wide and tall pictures also in pieces: 1 yes, -1 no, 0 as the model's files say (Gemma 3) */
} wc_prompt;

/* Sets the session's whole prompt.  What it shares with the tokens computed so far is not computed again.
 * Pictures and sounds are encoded here.  Fails when it is longer than ctx. */
WC_API bool wc_session_prompt(wc_session *session, const wc_prompt *prompt, wc_error *err);

typedef struct wc_generate_options {
    size_t size;
    int max_new_tokens;        /* 0: the generation config's, else 256; -1: until the context is full */
    int sampling;              /* 0: as the model's generation config says; 1: greedy; 2: sample */
    float temperature;         /* 0: from the generation config, else 1; used when sampling */
    int top_k;                 /* 0: from the generation config, else 50; -1: off */
    float top_p;               /* 0: from the generation config; 1: off */
    float min_p;               /* 0: from the generation config; negative: off */
    float typical_p;           /* 0: from the generation config; 1: off */
    float repetition_penalty;  /* 0: from the generation config, else 1 */
    uint64_t seed;             /* 0: drawn from the system; wc_session_result gives the one used */
    const char *const *stop;   /* [n_stop] strings that end the answer and are not part of it */
    size_t n_stop;
    int n_logprobs;            /* alternatives reported per token, 0 to 20; -1: not even the token's own */
    bool ignore_eos;           /* go on after an end-of-sequence token */
    int chunk_rows;            /* rows of a prefill step; 0: 512 */
} wc_generate_options;

typedef struct wc_logprob {
    int32_t id;
    float logprob; /* log-softmax of the raw logits */
} wc_logprob;

/* One token of one session's answer. */
typedef struct wc_event {
    size_t size;
    size_t session;            /* index into the sessions given to wc_generate */
    int32_t id;
    const char *text;          /* new complete UTF-8 text, [n_bytes], not NUL-terminated; often empty or several characters */
    size_t n_bytes;
    float logprob;
    const wc_logprob *top;     /* [n_top], best first */
    size_t n_top;
    bool last;                 /* the answer of this session ends with this event (its id may be -1: only text) */
} wc_event;

/* Called for every token; false ends that session's answer ("cancelled"). */
typedef bool (*wc_event_fn)(void *user, const wc_event *event);
/* Called while something long runs: stage "image", "audio", "prefill" or "load", done of total units.  May be NULL. */
typedef void (*wc_progress_fn)(void *user, const char *stage, size_t done, size_t total);
WC_API void wc_session_on_progress(wc_session *session, wc_progress_fn fn, void *user);

/* Computes the answers of n sessions of one model together, each as it would be alone.  options: one for all, or NULL.
 * on_event may be NULL.  On WC_CANCELLED the tokens so far stay in the session. */
WC_API bool wc_generate(wc_session *const *sessions, size_t n, const wc_generate_options *options,
                        wc_event_fn on_event, void *user, wc_error *err);

enum wc_finish { WC_FINISH_NONE = 0, WC_FINISH_STOP, WC_FINISH_LENGTH, WC_FINISH_CANCELLED };

typedef struct wc_result {
    size_t size;               /* in: sizeof of the caller's struct */
    int finish;                /* enum wc_finish */
    uint64_t seed;
    size_t n_prompt, n_cached; /* tokens of the prompt; of these, not computed again */
    size_t n_ids;              /* tokens of the answer, the end token included */
    const int32_t *prompt_ids; /* [n_prompt] valid until the next wc_session_prompt */
    const int32_t *ids;        /* [n_ids] valid until the next wc_generate or wc_session_prompt */
    double image_seconds, prefill_seconds, decode_seconds, first_token_seconds;
    double audio_seconds;      /* of encoding the prompt's sounds */
} wc_result;

WC_API void wc_session_result(const wc_session *session, wc_result *result);
/* The answer's text without special tokens and stop strings; valid until the next wc_generate or wc_session_prompt. */
WC_API const char *wc_session_text(const wc_session *session);
/* The logits of the last row computed, [vocab_size], NULL before the first; valid until the next call. */
WC_API const float *wc_session_logits(const wc_session *session, size_t *n_vocab);

/* ---- encoders -------------------------------------------------------------------------------------------------- */

/* n_bytes of UTF-8, which need no NUL behind them. */
typedef struct wc_string {
    const char *text;
    size_t n_bytes;
} wc_string;

typedef struct wc_encode_options {
    size_t size;
    const char *prompt;        /* put before every text of wc_embed; NULL: the one called prompt_name */
    const char *prompt_name;   /* one of the model's prompts ("query", "document"); NULL: its default, often none */
    int dimensions;            /* only the first so many of a vector (for models trained as Matryoshka); 0: all */
    bool normalize;            /* vectors of length 1, whatever the model's modules say; after dimensions */
    int max_tokens;            /* a text is cut behind so many, special tokens included; 0, or more: the model's */
    int batch_rows;            /* tokens of a pass; 0: 2048 */
    int top_k;                 /* candidates of wc_fill for each mask; 0: 5 */
    bool *cut;                 /* out, [n]: the text was longer than max_tokens and lost its end; NULL */
} wc_encode_options;

/* Vectors [n, *width] of n texts, as sentence-transformers makes them from the same folder (modules.json, or the mean over
 * all tokens): a text's vector is the same bits whatever texts stand beside it.  wc_free; NULL on failure. */
WC_API float *wc_embed(wc_model *model, const wc_string *texts, size_t n, const wc_encode_options *options,
                       size_t *width, wc_error *err);
/* The products [n] of a vector x [width] and each of n vectors [n, width]: where all are of length 1 (normalize), their
 * cosines, which sentence-transformers calls similarity.  scores: [n], of the caller. */
WC_API bool wc_similarity(const float *x, const float *vectors, size_t n, size_t width, float *scores, wc_error *err);
/* Scores [n]: how relevant each document is to the query, as sentence-transformers' CrossEncoder has it (the sigmoid of the
 * logit, or the logit where the configuration says so).  wc_free; NULL on failure. */
WC_API float *wc_rerank(wc_model *model, wc_string query, const wc_string *documents, size_t n,
                        const wc_encode_options *options, wc_error *err);
/* Probabilities [n, *n_labels] of the labels (wc_model_info: "labels") of each text, as transformers' pipeline
 * "text-classification" has them: softmax, or sigmoid for one label or several at once.  wc_free; NULL on failure. */
WC_API float *wc_classify(wc_model *model, const wc_string *texts, size_t n, const wc_encode_options *options,
                          size_t *n_labels, wc_error *err);
/* The best label of each token that is not special: {"cut","tokens":[{"index","id","token","label","score"}]}.  wc_free. */
WC_API char *wc_classify_tokens(wc_model *model, wc_string text, const wc_encode_options *options, wc_error *err);
/* The likeliest words for each mask token in the text, as transformers' pipeline "fill-mask" has them:
 * {"cut","masks":[[{"id","token","text","score","sequence"}]]}.  wc_free. */
WC_API char *wc_fill(wc_model *model, wc_string text, const wc_encode_options *options, wc_error *err);

/* An encoder by its tokens, for who makes other answers of them than those above.
 *
 * The tokens of a text, or of a pair of texts (pair NULL: one text), cut behind max_tokens (0, or more: the model's positions):
 * {"cut","tokens":[{"id","token","type","text","start","end"}]}.  text: 0 of the first, 1 of the second, -1 put around them;
 * [start, end), absent where text is -1: the bytes of that text that the token stands for, as the tokenizers library tells its
 * offsets; where the text is not valid UTF-8, of the text with U+FFFD in it.  wc_free. */
WC_API char *wc_tokens(const wc_model *model, wc_string text, const wc_string *pair, const wc_encode_options *options,
                       wc_error *err);

typedef struct wc_token_list {
    const int32_t *ids;        /* [n_ids] special tokens included */
    const int32_t *types;      /* [n_ids] 1 in the second text of a pair; NULL: all 0 */
    size_t n_ids;
    const int32_t *rows;       /* [n_rows] indices of the tokens that are asked for, rising; NULL: all */
    size_t n_rows;
} wc_token_list;

enum wc_rows {
    WC_ROWS_HIDDEN = 0,        /* the last hidden states, [rows, hidden_size] */
    WC_ROWS_LOGITS             /* what the head makes of them: [rows, vocab_size] of words, [rows, labels] of tokens;
                                  of a model for text classification one row of a list, [n, labels], whatever its rows */
};

/* Rows [*n_rows, *width] of n lists of tokens, one list's behind the other's; the same bits whatever lists stand beside.  Of
 * options only batch_rows counts.  wc_free; NULL on failure. */
WC_API float *wc_encode(wc_model *model, const wc_token_list *lists, size_t n, int what,
                        const wc_encode_options *options, size_t *n_rows, size_t *width, wc_error *err);

/* ---- looking inside -------------------------------------------------------------------------------------------- */

/* A strided view of a tensor of the computation; borrowed for the time of the call. */
typedef struct wc_view {
    const void *data;
    int dtype;                 /* 0: f32 */
    int ndim;
    size_t shape[4];
    size_t stride[4];          /* in elements */
} wc_view;

typedef void (*wc_observer_fn)(void *user, const char *name, const wc_view *view);
/* fn sees every named point of the session's computation ("layers.3.attn_o_proj"); NULL ends it. */
WC_API void wc_session_observe(wc_session *session, wc_observer_fn fn, void *user);

/* One line of a verification. */
typedef struct wc_check {
    size_t size;
    const char *name;          /* golden tensor, or a check of our own such as "p7.greedy_ids" */
    bool pass;
    double max_diff;           /* largest |got - want| */
    double worst_share;        /* largest |got - want| / (atol + rtol * |want|) */
    double atol, rtol;
    const char *note;          /* why it failed or was not run; "" */
} wc_check;

typedef void (*wc_check_fn)(void *user, const wc_check *check);

typedef struct wc_verify_options {
    size_t size;
    const char *golden;        /* folder with golden.json and golden.safetensors; NULL: the model's own */
    const char *only;          /* comma-separated prefixes of names to run; NULL: all */
    const char *skip;          /* comma-separated prefixes of names to leave out, each reported; NULL: none */
} wc_verify_options;

/* Runs every reference of a model folder; *n_passed, *n_failed count.  true when all could be run, whatever the outcome. */
WC_API bool wc_verify(const char *name, const wc_model_options *model_options, const wc_verify_options *options,
                      wc_check_fn on_check, void *user, size_t *n_passed, size_t *n_failed, wc_error *err);

typedef struct wc_text_options {
    size_t size;
    int ctx;                   /* tokens of a window; 0: the model's longest context, at most 2048 */
    int stride;                /* from one window's beginning to the next's; 0: 512 */
    wc_progress_fn progress;   /* NULL: none; stage "prefill", tokens */
    void *progress_user;
} wc_text_options;

/* How well a model foretells a text [n_bytes], in overlapping windows as transformers' guide has it, each token counted once:
 * {"tokens","scored","ctx","stride","mean_nll","perplexity"}.  wc_free. */
WC_API char *wc_perplexity(wc_model *model, const char *text, size_t n_bytes, const wc_text_options *options,
                           wc_error *err);
/* How far b is from a, of the same vocabulary, on a text: {"tokens","scored","ctx","stride","mean_kl","largest_kl",
 * "top1_agreement","largest_logit_difference","perplexity_a","perplexity_b"}; KL is that of a from b, in nats.  wc_free. */
WC_API char *wc_compare(wc_model *a, wc_model *b, const char *text, size_t n_bytes, const wc_text_options *options,
                        wc_error *err);

/* Writes the text model of a folder with safetensors to the file out as GGUF, which llama.cpp loads: matrices of type "f32",
 * "f16", "bf16", "q8_0" or "q4_0" (small ones and all else f32).  The file appears when it is whole; progress may be NULL (stage
 * "convert", bytes).  false on failure. */
WC_API bool wc_convert(const char *name, const char *out, const char *type, wc_progress_fn progress, void *user,
                       wc_error *err);
/* Likewise the picture tower and projector of a Gemma 3 or Gemma 3n folder, as llama.cpp's converter does with --mmproj: what
 * wc_model_options.mmproj takes.  The sound tower of Gemma 3n has no place in such a file.  For llama.cpp take "f16". */
WC_API bool wc_convert_mmproj(const char *name, const char *out, const char *type, wc_progress_fn progress, void *user,
                              wc_error *err);

typedef struct wc_bench_options {
    size_t size;
    int n_prefill, n_decode;   /* tokens; 0: not measured */
    bool image;                /* measure the picture encoder */
    int repeat;                /* 0: 3 */
    const char *only;          /* NULL, or "ceilings": of the machine alone; name may be NULL */
    bool audio;                /* measure the sound encoder on the longest sound that the model hears */
} wc_bench_options;

/* Medians as JSON (keys as `whinchat bench --json` prints them).  wc_free. */
WC_API char *wc_bench(const char *name, const wc_model_options *model_options, const wc_bench_options *options,
                      wc_error *err);

#ifdef __cplusplus
}
#endif
#endif
