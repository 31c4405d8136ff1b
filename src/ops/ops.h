/* ops.h - operations on tensors as models call them.
 *
 * Each takes its inputs by value and returns a new dense f32 tensor from the step arena, of the shape said here; the
 * equation stands at the entry of the same name in backend/backend.h.  Shapes are our own affair and are asserted.  On a
 * dry, stopped or failed context the shape is right and nothing is computed.  With a tape (tape.h) each records itself. */
#ifndef WC_OPS_OPS_H
#define WC_OPS_OPS_H
#include "backend/context.h"

/* A new tensor, not filled. */
wc_tensor wc_op_new(wc_ctx *c, int ndim, const size_t *shape);
/* Tells the observer; format as printf's makes the name. */
void wc_observe(wc_ctx *c, wc_tensor t, const char *format, ...) WC_PRINTF(3, 4);
/* Nothing is computed (any more): a loop over many ops may end early. */
bool wc_op_idle(const wc_ctx *c);
/* The step arena's mark, and back: all tensors made in between are gone, unless there is a tape. */
wc_arena_mark wc_op_mark(wc_ctx *c);
void wc_op_reset(wc_ctx *c, wc_arena_mark mark);
/* Copies x over y, of as many elements: how a result outlives a reset. */
void wc_op_store(wc_ctx *c, wc_tensor y, wc_tensor x);
/* x as it outlives a reset to mark: copied over place, an older tensor of its shape.  With a tape x itself. */
wc_tensor wc_op_keep(wc_ctx *c, wc_arena_mark mark, wc_tensor place, wc_tensor x);

wc_tensor wc_op_linear(wc_ctx *c, wc_tensor x, wc_tensor w); /* x [..,K], w [M,K] -> [..,M] */
wc_tensor wc_op_matmul(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act, wc_tensor add);
/* y[i] = x w[i]^T + bias[i] (or absent), i < n <= WC_MAX_PRODUCTS: the same as one by one, but faster. */
void wc_op_matmul_each(wc_ctx *c, wc_tensor *y, wc_tensor x, const wc_tensor *w, const wc_tensor *bias,
                       size_t n);
/* act(gate) * (x w^T + bias) where gate [..,M] was (with a tape: in a new tensor). */
wc_tensor wc_op_gated(wc_ctx *c, wc_tensor gate, wc_act act, wc_tensor x, wc_tensor w, wc_tensor bias);
/* A gated linear unit (Shazeer 2020, arXiv:2002.05202): act(x gate^T + gate_bias) * (x up^T + up_bias). */
wc_tensor wc_op_glu(wc_ctx *c, wc_tensor x, wc_act act, wc_tensor gate, wc_tensor gate_bias, wc_tensor up,
                    wc_tensor up_bias);
wc_tensor wc_op_embed(wc_ctx *c, wc_tensor w, const int32_t *ids, size_t n,
                      float scale); /* w [V,D] -> [n,D] */
void wc_op_embed_into(wc_ctx *c, wc_tensor y, wc_tensor w, const int32_t *ids,
                      float scale); /* rows of y may be strided */
wc_tensor wc_op_rms_norm(wc_ctx *c, wc_tensor x, wc_tensor w, float offset, float eps);
/* act of it, where x was (with a tape: in a new tensor): for large maps. */
wc_tensor wc_op_rms_norm_in_place(wc_ctx *c, wc_tensor x, wc_tensor w, float offset, float eps, wc_act act);
wc_tensor wc_op_layer_norm(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, float eps);
/* act of the group norm over all frames so far, where x [T,F,C] was. */
wc_tensor wc_op_cumulative_norm_in_place(wc_ctx *c, wc_tensor x, wc_tensor w, float eps, wc_act act);
wc_tensor wc_op_rope_table(wc_ctx *c, const int32_t *pos, size_t n, wc_tensor inv_freq,
                           float s); /* [n, 2h] */
/* x [n,heads,d], turned where it is (with a tape: in a new tensor). */
wc_tensor wc_op_rope_in_place(wc_ctx *c, wc_tensor x, wc_tensor table);
void wc_op_kv_write(wc_ctx *c, const wc_kv_layer *kv, const wc_row_map *rows, wc_tensor k, wc_tensor v);
wc_tensor wc_op_attention(wc_ctx *c, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                          const wc_attention *a);
/* The weights by which attention mixes values, [n_heads, n, n_keys]: of rows of one sequence, for those who look on. */
wc_tensor wc_op_attention_probs(wc_ctx *c, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                                const wc_attention *a, size_t n_keys);
wc_tensor wc_op_attention_dense(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, const wc_attention *a);
/* q, k, v [n,H*d], r [past + future + 1,H*d] -> [n,H*d] */
wc_tensor wc_op_local_attention(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, wc_tensor r,
                                const wc_local_attention *a);
