/* What embedded benchmarks mix: walking and sorting a linked list, an integer matrix, a state
 * machine over text, and a checksum over all of it. */
#include "guest.h"

enum { NODES = 400, SIDE = 24 };

typedef struct node {
    struct node *next;
    int value, order;
} node;

static node nodes[NODES];
static int m1[SIDE][SIDE], m2[SIDE][SIDE], m3[SIDE][SIDE];
static u32 crc;

static void
checksum(u32 v)
{
    for (int bit = 0; bit < 16; bit++, v >>= 1) crc = (crc >> 1) ^ ((crc ^ v) & 1 ? 0xa001 : 0);
}

static int
compare(const node *a, const node *b, int by_order)
{
    return by_order ? a->order - b->order : a->value - b->value;
}

/* Merge sort of a list, bottom up. */
static node *
sort(node *list, int by_order)
{
    for (u32 width = 1;; width *= 2) {
        node *left = list, *tail = 0;
        u32 merges = 0;
        list = 0;
        while (left) {
            merges++;
            node *right = left;
            u32 left_len = 0, right_len = width;
            while (left_len < width && right) left_len++, right = right->next;
            while (left_len || (right_len && right)) {
                int const from_left = left_len && (!right_len || !right ||
                                                   compare(left, right, by_order) <= 0);
                node *const taken = from_left ? left : right;
                if (from_left) left = left->next, left_len--;
                else right = right->next, right_len--;
                if (tail) tail->next = taken;
                else list = taken;
                tail = taken;
            }
            left = right;
        }
        tail->next = 0;
        if (merges <= 1) return list;
    }
}

static void
lists(u32 seed)
{
    for (int i = 0; i < NODES; i++) {
        seed = seed * 1664525 + 1013904223;
        nodes[i] = (node){i + 1 < NODES ? &nodes[i + 1] : 0, (int)(seed >> 17), i};
    }
    node *list = sort(nodes, 0);
    for (const node *n = list; n; n = n->next) checksum((u32)n->value);
    list = sort(list, 1);
    node *reversed = 0;
    while (list) {
        node *const next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    checksum((u32)reversed->order);
}

static void
matrices(int seed)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            m1[i][j] = (short)(seed + i * j);
            m2[i][j] = (short)(seed - i + j);
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += ((m1[i][k] * m2[k][j]) >> 2 & 15) * (m1[k][j] >> 5 & 127);
            m3[i][j] = sum;
        }
    for (int i = 0; i < SIDE; i++) checksum((u32)m3[i][SIDE - 1 - i]);
}

enum { START, INT, FLOAT, EXPONENT, SIGN, INVALID, STATES };

static void
states(void)
{
    static const char text[] =
        "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,"
        "+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^";
    u32 seen[STATES] = {0};
    int state = START;
    for (const char *p = text; *p; p++) {
        char const ch = *p;
        if (ch == ',') {
            seen[state]++;
            state = START;
            continue;
        }
        int const digit = ch >= '0' && ch <= '9';
        switch (state) {
        case START:
            state = digit ? INT : ch == '+' || ch == '-' ? SIGN : ch == '.' ? FLOAT : INVALID;
            break;
        case SIGN: state = digit ? INT : ch == '.' ? FLOAT : INVALID; break;
        case INT: state = digit ? INT : ch == '.' ? FLOAT : INVALID; break;
        case FLOAT: state = digit ? FLOAT : ch == 'e' || ch == 'E' ? EXPONENT : INVALID; break;
        case EXPONENT: state = digit || ch == '+' || ch == '-' ? EXPONENT : INVALID; break;
        default: break;
        }
    }
    for (int i = 0; i < STATES; i++) checksum(seen[i]);
}

void
_start(void)
{
    for (u32 round = opaque(150); round--;) {
        lists(round);
        matrices((int)round);
        for (int i = 0; i < 20; i++) states();
    }
    print_u64(crc);
}
