/* runs.h - the 32 numbers of run j of a block of each quantized type (tensor/blocks.h), as u, or u - 128 of types of 8 bits.
 *
 * Included once for each vocabulary: RUN(type) begins the function; FROM(type, field, at) is the place `at` bytes into a
 * field; n_load takes 32 bytes from there, n_nibbles the low halves of 16 bytes, then their high halves, n_bits a value where
 * one of 32 bits is set; n_right and n_left shift by bits within 16, and what comes over from a neighbour is masked off. */

RUN(q4_0)
{
    (void)j;
    return n_nibbles(FROM(q4_0, q, 0));
}

RUN(q4_1)
{
    (void)j;
    return n_nibbles(FROM(q4_1, q, 0));
}

RUN(q5_0)
{
    (void)j;
    return n_or(n_nibbles(FROM(q5_0, q, 0)), n_bits(FROM(q5_0, high, 0), 16));
}

RUN(q5_1)
{
    (void)j;
    return n_or(n_nibbles(FROM(q5_1, q, 0)), n_bits(FROM(q5_1, high, 0), 16));
}

RUN(q8_0)
{
    (void)j;
    return n_load(FROM(q8_0, q, 0));
}

RUN(q2_k)
{
    return n_and(n_right(n_load(FROM(q2_k, q, j / 4 * 32)), j % 4 * 2), 3);
}

RUN(q3_k)
{
    return n_or(n_and(n_right(n_load(FROM(q3_k, q, j / 4 * 32)), j % 4 * 2), 3),
                n_left(n_and(n_right(n_load(FROM(q3_k, high, 0)), j), 1), 2));
}

RUN(q4_k)
{
    return n_and(n_right(n_load(FROM(q4_k, q, j / 2 * 32)), j % 2 * 4), 15);
}

RUN(q5_k)
{
    return n_or(n_and(n_right(n_load(FROM(q5_k, q, j / 2 * 32)), j % 2 * 4), 15),
                n_left(n_and(n_right(n_load(FROM(q5_k, high, 0)), j), 1), 4));
}

RUN(q6_k)
{
    const int n = j / 4, r = j % 4;
    return n_or(n_and(n_right(n_load(FROM(q6_k, low, 64 * n + r % 2 * 32)), r / 2 * 4), 15),
                n_left(n_and(n_right(n_load(FROM(q6_k, high, 32 * n)), 2 * r), 3), 4));
}

RUN(iq4_nl)
{
    (void)j;
    return n_look_up(wc_iq4_values, n_nibbles(FROM(iq4_nl, q, 0)));
}

RUN(iq4_xs)
{
    return n_look_up(wc_iq4_values, n_nibbles(FROM(iq4_xs, q, 16 * j)));
}

#undef RUN
#undef FROM
#undef n_load
#undef n_nibbles
#undef n_bits
#undef n_look_up
#undef n_and
#undef n_or
#undef n_right
#undef n_left