/* Its scores by chunks, [H, chunks, chunk, chunk + past + future]: for those who look on. */
wc_tensor wc_op_local_scores(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor r, const wc_local_attention *a,
                             size_t chunk);
/* Of the rows of a step over each other: q [n, H * key_dim], k and v likewise. */
wc_tensor wc_op_attention_rows(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, const wc_row_map *rows,
                               const wc_attention *a);

wc_tensor wc_op_act(wc_ctx *c, wc_tensor x, wc_act act);
wc_tensor wc_op_add(wc_ctx *c, wc_tensor x, wc_tensor z);
wc_tensor wc_op_add_scaled(wc_ctx *c, wc_tensor x, wc_tensor z, float s);       /* (x + z) * s */
void wc_op_add_into(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor z, float s); /* y may be x or z */
wc_tensor wc_op_mul(wc_ctx *c, wc_tensor x, wc_tensor z);
wc_tensor wc_op_act_mul(wc_ctx *c, wc_tensor x, wc_tensor z,
                        wc_act act); /* act(x) * z in place of x, or new with a tape */
wc_tensor wc_op_scale(wc_ctx *c, wc_tensor x, float s);
wc_tensor wc_op_soft_cap(wc_ctx *c, wc_tensor x, float cap);
wc_tensor wc_op_clamp(wc_ctx *c, wc_tensor x, float limit); /* to -limit .. limit */
wc_tensor wc_op_mul_vec(wc_ctx *c, wc_tensor x, wc_tensor v, wc_tensor add);
void wc_op_mul_vec_into(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor v,
                        wc_tensor add); /* y may be x or add */
wc_tensor wc_op_softmax(wc_ctx *c, wc_tensor x);
wc_tensor wc_op_sparsify(wc_ctx *c, wc_tensor x, float z);
wc_tensor wc_op_match_rms(wc_ctx *c, wc_tensor x, wc_tensor ref, float floor);

wc_tensor wc_op_altup_predict(wc_ctx *c, wc_tensor s, wc_tensor coefs);
void wc_op_altup_correct_into(wc_ctx *c, wc_tensor y, wc_tensor p, wc_tensor x, wc_tensor coefs, int active);
wc_tensor wc_op_mean_streams(wc_ctx *c, wc_tensor s);
wc_tensor wc_op_get_rows(wc_ctx *c, wc_tensor x, const int32_t *rows, size_t n); /* [n, D] */
/* x [n,D] -> [n_seqs, D]; first [n_seqs + 1] */
wc_tensor wc_op_pool_rows(wc_ctx *c, wc_tensor x, const int32_t *first, size_t n_seqs, int skip,
                          wc_pooling how);
void wc_op_put_rows(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows);
/* Rows first .. n - 1 of x [n, D] become zeros. */
void wc_op_zero_rows(wc_ctx *c, wc_tensor x, size_t first);
wc_tensor wc_op_route_two(wc_ctx *c, wc_tensor scores, float jitter); /* [n,2E]: first, second */
/* Room for n row numbers in the step arena; NULL with c failed. */
int32_t *wc_op_ids(wc_ctx *c, size_t n);
/* The rows of weights [n,W] whose entry of a column is not 0, into rows [n]; how many.  A rehearsal counts all. */
size_t wc_op_chosen(const wc_ctx *c, wc_tensor weights, size_t column, int32_t *rows);
void wc_op_add_rows(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows, wc_tensor weights,
                    size_t column);
wc_tensor wc_op_concat(wc_ctx *c, wc_tensor x, wc_tensor z);

/* Maps x [h,w,c].  "Same" padding of TensorFlow: out = ceil(in / stride), the odd zero goes after. */
wc_tensor wc_op_conv2d_same(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, int stride);
wc_tensor wc_op_conv2d_depthwise_same(wc_ctx *c, wc_tensor x, wc_tensor w, int stride);
/* Zeros around the map before it is convolved: out = (in + zeros - kernel) / stride + 1, at least 1. */
typedef struct wc_padding {
    int top, bottom, left, right;
} wc_padding;
wc_tensor wc_op_conv2d_padded(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, int stride,
                              wc_padding pad);
wc_tensor wc_op_conv2d_depthwise_padded(wc_ctx *c, wc_tensor x, wc_tensor w, int stride, wc_padding pad);
wc_tensor wc_op_avg_pool(wc_ctx *c, wc_tensor x, int k);
wc_tensor wc_op_resize_nearest(wc_ctx *c, wc_tensor x, size_t h, size_t w);
wc_tensor wc_op_resize_bilinear(wc_ctx *c, wc_tensor x, size_t h, size_t w);
#endif
