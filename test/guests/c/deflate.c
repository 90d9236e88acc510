/* zlib: "deflate" compresses standard input to standard output, "inflate" does the reverse. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define CHUNK 16384

static unsigned char in[CHUNK], out[CHUNK];

static int
pump(int inflating)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    int code = inflating ? inflateInit(&z) : deflateInit(&z, 6);
    while (code == Z_OK) {
        int flush = Z_NO_FLUSH;
        if (z.avail_in == 0) {
            z.next_in = in;
            z.avail_in = (unsigned)fread(in, 1, CHUNK, stdin);
        }
        if (feof(stdin))
            flush = Z_FINISH;
        do {
            z.next_out = out;
            z.avail_out = CHUNK;
            code = inflating ? inflate(&z, Z_NO_FLUSH) : deflate(&z, flush);
            fwrite(out, 1, CHUNK - z.avail_out, stdout);
        } while (code == Z_OK && z.avail_out == 0);
        if (inflating && code == Z_OK && z.avail_in == 0 && feof(stdin))
            code = Z_DATA_ERROR;
    }
    if (inflating)
        inflateEnd(&z);
    else
        deflateEnd(&z);
    return code;
}

int
main(int argc, char **argv)
{
    int code = pump(argc > 1 && strcmp(argv[1], "inflate") == 0);
    if (code == Z_STREAM_END && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "zlib says %s\n", zError(code));
    return 1;
}
