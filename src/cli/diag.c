/* Errors and notes, in the one form that users and scripts know:
 *
 *     error[missing-preopen]: the guest could not open "input/config.json"
 *       why: nothing is granted at /input
 *       fix: glovebox run --dir ./input main.wasm
 *       see: glovebox help missing-preopen
 *
 * or, with --log json, as one object a line with the same fields, for programs:
 *
 *     {"level": "error", "slug": "missing-preopen", "message": "...", "fix": "...", "see": "..."}
 *
 * Always on standard error, in one write, so that lines of several processes do not mix. The texts
 * come in escaped; in JSON they are escaped for that. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

bool
gbx_cli_colour(void)
{
    const char *const no_color = getenv("NO_COLOR");
    const char *const term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

static void
diag_field(cli_text *t, const char *name, const char *text)
{
    if (!text || !*text) return;
    gbx_cli_text_printf(t, "  %s: ", name);
    for (; *text; text++) {
        gbx_cli_text_add(t, text, 1);
        if (*text == '\n') gbx_cli_text_printf(t, "%*s", (int)strlen(name) + 4, "");
    }
    gbx_cli_text_add(t, "\n", 1);
}

static const char *diag_place;

void
gbx_cli_diag_place(const char *at)
{
    diag_place = at;
}

static bool diag_is_json;

int
gbx_cli_log_set(const char *how)
{
    bool const is_json = !strcmp(how, "json");
    if (!is_json && strcmp(how, "text") != 0)
        return gbx_cli_usage_error("bad-value", gbx_cli_format("--log cannot be %s", gbx_cli_quote(how)),
                                   "it is text or json", "--log json");
    diag_is_json = is_json;
    return CLI_EXIT_OK;
}

/* `"name": "text"`, behind others. */
static void
diag_member(cli_text *t, const char *name, const char *text)
{
    if (!text || !*text) return;
    gbx_cli_text_printf(t, "%s\"%s\": ", t->len > 1 ? ", " : "", name);
    gbx_cli_text_json(t, text);
}

static void
diag_json(cli_text *t, const cli_diag *diag)
{
    gbx_cli_text_printf(t, "{");
    diag_member(t, "level", diag->kind);
    diag_member(t, "slug", diag->slug);
    diag_member(t, "message", diag->message);
    diag_member(t, "at", diag->at ? diag->at : diag_place);
    diag_member(t, "why", diag->why);
    diag_member(t, "fix", diag->fix);
    diag_member(t, "see", gbx_cli_format("glovebox help %s", diag->slug));
    gbx_cli_text_printf(t, "}\n");
}

static void
diag_text(cli_text *t, const cli_diag *diag)
{
    bool const colour = gbx_cli_colour();
    const char *const bold = !colour                        ? ""
                             : !strcmp(diag->kind, "error") ? "\033[1;31m"
                                                            : "\033[1;36m";
    const char *const plain = colour ? "\033[0m" : "";
    gbx_cli_text_printf(t, "%s%s[%s]%s: %s\n", bold, diag->kind, diag->slug, plain, diag->message);
    diag_field(t, "at", diag->at ? diag->at : diag_place);
    diag_field(t, "why", diag->why);
    diag_field(t, "fix", diag->fix);
    diag_field(t, "see", gbx_cli_format("glovebox help %s", diag->slug));
}

void
gbx_cli_diag(const cli_diag *diag)
{
    cli_text t = {0};
    (diag_is_json ? diag_json : diag_text)(&t, diag);
    fflush(stdout);
    fwrite(t.data, 1, t.len, stderr);
    fflush(stderr);
}

int
gbx_cli_usage_error(const char *slug, const char *message, const char *why, const char *fix)
{
    gbx_cli_diag(
            &(cli_diag){.kind = "error", .slug = slug, .message = message, .why = why, .fix = fix});
    return CLI_EXIT_SETUP;
}
