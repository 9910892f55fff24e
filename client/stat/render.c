/* SPDX-License-Identifier: ISC */
/*
 * render.c - any view as a table, as TSV and as JSON
 *
 * Programs get exact numbers in the unit that the field's name tells; people
 * get the same numbers short. What is absent is "-", and null in JSON.
 */
#include "client/stat/render.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

typedef void cell_format_fn(const struct cell *cell, char *out);

/* --- a cell as text ------------------------------------------------------- */

static void format_text(const struct cell *cell, char *out)
{
	memcpy(out, cell->text, TEXT_BYTES);
}

static void format_count(const struct cell *cell, char *out)
{
	(void)snprintf(out, TEXT_BYTES, "%" PRIu64, cell->number);
}

static void format_bytes_human(const struct cell *cell, char *out)
{
	(void)units_human_size(cell->number, out);
}

static void format_seconds(const struct cell *cell, char *out)
{
	const uint64_t ms = cell->number / NS_PER_MS;

	(void)snprintf(out, TEXT_BYTES, "%" PRIu64 ".%03" PRIu64, ms / 1000,
		       ms % 1000);
}

static void format_ms(const struct cell *cell, char *out)
{
	const uint64_t ms = cell->number / NS_PER_MS;

	(void)snprintf(out, TEXT_BYTES, "%" PRIu64, ms);
}

static void format_duration_human(const struct cell *cell, char *out)
{
	/* Nobody wants to see that a connection is 12us old, or 12us idle. */
	const uint64_t ns = cell->number;

	(void)units_human_duration(ns < NS_PER_S ? ns - ns % NS_PER_MS : ns,
				   out);
}

static void format_time(const struct cell *cell, char *out)
{
	(void)text_time(cell->number, out);
}

static const struct {
	cell_format_fn *exact; /* for TSV and JSON */
	cell_format_fn *human; /* for a table */
	bool is_quoted;        /* in JSON; and aligned to the left */
	const char *unit;      /* left out of a table's heading */
} kinds[] = {
	[COLUMN_TEXT] = { format_text, format_text, true, NULL },
	[COLUMN_COUNT] = { format_count, format_count, false, NULL },
	[COLUMN_BYTES] = { format_count, format_bytes_human, false, NULL },
	[COLUMN_SECONDS] = { format_seconds, format_duration_human, false,
			     "_s" },
	[COLUMN_MS] = { format_ms, format_duration_human, false, "_ms" },
	[COLUMN_TIME] = { format_time, format_time, true, NULL },
};
_Static_assert(ARRAY_LEN(kinds) == COLUMN_KINDS, "all kinds of columns");

static bool cell_get(const struct column *column, const struct readout *readout,
		     const struct view_row *row, cell_format_fn *format,
		     char *out)
{
	const struct cursor at = {
		.readout = readout,
		.item = row->item,
		.slot = row->slot,
		.argument = column->argument,
	};
	struct cell cell;

	cell.is_there = false;
	cell.text[0] = '\0';
	column->get(&at, &cell);
	if (cell.is_there)
		format(&cell, out);
	else
		(void)strcpy(out, "-");
	return cell.is_there;
}

/* --- table ---------------------------------------------------------------- */

void render_bold_begin(const struct output *output)
{
	if (output->has_colour)
		(void)fputs("\033[1m", output->file);
}

void render_bold_end(const struct output *output)
{
	if (output->has_colour)
		(void)fputs("\033[0m", output->file);
}

/* "bytes_in" is BYTES IN, "age_s" is AGE. */
static void heading_format(const struct column *column, char *out)
{
	const char *unit = kinds[column->kind].unit;
	size_t n = strlen(column->name), i;

	if (unit && n > strlen(unit) &&
	    !strcmp(column->name + n - strlen(unit), unit))
		n -= strlen(unit);
	for (i = 0; i < n && i < TEXT_BYTES - 1; i++)
		out[i] = column->name[i] == '_' ?
				 ' ' :
				 (char)toupper((unsigned char)column->name[i]);
	out[i] = '\0';
}

/* @text at @width; no line ends in blanks. */
static void table_print_cell(const struct output *output,
			     const struct view *view, size_t c, size_t width,
			     const char *text)
{
	const bool is_left = kinds[view->columns[c].kind].is_quoted;
	const size_t taken = text_width(text);
	const int pad = width > taken ? (int)(width - taken) : 0;
	const bool is_last = c + 1 == view->n_columns;

	(void)fprintf(output->file, "%*s%s%*s%s", is_left ? 0 : pad, "", text,
		      is_left && !is_last ? pad : 0, "", is_last ? "" : "  ");
}

static void table_measure(const struct view *view,
			  const struct readout *readout,
			  const struct view_rows *rows, size_t *width)
{
	char text[TEXT_BYTES];
	size_t c, r, w;

	for (c = 0; c < view->n_columns; c++) {
		const struct column *column = &view->columns[c];

		heading_format(column, text);
		width[c] = text_width(text);
		for (r = 0; r < rows->n; r++) {
			(void)cell_get(column, readout, &rows->row[r],
				       kinds[column->kind].human, text);
			w = text_width(text);
			width[c] = w > width[c] ? w : width[c];
		}
	}
}

static void table_print(const struct view *view, const struct readout *readout,
			const struct view_rows *rows, const size_t *width,
			const struct output *output)
{
	char text[TEXT_BYTES];
	size_t c, r;

	render_bold_begin(output);
	for (c = 0; c < view->n_columns; c++) {
		heading_format(&view->columns[c], text);
		table_print_cell(output, view, c, width[c], text);
	}
	render_bold_end(output);
	(void)fputc('\n', output->file);
	for (r = 0; r < rows->n; r++) {
		for (c = 0; c < view->n_columns; c++) {
			(void)cell_get(&view->columns[c], readout,
				       &rows->row[r],
				       kinds[view->columns[c].kind].human,
				       text);
			table_print_cell(output, view, c, width[c], text);
		}
		(void)fputc('\n', output->file);
	}
}

int render_table(const struct view *view, const struct readout *readout,
		 struct output *output)
{
	struct view_rows rows;
	size_t *width;
	int err;

	err = view->collect(readout, &rows);
	if (err)
		return err;
	width = calloc(view->n_columns, sizeof(*width));
	if (width) {
		table_measure(view, readout, &rows, width);
		table_print(view, readout, &rows, width, output);
	} else {
		err = -ENOMEM;
	}
	free(width);
	free(rows.row);
	return err;
}

/* --- TSV ------------------------------------------------------------------ */

int render_tsv(const struct view *view, const struct readout *readout,
	       struct output *output)
{
	char text[TEXT_BYTES];
	struct view_rows rows;
	size_t c, r;
	int err;

	err = view->collect(readout, &rows);
	if (err)
		return err;
	for (c = 0; c < view->n_columns; c++)
		(void)fprintf(output->file, "%s%s", c ? "\t" : "",
			      view->columns[c].name);
	(void)fputc('\n', output->file);
	for (r = 0; r < rows.n; r++) {
		for (c = 0; c < view->n_columns; c++) {
			(void)cell_get(&view->columns[c], readout, &rows.row[r],
				       kinds[view->columns[c].kind].exact,
				       text);
			(void)fprintf(output->file, "%s%s", c ? "\t" : "",
				      text);
		}
		(void)fputc('\n', output->file);
	}
	free(rows.row);
	return 0;
}

/* --- JSON ----------------------------------------------------------------- */

void render_json_text(FILE *file, const char *text)
{
	(void)fputc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', file);
		(void)fputc(*text, file);
	}
	(void)fputc('"', file);
}

static void json_print_time(FILE *file, const char *key, uint64_t real_ns)
{
	char text[TEXT_BYTES];

	if (real_ns)
		(void)fprintf(file, ",\"%s\":\"%s\"", key,
			      text_time(real_ns, text));
	else
		(void)fprintf(file, ",\"%s\":null", key);
}

static void json_print_server(FILE *file, const struct readout *readout)
{
	const struct ledger_header *header = &readout->snapshot->header;
	const uint32_t state = ledger_get(header->state);
	char program[TEXT_BYTES];

	(void)fprintf(file, ",\"alive\":%s,\"pid\":%d,\"state\":",
		      readout->is_alive ? "true" : "false",
		      (int)(readout->is_alive ? readout->snapshot->alive_pid :
						header->master_pid));
	render_json_text(file, state < LEDGER_STATES ?
				       ledger_state_names[state] :
				       "unknown");
	(void)fprintf(file, ",\"served\":%s,\"version\":",
		      readout->is_served ? "true" : "false");
	render_json_text(file,
			 text_clean(header->program, program, sizeof(program)));
}

void render_json_begin(FILE *file, const struct readout *readout,
		       const char *view_name)
{
	const struct ledger_header *header = &readout->snapshot->header;

	(void)fprintf(file, "{\"schema\":%d,\"view\":\"%s\",\"instance\":",
		      RENDER_SCHEMA, view_name);
	render_json_text(file, readout->instance);
	json_print_server(file, readout);
	json_print_time(file, "time", readout->snapshot->taken_real_ns);
	json_print_time(file, "created", header->created_real_ns);
	json_print_time(file, "started", header->started_real_ns);
	json_print_time(file, "stopped", ledger_get(header->stopped_real_ns));
}

/* One document, one line: what -i prints is JSON lines. */
void render_json_end(FILE *file)
{
	(void)fputs("}\n", file);
}

static void json_print_row(const struct view *view,
			   const struct readout *readout,
			   const struct view_row *row, FILE *file)
{
	char text[TEXT_BYTES];
	size_t c;

	for (c = 0; c < view->n_columns; c++) {
		const struct column *column = &view->columns[c];
		const bool is_there = cell_get(column, readout, row,
					       kinds[column->kind].exact, text);

		(void)fprintf(file, "%c\"%s\":", c ? ',' : '{', column->name);
		if (!is_there)
			(void)fputs("null", file);
		else if (kinds[column->kind].is_quoted)
			render_json_text(file, text);
		else
			(void)fputs(text, file);
	}
	(void)fputc('}', file);
}

int render_json(const struct view *view, const struct readout *readout,
		struct output *output)
{
	struct view_rows rows;
	size_t r;
	int err;

	err = view->collect(readout, &rows);
	if (err)
		return err;
	render_json_begin(output->file, readout, view->name);
	(void)fprintf(output->file, ",\"%s\":[", view->name);
	for (r = 0; r < rows.n; r++) {
		if (r)
			(void)fputc(',', output->file);
		json_print_row(view, readout, &rows.row[r], output->file);
	}
	(void)fputc(']', output->file);
	render_json_end(output->file);
	free(rows.row);
	return 0;
}

const struct format render_formats[] = {
	{ "table", render_table },
	{ "tsv", render_tsv },
	{ "json", render_json },
};
